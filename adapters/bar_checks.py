"""The checks of one symbol's rows: form, values, order, place on the calendar; then what is merely odd.

Every fault is kept with the file and the line it came from. What remains are the bars of the cube: possible,
in order, inside the session.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import DataError
from ..engine.market import LOT_SIZES, TICK_SIZE, BoolArray, FloatArray, IntArray
from ..engine.timeframe import DAY_NS, MINUTE_NS, timeframe_ns
from ..engine.validation import (
    FIELDS,
    BarSeries,
    Fault,
    limits_for,
    lone_first_bar,
    suspicious_faults,
    time_faults,
    value_faults,
)
from .bar_sources import Part, Request
from .bar_tables import text_at, to_numbers
from .calendars import (
    Placement,
    Sessions,
    bar_positions,
    new_york_clock,
    place_dates,
    place_ends,
    place_starts,
    session_of,
    sessions_around,
)
from .import_report import FindingGroup, SeriesSummary, time_text

_HOUR_NS = 60 * MINUTE_NS
_COPY_SHARE = 0.10  # of common times, above which two files are copies and not parts


class Series(NamedTuple):
    """One symbol after the checks."""

    summary: SeriesSummary
    groups: list[FindingGroup]
    notes: list[str]
    ts_ns: IntArray  # UTC closes of the bars kept, increasing
    session_idx: IntArray
    fields: dict[str, FloatArray]
    tick_size: float
    lot_size: float


class _Rows(NamedTuple):
    """All rows of one symbol, file after file; arrays of shape (n_rows,)."""

    parts: list[Part]
    part_idx: IntArray
    lines: IntArray
    stamp_ns: IntArray  # as the file has it, UTC
    placement: Placement
    fields: dict[str, FloatArray]


def check_symbol(
    parts: list[Part], sessions: Sessions, *, asset_class: str, calendar: str, request: Request
) -> Series:
    """Judge all rows of one symbol.

    Parameters
    ----------
    parts : list of Part
        The symbol's files, by time.
    sessions : Sessions
        Of the calendar, reaching beyond the rows at both ends.

    Raises
    ------
    DataError
        If the stamp's meaning is needed and unknown, or two files hold the same bars.
    """
    timeframe = parts[0].timeframe
    form_faults: list[Fault] = []
    rows = _gather(parts, sessions, calendar, request, form_faults)
    is_bad = _mask(form_faults, rows.lines.size)
    has_time = np.concatenate([part.is_readable for part in parts])

    faults = [*form_faults, *value_faults(**rows.fields, skip=is_bad)]
    faults += _time_and_grid_faults(rows, has_time)
    is_bad = _mask(faults, rows.lines.size)
    inside = rows.placement.session_idx >= 0
    kept = np.flatnonzero(~is_bad & inside)
    if lone := lone_first_bar(_bar_series(rows, kept, sessions, timeframe)):
        faults += [fault._replace(rows=kept[fault.rows]) for fault in lone]
        is_bad[kept[0]] = True
        kept = kept[1:]

    is_outside = ~is_bad & ~inside
    faults += _outside_faults(rows, is_outside, timeframe)
    bars = _bar_series(rows, kept, sessions, timeframe)
    odd = suspicious_faults(bars, limits_for(timeframe), can_split=asset_class == "equity")
    has_volume = all("volume" in part.table.columns for part in parts)
    faults += [f._replace(rows=kept[f.rows]) for f in odd if has_volume or f.kind != "zero_volume"]

    groups = [*_malformed_groups(parts), *_groups(faults, rows)]
    n_malformed = sum(len(part.table.malformed) for part in parts)
    fields = {name: values[kept] for name, values in rows.fields.items()}
    tick_size = request.tick_size or _tick_size(fields["close"], asset_class)
    n_between = int(bars.bar_idx[-1] - bars.bar_idx[0] + 1) if kept.size else 0
    ts_ns = rows.placement.ts_ns[kept]
    summary = SeriesSummary(
        symbol=parts[0].symbol,
        n_rows=rows.lines.size + n_malformed,
        n_kept=kept.size,
        n_impossible=int(is_bad.sum()) + n_malformed,
        n_outside=int(is_outside.sum()),
        first=time_text(int(ts_ns[0]), False) if kept.size else "",
        last=time_text(int(ts_ns[-1]), False) if kept.size else "",
        n_sessions=int(np.unique(bars.session_idx).size),
        n_missing=n_between - kept.size,
        coverage=kept.size / n_between if n_between else float("nan"),
        tick_size=tick_size,
    )
    notes = _notes(faults, rows, timeframe, has_volume=has_volume)
    notes += _stamp_notes(parts, calendar, request)
    lot_size = request.lot_size or LOT_SIZES[asset_class]
    session_idx = rows.placement.session_idx[kept]
    return Series(summary, groups, notes, ts_ns, session_idx, fields, tick_size, lot_size)


def stamp_of(part: Part, request: Request, calendar: str) -> str:
    """Which end of the bar the file's times mark: as it declares, or as the caller says.

    Raises
    ------
    DataError
        If nobody says it, or both do and differ. The error tells what the times suggest.
    """
    declared = part.table.metadata.get("stamp")
    if declared is not None and declared not in ("start", "end"):
        raise DataError(f"{part.table.path}: declares fluxhero.stamp={declared!r}; must be start or end")
    if declared and request.stamp and declared != request.stamp:
        raise DataError(
            f"{part.table.path}: declares that its times mark the {declared}, not the {request.stamp}"
        )
    if stamp := declared or request.stamp:
        return stamp
    raise DataError(
        f"{part.table.path}: does not say whether a time marks the start or the end of its {part.timeframe} "
        f"bar; pass stamp='start' or stamp='end' (--stamp start|end){_suggestion(part, calendar)}"
    )


def _suggestion(part: Part, calendar: str) -> str:
    """What the times look like, for the error that asks; never an answer."""
    looks = _looks_stamped_at(part, calendar)
    return f"; they look like the {looks}" if looks else ""


def _looks_stamped_at(part: Part, calendar: str) -> str | None:
    """Which end of the bar the times of a stock seem to mark, from the open and close of sessions.

    Stamps at the open but none at the close are starts, and the reverse. Where a file has bars before the
    open, the first minutes tell by their volume: the opening bar is the busiest.
    """
    if part.timeframe == "1d" or calendar == "24/7" or not part.is_readable.any():
        return None
    stamps = part.stamps.ns
    known = stamps[part.is_readable]
    sessions = sessions_around(
        calendar, int(known.min()), int(known.max())
    )  # regular hours, whatever is kept
    first_close_ns = place_starts(sessions, part.timeframe, sessions.open_ns).ts_ns
    first_start_ns = first_close_ns - timeframe_ns(part.timeframe)
    at_open = part.is_readable & (np.isin(stamps, first_start_ns) | np.isin(stamps, sessions.open_ns))
    at_next = part.is_readable & np.isin(stamps, first_close_ns)
    n_opens, n_closes = int(at_open.sum()), int(np.isin(stamps, sessions.close_ns).sum())
    session_idx = session_of(sessions, known)
    n_sessions = np.unique(session_idx[session_idx >= 0]).size
    if n_opens > 0.8 * n_sessions and n_closes < 0.2 * n_sessions:
        return "start"
    if n_closes > 0.8 * n_sessions and n_opens < 0.2 * n_sessions:
        return "end"
    if n_opens >= 3 and at_next.any() and "volume" in part.table.columns:
        volume = to_numbers(part.table.columns["volume"])[0][part.rows]
        opening, following = np.nanmedian(volume[at_open]), np.nanmedian(volume[at_next])
        if following > 2.0 * opening:
            return "end"
        if opening > 1.5 * following:
            return "start"
    return None


def _gather(
    parts: list[Part], sessions: Sessions, calendar: str, request: Request, form_faults: list[Fault]
) -> _Rows:
    """Numbers, times and places of all rows; complaints about their form go to `form_faults`."""
    fields: dict[str, list[FloatArray]] = {name: [] for name in FIELDS}
    placements: list[Placement] = []
    offset = 0
    for part in parts:
        _time_form_faults(part, offset, form_faults)
        for name in FIELDS:
            fields[name].append(_numbers(part, name, offset, form_faults))
        placements.append(_place(part, sessions, calendar, request))
        offset += part.rows.size
    rows = _Rows(
        parts=parts,
        part_idx=np.repeat(np.arange(len(parts)), [part.rows.size for part in parts]),
        lines=np.concatenate([part.table.lines[part.rows] for part in parts]),
        stamp_ns=np.concatenate([np.where(part.is_readable, part.stamps.ns, -1) for part in parts]),
        placement=Placement(*(np.concatenate(column) for column in zip(*placements, strict=True))),
        fields={name: np.concatenate(columns) for name, columns in fields.items()},
    )
    _refuse_copies(rows)
    return rows


def _time_form_faults(part: Part, offset: int, faults: list[Fault]) -> None:
    times = part.table.columns["time"]
    for kind, mask in (
        ("unreadable_time", part.stamps.is_unreadable),
        ("ambiguous_time", part.stamps.is_ambiguous),
    ):
        if mask.any():
            hit = np.flatnonzero(mask)
            texts = _texts(times, part.rows[hit])
            faults.append(Fault(kind, "time", hit + offset, texts, np.full(hit.size, np.nan)))


def _numbers(part: Part, name: str, offset: int, faults: list[Fault]) -> FloatArray:
    """A column as numbers; text that is no number and missing values become faults with the file's words."""
    column = part.table.columns.get(name)
    if column is None:
        return np.zeros(part.rows.size)  # only volume may lack, see bar_tables
    numbers, is_text = to_numbers(column)
    numbers, is_text = numbers[part.rows], is_text[part.rows]
    for kind, mask in (("unreadable_value", is_text), ("not_finite", ~np.isfinite(numbers) & ~is_text)):
        if mask.any():
            hit = np.flatnonzero(mask)
            texts = _texts(column, part.rows[hit])
            faults.append(Fault(kind, name, hit + offset, texts, np.full(hit.size, np.nan)))
    return numbers


