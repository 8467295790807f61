"""What a rule wants, and the words it says it in.

``hold``, ``enter``, ``enter_short``, ``leave``, ``trail``, ``aim``, ``cancel``, ``target_weight``; an entry
is refined by ``at_limit``, ``at_stop``, ``with_target``, ``with_trailing``, ``good_for_day``,
``unprotected``, ``scored``. The words cast their arguments, because a rule that mixes ``0`` and ``0.0``
would not compile otherwise. ``kernels/README.md`` says what becomes of each.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel
from .lane import LIMIT, MARKET, STOP, STOP_LIMIT

HOLD = 0.0
ENTER = 1.0
LEAVE = 2.0
TRAIL = 3.0
ENTER_SHORT = 4.0  # in the tape alone: there an ENTER of side -1 has a number of its own
AIM = 5.0
CANCEL = 6.0
TARGET_WEIGHT = 7.0

PROFILE_STOP = float("nan")  # as a stop distance: what the risk profile says


class Intent(NamedTuple):
    """A rule's answer for one bar."""

    action: float
    reason: float  # code from the rule's REASONS
    stop: float  # TRAIL, AIM: the price where the stop, the target should be
    stop_distance: float  # ENTER: from the fill price, on the losing side; NaN: the profile's
    risk: float  # ENTER: fraction of equity lost if the stop is hit; TARGET_WEIGHT: the weight
    mode: float  # ENTER: label of the position
    side: float  # ENTER: +1 buys, -1 sells short
    kind: float  # ENTER: MARKET, LIMIT, STOP or STOP_LIMIT
    limit: float
    trigger: float
    target: float  # ENTER: distance from the fill price, on the winning side; 0: none, below: no distance
    trailing: float  # ENTER: distance at which the stop follows; 0: it does not, below: no distance
    for_day: float  # ENTER: 1 ends with the session
    unprotected: float  # ENTER: 1 waives the stop
    score: float  # ENTER: rank among entries that compete for a shared account


class PositionView(NamedTuple):
    """What a rule may know of its own position; ``qty`` 0 is flat, below zero short."""

    qty: float
    entry_price: float
    stop: float
    highest_high: float  # since the entry, the entry's bar included
    lowest_low: float
    mode: float
    target: float
    resting: float  # side of an entry that rests or is filled in part; 0: none


@kernel
def _plain(
    action: float, reason: float, stop: float, stop_distance: float, risk: float, mode: float, side: float
) -> Intent:
    nan = np.nan
    return Intent(
        action, reason, stop, stop_distance, risk, mode, side, MARKET, nan, nan, 0.0, 0.0, 0.0, 0.0, 0.0
    )


@kernel
def hold(reason: int = 0) -> Intent:
    """Do nothing; a reason tells the report what stood in the way."""
    return _plain(HOLD, float(reason), np.nan, np.nan, np.nan, 0.0, 1.0)


@kernel
def enter(stop_distance: float, risk: float, reason: int, mode: int = 0) -> Intent:
    """Buy at the next bar: `risk` of equity (a fraction) against a stop `stop_distance` below the fill."""
    return _plain(ENTER, float(reason), np.nan, float(stop_distance), float(risk), float(mode), 1.0)


@kernel
def enter_short(stop_distance: float, risk: float, reason: int, mode: int = 0) -> Intent:
    """Sell short at the next bar: `risk` of equity against a stop `stop_distance` above the fill."""
    return _plain(ENTER, float(reason), np.nan, float(stop_distance), float(risk), float(mode), -1.0)


@kernel
def leave(reason: int) -> Intent:
    """Close the position, long or short, at the next bar."""
    return _plain(LEAVE, float(reason), np.nan, np.nan, np.nan, 0.0, 1.0)


@kernel
def trail(stop: float, reason: int = 0) -> Intent:
    """Move the protective stop in the position's favour (never back); it acts from the next bar."""
    return _plain(TRAIL, float(reason), float(stop), np.nan, np.nan, 0.0, 1.0)


@kernel
def aim(target: float, reason: int = 0) -> Intent:
    """Move the target to a price; it acts from the next bar."""
    return _plain(AIM, float(reason), float(target), np.nan, np.nan, 0.0, 1.0)


