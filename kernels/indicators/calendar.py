"""What the clock and the calendar on the exchange's wall say.

Times are float64 seconds since 1970-01-01 00:00 on that wall: midnights are multiples of 86,400, in summer
and in winter. All here is stateless. Holidays are not known here.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state
from ..types import FloatArray

_DAY = 86_400.0  # seconds
_FIRST_DAY, _LAST_DAY = -719_162.0, 2_932_896.0  # 0001-01-01 and 9999-12-31, in days since 1970-01-01
_MARCH_OF_YEAR_0 = 719_468  # days from 0000-03-01 to 1970-01-01


class SessionClock(NamedTuple):
    """What ``session_clock`` returns."""

    minutes_since_open: FloatArray
    minutes_to_close: FloatArray
    session_fraction: FloatArray


class TimeOfDay(NamedTuple):
    """What ``time_of_day`` returns."""

    minutes: FloatArray
    sine: FloatArray
    cosine: FloatArray


class CalendarDay(NamedTuple):
    """What ``calendar_day`` returns."""

    weekday: FloatArray
    day_of_month: FloatArray
    month: FloatArray
    day_of_year: FloatArray
    is_month_end: FloatArray


@kernel
def session_clock_step(time: float, session_open: float, session_close: float) -> tuple[float, float, float]:
    """Minutes since the open, minutes to the close, and the share of the session that is over."""
    if not (np.isfinite(time) and np.isfinite(session_open) and np.isfinite(session_close)):
        return np.nan, np.nan, np.nan
    since_open, to_close = time - session_open, session_close - time
    if to_close <= 0.0:
        fraction = 1.0
    elif since_open <= 0.0:
        fraction = 0.0
    else:
        fraction = since_open / (session_close - session_open)
    return since_open / 60.0, to_close / 60.0, fraction


def session_clock(time: ArrayLike, session_open: ArrayLike, session_close: ArrayLike) -> SessionClock:
    """How far a bar's close is from its session's open and close.

    Parameters
    ----------
    time : array_like, shape (n_bars,), seconds of the exchange's wall clock
        Close of each bar.
    session_open, session_close : array_like, shape (n_bars,), seconds of the exchange's wall clock
        Scheduled hours of each bar's session.

    Returns
    -------
    SessionClock
        `minutes_since_open`, `minutes_to_close` and `session_fraction` (0 to 1), each a float64 ndarray of
        shape (n_bars,). Position t uses position t only; there is no warm-up.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: (time - session_open) / 60; (session_close - time) / 60;
    (time - session_open) / (session_close - session_open) within 0..1.

    NaN policy: a bar with a time that is NaN or infinite yields NaN. Outside its session the minutes are
    negative on one side and the fraction stays at 0 or 1. The schedule, early closes included, is known
    beforehand: this looks at no future. A session without length is over (1) from its close on.

    Examples
    --------
    >>> clock = session_clock([37800.0], [34200.0], [57600.0])
    >>> clock.minutes_since_open, clock.minutes_to_close, clock.session_fraction
    (array([60.]), array([330.]), array([0.15384615]))
    """
    series = {"time": time, "session_open": session_open, "session_close": session_close}
    return SessionClock(*evaluate(SESSION_CLOCK, series))


@kernel
def time_of_day_step(time: float) -> tuple[float, float, float]:
    """Minutes since midnight, and their place on a circle."""
    if not np.isfinite(time):
        return np.nan, np.nan, np.nan
    seconds = time % _DAY
    if seconds <= 0.0:
        seconds = _DAY
    angle = seconds * (2.0 * math.pi / _DAY)
    return seconds / 60.0, math.sin(angle), math.cos(angle)


def time_of_day(time: ArrayLike) -> TimeOfDay:
    """Minutes since midnight of a bar's close, and their sine and cosine, which do not jump at midnight.

    Parameters
    ----------
    time : array_like, shape (n_bars,), seconds of the exchange's wall clock
        Close of each bar.

    Returns
    -------
    TimeOfDay
        `minutes` (above 0, up to 1,440), `sine` and `cosine` (-1 to 1), each a float64 ndarray of shape
        (n_bars,). Position t uses position t only; there is no warm-up.

    Raises
    ------
    ValueError
        If `time` is not a 1-D array of numbers.

    Notes
    -----
    Formula: m = (time mod 86,400) / 60, 1,440 instead of 0; sin(2 pi m / 1,440); cos(2 pi m / 1,440).

    NaN policy: a time that is NaN or infinite yields NaN. A bar that closes at midnight is the last of the
    day before, so it has 1,440 minutes.

    Examples
    --------
    >>> time_of_day([64800.0, 86400.0]).minutes
    array([1080., 1440.])
    """
    return TimeOfDay(*evaluate(TIME_OF_DAY, {"time": time}))


@kernel
def calendar_day_step(session_open: float) -> tuple[float, float, float, float, float]:
    """Weekday, day of the month, month, day of the year, and whether the month ends.

    Years are counted from March, so that the leap day is a year's last day and months have 31, 30, 31, 30, 31
    days over and over: 153 days in five. 400 years have 146,097 days, four have 1,461.
    """
    day = np.floor(session_open / _DAY)
    if not _FIRST_DAY <= day <= _LAST_DAY:  # NaN and infinity neither
        return np.nan, np.nan, np.nan, np.nan, np.nan
    n_days = int(day) + _MARCH_OF_YEAR_0
    century = (4 * n_days + 3) // 146_097
    of_century = n_days - 146_097 * century // 4
    year = (4 * of_century + 3) // 1_461
    of_year = of_century - 1_461 * year // 4  # 0 on 1 March
    from_march = (5 * of_year + 2) // 153  # 0 in March
    day_of_month = of_year - (153 * from_march + 2) // 5 + 1
    is_new_year = from_march >= 10  # January and February belong to the calendar's next year
    month = from_march - 9 if is_new_year else from_march + 3
    calendar_year = 100 * century + year + (1 if is_new_year else 0)
    is_leap = calendar_year % 4 == 0 and (calendar_year % 100 != 0 or calendar_year % 400 == 0)
    leap_day = 1 if is_leap else 0
    day_of_year = of_year - 305 if is_new_year else of_year + 60 + leap_day
    last_day = 28 + leap_day if month == 2 else 30 + ((month + month // 8) & 1)
    weekday = (n_days + 2) % 7  # 0000-03-01 was a Wednesday
    is_month_end = 1.0 if day_of_month == last_day else 0.0
    return float(weekday), float(day_of_month), float(month), float(day_of_year), is_month_end


def calendar_day(session_open: ArrayLike) -> CalendarDay:
    """Day of the week, the month and the year on which a bar's session opens.

    Parameters
    ----------
    session_open : array_like, shape (n_bars,), seconds of the exchange's wall clock
        When each bar's session began.

    Returns
    -------
    CalendarDay
        `weekday` (0 Monday to 6 Sunday), `day_of_month` (from 1), `month` (1 to 12), `day_of_year` (from 1)
        and `is_month_end` (1 on the last calendar day of a month, whether or not it trades, else 0), each a
        float64 ndarray of shape (n_bars,). Position t uses position t only; there is no warm-up.

    Raises
    ------
    ValueError
        If `session_open` is not a 1-D array of numbers.

    Notes
    -----
    Formula: Gregorian date of floor(session_open / 86,400) days after Thursday, 1970-01-01.

    NaN policy: a time that is NaN or infinite, or outside the years 1 to 9999, yields NaN. The date is that
    of the open, so that a session which runs past midnight has one date, and a bar of a 24/7 market that
    closes at midnight belongs to the day before.

    References
    ----------
    Fliegel, H. F., Van Flandern, T. C. (1968). "A Machine Algorithm for Processing Calendar Dates".
    Communications of the ACM 11(10), 657, for dates in whole-number arithmetic.

    Examples
    --------
    >>> leap_day = calendar_day([19782.0 * 86400.0])  # Thursday, 2024-02-29
    >>> [int(part[0]) for part in leap_day]
    [3, 29, 2, 60, 1]
    """
    return CalendarDay(*evaluate(CALENDAR_DAY, {"session_open": session_open}))


SESSION_CLOCK = Indicator(
    name="session_clock",
    inputs=("time", "session_open", "session_close"),
    params=(),
    outputs=SessionClock._fields,
    init=lambda: fresh_state(()),
    warmup=lambda: 0,
    step=session_clock_step,
    public=session_clock,
)

TIME_OF_DAY = Indicator(
    name="time_of_day",
    inputs=("time",),
    params=(),
    outputs=TimeOfDay._fields,
    init=lambda: fresh_state(()),
    warmup=lambda: 0,
    step=time_of_day_step,
    public=time_of_day,
)

CALENDAR_DAY = Indicator(
    name="calendar_day",
    inputs=("session_open",),
    params=(),
    outputs=CalendarDay._fields,
    init=lambda: fresh_state(()),
    warmup=lambda: 0,
    step=calendar_day_step,
    public=calendar_day,
)
