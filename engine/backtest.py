"""One trial in full detail: a backtest of given parameters, or the replay of a cell of a cube."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from ..kernels.tape import TAPE_FIELDS
from ..kernels.types import FloatArray
from .codegen import Variant
from .compile import compile_strategy
from .config import Costs, Risk
from .errors import DataError, NotFoundError, ParameterError, StrategyError
from .features import build_whole_graph
from .fingerprint import fingerprint
from .machine import Lanes, Preparation
from .market import check_market, data_hash, symbol_bars
from .result import provenance
from .run import Run, SymbolTape, read_run
from .setup import Setup, lane_constants, lots_per_unit, market_setup
from .strategy import Strategy
from .sweep import columns


def backtest(
    strategy: str | Path | Strategy,
    market: xr.Dataset,
    **settings: Any,
) -> Run:
    """Run one set of parameters over every symbol, each with an account of its own.

    Parameters
    ----------
    strategy, market
        As in `sweep`.
    **settings
        ``params`` (those that differ from the strategy's defaults), ``decision_timeframe``, ``costs``,
        ``risk``, ``initial_cash``, ``delay_s``; see `make_setup`.

    Returns
    -------
    Run
        The same function as a sweep's, with a tape: equal to the cube's cell to the bit.
    """
    check_market(market)
    return run_setup(market_setup(strategy, market, **settings), market)


def run_setup(setup: Setup, market: xr.Dataset) -> Run:
    """`backtest` of a checked setup."""
    strategy = setup.strategy
    graph = build_whole_graph(strategy, setup.params, setup.decision_timeframe)
    compiled = compile_strategy(strategy, Variant(1, tape=True))
    constants = lane_constants(setup, {}, 1)
    parts: list[SymbolTape] = []
    metrics: dict[str, list[FloatArray]] = {}
    for symbol in market["symbol"].values:
        bars = symbol_bars(market, str(symbol))
        preparation = Preparation(setup, graph)
        tile = preparation.advance(*columns(bars))
        lanes = Lanes(
            compiled,
            constants,
            graph.lane_columns[: len(strategy.read_features)],
            lots=lots_per_unit(bars.lot_size),
            initial_cash=setup.initial_cash,
        )
        tape = np.zeros((tile.n_bars, len(TAPE_FIELDS)))
        lanes.advance(tile, 0, tile.n_bars, tape=tape)
        seen = tile.features[:, graph.lane_columns[:, 0]]
        parts.append(SymbolTape(str(symbol), bars.ts_ns, tape, tile.rows, seen, graph.names))
        for name, value in lanes.metrics(preparation).items():
            metrics.setdefault(name, []).append(value)
    return read_run(
        parts,
        strategy,
        params=dict(setup.params),
        decision_timeframe=setup.decision_timeframe,
        initial_cash=setup.initial_cash,
        market=market,
        metrics={name: np.concatenate(found) for name, found in metrics.items()},
        attrs=provenance(market, setup, compiled.key),
    )


def replay(cube: xr.Dataset, market: xr.Dataset, /, *, symbol: str | None = None, **cell: Any) -> Run:
    """Run one cell of a result cube again, in full detail; its metrics equal the cell's to the bit.

    Parameters
    ----------
    cube : Dataset
        What `sweep` returned, or read back from disk.
    market : Dataset
        The market that it was swept over; another one is refused.
    symbol : str, optional
        One symbol; default all.
    **cell
        A value for each axis of the cube (axes with a dot as ``**{"costs.slippage": 0.0}``); an axis of
        length one may be left out.

    Raises
    ------
    DataError
        If the market is not the one of the cube.
    NotFoundError
        If there is no such cell; the message lists the axis.
    """
    check_market(market)
    if missing := [
        name for name in ("data_hash", "rule", "axes", "costs", "params") if name not in cube.attrs
    ]:
        raise DataError(f"this is no result of a sweep: its attribute `{missing[0]}` is missing")
    if data_hash(market) != cube.attrs["data_hash"]:
        raise DataError(
            "this market is not the one that the cube was swept over (its data differ); "
            f"the cube's source was {cube.attrs['source']!r}"
        )
    if symbol is not None:
        known = [str(name) for name in market["symbol"].values]
        if symbol not in known:
            raise NotFoundError(f"symbol {symbol!r} is not in the cube; it has {', '.join(known)}")
        market = market.isel(symbol=[known.index(symbol)])
    values = cell_values(cube, cell)
    attrs = cube.attrs
    costs = msgspec.json.decode(attrs["costs"], type=Costs)
    risk = msgspec.json.decode(attrs["risk"], type=Risk)
    setup = market_setup(
        _trusted_path(attrs["strategy_path"]) or attrs["strategy"],
        market,
        params=json.loads(attrs["params"])
        | {name: value for name, value in values.items() if "." not in name},
        decision_timeframe=attrs["decision_timeframe"],
        costs=msgspec.structs.replace(costs, **_of(values, "costs.")),
        risk=msgspec.structs.replace(risk, **_of(values, "risk.")),
        initial_cash=float(attrs["initial_cash"]),
        delay_s=float(attrs["delay_s"]),
    )
    if fingerprint(setup.strategy.decide) != attrs["rule"]:
        raise StrategyError(
            f"{setup.strategy.path}: the rule has changed since the cube was swept; sweep again, "
            "or bring back the rule as it was"
        )
    return run_setup(setup, market)


def _trusted_path(recorded: str) -> str:
    """Path of the rule that a cube names, unless the cube could have brought the file along.

    A cube may come from anybody, and replaying it runs the file: ours are recorded by their absolute path, so
    a relative one, or one inside a stored cube, was put there.
    """
    path = Path(recorded)
    if recorded and (
        not path.is_absolute() or any((folder / "zarr.json").exists() for folder in path.parents)
    ):
        raise StrategyError(
            f"the cube names the rule {recorded!r}, which is relative or lies inside a cube, and is not run; "
            "sweep again with your own file"
        )
    return recorded


def _of(values: Mapping[str, Any], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): float(value) for name, value in values.items() if name.startswith(prefix)
    }


def cell_values(cube: xr.Dataset, cell: Mapping[str, Any]) -> dict[str, Any]:
    """Value of every swept name at one cell."""
    axes = json.loads(cube.attrs["axes"])
    unknown = [name for name in cell if name not in axes]
    if unknown:
        raise ParameterError(f"the cube has no axis `{unknown[0]}`; it has {', '.join(axes) or 'none'}")
    chosen: dict[str, Any] = {}
    for axis in axes:
        labels = np.atleast_1d(cube[axis].values)
        if axis not in cell:
            if len(labels) != 1:
                raise ParameterError(f"axis `{axis}` needs a value; it has {', '.join(map(str, labels))}")
            chosen[axis] = labels[0]
            continue
        found = np.flatnonzero(labels == cell[axis])
        if not len(found):
            raise NotFoundError(
                f"axis `{axis}` has no value {cell[axis]!r}; it has {', '.join(map(str, labels))}"
            )
        chosen[axis] = labels[found[0]]
    if axes == ["trial"]:
        trial = cube.sel(trial=chosen["trial"])
        return {str(name): trial[name].item() for name in cube.coords if name not in ("symbol", "trial")}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in chosen.items()}