@kernel
def cancel(reason: int = 0) -> Intent:
    """Take back an entry that rests."""
    return _plain(CANCEL, float(reason), np.nan, np.nan, np.nan, 0.0, 1.0)


@kernel
def target_weight(weight: float, reason: int, mode: int = 0) -> Intent:
    """Hold `weight` of equity (below zero: short) from the next bar on: buy or sell the difference.

    The profile's stop protects the position, unless ``unprotected`` waives it.
    """
    return _plain(TARGET_WEIGHT, float(reason), np.nan, np.nan, float(weight), float(mode), 1.0)


@kernel
def _distance(given: float) -> float:
    """A distance, -1 where it is none: what is denied must not look like what was not asked for."""
    distance = float(given)
    return distance if (distance > 0.0) & (distance < np.inf) else -1.0


@kernel
def at_limit(entry: Intent, price: float) -> Intent:
    """Make an entry a limit order, a stop-limit order after ``at_stop``."""
    return Intent(
        entry.action,
        entry.reason,
        entry.stop,
        entry.stop_distance,
        entry.risk,
        entry.mode,
        entry.side,
        STOP_LIMIT if (entry.kind == STOP) | (entry.kind == STOP_LIMIT) else LIMIT,
        float(price),
        entry.trigger,
        entry.target,
        entry.trailing,
        entry.for_day,
        entry.unprotected,
        entry.score,
    )


@kernel
def at_stop(entry: Intent, price: float) -> Intent:
    """Make an entry a stop order, a stop-limit order after ``at_limit``."""
    return Intent(
        entry.action,
        entry.reason,
        entry.stop,
        entry.stop_distance,
        entry.risk,
        entry.mode,
        entry.side,
        STOP_LIMIT if (entry.kind == LIMIT) | (entry.kind == STOP_LIMIT) else STOP,
        entry.limit,
        float(price),
        entry.target,
        entry.trailing,
        entry.for_day,
        entry.unprotected,
        entry.score,
    )


@kernel
def with_target(entry: Intent, distance: float) -> Intent:
    """Give an entry a target: a limit order that far beyond its fill."""
    return Intent(
        entry.action,
        entry.reason,
        entry.stop,
        entry.stop_distance,
        entry.risk,
        entry.mode,
        entry.side,
        entry.kind,
        entry.limit,
        entry.trigger,
        _distance(distance),
        entry.trailing,
        entry.for_day,
        entry.unprotected,
        entry.score,
    )


@kernel
def with_trailing(entry: Intent, distance: float) -> Intent:
    """Let an entry's stop follow the best price since, at that distance."""
    return Intent(
        entry.action,
        entry.reason,
        entry.stop,
        entry.stop_distance,
        entry.risk,
        entry.mode,
        entry.side,
        entry.kind,
        entry.limit,
        entry.trigger,
        entry.target,
        _distance(distance),
        entry.for_day,
        entry.unprotected,
        entry.score,
    )


@kernel
def good_for_day(entry: Intent) -> Intent:
    """Let an entry end with its session."""
    return Intent(
        entry.action,
        entry.reason,
        entry.stop,
        entry.stop_distance,
        entry.risk,
        entry.mode,
        entry.side,
        entry.kind,
        entry.limit,
        entry.trigger,
        entry.target,
        entry.trailing,
        1.0,
        entry.unprotected,
        entry.score,
    )


@kernel
def unprotected(entry: Intent) -> Intent:
    """Waive an entry's protective stop."""
    return Intent(
        entry.action,
        entry.reason,
        entry.stop,
        entry.stop_distance,
        entry.risk,
        entry.mode,
        entry.side,
        entry.kind,
        entry.limit,
        entry.trigger,
        entry.target,
        entry.trailing,
        entry.for_day,
        1.0,
        entry.score,
    )


@kernel
def scored(entry: Intent, score: float) -> Intent:
    """Rank an entry among those that compete for a shared account: the highest is served first."""
    return Intent(
        entry.action,
        entry.reason,
        entry.stop,
        entry.stop_distance,
        entry.risk,
        entry.mode,
        entry.side,
        entry.kind,
        entry.limit,
        entry.trigger,
        entry.target,
        entry.trailing,
        entry.for_day,
        entry.unprotected,
        float(score),
    )
