"""Relative volume: how unusual the volume of a bar is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from .sma import SmaState, sma_step


class RelativeVolumeState(NamedTuple):
    """Header of the state; the ring is that of the mean."""

    mean: float  # unit of the volume; of the bars so far, NaN during the warm-up
    window: SmaState


def relative_volume_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state([np.nan, *SmaState(0, 0.0, 0.0)], int(lookback))


def relative_volume_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def relative_volume_step(
    state: RelativeVolumeState, ring: FloatArray, volume: float, lookback: int
) -> tuple[RelativeVolumeState, float]:
    """Advance by one bar and return the new state and the ratio."""
    if not np.isfinite(volume):
        return state, np.nan
    if state.mean > 0.0:
        ratio = volume / state.mean
    elif np.isnan(state.mean):
        ratio = np.nan
    else:
        ratio = float(lookback) if volume > 0.0 else 1.0
    window, mean = sma_step(state.window, ring, volume, lookback)
    return RelativeVolumeState(mean, window), ratio


def relative_volume(volume: ArrayLike, *, lookback: int = 20) -> FloatArray:
    """Volume over the mean volume of the bars before it.

    Parameters
    ----------
    volume : array_like, shape (n_bars,), shares, contracts or coins
        Volume of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Number of bars whose mean is the measure: those before the current one, which is not among them.

    Returns
    -------
    ndarray of float64, shape (n_bars,), ratio >= 0
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or `volume` is not a 1-D array of numbers.

    Notes
    -----
    Formula: volume[t] / mean(volume[t - lookback : t]).

    NaN policy: a volume that is NaN or infinite yields NaN and leaves the state as it was. With the current
    bar in its own measure a burst would hide itself: twenty times the usual volume would read as ten. Where
    nothing was traded before, a bar without volume is as usual (1) and one with volume is `lookback` times
    as much, what it would be if it were in the mean itself. The measure does not know the hour: within a day
    the first and the last bars are always busy.

    Examples
    --------
    >>> relative_volume([10.0, 30.0, 40.0, 35.0], lookback=2)
    array([nan, nan,  2.,  1.])
    """
    return evaluate(RELATIVE_VOLUME, {"volume": volume}, lookback=lookback)[0]


RELATIVE_VOLUME = Indicator(
    name="relative_volume",
    inputs=("volume",),
    params=(lookback_param(20),),
    outputs=("relative_volume",),
    init=relative_volume_init,
    warmup=relative_volume_warmup,
    step=relative_volume_step,
    public=relative_volume,
)
