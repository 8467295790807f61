"""Market cubes on disk: what an adapter imported once, and every sweep and backtest reads.

Each symbol has chunks of its own, so that it is read without the others; along time a chunk holds four
months of an exchange's minutes.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..engine.market import IntArray, check_market, select
from .atomic import PathLike
from .cube import read_cube, write_cube

_KIND = "market"
_CHUNK_BARS = 1 << 15  # 256 KiB of float64
_POSITIONS = {"symbol": "symbol_position", "time": "time_position"}

Bound = str | dt.date | np.datetime64


def write_market(market: xr.Dataset, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a market cube to a zarr folder, whole or not at all.

    Parameters
    ----------
    market : Dataset
        Dims ``(symbol, time)``, as ``engine.market`` builds it. NaN is no bar.
    path : path
        The folder to make, by custom ``*.zarr``; missing parents are made too.
    overwrite : bool
        Replace an existing market cube. Anything else is never replaced.

    Raises
    ------
    DataError
        If `market` is no valid market cube.
    StoreError
        If the target exists, another process writes it now, or the disk refuses.
    """
    check_market(market)
    write_cube(market, path, kind=_KIND, chunks=_row_chunks, overwrite=overwrite)


def read_market(
    path: PathLike,
    *,
    symbols: str | Sequence[str] | None = None,
    start: Bound | None = None,
    stop: Bound | None = None,
) -> xr.Dataset:
    """Read a market cube, or the part of it that is asked for, into memory.

    Parameters
    ----------
    path : path
        A folder that ``write_market`` made.
    symbols : str or sequence of str, optional
        Which symbols, in this order; the chunks of the others are not read. Default: all, as written.
    start, stop : date or instant, optional
        Which bars, as `engine.market.select` takes them: a date means sessions from `start` on, before
        `stop`; an instant (UTC) means bars that begin at or after `start` and end by `stop`. Default: all.

    Returns
    -------
    Dataset
        Equal to the bit to what was written. NaN is no bar.

    Raises
    ------
    NotFoundError
        If there is nothing at `path`, or it has no such symbol.
    DataError
        If a bound is no time, or no bar is left.
    StoreError
        If there is something else at `path`, or it is damaged.
    """

    def positions(labels: xr.Dataset) -> Mapping[Any, Any]:
        numbered = labels.assign(
            {name: (dim, np.arange(labels.sizes[dim])) for dim, name in _POSITIONS.items()}
        )
        part = select(numbered, symbols, start, stop)
        return {dim: _as_slice(part[name].values) for dim, name in _POSITIONS.items()}

    return read_cube(path, kind=_KIND, select=positions)


def _row_chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*(1 for _ in shape[:-1]), min(shape[-1], _CHUNK_BARS))


def _as_slice(positions: IntArray) -> slice | IntArray:
    """Neighbours as a slice, which zarr reads faster than a list."""
    if np.array_equal(positions, np.arange(positions[0], positions[0] + positions.size)):
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions
