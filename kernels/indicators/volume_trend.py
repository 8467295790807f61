"""Whether volume goes with the buyers or with the sellers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import entry, kernel
from ..dense import BLOCK, is_dense
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import next_slot
from .ema import EmaState, ema_step
from .obv import NOTHING, LongSum, long_add

TINY = 2.3e-308  # smallest normal float, about: as a range it stands for none


@kernel
def close_location(high: float, low: float, close: float) -> float:
    """Where in its bar the close lies: 1 at the high, -1 at the low, 0 in the middle or without a range.

    Without branches, which a processor guesses wrongly on an illiquid symbol.
    """
    location = ((close - low) - (high - close)) / max(high - low, TINY)
    return max(min(location, 1.0), -1.0)


class AccumulationDistributionState(NamedTuple):
    """Header of the state; there is no ring."""

    line: LongSum  # unit of the volume


def accumulation_distribution_init() -> FloatArray:
    """Make a fresh state."""
    return fresh_state(NOTHING)


def accumulation_distribution_warmup() -> int:
    """Leading NaN values."""
    return 0


@kernel
def accumulation_distribution_step(
    state: AccumulationDistributionState, high: float, low: float, close: float, volume: float
) -> tuple[AccumulationDistributionState, float]:
    """Advance by one bar and return the new state and the line."""
    if not np.isfinite(high + low + close + volume):
        return state, np.nan
    line, total = long_add(state.line, close_location(high, low, close) * volume)
    return AccumulationDistributionState(line), total


@entry
def accumulation_distribution_dense(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, out: FloatArray
) -> bool:
    """Fill `out` for a series without gaps: all divisions at once, then the sum."""
    line = LongSum(0, 0.0, 0.0, 0.0)
    for start in range(0, close.size, BLOCK):
        stop = min(start + BLOCK, close.size)
        # Slices, because an index that might be negative keeps the loop scalar.
        highs, lows, closes, volumes = (
            high[start:stop],
            low[start:stop],
            close[start:stop],
            volume[start:stop],
        )
        if not (is_dense(highs) and is_dense(lows) and is_dense(closes) and is_dense(volumes)):
            return False
        lines = out[start:stop]
        for i in range(stop - start):
            lines[i] = close_location(highs[i], lows[i], closes[i]) * volumes[i]
        for i in range(stop - start):
            line, lines[i] = long_add(line, lines[i])
    return True


def accumulation_distribution(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike
) -> FloatArray:
    """Volume since the first bar, each bar's weighed by where its close lies in its range.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency
        Prices of consecutive bars, oldest first.
    volume : array_like, shape (n_bars,), shares, contracts or coins
        Volume of each bar.

    Returns
    -------
    ndarray of float64, shape (n_bars,), unit of `volume`
        ``out[t]`` uses bars ``0..t`` only. There is no warm-up.

    Raises
    ------
    ValueError
        If the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: ad[t] = ad[t-1] + volume[t] * ((close - low) - (high - close)) / (high - low), ad[-1] = 0.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. A bar
    without a range adds nothing, as in TA-Lib; a close outside of its bar counts as at the end of it. Like
    ``obv`` it never forgets, its sum is right to the last digits, and its level depends on where the data
    began.

    References
    ----------
    Chaikin, M., after Williams, L.; in Achelis, S. B. (1995). Technical Analysis from A to Z,
    "Accumulation/Distribution".

    Examples
    --------
    >>> accumulation_distribution([4.0, 5.0, 5.0], [2.0, 1.0, 5.0], [4.0, 2.0, 5.0], [10.0, 8.0, 6.0])
    array([10.,  6.,  6.])
    """
    series = {"high": high, "low": low, "close": close, "volume": volume}
    return evaluate(ACCUMULATION_DISTRIBUTION, series)[0]


class ChaikinMoneyFlowState(NamedTuple):
    """Header of the state; the ring has two numbers per slot (see ``windows`` for the way sums are kept).

    A slot holds a bar's weighed volume and its volume, later the tail sums of both.
    """

    slot: int  # of the ring, which the next bar takes; 0 begins a block
    head_flow: float  # weighed volume since the block began
    head_volume: float  # volume since the block began


def chaikin_money_flow_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(ChaikinMoneyFlowState(0, 0.0, 0.0), 2 * int(lookback))


def chaikin_money_flow_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def chaikin_money_flow_step(
    state: ChaikinMoneyFlowState,
    ring: FloatArray,
    high: float,
    low: float,
    close: float,
    volume: float,
    lookback: int,
) -> tuple[ChaikinMoneyFlowState, float]:
    """Advance by one bar and return the new state and the share."""
    if not np.isfinite(high + low + close + volume):
        return state, np.nan
    slot, head_flow, head_volume = state
    if slot == 0:
        head_flow, head_volume, tail_flow, tail_volume = 0.0, 0.0, 0.0, 0.0
        for i in range(lookback - 1, -1, -1):
            old_flow, old_volume = ring[2 * i], ring[2 * i + 1]
            ring[2 * i], ring[2 * i + 1] = tail_flow, tail_volume  # of the bars after i
            tail_flow += old_flow
            tail_volume += old_volume
    weighed = close_location(high, low, close) * volume
    head_flow += weighed
    head_volume += volume
    flow, traded = head_flow + ring[2 * slot], head_volume + ring[2 * slot + 1]
    if traded <= 0.0:  # written so that NaN stays NaN
        flow, traded = 0.0, 1.0
    ring[2 * slot], ring[2 * slot + 1] = weighed, volume
    return ChaikinMoneyFlowState(next_slot(slot, lookback), head_flow, head_volume), flow / traded


def chaikin_money_flow(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike, *, lookback: int = 20
) -> FloatArray:
    """Share of the volume that pressed up, from -1 (every close at its low) to 1 (every close at its high).

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
    ndarray of float64, shape (n_bars,), -1 to 1
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: sum(volume * ((close - low) - (high - close)) / (high - low)) / sum(volume) over `lookback` bars.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. A bar
    without a range presses neither way, though its volume counts below the line; without any volume the
    share is 0.

    References
    ----------
    Chaikin, M.; in Kirkpatrick, C. D. and Dahlquist, J. R. (2010). Technical Analysis, chapter 18.

    Examples
    --------
    >>> chaikin_money_flow([4.0, 5.0, 5.0], [2.0, 1.0, 5.0], [4.0, 2.0, 5.0], [10.0, 6.0, 6.0], lookback=2)
    array([    nan,  0.4375, -0.25  ])
    """
    series = {"high": high, "low": low, "close": close, "volume": volume}
    return evaluate(CHAIKIN_MONEY_FLOW, series, lookback=lookback)[0]


class ForceIndexState(NamedTuple):
    """Header of the state; there is no ring."""

    previous_close: float  # quote currency; NaN before the first valid bar
    average: EmaState  # quote currency times volume


def force_index_init(lookback: int) -> FloatArray:
    """Make a fresh state."""
    return fresh_state([np.nan, *EmaState(0.0, 0)])


def force_index_warmup(lookback: int) -> int:
    """Leading NaN values."""
    return int(lookback)


@kernel
def force_index_step(
    state: ForceIndexState, close: float, volume: float, lookback: int
) -> tuple[ForceIndexState, float]:
    """Advance by one bar and return the new state and the average."""
    if not np.isfinite(close + volume):
        return state, np.nan
    if np.isnan(state.previous_close):
        return ForceIndexState(close, state.average), np.nan
    average, force = ema_step(state.average, (close - state.previous_close) * volume, lookback)
    return ForceIndexState(close, average), force


def force_index(close: ArrayLike, volume: ArrayLike, *, lookback: int = 13) -> FloatArray:
    """Elder's force index: how far the price moved, times the volume that moved it, smoothed.

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first.
    volume : array_like, shape (n_bars,), shares, contracts or coins
        Volume of each bar.
    lookback : int, bars, >= 1
        Length of the exponential average; 1 gives the raw force.

    Returns
    -------
    ndarray of float64, shape (n_bars,), quote currency times unit of `volume`
        ``out[t]`` uses bars ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: ema((close[t] - close[t-1]) * volume[t]), an ``ema`` of `lookback` values.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. On a
    flat price, or without volume, the force is 0.

    References
    ----------
    Elder, A. (1993). Trading for a Living, "Force Index".

    Examples
    --------
    >>> force_index([10.0, 11.0, 9.0, 10.0], [5.0, 6.0, 2.0, 4.0], lookback=2)
    array([nan, nan,  1.,  3.])
    """
    return evaluate(FORCE_INDEX, {"close": close, "volume": volume}, lookback=lookback)[0]


ACCUMULATION_DISTRIBUTION = Indicator(
    name="accumulation_distribution",
    inputs=("high", "low", "close", "volume"),
    params=(),
    outputs=("accumulation_distribution",),
    init=accumulation_distribution_init,
    warmup=accumulation_distribution_warmup,
    step=accumulation_distribution_step,
    public=accumulation_distribution,
    dense=accumulation_distribution_dense,
)

CHAIKIN_MONEY_FLOW = Indicator(
    name="chaikin_money_flow",
    inputs=("high", "low", "close", "volume"),
    params=(lookback_param(20),),
    outputs=("chaikin_money_flow",),
    init=chaikin_money_flow_init,
    warmup=chaikin_money_flow_warmup,
    step=chaikin_money_flow_step,
    public=chaikin_money_flow,
)

FORCE_INDEX = Indicator(
    name="force_index",
    inputs=("close", "volume"),
    params=(lookback_param(13),),
    outputs=("force_index",),
    init=force_index_init,
    warmup=force_index_warmup,
    step=force_index_step,
    public=force_index,
)
