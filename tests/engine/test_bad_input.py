"""What cannot be is refused before any work, with the name, the value and what is allowed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from fluxhero.engine.backtest import backtest, replay
from fluxhero.engine.errors import (
    ConfigError,
    DataError,
    FluxHeroError,
    NotFoundError,
    ParameterError,
    StrategyError,
)
from fluxhero.engine.records import Bar
from fluxhero.engine.strategy import load_strategy
from fluxhero.engine.stream import Stream
from fluxhero.engine.sweep import sweep

GRID = {"entry_atr": [0.3, 0.5]}


@pytest.mark.parametrize(
    ("settings", "kind", "told"),
    [
        (
            {"grid": {"entry_art": [1.0]}},
            ParameterError,
            "axis `entry_art` is unknown.*entry_atr.*costs.slippage",
        ),
        ({"grid": {"entry_atr": []}}, ParameterError, "`entry_atr` is empty"),
        ({"grid": {"entry_atr": 0.5}}, ParameterError, "`entry_atr` was 0.5, must be a list"),
        ({"grid": {"entry_atr": "0.5"}}, ParameterError, "must be a list"),
        ({"grid": {"entry_atr": [0.5, 0.5]}}, ParameterError, "`entry_atr` repeats a value"),
        (
            {"grid": {"entry_atr": [0.5, 99.0]}},
            ParameterError,
            r"`entry_atr` was 99, must lie in \[0, 10\] ATR",
        ),
        ({"grid": {"entry_atr": [float("nan")]}}, ParameterError, "`entry_atr` was nan"),
        ({"grid": {"entry_atr": ["high"]}}, ParameterError, "`entry_atr` was 'high', must be a number"),
        ({"grid": {"mode": ["both"]}}, ParameterError, "`mode` was 'both', must be one of 'dual'"),
        ({"grid": {"kama_lookback": [10.5]}}, ParameterError, "`lookback` was 10.5, must be a whole number"),
        ({"grid": {"costs.slippage": [2.0]}}, ParameterError, "`costs.slippage` was 2.0"),
        ({"grid": {"risk.max_position": [0.0]}}, ParameterError, "`risk.max_position` was 0.0"),
        ({"grid": {"trend_r2": [0.1]}}, ParameterError, "`reversion_r2` must not exceed `trend_r2`"),
        (
            {
                "grid": {
                    f"{name}_atr": np.linspace(0.1, 9.9, 500).tolist() for name in ("entry", "exit", "trail")
                }
            },
            ParameterError,
            "the grid has 125,000,000 trials, at most 100,000,000",
        ),
        ({"grid": None}, ParameterError, "either `grid` .* or `trials`"),
        ({"grid": GRID, "trials": GRID}, ParameterError, "not both"),
        ({"grid": None, "trials": {"entry_atr": []}}, ParameterError, "holds no trial"),
        (
            {"grid": None, "trials": {"entry_atr": [1], "exit_atr": [1, 2]}},
            ParameterError,
            "different lengths",
        ),
        ({"grid": GRID, "n_threads": 0}, ParameterError, "`n_threads` was 0, must be at least 1"),
        ({"grid": GRID, "decision_timeframe": "7m"}, ConfigError, "timeframe '7m' is unknown; known are 1m"),
        ({"grid": GRID, "initial_cash": 0.0}, ConfigError, "`initial_cash` was 0.0, must be a positive"),
        ({"grid": GRID, "initial_cash": float("inf")}, ConfigError, "`initial_cash` was inf"),
        (
            {"grid": GRID, "delay_s": 3_600.0, "decision_timeframe": "1h"},
            ConfigError,
            "`delay_s` was 3600, must be at most 3540 s for decisions every 1h on 1m bars",
        ),
        ({"grid": GRID, "delay_s": -1.0}, ConfigError, r"`delay_s` was -1.0, must lie in \[0, 86400\]"),
        ({"grid": GRID, "costs": {"slipage": 0.1}}, ConfigError, "slipage.*slippage"),
        ({"grid": GRID, "costs": "us_equities"}, FluxHeroError, "us_equities.*us_equity"),
        ({"grid": GRID, "params": {"entry_art": 1.0}}, ParameterError, "has no parameter `entry_art`"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(
    small_market: xr.Dataset, settings: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        sweep("dual_mode", small_market, **settings)


def test_a_strategy_that_does_not_exist_is_named(small_market: xr.Dataset) -> None:
    with pytest.raises(NotFoundError, match=r"no strategy .duel_mode.; known are .*dual_mode"):
        sweep("duel_mode", small_market, grid=GRID)
    with pytest.raises(NotFoundError, match=r"nowhere\.py' does not exist"):
        sweep("nowhere.py", small_market, grid=GRID)


def test_a_decision_timeframe_below_the_bars_is_refused(small_market: xr.Dataset) -> None:
    hourly = small_market.assign_attrs(timeframe="1h")
    with pytest.raises((ConfigError, DataError)):
        sweep("dual_mode", hourly, grid=GRID, decision_timeframe="5m")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("def decide(bar, x, p):\n    pass\n", r"must be a plain function decide\(bar, x, p, position\)"),
        ("PARAMS = {}\n", r"`decide\(bar, x, p, position\)` is missing"),
        ("import nothing_of_that_name\n", r"rule\.py:1: ModuleNotFoundError"),
        ("def decide(bar, x, p, position:\n", r"rule\.py:1: SyntaxError"),
        ("PARAMS = {'a': 3}\n", r"PARAMS\['a'\] is a int, must be a Param"),
        ("PARAMS = [1]\n", "`PARAMS` is a list, must be a dict"),
        ("PARAMS = {'a': Param(5, 0, 1)}\n", r"`a` has default 5 outside \[0, 1\]"),
        ("PARAMS = {'a b': Param(5, 0, 9)}\n", "'a b' must be a plain Python name"),
        ("FEATURES = {'f': Feature('emma')}\n", "no indicator 'emma'; known are .*ema"),
        ("FEATURES = {'f': Feature('ema', period=3)}\n", "'ema' has no parameter 'period'; it has lookback"),
        ("FEATURES = {'f': Feature('ema', lookback='n')}\n", "lookback='n' names no parameter"),
        ("FEATURES = {'f': Feature('ema', on='clothes')}\n", "reads 'clothes', which is neither a bar field"),
        ("FEATURES = {'f': Feature('ema', on=('close', 'open'))}\n", "reads 1 series"),
        ("FEATURES = {'f': Feature('ema', output='upper')}\n", "no output 'upper'"),
        ("FEATURES = {'f': Feature('ema', timeframe='2h')}\n", "timeframe '2h' is unknown"),
        ("FEATURES = {'close': Feature('ema')}\n", "has the name of a bar field"),
        ("FEATURES = {'reason': Feature('ema')}\n", "of a decision's column"),
        ("REASONS = {'one': 'x'}\n", "codes in REASONS and MODES are whole numbers"),
        ("RULE x.missing\n", "`decide` reads `x.missing`, but there is no such feature"),
        ("RULE p.missing\n", "`decide` reads `p.missing`, but there is no such parameter"),
    ],
)
def test_a_file_that_is_no_strategy_is_refused_with_its_place(
    tmp_path: Path, content: str, told: str
) -> None:
    head = "from fluxhero.engine.strategy import Feature, Param, hold\n"
    body = "def decide(bar, x, p, position):\n    return hold()\n"
    if content.startswith("RULE"):
        content = f"def decide(bar, x, p, position):\n    return hold(int({content.split()[1]}))\n"
    elif "decide" not in content and "PARAMS = {}" not in content and "import" not in content:
        content = head + content + body
    path = tmp_path / "rule.py"
    path.write_text(content)
    with pytest.raises(StrategyError, match=told):
        load_strategy(path)


def test_features_that_read_each_other_in_a_circle_are_refused(
    tmp_path: Path, small_market: xr.Dataset
) -> None:
    path = tmp_path / "circle.py"
    path.write_text(
        "from fluxhero.engine.strategy import Feature, hold\n"
        "FEATURES = {'a': Feature('ema', on='b'), 'b': Feature('ema', on='a')}\n"
        "def decide(bar, x, p, position):\n    return hold(int(x.a))\n"
    )
    with pytest.raises(StrategyError, match="in a circle: a -> b -> a"):
        backtest(path, small_market)


def test_a_cell_that_is_not_in_the_cube_is_refused(small_market: xr.Dataset) -> None:
    cube = sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h")
    with pytest.raises(NotFoundError, match=r"axis `entry_atr` has no value 0.4; it has 0.3, 0.5"):
        replay(cube, small_market, entry_atr=0.4)
    with pytest.raises(ParameterError, match="axis `entry_atr` needs a value"):
        replay(cube, small_market)
    with pytest.raises(ParameterError, match="no axis `exit_atr`"):
        replay(cube, small_market, entry_atr=0.3, exit_atr=0.3)
    with pytest.raises(NotFoundError, match="symbol 'NONE' is not in the cube"):
        replay(cube, small_market, symbol="NONE", entry_atr=0.3)


def test_a_replay_over_other_bars_is_refused(small_market: xr.Dataset) -> None:
    cube = sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h")
    other = small_market.copy(deep=True)
    other["volume"].values[0, 5] += 1.0
    with pytest.raises(DataError, match="not the one that the cube was swept over"):
        replay(cube, other, entry_atr=0.3)


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_a_market_with_an_impossible_bar_is_refused(small_market: xr.Dataset, field: str) -> None:
    broken = small_market.copy(deep=True)
    present = np.flatnonzero(~np.isnan(broken["close"].values[1]))[100]
    broken[field].values[1, present] = -5.0
    with pytest.raises(DataError):
        sweep("dual_mode", broken, grid=GRID)


def bar(ts_ns: int, symbol: str = "A", high: float = 11.0) -> Bar:
    return Bar(symbol, ts_ns, 10.0, high, 9.0, 10.0, 100.0, 10**18)


def test_a_stream_refuses_bars_that_cannot_be() -> None:
    stream = Stream("dual_mode", ["A", "B"], timeframe="1m")
    stream.advance(bar(60))
    before = stream.save()
    for bars, told in (
        (bar(60), "does not come after"),
        (bar(120, "C"), "not a symbol of this stream"),
        ([bar(120), bar(120)], "two bars of 'A'"),
        ([bar(120), bar(180, "B")], "closes at 180, the row at 120"),
        (bar(120, high=9.5), "is impossible"),
        ([], "needs `ts_ns`"),
    ):
        with pytest.raises(DataError, match=told):
            stream.advance(bars)
    assert stream.save() == before


def test_a_state_of_another_rule_is_refused() -> None:
    saved = Stream("dual_mode", ["A"], timeframe="1m").save()
    with pytest.raises(FluxHeroError, match="belongs to another rule"):
        Stream("dual_mode", ["A"], timeframe="1m", params={"entry_atr": 0.1}).restore(saved)
    with pytest.raises(FluxHeroError, match="cannot be read"):
        Stream("dual_mode", ["A"], timeframe="1m").restore(saved[:50])


def test_a_rule_that_a_cube_brings_along_is_not_run(tmp_path: Path, small_market: xr.Dataset) -> None:
    cube = sweep("dual_mode", small_market, grid=GRID, decision_timeframe="1h")
    (tmp_path / "zarr.json").write_text("{}")
    rule = tmp_path / "rule.py"
    rule.write_text("raise SystemExit('ran')\n")
    for path in ("rule.py", str(rule)):
        with pytest.raises(StrategyError, match="is relative or lies inside a cube, and is not run"):
            replay(cube.assign_attrs(strategy_path=path), small_market, entry_atr=0.3)


def test_a_replay_of_a_changed_rule_is_refused(tmp_path: Path, small_market: xr.Dataset) -> None:
    path = tmp_path / "rule.py"
    told = "from fluxhero.engine.strategy import Param, hold\nPARAMS = {'n': Param(1, 0, 9)}\nEDGE = 1.0\n"
    told += "def decide(bar, x, p, position):\n    return hold(int(p.n * EDGE))\n"
    path.write_text(told)
    cube = sweep(path, small_market, grid={"n": [1.0, 2.0]}, decision_timeframe="1h")
    replay(cube, small_market, n=1.0)
    path.write_text(told.replace("EDGE = 1.0", "EDGE = 2.0"))
    with pytest.raises(StrategyError, match="has changed since the cube was swept"):
        replay(cube, small_market, n=1.0)
