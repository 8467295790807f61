"""Whether the last minutes move far more than the last hours did."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state
from ..types import FloatArray

FIVE_MINUTES_TO_AN_HOUR = math.sqrt(12.0)  # a random walk goes so much further in an hour
MAX_RATIO = 1e6  # also where the slow range is 0: an estimate of nothing is no divisor


class Spike(NamedTuple):
    """What ``volatility_spike`` returns."""

    spike: FloatArray
    ratio: FloatArray


@kernel
def volatility_spike_step(
    atr_fast: float, atr_slow: float, threshold: float, scale: float
) -> tuple[float, float]:
    """Flag and ratio of one bar."""
    if not np.isfinite(atr_fast + atr_slow):
        return np.nan, np.nan
    fast = atr_fast * scale
    if fast <= 0.0:
        return 0.0, 0.0
    ratio = MAX_RATIO if fast >= MAX_RATIO * atr_slow else fast / atr_slow
    return 1.0 if fast > threshold * atr_slow else 0.0, ratio


def volatility_spike(
    atr_fast: ArrayLike,
    atr_slow: ArrayLike,
    *,
    threshold: float = 2.0,
    scale: float = FIVE_MINUTES_TO_AN_HOUR,
) -> Spike:
    """Flag where the range of short bars is out of proportion to that of long bars.

    Parameters
    ----------
    atr_fast : array_like, shape (n_bars,), quote currency
        Average true range of short bars, such as 5 minutes.
    atr_slow : array_like, shape (n_bars,), quote currency
        Average true range of long bars, such as an hour, as known at the close of each short bar.
    threshold : float, 0 to 1e6
        Ratio above which it is a spike.
    scale : float, 1e-6 to 1e6
        Factor of `atr_fast`: the root of how many short bars make a long one, or 1 for the raw comparison.

    Returns
    -------
    Spike
        `spike` (1 or 0) and `ratio` (0 to 1e6), each a float64 ndarray of shape (n_bars,). Position t uses
        position t only. There is no warm-up beyond that of the inputs.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: ratio = scale * atr_fast / atr_slow; spike = scale * atr_fast > threshold * atr_slow.

    NaN policy: a bar with an input that is NaN or infinite yields NaN. Why the default scales: ranges grow
    with the root of time, so that in a quiet market the raw ratio of 5 minutes to an hour rests near 0.27 and
    the scaled one near 0.95. In generated minutes of 0.02 to 0.05% volatility, with averages over 10 short
    and 14 long bars, a fall of 5% within 2 minutes always lifted the scaled ratio above 2 by the close of its
    bar, and quiet never did; the raw one missed most falls. A shorter average (5) also sees that fall among
    minutes of 0.15%, but takes more ordinary mornings for spikes; one of 14 misses it from 0.05% on.

    The ratio is limited to 1e6, which also stands where `atr_slow` is 0 and `atr_fast` is not; where
    `atr_fast` is 0 both outputs are 0.

    Examples
    --------
    >>> volatility_spike([0.2, 1.0], [1.0, 1.0], scale=4.0)
    Spike(spike=array([0., 1.]), ratio=array([0.8, 4. ]))
    """
    series = {"atr_fast": atr_fast, "atr_slow": atr_slow}
    return Spike(*evaluate(VOLATILITY_SPIKE, series, threshold=threshold, scale=scale))


VOLATILITY_SPIKE = Indicator(
    name="volatility_spike",
    inputs=("atr_fast", "atr_slow"),
    params=(
        IndicatorParam("threshold", 2.0, 0.0, MAX_RATIO, False),
        IndicatorParam("scale", FIVE_MINUTES_TO_AN_HOUR, 1e-6, 1e6, False),
    ),
    outputs=Spike._fields,
    init=lambda *_: fresh_state(()),
    warmup=lambda *_: 0,
    step=volatility_spike_step,
    public=volatility_spike,
)