def _texts(column: Any, rows: IntArray) -> NDArray[Any]:
    return np.array([text_at(column, int(row)) for row in rows], dtype=object)


def _place(part: Part, sessions: Sessions, calendar: str, request: Request) -> Placement:
    """Closes and sessions of a part's rows; rows without a time are placed outside."""
    ns = part.stamps.ns
    if part.timeframe == "1d":
        placement = place_dates(sessions, _daily_labels(part, calendar, request))
    elif stamp_of(part, request, calendar) == "start":
        placement = place_starts(sessions, part.timeframe, ns)
    else:
        placement = place_ends(sessions, part.timeframe, ns)
    nowhere = np.where(part.is_readable, placement.session_idx, -1)
    return placement._replace(session_idx=nowhere)


def _daily_labels(part: Part, calendar: str, request: Request) -> IntArray:
    """Session labels (midnights) of daily rows, however the file dates them."""
    ns = part.stamps.ns
    if part.stamps.is_date:
        return ns
    is_midnight = bool(np.all(ns[part.is_readable] % DAY_NS == 0))
    if calendar == "24/7":
        if not is_midnight:
            raise DataError(f"{part.table.path}: daily bars of a 24/7 market must begin at midnight UTC")
        return ns if stamp_of(part, request, calendar) == "start" else ns - DAY_NS
    # Vendors date New York's day by midnight UTC, by midnight New York, or by its open or close.
    local = ns if is_midnight else new_york_clock(ns)
    return local // DAY_NS * DAY_NS


