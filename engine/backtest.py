"""One trial in full detail: a backtest of given parameters, or the replay of a cell of a cube."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from ..kernels.tape import TAPE_FIELDS
from ..kernels.types import FloatArray, IntArray
from .abilities import variant_for
from .chance import missed_bars
from .compile import Compiled, compile_strategy
from .config import Execution
from .constants import SETTINGS, lane_constants, replaced
from .errors import DataError, NotFoundError, ParameterError, StrategyError
from .executions import SymbolTape
from .facts import fact_features, is_fact
from .features import FeatureGraph, build_whole_graph
from .instruments import instruments
from .lanes import Lanes, SharedLanes, shared_tile
from .layout import Variant
from .market import check_market, data_hash, symbol_bars
from .nearness import Nearness
from .preparation import AccountClock, Preparation, Tile, any_bar
from .result import provenance, rule_fingerprint
from .run import Run, read_run
from .series import symbol_series
from .setup import Setup, market_setup
from .strategy import Strategy
from .sweep import columns


def backtest(
    strategy: str | Path | Strategy,
    market: xr.Dataset,
    **settings: Any,
) -> Run:
    """Run one set of parameters over every symbol, each with an account of its own or all sharing one.

    Parameters
    ----------
    strategy, market
        As in `sweep`.
    **settings
        ``params`` (those that differ from the strategy's defaults), ``decision_timeframe``, ``costs``,
        ``execution``, ``risk``, ``account``, ``initial_cash``, ``delay_s``; see `make_setup`.

    Returns
    -------
    Run
        The same function as a sweep's, with a tape: equal to the cube's cell to the bit.
    """
    check_market(market)
    return run_setup(market_setup(strategy, market, **settings), market)


def run_setup(setup: Setup, market: xr.Dataset) -> Run:
    """`backtest` of a checked setup."""
    variant = variant_for(setup, Variant(1, tape=True))
    graph = build_whole_graph(
        setup.strategy, setup.params, setup.decision_timeframe, fact_features(setup, variant.facts)
    )
    compiled = compile_strategy(setup.strategy, variant)
    run = _run_shared if setup.account == "shared" else _run_own
    parts, metrics = run(setup, market, compiled, graph)
    return read_run(
        parts,
        setup,
        market=market,
        metrics=metrics,
        attrs=provenance(market, setup, compiled.key),
    )


def _n_read(compiled: Compiled) -> int:
    """How many columns of the graph the lanes read: the rule's, then the facts."""
    return len(compiled.layout.features) + len(compiled.layout.facts)


def _preparation(setup: Setup, compiled: Compiled, graph: FeatureGraph, symbol: str) -> Preparation:
    return Preparation(setup, graph, symbol if compiled.variant.uses.missed else None)


def _part(
    symbol: str,
    tile: Tile,
    close_ns: IntArray,
    tape: FloatArray,
    graph: FeatureGraph,
    execution: Execution,
    lots: float,
) -> SymbolTape:
    shown = [i for i, name in enumerate(graph.names) if not is_fact(name)]
    seen = tile.features[:, graph.lane_columns[shown, 0]]
    names = tuple(graph.names[i] for i in shown)
    missed = missed_bars(tile.draws, execution)
    return SymbolTape(symbol, close_ns, tape, tile.rows, seen, names, missed, lots)


def _run_own(
    setup: Setup, market: xr.Dataset, compiled: Compiled, graph: FeatureGraph
) -> tuple[list[SymbolTape], dict[str, FloatArray]]:
    parts: list[SymbolTape] = []
    metrics: dict[str, list[FloatArray]] = {}
    for i, instrument in enumerate(instruments(market, setup)):
        symbol = str(market["symbol"].values[i])
        bars = symbol_bars(market, str(symbol))
        preparation = _preparation(setup, compiled, graph, str(symbol))
        tile = preparation.advance(*columns(bars), symbol_series(market, i, graph.series))
        lanes = Lanes(
            compiled,
            lane_constants(setup, {}, 1),
            graph.lane_columns[: _n_read(compiled)],
            instrument=instrument,
            initial_cash=setup.initial_cash,
        )
        tape = np.zeros((tile.n_bars, len(TAPE_FIELDS)))
        lanes.advance(tile, 0, tile.n_bars, tape=tape)
        parts.append(_part(str(symbol), tile, bars.ts_ns, tape, graph, setup.execution, instrument.lots))
        for name, value in lanes.metrics(preparation).items():
            metrics.setdefault(name, []).append(value)
    return parts, {name: np.concatenate(found) for name, found in metrics.items()}


def _run_shared(
    setup: Setup, market: xr.Dataset, compiled: Compiled, graph: FeatureGraph
) -> tuple[list[SymbolTape], dict[str, FloatArray]]:
    symbols = [str(symbol) for symbol in market["symbol"].values]
    bars = [columns(symbol_bars(market, symbol)) for symbol in symbols]
    close_ns, session_close_ns = bars[0][0], bars[0][1]
    tiles = [
        _preparation(setup, compiled, graph, symbol).advance(*own, symbol_series(market, i, graph.series))
        for i, (symbol, own) in enumerate(zip(symbols, bars, strict=True))
    ]
    closes = np.stack([own[2][:, 3] for own in bars])
    clock = AccountClock(setup)
    flags = clock.advance(close_ns, session_close_ns, any_bar(closes))
    near: tuple[FloatArray | None, IntArray | None] = (None, None)
    if compiled.variant.correlated:
        near = Nearness(len(symbols)).advance(close_ns, session_close_ns, closes)
    listed = instruments(market, setup)
    lanes = SharedLanes(
        compiled,
        lane_constants(setup, {}, 1),
        graph.lane_columns[: _n_read(compiled)],
        instruments=listed,
        initial_cash=setup.initial_cash,
    )
    tape = np.zeros((len(symbols), len(close_ns), len(TAPE_FIELDS)))
    lanes.advance(shared_tile(tiles, flags, *near), 0, len(close_ns), tape=tape)
    parts = [
        _part(symbol, tile, close_ns, tape[i], graph, setup.execution, listed[i].lots)
        for i, (symbol, tile) in enumerate(zip(symbols, tiles, strict=True))
    ]
    return parts, lanes.metrics(clock)


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
        if cube.attrs.get("account") == "shared":
            raise ParameterError("the cube has one account for all symbols; replay it without `symbol`")
        if symbol not in known:
            raise NotFoundError(f"symbol {symbol!r} is not in the cube; it has {', '.join(known)}")
        market = market.isel(symbol=[known.index(symbol)])
    values = cell_values(cube, cell)
    attrs = cube.attrs
    recorded = {
        part: replaced(msgspec.json.decode(attrs.get(part, "{}"), type=kind), part, values)
        for part, kind in SETTINGS.items()
    }
    setup = market_setup(
        _trusted_path(attrs["strategy_path"]) or attrs["strategy"],
        market,
        params=json.loads(attrs["params"])
        | {name: value for name, value in values.items() if "." not in name},
        decision_timeframe=attrs["decision_timeframe"],
        **recorded,
        account=attrs.get("account", "own"),
        initial_cash=float(attrs["initial_cash"]),
        delay_s=float(attrs["delay_s"]),
    )
    if rule_fingerprint(setup.strategy) != attrs["rule"]:
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


def _same_label(labels: Any, value: Any) -> Any:
    """Which values of an axis are meant; where a limit is off its axis has NaN."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return np.array([isinstance(label, float) and np.isnan(label) for label in labels])
    return labels == value


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
        found = np.flatnonzero(_same_label(labels, cell[axis]))
        if not len(found):
            raise NotFoundError(
                f"axis `{axis}` has no value {cell[axis]!r}; it has {', '.join(map(str, labels))}"
            )
        chosen[axis] = labels[found[0]]
    if axes == ["trial"]:
        trial = cube.sel(trial=chosen["trial"])
        return {str(name): trial[name].item() for name in cube.coords if name not in ("symbol", "trial")}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in chosen.items()}
