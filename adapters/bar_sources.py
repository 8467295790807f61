"""Which files an import reads, whose bars they hold, and how long those bars are.

A file says it by its metadata, its columns, the spacing of its bars or its name. Where they are silent or
contradict each other, the caller is asked and told the candidates; where a folder holds several symbols or
timeframes, the groups are listed with the words that pick one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..engine.errors import DataError
from ..engine.market import BoolArray, IntArray
from ..engine.timeframe import DAY_NS, MINUTE_NS, TIMEFRAMES_NS
from .bar_tables import BarTable, NotBarsError, read_table
from .bar_times import Stamps, read_stamps
from .calendars import Hours, new_york_clock
from .file_names import NameHints, name_hints

ENDINGS = (".csv", ".txt", ".tsv", ".parquet", ".pq")
EVERY_SYMBOL = "*"

_NO_STOCK_SHARE = 0.10  # of bars on weekends or at night; coins have a third there, stocks none but errors
_MODAL_SHARE = 0.5  # of spacings that must agree for the timeframe to be plain

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]


class Request(NamedTuple):
    """What the caller said about the files; None where nothing."""

    symbols: tuple[str, ...] | None
    timeframe: str | None
    stamp: str | None
    asset_class: str | None
    session: Hours
    calendar: str | None
    timezone: str | None
    tick_size: float | None
    lot_size: float | None


class Part(NamedTuple):
    """The rows of one symbol in one file, in the file's order."""

    table: BarTable
    symbol: str
    timeframe: str
    rows: IntArray  # positions in the table
    stamps: Stamps  # of those rows

    @property
    def name(self) -> str:
        """The file's name, as text that can be written anywhere."""
        return self.table.path.name.encode("utf-8", "backslashreplace").decode("utf-8")

    @property
    def is_readable(self) -> BoolArray:
        """Rows whose time is known."""
        return ~(self.stamps.is_unreadable | self.stamps.is_ambiguous)


class _Candidate(NamedTuple):
    """A part before anybody knows its symbol or timeframe for sure."""

    table: BarTable
    symbols: tuple[str, ...]  # exactly one if it is plain
    timeframes: tuple[str, ...]
    rows: IntArray
    stamps: Stamps
    complaint: str  # why the timeframe is not plain


def read_parts(paths: Paths, request: Request) -> tuple[list[Part], list[tuple[str, str]]]:
    """Read the files and settle symbol and timeframe of each.

    Returns
    -------
    parts : list of Part
        All of one timeframe, by symbol and then by time.
    skipped : list of (file, reason)

    Raises
    ------
    DataError
        If nothing is found, a file cannot be read, or symbol or timeframe are not plain.
    """
    files, is_folder = _expand(paths)
    candidates: list[_Candidate] = []
    skipped: list[tuple[str, str]] = []
    for path in files:
        hints = name_hints(path.stem)
        if len(files) > 1 and _is_other_symbol(path, hints, request):
            skipped.append((path.name, f"not of {' or '.join(request.symbols or ())}"))
            continue
        try:
            table = read_table(path)
        except NotBarsError as error:
            if not is_folder:
                raise
            skipped.append((path.name, str(error).removeprefix(f"{path}: ")))
            continue
        candidates += _candidates(table, hints, request)
    if not candidates:
        reasons = "".join(f"\n  {name}: {why}" for name, why in skipped[:20])
        raise DataError(f"none of {len(files)} files holds bars that were asked for:{reasons}")
    parts = _settle(candidates, skipped, request, is_folder=is_folder, is_one=len(files) == 1)
    parts.sort(key=lambda part: (part.symbol, _first_ns(part)))
    return parts, skipped


def asset_class_of(parts: Sequence[Part]) -> str:
    """The class that the files declare, else equity; refused where bars lie at hours without US trading."""
    declared = {part.table.metadata["asset_class"] for part in parts if "asset_class" in part.table.metadata}
    if len(declared) > 1:
        raise DataError(
            f"the files declare several asset classes: {', '.join(sorted(declared))}; import one at a time"
        )
    if declared:
        return declared.pop()
    for part in parts:
        ns = part.stamps.ns[part.is_readable]
        share = _share_without_stocks(ns, part.stamps.is_date or part.timeframe == "1d")
        if share > _NO_STOCK_SHARE:
            raise DataError(
                f"{part.table.path}: {100 * share:.0f} % of the bars of {part.symbol} lie on weekends or at "
                "night, when no US stock trades; pass asset_class='crypto' (--asset-class crypto), or "
                "asset_class='equity' to drop them"
            )
    return "equity"


