"""Lookbacks that change bar by bar: each bar's value is that of the indicator with the bar's lookback."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.errors import StrategyError
from fluxhero.engine.features import SymbolFeatures, build_graph, build_whole_graph
from fluxhero.engine.strategy import load_strategy
from fluxhero.kernels.pick import pick_rows, whole_period
from fluxhero.kernels.types import FloatArray
from fluxhero.kernels.varying import varying
from fluxhero.tests.oracles.prices import example_bars

RULE = """
from fluxhero.engine.strategy import Feature, Param, Varying, enter, hold, leave
PARAMS = {"lag": Param(3, 1, 50)}
FEATURES = {
    "range": Feature("atr", lookback=5),
    "period": Feature("sma", on=Feature("previous", on="range", bars="lag"), lookback=2),
    "mean": Feature("sma", on="close", lookback=Varying("period", 2, 6)),
    "strength": Feature("rsi", lookback=Varying(Feature("previous", on="volume", bars=1), 3, 4)),
    "plus_di": Feature("adx", output="plus_di", lookback=Varying("period", 2, 3)),
    "adx": Feature("adx", lookback="lag"),
    "fit": Feature("linear_regression", output="r_squared", lookback=10),
    "state": Feature("regime", on=("adx", "fit")),
}
REASONS = {1: "above", 2: "below"}

def decide(bar, x, p, position):
    if position.qty > 0.0:
        if bar.close < x.mean:
            return leave(2)
        return hold()
    if bar.close > x.mean and x.strength > 30.0 and x.plus_di >= 0.0 and x.state >= 0.0:
        return enter(0.05 * bar.close, 0.01, 1)
    return hold()
