"""Noise filters: whether a bar is fit to enter on. Spread, volume, time of day, gap.

Each says 1 (passes) or 0 (rejects) and the value that was judged. A strategy chooses those that apply to it
by reading them: who trades gaps does not read the gap filters.

Times are those of the exchange's wall clock. A decision at a bar's close fills after it, so what is judged is
the time of the expected fill, not of the bar: what closes with its session, as daily bars do, is filled at
the next session's open and is never "too late in the day". Where sessions last a whole day (24/7) no rule
about the time of day applies.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..decorator import kernel
from ..indicator import Indicator, IndicatorParam, evaluate, fresh_state, lookback_param
from ..moments import NO_MOMENTS, SMALLEST_VARIANCE, Moments, window_moments
from ..types import FloatArray
from ..windows import EMPTY, Window, window_total

PASSES, REJECTS = 1.0, 0.0
DAY_S, HOUR_S, MINUTE_S = 86_400.0, 3_600.0, 60.0
LUNCH_START_S, LUNCH_END_S = 12.0 * HOUR_S, 13.0 * HOUR_S  # of the wall clock; half-open
REGULAR_END_S = 16.0 * HOUR_S
SPREAD_MINUTES = 5.0  # the bars whose deviation a spread is measured by
MAX_SPREAD_NOISE = 1e6  # a spread against a price that does not move, where the quotient is infinite


class Verdict(NamedTuple):
    """What every filter returns."""

    passes: FloatArray  # 1 passes, 0 rejects
    value: FloatArray  # what was judged


def spread_noise_init(lookback: int, limit: float, illiquid_limit: float, bar_minutes: float) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(NO_MOMENTS, 2 * int(lookback))


def spread_noise_warmup(lookback: int, limit: float, illiquid_limit: float, bar_minutes: float) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def is_round_the_clock(session_open: float, session_close: float) -> bool:
    """Whether the market never closes."""
    return session_close - session_open >= DAY_S


@kernel
def is_illiquid(time: float, session_open: float, session_close: float) -> bool:
    """Whether an order sent at a bar's close meets a thin market: before the open, at lunch, after 16:00."""
    if is_round_the_clock(session_open, session_close):
        return False
    if time >= session_close:  # the fill waits for the next session's open
        return False
    clock = time - np.floor(time / DAY_S) * DAY_S
    return time < session_open or LUNCH_START_S <= clock < LUNCH_END_S or clock >= REGULAR_END_S


@kernel
def spread_noise_step(
    state: Moments,
    ring: FloatArray,
    spread: float,
    close: float,
    time: float,
    session_open: float,
    session_close: float,
    lookback: int,
    limit: float,
    illiquid_limit: float,
    bar_minutes: float,
) -> tuple[Moments, float, float]:
    """Advance by one bar and return the new state, the verdict and the spread in deviations."""
    if not (np.isfinite(close + time) and np.isfinite(session_open + session_close)):
        return state, np.nan, np.nan
    if not (np.isfinite(spread) and spread >= 0.0):
        return state, np.nan, np.nan
    state, _, variance = window_moments(state, ring, close, lookback)
    if np.isnan(variance):
        return state, np.nan, np.nan
    noise = 0.0
    if spread > 0.0:
        noise = MAX_SPREAD_NOISE
        usual = np.sqrt(variance) * np.sqrt(SPREAD_MINUTES / bar_minutes)
        if variance > SMALLEST_VARIANCE and spread < MAX_SPREAD_NOISE * usual:
            noise = spread / usual
    allowed = illiquid_limit if is_illiquid(time, session_open, session_close) else limit
    return state, REJECTS if noise > allowed else PASSES, noise


