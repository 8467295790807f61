"""Last known value: the one place where an unknown value does not stay unknown.

Market-wide regimes come from sources that fail: a feed is down, a release is late. A rule that trades must
still get a state, so the last one is kept for some hours and a neutral one is taken after that. It is no
indicator (those hand NaN on) but has the form of one: a step, a state vector, generated loops.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .decorator import kernel
from .indicator import Indicator, IndicatorParam, checked_series, evaluate, fresh_state
from .types import FloatArray

HOUR_S = 3_600.0


class LastKnown(NamedTuple):
    """What ``last_known`` returns."""

    value: FloatArray
    overdue_hours: (
        FloatArray  # since the next value was due: 0 before that, infinite where there never was one
    )


class LastKnownState(NamedTuple):
    """Header of the state; there is no ring."""

    value: float  # NaN before the first known one
    due_s: float  # when the value after it is expected


def last_known_init(max_age_hours: float, fallback: float) -> FloatArray:
    """Make a fresh state."""
    return fresh_state(LastKnownState(np.nan, np.nan))


@kernel
def last_known_step(
    state: LastKnownState, value: float, time: float, due: float, max_age_hours: float, fallback: float
) -> tuple[LastKnownState, float, float]:
    """Advance to `time` and return the new state, the value that holds, and how overdue the next one is."""
    if np.isfinite(value):
        state = LastKnownState(value, due)
    if np.isnan(state.value):
        return state, fallback, np.inf
    overdue_hours = max((time - state.due_s) / HOUR_S, 0.0)
    return state, state.value if overdue_hours <= max_age_hours else fallback, overdue_hours


def last_known(
    value: ArrayLike,
    time: ArrayLike,
    due: ArrayLike | None = None,
    *,
    max_age_hours: float = 48.0,
    fallback: float = 0.0,
) -> LastKnown:
    """Values where those that are unknown are the last known ones, and the fallback when these are too old.

    Parameters
    ----------
    value : array_like, shape (n_times,)
        What became known at each time; NaN or infinite where nothing did.
    time : array_like, shape (n_times,), seconds, rising
        Any clock without jumps (UTC).
    due : array_like, shape (n_times,), seconds, optional
        When the value after this one is expected; only read where `value` is known. Without it a value ages
        from its own time on, which is right for a source that never pauses.
    max_age_hours : float, hours, >= 0
        How long a value may be overdue before the fallback takes its place.
    fallback : float
        What holds then, and before the first known value.

    Returns
    -------
    LastKnown
        `value` and `overdue_hours`, each a float64 ndarray of shape (n_times,). Position t uses positions
        ``0..t`` only. There is no warm-up, and `value` is never NaN.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, the arrays differ in length or are not 1-D arrays of numbers, or a
        time is unknown or earlier than the one before it.

    Notes
    -----
    Formula: overdue_hours = max(time - due of the last known value, 0) / 3600.
    Formula: value = last known value if overdue_hours <= max_age_hours, else fallback.

    Examples
    --------
    >>> hour = 3600.0
    >>> last_known([1.0, np.nan, np.nan, -1.0], [0.0, 48 * hour, 49 * hour, 50 * hour])
    LastKnown(value=array([ 1.,  1.,  0., -1.]), overdue_hours=array([ 0., 48., 49.,  0.]))
    """
    values, times = checked_series("value", value), checked_series("time", time)
    dues = times if due is None else checked_series("due", due)
    _refuse_disorder(times)
    if dues.size == values.size:  # otherwise `evaluate` says so
        _refuse_unknown_due(values, dues)
    series: dict[str, ArrayLike] = {"value": values, "time": times, "due": dues}
    return LastKnown(*evaluate(LAST_KNOWN, series, max_age_hours=max_age_hours, fallback=fallback))


def _refuse_disorder(time: FloatArray) -> None:
    is_wrong = ~np.isfinite(time)
    is_wrong[1:] |= ~(np.diff(time) >= 0.0) & ~is_wrong[:-1]
    if is_wrong.any():
        t = int(np.argmax(is_wrong))
        before = f"{time[t - 1]:g} before it" if t else "nothing before it"
        raise ValueError(f"`time` must be known and must not fall: position {t} has {time[t]:g}, {before}")


def _refuse_unknown_due(value: FloatArray, due: FloatArray) -> None:
    is_wrong = np.isfinite(value) & ~np.isfinite(due)
    if is_wrong.any():
        raise ValueError(f"`due` must be known where `value` is: it is not at position {np.argmax(is_wrong)}")


LAST_KNOWN = Indicator(
    name="last_known",
    inputs=("value", "time", "due"),
    params=(
        IndicatorParam("max_age_hours", 48.0, 0.0, 100_000.0, False),
        IndicatorParam("fallback", 0.0, -1e300, 1e300, False),
    ),
    outputs=LastKnown._fields,
    init=last_known_init,
    warmup=lambda max_age_hours, fallback: 0,
    step=last_known_step,
    public=last_known,
)
