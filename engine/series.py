"""Series from outside, beside the bars: entries and exits, sentiment, a model's probabilities.

A series is one more variable of the market cube, float64 on ``(symbol, time)``, under any plain name. Its
value at a bar is known at that bar's close: a decision at that close sees it, and what is ordered then fills
later. NaN is unknown. A rule reads it by ``Series(name)`` among its FEATURES.

What comes with labels is put where its labels say, and nothing is guessed: a time or a symbol too many or too
few is an error. ``fill="last"`` is the one exception, and it looks backward only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..kernels.types import FloatArray, IntArray
from .checked import did_you_mean
from .errors import DataError, ParameterError
from .market import as_ns, check_market, check_series_name, check_series_values, time_text
from .strategy import Strategy

_NAT = np.iinfo(np.int64).min
_FILLS = (None, "last")


class _Given(NamedTuple):
    """What somebody gave as a series; None where it has no labels."""

    values: FloatArray  # (n_symbols, n_times), either 1 where it is the same for all
    symbols: list[str] | None
    time_ns: IntArray | None


def with_series(market: xr.Dataset, /, *, fill: str | None = None, **series: Any) -> xr.Dataset:
    """A market with series from outside beside its bars.

    Parameters
    ----------
    market : Dataset
        A market cube; it is not changed, and its bars are not copied.
    fill : {"last"}, optional
        Carry the last known value forward: a value with time stamp t is visible from the bar that closes at
        t or later, until the next one. Time stamps need not be those of bars then. Stamp a value with the
        time at which it was known: one of the day's end under its midnight would be seen all day long.
    **series
        Values by name: a number; an array of shape (n_bars,), for all symbols, or (n_symbols, n_bars); a
        pandas Series, for all symbols, or a DataFrame with a column per symbol, indexed by time (UTC where it
        says nothing else); an xarray DataArray with dims (time) or (symbol, time). False and True are 0 and
        1, NaN is unknown. A name that the market has already is replaced.

    Returns
    -------
    Dataset
        A market cube.

    Raises
    ------
    DataError
        If a name is taken, a shape or a label does not fit, or a value is infinite or no number; names the
        series, and the first symbol or time.
    ParameterError
        If `fill` is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from fluxhero.engine.market import from_arrays
    >>> bars = [[10.0, 10.5], [11.0, 10.9], [9.5, 10.1], [10.5, 10.2], [5.0, 6.0]]
    >>> market = from_arrays("COIN", ["2024-01-01T01", "2024-01-01T02"], *bars, timeframe="1h")
    >>> with_series(market, mood=[np.nan, 0.7])["mood"].values
    array([[nan, 0.7]])
    """
    check_market(market)
    if fill not in _FILLS:
        raise ParameterError(
            f"`fill` was {fill!r}, must be 'last' (carry the last known value forward) or None "
            "(a value for every bar)"
        )
    symbols = [str(symbol) for symbol in market["symbol"].values]
    time_ns = as_ns(market["time"], "time")
    shape = (len(symbols), time_ns.size)
    tables = {}
    for name, given in series.items():
        check_series_name(name)
        one = _in_order(name, _read(name, given, shape), symbols)
        values = _last_known(one, time_ns) if fill else _on_bars(name, one, time_ns)
        tables[name] = np.ascontiguousarray(np.broadcast_to(values, shape)).copy()
        check_series_values(tables[name], name, symbols, time_ns)
    return market.assign({name: (("symbol", "time"), table) for name, table in tables.items()})


def symbol_series(market: xr.Dataset, row: int, names: Sequence[str]) -> FloatArray:
    """Series of the symbol in this row of the market, shape (n_names, n_bars), contiguous."""
    table = np.empty((len(names), market.sizes["time"]))
    for i, name in enumerate(names):
        table[i] = market[name].values[row]
    return table


def require_series(strategy: Strategy, known: Sequence[str]) -> None:
    """Raise DataError unless a market with these series has all that the strategy's features read."""
    for name, doc in strategy.series.items():
        if name not in known:
            meaning = f" ({doc})" if doc else ""
            has = did_you_mean(name, list(known)) if known else "it has none"
            raise DataError(
                f"strategy {strategy.name!r} reads the series `{name}`{meaning}, which the market lacks; "
                f"{has}; add it by with_series(market, {name}=...)"
            )


def _read(name: str, given: Any, shape: tuple[int, int]) -> _Given:
    """Values and labels of whatever was given."""
    if isinstance(given, xr.DataArray):
        return _read_labelled(name, given, shape)
    if isinstance(given, pd.DataFrame):
        columns = [_numbers(name, given.iloc[:, i]) for i in range(given.shape[1])]
        values = np.array(columns).reshape(given.shape[1], len(given))
        return _Given(values, [str(label) for label in given.columns], _index_ns(name, given.index))
    if isinstance(given, pd.Series):
        return _Given(_numbers(name, given)[None], None, _index_ns(name, given.index))
    if isinstance(given, xr.Dataset):
        raise DataError(f"series `{name}` is a Dataset; give one variable of it, a DataArray")
    values = _numbers(name, given)
    if values.shape not in ((), shape[1:], shape):
        turned = "; time goes last" if values.shape == shape[::-1] else ""
        raise DataError(
            f"series `{name}` has the shape {values.shape}, must be {shape[1:]} (bars) or {shape} "
            f"(symbols, bars){turned}"
        )
    return _Given(np.atleast_2d(values), None, None)