def _refuse_copies(rows: _Rows) -> None:
    """Refuse files that hold the same bars; a few common rows at a seam are duplicates like any others."""
    for second in range(1, len(rows.parts)):
        for first in range(second):
            if rows.parts[first].table.path == rows.parts[second].table.path:
                continue
            times = [rows.stamp_ns[(rows.part_idx == i) & (rows.stamp_ns >= 0)] for i in (first, second)]
            n_common = np.intersect1d(*times).size
            if n_common > _COPY_SHARE * min(map(len, times)):
                names = " and ".join(rows.parts[i].name for i in (first, second))
                part = rows.parts[first]
                raise DataError(
                    f"{names} hold the same {part.timeframe} bars of {part.symbol} ({n_common:,} common "
                    "times); pass only one of them"
                )


def _time_and_grid_faults(rows: _Rows, has_time: BoolArray) -> list[Fault]:
    """Repeated or unordered closes, and stamps that no bar of this timeframe has."""
    timed = np.flatnonzero(has_time)
    faults = [f._replace(rows=timed[f.rows]) for f in time_faults(rows.placement.ts_ns[timed])]
    off = np.flatnonzero(has_time & ~rows.placement.is_on_grid)
    if off.size:
        texts = np.array([time_text(int(ns), False) for ns in rows.stamp_ns[off]], dtype=object)
        faults.append(Fault("off_grid", "time", off, texts, np.full(off.size, np.nan)))
    return faults


def _outside_faults(rows: _Rows, is_outside: BoolArray, timeframe: str) -> list[Fault]:
    if not is_outside.any():
        return []
    hit = np.flatnonzero(is_outside)
    kind = "outside_calendar" if timeframe == "1d" else "outside_session"
    unknown = np.full(hit.size, np.nan)
    return [Fault(kind, "time", hit, unknown, unknown)]


def _bar_series(rows: _Rows, kept: IntArray, sessions: Sessions, timeframe: str) -> BarSeries:
    ts_ns, session_idx = rows.placement.ts_ns[kept], rows.placement.session_idx[kept]
    positions = bar_positions(sessions, timeframe, ts_ns, session_idx)
    return BarSeries(
        **{name: values[kept] for name, values in rows.fields.items()},
        bar_idx=positions,
        session_idx=session_idx,
    )


