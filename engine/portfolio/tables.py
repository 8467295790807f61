"""What a user passes (frames, arrays, mappings by symbol) as plain arrays, checked."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ...kernels.types import FloatArray
from ..checked import did_you_mean
from ..errors import ConfigError, DataError
from .settings import Model

MAX_TARGET = 100.0  # times the budget; a larger one is a mistake of units (percent, dollars)

Table: TypeAlias = pd.DataFrame | xr.DataArray

Groups: TypeAlias = Mapping[str, str | None]

PerSymbol: TypeAlias = float | Mapping[str, float]


def target_block(
    models: list[Model], targets: Mapping[str, Table] | xr.DataArray
) -> tuple[FloatArray, pd.DatetimeIndex, list[str]]:
    """Targets as one block (n_bars, n_models, n_symbols), with its times and symbols."""
    names = [model.name for model in models]
    if isinstance(targets, xr.DataArray):
        if set(targets.dims) != {"time", "model", "symbol"}:
            raise DataError(f"`targets` has the dims {targets.dims}, must be time, model and symbol")
        found = [str(name) for name in targets["model"].values]
        _check_names("targets", found, names)
        ordered = targets.transpose("time", "model", "symbol")
        block = _numbers("targets", ordered.isel(model=[found.index(name) for name in names]).values)
        times, symbols = (
            as_times(targets["time"].values, "targets"),
            _symbols("targets", targets["symbol"].values),
        )
    else:
        _check_names("targets", [str(name) for name in targets], names)
        tables = {name: _table(f"targets[{name!r}]", targets[name]) for name in names}
        symbols = list(dict.fromkeys(symbol for table in tables.values() for symbol in table.columns))
        times = tables[names[0]].index
        for table in tables.values():
            times = times.union(table.index)
        block = np.stack(
            [tables[name].reindex(index=times, columns=symbols).to_numpy(np.float64) for name in names],
            axis=1,
        )
    if not block.size:
        raise DataError(f"`targets` has {len(times)} times and {len(symbols)} symbols; it needs one of each")
    _check_targets(block, models, times, symbols)
    return block, times, symbols


def _check_targets(
    block: FloatArray, models: list[Model], times: pd.DatetimeIndex, symbols: list[str]
) -> None:
    wrong = np.argwhere(np.abs(block) > MAX_TARGET)
    if wrong.size:
        t, m, s = (int(i) for i in wrong[0])
        raise DataError(
            f"target of model {models[m].name!r} for {symbols[s]!r} at {times[t]} UTC was "
            f"{block[t, m, s]:g}, must be a fraction of its budget from -{MAX_TARGET:g} to "
            f"{MAX_TARGET:g}, or NaN"
        )
    for m, model in enumerate(models):
        if model.symbols is None:
            continue
        for symbol in model.symbols:
            if symbol not in symbols:
                raise DataError(
                    f"model {model.name!r} trades {symbol!r}, which `targets` lacks; "
                    f"{did_you_mean(symbol, symbols)}"
                )
        others = np.array([symbol not in model.symbols for symbol in symbols])
        strays = np.argwhere(others[None] & (np.nan_to_num(block[:, m]) != 0.0))
        if strays.size:
            t, s = (int(i) for i in strays[0])
            raise DataError(
                f"model {model.name!r} has a target for {symbols[s]!r} at {times[t]} UTC, which is none of "
                f"its symbols: {', '.join(model.symbols)}"
            )


def _table(name: str, table: Table) -> pd.DataFrame:
    """A table (time, symbol) with UTC times and checked symbols."""
    if isinstance(table, xr.DataArray):
        if set(table.dims) != {"time", "symbol"}:
            raise DataError(f"`{name}` has the dims {table.dims}, must be time and symbol")
        index, columns = table["time"].values, table["symbol"].values
        values = table.transpose("time", "symbol").values
    elif isinstance(table, pd.DataFrame):
        index, columns, values = table.index, table.columns, table.to_numpy()
    else:
        raise DataError(f"`{name}` was a {type(table).__name__}, must be a DataFrame or a DataArray")
    return pd.DataFrame(_numbers(name, values), index=as_times(index, name), columns=_symbols(name, columns))


def _numbers(name: str, values: Any) -> FloatArray:
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"`{name}` must hold numbers: {error}") from None


def _symbols(name: str, labels: Iterable[Any]) -> list[str]:
    symbols = [str(label) for label in labels]
    twice = (
        {symbol for symbol in symbols if symbols.count(symbol) > 1}
        if len(set(symbols)) < len(symbols)
        else ()
    )
    if twice:
        raise DataError(f"`{name}` has the symbol {min(twice)!r} more than once")
    return symbols


def as_times(index: Any, name: str) -> pd.DatetimeIndex:
    """Rising times, UTC without a zone, as in market cubes."""
    values = index if isinstance(index, pd.DatetimeIndex) else np.asarray(index)
    if not (isinstance(values, pd.DatetimeIndex) or values.size == 0 or values.dtype.kind == "M"):
        raise DataError(f"`{name}` must be indexed by time, has {values.dtype} instead")
    times = naive_utc(pd.DatetimeIndex(values))
    if times.isna().any():
        raise DataError(f"`{name}` has a row without a time")
    falls = np.flatnonzero(np.diff(times.asi8) <= 0)
    if falls.size:
        after = int(falls[0]) + 1
        raise DataError(
            f"`{name}` is not in time order: row {after} ({times[after]}) does not follow the one before"
        )
    return times


def naive_utc(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return (times if times.tz is None else times.tz_convert("UTC").tz_localize(None)).as_unit("ns")


def _check_names(name: str, found: list[str], known: list[str]) -> None:
    for label in found:
        if label not in known:
            raise DataError(f"`{name}` has the model {label!r}; {did_you_mean(label, known)}")
    for label in known:
        if found.count(label) != 1:
            raise DataError(f"`{name}` has model {label!r} {found.count(label)} times, must have it once")


def group_members(name: str, groups: Groups | None, symbols: list[str]) -> dict[str, str | None] | None:
    if groups is None:
        return None
    missing = [symbol for symbol in symbols if symbol not in groups]
    if missing:
        raise ConfigError(
            f"`{name}` lacks {missing[0]!r} ({len(missing)} of {len(symbols)} symbols); "
            "name the group of each, or None for none"
        )
    wrong = next((symbol for symbol in symbols if not isinstance(groups[symbol], str | None)), None)
    if wrong is not None:
        raise ConfigError(f"`{name}` of {wrong!r} was {groups[wrong]!r}, must be a name or None")
    return {symbol: groups[symbol] or None for symbol in symbols}


def group_labels(members: dict[str, str | None] | None, symbols: list[str]) -> NDArray[np.str_]:
    return np.array([(members or {}).get(symbol) or "" for symbol in symbols], dtype=np.str_)


def by_symbol(name: str, values: Mapping[str, float] | None, symbols: list[str]) -> FloatArray:
    """Numbers of some symbols, 0 for the others."""
    for symbol in values or {}:
        if symbol not in symbols:
            raise DataError(
                f"`{name}` has {symbol!r}, which `targets` lacks; {did_you_mean(symbol, symbols)}"
            )
    found = _numbers(name, [(values or {}).get(symbol, 0.0) for symbol in symbols])
    if not np.isfinite(found).all():
        i = int(np.flatnonzero(~np.isfinite(found))[0])
        raise DataError(f"`{name}` of {symbols[i]!r} was {found[i]}, must be a finite number")
    return found


def per_symbol(name: str, values: PerSymbol, symbols: list[str], above: float | None = None) -> FloatArray:
    """One number per symbol, at least 0, or above `above`."""
    if isinstance(values, Mapping):
        missing = [symbol for symbol in symbols if symbol not in values]
        if missing:
            raise ConfigError(f"`{name}` lacks {missing[0]!r} ({len(missing)} of {len(symbols)} symbols)")
        found = np.array([values[symbol] for symbol in symbols], dtype=np.float64)
    else:
        found = np.full(len(symbols), values, dtype=np.float64)
    is_wrong = ~np.isfinite(found) | (found < 0.0 if above is None else found <= above)
    if is_wrong.any():
        i = int(np.flatnonzero(is_wrong)[0])
        allowed = "at least 0" if above is None else f"above {above:g}"
        raise ConfigError(f"`{name}` of {symbols[i]!r} was {found[i]}, must be a number {allowed}")
    return found


def price_block(prices: Table, result: xr.Dataset) -> FloatArray:
    table = _table("prices", prices)
    symbols = [str(symbol) for symbol in result["symbol"].values]
    missing = [symbol for symbol in symbols if symbol not in table.columns]
    if missing:
        raise DataError(f"`prices` lacks {missing[0]!r} ({len(missing)} of {len(symbols)} symbols)")
    times = pd.DatetimeIndex(result["time"].values)
    absent = times[~times.isin(table.index)]
    if len(absent):
        raise DataError(
            f"`prices` lacks {absent[0]} UTC ({len(absent)} of {len(times)} times of the weights)"
        )
    return np.ascontiguousarray(table.reindex(index=times, columns=symbols).to_numpy(np.float64))
