"""State of the whole market at given times: one value for models, portfolio and risk.

Each input is a `Source`: values, when each became known, and when values are expected. Two rules follow.

Nothing looks ahead: a state at time t uses values known at t or before (a value known at t may be used at t:
a decision at the close, filled later, knows that close). When things are known:

* index closes: at the session's close, the time that a bar carries;
* VIX of a day: from midnight in New York on, ``vix_known_at`` (it is computed until 16:15, after the close);
* slope of the yield curve of a day: the next business day at 16:15 New York, ``curve_known_at`` (the release
  H.15 of the Federal Reserve shows the business day before);
* PMI of a month: the first business day of the next month at 10:00 New York, ``pmi_known_at`` (in January
  the first from the 3rd on);
* Bitcoin's day: at its end, 00:00 UTC.

A missing value keeps the last state, and the neutral one takes over when it is more than 48 hours late.
The hours count from when the next value was *due* by the source's own schedule, not from the last one: over
a weekend nothing is late, and a PMI is good for its month. What is late is flagged at once (``is_..._stale``)
and listed (`Missing`); 0 is the neutral code of every input, and what holds before there is any.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..kernels.indicators.market_regime import (
    CRYPTO_REGIME,
    EQUITY_REGIME,
    MACRO_REGIME,
    REALISED_REGIME,
    VIX_REGIME,
)
from ..kernels.last_known import LAST_KNOWN
from ..kernels.types import BoolArray, FloatArray, IntArray
from .errors import DataError, ParameterError

HOUR_NS, SECOND_NS = 3_600_000_000_000, 1_000_000_000
NEUTRAL = 0  # of every code: neutral, normal, neither risk on nor off, slowdown
CodeArray = NDArray[np.int8]

REGIMES = {
    indicator.name: indicator
    for indicator in (EQUITY_REGIME, VIX_REGIME, REALISED_REGIME, CRYPTO_REGIME, MACRO_REGIME)
}


class Source(NamedTuple):
    """What one input says and when; made by ``source``."""

    values: FloatArray  # (n_values,); none is NaN
    known_ns: IntArray  # (n_values,) UTC, never falling
    expected_ns: IntArray  # (n_expected,) UTC, rising; when a value is due


class MarketState(NamedTuple):
    """State of the market at one time; codes as in ``kernels.indicators.market_regime``, 0 is neutral."""

    equity: int  # -1 bear, 1 bull
    volatility: int  # -1 low, 1 high
    crypto: int  # -1 risk off, 1 risk on
    macro: int  # -1 recession, 0 slowdown, 1 expansion
    is_equity_stale: bool  # its next value is late: the code is the last one, or by now the neutral one
    is_volatility_stale: bool
    is_crypto_stale: bool
    is_macro_stale: bool


class Missing(NamedTuple):
    """A span of time in which an input was late, for the log and the reports."""

    input: str  # equity, vix, realised, crypto, pmi, curve
    start_ns: int  # when the value was due; the first time asked for where there was none before
    stop_ns: int | None  # when one came; None if it was still missing at the last time asked for
    fallback_ns: int | None  # since when the neutral state held; None if it did not come to that


class MarketStates(NamedTuple):
    """States of the market, one per time: each array has the shape (n_times,)."""

    time_ns: IntArray
    equity: CodeArray
    volatility: CodeArray
    crypto: CodeArray
    macro: CodeArray
    is_equity_stale: BoolArray
    is_volatility_stale: BoolArray
    is_crypto_stale: BoolArray
    is_macro_stale: BoolArray
    missing: tuple[Missing, ...]

    def at(self, position: int) -> MarketState:
        """State at one of the times."""
        return MarketState(
            int(self.equity[position]),
            int(self.volatility[position]),
            int(self.crypto[position]),
            int(self.macro[position]),
            bool(self.is_equity_stale[position]),
            bool(self.is_volatility_stale[position]),
            bool(self.is_crypto_stale[position]),
            bool(self.is_macro_stale[position]),
        )


def source(values: ArrayLike, known_at: Any, expected_at: Any) -> Source:
    """Make an input of its values and two lists of times.

    Parameters
    ----------
    values : array_like, shape (n_values,)
        Oldest first; those that are NaN or infinite were never published and are left out.
    known_at : times, shape (n_values,)
        When each value became known: int64 nanoseconds UTC, datetime64 in UTC or anything pandas takes.
    expected_at : times, shape (n_expected,)
        When a value is due by the source's own schedule (sessions, business days, months), whether it came or
        not. It must reach beyond the last time that states are asked for.

    Raises
    ------
    DataError
        If lengths differ, or times fall.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known_ns, expected_ns = _as_ns(known_at), _as_ns(expected_at)
    if numbers.shape != known_ns.shape or numbers.ndim != 1:
        raise DataError(f"`values` has the shape {numbers.shape} but `known_at` {known_ns.shape}; align them")
    for name, times in (("known_at", known_ns), ("expected_at", expected_ns)):
        falls = np.flatnonzero(np.diff(times) < 0)
        if falls.size:
            after = int(falls[0]) + 1
            raise DataError(
                f"`{name}` must not fall: position {after} ({_text(times[after])}) precedes the one before"
            )
    is_known = np.isfinite(numbers)
    return Source(numbers[is_known], known_ns[is_known], expected_ns)


