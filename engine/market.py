"""The market cube: bars of many symbols on one calendar, as one labelled dataset.

Dims ``(symbol, time)``; ``open high low close volume`` as float64, all five NaN where there is no bar. Any
further variable is a series from outside (`engine.series`): float64 on the same dims, NaN where unknown.
``time`` is the UTC close of the bar, without zone; ``session`` labels the trading day and ``session_close``
is that day's scheduled end. The time axis carries every interval of each session in which any symbol has a
bar, so that neighbours in the array are neighbours in the market.

This module is the border: labelled data come in and go out here, and everything behind it sees bare arrays.
Every cube is built by `market_cube`, which refuses what `check_market` would refuse.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ..kernels.types import BoolArray as BoolArray
from ..kernels.types import FloatArray as FloatArray
from ..kernels.types import IntArray as IntArray
from .errors import DataError, NotFoundError
from .timeframe import DAY_NS, TIMEFRAMES_NS
from .validation import CHECKS, FIELDS, OPTIONAL_FIELDS, SERIES_TAKEN, value_faults

SESSIONS_PER_YEAR = {"XNYS": 252, "24/7": 365}
CALENDARS = tuple(SESSIONS_PER_YEAR)
ADJUSTMENTS = ("raw", "adjusted", "splits and dividends", "unknown")
ASSET_CLASSES = ("equity", "crypto")
TICK_SIZE = 0.01  # quote currency, where nothing else is known
LOT_SIZES = {"equity": 1.0, "crypto": 1e-8}

_ATTRS: dict[str, tuple[Any, ...]] = {
    "timeframe": tuple(TIMEFRAMES_NS),
    "adjustment": ADJUSTMENTS,
    "calendar": CALENDARS,
    "generated": (0, 1),
}
_NAT = np.iinfo(np.int64).min


class SymbolBars(NamedTuple):
    """Bars of one symbol as kernels want them: contiguous arrays of shape (n_bars,), oldest first."""

    symbol: str
    ts_ns: IntArray  # UTC close
    open: FloatArray  # NaN in all five fields: no bar
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    session_idx: IntArray  # 0 for the cube's first session, counting up
    session_ns: IntArray  # label of the session, midnight
    session_close_ns: IntArray  # its scheduled end, UTC
    asset_class: str
    tick_size: float
    lot_size: float


def market_cube(
    *,
    symbols: Sequence[str],
    time: ArrayLike,
    session: ArrayLike,
    session_close: ArrayLike,
    bars: Mapping[str, ArrayLike],
    timeframe: str,
    calendar: str,
    source: str,
    adjustment: str = "unknown",
    generated: bool = False,
    asset_class: str | Sequence[str] = "equity",
    tick_size: float | Sequence[float] | None = None,
    lot_size: float | Sequence[float] | None = None,
    sector: str | Sequence[str] | None = None,
) -> xr.Dataset:
    """Build and check a market cube.

    Parameters
    ----------
    symbols : sequence of str, length n_symbols
        Our names of the instruments, each once.
    time : array_like of datetime64 or int64 nanoseconds, shape (n_bars,)
        UTC closes of the bars, strictly increasing.
    session, session_close : array_like of datetime64 or int64 nanoseconds, shape (n_bars,)
        Label (midnight) of the session that each bar belongs to, and its scheduled end in UTC.
    bars : mapping of field to array_like, each of shape (n_symbols, n_bars)
        ``open high low close volume``, and optionally ``bid ask vwap trades``. NaN in all five: no bar.
    timeframe, calendar, source, adjustment, generated
        Attributes of the cube: "1m" to "1d"; "XNYS" or "24/7"; free text; "raw", "adjusted", "splits and
        dividends" or "unknown"; whether the bars were made up.
    asset_class, tick_size, lot_size
        One value for all symbols or one per symbol. By default a tick is 0.01, a lot one share or 1e-8 coins.
    sector : optional
        Likewise; "" is unknown, and counts as a sector of its own.

    Returns
    -------
    Dataset
        C-contiguous float64; a new dataset that shares no memory with read-only input it had to convert.

    Raises
    ------
    DataError
        If anything is missing, of the wrong shape or impossible; names the symbol, the bar and the value.
    """
    names = list(symbols)
    time_ns = as_ns(time, "time")
    shape = (len(names), time_ns.size)
    unknown = sorted(set(bars) - {*FIELDS, *OPTIONAL_FIELDS})
    if unknown:
        raise DataError(f"`bars` has unknown fields {unknown}; known are {[*FIELDS, *OPTIONAL_FIELDS]}")
    variables = {name: (("symbol", "time"), _as_table(values, name, shape)) for name, values in bars.items()}
    classes = _per_symbol(asset_class, "asset_class", names, object)
    default_lots = [LOT_SIZES.get(str(name), 1.0) for name in classes]
    market = xr.Dataset(
        variables,
        coords={
            "symbol": np.array(names, dtype=object),
            "time": time_ns.view("datetime64[ns]"),
            "session": ("time", as_ns(session, "session").view("datetime64[ns]")),
            "session_close": ("time", as_ns(session_close, "session_close").view("datetime64[ns]")),
            "asset_class": ("symbol", classes),
            "tick_size": (
                "symbol",
                _per_symbol(TICK_SIZE if tick_size is None else tick_size, "tick_size", names),
            ),
            "lot_size": (
                "symbol",
                _per_symbol(default_lots if lot_size is None else lot_size, "lot_size", names),
            ),
            **(
                {} if sector is None else {"sector": ("symbol", _per_symbol(sector, "sector", names, object))}
            ),
        },
        attrs={
            "timeframe": timeframe,
            "source": source,
            "adjustment": adjustment,
            "calendar": calendar,
            "generated": int(generated),
            "sessions_per_year": SESSIONS_PER_YEAR.get(calendar, 0),
        },
    )
    check_market(market)
    return market


def from_arrays(
    symbol: str | Sequence[str],
    time: ArrayLike,
    open: ArrayLike,
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    volume: ArrayLike,
    *,
    timeframe: str,
    calendar: str = "24/7",
    session: ArrayLike | None = None,
    session_close: ArrayLike | None = None,
    source: str = "arrays",
    adjustment: str = "unknown",
    asset_class: str | Sequence[str] | None = None,
    tick_size: float | Sequence[float] | None = None,
    lot_size: float | Sequence[float] | None = None,
    sector: str | Sequence[str] | None = None,
) -> xr.Dataset:
    """Market cube from plain arrays, for one symbol (1-D) or several (2-D, time last).

    Parameters
    ----------
    symbol : str or sequence of str
    time : array_like, shape (n_bars,)
        UTC closes of the bars, strictly increasing.
    open, high, low, close, volume : array_like, shape (n_bars,) or (n_symbols, n_bars)
    calendar : {"24/7", "XNYS"}
        A 24/7 session is the UTC day that the bar ends in (midnight ends the day before).
    session, session_close : array_like, shape (n_bars,), needed for "XNYS"
        Label and scheduled end of each bar's session; the engine has no exchange calendar of its own.
    asset_class : optional
        By default "crypto" on the 24/7 calendar, else "equity".

    Returns
    -------
    Dataset
        See `market_cube`. The time axis is taken as given: intervals that are absent from `time` stay absent.

    Raises
    ------
    DataError
        As `market_cube`, and if XNYS sessions are not given.

    Examples
    --------
    >>> bars = [[10.0, 10.5], [11.0, 10.9], [9.5, 10.1], [10.5, 10.2], [5.0, 6.0]]
    >>> market = from_arrays("COIN", ["2024-01-01T01", "2024-01-01T02"], *bars, timeframe="1h")
    >>> market["close"].values
    array([[10.5, 10.2]])
    """
    time_ns = as_ns(time, "time")
    if session is None or session_close is None:
        if calendar != "24/7":
            raise DataError(
                f"`session` and `session_close` are needed for calendar {calendar!r}: "
                "one label and one scheduled end per bar"
            )
        session = (time_ns - 1) // DAY_NS * DAY_NS
        session_close = session + DAY_NS
    fields = dict(zip(FIELDS, (open, high, low, close, volume), strict=True))
    is_one = isinstance(symbol, str)
    return market_cube(
        symbols=[symbol] if isinstance(symbol, str) else symbol,
        time=time_ns,
        session=session,
        session_close=session_close,
        bars={name: np.atleast_2d(values) if is_one else values for name, values in fields.items()},
        timeframe=timeframe,
        calendar=calendar,
        source=source,
        adjustment=adjustment,
        asset_class=("crypto" if calendar == "24/7" else "equity") if asset_class is None else asset_class,
        tick_size=tick_size,
        lot_size=lot_size,
        sector=sector,
    )


def check_market(market: xr.Dataset) -> None:
    """Refuse a dataset that is not a market cube.

    Raises
    ------
    DataError
        Names what is missing or wrong: dims, variables, coordinates, attributes, order of time, sessions, or
        the first impossible bar with its symbol, time and value.
    """
    _check_layout(market)
    _check_attrs(market)
    _check_symbols(market)
    _check_time(market)
    _check_bars(market)
    for name in series_names(market):
        symbols = list(market["symbol"].values)
        check_series_values(market[name].values, name, symbols, _ns(market["time"]))


def symbol_bars(market: xr.Dataset, symbol: str) -> SymbolBars:
    """Bars of one symbol as contiguous arrays; views of the cube where it is contiguous.

    Raises
    ------
    NotFoundError
        If the cube has no such symbol; lists those it has.
    """
    row = symbol_rows(market, [symbol])[0]
    session_ns = _ns(market["session"])
    fields = {name: np.ascontiguousarray(market[name].values[row]) for name in FIELDS}
    return SymbolBars(
        symbol=symbol,
        ts_ns=_ns(market["time"]),
        **fields,
        session_idx=np.cumsum(np.diff(session_ns, prepend=session_ns[:1]) != 0, dtype=np.int64),
        session_ns=session_ns,
        session_close_ns=_ns(market["session_close"]),
        asset_class=str(market["asset_class"].values[row]),
        tick_size=float(market["tick_size"].values[row]),
        lot_size=float(market["lot_size"].values[row]),
    )


def select(
    market: xr.Dataset,
    symbols: str | Sequence[str] | None = None,
    start: str | dt.date | np.datetime64 | None = None,
    stop: str | dt.date | np.datetime64 | None = None,
) -> xr.Dataset:
    """Part of a market: some symbols, and the bars inside ``[start, stop)``.

    Parameters
    ----------
    symbols : str or sequence of str, optional
        In the order wanted; all by default.
    start, stop : date or instant, optional
        A date ("2024-03-01") means sessions: from `start` on, before `stop`. An instant
        ("2024-03-01T15:00", UTC without zone) means bars that begin at or after `start` and end by `stop`.

    Returns
    -------
    Dataset
        A view where possible.

    Raises
    ------
    NotFoundError
        If a symbol is not in the market; lists those that are.
    DataError
        If nothing is left; names the range and what the market covers.
    """
    keep = np.ones(market.sizes["time"], np.bool_)
    for bound, name in ((start, "start"), (stop, "stop")):
        if bound is None:
            continue
        bound_ns, is_date = _as_bound(bound, name)
        position_ns = _ns(market["session"]) if is_date else _ns(market["time"]) - 1
        keep &= position_ns >= bound_ns if name == "start" else position_ns < bound_ns
    if not keep.any():
        first, last = (time_text(_ns(market["session"])[i])[:10] for i in (0, -1))
        raise DataError(
            f"no bar between `start` {start!s} and `stop` {stop!s}; the market covers {first} to {last}"
        )
    lo, hi = int(keep.argmax()), keep.size - int(keep[::-1].argmax())
    part = market.isel(time=slice(lo, hi))
    if symbols is None:
        return part
    wanted = [symbols] if isinstance(symbols, str) else list(symbols)
    return part.isel(symbol=symbol_rows(market, wanted))


def data_hash(market: xr.Dataset) -> str:
    """SHA-256 of everything that can change a result: bars and series, times, sessions, symbols, ticks, lots.

    Stable across processes, platforms, memory layouts and storage; source and adjustment are not part of it.
    """
    digest = hashlib.sha256(b"fluxhero market 1")
    for key in ("timeframe", "calendar", "sessions_per_year"):
        digest.update(f"|{key}={market.attrs[key]}".encode())
    for key in ("symbol", "asset_class", *(("sector",) if "sector" in market.coords else ())):
        digest.update(f"|{key}={list(map(str, market[key].values))!r}".encode())
    for key in ("time", "session", "session_close"):
        digest.update(_ns(market[key]).astype("<i8", copy=False).tobytes())
    optional = (name for name in OPTIONAL_FIELDS if name in market)
    # Sorted: the order in which series were added is no difference.
    for key in ("tick_size", "lot_size", *FIELDS, *optional, *sorted(series_names(market))):
        digest.update(f"|{key}".encode())
        values = np.ascontiguousarray(market[key].values, dtype="<f8")
        bits = values.view("<i8")
        is_nan = np.isnan(values)
        if is_nan.any():  # one NaN has many bit patterns
            bits = np.where(is_nan, np.int64(0x7FF8000000000000), bits)
        digest.update(np.ascontiguousarray(bits).data)
    return digest.hexdigest()


def series_names(market: xr.Dataset) -> tuple[str, ...]:
    """Names of the series from outside that a market holds, in its order."""
    return tuple(str(name) for name in market.data_vars if name not in (*FIELDS, *OPTIONAL_FIELDS))


def check_series_name(name: Any) -> None:
    """Raise DataError unless a series may be called so."""
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        raise DataError(f"a series is called by a plain Python name that starts with a letter, was {name!r}")
    if name in SERIES_TAKEN:
        raise DataError(
            f"`{name}` cannot be a series: the market's own are {', '.join(sorted(SERIES_TAKEN))}"
        )


def check_series_values(values: FloatArray, name: str, symbols: Sequence[str], time_ns: IntArray) -> None:
    """Raise DataError, naming the first, if a value of shape (symbols, times) is infinite."""
    if (bad := np.isinf(values)).any():
        row, t = divmod(int(bad.argmax()), values.shape[1])
        raise DataError(
            f"series `{name}` of {symbols[row]!r} at {time_text(time_ns[t])} UTC was {values[row, t]}, "
            "must be finite, or NaN where it is unknown"
        )


def _check_layout(market: xr.Dataset) -> None:
    if not isinstance(market, xr.Dataset):
        raise DataError(f"`market` must be an xarray.Dataset, was {type(market).__name__}")
    missing = [name for name in FIELDS if name not in market.data_vars]
    if missing:
        raise DataError(
            f"the market lacks the variables {missing}; it has {sorted(map(str, market.data_vars))}"
        )
    for name in (*FIELDS, *(name for name in OPTIONAL_FIELDS if name in market.data_vars)):
        _check_array(market[name], name, ("symbol", "time"), "float64")
    for series in market.data_vars:
        if series not in (*FIELDS, *OPTIONAL_FIELDS):  # what is no bar is a series from outside
            check_series_name(series)
            _check_array(market[series], str(series), ("symbol", "time"), "float64")
    for name in ("time", "session", "session_close"):
        _check_coord(market, name, "time", "datetime64[ns]")
    for name in ("tick_size", "lot_size"):
        _check_coord(market, name, "symbol", "float64")
    for name in ("symbol", "asset_class", *(("sector",) if "sector" in market.coords else ())):
        _check_coord(market, name, "symbol", None)
    for dim in ("symbol", "time"):
        if market.sizes[dim] == 0:
            raise DataError(f"the market has no {dim}")


def _check_coord(market: xr.Dataset, name: str, dim: str, dtype: str | None) -> None:
    if name not in market.coords:
        raise DataError(f"the market lacks the coordinate {name!r} on {dim!r}")
    _check_array(market[name], name, (dim,), dtype)


def _check_array(array: xr.DataArray, name: str, dims: tuple[str, ...], dtype: str | None) -> None:
    if array.dims != dims:
        raise DataError(f"{name!r} must have the dims {dims}, has {array.dims}")
    if dtype is not None and array.dtype != np.dtype(dtype):
        raise DataError(f"{name!r} must be {dtype}, is {array.dtype}")


def _check_attrs(market: xr.Dataset) -> None:
    for key, allowed in _ATTRS.items():
        if key not in market.attrs:
            raise DataError(f"the market lacks the attribute {key!r}; allowed are {list(allowed)}")
        if market.attrs[key] not in allowed:
            raise DataError(f"the market's {key!r} was {market.attrs[key]!r}; allowed are {list(allowed)}")
    if not isinstance(market.attrs.get("source"), str):
        raise DataError("the market lacks the attribute 'source', a text that says where the bars come from")
    expected = SESSIONS_PER_YEAR[market.attrs["calendar"]]
    if market.attrs.get("sessions_per_year") != expected:
        found = market.attrs.get("sessions_per_year")
        raise DataError(f"the market's 'sessions_per_year' was {found!r}; its calendar has {expected}")


def _check_symbols(market: xr.Dataset) -> None:
    names = list(market["symbol"].values)
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"a symbol must be a text that is not empty, was {name!r}")
    repeated = (
        sorted({str(name) for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    if repeated:
        raise DataError(f"symbols must occur once, these occur more often: {repeated}")
    for name, kind in zip(names, market["asset_class"].values, strict=True):
        if kind not in ASSET_CLASSES:
            raise DataError(f"the asset class of {name!r} was {kind!r}; known are {list(ASSET_CLASSES)}")
    for coord in ("tick_size", "lot_size"):
        for name, size in zip(names, market[coord].values, strict=True):
            if not (np.isfinite(size) and size > 0.0):
                raise DataError(f"the {coord} of {name!r} was {size}; must be above 0")


def _check_time(market: xr.Dataset) -> None:
    time_ns, session_ns, session_close_ns = (_ns(market[key]) for key in ("time", "session", "session_close"))
    for key, values in (("time", time_ns), ("session", session_ns), ("session_close", session_close_ns)):
        if (values == _NAT).any():
            raise DataError(f"{key!r} of bar {int(np.argmax(values == _NAT))} is not a time")
    if (bad := time_ns[1:] <= time_ns[:-1]).any():
        bar = int(bad.argmax()) + 1
        verb = "repeats" if time_ns[bar] == time_ns[bar - 1] else "precedes"
        raise DataError(
            f"the bars are not in time order: bar {bar} ({time_text(time_ns[bar])} UTC) {verb} bar {bar - 1}"
        )
    if (bad := session_ns % DAY_NS != 0).any():
        bar = int(bad.argmax())
        raise DataError(f"'session' must be a midnight, was {time_text(session_ns[bar])} at bar {bar}")
    if (bad := time_ns > session_close_ns).any():
        bar = int(bad.argmax())
        ends = f"{time_text(time_ns[bar])} UTC), after its session ({time_text(session_close_ns[bar])} UTC)"
        raise DataError(f"bar {bar} closes ({ends}")
    is_same = session_ns[1:] == session_ns[:-1]
    if (bad := session_ns[1:] < session_ns[:-1]).any():
        bar = int(bad.argmax()) + 1
        raise DataError(
            f"sessions are not in order: bar {bar} belongs to {time_text(session_ns[bar])[:10]}, "
            "an earlier day"
        )
    if (bad := is_same & (session_close_ns[1:] != session_close_ns[:-1])).any():
        bar = int(bad.argmax()) + 1
        raise DataError(
            f"'session_close' differs within session {time_text(session_ns[bar])[:10]} at bar {bar}"
        )
    if (bad := ~is_same & (time_ns[1:] <= session_close_ns[:-1])).any():
        bar = int(bad.argmax()) + 1
        raise DataError(
            f"bar {bar} ({time_text(time_ns[bar])} UTC) closes before the session before it has ended"
        )


def _check_bars(market: xr.Dataset) -> None:
    fields = [np.ascontiguousarray(market[name].values) for name in FIELDS]
    is_missing = np.isnan(fields[0])
    for values in fields[1:]:
        is_missing &= np.isnan(values)
    faults = value_faults(*fields, skip=is_missing)
    if not faults:
        return
    fault = min(faults, key=lambda found: int(found.rows[0]))
    row, bar = divmod(int(fault.rows[0]), market.sizes["time"])
    check = CHECKS[fault.kind]
    n_more = sum(found.rows.size for found in faults) - 1
    more = f"; {n_more} more" if n_more else ""
    hint = " (a missing bar has NaN in all five fields)" if fault.kind == "not_finite" else ""
    raise DataError(
        f"bars of {str(market['symbol'].values[row])!r}: {check.title} at bar {bar} "
        f"({time_text(_ns(market['time'])[bar])} UTC): {fault.column} was {fault.values[0]}, "
        f"must be {check.allowed}{hint}{more}"
    )


def as_ns(values: ArrayLike, name: str) -> IntArray:
    """Times as int64 nanoseconds, 1-D, from text, datetime64 of any unit, pandas indexes or integers."""
    if isinstance(values, xr.DataArray):
        values = values.values
    if isinstance(values, (pd.DatetimeIndex, pd.Series)) and isinstance(values.dtype, pd.DatetimeTZDtype):
        values = pd.DatetimeIndex(values).tz_convert(None)
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        ns = array.astype(np.int64)
    else:
        try:
            ns = array.astype("datetime64[ns]").astype(np.int64)
        except (ValueError, TypeError) as error:
            raise DataError(f"`{name}` must be UTC times without zone or nanoseconds: {error}") from None
    if ns.ndim != 1:
        raise DataError(f"`{name}` must have one dimension, has {ns.ndim}")
    return ns


def _as_table(values: ArrayLike, name: str, shape: tuple[int, int]) -> FloatArray:
    try:
        table = np.ascontiguousarray(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"`{name}` must be numbers: {error}") from None
    if table.shape != shape:
        raise DataError(f"`{name}` has the shape {table.shape}, must be {shape}: (symbols, bars)")
    return table


def _per_symbol(values: Any, name: str, symbols: list[str], dtype: type = np.float64) -> NDArray[Any]:
    """One value per symbol, repeated if a single one was given."""
    if isinstance(values, str) or np.ndim(values) == 0:
        values = [values] * len(symbols)
    array: NDArray[Any] = np.array(list(values), dtype=dtype)
    if array.shape != (len(symbols),):
        raise DataError(f"`{name}` has {array.size} values for {len(symbols)} symbols")
    return array


def _as_bound(bound: str | dt.date | np.datetime64, name: str) -> tuple[int, bool]:
    """A bound in nanoseconds, and whether it is a date (sessions) rather than an instant (bars)."""
    try:
        stamp = pd.Timestamp(bound)
    except (ValueError, TypeError) as error:
        raise DataError(f"`{name}` must be a date or a time in UTC, was {bound!r}: {error}") from None
    if pd.isna(stamp):
        raise DataError(f"`{name}` must be a date or a time in UTC, was {bound!r}")
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert(None)
    is_date = len(bound) <= len("2024-01-02") if isinstance(bound, str) else _is_plain_date(bound)
    return stamp.as_unit("ns").value, is_date


def _is_plain_date(bound: dt.date | np.datetime64) -> bool:
    if isinstance(bound, np.datetime64):
        return np.datetime_data(bound.dtype)[0] in ("Y", "M", "W", "D")
    return not isinstance(bound, dt.datetime)


def symbol_rows(market: xr.Dataset, symbols: Sequence[str]) -> list[int]:
    """Positions of symbols in a market; NotFoundError lists those it has."""
    rows = {str(name): row for row, name in enumerate(market["symbol"].values)}
    unknown = [name for name in symbols if name not in rows]
    if unknown:
        raise NotFoundError(f"the market has no symbol {unknown[0]!r}; it has {', '.join(rows)}")
    return [rows[name] for name in symbols]


def _ns(array: xr.DataArray) -> IntArray:
    return np.ascontiguousarray(array.values).view(np.int64)


def time_text(ts_ns: Any) -> str:
    """An instant for a person, to the minute, or to the second where it has seconds."""
    stamp = np.datetime64(int(ts_ns), "ns")
    return str(
        stamp.astype("datetime64[m]" if int(ts_ns) % 60_000_000_000 == 0 else "datetime64[s]")
    ).replace("T", " ")