def _expand(paths: Paths) -> tuple[list[Path], bool]:
    """Files in a stable order, and whether a folder was among the paths."""
    given = [Path(paths)] if isinstance(paths, (str, PathLike)) else [Path(path) for path in paths]
    if not given:
        raise DataError("no file was given")
    files: list[Path] = []
    is_folder = False
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        is_folder = True
        inside = sorted(
            entry for entry in path.iterdir() if entry.is_file() and entry.suffix.lower() in ENDINGS
        )
        inside = [entry for entry in inside if not entry.name.startswith(".")]
        if not inside:
            folders = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
            hint = f"; it has the folders {', '.join(folders[:10])}" if folders else ""
            raise DataError(f"{path}: no file in this folder ends in {', '.join(ENDINGS)}{hint}")
        files += inside
    return list(dict.fromkeys(files)), is_folder


def _is_other_symbol(path: Path, hints: NameHints, request: Request) -> bool:
    """Whether a file need not be read: its name says another symbol (Parquet may say its own inside)."""
    if request.symbols is None or EVERY_SYMBOL in request.symbols or not hints.symbols:
        return False
    return path.suffix.lower() not in (".parquet", ".pq") and not set(hints.symbols) & set(request.symbols)


def _candidates(table: BarTable, hints: NameHints, request: Request) -> list[_Candidate]:
    """The parts of a file: one, or one per symbol where a column names symbols."""
    stamps = read_stamps(table.columns["time"], table.time_name, str(table.path), request.timezone)
    if table.symbol is None:
        declared = table.metadata.get("symbol")
        symbols = (declared,) if declared else hints.symbols
        rows = np.arange(table.lines.size, dtype=np.int64)
        return [_candidate(table, symbols, hints, rows, stamps, request)]
    names = np.array(
        ["" if name is None else str(name).strip() for name in table.symbol.to_pylist()], dtype=object
    )
    wanted = sorted(set(names))
    found: list[_Candidate] = []
    for name in wanted:
        rows = np.flatnonzero(names == name)
        part = Stamps(stamps.is_date, stamps.ns[rows], stamps.is_unreadable[rows], stamps.is_ambiguous[rows])
        found.append(_candidate(table, (name,) if name else (), hints, rows, part, request))
        table = table._replace(malformed=(), n_blank=0)  # said once, with the first symbol
    return found


def _candidate(
    table: BarTable,
    symbols: tuple[str, ...],
    hints: NameHints,
    rows: IntArray,
    stamps: Stamps,
    request: Request,
) -> _Candidate:
    declared = table.metadata.get("timeframe")
    said = (declared,) if declared else hints.timeframes
    timeframes, complaint = _timeframes(stamps, said, request.timeframe)
    return _Candidate(table, symbols, timeframes, rows, stamps, complaint)


def _timeframes(stamps: Stamps, said: tuple[str, ...], wanted: str | None) -> tuple[tuple[str, ...], str]:
    """Timeframes that a part may have (one: plain), and why it is not one."""
    ns = np.unique(stamps.ns[~(stamps.is_unreadable | stamps.is_ambiguous)])
    spacings = np.diff(ns)
    if spacings.size and np.median(spacings) >= 5 * DAY_NS:
        return (), f"its bars are {np.median(spacings) / DAY_NS:.0f} days apart; the longest timeframe is 1d"
    if stamps.is_date:
        return ("1d",), "it has dates without a time of day, so its bars are daily"
    shown = _spacing(spacings)
    if wanted is not None and shown is not None and _is_finer(wanted, shown, spacings):
        return (wanted,), ""
    if shown is not None:
        if not said or shown in said or shown == wanted:
            return (shown,), f"its bars are {shown} apart"
        return (shown, *said), f"its bars are {shown} apart but its name or metadata say {' or '.join(said)}"
    if wanted is not None and _may_be(spacings, wanted):
        return (wanted,), ""
    if len(said) == 1 and _may_be(spacings, said[0]):
        return said, f"its name or metadata say {said[0]}"
    return said, _irregular(spacings)


