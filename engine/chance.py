"""Chance that is no chance: a number in [0, 1) for every bar of a symbol, the same for ever.

A hash of the bar's close and the symbol (splitmix64, Steele, Lea and Flood, 2014), so that it depends
neither on how time is cut nor on what was drawn before.
"""

import hashlib

import numpy as np

from ..kernels.execution import GOLDEN
from ..kernels.types import BoolArray, FloatArray, IntArray
from .config import Execution

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def symbol_key(symbol: str) -> int:
    """Number of a symbol, below 2 ** 64."""
    return int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:8], "little")


def draws(close_ns: IntArray, key: int) -> FloatArray:
    """One number in [0, 1) per bar.

    Parameters
    ----------
    close_ns : ndarray of int64, shape (n_bars,)
    key : int
        Of the symbol.
    """
    with np.errstate(over="ignore"):
        z = (close_ns.astype(np.uint64) ^ (np.uint64(key) * _GAMMA)) + _GAMMA
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def missed_bars(drawn: FloatArray, execution: Execution) -> BoolArray:
    """Which bars miss fills, as the kernels see it."""
    turned = drawn + execution.seed * GOLDEN
    missed: BoolArray = turned - np.floor(turned) < execution.missed_fills
    return missed
