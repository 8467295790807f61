"""Timeframes: how long a bar is, and when it closes.

An intraday bar closes at the next multiple of its length in UTC, or at the session's end if that is
earlier: New York's hours fall on UTC's, so the first hour bar of a session (09:30) is a half hour, and the
last 4-hour bar ends with the session. A daily bar is the session.
"""

from .errors import ConfigError

MINUTE_NS = 60_000_000_000
DAY_NS = 1_440 * MINUTE_NS

TIMEFRAMES_NS = {
    "1m": MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": 60 * MINUTE_NS,
    "4h": 240 * MINUTE_NS,
    "1d": DAY_NS,
}


def timeframe_ns(timeframe: str) -> int:
    """Length of a bar in nanoseconds; a day stands for one session.

    Raises
    ------
    ConfigError
        If the timeframe is not one of ``TIMEFRAMES_NS``.
    """
    try:
        return TIMEFRAMES_NS[timeframe]
    except KeyError:
        allowed = ", ".join(TIMEFRAMES_NS)
        raise ConfigError(f"timeframe {timeframe!r} is unknown; known are {allowed}") from None
