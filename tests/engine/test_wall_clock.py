"""What features read of time: the exchange's wall clock, in summer and winter, on any bars, in any mode."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.wall_clock import TIME_FIELDS, wall_clock
from fluxhero.kernels.types import FloatArray, IntArray

HOUR_NS = 3_600_000_000_000

RULE = """
from fluxhero.engine.strategy import Feature, enter, hold, leave
FEATURES = {
    "time": Feature("previous", on="time", bars=1),
    "opened": Feature("previous", on="session_open", bars=1),
    "closes": Feature("previous", on="session_close", bars=1),
    "long_time": Feature("previous", on="time", timeframe="1h", bars=1),
    "long_closes": Feature("previous", on="session_close", timeframe="1h", bars=1),
}
REASONS = {1: "after noon", 2: "before noon"}

def decide(bar, x, p, position):
    since_midnight = x.time % 86400.0
    is_late = since_midnight > 43200.0
    if position.qty > 0.0:
        if is_late:
            return hold()
        return leave(2)
    if is_late and x.long_closes > x.opened and x.long_time < x.closes:
        return enter(0.05 * bar.close, 0.01, 1)
    return hold()
""".replace('"time":', '"clock":').replace("x.time", "x.clock")


def nanoseconds(texts: list[str]) -> IntArray:
    return np.array(texts, dtype="datetime64[ns]").astype(np.int64)


def test_noon_is_noon_in_summer_and_in_winter() -> None:
    close = nanoseconds(["2024-01-05T17:00", "2024-07-05T16:00"])  # both noon in New York
    session_close = nanoseconds(["2024-01-05T21:00", "2024-07-05T20:00"])
    time, session_open, session_end = wall_clock(close, session_close, "XNYS")
    assert (time % 86_400 == 12 * 3_600).all()
    assert (session_open % 86_400 == 9.5 * 3_600).all()
    assert (session_end % 86_400 == 16 * 3_600).all()


def test_half_days_and_extended_hours_keep_the_open() -> None:
    close = nanoseconds(["2024-11-29T09:05", "2024-11-29T18:00"])  # 4:05 in the morning, and the early close
    time, session_open, session_close = wall_clock(close, nanoseconds(["2024-11-29T18:00"] * 2), "XNYS")
    assert ((time - session_open) / 60).tolist() == [-325.0, 210.0]
    assert ((session_close - session_open) / 3_600).tolist() == [3.5, 3.5]


def test_a_market_that_never_closes_has_utc_days() -> None:
    close = nanoseconds(["2024-03-10T00:00", "2024-03-10T07:30"])
    day_ends = nanoseconds(["2024-03-10T00:00", "2024-03-11T00:00"])
    time, session_open, session_close = wall_clock(close, day_ends, "24/7")
    assert (time - session_open).tolist() == [86_400.0, 7.5 * 3_600]  # midnight ends the day before
    assert (session_close - session_open == 86_400).all()


def test_no_bars_have_no_times() -> None:
    assert wall_clock(nanoseconds([]), nanoseconds([]), "XNYS").shape == (len(TIME_FIELDS), 0)


def test_a_year_equals_what_pandas_says() -> None:
    market = fx.sample_market(n_symbols=1, sessions=252)
    local = pd.DatetimeIndex(market["time"].values).tz_localize("UTC").tz_convert("America/New_York")
    expected = local.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    closes = market["session_close"].values.astype(np.int64)
    time, session_open, _ = wall_clock(market["time"].values.astype(np.int64), closes, "XNYS")
    np.testing.assert_array_equal(time, expected)
    assert ((time - session_open > 0.0) & (time - session_open <= 6.5 * 3_600)).all()


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    market = fx.sample_market(n_symbols=1, start="2024-03-06", sessions=6)  # the clocks change in between
    market["close"].values[0, 100:130] = np.nan  # a halt
    for name in ("open", "high", "low", "volume"):
        market[name].values[0, 100:130] = np.nan
    return market


def table_of(run: fx.Run) -> FloatArray:
    names = ["clock", "opened", "closes", "long_time", "long_closes"]
    return run.decisions[names].to_numpy(np.float64)


def test_features_of_time_are_the_same_in_a_sweep_a_backtest_and_a_stream(
    tmp_path: Path, market: xr.Dataset
) -> None:
    path = tmp_path / "by_the_clock.py"
    path.write_text(RULE)
    run = fx.backtest(path, market, decision_timeframe="15m")
    assert len(run.trades) > 3
    seen = run.decisions.dropna()
    clock = pd.to_datetime(seen["clock"], unit="s")
    assert set(clock.dt.minute) == {0, 15, 30, 45}
    long_clock = pd.to_datetime(seen["long_time"], unit="s")
    assert set(long_clock.dt.minute) == {0}
    assert (seen["long_time"] <= seen["clock"]).all()
    assert ((seen["closes"] - seen["opened"]) == 6.5 * 3_600).all()

    stream = fx.Stream.for_market(path, market, decision_timeframe="15m")
    symbol = str(market["symbol"].values[0])
    names = ("open", "high", "low", "close", "volume")
    table = np.column_stack([market[name].values[0] for name in names])
    values = []
    for t in range(market.sizes["time"]):
        ts_ns = int(market["time"].values[t].astype(np.int64))
        session_close_ns = int(market["session_close"].values[t].astype(np.int64))
        row = stream.advance_row(ts_ns, session_close_ns, table[t : t + 1])
        values += [decision.values for decision in row.decisions]
    streamed = np.array(
        [[v[n] for n in ("clock", "opened", "closes", "long_time", "long_closes")] for v in values]
    )
    whole = table_of(run)
    np.testing.assert_array_equal(streamed[-len(whole) :], whole)
    cube = fx.sweep(path, market, grid={"risk.max_position": [0.2]}, decision_timeframe="15m")
    assert float(cube["n_trades"].sel(symbol=symbol).item()) == len(run.trades)


def test_the_audit_passes_a_rule_that_reads_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "by_the_clock.py"
    path.write_text(RULE)
    report = fx.check(path, n_trials=1, n_cuts=4, n_bars=3_000)
    assert report.ok, report.text()
