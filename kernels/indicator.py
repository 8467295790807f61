"""What an indicator is made of, and how its public function checks what it is given.

Every indicator has one source, its step; everything else drives it: ``run`` over one series, ``rows`` over
rows of the feature graph, the public function over what a user passes. They share one state, a float64
vector: the fields of the state's NamedTuple in order, then the ring of the window if there is one. It can
be copied, saved and sent as it is, and any split of time gives the same bits.

A bar with an input that is NaN or infinite yields NaN and leaves the state as it was.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .driver import anatomy, load_drivers
from .types import FloatArray

MAX_LOOKBACK = 100_000  # bars; a year of minutes
_FLOAT64 = np.dtype(np.float64)


class IndicatorParam(NamedTuple):
    """One parameter: what it is called, what it is by default and what it may be."""

    name: str
    default: float
    low: float  # bounds are inclusive
    high: float
    is_int: bool


@dataclass(frozen=True)
class Indicator:
    """All that others need to know about an indicator in order to compute it.

    ``init(*params)`` makes a fresh state, ``warmup(*params)`` says how many leading values of the first
    output are NaN on input without gaps (other outputs may start earlier, never later), with parameters in
    the order of ``params``. ``step([state, [ring,]] *inputs, *params)`` is the one source; ``run`` and
    ``rows`` drive it. ``public(*inputs, **params)`` checks. ``dense(*inputs, *params, *outputs)``, where
    there is one, is a shortcut of ``run`` from a fresh state (see ``dense``).
    """

    name: str
    inputs: tuple[str, ...]
    params: tuple[IndicatorParam, ...]
    outputs: tuple[str, ...]
    init: Callable[..., FloatArray]
    warmup: Callable[..., int]
    step: Callable[..., Any]
    public: Callable[..., Any]
    dense: Callable[..., bool] | None = None

    @property
    def run(self) -> Callable[..., None]:
        """Compiled ``run(*inputs, *params, state, *outputs)``: takes bars, carries `state` on."""
        return self._drivers.run  # type: ignore[no-any-return]

    @property
    def rows(self) -> Callable[..., None]:
        """Compiled ``rows(work, src, dst, params, states)``: the same over rows of a feature graph."""
        return self._drivers.rows  # type: ignore[no-any-return]

    @cached_property
    def _drivers(self) -> ModuleType:
        return load_drivers(self.name, self.step, anatomy(self.step, len(self.inputs), len(self.outputs)))


def lookback_param(default: int, low: int = 1, name: str = "lookback") -> IndicatorParam:
    """Make the parameter that says how many bars a rule reads."""
    return IndicatorParam(name, default, low, MAX_LOOKBACK, True)


def fresh_state(header: Iterable[float], n_slots: int = 0) -> FloatArray:
    """Make a state vector: the header, then a ring whose slots are unknown.

    NaN in the ring is what makes the warm-up: a window that still reaches into it is unknown, and no step
    has to count bars.
    """
    fields = tuple(header)
    if not n_slots:
        return np.array(fields, dtype=np.float64)
    state = np.empty(len(fields) + n_slots)
    state.fill(np.nan)
    state[: len(fields)] = fields
    return state


def checked_value(param: IndicatorParam, value: float) -> float:
    """Value of a parameter, an int where the parameter counts something.

    Raises
    ------
    ValueError
        If it is not a number, not whole where it must be, or out of bounds.
    """
    if type(value) is (int if param.is_int else float) and param.low <= value <= param.high:
        return value  # the common case, 1 us sooner
    kind = "whole number" if param.is_int else "number"
    allowed = f"must be a {kind} from {param.low:g} to {param.high:g}"
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise ValueError(f"`{param.name}` {allowed}, was {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`{param.name}` {allowed}, was {value!r}") from None
    if not param.low <= number <= param.high or (param.is_int and not number.is_integer()):
        raise ValueError(f"`{param.name}` {allowed}, was {value!r}")
    return int(number) if param.is_int else number


def checked_series(name: str, values: ArrayLike) -> FloatArray:
    """Values as a contiguous float64 array of one dimension.

    Raises
    ------
    ValueError
        If they are not numbers, or have another number of dimensions.
    """
    if type(values) is np.ndarray and values.dtype is _FLOAT64 and values.ndim == 1:
        flags = values.flags
        if flags.c_contiguous and flags.writeable:
            return values  # the common case, 1 us sooner
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(np.float64), np.nan)  # what is masked is unknown
        array = np.asarray(values)
        if array.dtype.kind not in "fiubO":  # text, times and complex numbers must not slip through
            raise TypeError(f"they are of type {array.dtype}")
        # What may not be written (pandas hands such out) is copied: kernels know one kind of array.
        series = np.require(array, dtype=np.float64, requirements=("C", "W")) if array.ndim else array
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must be an array of numbers: {error}") from None
    if series.ndim != 1:
        raise ValueError(f"`{name}` must have one dimension, time; it has {series.ndim}")
    return series


def evaluate(indicator: Indicator, series: dict[str, ArrayLike], **params: float) -> list[FloatArray]:
    """Compute an indicator over whole series from a fresh state, after checking everything.

    Raises
    ------
    ValueError
        If a parameter is out of bounds, or the series are not 1-D arrays of equal length.
    """
    values = [checked_value(param, params[param.name]) for param in indicator.params]
    inputs: list[FloatArray] = []
    n_bars = -1
    for name, given in series.items():
        array = checked_series(name, given)
        if array.size != n_bars and inputs:
            first = next(iter(series))
            raise ValueError(f"`{first}` has {n_bars} bars but `{name}` has {array.size}; align them first")
        n_bars = array.size
        inputs.append(array)
    outputs = [np.empty(n_bars) for _ in indicator.outputs]
    if indicator.dense is None or not indicator.dense(*inputs, *values, *outputs):
        indicator.run(*inputs, *values, indicator.init(*values), *outputs)
    return outputs


def refuse_crossed(low_name: str, low: float, high_name: str, high: float) -> None:
    """Raise ValueError unless the lower of two parameters that belong together is at most the upper one."""
    if not low <= high:
        raise ValueError(f"`{low_name}` must not exceed `{high_name}`, were {low:g} and {high:g}")
