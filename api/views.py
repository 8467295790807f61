"""Cubes and runs as answers: slices, rankings, pages, thinned series. Pure functions of labelled data.

An axis is chosen by text, as an address carries it; it must be one of the axis's own values, exactly.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from ..engine.errors import NotFoundError, ParameterError
from ..engine.records import ACCOUNT
from ..kernels.types import BoolArray, FloatArray, IntArray
from .problems import Problem
from .schemas import RankedCell, RankingView, RunView, SeriesView, SliceView, TableView

if TYPE_CHECKING:
    import pandas as pd

    from ..engine.run import Run

Part = Literal["equity", "trades", "orders", "fills", "decisions"]
PARTS: tuple[Part, ...] = ("equity", "trades", "orders", "fills", "decisions")
TABLES = PARTS[1:]

_MAX_NAMED = 20  # values of an axis that an error lists


def slice_cube(
    cube: xr.Dataset, *, metric: str, axes: Sequence[str] | None, fixed: Mapping[str, str], max_values: int
) -> SliceView:
    """Values of one metric over some axes of a cube, the others held.

    Parameters
    ----------
    cube : Dataset
        A result cube.
    metric : str
        One of its variables.
    axes : sequence of str, optional
        Axes to keep, in the order of the answer; default: all that are not held.
    fixed : mapping of axis to text
        Where the others are held; an axis of one value may be left out.
    max_values : int
        Most values in an answer.

    Raises
    ------
    ParameterError, NotFoundError
        If a name is unknown, an axis is neither kept nor held, or has no such value.
    Problem
        If the slice is too large.
    """
    values = _metric(cube, metric)
    dims = [str(dim) for dim in values.dims]
    positions = _positions(cube, dims, fixed)
    kept = [dim for dim in dims if dim not in positions] if axes is None else list(axes)
    for name in kept:
        _known_axis(name, dims)
        if name in positions or kept.count(name) > 1:
            raise ParameterError(f"axis `{name}` is named twice; keep it in `axes` or hold it at one value")
    for name in dims:
        if name not in kept and name not in positions:
            if cube.sizes[name] != 1:
                raise ParameterError(
                    f"axis `{name}` needs a value or a place in `axes`; it has {_values(cube, name)}"
                )
            positions[name] = 0
    n_values = int(np.prod([cube.sizes[name] for name in kept], dtype=np.int64))
    if n_values > max_values:
        raise Problem(
            400, f"the slice has {n_values:,} values, at most {max_values:,} are sent; hold more axes"
        )
    part = values.isel(positions).transpose(*kept)
    return SliceView(
        metric=metric,
        dims=kept,
        coords={name: _labels(cube, name).tolist() for name in kept},
        fixed={name: _label(cube, name, position) for name, position in positions.items()},
        values=part.values.tolist(),
    )


def rank_cells(
    cube: xr.Dataset, *, by: str, top: int, order: Literal["desc", "asc"], fixed: Mapping[str, str]
) -> RankingView:
    """The first cells of a cube by a metric, among those where `fixed` holds.

    Raises
    ------
    ParameterError, NotFoundError
        If a name is unknown, or an axis has no such value.
    """
    dims = [str(dim) for dim in _metric(cube, by).dims]
    part = cube.isel({name: [position] for name, position in _positions(cube, dims, fixed).items()})
    values = part[by].values.astype(np.float64)
    flat = values.reshape(-1)
    is_defined: BoolArray = ~np.isnan(flat)
    rows = np.flatnonzero(is_defined)
    key = -flat[rows] if order == "desc" else flat[rows]
    first = rows[np.argsort(key, kind="stable")[:top]]
    items = [
        RankedCell(rank, _cell(part, where), _metrics(part, where))
        for rank, row in enumerate(first, 1)
        for where in [dict(zip(dims, map(int, np.unravel_index(row, values.shape)), strict=True))]
    ]
    return RankingView(by, order, n_cells=flat.size, n_undefined=int(flat.size - rows.size), items=items)


def find_cell(cube: xr.Dataset, fixed: Mapping[str, str]) -> dict[str, Any]:
    """A value of the cube's own for every axis but `symbol`.

    Raises
    ------
    ParameterError, NotFoundError
        If an axis is unknown, has no such value, or needs one.
    """
    dims = [str(dim) for dim in cube.dims if dim != "symbol"]
    positions = _positions(cube, dims, fixed)
    for name in dims:
        if name not in positions:
            if cube.sizes[name] != 1:
                raise ParameterError(f"axis `{name}` needs a value; it has {_values(cube, name)}")
            positions[name] = 0
    return {name: _label(cube, name, positions[name]) for name in dims}


def one_symbol(symbols: Sequence[str], wanted: str | None) -> str:
    """The symbol that is meant; it may be left out where there is one.

    Raises
    ------
    ParameterError, NotFoundError
        If it is unknown, or there are several.
    """
    listed = ", ".join(symbols[:_MAX_NAMED])
    if wanted is None:
        if len(symbols) > 1:
            raise ParameterError(f"`symbol` is needed; there are {listed}")
        return symbols[0]
    if wanted not in symbols:
        raise NotFoundError(f"there is no symbol {wanted!r}; there are {listed}")
    return wanted


def equals_cell(run: "Run", cube: xr.Dataset, symbol: str, cell: Mapping[str, Any]) -> bool:
    """Whether a replay measured what its cell holds, to the bit (any NaN is as good as another)."""
    stored = cube.sel(dict(cell) if run.is_shared else {"symbol": symbol, **cell})
    replayed = _own_metrics(run, symbol)
    measured = [name for name in stored.data_vars if name in replayed]  # not what somebody added
    return all(
        np.array_equal(stored[name].values, replayed[name].values, equal_nan=stored[name].dtype.kind == "f")
        for name in measured
    )


def run_view(
    run: "Run", symbol: str, *, parts: Sequence[Part], points: int, limit: int, page: int, same: bool | None
) -> RunView:
    """The asked-for parts of one symbol of a run."""
    tables = {name: _page(getattr(run, name), symbol, limit, page) for name in TABLES if name in parts}
    return RunView(
        strategy=run.strategy,
        symbol=symbol,
        params={str(name): value for name, value in run.params.items()},
        metrics=_metrics(_own_metrics(run, symbol), {}),
        equals_cell=same,
        equity=_series(run, symbol, points) if "equity" in parts else None,
        **tables,
    )


def _own_metrics(run: "Run", symbol: str) -> xr.Dataset:
    """Metrics of the account that a symbol is traded in."""
    return run.metrics if run.is_shared else run.metrics.sel(symbol=symbol)


def symbol_metrics(cube: xr.Dataset) -> dict[str, dict[str, float | None]]:
    """Metrics by symbol of a cube that has no other axis; of a shared account under its name."""
    if "symbol" not in cube.dims:
        return {ACCOUNT: _metrics(cube, {})}
    return {str(name): _metrics(cube, {"symbol": row}) for row, name in enumerate(cube["symbol"].values)}


def thinned(values: FloatArray, points: int) -> IntArray:
    """Rows that draw a line of at most `points` points: the first, the last, each stretch's low and high.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN is never a low or a high.
    points : int, >= 4

    Returns
    -------
    ndarray of int64
        Increasing; every row where `n` is at most `points`.

    Examples
    --------
    >>> thinned(np.array([1.0, 5.0, 2.0, 3.0, 0.0, 4.0]), 4).tolist()
    [0, 1, 4, 5]
    """
    n = values.size
    if n <= points:
        return np.arange(n)
    edges = np.linspace(0, n, (points - 2) // 2 + 1).astype(np.int64)
    rows = {0, n - 1}
    for start, stop in pairwise(edges):
        stretch = values[start:stop]
        rows |= {
            int(start + np.where(np.isnan(stretch), np.inf, stretch).argmin()),
            int(start + np.where(np.isnan(stretch), -np.inf, stretch).argmax()),
        }
    return np.array(sorted(rows), dtype=np.int64)


def utc_texts(times: Any) -> list[str]:
    """Times of datetime64 as ISO 8601 with the Z of UTC."""
    texts: list[str] = np.datetime_as_string(
        np.asarray(times, dtype="datetime64[s]"), timezone="UTC"
    ).tolist()
    return texts


def _series(run: "Run", symbol: str, points: int) -> SeriesView:
    equity = run.equity.values if run.is_shared else run.equity.sel(symbol=symbol).values
    rows = thinned(equity, points)
    return SeriesView(
        n_bars=equity.size,
        time=utc_texts(run.equity["time"].values[rows]),
        equity=equity[rows].tolist(),
        stop=run.stops.sel(symbol=symbol).values[rows].tolist(),
    )


def _page(table: "pd.DataFrame", symbol: str, limit: int, page: int) -> TableView:
    own = table[table["symbol"] == symbol]
    part = own.iloc[(page - 1) * limit : page * limit]
    columns = {
        str(name): utc_texts(column.to_numpy()) if column.dtype.kind == "M" else column.tolist()
        for name, column in part.items()
    }
    rows = zip(*columns.values(), strict=True)
    return TableView([dict(zip(columns, row, strict=True)) for row in rows], len(own), limit, page)


def _metric(cube: xr.Dataset, name: str) -> xr.DataArray:
    if name not in cube.data_vars:
        raise ParameterError(f"there is no metric {name!r}; there are {', '.join(map(str, cube.data_vars))}")
    return cube[name]


def _known_axis(name: str, dims: Sequence[str]) -> None:
    if name not in dims:
        raise ParameterError(f"there is no axis `{name}`; there are {', '.join(dims) or 'none'}")


def _positions(cube: xr.Dataset, dims: Sequence[str], fixed: Mapping[str, str]) -> dict[str, int]:
    """Where each held axis is held."""
    positions: dict[str, int] = {}
    for name, text in fixed.items():
        _known_axis(name, dims)
        labels = _labels(cube, name)
        found = np.flatnonzero(labels == (_number(name, text) if labels.dtype.kind in "fiu" else text))
        if not found.size:
            raise NotFoundError(f"axis `{name}` has no value {text!r}; it has {_values(cube, name)}")
        positions[name] = int(found[0])
    return positions


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"axis `{name}` was {text!r}, must be a number") from None


def _labels(cube: xr.Dataset, name: str) -> np.ndarray[Any, Any]:
    labels: np.ndarray[Any, Any] = cube[name].values if name in cube.coords else np.arange(cube.sizes[name])
    return labels


def _label(cube: xr.Dataset, name: str, position: int) -> Any:
    return _labels(cube, name)[position : position + 1].tolist()[0]


def _values(cube: xr.Dataset, name: str) -> str:
    labels = _labels(cube, name).tolist()
    more = f" and {len(labels) - _MAX_NAMED} more" if len(labels) > _MAX_NAMED else ""
    return ", ".join(map(str, labels[:_MAX_NAMED])) + more


def _cell(cube: xr.Dataset, where: Mapping[str, int]) -> dict[str, Any]:
    """Labels of a cell; of a listed trial also the values it was made of."""
    cell = {name: _label(cube, name, position) for name, position in where.items()}
    if "trial" in where:
        trial = cube.isel(trial=where["trial"])
        cell |= {str(name): trial[name].item() for name in cube.coords if cube[name].dims == ("trial",)}
    return cell


def _metrics(cube: xr.Dataset, where: Mapping[str, int]) -> dict[str, float | None]:
    """What was measured in a cell, by the names of its axes; a metric with other axes has no one value."""
    return {
        str(name): values.values[tuple(where[str(dim)] for dim in values.dims)].item()
        for name, values in cube.data_vars.items()
        if set(values.dims) <= set(where)
    }