def spread_noise(
    spread: ArrayLike,
    close: ArrayLike,
    time: ArrayLike,
    session_open: ArrayLike,
    session_close: ArrayLike,
    *,
    lookback: int = 20,
    limit: float = 0.05,
    illiquid_limit: float = 0.025,
    bar_minutes: float = 5.0,
) -> Verdict:
    """Whether the spread is small against the usual movement of the price.

    Parameters
    ----------
    spread : array_like, shape (n_bars,), quote currency, >= 0
        Ask minus bid; without quotes an estimate, of another indicator or a fixed number. The verdict is then
        an estimate too: nothing here can tell, so the caller must say so beside its result.
    close : array_like, shape (n_bars,), quote currency
        Closes of consecutive bars, oldest first.
    time, session_open, session_close : array_like, shape (n_bars,), seconds of the exchange's wall clock
        Close of the bar, and its session's hours.
    lookback : int, bars, >= 1
        Length of the window of closes, the current bar included.
    limit : float
        A spread above this many standard deviations of five-minute closes rejects.
    illiquid_limit : float
        The same before the session's open, from 12:00 to 13:00 and from 16:00 on.
    bar_minutes : float, minutes
        Length of a bar. Unless it is 5, the deviation of five-minute bars is an estimate too.

    Returns
    -------
    Verdict
        `passes` (1 or 0) and `value` (the spread in standard deviations, at most 1e6), each a float64 ndarray
        of shape (n_bars,). Position t uses bars ``0..t`` only. The first `lookback` - 1 values are NaN
        (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: value = spread / (population standard deviation of `lookback` closes * sqrt(5 / bar_minutes));
    passes = value <= (illiquid_limit in illiquid hours, else limit).

    The square root scales the deviation of longer or shorter bars to five minutes, as if prices were a random
    walk. The hour is that of the expected fill: the bar that closes at 12:00 is judged as lunch, the one that
    closes at 13:00 is not, and one that closes with its session is filled at the next open and is judged by
    `limit`. In a market that never closes `limit` always holds.

    NaN policy: a bar with an input that is NaN or infinite, or a spread below 0 (crossed quotes), yields NaN
    and leaves the state as it was. A window without movement rejects any spread above 0, with the value 1e6;
    a spread of 0 always passes.

    Examples
    --------
    >>> hours = [10 * 3600.0] * 3, [9.5 * 3600.0] * 3, [16 * 3600.0] * 3
    >>> spread_noise([0.02, 0.02, 0.2], [100.0, 101.0, 100.0], *hours, lookback=2)
    Verdict(passes=array([nan,  1.,  0.]), value=array([ nan, 0.04, 0.4 ]))
    """
    series = {
        "spread": spread,
        "close": close,
        "time": time,
        "session_open": session_open,
        "session_close": session_close,
    }
    outputs = evaluate(
        SPREAD_NOISE,
        series,
        lookback=lookback,
        limit=limit,
        illiquid_limit=illiquid_limit,
        bar_minutes=bar_minutes,
    )
    return Verdict(*outputs)


def volume_filter_init(lookback: int, at_least: float) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(EMPTY, int(lookback))


def volume_filter_warmup(lookback: int, at_least: float) -> int:
    """Leading NaN values."""
    return int(lookback) - 1


@kernel
def volume_filter_step(
    state: Window, ring: FloatArray, volume: float, lookback: int, at_least: float
) -> tuple[Window, float, float]:
    """Advance by one bar and return the new state, the verdict and the relative volume."""
    if not (np.isfinite(volume) and volume >= 0.0):
        return state, np.nan, np.nan
    state, total = window_total(state, ring, volume, lookback)
    if np.isnan(total):
        return state, np.nan, np.nan
    relative = volume * lookback / total if total > 0.0 else 0.0
    return state, PASSES if relative > at_least else REJECTS, relative


def volume_filter(volume: ArrayLike, *, lookback: int = 20, at_least: float = 0.5) -> Verdict:
    """Whether a bar was traded enough: more than a share of the mean volume.

    Parameters
    ----------
    volume : array_like, shape (n_bars,), units, >= 0
        Volume of consecutive bars, oldest first.
    lookback : int, bars, >= 1
        Length of the window of the mean, the current bar included.
    at_least : float
        Share of the mean that must be exceeded; breakouts use 1.5.

    Returns
    -------
    Verdict
        `passes` (1 or 0) and `value` (volume over its mean, 0 to `lookback`), each a float64 ndarray of shape
        (n_bars,). Position t uses bars ``0..t`` only. The first `lookback` - 1 values are NaN (warm-up).

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or `volume` is not a 1-D array of numbers.

    Notes
    -----
    Formula: value = volume / mean of the last `lookback` volumes;
    passes = value > at_least.

    NaN policy: a volume that is NaN, infinite or below 0 yields NaN and leaves the state as it was. A window
    without any volume has the value 0 and rejects.

    Examples
    --------
    >>> volume_filter([100.0, 300.0, 20.0], lookback=2)
    Verdict(passes=array([nan,  1.,  0.]), value=array([  nan, 1.5  , 0.125]))
    """
    return Verdict(*evaluate(VOLUME_FILTER, {"volume": volume}, lookback=lookback, at_least=at_least))


@kernel
def entry_time_filter_step(
    time: float, session_open: float, session_close: float, delay_minutes: float, no_entry_minutes: float
) -> tuple[float, float]:
    """Return the verdict on one bar, and the minutes from its fill to the end of the session."""
    # Divided, not multiplied by 1/60: whole minutes must come out whole to meet the limit exactly.
    left = (session_close - time) / MINUTE_S - delay_minutes
    length = (session_close - session_open) / MINUTE_S
    if not np.isfinite(left + length):
        return np.nan, np.nan
    if left <= 0.0:
        left = length  # filled at the next session's open; that session is taken to be as long
    is_late = left <= no_entry_minutes and left < length
    if is_late and not is_round_the_clock(session_open, session_close):
        return REJECTS, left
    return PASSES, left


