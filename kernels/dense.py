"""Shortcuts over whole series without gaps, for the few indicators that are hardly more than a subtraction.

A step remembers what came before; that keeps processors from doing several bars at once. Where no bar is
missing and a series begins anew, the bars before stand in the series itself. A shortcut says so by returning
True, with the very bits of the step (tested for each); otherwise it has written nothing that counts.
"""

from .decorator import kernel
from .types import FloatArray

BLOCK = 256  # bars at a time, which stay in the first cache between the passes over them
LARGEST = 1e300  # of what is taken here; above it a sum of two known values may be infinite


@kernel
def is_dense(values: FloatArray) -> bool:
    """Whether every value is known and far from overflow; by counting, which needs no order."""
    n_unknown = 0
    for t in range(values.size):
        n_unknown += 0 if abs(values[t]) < LARGEST else 1
    return n_unknown == 0
