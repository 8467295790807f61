"""Import of bars from CSV and Parquet files: read, check, place on the calendar, build the cube.

`import_bars` refuses what cannot be true and names it, warns of what may not be true and keeps it, and drops
what lies outside the session and counts it. Nothing is filled, repaired or guessed: what a file does not say
(the symbol, the zone, which end of the bar a stamp marks) is asked for, with the candidates.

Path of the data: `bar_sources` (which files, whose, how long) -> `bar_checks` (what is wrong with them) ->
here (the cube) and `import_report` (what to say about it).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..engine.errors import ConfigError, DataError
from ..engine.market import ADJUSTMENTS, ASSET_CLASSES, CALENDARS, market_cube
from ..engine.timeframe import timeframe_ns
from ..engine.validation import FIELDS
from .bar_checks import Series, check_symbol
from .bar_sources import Part, Paths, Request, asset_class_of, read_parts
from .bar_times import check_timezone
from .calendars import Hours, Sessions, bar_grid, sessions_around, take_sessions
from .import_report import FileSummary, ImportRefusedError, ImportReport


class ImportResult(NamedTuple):
    """A market cube and what was found on the way."""

    market: xr.Dataset
    report: ImportReport


class _Checked(NamedTuple):
    report: ImportReport
    series: list[Series]
    sessions: Sessions
    asset_class: str


def import_bars(
    paths: Paths,
    *,
    symbol: str | Sequence[str] | None = None,
    timeframe: str | None = None,
    stamp: str | None = None,
    asset_class: str | None = None,
    session: Hours = "regular",
    drop_invalid: bool = False,
    calendar: str | None = None,
    timezone: str | None = None,
    adjustment: str = "unknown",
    source: str | None = None,
    tick_size: float | None = None,
    lot_size: float | None = None,
) -> ImportResult:
    """Market cube from files of bars.

    Parameters
    ----------
    paths : path or iterable of paths
        One CSV or Parquet file, several, or a folder (without its subfolders). Columns are found by name, in
        any case and order: ``timestamp_utc``, ``timestamp``, ``datetime``, ``time`` or ``date``, and
        ``open high low close volume``; a column ``symbol`` tells symbols apart.
    symbol : str or sequence of str, optional
        What to call a single file's instrument; of several files, which to take ("*" takes all). Needed where
        metadata, a ``symbol`` column or the file's name do not say it plainly.
    timeframe : str, optional
        "1m" to "1d"; needed where the spacing of the bars does not show it, or to pick files of a folder.
    stamp : {"start", "end"}, optional
        Which end of the bar its time marks. Required for intraday files unless their metadata say it
        (``fluxhero.stamp``). Daily files are dated by their session and need none.
    asset_class : {"equity", "crypto"}, optional
        Equity by default, unless bars lie on weekends or at night: then it must be said.
    session : {"regular", "extended"}
        Bars outside are dropped and reported. Extended: New York from 04:00 to four hours after the close.
    drop_invalid : bool
        Exclude impossible rows, listed in the report, instead of refusing the import; but not more than a
        fifth of a file's rows.
    calendar : {"XNYS", "24/7"}, optional
        By default XNYS for equity and 24/7 for crypto.
    timezone : str, optional
        Zone of times that carry none, such as "America/New_York".
    adjustment : {"raw", "adjusted", "splits and dividends", "unknown"}
    source : str, optional
        Where the bars come from; by default the file names.
    tick_size, lot_size : float, optional
        By default a tick is 0.01 (finer where prices are below one unit), a lot one share or 1e-8 coins.

    Returns
    -------
    ImportResult
        ``market`` and ``report``.

    Raises
    ------
    ImportRefusedError
        If rows are impossible and `drop_invalid` is not set, or they are too many; its ``report`` lists
        all of them.
    DataError
        If a file cannot be read or does not say what is needed; names the file, the value and the way out.
    ConfigError
        If an argument is not one of those allowed.

    Notes
    -----
    `engine.validation.CHECKS` defines what is impossible and what is suspicious. A file without a volume
    column (an index) is taken with volume 0, and the report says so.
    """
    _require("adjustment", adjustment, ADJUSTMENTS)
    request = _request(
        symbol, timeframe, stamp, asset_class, session, calendar, timezone, tick_size, lot_size
    )
    checked = _check(paths, request)
    if checked.report.has_impossible and (not drop_invalid or checked.report.unusable):
        raise ImportRefusedError(checked.report)
    for series in checked.series:
        if series.ts_ns.size == 0:
            raise DataError(
                f"no bar of {series.summary.symbol} is left of {series.summary.n_rows:,} rows: "
                f"{series.summary.n_impossible:,} are impossible and {series.summary.n_outside:,} lie "
                f"outside the sessions of {checked.report.calendar}; "
                "check --stamp, --timezone and --asset-class"
            )
    names = ", ".join(dict.fromkeys(entry.file for entry in checked.report.files))
    market = _cube(checked, adjustment, source or f"imported from {names[:200]}")
    return ImportResult(market, replace(checked.report, is_imported=True))


def validate_bars(
    paths: Paths,
    *,
    symbol: str | Sequence[str] | None = None,
    timeframe: str | None = None,
    stamp: str | None = None,
    asset_class: str | None = None,
    session: Hours = "regular",
    calendar: str | None = None,
    timezone: str | None = None,
) -> ImportReport:
    """What `import_bars` would find, impossible rows included, without building anything.

    Raises
    ------
    DataError, ConfigError
        As `import_bars`, except that impossible rows are reported and not raised.
    """
    request = _request(symbol, timeframe, stamp, asset_class, session, calendar, timezone, None, None)
    return _check(paths, request).report


def _request(
    symbol: str | Sequence[str] | None,
    timeframe: str | None,
    stamp: str | None,
    asset_class: str | None,
    session: Hours,
    calendar: str | None,
    timezone: str | None,
    tick_size: float | None,
    lot_size: float | None,
) -> Request:
    """The caller's words, checked once."""
    if timeframe is not None:
        timeframe_ns(timeframe)
    for name, value, allowed in (
        ("stamp", stamp, ("start", "end")),
        ("asset_class", asset_class, ASSET_CLASSES),
        ("calendar", calendar, CALENDARS),
        ("session", session, ("regular", "extended")),
    ):
        if value is not None:
            _require(name, value, allowed)
    if timezone is not None:
        check_timezone(timezone)
    for name, size in (("tick_size", tick_size), ("lot_size", lot_size)):
        if size is not None and not (np.isfinite(size) and size > 0.0):
            raise ConfigError(f"`{name}` must be above 0, was {size!r}")
    symbols = None if symbol is None else (symbol,) if isinstance(symbol, str) else tuple(symbol)
    if symbols is not None and not (
        symbols and all(isinstance(name, str) and name.strip() for name in symbols)
    ):
        raise ConfigError(f"`symbol` must be a name or a list of names, was {symbol!r}")
    return Request(symbols, timeframe, stamp, asset_class, session, calendar, timezone, tick_size, lot_size)