def entry_time_filter(
    time: ArrayLike,
    session_open: ArrayLike,
    session_close: ArrayLike,
    *,
    delay_minutes: float = 0.0,
    no_entry_minutes: float = 15.0,
) -> Verdict:
    """Whether an order decided at a bar's close is filled early enough in a session.

    Parameters
    ----------
    time, session_open, session_close : array_like, shape (n_bars,), seconds of the exchange's wall clock
        Close of the bar, and its session's hours; half days close early.
    delay_minutes : float, minutes, >= 0
        How long after the decision the fill is expected.
    no_entry_minutes : float, minutes, >= 0
        Length of the end of a session in which nothing is entered.

    Returns
    -------
    Verdict
        `passes` (1 or 0) and `value` (minutes from the expected fill to the end of its session), each a
        float64 ndarray of shape (n_bars,). Position t uses bar t only. There is no warm-up.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: fill = time + delay_minutes, or the next session's open where that is not before session_close;
    passes = session_close - fill > no_entry_minutes.

    The last minutes are half-open: with the defaults a bar that closes at 15:45 rejects, one at 15:44 passes,
    and one at 16:00 is filled at the next open, which always passes (its session counts as long as this one).
    So daily decisions, and others at the session's close, are never refused. In a market that never closes
    (sessions of 24 hours) everything passes.

    NaN policy: a bar with an input that is NaN or infinite yields NaN.

    Examples
    --------
    >>> hours = [9.5 * 3600.0] * 3, [16 * 3600.0] * 3
    >>> entry_time_filter([15 * 3600.0, 15.75 * 3600.0, 16 * 3600.0], *hours)
    Verdict(passes=array([1., 0., 1.]), value=array([ 60.,  15., 390.]))
    """
    series = {"time": time, "session_open": session_open, "session_close": session_close}
    outputs = evaluate(
        ENTRY_TIME_FILTER, series, delay_minutes=delay_minutes, no_entry_minutes=no_entry_minutes
    )
    return Verdict(*outputs)


class GapState(NamedTuple):
    """Header of the state; there is no ring."""

    previous_close: float  # quote currency; NaN before the first valid bar


@kernel
def are_prices(open: float, close: float) -> bool:
    """Whether both are prices that one can divide by."""
    return np.isfinite(open + close) and open > 0.0 and close > 0.0


@kernel
def gap_filter_step(
    state: GapState, open: float, close: float, limit: float
) -> tuple[GapState, float, float]:
    """Advance by one bar and return the new state, the verdict and the gap."""
    if not are_prices(open, close):
        return state, np.nan, np.nan
    gap = (open - state.previous_close) / state.previous_close
    state = GapState(close)
    if np.isnan(gap):
        return state, np.nan, np.nan
    return state, REJECTS if abs(gap) > limit else PASSES, gap


def gap_filter(open: ArrayLike, close: ArrayLike, *, limit: float = 0.02) -> Verdict:
    """Whether a daily bar opened near the close before it.

    Parameters
    ----------
    open, close : array_like, shape (n_bars,), quote currency, > 0
        Prices of consecutive daily bars, oldest first; for shorter bars see ``session_gap_filter``.
    limit : float, fraction
        A gap larger than this rejects, up or down.

    Returns
    -------
    Verdict
        `passes` (1 or 0) and `value` (the gap as a signed fraction of the previous close), each a float64
        ndarray of shape (n_bars,). Position t uses bars ``0..t`` only. The first value is NaN (warm-up).

    Raises
    ------
    ValueError
        If `limit` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: value = (open - previous close) / previous close; passes = abs(value) <= limit.

    NaN policy: a bar with a price that is NaN, infinite or not above 0 yields NaN and leaves the state as it
    was: the next gap is measured from the last known close. Prices must be adjusted for splits.

    Examples
    --------
    >>> gap_filter([100.0, 101.0, 95.0], [100.0, 100.0, 96.0])
    Verdict(passes=array([nan,  1.,  0.]), value=array([  nan,  0.01, -0.05]))
    """
    return Verdict(*evaluate(GAP_FILTER, {"open": open, "close": close}, limit=limit))


class SessionGapState(NamedTuple):
    """Header of the state; there is no ring."""

    session_open: float  # which session is running; NaN before the first valid bar
    previous_close: float  # quote currency; of the last valid bar
    gap: float  # of the running session


