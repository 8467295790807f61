"""States of the whole market: equities, volatility, crypto, the economy.

Codes are small whole numbers with 0 in the middle; what is missing is settled above the indicators, by
``kernels.last_known`` and ``engine.market_state``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param, refuse_crossed
from ..types import FloatArray
from ..windows import next_slot
from .sma import N_HEADER as N_SMA_HEADER
from .sma import SmaState, sma_init, sma_step, sma_warmup

BEAR, NEUTRAL, BULL = -1.0, 0.0, 1.0
LOW, NORMAL, HIGH = -1.0, 0.0, 1.0
RISK_OFF, RISK_ON = -1.0, 1.0
RECESSION, SLOWDOWN, EXPANSION = -1.0, 0.0, 1.0


class TrendState(NamedTuple):
    """Header of the state; the ring is that of the mean, then the closes of the longest momentum."""

    mean: SmaState
    slot: int  # of the closes, which the next one takes; the oldest lies there


def trend_state(mean_lookback: int, momentum_lookback: int) -> FloatArray:
    """Make a fresh state."""
    mean = SmaState(*sma_init(mean_lookback)[:N_SMA_HEADER])
    return fresh_state((*mean, 0), int(mean_lookback) + int(momentum_lookback))


def equity_regime_init(mean_lookback: int, short_momentum: int, long_momentum: int) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("short_momentum", short_momentum, "long_momentum", long_momentum)
    return trend_state(mean_lookback, long_momentum)


def equity_regime_warmup(mean_lookback: int, short_momentum: int, long_momentum: int) -> int:
    """Leading NaN values."""
    return max(sma_warmup(mean_lookback), int(long_momentum))


@kernel
def equity_regime_step(
    state: TrendState,
    ring: FloatArray,
    close: float,
    mean_lookback: int,
    short_momentum: int,
    long_momentum: int,
) -> tuple[TrendState, float]:
    """Advance by one day and return the new state and the regime."""
    if not (np.isfinite(close) and close > 0.0):
        return state, np.nan
    closes, slot = ring[mean_lookback:], state.slot
    recent = slot - short_momentum
    if recent < 0:
        recent += long_momentum
    long_ago, short_ago = closes[slot], closes[recent]
    closes[slot] = close
    mean_state, mean = sma_step(state.mean, ring[:mean_lookback], close, mean_lookback)
    state = TrendState(mean_state, next_slot(slot, long_momentum))
    if np.isnan(mean) or np.isnan(long_ago):
        return state, np.nan
    growth = close / short_ago + close / long_ago  # 2 where the mean of both returns is 0
    regime = NEUTRAL
    if close > mean and growth > 2.0:
        regime = BULL
    elif close < mean and growth < 2.0:
        regime = BEAR
    return state, regime


def equity_regime(
    close: ArrayLike, *, mean_lookback: int = 200, short_momentum: int = 126, long_momentum: int = 252
) -> FloatArray:
    """Whether a stock index is in a bull or a bear market, or in neither.

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency, > 0
        Daily closes of the index (SPY), oldest first, adjusted for splits.
    mean_lookback : int, bars, >= 1
        Length of the moving mean.
    short_momentum, long_momentum : int, bars, >= 1, short <= long
        Spans of the two returns, of half a year and of a year by default.

    Returns
    -------
    ndarray of float64, shape (n_bars,)
        1 bull, -1 bear, 0 neutral. ``out[t]`` uses bars ``0..t`` only. The first
        max(`mean_lookback` - 1, `long_momentum`) values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `close` is not a 1-D array of numbers.

    Notes
    -----
    Formula: momentum = (close / close[short_momentum ago] + close / close[long_momentum ago]) / 2 - 1;
    1 if close > mean and momentum > 0; -1 if close < mean and momentum < 0; else 0.

    "Momentum of 6 to 12 months" is taken as the mean of the 6-month and the 12-month return: one number,
    between asking for both and for either.

    NaN policy: a close that is NaN, infinite or not above 0 yields NaN and leaves the state as it was. A flat
    price is neutral.

    References
    ----------
    Faber, M. T. (2007). A Quantitative Approach to Tactical Asset Allocation. Journal of Wealth
    Management 9(4).
    Jegadeesh, N. and Titman, S. (1993). Returns to Buying Winners and Selling Losers. Journal of
    Finance 48(1).

    Examples
    --------
    >>> equity_regime([1.0, 2.0, 3.0, 4.0, 1.0], mean_lookback=2, short_momentum=1, long_momentum=2)
    array([nan, nan,  1.,  1., -1.])
    """
    outputs = evaluate(
        EQUITY_REGIME,
        {"close": close},
        mean_lookback=mean_lookback,
        short_momentum=short_momentum,
        long_momentum=long_momentum,
    )
    return outputs[0]


@kernel
def level(value: float, low: float, high: float) -> float:
    """Code of a level between two thresholds that both belong to the middle."""
    if value > high:
        return HIGH
    if value < low:
        return LOW
    return NORMAL


def level_init(low: float, high: float) -> FloatArray:
    """Make a fresh state, which is empty."""
    refuse_crossed("low", low, "high", high)
    return fresh_state(())


@kernel
def vix_regime_step(vix: float, low: float, high: float) -> float:
    """Return the regime of one value."""
    return level(vix, low, high) if np.isfinite(vix) and vix > 0.0 else np.nan


def vix_regime(vix: ArrayLike, *, low: float = 15.0, high: float = 25.0) -> FloatArray:
    """Whether the market expects little or much volatility.

    Parameters
    ----------
    vix : array_like, shape (n_bars,), percent a year, > 0
        Values of the VIX.
    low, high : float, percent a year, low <= high
        Below `low` is low, above `high` is high.

    Returns
    -------
    ndarray of float64, shape (n_bars,)
        -1 low, 0 normal, 1 high. ``out[t]`` uses value t only. There is no warm-up.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `vix` is not a 1-D array of numbers.

    Notes
    -----
    Formula: -1 if vix < low; 1 if vix > high; else 0.

    NaN policy: a value that is NaN, infinite or not above 0 (the index cannot be) yields NaN.

    Examples
    --------
    >>> vix_regime([14.9, 15.0, 25.0, 25.1])
    array([-1.,  0.,  0.,  1.])
    """
    return evaluate(VIX_REGIME, {"vix": vix}, low=low, high=high)[0]


@kernel
def realised_regime_step(volatility: float, low: float, high: float) -> float:
    """Return the regime of one value."""
    return level(volatility, low, high) if np.isfinite(volatility) and volatility >= 0.0 else np.nan


def realised_regime(volatility: ArrayLike, *, low: float = 0.11, high: float = 0.21) -> FloatArray:
    """Whether a market has moved little or much: the stand-in for ``vix_regime`` where there is no VIX.

    Parameters
    ----------
    volatility : array_like, shape (n_bars,), fraction a year, >= 0
        Annualised realised volatility of the index, of about a month (0.15 = 15% a year).
    low, high : float, fraction a year, low <= high
        Below `low` is low, above `high` is high.

    Returns
    -------
    ndarray of float64, shape (n_bars,)
        -1 low, 0 normal, 1 high. ``out[t]`` uses value t only. There is no warm-up.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `volatility` is not a 1-D array of numbers.

    Notes
    -----
    Formula: -1 if volatility < low; 1 if volatility > high; else 0.

    The VIX contains a premium: realised volatility is lower, by about 4 points (Carr and Wu). So 15 and 25 of
    the VIX are 0.11 and 0.21 here. On SPY from 1998 to 2019 these split the days as the VIX does (a third
    low, a fifth high), name the same state on 71% of them and the opposite one on none. Choose others for
    another market than US equities.

    NaN policy: a value that is NaN, infinite or below 0 yields NaN. A market that does not move is low.

    References
    ----------
    Carr, P. and Wu, L. (2009). Variance Risk Premiums. Review of Financial Studies 22(3).

    Examples
    --------
    >>> realised_regime([0.1, 0.15, 0.3])
    array([-1.,  0.,  1.])
    """
    return evaluate(REALISED_REGIME, {"volatility": volatility}, low=low, high=high)[0]


def crypto_regime_init(mean_lookback: int, momentum_lookback: int) -> FloatArray:
    """Make a fresh state."""
    return trend_state(mean_lookback, momentum_lookback)


def crypto_regime_warmup(mean_lookback: int, momentum_lookback: int) -> int:
    """Leading NaN values."""
    return max(sma_warmup(mean_lookback), int(momentum_lookback))


@kernel
def crypto_regime_step(
    state: TrendState, ring: FloatArray, close: float, mean_lookback: int, momentum_lookback: int
) -> tuple[TrendState, float]:
    """Advance by one day and return the new state and the regime."""
    if not (np.isfinite(close) and close > 0.0):
        return state, np.nan
    closes, slot = ring[mean_lookback:], state.slot
    long_ago = closes[slot]
    closes[slot] = close
    mean_state, mean = sma_step(state.mean, ring[:mean_lookback], close, mean_lookback)
    state = TrendState(mean_state, next_slot(slot, momentum_lookback))
    if np.isnan(mean) or np.isnan(long_ago):
        return state, np.nan
    return state, RISK_OFF if close < mean or close < long_ago else RISK_ON


def crypto_regime(close: ArrayLike, *, mean_lookback: int = 200, momentum_lookback: int = 60) -> FloatArray:
    """Whether crypto is worth its risk.

    Parameters
    ----------
    close : array_like, shape (n_bars,), quote currency, > 0
        Daily closes of Bitcoin, oldest first.
    mean_lookback : int, bars, >= 1
        Length of the moving mean.
    momentum_lookback : int, bars, >= 1
        Span of the return.

    Returns
    -------
    ndarray of float64, shape (n_bars,)
        1 risk on, -1 risk off. ``out[t]`` uses bars ``0..t`` only. The first
        max(`mean_lookback` - 1, `momentum_lookback`) values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `close` is not a 1-D array of numbers.

    Notes
    -----
    Formula: -1 if close < mean or close < close[momentum_lookback ago]; else 1.

    NaN policy: a close that is NaN, infinite or not above 0 yields NaN and leaves the state as it was. A flat
    price is risk on.

    Examples
    --------
    >>> crypto_regime([3.0, 1.0, 2.0, 4.0], mean_lookback=2, momentum_lookback=2)
    array([nan, nan, -1.,  1.])
    """
    params = {"mean_lookback": mean_lookback, "momentum_lookback": momentum_lookback}
    return evaluate(CRYPTO_REGIME, {"close": close}, **params)[0]


def macro_regime_init(recession_pmi: float, slowdown_pmi: float) -> FloatArray:
    """Make a fresh state, which is empty."""
    refuse_crossed("recession_pmi", recession_pmi, "slowdown_pmi", slowdown_pmi)
    return fresh_state(())


@kernel
def macro_regime_step(pmi: float, curve_slope: float, recession_pmi: float, slowdown_pmi: float) -> float:
    """Return the regime of one pair of values."""
    if not np.isfinite(pmi + curve_slope):
        return np.nan
    if pmi < recession_pmi or (pmi < slowdown_pmi and curve_slope < 0.0):
        return RECESSION
    if pmi < slowdown_pmi or curve_slope < 0.0:
        return SLOWDOWN
    return EXPANSION


def macro_regime(
    pmi: ArrayLike, curve_slope: ArrayLike, *, recession_pmi: float = 45.0, slowdown_pmi: float = 50.0
) -> FloatArray:
    """Whether the economy expands, slows down or shrinks.

    Parameters
    ----------
    pmi : array_like, shape (n_bars,), points
        Purchasing managers' index, where 50 is no change. It is known on the first business day of the month
        after the one it describes, not before: see ``engine.market_state``.
    curve_slope : array_like, shape (n_bars,), percentage points
        Yield of ten-year less that of two-year government bonds; below 0 the curve is inverted.
    recession_pmi, slowdown_pmi : float, points, recession <= slowdown
        Below the first it is a recession; below the second a slowdown, or with an inverted curve a recession.

    Returns
    -------
    ndarray of float64, shape (n_bars,)
        -1 recession, 0 slowdown, 1 expansion. ``out[t]`` uses values t only. There is no warm-up.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: -1 if pmi < recession_pmi, or pmi < slowdown_pmi and curve_slope < 0; 0 if pmi < slowdown_pmi or
    curve_slope < 0; else 1.

    NaN policy: an input that is NaN or infinite yields NaN.

    References
    ----------
    Estrella, A. and Mishkin, F. S. (1998). Predicting U.S. Recessions. Review of Economics
    and Statistics 80(1).

    Examples
    --------
    >>> macro_regime([44.0, 49.0, 49.0, 51.0, 51.0], [1.0, -0.1, 1.0, -0.1, 0.0])
    array([-1., -1.,  0.,  0.,  1.])
    """
    params = {"recession_pmi": recession_pmi, "slowdown_pmi": slowdown_pmi}
    return evaluate(MACRO_REGIME, {"pmi": pmi, "curve_slope": curve_slope}, **params)[0]


EQUITY_REGIME = Indicator(
    name="equity_regime",
    inputs=("close",),
    params=(
        lookback_param(200, name="mean_lookback"),
        lookback_param(126, name="short_momentum"),
        lookback_param(252, name="long_momentum"),
    ),
    outputs=("regime",),
    init=equity_regime_init,
    warmup=equity_regime_warmup,
    step=equity_regime_step,
    public=equity_regime,
)

VIX_REGIME = Indicator(
    name="vix_regime",
    inputs=("vix",),
    params=(
        IndicatorParam("low", 15.0, 0.0, 1_000.0, False),
        IndicatorParam("high", 25.0, 0.0, 1_000.0, False),
    ),
    outputs=("regime",),
    init=level_init,
    warmup=lambda low, high: 0,
    step=vix_regime_step,
    public=vix_regime,
)

REALISED_REGIME = Indicator(
    name="realised_regime",
    inputs=("volatility",),
    params=(
        IndicatorParam("low", 0.11, 0.0, 100.0, False),
        IndicatorParam("high", 0.21, 0.0, 100.0, False),
    ),
    outputs=("regime",),
    init=level_init,
    warmup=lambda low, high: 0,
    step=realised_regime_step,
    public=realised_regime,
)

CRYPTO_REGIME = Indicator(
    name="crypto_regime",
    inputs=("close",),
    params=(lookback_param(200, name="mean_lookback"), lookback_param(60, name="momentum_lookback")),
    outputs=("regime",),
    init=crypto_regime_init,
    warmup=crypto_regime_warmup,
    step=crypto_regime_step,
    public=crypto_regime,
)

MACRO_REGIME = Indicator(
    name="macro_regime",
    inputs=("pmi", "curve_slope"),
    params=(
        IndicatorParam("recession_pmi", 45.0, 0.0, 100.0, False),
        IndicatorParam("slowdown_pmi", 50.0, 0.0, 100.0, False),
    ),
    outputs=("regime",),
    init=macro_regime_init,
    warmup=lambda recession_pmi, slowdown_pmi: 0,
    step=macro_regime_step,
    public=macro_regime,
)
