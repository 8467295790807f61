"""Noise filters: what they let pass, and when."""

import numpy as np
import pandas as pd
import pytest

from fluxhero.adapters.calendars import bar_grid, new_york_clock, session_grid
from fluxhero.kernels.indicators.noise_filter import (
    MAX_SPREAD_NOISE,
    entry_time_filter,
    gap_filter,
    session_gap_filter,
    spread_noise,
    volume_filter,
)
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import data_folder

HOUR = 3_600.0
MONDAY = 19_723 * 86_400.0  # 2024-01-01, midnight of the wall clock
OPEN, CLOSE, HALF_DAY = 9.5 * HOUR, 16 * HOUR, 13 * HOUR
SWING = [100.0, 101.0] * 20  # its population standard deviation is 0.5


def noise_at(clock: float, spread: float, closes: float = CLOSE) -> tuple[float, float]:
    """Verdict on the last of 40 bars that swing by 1."""
    hours = [np.full(40, MONDAY + second) for second in (clock, OPEN, closes)]
    verdict = spread_noise(np.full(40, spread), SWING, *hours)
    return float(verdict.passes[-1]), float(verdict.value[-1])


def test_wide_spread_is_refused_and_a_narrow_one_passes() -> None:
    assert noise_at(10 * HOUR, 0.02) == (1.0, pytest.approx(0.04))
    assert noise_at(10 * HOUR, 0.03) == (0.0, pytest.approx(0.06))


def test_a_spread_at_the_limit_passes() -> None:
    assert noise_at(10 * HOUR, 0.025) == (1.0, 0.05)


@pytest.mark.parametrize(
    ("clock", "is_thin"),
    [
        (9.0, True),
        (9.5 + 5 / 60, False),
        (11 + 55 / 60, False),
        (12.0, True),  # filled from 12:00 on
        (12 + 55 / 60, True),
        (13.0, False),
        (15 + 55 / 60, False),
        (16.0, True),
        (19.5, True),
        (20.0, False),  # filled at the next open
    ],
)
def test_illiquid_hours_of_extended_trading_have_half_the_limit(clock: float, is_thin: bool) -> None:
    assert noise_at(clock * HOUR, 0.02, closes=20 * HOUR)[0] == (0.0 if is_thin else 1.0)
    assert noise_at(clock * HOUR, 0.0125, closes=20 * HOUR)[0] == 1.0


@pytest.mark.parametrize("closes", [CLOSE, HALF_DAY])
def test_a_bar_that_closes_with_its_session_is_not_judged_by_the_hour(closes: float) -> None:
    assert noise_at(closes, 0.02, closes=closes)[0] == 1.0


@pytest.mark.parametrize("clock", [0.5, 9.0, 12.5, 18.0, 24.0])
def test_a_market_that_never_closes_has_no_illiquid_hours(clock: float) -> None:
    midnight = np.full(40, MONDAY)
    verdict = spread_noise(np.full(40, 0.02), SWING, midnight + clock * HOUR, midnight, midnight + 24 * HOUR)
    assert verdict.passes[-1] == 1.0


def test_price_that_does_not_move_rejects_any_spread() -> None:
    hours = [np.full(25, MONDAY + second) for second in (10 * HOUR, OPEN, CLOSE)]
    verdict = spread_noise(np.full(25, 1e-9), np.full(25, 100.1), *hours)
    assert (verdict.passes[-1], verdict.value[-1]) == (0.0, MAX_SPREAD_NOISE)
    free = spread_noise(np.zeros(25), np.full(25, 100.1), *hours)
    assert (free.passes[-1], free.value[-1]) == (1.0, 0.0)


def test_deviation_is_scaled_to_five_minutes() -> None:
    hours = [np.full(40, MONDAY + second) for second in (10 * HOUR, OPEN, CLOSE)]
    spread = np.full(40, 0.02)
    five, twenty = (spread_noise(spread, SWING, *hours, bar_minutes=m).value[-1] for m in (5.0, 20.0))
    assert twenty == pytest.approx(2.0 * five)


def test_crossed_quotes_are_unknown() -> None:
    hours = [np.full(40, MONDAY + second) for second in (10 * HOUR, OPEN, CLOSE)]
    spread = np.full(40, 0.02)
    spread[-1] = -0.01
    assert np.isnan(spread_noise(spread, SWING, *hours)).all(axis=0).tolist() == [True] * 19 + [
        False
    ] * 20 + [True]


def test_low_volume_is_refused() -> None:
    usual = [1_000.0] * 19
    for last, passes in ((400.0, 0.0), (487.0, 0.0), (488.0, 1.0)):  # half of the mean is 487.2 and 487.18
        assert volume_filter([*usual, last]).passes[-1] == passes


def test_breakouts_need_half_as_much_again() -> None:
    usual = [1_000.0] * 19
    for last, passes in ((1_500.0, 0.0), (1_650.0, 1.0)):
        assert volume_filter([*usual, last], at_least=1.5).passes[-1] == passes


def test_market_without_trades_is_refused() -> None:
    verdict = volume_filter(np.zeros(25))
    assert verdict.passes[19:].tolist() == [0.0] * 6
    assert verdict.value[19:].tolist() == [0.0] * 6


def entry_at(clock: float, closes: float = CLOSE, delay: float = 0.0) -> tuple[float, float]:
    hours = [[MONDAY + second] for second in (clock, OPEN, closes)]
    verdict = entry_time_filter(*hours, delay_minutes=delay)
    return float(verdict.passes[0]), float(verdict.value[0])


