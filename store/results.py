"""Result cubes on disk: what a sweep measured, with where it came from.

The attributes carry the provenance (strategy, costs, data hash, versions, number of trials), so a cube can be
replayed and judged long after the sweep.
"""

import xarray as xr

from .atomic import PathLike
from .cube import read_cube, write_cube

_KIND = "result"


def write_result(cube: xr.Dataset, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a result cube to a zarr folder, whole or not at all.

    Parameters
    ----------
    cube : Dataset
        Dims ``(symbol, *axes)`` or ``(symbol, trial)``, one variable per metric, each in its own dtype. NaN
        is undefined. Attributes are text, numbers, or lists and mappings of them.
    path : path
        The folder to make, by custom ``*.zarr``; missing parents are made too.
    overwrite : bool
        Replace an existing result cube. Anything else is never replaced.

    Raises
    ------
    StoreError
        If the cube holds what cannot be stored, the target exists, another process writes it now, or the disk
        refuses.
    """
    write_cube(cube, path, kind=_KIND, overwrite=overwrite)


def read_result(path: PathLike) -> xr.Dataset:
    """Read a result cube into memory, equal to the bit to what was written.

    Raises
    ------
    NotFoundError
        If there is nothing at `path`.
    StoreError
        If there is something else, or it is damaged.
    """
    return read_cube(path, kind=_KIND)
