"""Which trials did best, and how far the best stands out from the rest.

A trial is ranked by the median of a metric over its symbols, where a symbol on which it is undefined counts
as the worst: one lucky symbol does not carry a trial that hardly traded elsewhere. The best of many trials is
the luckiest as well as the fittest, so a ranking never comes without the spread of all trials.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...kernels.types import BoolArray, FloatArray, IntArray
from ..errors import NotFoundError, ParameterError

LESS_IS_BETTER = frozenset({"costs_paid"})


@dataclass(frozen=True)
class RankedTrial:
    """One trial of a cube, its symbols taken together.

    Medians count a symbol on which the metric is undefined (NaN) as the worst; a NaN here means that the
    median falls on such a symbol.
    """

    rank: int  # 1 is the best
    trial: int  # position in the cube, the last axis running fastest
    cell: dict[str, Any]  # what `replay` takes
    params: dict[str, Any]  # the swept values
    score: float  # median of the ranking metric
    sharpe_ratio: float  # median
    total_return: float  # median
    max_drawdown: float  # of the worst symbol, <= 0
    n_trades: int  # of all symbols
    share_profitable: float  # of all symbols: those whose trades won more than they lost
    n_defined: int  # symbols on which the ranking metric is defined


class Spread(NamedTuple):
    """The ranking metric over all trials: what the best has to be seen against."""

    n_trials: int
    n_defined: int  # trials on which the metric is defined
    best: float
    p90: float  # nine of ten trials do worse
    median: float


def rank_trials(
    cube: xr.Dataset, rank_by: str = "sharpe_ratio", top: int | None = 10, *, symbol: str | None = None
) -> list[RankedTrial]:
    """The best trials of a result cube, best first.

    Parameters
    ----------
    cube : Dataset
        What `sweep` returned.
    rank_by : str
        A metric of the cube. More is better, but for ``costs_paid``.
    top : int, optional
        How many; None for all.
    symbol : str, optional
        Rank by one symbol alone; default by the median over all symbols.

    Returns
    -------
    list of RankedTrial
        Ties stand in the order of the cube; trials on which the metric is undefined come last.

    Raises
    ------
    ParameterError
        If the cube has no such metric, or `top` is below 1.
    NotFoundError
        If the cube has no such symbol.
    """
    if top is not None and top < 1:
        raise ParameterError(f"`top` was {top}, must be at least 1")
    chosen = _of_symbol(cube, symbol)
    scores = trial_scores(chosen, rank_by)
    order = best_first(scores, rank_by)[:top]
    n_defined = (~np.isnan(metric_table(chosen, rank_by)[:, order])).sum(axis=0)
    sharpe, returns, drawdown, n_trades = (
        metric_table(chosen, name)[:, order]
        for name in ("sharpe_ratio", "total_return", "max_drawdown", "n_trades")
    )
    profitable = _in_profit(chosen)[:, order].mean(axis=0)
    worst = np.fmin.reduce(drawdown, axis=0)
    return [
        RankedTrial(
            rank=i + 1,
            trial=int(trial),
            cell=trial_cell(cube, int(trial)),
            params=trial_params(cube, int(trial)),
            score=float(scores[trial]),
            sharpe_ratio=float(sharpe_of_trial),
            total_return=float(return_of_trial),
            max_drawdown=float(worst[i]),
            n_trades=int(n_trades[:, i].sum()),
            share_profitable=float(profitable[i]),
            n_defined=int(n_defined[i]),
        )
        for i, (trial, sharpe_of_trial, return_of_trial) in enumerate(
            zip(order, median_over_symbols(sharpe), median_over_symbols(returns), strict=True)
        )
    ]


def trial_spread(cube: xr.Dataset, rank_by: str = "sharpe_ratio", *, symbol: str | None = None) -> Spread:
    """How the ranking metric spreads over all trials of a cube.

    Raises
    ------
    ParameterError
        If the cube has no such metric.
    NotFoundError
        If the cube has no such symbol.
    """
    scores = trial_scores(_of_symbol(cube, symbol), rank_by)
    known = scores[~np.isnan(scores)]
    if not known.size:
        return Spread(scores.size, 0, np.nan, np.nan, np.nan)
    less = rank_by in LESS_IS_BETTER
    p90, median = np.percentile(known, [10 if less else 90, 50])
    best = known.min() if less else known.max()
    return Spread(scores.size, known.size, float(best), float(p90), float(median))


def trial_scores(cube: xr.Dataset, rank_by: str) -> FloatArray:
    """Median of a metric over the symbols, one value per trial in cube order; NaN where undefined."""
    return median_over_symbols(metric_table(cube, rank_by), less_is_better=rank_by in LESS_IS_BETTER)


def best_first(scores: FloatArray, rank_by: str) -> IntArray:
    """Positions from the best score to the worst; ties in order, NaN last."""
    order: IntArray = np.argsort(scores if rank_by in LESS_IS_BETTER else -scores, kind="stable")
    return order


def metric_table(cube: xr.Dataset, name: str) -> FloatArray:
    """A metric as (n_symbols, n_trials), trials in cube order; a shared account counts as one symbol.

    Raises
    ------
    ParameterError
        If the cube has no such metric; lists those it has.
    """
    if name not in cube.data_vars:
        raise ParameterError(f"the cube has no metric {name!r}; it has {', '.join(map(str, cube.data_vars))}")
    array = cube[name]
    rows = array.sizes["symbol"] if "symbol" in array.dims else 1
    values = array.transpose("symbol", ...).values if "symbol" in array.dims else array.values
    return np.asarray(values, dtype=np.float64).reshape(rows, -1)


def median_over_symbols(values: FloatArray, *, less_is_better: bool = False) -> FloatArray:
    """Median down the first axis, NaN counting as the worst; NaN where that decides the median."""
    worst = np.inf if less_is_better else -np.inf
    ordered = np.sort(np.where(np.isnan(values), worst, values), axis=0)
    n = len(values)
    lower, upper = ordered[(n - 1) // 2], ordered[n // 2]
    with np.errstate(invalid="ignore"):  # one infinity and the other
        median: FloatArray = np.where(lower == upper, lower, 0.5 * (lower + upper))
    return np.where(median == worst, np.nan, median)


def _in_profit(cube: xr.Dataset) -> BoolArray:
    """Symbols whose trades won more than they lost, (n_symbols, n_trials); interest is no profit."""
    n_trades, factor, win_rate = (
        metric_table(cube, name) for name in ("n_trades", "profit_factor", "win_rate")
    )
    in_profit: BoolArray = (n_trades > 0.0) & ((factor > 1.0) | (np.isnan(factor) & (win_rate == 1.0)))
    return in_profit


def cube_axes(cube: xr.Dataset) -> list[str]:
    """Names of the parameter axes, in order; ``["trial"]`` for listed trials, empty for a single one."""
    first = cube[next(iter(cube.data_vars))]
    return [str(dim) for dim in first.dims if dim != "symbol"]


def traded_symbols(cube: xr.Dataset) -> list[str]:
    """Symbols that the cube's trials traded, whether each had an account or all shared one."""
    shared = cube.attrs.get("symbols")
    return [str(name) for name in json.loads(shared)] if shared else cube_symbols(cube)


