"""The last values in order: how many are below a number, and which is the k-th smallest.

A search tree over the slots of the ring, kept in balance by its counts: of two brothers, neither is more than
three times as heavy as the other (weight = values + 1). The counts also answer rank and selection, so that
nothing else is stored. Whatever the values, the depth is at most log(n + 1) / log(4/3), and a bar costs
O(log n): the oldest value leaves, the newest enters, each path back to the root is mended. Among equal values
the older one comes first.

The ring holds `lookback` + 1 nodes of five numbers. Node 0 is nobody: empty children point to it, its count
is 0, its left child is the root. Slot i of time is node i + 1. Everything is a float64, so the state is a
plain vector like any other; places in it are whole numbers far below 2^53.

References: Nievergelt, J. and Reingold, E. M. (1973). Binary Search Trees of Bounded Balance. SIAM J. Comput.
2. Hirai, Y. and Yamamoto, K. (2011). Balancing Weight-Balanced Trees. J. Funct. Program. 21 (the proof that
factors of 3 and 2 hold after every insertion and deletion).
"""

from typing import NamedTuple

import numpy as np

from .decorator import kernel
from .indicator import fresh_state
from .types import FloatArray
from .windows import next_slot

VALUE, LEFT, RIGHT, PARENT, COUNT = 0, 1, 2, 3, 4  # numbers of a node; a node begins at a multiple of five
N_NUMBERS = 5
NOBODY = 0
MOST_HEAVIER = 3.0  # a subtree against its brother, before it is rotated
MOST_INNER = 2.0  # its inner child against its outer one, before that is rotated first


class SortedWindow(NamedTuple):
    """Header of the state."""

    slot: int  # of time, which the next value takes


def sorted_window_init(lookback: int) -> FloatArray:
    """Make a fresh state: all but nobody is unknown."""
    state = fresh_state(SortedWindow(0), N_NUMBERS * (int(lookback) + 1))
    ring = state[len(SortedWindow._fields) :]
    ring[LEFT], ring[COUNT] = NOBODY, 0.0
    return state


@kernel
def number_at(ring: FloatArray, place: int) -> int:
    """Place of a node that another one points to."""
    return int(ring[place])


@kernel
def put_below(ring: FloatArray, parent: int, side: int, node: int) -> None:
    """Make `node` the child of `parent` on one side."""
    ring[parent + side] = node
    ring[node + PARENT] = parent


@kernel
def put_instead(ring: FloatArray, old: int, node: int) -> None:
    """Give `node` the place of `old` below the parent of that."""
    parent = number_at(ring, old + PARENT)
    put_below(ring, parent, LEFT if ring[parent + LEFT] == old else RIGHT, node)


@kernel
def lift(ring: FloatArray, node: int, side: int) -> int:
    """Rotate: the child on one side takes the node's place, the node goes below it; return the child."""
    other = LEFT + RIGHT - side
    child = number_at(ring, node + side)
    put_instead(ring, node, child)
    put_below(ring, node, side, number_at(ring, child + other))
    put_below(ring, child, other, node)
    ring[child + COUNT] = ring[node + COUNT]
    left, right = number_at(ring, node + LEFT), number_at(ring, node + RIGHT)
    ring[node + COUNT] = ring[left + COUNT] + ring[right + COUNT] + 1.0
    return child


@kernel
def mend(ring: FloatArray, node: int) -> None:
    """Count anew and bring into balance from `node` up to the root."""
    while node != NOBODY:
        left, right = number_at(ring, node + LEFT), number_at(ring, node + RIGHT)
        left_weight, right_weight = ring[left + COUNT] + 1.0, ring[right + COUNT] + 1.0
        ring[node + COUNT] = left_weight + right_weight - 1.0
        side = NOBODY
        if right_weight > MOST_HEAVIER * left_weight:
            side = RIGHT
        elif left_weight > MOST_HEAVIER * right_weight:
            side = LEFT
        if side != NOBODY:
            other = LEFT + RIGHT - side
            child = number_at(ring, node + side)
            inner, outer = number_at(ring, child + other), number_at(ring, child + side)
            if ring[inner + COUNT] + 1.0 >= MOST_INNER * (ring[outer + COUNT] + 1.0):
                lift(ring, child, other)
            node = lift(ring, node, side)
        node = number_at(ring, node + PARENT)


