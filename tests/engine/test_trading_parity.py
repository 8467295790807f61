"""Orders, assumptions of fills, limits and shared accounts: however lanes and time are cut, every bit stays.

A rule that uses every word trades under settings that are named for what they bring. A stream, restarts
included, must equal the backtest; every cell of a sweep over settings must equal its replay and a backtest
of its own; threads, tiles and widths of blocks must not matter.
"""

import itertools
from typing import Any

import numpy as np
import pytest
import xarray as xr

from fluxhero.engine import sweep as sweep_module
from fluxhero.engine.backtest import backtest, replay
from fluxhero.engine.errors import ParameterError
from fluxhero.engine.run import Run
from fluxhero.engine.stream import Stream
from fluxhero.engine.sweep import sweep
from fluxhero.kernels.tape import TAPE
from fluxhero.tests.oracles.agreement import FILES
from fluxhero.tests.oracles.markets import Weather, market_of, random_grid, random_rows

BRACKET = FILES / "bracket.py"
RESTART_ROWS = 41
ACCOUNTS = ("own", "shared")
PARAMS = {"stop": 0.01, "target": 0.008, "trailing": 0.009}
COSTS = {"base": "us_equity", "borrow_rate": 0.1}
ROOMY = {"base": "none", "max_position": 0.4, "max_deployed": 1.0}

SETTINGS: dict[str, dict[str, Any]] = {
    "parts, delays and misses": {
        "execution": {
            "timing": "close",
            "intrabar": "path",
            "limit_fill": "touch",
            "limit_gap": "limit",
            "participation": 0.05,
            "delay_bars": 1,
            "missed_fills": 0.1,
            "seed": 4,
            "cost_multiple": 2.0,
            "tick_rounding": True,
        },
        "risk": ROOMY,
    },
    "halts that end": {
        "risk": ROOMY
        | {"daily_loss": 0.002, "drawdown_reduce": 0.001, "drawdown_halt": 0.004, "halt_sessions": 1},
    },
    "limits": {
        "risk": ROOMY
        | {
            "max_open_risk": 0.01,
            "max_positions": 2,
            "max_sector": 0.5,
            "max_crypto": 0.3,
            "max_trades": 4,
            "stop_atr": 2.0,
            "max_stop": 0.05,
            "correlation_above": 0.1,
        },
    },
    "sizes by volatility": {"risk": ROOMY | {"sizing": "volatility", "target_volatility": 0.3}},
    "sizes by Kelly": {"risk": ROOMY | {"sizing": "kelly"}},
}


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    """Four symbols with holes, of two classes and two sectors; thin enough for fills in parts."""
    weather = Weather(
        volatility=0.006, missing_chance=0.1, halt_chance=0.01, absent_chance=0.02, volume=500.0
    )
    grid = random_grid(3, weather, timeframe="15m", n_sessions=24)
    return market_of(
        [random_rows(seed, weather, grid) for seed in range(4)],
        timeframe="15m",
        calendar="XNYS",
        asset_classes=("equity", "crypto", "equity", "crypto"),
        sectors=("ore", "oil", "ore", ""),
        lot_size=0.001,
    )


def run_of(market: xr.Dataset, account: str, settings: dict[str, Any]) -> Run:
    return backtest(BRACKET, market, params=PARAMS, costs=COSTS, account=account, **settings)


def same_bits(first: Any, second: Any) -> bool:
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return one.tobytes() == other.tobytes()


def differing(first: xr.Dataset, second: xr.Dataset) -> list[str]:
    assert set(first) == set(second)
    return [str(name) for name in first if not same_bits(first[name].values, second[name].values)]


# -- Streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_stream_with_restarts_equals_the_backtest(name: str, account: str, market: xr.Dataset) -> None:
    run = run_of(market, account, SETTINGS[name])
    assert len(run.trades) >= 20, "the market does not show what it is named for"

    def new_stream() -> Stream:
        settings = {"params": PARAMS, "costs": COSTS, "account": account, **SETTINGS[name]}
        return Stream.for_market(BRACKET, market, **settings)

    stream = new_stream()
    bars = np.stack([market[field].values for field in ("open", "high", "low", "close", "volume")], axis=-1)
    times = market["time"].values.astype("datetime64[ns]").astype(np.int64)
    ends = market["session_close"].values.astype("datetime64[ns]").astype(np.int64)
    tape, decisions = [], []
    for t in range(len(times)):
        if t % RESTART_ROWS == RESTART_ROWS - 1:
            saved, stream = stream.save(), new_stream()
            stream.restore(saved)
        row = stream.advance_row(int(times[t]), int(ends[t]), bars[:, t])
        tape.append(row.tape)
        decisions += row.decisions
    equity = np.array([row[:, TAPE["equity"]] for row in tape]).T
    assert same_bits(equity if account == "own" else equity[0], run.equity.values)
    qty, stop = (np.array([row[:, TAPE[field]] for row in tape]).T for field in ("qty", "stop"))
    assert same_bits(np.where(qty != 0.0, stop, np.nan), run.stops.values)
    expected = run.decisions.sort_values(["time", "symbol"], kind="stable")
    for field in ("symbol", "action", "reason", "outcome"):
        assert [getattr(one, field) for one in decisions] == list(expected[field]), field
    assert same_bits([one.qty for one in decisions], expected["qty"])
    assert differing(stream.metrics(), run.metrics) == []


