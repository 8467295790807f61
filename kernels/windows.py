"""What steps keep of their last values: totals and extremes of a window, a value of some bars ago.

Each takes one addition or comparison or two per bar, whatever the length of the window. Time is cut into
blocks of `lookback` values. A window is the tail of the finished block and the head of the running one: what
all tails add up to is worked out in one pass when a block is complete, the head grows by one value per bar.
Nothing is ever taken away again, so nothing drifts, and a bad tick is gone with its window.

A ring has `lookback` slots: of the values of the running block from slot 0 on, of the finished block's tails
behind it. Its slots begin as NaN, and a window that still reaches into them is NaN: that is the warm-up. No
NaN is ever pushed (steps leave unknown bars out), so a finished block is all NaN or all known, and the plain
comparisons below, which processors have an instruction for, carry its NaN along.
Whoever keeps several windows gives each its own part of one ring.
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel
from .types import FloatArray


class Window(NamedTuple):
    """Header of a total or an extreme."""

    slot: int  # of the ring, which the next value takes; 0 begins a block
    head: float  # total or extreme of the running block


class WindowRange(NamedTuple):
    """Header of both extremes; the ring has two numbers per slot, of highs and of lows."""

    slot: int
    highest: float  # of the running block
    lowest: float


EMPTY = Window(0, 0.0)  # fresh headers; the ring's slots are NaN
EMPTY_RANGE = WindowRange(0, -np.inf, np.inf)


@kernel
def next_slot(slot: int, lookback: int) -> int:
    """Slot after this one."""
    return slot + 1 if slot + 1 < lookback else 0


@kernel
def window_total(state: Window, ring: FloatArray, value: float, lookback: int) -> tuple[Window, float]:
    """Take a value and return the new header and the sum of the last `lookback` values.

    For values of one sign, or whose sum may be judged by their size: for a mean or a deviation of prices see
    ``sma`` and ``bollinger``, which sum deviations from a value of the window.
    """
    slot, head = state
    if slot == 0:
        head, tail = 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            old = ring[i]
            ring[i] = tail  # of the values after i
            tail += old
    head += value
    total = head + ring[slot]
    ring[slot] = value
    return Window(next_slot(slot, lookback), head), total


@kernel
def window_max(state: Window, ring: FloatArray, value: float, lookback: int) -> tuple[Window, float]:
    """Take a value and return the new header and the highest of the last `lookback` values."""
    slot, head = state
    if slot == 0:
        head, tail = -np.inf, -np.inf
        for i in range(lookback - 1, -1, -1):
            old = ring[i]
            ring[i] = tail
            tail = tail if tail > old else old
    head = head if head > value else value
    highest = head if head > ring[slot] else ring[slot]
    ring[slot] = value
    return Window(next_slot(slot, lookback), head), highest


@kernel
def window_min(state: Window, ring: FloatArray, value: float, lookback: int) -> tuple[Window, float]:
    """Take a value and return the new header and the lowest of the last `lookback` values."""
    slot, head = state
    if slot == 0:
        head, tail = np.inf, np.inf
        for i in range(lookback - 1, -1, -1):
            old = ring[i]
            ring[i] = tail
            tail = tail if tail < old else old
    head = head if head < value else value
    lowest = head if head < ring[slot] else ring[slot]
    ring[slot] = value
    return Window(next_slot(slot, lookback), head), lowest


@kernel
def window_range(
    state: WindowRange, ring: FloatArray, high: float, low: float, lookback: int
) -> tuple[WindowRange, float, float]:
    """Take a bar and return the new header, the highest high and the lowest low of the last `lookback` bars.

    ``window_max`` and ``window_min`` in one pass, which takes half the time of both.
    """
    slot, head_high, head_low = state
    if slot == 0:
        head_high, head_low, tail_high, tail_low = -np.inf, np.inf, -np.inf, np.inf
        for i in range(lookback - 1, -1, -1):
            old_high, old_low = ring[2 * i], ring[2 * i + 1]
            ring[2 * i], ring[2 * i + 1] = tail_high, tail_low  # of the bars after i
            tail_high = tail_high if tail_high > old_high else old_high
            tail_low = tail_low if tail_low < old_low else old_low
    head_high = head_high if head_high > high else high
    head_low = head_low if head_low < low else low
    tail_high, tail_low = ring[2 * slot], ring[2 * slot + 1]
    ring[2 * slot], ring[2 * slot + 1] = high, low
    highest = head_high if head_high > tail_high else tail_high
    lowest = head_low if head_low < tail_low else tail_low
    return WindowRange(next_slot(slot, lookback), head_high, head_low), highest, lowest


@kernel
def lag(slot: int, ring: FloatArray, value: float, lookback: int) -> tuple[int, float]:
    """Take a value and return the next slot and the value that came `lookback` before; NaN without one.

    Not a window of blocks: the ring holds the last `lookback` values, `slot` begins at 0.
    """
    due = ring[slot]
    ring[slot] = value
    return next_slot(slot, lookback), due
