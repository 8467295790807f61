"""Sessions and bar grids: holidays, half days, changes of clocks, leap days, and where bars belong."""

import datetime as dt
import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fluxhero.adapters.calendars as calendars
from fluxhero.adapters.calendars import (
    bar_grid,
    bar_positions,
    new_york_clock,
    place_dates,
    place_ends,
    place_starts,
    session_coords,
    session_grid,
    session_of,
    sessions_around,
    take_sessions,
)
from fluxhero.engine.errors import ConfigError, DataError
from fluxhero.engine.timeframe import TIMEFRAMES_NS

MINUTE_NS = 60_000_000_000
ON_XNYS = session_grid("XNYS", "2024-01-01", "2025-01-01")


def _ns(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[ns]").astype(np.int64)


def _text(ns: np.ndarray) -> list[str]:
    return [str(value)[:16] for value in np.asarray(ns).view("datetime64[ns]")]


def _one(calendar: str, day: str, **hours: str) -> tuple[str, str]:
    following = (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat()
    sessions = session_grid(calendar, day, following, **hours)
    return _text(sessions.open_ns)[0], _text(sessions.close_ns)[0]


def test_a_year_has_252_sessions_in_order():
    assert ON_XNYS.session_ns.size == 252
    assert (np.diff(ON_XNYS.session_ns) > 0).all()
    assert (ON_XNYS.open_ns < ON_XNYS.close_ns).all()


@pytest.mark.parametrize(
    "day", ["2024-01-01", "2024-03-29", "2024-06-19", "2024-07-04", "2024-11-30", "2025-01-09"]
)
def test_holidays_and_weekends_have_no_session(day):
    following = dt.date.fromisoformat(day) + dt.timedelta(days=1)
    assert session_grid("XNYS", day, following).session_ns.size == 0


@pytest.mark.parametrize(
    ("day", "close"),
    [
        ("2024-07-03", "2024-07-03T17:00"),
        ("2024-11-29", "2024-11-29T18:00"),
        ("2024-12-24", "2024-12-24T18:00"),
        ("2024-07-05", "2024-07-05T20:00"),
    ],
)
def test_half_days_end_early(day, close):
    assert _one("XNYS", day)[1] == close


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2024-03-08", "2024-03-08T14:30", "2024-03-08T21:00"),
        ("2024-03-11", "2024-03-11T13:30", "2024-03-11T20:00"),
        ("2024-11-01", "2024-11-01T13:30", "2024-11-01T20:00"),
        ("2024-11-04", "2024-11-04T14:30", "2024-11-04T21:00"),
    ],
)
def test_sessions_follow_new_yorks_clock(day, opens, closes):
    assert _one("XNYS", day) == (opens, closes)


def test_extended_hours_last_from_four_to_eight():
    assert _one("XNYS", "2024-07-05", hours="extended") == ("2024-07-05T08:00", "2024-07-06T00:00")


def test_extended_hours_of_a_half_day_end_four_hours_after_the_close():
    assert _one("XNYS", "2024-07-03", hours="extended") == ("2024-07-03T08:00", "2024-07-03T21:00")


def test_crypto_days_are_utc_days_and_include_the_leap_day():
    sessions = session_grid("24/7", "2024-02-28", "2024-03-02")
    assert _text(sessions.session_ns) == ["2024-02-28T00:00", "2024-02-29T00:00", "2024-03-01T00:00"]
    assert _text(sessions.close_ns)[1] == "2024-03-01T00:00"


def test_sessions_reach_back_and_forward():
    assert session_grid("XNYS", "1929-10-28", "1929-10-30").session_ns.size == 2
    assert session_grid("XNYS", "2055-01-01", "2056-01-01").session_ns.size > 245


def test_unknown_calendar_hours_and_dates_are_refused():
    with pytest.raises(ConfigError, match="calendar 'LSE' is unknown; known are XNYS, 24/7"):
        session_grid("LSE", "2024-01-01", "2024-02-01")
    with pytest.raises(ConfigError, match="hours 'night' are unknown"):
        session_grid("XNYS", "2024-01-01", "2024-02-01", hours="night")
    with pytest.raises(DataError, match="`start` must be a date such as 2024-01-02, was '2024-02-30'"):
        session_grid("XNYS", "2024-02-30", "2024-03-01")
    with pytest.raises(DataError, match="`stop` was 2300-01-01; calendars reach"):
        session_grid("XNYS", "2024-02-20", "2300-01-01")


