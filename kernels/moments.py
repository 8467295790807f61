"""Mean and variance of a window, kept without subtraction (see ``sma`` for blocks, tails and heads).

What is summed are deviations from the first value of the running block, and their squares. That value belongs
to every window that ends in the block, so the squares are at most `lookback` times as large as what remains
of them after centring: the subtraction cannot lose the result, and a flat window has a variance of exactly 0.
"""

from typing import NamedTuple

from .decorator import kernel
from .types import FloatArray

# Below it squares have lost digits to underflow; what divides by a variance takes the window for flat.
SMALLEST_VARIANCE = 1e-290


class Moments(NamedTuple):
    """Header of the state; a slot of the ring has two numbers.

    It holds a value of the running block, later the tail sums of deviations and of their squares.
    """

    slot: int  # of the ring, which the next value takes; 0 begins a block
    reference: float  # first value of the running block
    head_sum: float  # deviations from it since the block began
    head_squares: float  # their squares


NO_MOMENTS = Moments(0, 0.0, 0.0, 0.0)  # a fresh header; the ring's slots are NaN


@kernel
def window_moments(
    state: Moments, ring: FloatArray, value: float, lookback: int
) -> tuple[Moments, float, float]:
    """Take a value; return the new header, the mean deviation from its reference, and the variance."""
    slot, reference, head_sum, head_squares = state
    if slot == 0:
        reference, head_sum, head_squares = value, 0.0, 0.0
        tail_sum, tail_squares = 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            deviation = ring[2 * i] - reference
            ring[2 * i], ring[2 * i + 1] = tail_sum, tail_squares  # of the values after i
            tail_sum += deviation
            tail_squares += deviation * deviation
    deviation = value - reference
    head_sum += deviation
    head_squares += deviation * deviation
    mean = (head_sum + ring[2 * slot]) * (1.0 / lookback)
    variance = (head_squares + ring[2 * slot + 1]) * (1.0 / lookback) - mean * mean
    if variance < 0.0:  # by a rounding error; written so that NaN stays NaN
        variance = 0.0
    ring[2 * slot] = value
    slot = slot + 1 if slot + 1 < lookback else 0
    return Moments(slot, reference, head_sum, head_squares), mean, variance
