"""Target weights by hand: what is bought and sold for a share of equity."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from fluxhero.engine.backtest import backtest, replay
from fluxhero.engine.market import from_arrays
from fluxhero.engine.run import Run
from fluxhero.engine.series import with_series
from fluxhero.engine.strategy import load_strategy
from fluxhero.engine.stream import Stream
from fluxhero.engine.sweep import sweep

HOUR = np.timedelta64(3600, "s")


def market(prices: dict[str, list[float]], weights: list[list[float]], volume: Any = 1e6) -> xr.Dataset:
    """Hours without a range: every price of a bar is its close."""
    table = np.array(list(prices.values()))
    time = np.datetime64("2024-01-01", "ns") + np.arange(1, table.shape[1] + 1) * HOUR
    volumes = np.broadcast_to(np.asarray(volume, dtype=np.float64), table.shape)
    bars = from_arrays(
        list(prices),
        time,
        *([table] * 4),
        volumes,
        timeframe="1h",
        asset_class="equity",
        lot_size=1.0,
    )
    return with_series(bars, weights=np.array(weights))


def run(bars: xr.Dataset, **settings: Any) -> Run:
    """Without costs and limits, unless they are named."""
    return backtest("weights", bars, **{"risk": "none", "costs": "zero", "account": "shared"} | settings)


def traded(found: Run) -> list[tuple[str, float]]:
    return [
        (str(fill.symbol), float(fill.side * fill.qty))
        for fill in found.fills.sort_values("time", kind="stable").itertuples()
    ]


def test_a_weight_is_a_share_of_equity() -> None:
    found = run(market({"A": [50.0] * 4}, [[0.5, np.nan, np.nan, np.nan]]))
    assert traded(found) == [("A", 1_000.0)]  # half of 100,000 at 50


def test_changes_are_traded_and_small_ones_left_alone() -> None:
    bars = market({"A": [50.0] * 5}, [[0.5, 0.504, 0.6, 0.3, 0.0]])
    assert traded(run(bars)) == [("A", 1_000.0), ("A", 8.0), ("A", 192.0), ("A", -600.0)]
    lazy = run(bars, risk={"base": "none", "min_rebalance": 0.01})
    assert traded(lazy) == [("A", 1_000.0), ("A", 200.0), ("A", -600.0)]


def test_the_other_side_is_opened_by_the_decision_after() -> None:
    found = run(market({"A": [50.0] * 5}, [[0.5, -0.2, -0.2, np.nan, np.nan]]))
    assert traded(found) == [("A", 1_000.0), ("A", -1_000.0), ("A", -400.0)]
    assert list(found.trades["side"]) == [1]


@pytest.mark.parametrize("timing", ["open", "close"])
def test_sales_pay_for_purchases(timing: str) -> None:
    bars = market({"A": [100.0] * 4, "B": [50.0] * 4}, [[0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    found = run(bars, execution={"timing": timing})
    assert traded(found)[0] == ("B", 2_000.0)
    assert sorted(traded(found)[1:]) == [("A", 1_000.0), ("B", -2_000.0)]
    assert found.fills["time"].nunique() == 2  # both on one bar


def test_limits_cap_what_is_added_and_nothing_else() -> None:
    bars = market({"A": [100.0] * 4, "B": [100.0] * 4}, [[0.6, 0.1, 0.1, 0.1], [0.6, 0.6, 0.6, 0.6]])
    found = run(bars, risk={"base": "none", "max_deployed": 0.8})
    assert traded(found) == [("A", 600.0), ("B", 200.0), ("A", -500.0), ("B", 400.0)]
    capped = run(bars, risk={"base": "none", "max_position": 0.25})
    assert traded(capped)[:2] == [("A", 250.0), ("B", 250.0)]


def test_a_halt_closes_what_a_sale_in_parts_would_leave() -> None:
    prices = [100.0] * 30 + [80.0] * 30
    bars = market({"A": prices}, [[1.0] * 25 + [0.5] * 35], [[1e4] * 25 + [1_000.0] * 35])
    found = run(bars, risk={"base": "none", "drawdown_halt": 0.1}, execution={"participation": 0.05})
    assert (found.fills["side"] * found.fills["qty"]).sum() == 0.0
    assert "drawdown limit" in set(found.orders["reason"])


def test_an_order_word_around_a_weight_is_denied(tmp_path: Any) -> None:
    path = tmp_path / "rule.py"
    path.write_text(
        "from fluxhero.engine.strategy import target_weight, unprotected, with_target\n"
        "def decide(bar, x, p, position):\n"
        "    return with_target(unprotected(target_weight(0.5, 0)), 3.0)\n"
    )
    found = backtest(path, market({"A": [50.0] * 4}, [[0.0] * 4]), risk="none")
    assert set(found.decisions["outcome"]) == {"denied: prices contradict each other"}


def test_sweep_replay_and_stream_are_one() -> None:
    rng = np.random.default_rng(5)
    prices = {name: (100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 300)))).tolist() for name in "ABC"}
    wishes = np.where(rng.random((3, 300)) < 0.2, rng.uniform(-0.5, 0.7, (3, 300)), np.nan)
    bars = market(prices, wishes.tolist())
    settings: dict[str, Any] = {"account": "shared", "risk": {"base": "retail", "daily_loss": 0.02}}
    grid = {"scale": [0.5, 1.0], "risk.max_positions": [1, 2, 3], "risk.min_rebalance": [0.0, 0.05]}
    cube = sweep("weights", bars, grid=grid, **settings)
    for scale in grid["scale"]:
        cell = {"scale": scale, "risk.max_positions": 2, "risk.min_rebalance": 0.05}
        found = replay(cube, bars, **cell)
        for name in found.metrics:
            assert np.array_equal(found.metrics[name].values, cube[name].sel(cell).values, equal_nan=True)
    whole = backtest("weights", bars, **settings)
    stream = Stream.for_market(load_strategy("weights"), bars, **settings)
    fields = [bars[name].values for name in ("open", "high", "low", "close", "volume")]
    ends = bars["session_close"].values.astype(np.int64)
    for t, ts_ns in enumerate(bars["time"].values.astype(np.int64)):
        table = np.column_stack([values[:, t] for values in fields])
        stream.advance_row(int(ts_ns), int(ends[t]), table, series=bars["weights"].values[:, t : t + 1])
    for name, value in stream.metrics().items():
        assert np.array_equal(value.values, whole.metrics[name].values, equal_nan=True)
    assert len(whole.fills) > 50