# -- Sweeps ---------------------------------------------------------------------------------------

GRIDS: dict[str, dict[str, list[Any]]] = {
    "words": {
        "execution.timing": ["open", "close"],
        "execution.intrabar": ["stop_first", "target_first", "path"],
        "execution.limit_fill": ["through", "touch"],
        "execution.limit_gap": ["open", "limit"],
    },
    "numbers": {
        "execution.participation": [0.05, 1.0],
        "execution.delay_bars": [0, 2],
        "execution.missed_fills": [0.0, 0.2],
        "execution.seed": [0, 9],
        "execution.cost_multiple": [0.0, 3.0],
    },
    "limits": {
        "risk.max_open_risk": [0.005, 1.0],
        "risk.max_positions": [1, 3],
        "risk.max_sector": [0.3, 1.0],
        "risk.max_crypto": [0.3, 1.0],
        "risk.max_trades": [1, 5],
    },
    "halts": {
        "risk.daily_loss": [0.002, 0.5],
        "risk.drawdown_reduce": [0.001, 0.003],
        "risk.drawdown_halt": [0.004, 0.5],
        "risk.halt_sessions": [1, 3],
        "risk.drawdown_stop": [0.5, 1.0],
    },
    "sizes": {
        "risk.sizing": ["stop", "fraction", "volatility", "kelly"],
        "risk.fraction": [0.05, 0.2],
        "risk.target_volatility": [0.1, 0.3],
        "risk.kelly_share": [0.2, 1.0],
        "risk.stop_atr": [1.0, 3.0],
    },
}


def swept(name: str, account: str, market: xr.Dataset, **settings: Any) -> xr.Dataset:
    settings = {"params": PARAMS, "costs": COSTS, "risk": ROOMY, "account": account} | settings
    return sweep(BRACKET, market, grid=GRIDS[name], **settings)


def cells_of(name: str, n: int) -> list[dict[str, Any]]:
    """The first and the last cell of a grid, and some between."""
    every = [dict(zip(GRIDS[name], cell, strict=True)) for cell in itertools.product(*GRIDS[name].values())]
    picked = np.linspace(0, len(every) - 1, n).astype(int)
    return [every[i] for i in picked]


def backtest_of_cell(cell: dict[str, Any], account: str, market: xr.Dataset) -> Run:
    settings: dict[str, Any] = {"execution": {}, "risk": dict(ROOMY)}
    for axis, value in cell.items():
        part, _, name = axis.partition(".")
        settings[part][name] = value
    return run_of(market, account, settings)


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", GRIDS)
def test_cells_of_a_sweep_equal_their_replays_and_backtests(
    name: str, account: str, market: xr.Dataset
) -> None:
    cube = swept(name, account, market, n_threads=2)
    assert len(np.unique(cube["final_equity"].values)) >= 8, "the axes change nothing"
    for cell in cells_of(name, 6):
        expected = cube.sel(cell)
        assert differing(replay(cube, market, **cell).metrics, expected) == [], cell
        assert differing(backtest_of_cell(cell, account, market).metrics, expected) == [], cell


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", ["numbers", "halts"])
def test_threads_tiles_and_blocks_of_a_sweep_change_no_bit(
    name: str, account: str, market: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = swept(name, account, market, n_threads=1)
    assert differing(cube, swept(name, account, market, n_threads=3)) == []
    monkeypatch.setattr(sweep_module, "TILE_BARS", 61)
    assert differing(cube, swept(name, account, market, n_threads=2)) == []
    monkeypatch.setattr(sweep_module, "BLOCK_LANES", 4)
    assert differing(cube, swept(name, account, market, n_threads=2)) == []


def test_all_settings_at_once_as_a_list_of_trials(market: xr.Dataset) -> None:
    """What one trial does not use must not touch its neighbours in the block."""
    cells = [cell for name in ("words", "halts", "limits") for cell in cells_of(name, 3)]
    names = {axis: values[0] for name in ("words", "halts", "limits") for axis, values in GRIDS[name].items()}
    table = [names | cell for cell in cells]
    trials = {axis: [row[axis] for row in table] for axis in names}
    for account in ACCOUNTS:
        cube = sweep(BRACKET, market, trials=trials, params=PARAMS, costs=COSTS, risk=ROOMY, account=account)
        for i, row in enumerate(table):
            run = backtest_of_cell(row, account, market)
            assert differing(run.metrics, cube.isel(trial=i)) == [], (account, row)


def test_what_is_compiled_in_is_no_axis(market: xr.Dataset) -> None:
    with pytest.raises(ParameterError, match=r"`execution\.tick_rounding` is the same for all trials"):
        sweep(BRACKET, market, grid={"execution.tick_rounding": [False, True]})
