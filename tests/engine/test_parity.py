"""One function: however time, lanes and threads are cut, every bit stays."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from fluxhero.adapters.sample_market import sample_market
from fluxhero.engine import plan
from fluxhero.engine import sweep as sweep_module
from fluxhero.engine.backtest import backtest, replay
from fluxhero.engine.compile import compile_strategy
from fluxhero.engine.constants import lane_constants
from fluxhero.engine.errors import ParameterError
from fluxhero.engine.features import build_graph
from fluxhero.engine.lanes import Instrument, Lanes
from fluxhero.engine.layout import Variant
from fluxhero.engine.market import symbol_bars
from fluxhero.engine.preparation import Preparation
from fluxhero.engine.setup import Setup, market_setup
from fluxhero.engine.stream import Stream
from fluxhero.engine.sweep import columns, sweep
from fluxhero.kernels.tape import TAPE, TAPE_FIELDS

GRID = {
    "entry_atr": [0.2, 0.4, 0.7],
    "trail_atr": [1.5, 2.5],
    "rsi_low": [30.0, 45.0],
    "kama_lookback": [8, 10, 15],  # a swept feature
    "costs.slippage": [0.0, 0.0005],
}


def same_bits(first: np.ndarray, second: np.ndarray) -> bool:
    return np.array_equal(
        np.asarray(first, dtype=np.float64).view(np.int64),
        np.asarray(second, dtype=np.float64).view(np.int64),
    )


def assert_same_cube(first: xr.Dataset, second: xr.Dataset) -> None:
    assert set(first) == set(second)
    different = [name for name in first if not same_bits(first[name].values, second[name].values)]
    assert not different


@pytest.fixture(scope="module")
def cube(small_market: xr.Dataset) -> xr.Dataset:
    return sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h", n_threads=1)


def test_the_sweep_trades(cube: xr.Dataset) -> None:
    assert int(cube["n_trades"].sum()) > 500
    assert int((cube["n_trades"] > 0).sum()) > cube["n_trades"].size // 2


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_do_not_change_a_bit(cube: xr.Dataset, small_market: xr.Dataset, n_threads: int) -> None:
    other = sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h", n_threads=n_threads)
    assert_same_cube(cube, other)


@pytest.mark.parametrize("tile_bars", [1_000, 97])
def test_tiles_do_not_change_a_bit(
    cube: xr.Dataset, small_market: xr.Dataset, monkeypatch: pytest.MonkeyPatch, tile_bars: int
) -> None:
    monkeypatch.setattr(sweep_module, "TILE_BARS", tile_bars)
    assert_same_cube(cube, sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h"))


def test_waves_do_not_change_a_bit(
    cube: xr.Dataset, small_market: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "TABLE_BYTES", 1)  # nothing fits: waves as small as they get
    assert_same_cube(cube, sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h"))


def test_blocks_of_other_widths_do_not_change_a_bit(cube: xr.Dataset, small_market: xr.Dataset) -> None:
    setup = market_setup("dual_mode", small_market, decision_timeframe="1h")
    from fluxhero.engine.cube import grid_cube

    trials = grid_cube(setup.strategy, GRID)
    constants = lane_constants(setup, trials.values, trials.n_trials)
    for width in (1, 16, 128):
        equity = run_lanes(setup, small_market, constants, width)
        assert same_bits(equity, cube["final_equity"].values[0].reshape(-1)), f"{width} lanes"


def run_lanes(
    setup: Setup, market: xr.Dataset, constants: dict[str, np.ndarray], width: int, edges: Sequence[int] = ()
) -> np.ndarray:
    """Final equity of all trials on the first symbol, in blocks of `width`, time cut at `edges`."""
    own = {name: values for name, values in constants.items() if name in setup.strategy.params}
    graph = build_graph(setup.strategy, own, setup.decision_timeframe)
    compiled = compile_strategy(setup.strategy, Variant(width))
    preparation = Preparation(setup, graph)

    def new_lanes() -> Lanes:
        return Lanes(
            compiled,
            constants,
            graph.lane_columns,
            instrument=Instrument(lots=1.0),
            initial_cash=setup.initial_cash,
        )

    lanes = new_lanes()
    close_ns, session_close_ns, table = columns(symbol_bars(market, str(market["symbol"].values[0])))
    cuts = [0, *sorted(set(edges)), len(close_ns)]
    for start, stop in pairwise(cuts):
        tile = preparation.advance(close_ns[start:stop], session_close_ns[start:stop], table[start:stop])
        lanes.advance(tile, 0, stop - start)
        saved, state = preparation.save(), lanes.state()
        preparation = Preparation(setup, graph)
        preparation.restore(saved)
        lanes = new_lanes()
        lanes.restore(state)
    return lanes.metrics(preparation)["final_equity"]


@given(edges=st.lists(st.integers(1, 15_000), min_size=1, max_size=6))
def test_stopping_and_resuming_anywhere_does_not_change_a_bit(
    small_market: xr.Dataset, cube: xr.Dataset, edges: list[int]
) -> None:
    setup = market_setup("dual_mode", small_market, decision_timeframe="1h")
    from fluxhero.engine.cube import grid_cube

    trials = grid_cube(setup.strategy, GRID)
    constants = lane_constants(setup, trials.values, trials.n_trials)
    equity = run_lanes(setup, small_market, constants, 64, edges)
    assert same_bits(equity, cube["final_equity"].values[0].reshape(-1))


def test_a_replay_equals_its_cell(cube: xr.Dataset, small_market: xr.Dataset) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        cell = {name: values[rng.integers(len(values))] for name, values in GRID.items()}
        run = replay(cube, small_market, **cell)
        for name in run.metrics:
            assert same_bits(run.metrics[name].values, cube[name].sel(cell).values), (name, cell)


def test_a_replay_of_one_symbol_equals_its_cell(cube: xr.Dataset, small_market: xr.Dataset) -> None:
    cell = {name: values[0] for name, values in GRID.items()}
    symbol = str(small_market["symbol"].values[1])
    run = replay(cube, small_market, symbol=symbol, **cell)
    assert same_bits(
        run.metrics["final_equity"].values[0], cube["final_equity"].sel(symbol=symbol, **cell).values
    )


def test_the_tape_adds_up_to_the_metrics(small_market: xr.Dataset) -> None:
    run = backtest("dual_mode", small_market, decision_timeframe="1h", params={"entry_atr": 0.2})
    for symbol in small_market["symbol"].values:
        own = run.metrics.sel(symbol=symbol)
        trades = run.trades[run.trades["symbol"] == symbol]
        equity = run.equity.sel(symbol=symbol).values
        assert len(trades) == int(own["n_trades"])
        assert equity[-1] == float(own["final_equity"])
        assert (trades["pnl"] > 0).mean() == pytest.approx(float(own["win_rate"]), nan_ok=True)
        closed = run.fills[run.fills["symbol"] == symbol]
        assert closed["cost"].sum() == pytest.approx(float(own["costs_paid"]), rel=1e-12)
        drawdown = (equity / np.maximum.accumulate(np.maximum(equity, run.initial_cash)) - 1).min()
        assert drawdown == pytest.approx(float(own["max_drawdown"]), rel=1e-6)


@pytest.mark.parametrize(
    ("decision", "params"), [("1h", {"entry_atr": 0.2}), ("1m", {}), ("1d", {"confirm": 1})]
)
def test_a_stream_equals_the_backtest(decision: str, params: dict[str, float]) -> None:
    market = sample_market(n_symbols=2, sessions=14, seed=5)
    run = backtest("dual_mode", market, decision_timeframe=decision, params=params)
    stream = Stream.for_market("dual_mode", market, decision_timeframe=decision, params=params)
    table = np.stack([market[name].values for name in ("open", "high", "low", "close", "volume")], axis=-1)
    times = market["time"].values.astype("datetime64[ns]").astype(np.int64)
    ends = market["session_close"].values.astype("datetime64[ns]").astype(np.int64)
    equity = np.empty((2, len(times)))
    decisions = []
    for t in range(len(times)):
        if t % 1_501 == 1_500:  # a restart
            saved = stream.save()
            stream = Stream.for_market("dual_mode", market, decision_timeframe=decision, params=params)
            stream.restore(saved)
        row = stream.advance_row(int(times[t]), int(ends[t]), table[:, t])
        equity[:, t] = row.tape[:, TAPE["equity"]]
        decisions += row.decisions
    assert same_bits(equity, run.equity.values)
    expected = run.decisions.sort_values(["time", "symbol"], kind="stable")
    assert [d.action for d in decisions] == list(expected["action"])
    assert [d.outcome for d in decisions] == list(expected["outcome"])
    assert same_bits(np.array([d.qty for d in decisions]), expected["qty"].to_numpy())
    assert same_bits(np.array([d.values["kama"] for d in decisions]), expected["kama"].to_numpy())
    for name in run.metrics:
        assert same_bits(stream.metrics()[name].values, run.metrics[name].values), name


def test_the_order_of_symbols_does_not_change_a_bit(cube: xr.Dataset, small_market: xr.Dataset) -> None:
    backwards = small_market.isel(symbol=slice(None, None, -1))
    other = sweep("dual_mode", backwards, grid=GRID, decision_timeframe="1h")
    assert_same_cube(cube, other.sel(symbol=cube["symbol"].values))


def test_a_list_of_trials_equals_the_grid(cube: xr.Dataset, small_market: xr.Dataset) -> None:
    trials = {
        "entry_atr": [0.7, 0.2],
        "trail_atr": [1.5, 2.5],
        "rsi_low": [45.0, 30.0],
        "kama_lookback": [15, 8],
    }
    listed = sweep("dual_mode", small_market, trials=trials, decision_timeframe="1h", costs={"slippage": 0.0})
    for i in range(2):
        cell = {name: values[i] for name, values in trials.items()} | {"costs.slippage": 0.0}
        for name in listed:
            assert same_bits(listed[name].values[:, i], cube[name].sel(cell).values), name


def test_the_tape_has_a_column_per_name() -> None:
    assert len(set(TAPE_FIELDS)) == len(TAPE_FIELDS)


def test_a_sweep_that_does_not_fit_into_memory_is_refused(
    small_market: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "available_memory", lambda: 1_000_000)
    with pytest.raises(ParameterError, match=r"72 trials x 3 symbols need about .* GB of memory"):
        sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h")