"""


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "varying.py"
    path.write_text(RULE)
    return path


def by_hand(bank: dict[int, FloatArray], period: FloatArray) -> FloatArray:
    longest = bank[max(bank)]
    out = np.full(period.size, np.nan)
    for t in range(period.size):
        if np.isfinite(period[t]) and not np.isnan(longest[t]):
            out[t] = bank[min(max(int(np.floor(period[t] + 0.5)), min(bank)), max(bank))][t]
    return out


def test_each_bar_has_the_value_of_its_own_lookback(rule: Path) -> None:
    strategy = load_strategy(rule)
    graph = build_whole_graph(strategy, strategy.defaults(), "1d")
    bars = example_bars(200)
    bars["volume"] = np.tile([1.0, 3.49, 3.5, 9.0], 50)
    table = np.column_stack([bars[name] for name in ("open", "high", "low", "close", "volume")])
    features = SymbolFeatures(graph, "XNYS")
    rows, when = np.arange(200), np.arange(200) * 86_400_000_000_000
    seen = features.advance({"1d": rows}, {"1d": table}, {"1d": (when, when)})
    named = {name: seen[:, graph.lane_columns[i, 0]] for i, name in enumerate(graph.names)}

    high, low, close = bars["high"], bars["low"], bars["close"]
    means = {n: fx.indicators.sma(close, lookback=n) for n in range(2, 7)}
    np.testing.assert_array_equal(named["mean"], by_hand(means, named["period"]))
    strengths = {n: fx.indicators.rsi(close, lookback=n) for n in (3, 4)}
    volume = fx.indicators.previous(bars["volume"], bars=1)
    np.testing.assert_array_equal(named["strength"], by_hand(strengths, volume))
    plus = {n: fx.indicators.adx(high, low, close, lookback=n).plus_di for n in (2, 3)}
    np.testing.assert_array_equal(named["plus_di"], by_hand(plus, named["period"]))
    assert graph.warmups["1d"] == 5 + 3 + 1


def test_a_swept_parameter_reaches_the_feature_through_its_period(rule: Path) -> None:
    strategy = load_strategy(rule)
    graph = build_graph(strategy, {"lag": np.array([1.0, 2.0, 1.0])}, "1d")
    columns = dict(zip(graph.names, graph.lane_columns, strict=True))
    assert columns["mean"][0] == columns["mean"][2] != columns["mean"][1]
    assert columns["state"][0] == columns["state"][2] != columns["state"][1]
    assert columns["strength"][0] == columns["strength"][1]


def test_a_sweep_equals_its_backtests_and_the_audit_passes(rule: Path) -> None:
    market: xr.Dataset = fx.sample_market(n_symbols=1, sessions=20)
    cube = fx.sweep(rule, market, grid={"lag": [1, 4]}, decision_timeframe="15m")
    for lag in (1, 4):
        run = fx.backtest(rule, market, params={"lag": lag}, decision_timeframe="15m")
        assert len(run.trades) > 2
        assert float(cube["final_equity"].sel(lag=lag).item()) == float(run.equity.values[0, -1])
    report = fx.check(rule, n_trials=2, n_cuts=4, n_bars=2_000)
    assert report.ok, report.text()


@pytest.mark.parametrize(
    ("period", "whole"), [(2.4999, 2), (2.5, 3), (3.5, 4), (-7.0, 2), (1e300, 6), (5.999, 6)]
)
def test_periods_are_rounded_half_up_within_their_bounds(period: float, whole: int) -> None:
    assert getattr(whole_period, "py_func", whole_period)(period, 2, 6) == whole


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("Varying('period', 1, 6)", r"varies from 1 to 6, must be whole numbers from 2 to 100000"),
        ("Varying('period', 6, 5)", r"varies from 6 to 5, must be whole numbers"),
        ("Varying('period', 2.0, 5)", r"varies from 2.0 to 5, must be whole numbers"),
        ("Varying('period', 2, 2000)", r"varies over 1999 lookbacks, at most 200"),
        ("Varying('nothing', 2, 5)", r"reads 'nothing', which is neither"),
        ("Varying(Feature('unheard'), 2, 5)", r"unheard"),
    ],
)
def test_what_cannot_vary_is_said(tmp_path: Path, setting: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(RULE.replace("Varying('period', 2, 6)".replace("'", '"'), setting))
    with pytest.raises(StrategyError, match=message):
        load_strategy(path)


def test_only_numbers_of_bars_vary_and_only_one_of_them(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(
        RULE.replace(
            '"range": Feature("atr", lookback=5)',
            '"range": Feature("bollinger", n_std=Varying("period", 2, 3))',
        )
    )
    with pytest.raises(StrategyError, match="`n_std` cannot vary: it is not a number of bars"):
        load_strategy(path)
    two = 'Feature("kama", fast=Varying("period", 2, 3), slow=Varying("period", 20, 30))'
    path.write_text(RULE.replace('Feature("atr", lookback=5)', two))
    with pytest.raises(StrategyError, match="only one parameter of a feature may vary"):
        load_strategy(path)


def test_a_circle_through_a_period_is_found(tmp_path: Path) -> None:
    path = tmp_path / "circle.py"
    path.write_text(
        RULE.replace(
            '"range": Feature("atr", lookback=5)', '"range": Feature("atr", lookback=Varying("mean", 2, 5))'
        )
    )
    strategy = load_strategy(path)
    with pytest.raises(StrategyError, match="circle"):
        build_whole_graph(strategy, strategy.defaults(), "1d")


def test_the_function_agrees_with_the_feature_and_says_what_it_cannot_do() -> None:
    bars = example_bars(120)
    periods = 4.0 + 3.0 * np.sin(np.arange(120))
    bank = {
        n: fx.indicators.adx(bars["high"], bars["low"], bars["close"], lookback=n).adx for n in range(2, 7)
    }
    found = varying("adx", bars["high"], bars["low"], bars["close"], period=periods, low=2, high=6)
    np.testing.assert_array_equal(found[0], by_hand(bank, periods))
    assert len(found) == 3
    close = bars["close"]
    for problem, message in (
        (lambda: varying("none", close, period=periods, low=2, high=3), "indicator 'none' is unknown"),
        (lambda: varying("sma", close, period=periods, low=1, high=3), "must be a whole number from 2"),
        (lambda: varying("sma", close, period=periods, low=3, high=2), "were 3 and 2"),
        (lambda: varying("sma", close, period=periods, low=2, high=202), "200 lookbacks at most"),
        (lambda: varying("sma", close, period=periods[1:], low=2, high=3), "has 119 bars but the inputs"),
        (lambda: varying("sma", close, period=periods, low=2, high=3, param="n"), "has no number of bars"),
    ):
        with pytest.raises(ValueError, match=message):
            problem()


def test_no_period_is_too_large_for_compiled_code() -> None:
    work = np.array([[1e19, -1e19, 1e308, 3.0], [2.0] * 4, [3.0] * 4, [4.0] * 4, [np.nan] * 4])
    pick_rows(work, np.array([[0, 1, 2, 3]]), np.array([[4]]), np.array([[2.0, 4.0]]), np.zeros((1, 0)))
    assert work[4].tolist() == [4.0, 2.0, 4.0, 3.0]


def test_each_output_is_known_as_soon_as_the_longest_period_of_its_own_is() -> None:
    bars = example_bars(120)
    movement = varying(
        "adx", bars["high"], bars["low"], bars["close"], period=np.full(120, 5.0), low=5, high=30
    )
    assert [int(np.argmax(np.isfinite(output))) for output in movement] == [59, 30, 30]
    assert varying("sma", [], period=[], low=2, high=4)[0].size == 0