def test_a_year_of_minutes_counts_half_days():
    assert bar_grid(ON_XNYS, "1m").ts_ns.size == 249 * 390 + 3 * 210


def test_hour_bars_end_on_the_hour_and_the_first_is_a_half_hour():
    grid = bar_grid(take_sessions(ON_XNYS, np.array([0])), "1h")
    assert _text(grid.ts_ns) == [f"2024-01-02T{hour}:00" for hour in range(15, 22)]


def test_four_hour_bars_end_at_utc_boundaries_or_with_the_session():
    winter = bar_grid(session_grid("XNYS", "2024-01-02", "2024-01-03"), "4h")
    summer = bar_grid(session_grid("XNYS", "2024-07-05", "2024-07-06"), "4h")
    half_day = bar_grid(session_grid("XNYS", "2024-07-03", "2024-07-04"), "4h")
    assert _text(winter.ts_ns) == ["2024-01-02T16:00", "2024-01-02T20:00", "2024-01-02T21:00"]
    assert _text(summer.ts_ns) == ["2024-07-05T16:00", "2024-07-05T20:00"]
    assert _text(half_day.ts_ns) == ["2024-07-03T16:00", "2024-07-03T17:00"]


def test_daily_bars_close_with_the_session():
    assert (bar_grid(ON_XNYS, "1d").ts_ns == ON_XNYS.close_ns).all()