@kernel
def session_gap_filter_step(
    state: SessionGapState, open: float, close: float, session_open: float, limit: float
) -> tuple[SessionGapState, float, float]:
    """Advance by one bar and return the new state, the verdict and the session's gap."""
    if not (are_prices(open, close) and np.isfinite(session_open)):
        return state, np.nan, np.nan
    gap = state.gap
    if session_open != state.session_open and not np.isnan(state.session_open):
        gap = (open - state.previous_close) / state.previous_close
    return SessionGapState(session_open, close, gap), REJECTS if abs(gap) > limit else PASSES, gap


def session_gap_filter(
    open: ArrayLike, close: ArrayLike, session_open: ArrayLike, *, limit: float = 0.02
) -> Verdict:
    """Whether the session of an intraday bar opened near the close of the one before.

    Parameters
    ----------
    open, close : array_like, shape (n_bars,), quote currency, > 0
        Prices of consecutive bars, oldest first.
    session_open : array_like, shape (n_bars,), seconds of the exchange's wall clock
        When the bar's session opened: one value per session.
    limit : float, fraction
        A gap larger than this rejects all bars of the session.

    Returns
    -------
    Verdict
        `passes` (1 or 0) and `value` (the session's gap as a signed fraction of the previous close), each a
        float64 ndarray of shape (n_bars,). Position t uses bars ``0..t`` only. There is no warm-up.

    Raises
    ------
    ValueError
        If `limit` is out of bounds, or the arrays differ in length or are not 1-D arrays of numbers.

    Notes
    -----
    Formula: value = (open of the session's first bar - close of the last bar before) / close of the last bar
    before; passes = abs(value) <= limit.

    The first session of a series has no session before it: its gap counts as 0 and passes, so have a session
    of history. With bars of extended hours the "last bar before" is the last one after hours. In a 24/7
    market a session is a day, and a gap is what an outage over midnight leaves.

    NaN policy: a bar with a price that is NaN, infinite or not above 0, or an unknown session, yields NaN and
    leaves the state as it was; the first known bar of a session then stands for its open.

    Examples
    --------
    >>> days = [0.0, 0.0, 86400.0, 86400.0]
    >>> session_gap_filter([100.0, 101.0, 95.0, 96.0], [101.0, 100.0, 96.0, 97.0], days)
    Verdict(passes=array([1., 1., 0., 0.]), value=array([ 0.  ,  0.  , -0.05, -0.05]))
    """
    series = {"open": open, "close": close, "session_open": session_open}
    return Verdict(*evaluate(SESSION_GAP_FILTER, series, limit=limit))


GAP_LIMIT = IndicatorParam("limit", 0.02, 0.0, 100.0, False)

SPREAD_NOISE = Indicator(
    name="spread_noise",
    inputs=("spread", "close", "time", "session_open", "session_close"),
    params=(
        lookback_param(20),
        IndicatorParam("limit", 0.05, 0.0, MAX_SPREAD_NOISE, False),
        IndicatorParam("illiquid_limit", 0.025, 0.0, MAX_SPREAD_NOISE, False),
        IndicatorParam("bar_minutes", 5.0, 0.01, 100_000.0, False),
    ),
    outputs=Verdict._fields,
    init=spread_noise_init,
    warmup=spread_noise_warmup,
    step=spread_noise_step,
    public=spread_noise,
)

VOLUME_FILTER = Indicator(
    name="volume_filter",
    inputs=("volume",),
    params=(lookback_param(20), IndicatorParam("at_least", 0.5, 0.0, 1_000.0, False)),
    outputs=Verdict._fields,
    init=volume_filter_init,
    warmup=volume_filter_warmup,
    step=volume_filter_step,
    public=volume_filter,
)

ENTRY_TIME_FILTER = Indicator(
    name="entry_time_filter",
    inputs=("time", "session_open", "session_close"),
    params=(
        IndicatorParam("delay_minutes", 0.0, 0.0, 1_440.0, False),
        IndicatorParam("no_entry_minutes", 15.0, 0.0, 1_440.0, False),
    ),
    outputs=Verdict._fields,
    init=lambda delay_minutes, no_entry_minutes: fresh_state(()),
    warmup=lambda delay_minutes, no_entry_minutes: 0,
    step=entry_time_filter_step,
    public=entry_time_filter,
)

GAP_FILTER = Indicator(
    name="gap_filter",
    inputs=("open", "close"),
    params=(GAP_LIMIT,),
    outputs=Verdict._fields,
    init=lambda limit: fresh_state(GapState(np.nan)),
    warmup=lambda limit: 1,
    step=gap_filter_step,
    public=gap_filter,
)

SESSION_GAP_FILTER = Indicator(
    name="session_gap_filter",
    inputs=("open", "close", "session_open"),
    params=(GAP_LIMIT,),
    outputs=Verdict._fields,
    init=lambda limit: fresh_state(SessionGapState(np.nan, np.nan, 0.0)),
    warmup=lambda limit: 0,
    step=session_gap_filter_step,
    public=session_gap_filter,
)