def market_states(
    times: Any,
    *,
    equity: Source | None = None,
    vix: Source | None = None,
    realised: Source | None = None,
    crypto: Source | None = None,
    pmi: Source | None = None,
    curve: Source | None = None,
    max_age_hours: float = 48.0,
    params: Mapping[str, Mapping[str, float]] | None = None,
) -> MarketStates:
    """State of the market at given times.

    Parameters
    ----------
    times : times, shape (n_times,), rising
        When states are wanted: int64 nanoseconds UTC, datetime64 in UTC or anything pandas takes.
    equity, crypto : Source, optional
        Daily closes of a stock index, adjusted for splits, and of Bitcoin.
    vix : Source, optional
        Daily closes of the VIX.
    realised : Source, optional
        Annualised realised volatility of the index (0.15 = 15%); takes the place of the VIX where that was
        not given or has fallen back.
    pmi, curve : Source, optional
        Monthly PMI and daily slope of the yield curve (ten less two years); the state needs both.
    max_age_hours : float
        How late a value may be before the neutral state takes over.
    params : mapping, optional
        Parameters of the regimes that are not the default, by indicator: ``{"vix_regime": {"high": 30.0}}``.

    Returns
    -------
    MarketStates
        Row t uses values that were known at ``times[t]`` or before. An input that is not given is missing
        throughout.

    Raises
    ------
    DataError
        If times fall, or a source's schedule ends before the last time asked for.
    ParameterError
        If a regime or one of its parameters is unknown, or `max_age_hours` is negative or no number.
    """
    time_ns = _as_ns(times)
    if not 0.0 <= max_age_hours < np.inf:
        raise ParameterError(f"`max_age_hours` must be a number from 0, was {max_age_hours!r}")
    if (np.diff(time_ns) < 0).any():
        raise DataError("`times` must not fall")
    chosen = _checked_params(params or {})
    missing: list[Missing] = []

    def seen(name: str, given: Source | None, regime: str = "") -> tuple[FloatArray, BoolArray]:
        """Value of an input at each time, NaN where it has fallen back, and whether it is late."""
        if time_ns.size == 0:
            return np.empty(0), np.empty(0, np.bool_)
        if given is None:
            missing.append(Missing(name, int(time_ns[0]), None, int(time_ns[0])))
            return np.full(time_ns.size, np.nan), np.ones(time_ns.size, np.bool_)
        if regime:
            codes = REGIMES[regime].public(given.values, **chosen.get(regime, {}))
            is_known = ~np.isnan(codes)  # the warm-up is as if nothing had been published
            given = Source(codes[is_known], given.known_ns[is_known], given.expected_ns)
        due_ns = _due(name, given, int(time_ns[-1]))
        missing.extend(_missing(name, given, due_ns, time_ns, max_age_hours))
        return _last_known(given, due_ns, time_ns, max_age_hours)

    equities, is_equity_stale = seen("equity", equity, "equity_regime")
    if vix is None and realised is not None:
        volatility, is_volatility_stale = seen("realised", realised, "realised_regime")
    else:
        volatility, is_volatility_stale = seen("vix", vix, "vix_regime")
        if realised is not None:
            stand_in, _ = seen("realised", realised, "realised_regime")
            volatility = np.where(np.isnan(volatility), stand_in, volatility)
    coins, is_crypto_stale = seen("crypto", crypto, "crypto_regime")
    index, is_pmi_stale = seen("pmi", pmi)
    slope, is_curve_stale = seen("curve", curve)
    economy = REGIMES["macro_regime"].public(index, slope, **chosen.get("macro_regime", {}))
    return MarketStates(
        time_ns,
        _codes(equities),
        _codes(volatility),
        _codes(coins),
        _codes(economy),
        is_equity_stale,
        is_volatility_stale,
        is_crypto_stale,
        is_pmi_stale | is_curve_stale,
        tuple(sorted(missing, key=lambda span: (span.start_ns, span.input))),
    )


