"""What a rule wants, and the words it says it in: ``hold``, ``enter``, ``enter_short``, ``leave``, ``trail``.

The words cast their arguments, because a rule that mixes ``0`` and ``0.0`` would not compile otherwise.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel

HOLD = 0.0
ENTER = 1.0
LEAVE = 2.0
TRAIL = 3.0
ENTER_SHORT = 4.0  # in the tape alone: there an ENTER of side -1 has a number of its own


class Intent(NamedTuple):
    """A rule's answer for one bar."""

    action: float
    reason: float  # code from the rule's REASONS
    stop: float  # TRAIL: where the stop should be; it is never loosened
    stop_distance: float  # ENTER: from the fill price, on the losing side
    risk: float  # ENTER: fraction of equity lost if the stop is hit
    mode: float  # ENTER: label of the position
    side: float  # ENTER: +1 buys, -1 sells short


class PositionView(NamedTuple):
    """What a rule may know of its own position; ``qty`` 0 is flat, below zero short."""

    qty: float
    entry_price: float
    stop: float
    highest_high: float  # since the entry, the entry's bar included
    lowest_low: float
    mode: float


@kernel
def hold(reason: int = 0) -> Intent:
    """Do nothing; a reason tells the report what stood in the way."""
    return Intent(HOLD, float(reason), np.nan, np.nan, np.nan, 0.0, 1.0)


@kernel
def enter(stop_distance: float, risk: float, reason: int, mode: int = 0) -> Intent:
    """Buy at the next bar: `risk` of equity (a fraction) against a stop `stop_distance` below the fill."""
    return Intent(ENTER, float(reason), np.nan, float(stop_distance), float(risk), float(mode), 1.0)


@kernel
def enter_short(stop_distance: float, risk: float, reason: int, mode: int = 0) -> Intent:
    """Sell short at the next bar: `risk` of equity against a stop `stop_distance` above the fill."""
    return Intent(ENTER, float(reason), np.nan, float(stop_distance), float(risk), float(mode), -1.0)


@kernel
def leave(reason: int) -> Intent:
    """Close the position, long or short, at the next bar."""
    return Intent(LEAVE, float(reason), np.nan, np.nan, np.nan, 0.0, 1.0)


@kernel
def trail(stop: float, reason: int = 0) -> Intent:
    """Move the protective stop in the position's favour (never back); it acts from the next bar."""
    return Intent(TRAIL, float(reason), float(stop), np.nan, np.nan, 0.0, 1.0)
