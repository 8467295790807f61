"""What a clock on the exchange's wall shows, as features read it.

Seconds since 1970-01-01 00:00 on that clock: midnights are multiples of 86,400 and noon is noon, in summer
and in winter. The offset from UTC is that of the session's close, so a session has one.
"""

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from ..kernels.types import FloatArray, IntArray

TIME_FIELDS = ("time", "session_open", "session_close")  # of a bar: its close, and its session's hours
_NS, _DAY_S = 1_000_000_000, 86_400
_NEW_YORK_OPEN_S = 9 * 3_600 + 30 * 60


def wall_clock(close_ns: IntArray, session_close_ns: IntArray, calendar: str) -> FloatArray:
    """`TIME_FIELDS` of bars.

    Parameters
    ----------
    close_ns, session_close_ns : ndarray of int64, shape (n_bars,)
        Closes of the bars and scheduled ends of their sessions, UTC.
    calendar : {"XNYS", "24/7"}
        Sessions of New York open at 9:30, those of a market that never closes are UTC days.

    Returns
    -------
    ndarray of float64, shape (3, n_bars), seconds
    """
    table = np.empty((len(TIME_FIELDS), close_ns.size))
    if calendar != "XNYS":
        table[0], table[2] = close_ns / _NS, session_close_ns / _NS
        table[1] = table[2] - _DAY_S
        return table
    ends, of_bar = np.unique(session_close_ns, return_inverse=True)
    offsets = np.array([_new_york_offset_s(int(end) // _NS) for end in ends], dtype=np.float64)
    if ends.size:
        offset = offsets[of_bar]
        table[0], table[2] = close_ns / _NS + offset, session_close_ns / _NS + offset
        table[1] = np.floor(table[2] / _DAY_S) * _DAY_S + _NEW_YORK_OPEN_S
    return table


@cache
def _new_york_offset_s(utc_s: int) -> float:
    offset = dt.datetime.fromtimestamp(utc_s, ZoneInfo("America/New_York")).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()
