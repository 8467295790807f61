"""What the page draws of the cube: its values over the parameters, the best trial and the one shown marked.

The page slices; Python only hands it a block of the cube that is small enough to travel. A cube that is too
large keeps two axes, then its medians only, then every k-th value, and says so.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...kernels.types import FloatArray, IntArray
from ..errors import ParameterError
from . import formats
from .ranking import (
    cube_axes,
    cube_symbols,
    median_over_symbols,
    metric_table,
    sampled_names,
    trial_scores,
)
from .wording import METRIC_WORDS, metric_words

MAX_VALUES = 250_000  # numbers that one report spends on the cube
MAX_AXIS = 150  # values of an axis that is thinned
N_BINS = 40
MIN_SCORES = 8  # fewer values make no histogram
_DIGITS = {"percent": 4, "ratio": 4, "amount": 7}  # significant digits by kind of metric


class _Block(NamedTuple):
    """The part of a cube that travels: positions kept on each axis, and whether its symbols do."""

    kept: list[IntArray]
    each_symbol: bool
    note: str


def cube_figure(
    cube: xr.Dataset, rank_by: str, *, best: int, shown: int, heat_map_axes: Sequence[str] | None
) -> dict[str, Any]:
    """Data of the cube's chart.

    Parameters
    ----------
    best, shown : int
        Positions in the cube of the trial that ranks first and of the one that the report replays.
    heat_map_axes : pair of str, optional
        Axes to start with, (across, up); default the two longest.

    Returns
    -------
    dict
        ``kind`` is "single", "line", "heat_map" or "scatter"; ``values[metric][view]`` is flat, in the
        order of ``axes``, the last running fastest.
    """
    names = _metric_names(cube, rank_by)
    if cube_axes(cube) == ["trial"]:
        return _scatter(cube, names, rank_by, best=best, shown=shown)
    axes = cube_axes(cube)
    shape = tuple(cube.sizes[axis] for axis in axes)
    across_up = _start_axes(axes, shape, heat_map_axes)
    marks = [np.unravel_index(trial, shape) if axes else () for trial in (best, shown)]
    block = _travelling_block(cube, len(names), axes, across_up, [list(map(int, mark)) for mark in marks])
    at = [[int(np.searchsorted(kept, i)) for kept, i in zip(block.kept, mark, strict=True)] for mark in marks]
    inside = all(i in kept for kept, i in zip(block.kept, marks[1], strict=True))
    return {
        "kind": ("single", "line", "heat_map")[min(2, sum(n > 1 for n in shape))],
        "rank_by": rank_by,
        "metrics": _metrics(names),
        "views": _views(cube, block.each_symbol),
        "axes": [
            {
                "name": axis,
                "labels": [formats.setting(value) for value in cube[axis].values[kept].tolist()],
                "values": cube[axis].values[kept].tolist(),
            }
            for axis, kept in zip(axes, block.kept, strict=True)
        ],
        "across_up": list(across_up),
        "best": at[0],
        "shown": at[1] if inside else None,
        "values": {name: _block_values(cube, name, shape, block) for name in names},
        "note": block.note,
    }


def score_histogram(cube: xr.Dataset, rank_by: str) -> dict[str, Any]:
    """How many trials reached which value of the ranking metric: edges and counts, empty for a few."""
    scores = trial_scores(cube, rank_by)
    known = scores[np.isfinite(scores)]
    if known.size < MIN_SCORES or known.min() == known.max():
        return {"edges": [], "counts": []}
    counts, edges = np.histogram(known, bins=min(N_BINS, max(5, int(np.sqrt(known.size) * 2))))
    return {"edges": significant(edges, 6).tolist(), "counts": counts.tolist()}


def significant(values: FloatArray, digits: int) -> FloatArray:
    """Values rounded to significant digits: what a chart can show, at half the bytes."""
    values = np.asarray(values, dtype=np.float64)
    size = np.abs(values)
    usable = np.isfinite(values) & (size > 0.0)
    exponent = np.floor(np.log10(np.where(usable, size, 1.0)))
    scale = 10.0 ** (digits - 1 - exponent)
    rounded: FloatArray = np.where(usable, np.round(values * scale) / scale, values)
    return rounded


def _metric_names(cube: xr.Dataset, rank_by: str) -> list[str]:
    """Metrics of the cube, the ranking metric first, then in the order that people read them."""
    known = [name for name in METRIC_WORDS if name in cube.data_vars]
    others = [str(name) for name in cube.data_vars if name not in METRIC_WORDS]
    return [rank_by, *(name for name in known + others if name != rank_by)]


def _metrics(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": name, **metric_words(name)._asdict()} for name in names]


def _views(cube: xr.Dataset, each_symbol: bool) -> list[str]:
    symbols = cube_symbols(cube)
    if len(symbols) == 1:
        return [symbols[0] or "account"]
    return [f"median of {len(symbols)} symbols", *(symbols if each_symbol else ())]


def _scatter(cube: xr.Dataset, names: list[str], rank_by: str, *, best: int, shown: int) -> dict[str, Any]:
    params = sampled_names(cube)
    n = cube.sizes["trial"]
    n_symbols = len(cube_symbols(cube))
    views = 1 + n_symbols if n_symbols > 1 else 1
    each_symbol = n * (views * len(names) + len(params)) <= MAX_VALUES
    columns = (len(names) * (views if each_symbol else 1)) + len(params)
    every = max(1, -(-n * columns // MAX_VALUES))
    kept = np.union1d(np.arange(0, n, every), [best, shown])
    notes = []
    if not each_symbol:
        notes.append("Too many trials for single symbols: medians only.")
    if every > 1:
        notes.append(f"Every {every}th trial is drawn.")
    block = _Block([kept], each_symbol, " ".join(notes))
    return {
        "kind": "scatter",
        "rank_by": rank_by,
        "metrics": _metrics(names),
        "views": _views(cube, each_symbol),
        "axes": [],
        "params": [{"name": name, "values": cube[name].values[kept].tolist()} for name in params],
        "best": int(np.searchsorted(kept, best)),
        "shown": int(np.searchsorted(kept, shown)),
        "values": {name: _block_values(cube, name, (n,), block) for name in names},
        "note": block.note,
    }


def _start_axes(axes: Sequence[str], shape: Sequence[int], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The axes to start with: those asked for, or the two longest."""
    if wanted is not None:
        for axis in wanted:
            if axis not in axes:
                raise ParameterError(
                    f"`heat_map_axes` names {axis!r}, which is no axis of the cube; "
                    f"it has {', '.join(axes) or 'none'}"
                )
        if len(set(wanted)) != 2:
            raise ParameterError(f"`heat_map_axes` was {tuple(wanted)!r}, must name two different axes")
        return tuple(wanted)
    by_length = sorted(range(len(axes)), key=lambda i: -shape[i])[:2]
    return tuple(axes[i] for i in sorted(by_length))


