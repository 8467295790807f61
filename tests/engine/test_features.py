"""The feature graph: each column once, visible when its bar is complete, the same however time is cut."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fluxhero.engine.audit import check_strategy
from fluxhero.engine.backtest import backtest
from fluxhero.engine.errors import ConfigError, StrategyError
from fluxhero.engine.features import build_graph
from fluxhero.engine.market import from_arrays
from fluxhero.engine.strategy import Strategy, load_strategy
from fluxhero.engine.stream import Stream
from fluxhero.engine.timeframe import MINUTE_NS
from fluxhero.kernels.resample import resample_run

RULE = """
from fluxhero.engine.strategy import Feature, Param, hold
PARAMS = {"fast": Param(5, 2, 100), "slow": Param(9, 2, 100), "width": Param(2.0, 0.5, 5.0)}
FEATURES = {
    "fast": Feature("ema", lookback="fast"),
    "slow": Feature("ema", lookback="slow"),
    "twice": Feature("ema", on="fast", lookback="slow"),
    "upper": Feature("bollinger", output="upper", lookback="slow", n_std="width"),
    "lower": Feature("bollinger", output="lower", lookback="slow", n_std="width"),
    "unread": Feature("rsi"),
    "day": Feature("sma", lookback=2, timeframe="1d"),
}
def decide(bar, x, p, position):
    return hold(int(x.fast > x.slow) + int(x.twice > x.upper) + int(x.lower > x.day))
