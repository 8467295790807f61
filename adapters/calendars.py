"""Trading calendars as arrays: sessions, the closes of their bars, and which session a bar belongs to.

Two calendars: ``XNYS`` (New York: holidays, half days, daylight saving, from exchange_calendars) and ``24/7``
(a session is a UTC day). Everything is int64 nanoseconds UTC and vectorised; a session is the half-open
interval of bar *closes* ``(open, close]``, so the bar that closes exactly at midnight belongs to the day that
ends. exchange_calendars costs about half a second to import and is imported by the first XNYS question only.
"""

import datetime as dt
import warnings
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np

from ..engine.errors import ConfigError, DataError
from ..engine.market import CALENDARS, BoolArray, IntArray
from ..engine.timeframe import DAY_NS, MINUTE_NS, timeframe_ns

Hours = Literal["regular", "extended"]

_YEARS = (1990, 2049)  # built once (0.14 s, nearly the same for any span); questions beyond widen it
_EXTENDED_OPEN_NS = 4 * 60 * MINUTE_NS  # 04:00 New York
_AFTER_CLOSE_NS = (
    4 * 60 * MINUTE_NS
)  # trading after the close lasts four hours: to 20:00, on half days to 17:00


class Sessions(NamedTuple):
    """Trading sessions, oldest first; int64 nanoseconds UTC, each of shape (n_sessions,)."""

    session_ns: IntArray  # midnight that labels the day
    open_ns: IntArray
    close_ns: IntArray  # scheduled end: half days end early


class BarGrid(NamedTuple):
    """Every bar close of some sessions, oldest first, each of shape (n_bars,)."""

    ts_ns: IntArray  # UTC close
    session_idx: IntArray  # position in the sessions that made the grid


class Placement(NamedTuple):
    """Where stamped bars belong, each of shape (n_bars,)."""

    ts_ns: IntArray  # UTC close of the bar (the plain end of its interval where it is outside every session)
    session_idx: IntArray  # -1 outside every session
    is_on_grid: BoolArray  # whether the stamp is one that the timeframe and the session allow


def session_grid(
    calendar: str, start: dt.date | str, stop: dt.date | str, *, hours: Hours = "regular"
) -> Sessions:
    """Sessions of a calendar whose label lies in ``[start, stop)``.

    Parameters
    ----------
    calendar : {"XNYS", "24/7"}
    start, stop : date or ISO date
        Half-open range of session labels.
    hours : {"regular", "extended"}
        ``extended`` stretches New York sessions to 04:00-20:00 (17:00 on half days). 24/7 has no other hours.

    Returns
    -------
    Sessions
        Empty arrays if no session falls in the range.

    Raises
    ------
    ConfigError
        If the calendar or the hours are unknown.

    Examples
    --------
    >>> grid = session_grid("24/7", "2024-02-28", "2024-03-01")
    >>> grid.close_ns.astype("datetime64[ns]").astype("datetime64[m]")
    array(['2024-02-29T00:00', '2024-03-01T00:00'], dtype='datetime64[m]')
    """
    start_ns, stop_ns = _midnight_ns(start, "start"), _midnight_ns(stop, "stop")
    if calendar == "24/7":
        session_ns = np.arange(start_ns, stop_ns, DAY_NS, dtype=np.int64)
        return Sessions(session_ns, session_ns, session_ns + DAY_NS)
    if calendar != "XNYS":
        raise ConfigError(f"calendar {calendar!r} is unknown; known are {', '.join(CALENDARS)}")
    if hours not in ("regular", "extended"):
        raise ConfigError(f"session hours {hours!r} are unknown; known are regular, extended")
    every = _xnys(*_years_around(start_ns, stop_ns))
    lo, hi = np.searchsorted(every.session_ns, (start_ns, stop_ns))
    regular = Sessions(*(column[lo:hi] for column in every))
    return _extended(regular) if hours == "extended" else regular


def sessions_around(calendar: str, first_ns: int, last_ns: int, *, hours: Hours = "regular") -> Sessions:
    """Sessions that may hold a bar stamped anywhere from `first_ns` to `last_ns`: two days of margin."""
    first = int(first_ns) // DAY_NS * DAY_NS - 2 * DAY_NS
    last = int(last_ns) // DAY_NS * DAY_NS + 3 * DAY_NS
    return session_grid(calendar, _date(first), _date(last), hours=hours)


