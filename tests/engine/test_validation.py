"""The checks of bars, one behaviour each, on small arrays."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fluxhero.engine.validation as validation
from fluxhero.engine.timeframe import TIMEFRAMES_NS
from fluxhero.engine.validation import (
    CHECKS,
    BarSeries,
    Limits,
    limits_for,
    lone_first_bar,
    suspicious_faults,
    time_faults,
    value_faults,
)

_LIMITS = Limits()


def _quiet(n_bars: int = 200, bars_per_session: int = 20) -> BarSeries:
    """A market that alternates by a tenth of a percent, with nothing to complain about."""
    close = np.where(np.arange(n_bars) % 2, 100.1, 100.0)
    open_ = np.roll(close, 1)
    open_[0] = close[0]
    return BarSeries(
        open=open_,
        high=np.maximum(open_, close) + 0.05,
        low=np.minimum(open_, close) - 0.05,
        close=close,
        volume=np.full(n_bars, 100.0),
        bar_idx=np.arange(n_bars),
        session_idx=np.arange(n_bars) // bars_per_session,
    )


def _kinds(bars: BarSeries, *, can_split: bool = True, limits: Limits = _LIMITS) -> dict[str, list[int]]:
    return {fault.kind: fault.rows.tolist() for fault in suspicious_faults(bars, limits, can_split=can_split)}


def _changed(bars: BarSeries, row: int, **values: float) -> BarSeries:
    copies = {name: getattr(bars, name).copy() for name in values}
    for name, value in values.items():
        copies[name][row] = value
    return bars._replace(**copies)


def _faults(**columns: list[float]) -> list[tuple[str, str, list[int]]]:
    bar = {"open": [10.0], "high": [11.0], "low": [9.0], "close": [10.5], "volume": [5.0]}
    arrays = {name: np.array(values) for name, values in {**bar, **columns}.items()}
    return [(fault.kind, fault.column, fault.rows.tolist()) for fault in value_faults(**arrays)]


def test_possible_bar_has_no_fault():
    assert _faults() == []


@pytest.mark.parametrize(
    ("columns", "kind", "column"),
    [
        ({"high": [10.2]}, "high_below_body", "high"),
        ({"low": [10.2]}, "low_above_body", "low"),
        ({"low": [0.0]}, "non_positive_price", "low"),
        ({"volume": [-1.0]}, "negative_volume", "volume"),
        ({"close": [np.nan]}, "not_finite", "close"),
        ({"volume": [np.inf]}, "not_finite", "volume"),
    ],
)
def test_impossible_value_is_named(columns, kind, column):
    assert _faults(**columns) == [(kind, column, [0])]


def test_bounds_say_what_the_value_was_held_against():
    bar = [np.array([value]) for value in (10.0, 10.2, 9.0, 10.5, 1.0)]
    fault = value_faults(*bar)[0]
    assert fault.values.tolist() == [10.2]
    assert fault.bounds.tolist() == [10.5]


def test_skipped_rows_are_not_judged():
    bar = [np.array([np.nan, 10.0])] * 4
    assert value_faults(*bar, np.array([np.nan, 1.0]), skip=np.array([True, False])) == []


def test_flat_bar_and_zero_volume_are_possible():
    assert _faults(open=[10.0], high=[10.0], low=[10.0], close=[10.0], volume=[0.0]) == []


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, np.nan, np.inf]), min_size=5, max_size=5),
)
def test_judgement_agrees_with_a_plain_reading_of_the_rules(bar):
    open_, high, low, close, volume = bar
    is_possible = (
        all(np.isfinite(bar))
        and min(bar[:4]) > 0.0
        and volume >= 0.0
        and high >= max(open_, close)
        and low <= min(open_, close)
    )
    assert (value_faults(*(np.array([value]) for value in bar)) == []) == is_possible


def test_ordered_times_have_no_fault():
    assert time_faults(np.array([1, 2, 5])) == []
    assert time_faults(np.array([], np.int64)) == []


def test_second_of_equal_times_is_the_duplicate():
    faults = time_faults(np.array([1, 2, 2, 3, 2]))
    assert [(fault.kind, fault.rows.tolist()) for fault in faults] == [("duplicate_time", [2, 4])]


def test_row_from_the_future_is_blamed_and_not_those_after_it():
    faults = time_faults(np.array([1, 2, 99, 3, 4, 5]))
    assert [(fault.kind, fault.rows.tolist()) for fault in faults] == [("unordered_time", [2])]


def test_row_from_the_past_is_blamed():
    faults = time_faults(np.array([10, 11, 1, 12, 13]))
    assert [(fault.kind, fault.rows.tolist()) for fault in faults] == [("unordered_time", [2])]


@given(st.lists(st.integers(0, 30), max_size=40))
def test_what_is_left_without_the_faults_is_in_order(times):
    ts_ns = np.array(times, np.int64)
    blamed = np.zeros(ts_ns.size, bool)
    for fault in time_faults(ts_ns):
        assert not blamed[fault.rows].any()
        blamed[fault.rows] = True
    left = ts_ns[~blamed]
    assert (np.diff(left) > 0).all()
    if ts_ns.size:
        assert left.size >= 1


def test_quiet_market_raises_no_suspicion():
    assert _kinds(_quiet()) == {}


def test_gap_is_noted_at_the_bar_that_ends_it():
    bars = _quiet()
    bars = bars._replace(bar_idx=bars.bar_idx + np.where(np.arange(200) >= 50, 6, 0))
    assert _kinds(bars) == {"gap": [50]}


def test_gap_of_the_allowed_length_is_fine():
    bars = _quiet()
    bars = bars._replace(bar_idx=bars.bar_idx + np.where(np.arange(200) >= 50, 5, 0))
    assert _kinds(bars) == {}


def test_month_of_silence_is_a_break_and_no_outlier():
    bars = _quiet()
    later = np.arange(200) >= 60
    bars = bars._replace(
        bar_idx=bars.bar_idx + later * 500,
        session_idx=bars.session_idx + later * 25,
        **{
            name: getattr(bars, name) * np.where(later, 7.7, 1.0) for name in ("open", "high", "low", "close")
        },
    )
    assert _kinds(bars) == {"listing_break": [60]}


def test_overnight_halving_looks_like_a_split():
    bars = _quiet()
    later = np.where(np.arange(200) >= 60, 0.51, 1.0)
    bars = bars._replace(**{name: getattr(bars, name) * later for name in ("open", "high", "low", "close")})
    assert _kinds(bars) == {"split_like": [60]}
    assert _kinds(bars, can_split=False) == {"outlier": [60]}


def test_halving_within_a_session_is_an_outlier():
    bars = _quiet()
    later = np.where(np.arange(200) >= 65, 0.5, 1.0)
    bars = bars._replace(**{name: getattr(bars, name) * later for name in ("open", "high", "low", "close")})
    assert _kinds(bars) == {"outlier": [65]}


def test_large_body_is_an_outlier_even_if_it_comes_back():
    bars = _changed(_quiet(), 30, open=150.0, high=150.0)
    assert _kinds(bars) == {"outlier": [30]}


def test_night_is_not_measured_by_minutes():
    bars = _quiet(n_bars=2_000)
    steps = np.where(np.arange(2_000) % 20 == 0, 0.06, 0.0) * np.where(np.arange(2_000) // 20 % 2, 1, -1)
    factor = np.exp(np.cumsum(steps))
    bars = bars._replace(**{name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")})
    assert _kinds(bars, limits=Limits(outlier_move=0.05)) == {}


@pytest.mark.parametrize(("column", "value"), [("high", 140.0), ("low", 70.0)])
def test_wick_far_from_the_body_is_noted(column, value):
    assert _kinds(_changed(_quiet(), 40, **{column: value})) == {"wick": [40]}


def test_stale_run_is_noted_with_its_length():
    bars = _quiet()
    flat = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for values in flat.values():
        values[30:42] = flat["close"][29]
    faults = suspicious_faults(bars._replace(**flat), Limits(), can_split=True)
    assert [(fault.kind, fault.rows.tolist(), fault.values.tolist()) for fault in faults] == [
        ("stale_run", [29], [13])
    ]


def test_zero_volume_is_noted():
    assert _kinds(_changed(_quiet(), 3, volume=0.0)) == {"zero_volume": [3]}


def test_nothing_is_suspicious_about_nothing():
    bars = _quiet()
    empty = BarSeries(*(column[:0] for column in bars))
    assert suspicious_faults(empty, Limits(), can_split=True) == []
    assert suspicious_faults(BarSeries(*(column[:1] for column in bars)), Limits(), can_split=True) == []


@pytest.mark.parametrize("first_open", [250.0, 40.0])
def test_first_open_that_nothing_follows_stands_alone(first_open):
    bars = _changed(_quiet(), 0, open=first_open, high=max(first_open, 101.0), low=min(first_open, 99.0))
    assert [(fault.kind, fault.rows.tolist()) for fault in lone_first_bar(bars)] == [("lone_first_bar", [0])]


def test_first_open_with_a_witness_is_believed():
    bars = _changed(_quiet(), 0, open=250.0, high=250.0)
    bars = _changed(bars, 4, high=200.0)
    assert lone_first_bar(bars) == []


def test_first_open_is_believed_while_there_are_few_bars():
    bars = _changed(_quiet(), 0, open=250.0, high=250.0)
    assert lone_first_bar(BarSeries(*(column[:10] for column in bars))) == []


@pytest.mark.parametrize("timeframe", TIMEFRAMES_NS)
def test_every_timeframe_has_limits(timeframe):
    assert limits_for(timeframe).outlier_move > 0.0


def test_every_fault_kind_is_documented():
    assert all(check.title and check.allowed for check in CHECKS.values())
    first_suspicious = [check.is_impossible for check in CHECKS.values()].index(False)
    assert not any(check.is_impossible for check in list(CHECKS.values())[first_suspicious:])


def test_examples_in_docstrings_run():
    assert doctest.testmod(validation).failed == 0