@kernel
def take_out(ring: FloatArray, node: int) -> None:
    """Remove a node."""
    left, right = number_at(ring, node + LEFT), number_at(ring, node + RIGHT)
    changed = number_at(ring, node + PARENT)  # lowest node whose count is no longer right
    if left == NOBODY:
        put_instead(ring, node, right)
    elif right == NOBODY:
        put_instead(ring, node, left)
    else:  # the next larger one takes its place
        heir = right
        while ring[heir + LEFT] != NOBODY:
            heir = number_at(ring, heir + LEFT)
        changed = heir
        if heir != right:
            changed = number_at(ring, heir + PARENT)
            put_below(ring, changed, LEFT, number_at(ring, heir + RIGHT))
            put_below(ring, heir, RIGHT, right)
        put_instead(ring, node, heir)
        put_below(ring, heir, LEFT, left)
    mend(ring, changed)


@kernel
def put_in(ring: FloatArray, node: int, value: float) -> float:
    """Add a node behind all values that do not exceed its own; return how many these are."""
    n_before, parent, side = 0.0, NOBODY, LEFT
    below = number_at(ring, NOBODY + LEFT)
    while below != NOBODY:
        parent = below
        if value >= ring[below + VALUE]:
            n_before += ring[number_at(ring, below + LEFT) + COUNT] + 1.0
            side = RIGHT
        else:
            side = LEFT
        below = number_at(ring, below + side)
    ring[node + VALUE], ring[node + LEFT], ring[node + RIGHT] = value, NOBODY, NOBODY
    put_below(ring, parent, side, node)
    mend(ring, node)
    return n_before


@kernel
def sorted_window(
    state: SortedWindow, ring: FloatArray, value: float, lookback: int
) -> tuple[SortedWindow, float, float]:
    """Take a value, drop the oldest of a full window.

    Returns the new header, the number of values, and how many others are at most as large as the new one.
    """
    node = N_NUMBERS * (state.slot + 1)
    if ring[number_at(ring, NOBODY + LEFT) + COUNT] == lookback:
        take_out(ring, node)
    n_others_up_to = put_in(ring, node, value)
    n_values = ring[number_at(ring, NOBODY + LEFT) + COUNT]
    return SortedWindow(next_slot(state.slot, lookback)), n_values, n_others_up_to


@kernel
def n_below(ring: FloatArray, value: float) -> float:
    """Count the values of the window that are smaller than this one."""
    count, node = 0.0, number_at(ring, NOBODY + LEFT)
    while node != NOBODY:
        if ring[node + VALUE] < value:
            count += ring[number_at(ring, node + LEFT) + COUNT] + 1.0
            node = number_at(ring, node + RIGHT)
        else:
            node = number_at(ring, node + LEFT)
    return count


@kernel
def kth_smallest(ring: FloatArray, k: float) -> float:
    """Value with `k` values before it in order; `k` is whole, from 0 to the count less 1."""
    node = number_at(ring, NOBODY + LEFT)
    left = number_at(ring, node + LEFT)
    while ring[left + COUNT] != k:
        if ring[left + COUNT] < k:
            k -= ring[left + COUNT] + 1.0
            node = number_at(ring, node + RIGHT)
        else:
            node = left
        left = number_at(ring, node + LEFT)
    return float(ring[node + VALUE])


@kernel
def quantile(ring: FloatArray, n_values: float, q: float) -> float:
    """Quantile with a straight line between the two nearest values, to the bit as NumPy's."""
    position = (n_values - 1.0) * q
    k: float = np.floor(position)
    low = kth_smallest(ring, k)
    share = position - k
    if share == 0.0:
        return low
    high = kth_smallest(ring, k + 1.0)
    # Either end is met exactly, and more than half-way the line is drawn from the upper one.
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1.0 - share)
