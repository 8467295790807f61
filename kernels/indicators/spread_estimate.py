"""What the spread between bid and ask probably was, from highs and lows alone."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, evaluate, fresh_state, lookback_param
from ..types import FloatArray
from ..windows import EMPTY, Window, window_total
from .realised_volatility import log_ratio

_SCALE = 1.0 + math.sqrt(2.0)


class SpreadEstimate(NamedTuple):
    """What ``corwin_schultz`` returns."""

    corwin_schultz: FloatArray
    spread_estimate: FloatArray


class CorwinSchultzState(NamedTuple):
    """Header of the state; the ring is that of the sum of estimates."""

    previous_high: float  # quote currency; NaN before the first valid bar
    previous_low: float
    previous_close: float
    window: Window


@kernel
def corwin_schultz_pair(
    high: float, low: float, previous_high: float, previous_low: float, previous_close: float
) -> float:
    """Spread that two consecutive bars imply, as a fraction of price; 0 where they imply less.

    The paper's alpha = (sqrt(2 b) - sqrt(b)) / (3 - 2 sqrt(2)) - sqrt(g / (3 - 2 sqrt(2))), with b the sum of
    the squared log ranges and g the squared log range of both bars, is (1 + sqrt(2)) (sqrt(b) - sqrt(g)), and
    its 2 (e^alpha - 1) / (1 + e^alpha) is 2 tanh(alpha / 2), which does not overflow.
    """
    reach = high - low
    if previous_close < low:  # it rose between the bars: shift the second one until it touches the close
        high, low = previous_close + reach, previous_close
    elif previous_close > high:
        high, low = previous_close, previous_close - reach
    first, second = log_ratio(previous_high, previous_low), log_ratio(high, low)
    both = log_ratio(max(high, previous_high), min(low, previous_low))
    alpha = _SCALE * (math.sqrt(first * first + second * second) - both)
    if alpha <= 0.0:
        return 0.0
    return 2.0 * math.tanh(0.5 * alpha)


@kernel
def corwin_schultz_step(
    state: CorwinSchultzState, ring: FloatArray, high: float, low: float, close: float, lookback: int
) -> tuple[CorwinSchultzState, float, float]:
    """Advance by one bar and return the new state and the spread, as a fraction and in quote currency."""
    if not (0.0 < low <= high < np.inf and 0.0 < close < np.inf):
        return state, np.nan, np.nan
    previous_high, previous_low, previous_close, window = state
    if np.isnan(previous_close):
        return CorwinSchultzState(high, low, close, window), np.nan, np.nan
    pair = corwin_schultz_pair(high, low, previous_high, previous_low, previous_close)
    window, total = window_total(window, ring, pair, lookback)
    spread = total * (1.0 / lookback)
    return CorwinSchultzState(high, low, close, window), spread, spread * close


def corwin_schultz(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, *, lookback: int = 20
) -> SpreadEstimate:
    """Spread between bid and ask as highs and lows give it away: they are bought, lows are sold.

    Parameters
    ----------
    high, low, close : array_like, shape (n_bars,), quote currency, above 0
        Prices of consecutive bars, oldest first; the paper uses daily ones.
    lookback : int, >= 1
        Number of pairs of neighbouring bars whose estimates are averaged.

    Returns
    -------
    SpreadEstimate
        `corwin_schultz`, the whole spread as a fraction of price (0 to 2), and `spread_estimate`, the same
        times the close, in quote currency; each a float64 ndarray of shape (n_bars,). Position t uses bars
        ``0..t`` only. The first `lookback` values are NaN (warm-up).

    Raises
    ------
    ValueError
        If `lookback` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: b = ln(H1 / L1)^2 + ln(H2 / L2)^2, g = ln(max(H1, H2) / min(L1, L2))^2 of two bars in a row;
    a = (sqrt(2 b) - sqrt(b)) / (3 - 2 sqrt(2)) - sqrt(g / (3 - 2 sqrt(2))); S = 2 (e^a - 1) / (1 + e^a);
    mean of max(S, 0) over the last n pairs.

    NaN policy: a bar with a price that is NaN, infinite or not above 0, or a high below its low, yields NaN
    and leaves the state as it was. A close outside the next bar's range counts as a move between the bars:
    the second bar is shifted until its range touches that close, as in the paper. Negative estimates count as
    0, as in the paper, which has a price: bars without any spread already give 0.4 of a bar's volatility (in
    generated bars), so spreads much narrower than that cannot be told apart. On a flat price it is 0.

    References
    ----------
    Corwin, S. A., Schultz, P. (2012). "A Simple Way to Estimate Bid-Ask Spreads from Daily High and Low
    Prices". Journal of Finance 67(2), 719-760, equations 14 and 18.

    Examples
    --------
    >>> bars = [101.0, 101.0, 101.0], [99.0, 99.0, 99.5], [100.0, 100.0, 100.0]
    >>> estimate = corwin_schultz(*bars, lookback=1)
    >>> estimate.corwin_schultz.round(6), estimate.spread_estimate.round(4)
    (array([     nan, 0.02    , 0.012017]), array([   nan, 2.    , 1.2017]))
    """
    series = {"high": high, "low": low, "close": close}
    return SpreadEstimate(*evaluate(CORWIN_SCHULTZ, series, lookback=lookback))


CORWIN_SCHULTZ = Indicator(
    name="corwin_schultz",
    inputs=("high", "low", "close"),
    params=(lookback_param(20),),
    outputs=SpreadEstimate._fields,
    init=lambda lookback: fresh_state([np.nan, np.nan, np.nan, *EMPTY], int(lookback)),
    warmup=int,
    step=corwin_schultz_step,
    public=corwin_schultz,
)