def vix_known_at(dates: Any) -> IntArray:
    """When the VIX of some dates may be used, UTC: at midnight in New York, the end of the day."""
    return _new_york_ns(_as_days(dates) + np.timedelta64(1, "D"), 0, 0)


def curve_known_at(dates: Any) -> IntArray:
    """When the yields of some dates are published, UTC: the next business day at 16:15 New York."""
    days = np.busday_offset(_as_days(dates), 1, roll="backward", holidays=_federal_holidays())
    return _new_york_ns(days, 16, 15)


def pmi_known_at(months: Any) -> IntArray:
    """When the PMI of some months is published, UTC.

    Parameters
    ----------
    months : dates or months, shape (n_months,) or one
        Any day of the month that the value describes.

    Returns
    -------
    ndarray of int64, shape (n_months,)
        The first business day of the next month at 10:00 New York, in January the first from the 3rd on:
        December's value came on 3 January in 2018, 2019 and 2020, when the 2nd was a business day too.
        Business days are those without a federal holiday; days of mourning and the like are not known.

    Examples
    --------
    >>> pmi_known_at(["2017-12", "2018-08"]).astype("datetime64[ns]").astype("datetime64[m]")
    array(['2018-01-03T15:00', '2018-09-04T14:00'], dtype='datetime64[m]')
    """
    after = _as_days(months).astype("datetime64[M]") + np.timedelta64(1, "M")
    first = after.astype("datetime64[D]")
    first = first + np.where(after.astype(np.int64) % 12 == 0, 2, 0)  # months since January 1970
    days = np.busday_offset(first, 0, roll="forward", holidays=_federal_holidays())
    return _new_york_ns(days, 10, 0)


def business_days(start: Any, stop: Any) -> NDArray[np.datetime64]:
    """Days from `start` to before `stop` that are neither weekend nor federal holiday."""
    days = np.arange(np.datetime64(start, "D"), np.datetime64(stop, "D"))
    return days[np.is_busday(days, holidays=_federal_holidays())]


def _due(name: str, given: Source, last_ns: int) -> IntArray:
    """When the value after each one is due; only values known by `last_ns` have one that counts."""
    expected = given.expected_ns
    if expected.size == 0 or expected[-1] <= last_ns:
        ends = f"ends at {_text(expected[-1])}" if expected.size else "is empty"
        raise DataError(
            f"the schedule of `{name}` {ends} but states are asked for until {_text(last_ns)}; "
            "give times at which values are expected beyond that"
        )
    after = np.searchsorted(expected, given.known_ns, side="right")
    # What comes a little before its time (a quarter of the way) is that value, not the one before, late.
    first = 2 * expected[0] - expected[min(1, expected.size - 1)]
    before, due = np.append(first, expected)[after], np.append(expected, np.iinfo(np.int64).max)
    is_early = due[after] - given.known_ns <= (due[after] - before) // 4
    found: IntArray = due[np.minimum(after + is_early, expected.size)]
    return found