def _mask(faults: Sequence[Fault], n_rows: int) -> BoolArray:
    """Rows with an impossible fault."""
    mask = np.zeros(n_rows, np.bool_)
    for fault in faults:
        if fault.is_impossible:
            mask[fault.rows] = True
    return mask


def _groups(faults: Sequence[Fault], rows: _Rows) -> list[FindingGroup]:
    """Faults with their files and lines."""
    groups: list[FindingGroup] = []
    for fault in faults:
        part_idx = rows.part_idx[fault.rows]
        for i in np.unique(part_idx):
            mine = part_idx == i
            part, hit = rows.parts[i], fault.rows[mine]
            groups.append(
                FindingGroup(
                    kind=fault.kind,
                    symbol=part.symbol,
                    file=part.name,
                    unit=part.table.unit,
                    column=fault.column,
                    lines=rows.lines[hit],
                    ts_ns=rows.stamp_ns[hit],
                    is_date=part.stamps.is_date,
                    values=fault.values[mine],
                    bounds=fault.bounds[mine],
                )
            )
    return groups


def _malformed_groups(parts: list[Part]) -> list[FindingGroup]:
    """Lines that could not be split into fields."""
    groups: list[FindingGroup] = []
    for part in parts:
        found = part.table.malformed
        if not found:
            continue
        lines = np.array([line.line for line in found], np.int64)
        groups.append(
            FindingGroup(
                kind="wrong_field_count",
                symbol=part.symbol,
                file=part.name,
                unit=part.table.unit,
                column="line",
                lines=lines,
                ts_ns=np.full(lines.size, -1),
                is_date=False,
                values=np.array([line.n_fields for line in found]),
                bounds=np.full(lines.size, part.table.n_fields),
            )
        )
    return groups


def _notes(faults: Sequence[Fault], rows: _Rows, timeframe: str, *, has_volume: bool) -> list[str]:
    """What many faults of a kind have in common."""
    n_rows = max(rows.lines.size, 1)
    share = {fault.kind: fault.rows.size / n_rows for fault in faults}
    symbol = rows.parts[0].symbol
    notes: list[str] = []
    if not has_volume:
        notes.append(
            f"{symbol} has no volume column: its volume is 0, and rules that need volume will not trade"
        )
    if share.get("unordered_time", 0.0) > 0.5:
        notes.append(f"the rows of {symbol} run from new to old: sort the file oldest first")
    if share.get("off_grid", 0.0) > 0.1:
        half = "they run from :30 to :30; " if timeframe == "1h" and _starts_at_half_past(rows) else ""
        notes.append(
            f"{half}{timeframe} bars of {symbol} do not end at multiples of {timeframe} in UTC (New York's "
            "hours end on the hour, the first is a half hour): import finer bars, hours are made from them"
        )
    if share.get("outside_session", 0.0) > 0.5:
        notes.append(
            f"more than half of {symbol} lies outside the session: check --stamp, --timezone, --asset-class"
        )
    return notes


def _starts_at_half_past(rows: _Rows) -> bool:
    """Whether most stamps that are off the grid lie at half past."""
    off = rows.stamp_ns[(rows.stamp_ns >= 0) & ~rows.placement.is_on_grid]
    return bool(np.mean(off % _HOUR_NS == _HOUR_NS // 2) > 0.5)


def _stamp_notes(parts: list[Part], calendar: str, request: Request) -> list[str]:
    """Doubts about which end of the bar the times mark: a wrong answer shifts every bar by its length."""
    notes: list[str] = []
    for part in parts:
        looks = _looks_stamped_at(part, calendar)
        if looks is not None and looks != stamp_of(part, request, calendar):
            notes.append(f"the times of {part.name} look like the {looks} of its bars: check --stamp")
    return notes


def _tick_size(close: FloatArray, asset_class: str) -> float:
    """A cent; finer where prices are below one unit, where a cent would be a large part of them.

    US stocks below a dollar trade in hundredths of a cent. Coins take the decimals that their prices show.
    """
    if close.size == 0 or np.median(close) >= 1.0:
        return TICK_SIZE
    if asset_class == "equity":
        return 0.0001
    sample = close[:: max(1, close.size // 1_000)]
    for decimals in range(4, 9):
        if np.allclose(sample, np.round(sample, decimals), rtol=0.0, atol=1e-12):
            return float(f"1e-{decimals}")
    return 1e-8