def _require(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"`{name}` must be one of {', '.join(allowed)}, was {value!r}")


def _check(paths: Paths, request: Request) -> _Checked:
    """Read and judge everything: the one way behind import and validation."""
    parts, skipped = read_parts(paths, request)
    asset_class = request.asset_class or asset_class_of(parts)
    calendar = request.calendar or ("24/7" if asset_class == "crypto" else "XNYS")
    sessions = _sessions(parts, calendar, request)
    by_symbol: dict[str, list[Part]] = {}
    for part in parts:
        by_symbol.setdefault(part.symbol, []).append(part)
    series = [
        check_symbol(group, sessions, asset_class=asset_class, calendar=calendar, request=request)
        for group in by_symbol.values()
    ]
    report = ImportReport(
        timeframe=parts[0].timeframe,
        calendar=calendar,
        session=request.session,
        is_imported=False,
        files=tuple(_file_summary(part) for part in parts),
        skipped=tuple(skipped),
        series=tuple(entry.summary for entry in series),
        groups=tuple(group for entry in series for group in entry.groups),
        notes=tuple(dict.fromkeys(note for entry in series for note in entry.notes)),
    )
    return _Checked(report, series, sessions, asset_class)


def _sessions(parts: list[Part], calendar: str, request: Request) -> Sessions:
    """The calendar around all rows; daily bars close with the regular session, whatever hours are kept."""
    ns = np.concatenate([part.stamps.ns[part.is_readable] for part in parts])
    first, last = (int(ns.min()), int(ns.max())) if ns.size else (0, 0)
    hours: Hours = "regular" if parts[0].timeframe == "1d" else request.session
    return sessions_around(calendar, first, last, hours=hours)


def _file_summary(part: Part) -> FileSummary:
    n_rows = part.rows.size + len(part.table.malformed)
    return FileSummary(part.name, part.symbol, n_rows, part.table.n_blank, part.table.ignored)


def _cube(checked: _Checked, adjustment: str, source: str) -> xr.Dataset:
    """Lay the kept bars on the calendar: every interval of each session in which any symbol has a bar."""
    used = np.unique(np.concatenate([series.session_idx for series in checked.series]))
    sessions = take_sessions(checked.sessions, used)
    timeframe = checked.report.timeframe
    grid = bar_grid(sessions, timeframe)
    bars = {name: np.full((len(checked.series), grid.ts_ns.size), np.nan) for name in FIELDS}
    for row, series in enumerate(checked.series):
        positions = np.searchsorted(grid.ts_ns, series.ts_ns)
        for name in FIELDS:
            bars[name][row, positions] = series.fields[name]
    return market_cube(
        symbols=[series.summary.symbol for series in checked.series],
        time=grid.ts_ns,
        session=sessions.session_ns[grid.session_idx],
        session_close=sessions.close_ns[grid.session_idx],
        bars=bars,
        timeframe=timeframe,
        calendar=checked.report.calendar,
        source=source,
        adjustment=adjustment,
        asset_class=checked.asset_class,
        tick_size=[series.tick_size for series in checked.series],
        lot_size=[series.lot_size for series in checked.series],
    )