@pytest.mark.parametrize("timeframe", TIMEFRAMES_NS)
@pytest.mark.parametrize("calendar", ["XNYS", "24/7"])
def test_grid_agrees_with_bar_by_bar_reckoning(timeframe, calendar):
    sessions = session_grid(calendar, "2024-11-25", "2024-12-05")
    expected = []
    for open_ns, close_ns in zip(sessions.open_ns.tolist(), sessions.close_ns.tolist(), strict=True):
        ts_ns = open_ns
        while ts_ns < close_ns and timeframe != "1d":
            ts_ns = min((ts_ns // TIMEFRAMES_NS[timeframe] + 1) * TIMEFRAMES_NS[timeframe], close_ns)
            expected.append(ts_ns)
        if timeframe == "1d":
            expected.append(close_ns)
    assert bar_grid(sessions, timeframe).ts_ns.tolist() == expected


@pytest.mark.parametrize("timeframe", TIMEFRAMES_NS)
@pytest.mark.parametrize("calendar", ["XNYS", "24/7"])
def test_every_bar_of_the_grid_finds_its_own_place(timeframe, calendar):
    sessions = session_grid(calendar, "2024-06-25", "2024-07-10")
    grid = bar_grid(sessions, timeframe)
    assert (session_of(sessions, grid.ts_ns) == grid.session_idx).all()
    positions = bar_positions(sessions, timeframe, grid.ts_ns, grid.session_idx)
    assert (positions == np.arange(grid.ts_ns.size)).all()
    if timeframe != "1d":
        placed = place_ends(sessions, timeframe, grid.ts_ns)
        assert placed.is_on_grid.all()
        assert (placed.session_idx == grid.session_idx).all()


@pytest.mark.parametrize("timeframe", [name for name in TIMEFRAMES_NS if name != "1d"])
@pytest.mark.parametrize("calendar", ["XNYS", "24/7"])
def test_starts_and_ends_of_the_same_bars_meet(timeframe, calendar):
    sessions = session_grid(calendar, "2024-06-25", "2024-07-10")
    grid = bar_grid(sessions, timeframe)
    length_ns = TIMEFRAMES_NS[timeframe]
    starts = (-(-grid.ts_ns // length_ns) - 1) * length_ns
    for stamps in (starts, np.maximum(starts, sessions.open_ns[grid.session_idx])):
        placed = place_starts(sessions, timeframe, stamps)
        assert (placed.ts_ns == grid.ts_ns).all()
        assert (placed.session_idx == grid.session_idx).all()
        assert placed.is_on_grid.all()


def test_minute_that_starts_at_the_close_is_outside():
    stamps = _ns("2024-07-05T13:29", "2024-07-05T13:30", "2024-07-05T19:59", "2024-07-05T20:00")
    assert (place_starts(ON_XNYS, "1m", stamps).session_idx >= 0).tolist() == [False, True, True, False]


def test_minute_that_ends_at_the_open_is_outside():
    stamps = _ns("2024-07-05T13:30", "2024-07-05T13:31", "2024-07-05T20:00", "2024-07-05T20:01")
    assert (place_ends(ON_XNYS, "1m", stamps).session_idx >= 0).tolist() == [False, True, True, False]


def test_first_hour_may_be_stamped_at_nine_or_at_half_past():
    placed = place_starts(ON_XNYS, "1h", _ns("2024-07-05T13:00", "2024-07-05T13:30"))
    assert _text(placed.ts_ns) == ["2024-07-05T14:00"] * 2
    assert placed.is_on_grid.all()


def test_hours_from_half_to_half_are_off_the_grid():
    placed = place_starts(ON_XNYS, "1h", _ns("2024-07-05T14:30", "2024-07-05T15:30"))
    assert not placed.is_on_grid.any()


def test_midnight_belongs_to_the_day_that_ends():
    sessions = session_grid("24/7", "2024-02-28", "2024-03-02")
    assert session_of(sessions, _ns("2024-02-29T00:00", "2024-02-29T00:01")).tolist() == [0, 1]


def test_dates_without_a_session_are_outside():
    placed = place_dates(ON_XNYS, _ns("2024-07-03", "2024-07-04", "2024-07-05", "2024-07-06"))
    assert (placed.session_idx >= 0).tolist() == [True, False, True, False]
    assert _text(placed.ts_ns)[0] == "2024-07-03T17:00"


def test_questions_to_an_empty_calendar_are_answered():
    nothing = session_grid("24/7", "2024-01-02", "2024-01-02")
    stamps = _ns("2024-01-02T10:00")
    assert session_of(nothing, stamps).tolist() == [-1]
    assert bar_grid(nothing, "1h").ts_ns.size == 0
    for placed in (
        place_starts(nothing, "1h", stamps),
        place_ends(nothing, "1h", stamps),
        place_dates(nothing, stamps),
    ):
        assert placed.session_idx.tolist() == [-1]


def test_coordinates_of_bars_are_label_and_scheduled_end():
    label, end = session_coords("XNYS", _ns("2024-07-03T14:00", "2024-07-03T17:00", "2024-07-05T13:31"))
    assert _text(label) == ["2024-07-03T00:00", "2024-07-03T00:00", "2024-07-05T00:00"]
    assert _text(end) == ["2024-07-03T17:00", "2024-07-03T17:00", "2024-07-05T20:00"]
    with pytest.raises(
        DataError, match=r"bar 1 \(2024-07-03 17:01 UTC\) closes outside every session of XNYS"
    ):
        session_coords("XNYS", _ns("2024-07-03T17:00", "2024-07-03T17:01"))
    assert session_coords("XNYS", np.array([], np.int64))[0].size == 0


def test_margin_reaches_the_sessions_around_a_stamp():
    around = sessions_around("24/7", *_ns("2024-02-29T00:00", "2024-02-29T00:00"))
    assert session_of(around, _ns("2024-02-29T00:00")).tolist() != [-1]


@given(st.integers(0, ON_XNYS.session_ns.size - 1), st.integers(-400, 800))
def test_session_of_a_minute_agrees_with_comparison(session, minutes):
    ts_ns = int(ON_XNYS.open_ns[session]) + minutes * MINUTE_NS
    expected = [
        i
        for i in range(max(0, session - 1), min(session + 2, ON_XNYS.session_ns.size))
        if ON_XNYS.open_ns[i] < ts_ns <= ON_XNYS.close_ns[i]
    ]
    assert session_of(ON_XNYS, np.array([ts_ns])).tolist() == (expected or [-1])


def test_new_york_clock_changes_with_the_season():
    assert _text(new_york_clock(_ns("2024-01-02T14:30", "2024-07-02T13:30"))) == [
        "2024-01-02T09:30",
        "2024-07-02T09:30",
    ]


def test_exchange_calendars_is_imported_by_the_first_new_york_question_only():
    code = (
        "import sys; from fluxhero.adapters.calendars import session_grid;"
        "session_grid('24/7', '2024-01-01', '2024-02-01'); print('exchange_calendars' in sys.modules);"
        "session_grid('XNYS', '2024-01-01', '2024-02-01'); print('exchange_calendars' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_examples_in_docstrings_run():
    assert doctest.testmod(calendars).failed == 0