def bar_grid(sessions: Sessions, timeframe: str) -> BarGrid:
    """Closes of all bars of the sessions.

    An intraday bar closes at the next multiple of its length in UTC, or at the session's end if that is
    earlier; a daily bar at the session's end.
    """
    first, n_bars = _bars_per_session(sessions, timeframe)
    session_idx = np.repeat(np.arange(n_bars.size, dtype=np.int64), n_bars)
    if timeframe == "1d":
        return BarGrid(sessions.close_ns.copy(), session_idx)
    starts = np.cumsum(n_bars) - n_bars
    within = np.arange(session_idx.size, dtype=np.int64) - starts[session_idx]
    ends = (first[session_idx] + within) * timeframe_ns(timeframe)
    return BarGrid(np.minimum(ends, sessions.close_ns[session_idx]), session_idx)


def bar_positions(sessions: Sessions, timeframe: str, ts_ns: IntArray, session_idx: IntArray) -> IntArray:
    """Positions of bar closes in ``bar_grid(sessions, timeframe)``, without building the grid.

    Parameters
    ----------
    ts_ns, session_idx : ndarray of int64, shape (n_bars,)
        Closes on the grid and their sessions, as `place_ends` returns them.
    """
    first, n_bars = _bars_per_session(sessions, timeframe)
    starts = np.cumsum(n_bars) - n_bars
    if timeframe == "1d":
        return session_idx.copy()
    ordinal = -(-ts_ns // timeframe_ns(timeframe))  # of the interval that the bar ends or is cut off in
    return starts[session_idx] + ordinal - first[session_idx]


def session_of(sessions: Sessions, ts_ns: IntArray) -> IntArray:
    """Position of the session that each bar close belongs to: open < close of bar <= close; -1 if none."""
    if sessions.close_ns.size == 0:
        return np.full(ts_ns.shape, -1, np.int64)
    idx = np.searchsorted(sessions.close_ns, ts_ns, side="left")
    inside = idx < sessions.close_ns.size
    idx = np.minimum(idx, sessions.close_ns.size - 1)
    inside &= sessions.open_ns[idx] < ts_ns
    return np.where(inside, idx, -1).astype(np.int64)


def session_coords(calendar: str, ts_ns: IntArray, *, hours: Hours = "regular") -> tuple[IntArray, IntArray]:
    """Label and scheduled end of the session of each bar close, as a market cube carries them.

    Raises
    ------
    DataError
        If a bar lies outside every session; names the first.

    Examples
    --------
    >>> label, end = session_coords("24/7", np.array(["2024-03-01"], "datetime64[ns]").astype(np.int64))
    >>> label.astype("datetime64[ns]").astype("datetime64[D]")
    array(['2024-02-29'], dtype='datetime64[D]')
    """
    if ts_ns.size == 0:
        return ts_ns.copy(), ts_ns.copy()
    sessions = sessions_around(calendar, int(ts_ns.min()), int(ts_ns.max()), hours=hours)
    idx = session_of(sessions, ts_ns)
    if (idx < 0).any():
        bar = int(np.argmax(idx < 0))
        when = str(np.datetime64(int(ts_ns[bar]), "ns"))[:16].replace("T", " ")
        raise DataError(f"bar {bar} ({when} UTC) closes outside every session of {calendar} ({hours} hours)")
    return sessions.session_ns[idx], sessions.close_ns[idx]


def place_ends(sessions: Sessions, timeframe: str, stamp_ns: IntArray) -> Placement:
    """Place intraday bars that are stamped at their end."""
    session_idx = session_of(sessions, stamp_ns)
    is_close = (session_idx >= 0) & (
        stamp_ns == sessions.close_ns[session_idx] if sessions.close_ns.size else False
    )
    return Placement(stamp_ns, session_idx, (stamp_ns % timeframe_ns(timeframe) == 0) | is_close)


def place_starts(sessions: Sessions, timeframe: str, stamp_ns: IntArray) -> Placement:
    """Place intraday bars that are stamped at their start.

    The bar closes at the next multiple of its length after the stamp, or at the session's end. A stamp is on
    the grid if it is such a multiple or the session's open: New York's first hour bar may be stamped 09:00 or
    09:30 and closes at 10:00 either way.
    """
    length_ns = timeframe_ns(timeframe)
    end_ns = (stamp_ns // length_ns + 1) * length_ns
    on_multiple = stamp_ns % length_ns == 0
    if sessions.close_ns.size == 0:
        return Placement(end_ns, np.full(stamp_ns.shape, -1, np.int64), on_multiple)
    idx = np.searchsorted(sessions.close_ns, stamp_ns, side="right")  # the first session that ends later
    inside = idx < sessions.close_ns.size
    idx = np.minimum(idx, sessions.close_ns.size - 1)
    inside &= sessions.open_ns[idx] < end_ns
    ts_ns = np.where(inside, np.minimum(end_ns, sessions.close_ns[idx]), end_ns)
    is_open = inside & (stamp_ns == sessions.open_ns[idx])
    return Placement(ts_ns, np.where(inside, idx, -1).astype(np.int64), on_multiple | is_open)


def place_dates(sessions: Sessions, session_ns: IntArray) -> Placement:
    """Place daily bars by the session that labels them; a date without a session is outside."""
    if sessions.session_ns.size == 0:
        nowhere = np.full(session_ns.shape, -1, np.int64)
        return Placement(session_ns + DAY_NS, nowhere, np.ones(session_ns.shape, np.bool_))
    idx = np.minimum(np.searchsorted(sessions.session_ns, session_ns), sessions.session_ns.size - 1)
    inside = sessions.session_ns[idx] == session_ns
    ts_ns = np.where(inside, sessions.close_ns[idx], session_ns + DAY_NS)
    session_idx = np.where(inside, idx, -1).astype(np.int64)
    return Placement(ts_ns, session_idx, np.ones(session_ns.shape, np.bool_))


def take_sessions(sessions: Sessions, idx: IntArray) -> Sessions:
    """The sessions at some positions."""
    return Sessions(*(column[idx] for column in sessions))


def new_york_clock(ts_ns: IntArray) -> IntArray:
    """UTC instants as New York wall clock, in nanoseconds since 1970 without zone."""
    import pandas as pd  # the zone's rules; imported where a New York question is asked

    utc = pd.DatetimeIndex(ts_ns.view("datetime64[ns]"), tz="UTC")
    local = utc.tz_convert("America/New_York").tz_localize(None)
    return _plain_ns(local)


def _bars_per_session(sessions: Sessions, timeframe: str) -> tuple[IntArray, IntArray]:
    """Ordinal of each session's first bar end (in bar lengths since 1970), and its number of bars."""
    length_ns = timeframe_ns(timeframe)
    if timeframe == "1d":
        ones = np.ones(sessions.close_ns.size, np.int64)
        return ones, ones
    first = sessions.open_ns // length_ns + 1
    last = -(-sessions.close_ns // length_ns)
    return first, last - first + 1


def _extended(regular: Sessions) -> Sessions:
    """New York sessions from 04:00 local to four hours after their close."""
    opens = _new_york_to_utc(regular.session_ns + _EXTENDED_OPEN_NS)
    return Sessions(regular.session_ns, opens, regular.close_ns + _AFTER_CLOSE_NS)


def _new_york_to_utc(local_ns: IntArray) -> IntArray:
    """New York wall clock as UTC; only for hours that the change of clocks never touches."""
    import pandas as pd

    local = pd.DatetimeIndex(local_ns.view("datetime64[ns]")).tz_localize("America/New_York")
    return _plain_ns(local.tz_convert(None))


def _plain_ns(times: Any) -> IntArray:
    """A pandas index or series of times without zone, as nanoseconds."""
    ns: IntArray = times.to_numpy().astype("datetime64[ns]").astype(np.int64)
    return ns


@lru_cache(maxsize=4)
def _xnys(first_year: int, last_year: int) -> Sessions:
    """All New York sessions of some years."""
    import exchange_calendars as xcals

    with warnings.catch_warnings():
        # Its use of Series.values is deprecated by pandas 3.1; nothing that a user of ours could mend.
        warnings.simplefilter("ignore")
        calendar = xcals.get_calendar("XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31")
    # opens and closes carry a zone, sessions do not; all three become plain nanoseconds.
    opens, closes = (calendar.schedule[name].dt.tz_convert(None) for name in ("open", "close"))
    return Sessions(_plain_ns(calendar.schedule.index), _plain_ns(opens), _plain_ns(closes))


def _years_around(start_ns: int, stop_ns: int) -> tuple[int, int]:
    """The usual span of years, widened by decades where the range needs it."""
    first, last = _date(start_ns).year, _date(max(stop_ns, start_ns)).year
    return min(_YEARS[0], first // 10 * 10), max(_YEARS[1], last // 10 * 10 + 9)


def _midnight_ns(day: dt.date | str, name: str) -> int:
    """Nanoseconds of a date's midnight."""
    try:
        date = dt.date.fromisoformat(day) if isinstance(day, str) else dt.date(day.year, day.month, day.day)
    except ValueError:
        raise DataError(f"`{name}` must be a date such as 2024-01-02, was {day!r}") from None
    if not 1885 <= date.year <= 2200:
        raise DataError(f"`{name}` was {date.isoformat()}; calendars reach from 1885 to 2200")
    return (date - dt.date(1970, 1, 1)).days * DAY_NS


def _date(ts_ns: int) -> dt.date:
    """UTC date of an instant."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(ts_ns) // DAY_NS)