def _read_labelled(name: str, given: xr.DataArray, shape: tuple[int, int]) -> _Given:
    if given.dims not in (("time",), ("symbol", "time"), ("time", "symbol")):
        raise DataError(
            f"series `{name}` has the dims {given.dims}, must have ('time',) or ('symbol', 'time')"
        )
    for dim, size in zip(("symbol", "time"), shape, strict=True):
        if dim in given.dims and dim not in given.coords and given.sizes[dim] != size:
            raise DataError(
                f"series `{name}` has {given.sizes[dim]} of {dim!r} without labels, must have {size}"
            )
    per_symbol = "symbol" in given.dims
    values = _numbers(name, given.transpose("symbol", "time").values if per_symbol else given.values[None])
    symbols = (
        [str(label) for label in given["symbol"].values] if per_symbol and "symbol" in given.coords else None
    )
    return _Given(
        values, symbols, _index_ns(name, given.get_index("time")) if "time" in given.coords else None
    )


def _numbers(name: str, values: Any) -> FloatArray:
    """Values as float64; missing ones of any kind as NaN."""
    array: Any = values if isinstance(values, pd.Series) else np.asarray(values)
    try:
        if array.dtype.kind not in "biufO":
            raise TypeError(f"it holds {array.dtype}")
        if isinstance(values, pd.Series):  # which has more than one kind of missing
            array = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.array(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"series `{name}` must be numbers: {error}") from None


def _index_ns(name: str, index: pd.Index) -> IntArray:
    """Times of an index; a running number is refused, for it says nothing about when."""
    if not isinstance(index, pd.DatetimeIndex):
        if index.dtype.kind not in "OU":
            raise DataError(
                f"series `{name}` is indexed by {index.dtype}, must be indexed by time; "
                "without labels (.to_numpy()) its values are taken in the order of the bars"
            )
        try:
            index = pd.DatetimeIndex(index)
        except (TypeError, ValueError) as error:
            raise DataError(f"series `{name}` must be indexed by time: {error}") from None
    time_ns = as_ns(index, name)
    if (bad := time_ns == _NAT).any():
        raise DataError(f"series `{name}`: label {int(bad.argmax())} of its index is not a time")
    return time_ns


def _in_order(name: str, given: _Given, symbols: list[str]) -> _Given:
    """The same with its symbols in the market's order and its times rising."""
    values, time_ns = given.values, given.time_ns
    if given.symbols is not None:
        _same_labels(name, given.symbols, symbols)
        values = values[[given.symbols.index(symbol) for symbol in symbols]]
    if time_ns is not None:
        order = np.argsort(time_ns, kind="stable")
        values, time_ns = values[:, order], time_ns[order]
        if (twice := time_ns[1:] == time_ns[:-1]).any():
            raise DataError(f"series `{name}` has {time_text(time_ns[int(twice.argmax())])} UTC twice")
    return _Given(values, None, time_ns)


def _same_labels(name: str, found: list[str], expected: list[str]) -> None:
    for label in found:
        if label not in expected:
            raise DataError(
                f"series `{name}` has a column of {label!r}, which is no symbol of the market; "
                f"{did_you_mean(label, expected)}"
            )
        if found.count(label) > 1:
            raise DataError(f"series `{name}` has two columns of {label!r}")
    for label in expected:
        if label not in found:
            raise DataError(
                f"series `{name}` has no column of {label!r}; it has {', '.join(found) or 'none'}"
            )


def _on_bars(name: str, given: _Given, time_ns: IntArray) -> FloatArray:
    """Values that have a label per bar, or none."""
    if given.time_ns is None or np.array_equal(given.time_ns, time_ns):
        return given.values
    hint = "give a value (NaN: unknown) for every bar and no other time, or fill='last'"
    if len(missing := np.setdiff1d(time_ns, given.time_ns)):
        raise DataError(
            f"series `{name}` has no value for the bar at {time_text(missing[0])} UTC, "
            f"and for {len(missing) - 1} more; {hint}"
        )
    unknown = np.setdiff1d(given.time_ns, time_ns)
    raise DataError(
        f"series `{name}` has a value at {time_text(unknown[0])} UTC, where no bar closes, "
        f"and {len(unknown) - 1} more; {hint}"
    )


def _last_known(given: _Given, time_ns: IntArray) -> FloatArray:
    """Values that were known last at each bar's close."""
    if given.values.shape[1] == 1 and given.time_ns is None:
        return given.values
    stamps = time_ns if given.time_ns is None else given.time_ns
    filled = np.full((len(given.values), time_ns.size), np.nan)
    for own, values in zip(filled, given.values, strict=True):
        is_known = ~np.isnan(values)
        last = np.searchsorted(stamps[is_known], time_ns, side="right") - 1
        own[last >= 0] = values[is_known][last[last >= 0]]
    return filled
