"""Clock and calendar, by the standard library."""

import calendar
import datetime as dt
import math

from .facts import Facts, Outputs, Series


def session_clock_oracle(time: Series, session_open: Series, session_close: Series) -> Outputs:
    since = [(now - start) / 60 for now, start in zip(time, session_open, strict=True)]
    left = [(end - now) / 60 for now, end in zip(time, session_close, strict=True)]
    return since, left, [gone / (gone + rest) for gone, rest in zip(since, left, strict=True)]


def time_of_day_oracle(time: Series) -> Outputs:
    minutes = []
    for now in time:
        clock = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=float(now))  # noqa: DTZ001 - a clock on a wall
        minutes.append((clock.hour * 60 + clock.minute + clock.second / 60) or 1_440.0)
    angles = [2 * math.pi * minute / 1_440 for minute in minutes]
    return minutes, [math.sin(angle) for angle in angles], [math.cos(angle) for angle in angles]


def calendar_day_oracle(session_open: Series) -> Outputs:
    rows = []
    for start in session_open:
        day = dt.date(1970, 1, 1) + dt.timedelta(days=float(start) // 86_400)
        ends = day.day == calendar.monthrange(day.year, day.month)[1]
        rows.append((day.weekday(), day.day, day.month, day.timetuple().tm_yday, ends))
    return tuple([float(row[i]) for row in rows] for i in range(5))


FACTS = {
    "calendar_day": Facts(calendar_day_oracle, [()]),
    "session_clock": Facts(session_clock_oracle, [()]),
    "time_of_day": Facts(time_of_day_oracle, [()], crosses_zero=True),
}
