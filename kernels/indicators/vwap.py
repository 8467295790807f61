"""Mean price weighted by volume: since the session opened, or over the last bars.

Both sum volume times the distance from a reference price, one at which volume was traded within the very
window: the sums are small, a price that never moved is met exactly, and rounding is a share of the moves, not
of the price.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import next_slot
from .obv import NOTHING, LongSum, long_add


class VwapState(NamedTuple):
    """Header of the state; there is no ring."""

    session_open: float  # seconds of the wall clock; NaN before the first valid bar
    reference: float  # quote currency; typical price of the session's first bar with volume
    flow: LongSum  # volume times distance from it
    volume: LongSum  # of the session so far


def vwap_init() -> FloatArray:
    """Make a fresh state."""
    return fresh_state([np.nan, 0.0, *NOTHING, *NOTHING])


def vwap_warmup() -> int:
    """Leading NaN values."""
    return 0


@kernel
def typical_price(high: float, low: float, close: float) -> float:
    """Mean of high, low and close, in a form that meets a bar without range exactly."""
    return close + ((high - close) + (low - close)) / 3.0


@kernel
def vwap_step(
    state: VwapState, high: float, low: float, close: float, volume: float, session_open: float
) -> tuple[VwapState, float]:
    """Advance by one bar and return the new state and the mean price."""
    if not np.isfinite(high + low + close + volume + session_open):
        return state, np.nan
    before = state
    if session_open != state.session_open:
        nothing = LongSum(0, 0.0, 0.0, 0.0)
        before = VwapState(session_open, 0.0, nothing, nothing)
    typical = typical_price(high, low, close)
    reference = before.reference if before.volume.total + before.volume.head > 0.0 else typical
    flows, flow = long_add(before.flow, (typical - reference) * volume)
    volumes, traded = long_add(before.volume, volume)
    if traded <= 0.0:
        flow, traded = 0.0, 1.0  # the reference is the bar's own price
    return VwapState(session_open, reference, flows, volumes), reference + flow / traded


def vwap(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike, session_open: ArrayLike
) -> FloatArray:
    """Mean price of what was traded since the session opened.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    volume : array_like, shape (n_bars,), shares, contracts or coins
        Volume of each bar.
    session_open : array_like, shape (n_bars,), seconds of the wall clock
        When the session of each bar opened; a new value begins a new mean.

    Returns
    -------
    ndarray of float64, shape (n_bars,), quote currency
        ``out[t]`` uses bars ``0..t`` only. There is no warm-up.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: sum(p * volume) / sum(volume) over the session's bars so far, p = (high + low + close) / 3.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. Until
    the session has volume it is the typical price p of the bar itself. A bar knows its prices only by p: the
    mean of single trades would differ by a share of the bar's range.

    References
    ----------
    Berkowitz, S. A., Logue, D. E. and Noser, E. A. (1988). "The Total Cost of Transactions on the NYSE".
    Journal of Finance 43(1).

    Examples
    --------
    >>> price = [10.0, 12.0, 20.0, 21.0]
    >>> vwap(price, price, price, [1.0, 3.0, 0.0, 5.0], [0.0, 0.0, 86_400.0, 86_400.0])
    array([10. , 11.5, 20. , 21. ])
    """
    series = {"high": high, "low": low, "close": close, "volume": volume, "session_open": session_open}
    return evaluate(VWAP, series)[0]


class RollingVwapState(NamedTuple):
    """Header of the state; the ring has two numbers per slot (see ``sma`` for the way sums are kept).

    A slot holds a typical price of the running block and its volume, later the tail sums of volume times
    distance and of volume.
    """

    slot: int  # of the ring, which the next bar takes; 0 begins a block
    reference: float  # quote currency; typical price of the block's first bar
    head_flow: float  # volume times distance from it since the block began
    head_volume: float  # volume since the block began


def rolling_vwap_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(RollingVwapState(0, 0.0, 0.0, 0.0), 2 * int(lookback))


def rolling_vwap_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def rolling_vwap_step(
    state: RollingVwapState,
    ring: FloatArray,
    high: float,
    low: float,
    close: float,
    volume: float,
    lookback: int,
) -> tuple[RollingVwapState, float]:
    """Advance by one bar and return the new state and the mean price."""
    if not np.isfinite(high + low + close + volume):
        return state, np.nan
    slot, reference, head_flow, head_volume = state
    typical = typical_price(high, low, close)
    if slot == 0:
        reference, head_flow, head_volume = typical, 0.0, 0.0
        tail_flow, tail_volume = 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            flow, traded = (ring[2 * i] - reference) * ring[2 * i + 1], ring[2 * i + 1]
            ring[2 * i], ring[2 * i + 1] = tail_flow, tail_volume  # of the bars after i
            tail_flow += flow
            tail_volume += traded
    head_flow += (typical - reference) * volume
    head_volume += volume
    traded = head_volume + ring[2 * slot + 1]
    if traded <= 0.0:  # written so that NaN stays NaN
        mean = typical
    else:
        mean = reference + (head_flow + ring[2 * slot]) / traded
    ring[2 * slot], ring[2 * slot + 1] = typical, volume
    return RollingVwapState(next_slot(slot, lookback), reference, head_flow, head_volume), mean


def rolling_vwap(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike, *, lookback: int = 14
) -> FloatArray:
    """Mean price of what was traded in the last `lookback` bars, whatever sessions they belong to.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    volume : array_like, shape (n_bars,), shares, contracts or coins
        Volume of each bar.
    lookback : int, bars, >= 1
        Length of the window, the current bar included.

    Returns
    -------
    ndarray of float64, shape (n_bars,), quote currency
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: sum(p * volume) / sum(volume) over `lookback` bars, p = (high + low + close) / 3.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. Where
    the window has no volume it is the typical price p of the bar itself. Some weigh (open + high + low +
    close) / 4 instead: give that mean as high, low and close.

    Examples
    --------
    >>> price = [10.0, 12.0, 20.0]
    >>> rolling_vwap(price, price, price, [1.0, 3.0, 5.0], lookback=2)
    array([ nan, 11.5, 17. ])
    """
    series = {"high": high, "low": low, "close": close, "volume": volume}
    return evaluate(ROLLING_VWAP, series, lookback=lookback)[0]


VWAP = Indicator(
    name="vwap",
    inputs=("high", "low", "close", "volume", "session_open"),
    params=(),
    outputs=("vwap",),
    init=vwap_init,
    warmup=vwap_warmup,
    step=vwap_step,
    public=vwap,
)

ROLLING_VWAP = Indicator(
    name="rolling_vwap",
    inputs=("high", "low", "close", "volume"),
    params=(lookback_param(14),),
    outputs=("rolling_vwap",),
    init=rolling_vwap_init,
    warmup=rolling_vwap_warmup,
    step=rolling_vwap_step,
    public=rolling_vwap,
)