def _last_known(
    given: Source, due_ns: IntArray, time_ns: IntArray, max_age_hours: float
) -> tuple[FloatArray, BoolArray]:
    """Value that holds at each time (NaN: none does), and whether the next one is late."""
    latest = np.searchsorted(given.known_ns, time_ns, side="right") - 1
    is_new = latest > np.concatenate([[-1], latest[:-1]])
    value, due_s = np.full(time_ns.size, np.nan), np.zeros(time_ns.size)
    value[is_new] = given.values[latest[is_new]]
    due_s[is_new] = due_ns[latest[is_new]] / SECOND_NS
    held, overdue_hours = np.empty(time_ns.size), np.empty(time_ns.size)
    settings = (float(max_age_hours), np.nan)
    LAST_KNOWN.run(
        value, time_ns / SECOND_NS, due_s, *settings, LAST_KNOWN.init(*settings), held, overdue_hours
    )
    return held, overdue_hours > 0.0


def _missing(
    name: str, given: Source, due_ns: IntArray, time_ns: IntArray, max_age_hours: float
) -> list[Missing]:
    """Spans in which the input was late at some time between the first and the last asked for."""
    first_ns, last_ns = int(time_ns[0]), int(time_ns[-1])
    spans = []
    began_ns = int(given.known_ns[0]) if given.known_ns.size else None
    if began_ns is None or began_ns > first_ns:
        came_ns = began_ns if began_ns is not None and began_ns <= last_ns else None
        spans.append(Missing(name, first_ns, came_ns, first_ns))
    next_ns = np.append(given.known_ns[1:], np.iinfo(np.int64).max)
    for i in np.flatnonzero((due_ns < next_ns) & (due_ns < last_ns) & (next_ns > first_ns)):
        stop_ns = int(next_ns[i])
        fallback_ns = int(due_ns[i]) + round(max_age_hours * HOUR_NS)
        spans.append(
            Missing(
                name,
                int(due_ns[i]),
                stop_ns if stop_ns <= last_ns else None,
                fallback_ns if fallback_ns < min(stop_ns, last_ns) else None,
            )
        )
    return spans


def _codes(values: FloatArray) -> CodeArray:
    return np.where(np.isnan(values), NEUTRAL, values).astype(np.int8)


def _checked_params(params: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
    for regime, chosen in params.items():
        if regime not in REGIMES:
            raise ParameterError(f"regime {regime!r} is unknown; known are {', '.join(REGIMES)}")
        names = [param.name for param in REGIMES[regime].params]
        for name in chosen:
            if name not in names:
                raise ParameterError(f"{regime} has no parameter {name!r}; it has {', '.join(names)}")
    return params


@cache
def _federal_holidays() -> NDArray[np.datetime64]:
    """Holidays of US federal offices, which statistics and yields are published by."""
    from pandas.tseries.holiday import USFederalHolidayCalendar

    days = USFederalHolidayCalendar().holidays("1940-01-01", "2100-12-31")
    holidays: NDArray[np.datetime64] = days.to_numpy().astype("datetime64[D]")
    return holidays


def _new_york_ns(days: NDArray[np.datetime64], hour: int, minute: int) -> IntArray:
    """A time of day in New York on some days, as UTC; one that no change of clocks touches."""
    local = pd.DatetimeIndex(days.astype("datetime64[ns]")) + pd.Timedelta(hours=hour, minutes=minute)
    return _as_ns(local.tz_localize("America/New_York"))


def _as_days(dates: Any) -> NDArray[np.datetime64]:
    """Dates as they stand on the calendar of whoever wrote them; a zone moves none of them."""
    listed = [dates] if isinstance(dates, str) or np.ndim(dates) == 0 else dates
    index = pd.DatetimeIndex(pd.to_datetime(listed))
    _refuse_missing(index)
    days: NDArray[np.datetime64] = index.tz_localize(None).to_numpy().astype("datetime64[D]")
    return days


def _as_ns(times: Any) -> IntArray:
    """Times as int64 nanoseconds UTC; those without a zone are UTC."""
    index = pd.DatetimeIndex(pd.to_datetime(times, utc=True))
    _refuse_missing(index)
    ns: IntArray = index.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
    return ns


def _refuse_missing(index: pd.DatetimeIndex) -> None:
    if index.hasnans:
        raise DataError(f"position {int(np.argmax(index.isna()))} has no time (NaT); leave it out or date it")


def _text(ts_ns: Any) -> str:
    return str(np.datetime64(int(ts_ns), "ns"))[:16].replace("T", " ")