def _spacing(spacings: IntArray) -> str | None:
    """The timeframe that most bars are apart, None where no spacing prevails."""
    if spacings.size == 0:
        return None
    values, counts = np.unique(spacings, return_counts=True)
    mode = int(values[counts.argmax()])
    if counts.max() < _MODAL_SHARE * spacings.size:
        return None
    if abs(mode - DAY_NS) <= 60 * MINUTE_NS:  # a day across a change of clocks
        return "1d"
    return next((name for name, length_ns in TIMEFRAMES_NS.items() if length_ns == mode), None)


def _is_finer(wanted: str, shown: str, spacings: IntArray) -> bool:
    """Whether sparse bars may be finer than most of them are apart: some neighbours are one length apart."""
    length_ns = TIMEFRAMES_NS[wanted]
    return length_ns < TIMEFRAMES_NS[shown] and bool(np.any(spacings == length_ns))


def _may_be(spacings: IntArray, timeframe: str) -> bool:
    """Whether bars of this length can be spaced so: hardly any closer than one length."""
    return bool(np.mean(spacings < TIMEFRAMES_NS[timeframe]) < _MODAL_SHARE / 2) if spacings.size else True


def _irregular(spacings: IntArray) -> str:
    """What the spacings are, for an error."""
    if spacings.size == 0:
        return "it has a single bar"
    values, counts = np.unique(spacings, return_counts=True)
    order = np.argsort(-counts)[:3]
    shares = ", ".join(
        f"{values[i] / MINUTE_NS:g} min ({100 * counts[i] / spacings.size:.0f} %)" for i in order
    )
    return f"its bars are {shares} apart"


def _settle(
    candidates: list[_Candidate],
    skipped: list[tuple[str, str]],
    request: Request,
    *,
    is_folder: bool,
    is_one: bool,
) -> list[Part]:
    """Give each part one symbol and one timeframe, or say what is not plain."""
    if is_one and len(candidates) == 1:
        named = [_name_the_only(candidates[0], request)]
    else:
        named = _name_many(candidates, skipped, request)
    parts: list[Part] = []
    for symbol, candidate in named:
        timeframe = _timeframe_of(candidate, skipped, request, is_one=is_one)
        if timeframe is not None:
            parts.append(Part(candidate.table, symbol, timeframe, candidate.rows, candidate.stamps))
    if not parts:
        found = sorted({name for _, candidate in named for name in candidate.timeframes})
        raise DataError(
            f"no file has bars of timeframe {request.timeframe}; found are {', '.join(found) or 'none'}"
        )
    _refuse_mixture(parts, request, is_folder=is_folder)
    return parts


def _name_the_only(candidate: _Candidate, request: Request) -> tuple[str, _Candidate]:
    """The symbol of a single file: what the caller calls it, else what is plain."""
    if request.symbols and request.symbols != (EVERY_SYMBOL,):
        if len(request.symbols) > 1:
            raise DataError(
                f"{candidate.table.path}: holds one symbol, but {len(request.symbols)} were asked for"
            )
        if candidate.table.symbol is not None and candidate.symbols != request.symbols:
            raise DataError(
                f"{candidate.table.path}: holds {', '.join(candidate.symbols)}, not {request.symbols[0]}"
            )
        return request.symbols[0], candidate
    if len(candidate.symbols) == 1:
        return candidate.symbols[0], candidate
    raise DataError(f"{candidate.table.path}: {_unnamed(candidate)}; pass symbol=... (--symbol NAME)")


