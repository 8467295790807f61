"""What happens on a row of time: is there a bar, may orders fill, does the rule decide, does a session end.

The answers depend on time alone and are the same for all lanes of a symbol, so they are worked out once,
as bits of a flag. Nothing here looks ahead: a row that should end a session but never came is made up for
on the next row that does come.
"""

import numpy as np

from .decorator import entry
from .types import FloatArray, IntArray

BAR = 1  # the symbol traded
FILL = 2  # orders decided earlier may execute at this bar's open
DECIDE = 4  # a decision bar became complete
SESSION_END = 8  # this row closes its session
LATE_SESSION_END = 16  # the session before ended without its last row

VOLUME_BARS = 20  # SPEC 4.3: orders are large against the mean volume of 20 bars

# Counters of a symbol's clock.
SESSION_CLOSE, SESSION_OPEN, WAITING, DECIDED_NS, N_BARS, N_VOLUMES = range(6)
N_COUNTERS = 6


@entry
def clock_run(
    close_ns: IntArray,
    session_close_ns: IntArray,
    bars: FloatArray,
    decides: IntArray,
    bar_ns: int,
    delay_ns: int,
    counters: IntArray,
    volumes: FloatArray,
    flags: IntArray,
    mean_volume: FloatArray,
) -> None:
    """Drive the clock of one symbol over rows of time.

    Parameters
    ----------
    close_ns, session_close_ns : ndarray of int64, shape (n_bars,)
    bars : ndarray of float64, shape (n_bars, 5)
    decides : ndarray of int64, shape (n_bars,)
        Row of the decision bar that became complete, -1 where none did.
    bar_ns, delay_ns : int
        An order decided at a close fills at the first bar that starts at least `delay_ns` later; a bar
        starts `bar_ns` before its close.
    counters, volumes : ndarray of int64, shape (N_COUNTERS,), of float64, shape (VOLUME_BARS,)
        State between calls; zeros at the start.
    flags : ndarray of int64, shape (n_bars,)
        Output: sum of BAR, FILL, DECIDE, SESSION_END, LATE_SESSION_END.
    mean_volume : ndarray of float64, shape (n_bars,)
        Output: mean volume of the 20 bars before this one; NaN until there are 20, or where all are zero.
    """
    for t in range(close_ns.size):
        flag = 0
        if counters[SESSION_OPEN] == 1 and session_close_ns[t] != counters[SESSION_CLOSE]:
            flag |= LATE_SESSION_END
        has_bar = not np.isnan(bars[t, 3])
        if counters[N_BARS] == 0 and not has_bar:
            # Before its first bar a symbol has no account: no interest, no sessions, whoever else trades.
            flags[t] = 0
            mean_volume[t] = np.nan
            continue
        counters[SESSION_CLOSE] = session_close_ns[t]
        counters[SESSION_OPEN] = 1
        mean = np.nan
        if counters[N_VOLUMES] >= VOLUME_BARS:
            total = 0.0
            for i in range(VOLUME_BARS):  # summed afresh: no drift, and twenty additions cost nothing
                total += volumes[i]
            # No volume at all is a file that does not know it, not a market without trades.
            mean = total / VOLUME_BARS if total > 0.0 else np.nan
        mean_volume[t] = mean
        if has_bar:
            flag |= BAR
            counters[N_BARS] += 1
            volumes[counters[N_VOLUMES] % VOLUME_BARS] = bars[t, 4]
            counters[N_VOLUMES] += 1
            if counters[WAITING] == 1 and close_ns[t] - bar_ns >= counters[DECIDED_NS] + delay_ns:
                flag |= FILL
                counters[WAITING] = 0
        if decides[t] >= 0:
            flag |= DECIDE
            counters[WAITING] = 1
            counters[DECIDED_NS] = close_ns[t]
        if close_ns[t] >= session_close_ns[t]:
            flag |= SESSION_END
            counters[SESSION_OPEN] = 0
        flags[t] = flag