def cube_symbols(cube: xr.Dataset) -> list[str]:
    """Symbols of the cube; one nameless entry for a shared account."""
    return [str(name) for name in cube["symbol"].values] if "symbol" in cube.dims else [""]


def trial_cell(cube: xr.Dataset, trial: int) -> dict[str, Any]:
    """Coordinates of the trial at a position of the cube."""
    axes = cube_axes(cube)
    at = np.unravel_index(trial, [cube.sizes[axis] for axis in axes]) if axes else ()
    return {axis: _plain(cube[axis].values[i]) for axis, i in zip(axes, at, strict=True)}


def trial_params(cube: xr.Dataset, trial: int) -> dict[str, Any]:
    """Swept values of the trial at a position of the cube, by name."""
    if cube_axes(cube) != ["trial"]:
        return trial_cell(cube, trial)
    return {name: _plain(cube[name].values[trial]) for name in sampled_names(cube)}


def sampled_names(cube: xr.Dataset) -> Sequence[str]:
    """Swept names of a cube of listed trials."""
    return [str(name) for name, array in cube.coords.items() if array.dims == ("trial",) and name != "trial"]


def swept_names(cube: xr.Dataset) -> Sequence[str]:
    """Everything that varies between the trials of a cube: its axes, or the columns of listed trials."""
    axes = cube_axes(cube)
    return sampled_names(cube) if axes == ["trial"] else axes


def _of_symbol(cube: xr.Dataset, symbol: str | None) -> xr.Dataset:
    if symbol is None:
        return cube
    known = cube_symbols(cube)
    if symbol not in known:
        raise NotFoundError(f"symbol {symbol!r} is not in the cube; it has {', '.join(known)}")
    return cube.isel(symbol=[known.index(symbol)])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