@pytest.mark.parametrize(
    ("clock", "closes", "delay", "verdict"),
    [
        (15 * HOUR, CLOSE, 0.0, (1.0, 60.0)),
        (15.75 * HOUR - 60, CLOSE, 0.0, (1.0, 16.0)),
        (15.75 * HOUR, CLOSE, 0.0, (0.0, 15.0)),
        (CLOSE - 60, CLOSE, 0.0, (0.0, 1.0)),
        (CLOSE, CLOSE, 0.0, (1.0, 390.0)),  # filled at the next open
        (15 * HOUR, CLOSE, 45.0, (0.0, 15.0)),
        (15 * HOUR, CLOSE, 44.0, (1.0, 16.0)),
        (15 * HOUR, CLOSE, 60.0, (1.0, 390.0)),  # the delay leads to the next open
        (12.75 * HOUR, HALF_DAY, 0.0, (0.0, 15.0)),
        (12.75 * HOUR, CLOSE, 0.0, (1.0, 195.0)),
        (HALF_DAY, HALF_DAY, 0.0, (1.0, 210.0)),
    ],
)
def test_expected_fill_is_what_is_judged(
    clock: float, closes: float, delay: float, verdict: tuple[float, float]
) -> None:
    assert entry_at(clock, closes, delay) == verdict


@pytest.mark.parametrize("timeframe", ["5m", "15m", "1h", "4h", "1d"])
def test_only_bars_of_the_last_quarter_of_an_hour_are_refused_on_the_real_calendar(timeframe: str) -> None:
    sessions = session_grid("XNYS", "2024-01-01", "2025-01-01")  # three half days, two changes of clocks
    grid = bar_grid(sessions, timeframe)
    time = new_york_clock(grid.ts_ns) / 1e9
    opens, closes = (
        new_york_clock(column)[grid.session_idx] / 1e9 for column in (sessions.open_ns, sessions.close_ns)
    )
    minutes_left = (closes - time) / 60
    refused = entry_time_filter(time, opens, closes).passes == 0.0
    np.testing.assert_array_equal(refused, (minutes_left > 0) & (minutes_left <= 15))
    assert refused.any() == (timeframe in ("5m", "15m"))


def test_a_market_that_never_closes_is_never_too_late() -> None:
    time = MONDAY + np.arange(60.0, 86_400.0 + 1.0, 60.0)
    midnight = np.full(time.size, MONDAY)
    assert entry_time_filter(time, midnight, midnight + 86_400.0).passes.all()


@pytest.mark.parametrize(
    ("opened", "passes"), [(102.0, 1.0), (102.01, 0.0), (98.0, 1.0), (97.99, 0.0), (100.0, 1.0)]
)
def test_gap_beyond_two_percent_is_refused(opened: float, passes: float) -> None:
    verdict = gap_filter([99.0, opened], [100.0, opened])
    assert verdict.passes[1] == passes
    assert verdict.value[1] == pytest.approx(opened / 100.0 - 1.0)


def test_gap_is_measured_from_the_last_known_close() -> None:
    verdict = gap_filter([100.0, np.nan, 0.0, 103.0], [100.0, np.nan, 103.0, 103.0])
    np.testing.assert_allclose(verdict.value, [np.nan, np.nan, np.nan, 0.03])


def test_gap_of_a_session_holds_to_its_end() -> None:
    opens = [100.0, 100.0, 103.0, 100.0, 100.5, 100.0]
    closes = [100.0, 100.0, 100.0, 100.0, 100.0, 100.0]
    verdict = session_gap_filter(opens, closes, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(verdict.value, [0.0, 0.0, 0.03, 0.03, 0.005, 0.005])
    assert verdict.passes.tolist() == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]


def test_first_known_bar_stands_for_the_open_of_a_session() -> None:
    verdict = session_gap_filter([100.0, np.nan, 103.0], [100.0, 103.0, 103.0], [0.0, 1.0, 1.0])
    np.testing.assert_allclose(verdict.value, [0.0, np.nan, 0.03])


def quotes(symbol: str) -> tuple[FloatArray, ...]:
    """Spread, middle, time and hours of the regular minutes of real quotes."""
    frame = pd.read_csv(data_folder() / f"us_minute/lean_{symbol}_minute_quote_raw.csv")
    start = pd.DatetimeIndex(frame["timestamp_utc"]).tz_convert(None).to_numpy().astype("datetime64[ns]")
    time = new_york_clock(start.astype(np.int64) + 60_000_000_000) / 1e9
    midnight = np.floor(time / 86_400.0) * 86_400.0
    regular = (time > midnight + OPEN) & (time <= midnight + CLOSE)
    bid, ask = frame["bid_close"].to_numpy(np.float64), frame["ask_close"].to_numpy(np.float64)
    series = (ask - bid, (ask + bid) / 2, time, midnight + OPEN, midnight + CLOSE)
    return tuple(np.ascontiguousarray(values[regular]) for values in series)


def test_real_quotes_of_an_illiquid_fund_are_noisier_than_those_of_a_liquid_stock() -> None:
    liquid, thin = (spread_noise(*quotes(symbol), bar_minutes=1.0) for symbol in ("AAPL", "SHY"))
    assert np.nanmedian(liquid.value) < 0.5 * np.nanmedian(thin.value)
    assert np.nanmean(liquid.passes) > np.nanmean(thin.passes)