def _name_many(
    candidates: list[_Candidate], skipped: list[tuple[str, str]], request: Request
) -> list[tuple[str, _Candidate]]:
    """The symbols of several parts, keeping those that were asked for."""
    wanted = None if request.symbols is None or EVERY_SYMBOL in request.symbols else request.symbols
    named: list[tuple[str, _Candidate]] = []
    unnamed: list[_Candidate] = []
    for candidate in candidates:
        matches = [name for name in candidate.symbols if wanted and name in wanted]
        if wanted and len(matches) == 1:
            named.append((matches[0], candidate))
        elif wanted is None and len(candidate.symbols) == 1:
            named.append((candidate.symbols[0], candidate))
        elif wanted is None or not candidate.symbols:
            unnamed.append(candidate)
        else:
            skipped.append((candidate.table.path.name, f"holds {' or '.join(candidate.symbols)}"))
    if unnamed and wanted is not None and len(wanted) == 1 and not named:
        return [
            (wanted[0], candidate) for candidate in unnamed
        ]  # nobody says otherwise: all are what he calls them
    if unnamed and wanted is None:
        listed = "".join(f"\n  {c.table.path.name}: {_unnamed(c)}" for c in unnamed[:20])
        raise DataError(
            f"the symbol of {len(unnamed)} files is not plain; pass symbol=... (--symbol NAME):{listed}"
        )
    skipped += [(candidate.table.path.name, _unnamed(candidate)) for candidate in unnamed]
    missing = [name for name in wanted or () if name not in {symbol for symbol, _ in named}]
    if missing:
        known = sorted({name for candidate in candidates for name in candidate.symbols})
        raise DataError(f"no file holds {', '.join(missing)}; found are {', '.join(known) or 'no symbols'}")
    return named


def _unnamed(candidate: _Candidate) -> str:
    if candidate.symbols:
        return f"the symbol is not plain; candidates are {', '.join(candidate.symbols)}"
    return "neither the name nor the content says a symbol"


def _timeframe_of(
    candidate: _Candidate, skipped: list[tuple[str, str]], request: Request, *, is_one: bool
) -> str | None:
    """The one timeframe of a part; None if it is left out because another was asked for."""
    wanted, found = request.timeframe, candidate.timeframes
    if wanted is None:
        if len(found) == 1:
            return found[0]
        hint = "pass timeframe=... (--timeframe), one of " + ", ".join(found or TIMEFRAMES_NS)
        raise DataError(f"{candidate.table.path}: the timeframe is not plain: {candidate.complaint}; {hint}")
    if wanted in found:
        return wanted
    if is_one:
        raise DataError(
            f"{candidate.table.path}: timeframe {wanted} was asked for, but {candidate.complaint}"
        )
    skipped.append((candidate.table.path.name, candidate.complaint))
    return None


def _refuse_mixture(parts: list[Part], request: Request, *, is_folder: bool) -> None:
    """Refuse several timeframes anywhere, and several symbols in a folder that nobody asked for."""
    timeframes = {part.timeframe for part in parts}
    symbols = {part.symbol for part in parts}
    is_long = any(part.table.symbol is not None for part in parts)
    several = len(symbols) > 1 and (is_folder or is_long) and request.symbols is None
    if len(timeframes) == 1 and not several:
        return
    groups = Counter((part.symbol, part.timeframe) for part in parts)
    lines = [
        f"\n  --symbol {symbol} --timeframe {timeframe}   ({n} file{'s' if n > 1 else ''})"
        for (symbol, timeframe), n in sorted(groups.items())
    ]
    more = f"\n  ... and {len(lines) - 40} more" if len(lines) > 40 else ""
    what = " and ".join(
        f"{len(found)} {name}s"
        for name, found in (("symbol", symbols), ("timeframe", timeframes))
        if len(found) > 1
    )
    every = "; symbol='*' takes all symbols" if several else ""
    raise DataError(
        f"the files hold {what}; pick one with symbol=... and timeframe=...{every}:"
        f"{''.join(lines[:40])}{more}"
    )


def _first_ns(part: Part) -> int:
    ns = part.stamps.ns[part.is_readable]
    return int(ns.min()) if ns.size else 0


def _share_without_stocks(ns: IntArray, is_daily: bool) -> float:
    """Share of bars on weekends or between 20:00 and 04:00 New York."""
    if ns.size == 0:
        return 0.0
    local = ns if is_daily and bool(np.all(ns % DAY_NS == 0)) else new_york_clock(ns)
    weekday = (local // DAY_NS + 3) % 7  # 1970-01-01 was a Thursday
    is_off = weekday >= 5
    if not is_daily:
        hour_ns = local % DAY_NS
        is_off |= (hour_ns > 20 * 60 * MINUTE_NS) | (hour_ns < 4 * 60 * MINUTE_NS)
    return float(is_off.mean())
