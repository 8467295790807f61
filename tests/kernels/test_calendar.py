"""Clock and calendar: every day of three centuries against the standard library."""

import calendar
import datetime as dt

import numpy as np
import pytest

from fluxhero.kernels.decorator import is_compiling
from fluxhero.kernels.indicators.calendar import calendar_day, session_clock, time_of_day

DAY = 86_400.0


def first_day(year: int) -> int:
    return (dt.date(year, 1, 1) - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize("open_s", [0.0, 34_200.0, 86_399.0])
def test_every_day_from_1900_to_2200_has_its_date(open_s: float) -> None:
    stop = first_day(2201) if is_compiling() else first_day(1908)  # 1900 was no leap year, 1904 was
    days = np.arange(first_day(1900), stop)
    result = calendar_day(days * DAY + open_s)
    dates = [dt.date(1970, 1, 1) + dt.timedelta(days=int(day)) for day in days]
    assert result.weekday.tolist() == [date.weekday() for date in dates]
    assert result.day_of_month.tolist() == [date.day for date in dates]
    assert result.month.tolist() == [date.month for date in dates]
    assert result.day_of_year.tolist() == [date.timetuple().tm_yday for date in dates]
    ends = [date.day == calendar.monthrange(date.year, date.month)[1] for date in dates]
    assert result.is_month_end.tolist() == ends


@pytest.mark.parametrize(
    ("date", "day_of_year"),
    [
        (dt.date(1, 1, 1), 1),
        (dt.date(1900, 3, 1), 60),  # no leap year
        (dt.date(2000, 3, 1), 61),
        (dt.date(2000, 12, 31), 366),
        (dt.date(2100, 12, 31), 365),
        (dt.date(9999, 12, 31), 365),
    ],
)
def test_days_that_calendars_get_wrong(date: dt.date, day_of_year: int) -> None:
    result = calendar_day([(date - dt.date(1970, 1, 1)).days * DAY])
    assert [int(part[0]) for part in result[:4]] == [date.weekday(), date.day, date.month, day_of_year]


def test_years_that_have_no_date_are_unknown() -> None:
    outside = [(first_day(1) - 1) * DAY, first_day(9999) * DAY + 366 * DAY, 1e300, -1e300]
    assert np.isnan(calendar_day(outside)).all()


def test_a_bar_that_closes_at_midnight_is_the_last_of_its_day() -> None:
    times = np.array([60.0, DAY - 60.0, DAY, DAY + 60.0, -60.0, 0.0]) + 19_782.0 * DAY
    assert time_of_day(times).minutes.tolist() == [1.0, 1_439.0, 1_440.0, 1.0, 1_439.0, 1_440.0]
    assert time_of_day(times - 40_000.0 * DAY).minutes.tolist() == time_of_day(times).minutes.tolist()


def test_the_hand_of_the_clock_goes_round_once_a_day() -> None:
    quarter = time_of_day(np.array([6.0, 12.0, 18.0, 24.0]) * 3_600.0)
    np.testing.assert_allclose(quarter.sine, [1.0, 0.0, -1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(quarter.cosine, [0.0, -1.0, 0.0, 1.0], atol=1e-15)


def test_clock_of_a_session_of_new_york_and_of_a_half_day() -> None:
    start, noon = 34_200.0, 43_200.0
    whole, half = session_clock([noon], [start], [57_600.0]), session_clock([noon], [start], [46_800.0])
    assert [float(part[0]) for part in whole] == [150.0, 240.0, 150.0 / 390.0]
    assert [float(part[0]) for part in half] == [150.0, 60.0, 150.0 / 210.0]


def test_clock_outside_the_session() -> None:
    clock = session_clock([30_600.0, 61_200.0, 57_600.0], [34_200.0] * 3, [57_600.0] * 3)
    assert clock.minutes_since_open.tolist() == [-60.0, 450.0, 390.0]
    assert clock.minutes_to_close.tolist() == [450.0, -60.0, 0.0]
    assert clock.session_fraction.tolist() == [0.0, 1.0, 1.0]


def test_a_market_that_never_closes_counts_its_day_to_the_end() -> None:
    clock = session_clock([DAY, 2 * DAY], [0.0, DAY], [DAY, 2 * DAY])
    assert clock.session_fraction.tolist() == [1.0, 1.0]
    assert clock.minutes_since_open.tolist() == [1_440.0, 1_440.0]