"""


@pytest.fixture
def rule(tmp_path: Path) -> Strategy:
    path = tmp_path / "rule.py"
    path.write_text(RULE)
    return load_strategy(path)


def graph_of(rule: Strategy, **swept: list[float]):  # type: ignore[no-untyped-def]
    values = {
        name: np.full(len(next(iter(swept.values()))), value) for name, value in rule.defaults().items()
    }
    values |= {name: np.array(column, dtype=float) for name, column in swept.items()}
    return build_graph(rule, values, "1h")


def test_only_what_the_rule_reads_is_computed(rule: Strategy) -> None:
    assert rule.read_features == ("fast", "slow", "twice", "upper", "lower", "day")


def test_equal_columns_are_computed_once(rule: Strategy) -> None:
    graph = graph_of(rule, fast=[5, 5, 9, 9], slow=[9, 20, 9, 20])
    columns = graph.lane_columns
    fast, slow = columns[graph.names.index("fast")], columns[graph.names.index("slow")]
    assert fast[0] == fast[1] != fast[2]
    assert fast[2] == slow[0]  # an EMA of nine is an EMA of nine, whoever asks
    # fast 5 9, slow 20, twice 5x9 5x20 9x9 9x20, bands 2 x 2, day
    assert graph.n_columns == 3 + 4 + 4 + 1


def test_bands_of_one_indicator_share_its_computation(rule: Strategy) -> None:
    graph = graph_of(rule, slow=[9, 9], width=[2.0, 2.0])
    hourly = next(part for part in graph.timeframes if part.timeframe == "1h")
    bands = [group for group in hourly.groups if group.name == "bollinger"]
    assert [len(group.src) for group in bands] == [1]


def test_a_parameter_that_no_feature_reads_adds_no_column(rule: Strategy) -> None:
    assert graph_of(rule, fast=[5, 5]).n_columns == graph_of(rule, fast=[5]).n_columns


def test_a_longer_bar_is_visible_once_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "daily.py"
    path.write_text(
        "from fluxhero.engine.strategy import Feature, hold\n"
        "FEATURES = {'day': Feature('sma', lookback=1, timeframe='1d')}\n"
        "def decide(bar, x, p, position):\n    return hold(int(x.day > 0.0))\n"
    )
    n = 3 * 24
    close = np.arange(1.0, n + 1)
    time = 1_704_067_200_000_000_000 + 60 * MINUTE_NS * np.arange(1, n + 1)
    market = from_arrays("XYZ", time, close, close, close, close, np.ones(n), timeframe="1h")
    seen = backtest(path, market).decisions["day"].to_numpy()
    # The day's last bar sees its own day: it is over then. The bar before sees yesterday.
    assert np.isnan(seen[:23]).all()
    assert seen[23:47].tolist() == [24.0] * 24
    assert seen[47:71].tolist() == [48.0] * 24


def test_a_feature_may_read_longer_bars_and_sees_those_that_are_finished(tmp_path: Path) -> None:
    path = tmp_path / "mixed.py"
    path.write_text(
        "from fluxhero.engine.strategy import Feature, enter, hold, leave\n"
        "FEATURES = {\n"
        "    'hours': Feature('sma', on='close', timeframe='1h', lookback=1),\n"
        "    'seen': Feature('previous', on='hours', timeframe='15m', bars=1),\n"
        "    'ratio': Feature('volatility_spike', timeframe='15m', output='ratio', scale=1.0, on=(\n"
        "        Feature('sma', timeframe='15m', lookback=1), Feature('sma', timeframe='4h', lookback=1))),\n"
        "    'on_decisions': Feature('previous', on='hours', timeframe='1h', bars=1),\n"
        "}\n"
        "REASONS = {1: 'up', 2: 'down'}\n"
        "def decide(bar, x, p, position):\n"
        "    if position.qty > 0.0:\n"
        "        return leave(2)\n"
        "    return enter(0.05 * bar.close, 0.01, 1) if x.seen + x.ratio + x.on_decisions > 0.0 else hold()\n"
    )
    n = 3 * 96
    close = np.arange(1.0, n + 1)
    time = 1_704_067_200_000_000_000 + 15 * MINUTE_NS * np.arange(1, n + 1)
    market = from_arrays("XYZ", time, close, close, close, close, np.ones(n), timeframe="15m")
    run = backtest(path, market, decision_timeframe="1h")
    seen = run.decisions
    hours = np.arange(4.0, n + 1, 4.0)  # closes of the hours, which are the decisions
    # On the quarter that completes an hour the hour is there; one quarter before it was not.
    np.testing.assert_array_equal(seen["seen"], np.concatenate([[np.nan], hours[:-1]]))
    four_hours = np.concatenate([[np.nan] * 3, np.repeat(np.arange(16.0, n + 1, 16.0), 4)])[: len(hours)]
    np.testing.assert_array_equal(seen["ratio"], hours / four_hours)

    stream = Stream.for_market(path, market, decision_timeframe="1h")
    streamed = []
    for t in range(n):
        table = np.array([[close[t], close[t], close[t], close[t], 1.0]])
        ends = int(market["session_close"].values[t].astype(np.int64))
        streamed += [d.values for d in stream.advance_row(int(time[t]), ends, table).decisions]
        if t in (50, 97):  # a state that was saved and taken up goes on alike
            saved = stream.save()
            stream = Stream.for_market(path, market, decision_timeframe="1h")
            stream.restore(saved)
    for name in ("seen", "ratio", "on_decisions"):
        np.testing.assert_array_equal([values[name] for values in streamed], seen[name].to_numpy())
    report = check_strategy(path, n_trials=1, n_cuts=5, n_bars=2_000)
    assert report.ok, report.text()


def test_a_feature_does_not_read_shorter_bars(tmp_path: Path, small_market: xr.Dataset) -> None:
    path = tmp_path / "mixed.py"
    path.write_text(
        "from fluxhero.engine.strategy import Feature, hold\n"
        "FEATURES = {'hour': Feature('sma'), 'of_hour': Feature('ema', on='hour', timeframe='1d')}\n"
        "def decide(bar, x, p, position):\n    return hold(int(x.of_hour))\n"
    )
    with pytest.raises(StrategyError, match="`of_hour` on 1d bars reads one on 1h bars, which are shorter"):
        backtest(path, small_market, decision_timeframe="1h")


def test_a_feature_on_bars_shorter_than_the_markets_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.py"
    path.write_text(
        "from fluxhero.engine.strategy import Feature, hold\n"
        "FEATURES = {'fast': Feature('sma', timeframe='1m')}\n"
        "def decide(bar, x, p, position):\n    return hold(int(x.fast))\n"
    )
    time = 60 * MINUTE_NS * np.arange(473_000, 473_005)
    ones = np.ones(5)
    market = from_arrays("XYZ", time, ones, ones, ones, ones, ones, timeframe="1h")
    with pytest.raises(ConfigError, match="`fast` needs '1m' bars, but the market has '1h' bars"):
        backtest(path, market)


def nanoseconds(stamps: pd.Series) -> np.ndarray:
    utc = pd.to_datetime(stamps, utc=True).dt.tz_localize(None)
    return utc.to_numpy().astype("datetime64[ns]").astype(np.int64)


@pytest.mark.parametrize(
    ("minutes", "name"), [(5, "SPY_5min_2024-03-26_2025-04-02"), (15, "SPY_15min_2024-03-26_2025-04-02")]
)
def test_coarse_bars_equal_those_of_another_source(real_data: Path, minutes: int, name: str) -> None:
    """The source aggregated its own minutes, those after the close included."""
    fine = pd.read_parquet(real_data / "us_minute" / "SPY_1min_2024-03-26_2025-04-02.parquet")
    coarse = pd.read_csv(real_data / "us_minute" / f"{name}.csv")
    close_ns = nanoseconds(fine["timestamp_utc"]) + MINUTE_NS
    length = minutes * MINUTE_NS
    no_session = np.full(len(fine), np.iinfo(np.int64).max)
    table = np.ascontiguousarray(fine[["open", "high", "low", "close", "volume"]].to_numpy(dtype=np.float64))
    when = np.empty((len(fine) + 1, 3), dtype=np.int64)
    bars = np.empty((len(fine) + 1, 5))
    n = resample_run(close_ns, no_session, table, length, np.zeros(3, np.int64), np.zeros(5), when, bars)
    rows = when[:, 0]
    opened = nanoseconds(coarse["timestamp_utc"])
    bucket = (close_ns[rows[:n]] - MINUTE_NS) // length * length
    # Completed by a later row, off the boundary or beside the bar of that row: it belongs to a bucket before.
    late = np.flatnonzero((close_ns[rows[:n]] % length != 0) | (np.diff(rows[: n + 1], append=-1)[:n] == 0))
    expected = coarse[["open", "high", "low", "close", "volume"]].to_numpy(dtype=np.float64)
    known = dict(zip(opened.tolist(), expected.tolist(), strict=True))
    regular = np.setdiff1d(np.arange(n), late)
    matched = [i for i in regular if bucket[i] in known]
    assert len(matched) > 0.95 * len(expected)
    np.testing.assert_array_equal(bars[matched], [known[bucket[i]] for i in matched])
