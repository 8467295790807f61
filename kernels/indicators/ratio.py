"""One series over another: what makes a level comparable between symbols and times."""

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state
from ..types import FloatArray


@kernel
def ratio_step(x: float, y: float) -> float:
    """Return x / y."""
    if not np.isfinite(x - y):
        return np.nan
    return x / y if y != 0.0 else 0.0


@kernel
def distance_step(x: float, y: float) -> float:
    """Return how far x lies from y, as a fraction of y."""
    if not np.isfinite(x - y):
        return np.nan
    return (x - y) / abs(y) if y != 0.0 else 0.0


def ratio(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """One series divided by another.

    Parameters
    ----------
    x, y : array_like, shape (n_bars,)
        Values of the same bars.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `x` per unit of `y`
        ``out[t]`` uses bar t only; there is no warm-up.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: x / y, and 0 where y is 0.

    NaN policy: a bar with an input that is NaN or infinite yields NaN; there is no state.

    Examples
    --------
    >>> ratio([1.0, 3.0, 2.0], [2.0, 2.0, 0.0])
    array([0.5, 1.5, 0. ])
    """
    return evaluate(RATIO, {"x": x, "y": y})[0]


def distance(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """How far one series lies above (or, negative, below) another, as a fraction of the other's size.

    Parameters
    ----------
    x, y : array_like, shape (n_bars,)
        Values of the same bars, such as a close and its mean.

    Returns
    -------
    ndarray of float64, shape (n_bars,), fraction
        ``out[t]`` uses bar t only; there is no warm-up.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: (x - y) / |y|, and 0 where y is 0.

    NaN policy: a bar with an input that is NaN or infinite yields NaN; there is no state.

    Examples
    --------
    >>> distance([101.0, 98.0], [100.0, 100.0])
    array([ 0.01, -0.02])
    """
    return evaluate(DISTANCE, {"x": x, "y": y})[0]


RATIO = Indicator(
    name="ratio",
    inputs=("x", "y"),
    params=(),
    outputs=("ratio",),
    init=lambda: fresh_state(()),
    warmup=lambda: 0,
    step=ratio_step,
    public=ratio,
)

DISTANCE = Indicator(
    name="distance",
    inputs=("x", "y"),
    params=(),
    outputs=("distance",),
    init=lambda: fresh_state(()),
    warmup=lambda: 0,
    step=distance_step,
    public=distance,
)
