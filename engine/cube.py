"""The parameter cube: which trials there are, and where each stands in the result.

A grid keeps one axis per parameter; a list of samples has one axis, ``trial``. An axis is a parameter of the
strategy, a cost (``costs.slippage``), an assumption about fills (``execution.intrabar``) or a limit
(``risk.max_position``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.mark import METRICS
from ..kernels.types import FloatArray
from .checked import SettingError, build
from .constants import COMPILED_IN, WHOLE, beside, encode, is_optional, setting_names, settings_of
from .errors import ParameterError
from .strategy import Strategy

MAX_TRIALS = 100_000_000
RESERVED = frozenset({*METRICS, "symbol", "time", "trial", "fold"})


@dataclass(frozen=True)
class ParameterCube:
    """Trials in the order of the result, the last axis running fastest."""

    axes: Mapping[str, tuple[Any, ...]]  # name -> coordinate values; {} for a single trial
    values: Mapping[str, FloatArray]  # swept name -> value per trial
    labels: Mapping[str, tuple[Any, ...]]  # the same as given: choices by their words
    is_grid: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def n_trials(self) -> int:
        """Points of the cube."""
        return int(np.prod(self.shape, dtype=np.int64))


def grid_cube(strategy: Strategy, grid: Mapping[str, Sequence[Any]]) -> ParameterCube:
    """Cube of every combination of the values in `grid`.

    Raises
    ------
    ParameterError
        If an axis is unknown, empty, repeats a value, or holds one outside the parameter's bounds.
    """
    axes: dict[str, tuple[Any, ...]] = {}
    numbers: list[list[float]] = []
    for name, given in grid.items():
        if isinstance(given, str | bytes) or not hasattr(given, "__len__"):
            raise ParameterError(f"axis `{name}` was {given!r}, must be a list of values")
        labels = tuple(item.item() if isinstance(item, np.generic) else item for item in given)
        if not labels:
            raise ParameterError(f"axis `{name}` is empty; give at least one value")
        checked = [check_value(strategy, name, item) for item in labels]
        if len(set(map(repr, checked))) != len(checked):
            raise ParameterError(f"axis `{name}` repeats a value: {', '.join(map(str, labels))}")
        axes[name] = labels if any(isinstance(item, str) for item in labels) else tuple(checked)
        numbers.append(checked)
    n_trials = math.prod(len(labels) for labels in axes.values())
    if n_trials > MAX_TRIALS:
        raise ParameterError(f"the grid has {n_trials:,} trials, at most {MAX_TRIALS:,} are swept at once")
    mesh = np.meshgrid(*numbers, indexing="ij") if numbers else []
    values = {name: np.ascontiguousarray(part).reshape(-1) for name, part in zip(axes, mesh, strict=True)}
    return ParameterCube(axes, values, {}, is_grid=True)


def sample_cube(strategy: Strategy, trials: Mapping[str, Sequence[Any]]) -> ParameterCube:
    """Cube of listed trials: one sequence per swept name, all of one length (a DataFrame will do)."""
    columns = {str(name): list(trials[name]) for name in trials}
    lengths = {name: len(column) for name, column in columns.items()}
    if not columns or 0 in lengths.values():
        raise ParameterError("`trials` holds no trial; give at least one row")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {n}" for name, n in lengths.items())
        raise ParameterError(f"`trials` has columns of different lengths ({told})")
    values = {
        name: np.array([check_value(strategy, name, item) for item in column], dtype=np.float64)
        for name, column in columns.items()
    }
    n = next(iter(lengths.values()))
    labels = {
        name: tuple(column)
        if any(isinstance(item, str) for item in column)
        else tuple(map(float, values[name]))
        for name, column in columns.items()
    }
    return ParameterCube({"trial": tuple(range(n))}, values, labels, is_grid=False)


def check_value(strategy: Strategy, name: str, value: Any) -> float:
    """One value of an axis as a float, checked against the bounds of what it sets."""
    if name in strategy.params:
        if name in RESERVED:
            raise ParameterError(f"parameter `{name}` of strategy {strategy.name!r} has the name of a result")
        return strategy.params[name].check(name, value)
    kind = settings_of(name)
    if name in COMPILED_IN:
        raise ParameterError(f"axis `{name}` is the same for all trials; sweep once for each value")
    if kind is not None:
        field = name.partition(".")[2]
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, float) and math.isnan(plain) and is_optional(kind, field):
            plain = None  # as a table of floats says that there is no such limit
        whole = isinstance(plain, float) and plain.is_integer()
        try:
            # A whole number may come as 5.0, from a table of floats or a linspace.
            checked = build(
                kind, {**beside(field), field: int(plain) if whole and field in WHOLE else plain}, ()
            )
        except SettingError as error:
            raise ParameterError(f"axis `{name}` {error.text}") from None
        return encode(name, getattr(checked, field))
    raise ParameterError(
        f"axis `{name}` is unknown; strategy {strategy.name!r} has {', '.join(strategy.params)}; "
        f"costs, assumptions and limits are {', '.join(setting_names())}"
    )