def _travelling_block(
    cube: xr.Dataset, n_metrics: int, axes: Sequence[str], across_up: Sequence[str], marks: list[list[int]]
) -> _Block:
    """As much of the cube as a page can carry."""
    n_symbols = len(cube_symbols(cube))
    n_views = 1 + n_symbols if n_symbols > 1 else 1
    best = marks[0]
    kept = [np.arange(cube.sizes[axis]) for axis in axes]

    def size(views: int) -> int:
        return int(np.prod([part.size for part in kept], dtype=np.int64)) * views * n_metrics

    if size(n_views) <= MAX_VALUES:
        return _Block(kept, True, "")
    kept = [
        part if axis in across_up else np.array([best[i]])
        for i, (axis, part) in enumerate(zip(axes, kept, strict=True))
    ]
    held = [axis for axis in axes if axis not in across_up]
    note = f"{', '.join(held)} held at the best trial: the cube is larger than a page." if held else ""
    if size(n_views) <= MAX_VALUES:
        return _Block(kept, True, note)
    note += " Medians over the symbols only."
    if size(1) > MAX_VALUES:
        kept = [
            np.union1d(np.arange(0, part.size, -(-part.size // MAX_AXIS)), [best[i]])
            if part.size > 1
            else part
            for i, part in enumerate(kept)
        ]
        note += " Long axes are thinned."
    return _Block(kept, False, note.strip())


def _block_values(cube: xr.Dataset, name: str, shape: tuple[int, ...], block: _Block) -> list[list[float]]:
    """Values of a metric inside the block, flat, one list per view."""
    table = metric_table(cube, name)
    table = table.reshape(-1, *shape)
    table = table[np.ix_(np.arange(len(table)), *block.kept)] if shape else table
    table = table.reshape(len(table), -1)
    if len(table) == 1:
        rows = table
    else:
        median = median_over_symbols(table)[None]
        rows = np.concatenate([median, table]) if block.each_symbol else median
    kind = metric_words(name).kind
    if kind == "count":  # a median of counts may be a half
        return [[int(value) if value.is_integer() else value for value in row] for row in rows.tolist()]
    digits = _DIGITS[kind]
    return [significant(row, digits).tolist() for row in rows]
