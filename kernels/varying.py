"""Any indicator with a lookback that changes bar by bar, over whole series."""

import numpy as np
from numpy.typing import ArrayLike

from .indicator import checked_series, checked_value
from .pick import whole_period
from .registry import INDICATORS
from .types import FloatArray

MOST_LOOKBACKS = 200  # each is computed


def varying(
    name: str,
    *series: ArrayLike,
    period: ArrayLike,
    low: int,
    high: int,
    param: str = "lookback",
    **params: float,
) -> tuple[FloatArray, ...]:
    """Value, at each bar, of the indicator with that bar's period.

    Parameters
    ----------
    name : str
        Name of an indicator, such as ``"rsi"``.
    *series : array_like, shape (n_bars,)
        Its inputs.
    period : array_like, shape (n_bars,), bars
        Rounded half up, then kept within `low` and `high`.
    low, high : int, bars, >= 2
        Shortest and longest period, both included; at most 200 of them.
    param : str
        The parameter that changes.
    **params
        The others.

    Returns
    -------
    tuple of ndarray of float64, shape (n_bars,)
        One per output. Position t uses bars ``0..t`` only. NaN until the longest period is known.

    Raises
    ------
    ValueError
        If there is no such indicator or parameter, or something is out of bounds.

    Notes
    -----
    NaN policy: a bar with an input that is NaN or infinite yields NaN and leaves all states as they were; so
    does an unknown period, but for that bar's value alone.

    This is what `Varying` is to a strategy's features. An average that goes on from its last value with
    another smoothing instead is ``adaptive_ema``.

    Examples
    --------
    >>> varying("sma", [1.0, 2.0, 3.0, 4.0, 5.0], period=[2, 2, 2, 3, 2.5], low=2, high=3)
    (array([nan, nan, 2.5, 3. , 4. ]),)
    """
    if name not in INDICATORS:
        raise ValueError(f"indicator {name!r} is unknown; there are {', '.join(INDICATORS)}")
    indicator = INDICATORS[name]
    known = {each.name: each for each in indicator.params}
    if param not in known or not known[param].is_int:
        counts = ", ".join(each.name for each in indicator.params if each.is_int)
        raise ValueError(f"{name!r} has no number of bars called {param!r}; it has {counts or 'none'}")
    allowed = known[param]._replace(low=max(2, known[param].low))
    low, high = int(checked_value(allowed, low)), int(checked_value(allowed, high))
    if not low <= high < low + MOST_LOOKBACKS:
        raise ValueError(
            f"`low` and `high` were {low} and {high}, must be in order, {MOST_LOOKBACKS} lookbacks at most"
        )
    periods = checked_series("period", period)
    bank = [np.atleast_2d(indicator.public(*series, **params, **{param: n})) for n in range(low, high + 1)]
    if periods.size != bank[0].shape[1]:
        raise ValueError(f"`period` has {periods.size} bars but the inputs have {bank[0].shape[1]}")
    is_known = np.isfinite(periods)
    whole = [_whole(p, low, high) if ok else low for p, ok in zip(periods.tolist(), is_known)]
    choice = np.array(whole, dtype=np.int64) - low
    table, bars = np.array(bank), np.arange(periods.size)
    return tuple(
        np.where(is_known & ~np.isnan(table[-1, i]), table[choice, i, bars], np.nan)
        for i in range(len(indicator.outputs))
    )


_whole = getattr(whole_period, "py_func", whole_period)  # the same rule, for Python
