"""A small real sweep whose strategy, modes, reasons and symbols try to get out of the page."""

import numpy as np
import pytest
import xarray as xr

from fluxhero.adapters.sample_market import sample_market
from fluxhero.engine.backtest import replay
from fluxhero.engine.reports import rank_trials
from fluxhero.engine.run import Run
from fluxhero.engine.sweep import sweep

HOSTILE_NAME = "<script>window.hacked = 0<script>"
HOSTILE_SYMBOL = "A&<b onclick='window.hacked=4'>"
HOSTILE_STRATEGY = """
from fluxhero.engine.strategy import Feature, Param, enter, hold, leave

PARAMS = {
    "lookback": Param(3, 2, 50, "bars"),
    "stop": Param(0.02, 0.001, 0.5, "of price"),
    "wait": Param(0, 0, 1),
}
FEATURES = {"kama": Feature("sma", lookback="lookback")}
REASONS = {
    1: "<script>window.hacked = 1</script>",
    2: "</script><img src=x onerror='window.hacked = 2'>",
    3: "refused: <i>below its mean</i>",
}
MODES = {1: "</td></table><script>window.hacked = 3</script>"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if bar.close < x.kama:
            return leave(2)
        return hold()
    if p.wait < 0.5 and bar.close > x.kama:
        return enter(p.stop * bar.close, 0.01, 1, 1)
    return hold(3)
"""


@pytest.fixture(scope="session")
def market() -> xr.Dataset:
    """Two symbols, three weeks of minutes; the first has a name that needs escaping."""
    found = sample_market(2, sessions=15)
    return found.assign_coords(symbol=np.array([HOSTILE_SYMBOL, "BRVO"], dtype=object))


@pytest.fixture(scope="session")
def strategy_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("strategy") / f"{HOSTILE_NAME}.py"
    path.write_text(HOSTILE_STRATEGY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def run_sweep(strategy_file, market):
    """Sweep the hostile strategy: the cube and the replay of its best trial."""

    def sweep_and_replay(symbols: int = 2, **axes: object) -> tuple[xr.Dataset, Run]:
        part = market.isel(symbol=slice(0, symbols))
        cube = sweep(strategy_file, part, decision_timeframe="1h", n_threads=1, **axes)
        return cube, replay(cube, part, **rank_trials(cube)[0].cell)

    return sweep_and_replay


@pytest.fixture(scope="session")
def swept(run_sweep) -> tuple[xr.Dataset, Run]:
    return run_sweep(
        grid={"lookback": [3, 5, 8, 13], "stop": [0.005, 0.01, 0.02], "costs.slippage": [0.0, 1e-4]}
    )


@pytest.fixture(scope="session")
def without_trades(run_sweep) -> tuple[xr.Dataset, Run]:
    return run_sweep(grid={"wait": [1.0]})


def cube_of(metrics: dict[str, object], symbols: list[str], **axes: list[object]) -> xr.Dataset:
    """A cube by hand: metrics of shape (n_symbols, *axes), zeros where none are given."""
    shape = (len(symbols), *(len(values) for values in axes.values()))
    given = {"final_equity", "sharpe_ratio", "total_return", "max_drawdown", "n_trades", "costs_paid"}
    given |= {"profit_factor", "win_rate"}
    variables = {
        name: (
            ("symbol", *axes),
            np.broadcast_to(np.asarray(metrics.get(name, 0.0), dtype=np.float64), shape),
        )
        for name in sorted(given | set(metrics))
    }
    return xr.Dataset(variables, coords={"symbol": np.array(symbols, dtype=object), **axes})


@pytest.fixture(scope="session")
def make_cube():
    return cube_of
