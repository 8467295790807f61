"""Market regimes of one symbol: trend against reversion, and how volatile it is.

A raw state is read off each bar and confirmed by one step that both regimes share: the first raw state is
adopted at once (there is nothing to change from), later ones only when they have been seen on `confirm` bars
in a row. A bar that agrees with the current state, or names a third one, begins the count anew; a gap does
not. `bars_in_state` is 1 on the bar on which a state is adopted.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, refuse_crossed
from ..types import FloatArray

NEUTRAL, STRONG_TREND, MEAN_REVERSION = 0.0, 1.0, 2.0
LOW_VOLATILITY, NORMAL_VOLATILITY, HIGH_VOLATILITY = -1.0, 0.0, 1.0

CONFIRM = IndicatorParam("confirm", 3, 1, 1_000, True)


STRONG_FIT, NO_FIT = 0.7, 0.3  # R squared above and below which a line explains the price, or nothing does


class Regimes(NamedTuple):
    """What ``regime`` returns."""

    state: FloatArray
    bars_in_state: FloatArray
    fit: FloatArray


class VolatilityRegimes(NamedTuple):
    """What ``volatility_regime`` returns."""

    state: FloatArray
    bars_in_state: FloatArray


class Confirmation(NamedTuple):
    """Header of the state of both regimes; there is no ring."""

    current: float  # NaN before the first valid bar
    bars_in_state: float
    candidate: float  # raw state that was seen last and is not the current one
    n_seen: float  # bars in a row on which it was seen


@kernel
def confirm_step(state: Confirmation, raw: float, confirm: int) -> Confirmation:
    """Advance by one raw state and return what is current."""
    if np.isnan(state.current):
        return Confirmation(raw, 1.0, raw, 0.0)
    if raw == state.current:
        return Confirmation(raw, state.bars_in_state + 1.0, raw, 0.0)
    n_seen = state.n_seen + 1.0 if raw == state.candidate else 1.0
    if n_seen >= confirm:
        return Confirmation(raw, 1.0, raw, 0.0)
    return Confirmation(state.current, state.bars_in_state + 1.0, raw, n_seen)


def regime_init(
    trend_adx: float, trend_r2: float, reversion_adx: float, reversion_r2: float, confirm: int
) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("reversion_adx", reversion_adx, "trend_adx", trend_adx)
    refuse_crossed("reversion_r2", reversion_r2, "trend_r2", trend_r2)
    return fresh_state(Confirmation(np.nan, 0.0, np.nan, 0.0))


def regime_warmup(
    trend_adx: float, trend_r2: float, reversion_adx: float, reversion_r2: float, confirm: int
) -> int:
    """Leading NaN values."""
    return 0


@kernel
def regime_step(
    state: Confirmation,
    adx: float,
    r_squared: float,
    trend_adx: float,
    trend_r2: float,
    reversion_adx: float,
    reversion_r2: float,
    confirm: int,
) -> tuple[Confirmation, float, float, float]:
    """Advance by one bar and return the new state, what is current, its age and the fit."""
    if not np.isfinite(adx + r_squared):
        return state, np.nan, np.nan, np.nan
    raw = NEUTRAL
    if adx > trend_adx and r_squared > trend_r2:
        raw = STRONG_TREND
    elif adx < reversion_adx and r_squared < reversion_r2:
        raw = MEAN_REVERSION
    state = confirm_step(state, raw, confirm)
    fit = 1.0 if r_squared > STRONG_FIT else -1.0 if r_squared < NO_FIT else 0.0
    return state, state.current, state.bars_in_state, fit


def regime(
    adx: ArrayLike,
    r_squared: ArrayLike,
    *,
    trend_adx: float = 25.0,
    trend_r2: float = 0.6,
    reversion_adx: float = 20.0,
    reversion_r2: float = 0.4,
    confirm: int = 3,
) -> Regimes:
    """Whether a market trends strongly, reverts to its mean, or neither.

    Parameters
    ----------
    adx : array_like, shape (n_bars,), 0 to 100
        Average directional index.
    r_squared : array_like, shape (n_bars,), 0 to 1
        Share of the price's movement that a straight line explains.
    trend_adx, trend_r2 : float
        A strong trend needs both inputs above these.
    reversion_adx, reversion_r2 : float
        Mean reversion needs both inputs below these; neither may exceed its counterpart.
    confirm : int, bars, >= 1
        Bars in a row that a new state must be seen before it counts.

    Returns
    -------
    Regimes
        `state`: 0 neutral, 1 strong trend, 2 mean reversion; `bars_in_state`, from 1; `fit`: 1 where R
        squared is above 0.7, -1 where it is below 0.3, else 0, each bar by itself. Each a float64 ndarray of
        shape (n_bars,). Position t uses bars ``0..t`` only. There is no warm-up beyond that of the inputs.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: strong trend if ADX > 25 and R^2 > 0.6, mean reversion if ADX < 20 and R^2 < 0.4, else neutral;
    a change counts after `confirm` bars in a row.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was.

    Examples
    --------
    >>> regimes = regime([30.0, 30.0, 10.0, 10.0, 10.0], [0.8, 0.8, 0.1, 0.1, 0.1], confirm=2)
    >>> regimes.state, regimes.bars_in_state
    (array([1., 1., 1., 2., 2.]), array([1., 2., 3., 1., 2.]))
    """
    outputs = evaluate(
        REGIME,
        {"adx": adx, "r_squared": r_squared},
        trend_adx=trend_adx,
        trend_r2=trend_r2,
        reversion_adx=reversion_adx,
        reversion_r2=reversion_r2,
        confirm=confirm,
    )
    return Regimes(*outputs)


def volatility_regime_init(high: float, low: float, confirm: int) -> FloatArray:
    """Make a fresh state."""
    refuse_crossed("low", low, "high", high)
    return fresh_state(Confirmation(np.nan, 0.0, np.nan, 0.0))


def volatility_regime_warmup(high: float, low: float, confirm: int) -> int:
    """Leading NaN values."""
    return 0


@kernel
def volatility_regime_step(
    state: Confirmation, atr: float, atr_mean: float, high: float, low: float, confirm: int
) -> tuple[Confirmation, float, float]:
    """Advance by one bar and return the new state, the state and its age."""
    if not np.isfinite(atr + atr_mean):
        return state, np.nan, np.nan
    raw = NORMAL_VOLATILITY
    if atr > high * atr_mean:
        raw = HIGH_VOLATILITY
    elif atr < low * atr_mean:
        raw = LOW_VOLATILITY
    state = confirm_step(state, raw, confirm)
    return state, state.current, state.bars_in_state


def volatility_regime(
    atr: ArrayLike, atr_mean: ArrayLike, *, high: float = 1.5, low: float = 0.7, confirm: int = 3
) -> VolatilityRegimes:
    """Whether a market is more or less volatile than it usually is.

    Parameters
    ----------
    atr : array_like, shape (n_bars,), quote currency
        Average true range, or any other measure of volatility.
    atr_mean : array_like, shape (n_bars,), quote currency
        What is usual: its mean over a longer time.
    high, low : float, low <= high
        Multiples of the mean above and below which volatility is called high and low.
    confirm : int, bars, >= 1
        Bars in a row that a new state must be seen before it counts.

    Returns
    -------
    VolatilityRegimes
        `state`: -1 low, 0 normal, 1 high, and `bars_in_state`, from 1; each a float64 ndarray of shape
        (n_bars,). Position t uses bars ``0..t`` only. There is no warm-up beyond that of the inputs.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: high if ATR > 1.5 ATR mean, low if ATR < 0.7 ATR mean, else normal; a change counts after
    `confirm` bars in a row.

    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves the state as it was. A
    market that does not move at all (both inputs 0) is normal.

    Examples
    --------
    >>> regimes = volatility_regime([1.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0], confirm=2)
    >>> regimes.state, regimes.bars_in_state
    (array([0., 0., 1., 1.]), array([1., 2., 1., 2.]))
    """
    series = {"atr": atr, "atr_mean": atr_mean}
    return VolatilityRegimes(*evaluate(VOLATILITY_REGIME, series, high=high, low=low, confirm=confirm))


REGIME = Indicator(
    name="regime",
    inputs=("adx", "r_squared"),
    params=(
        IndicatorParam("trend_adx", 25.0, 0.0, 100.0, False),
        IndicatorParam("trend_r2", 0.6, 0.0, 1.0, False),
        IndicatorParam("reversion_adx", 20.0, 0.0, 100.0, False),
        IndicatorParam("reversion_r2", 0.4, 0.0, 1.0, False),
        CONFIRM,
    ),
    outputs=Regimes._fields,
    init=regime_init,
    warmup=regime_warmup,
    step=regime_step,
    public=regime,
)

VOLATILITY_REGIME = Indicator(
    name="volatility_regime",
    inputs=("atr", "atr_mean"),
    params=(
        IndicatorParam("high", 1.5, 0.0, 100.0, False),
        IndicatorParam("low", 0.7, 0.0, 100.0, False),
        CONFIRM,
    ),
    outputs=VolatilityRegimes._fields,
    init=volatility_regime_init,
    warmup=volatility_regime_warmup,
    step=volatility_regime_step,
    public=volatility_regime,
)
