"""Labelled cubes on disk: one folder of zarr v3 per cube, readable by plain ``xarray.open_zarr`` too.

What comes back has the bits that went in: no fill values, no scaling, no packed times; an empty chunk is
written like any other, because a chunk that zarr leaves out reads as "no bars" after the file was lost.
Therefore the root also lists every file with its size and a digest of all metadata, and every chunk carries
a CRC-32C: a copy that was cut short or altered is refused in plain words instead of being read as a shorter
history. Text is stored as zarr's variable-length ``string`` and handed out as objects.

Sharding keeps the number of files flat (a shard of many chunks is one file) while one row of a cube can
still be read alone. zstd level 3 without shuffle was measured best for prices rounded to cents.
"""

import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import xarray as xr
from zarr.codecs import Crc32cCodec, ZstdCodec

from ..engine.errors import NotFoundError, StoreError
from .atomic import PathLike, atomic_folder, resolved, settle

Chunks = Callable[[tuple[int, ...]], tuple[int, ...]]
Select = Callable[[xr.Dataset], Mapping[Any, Any]]

_ROOT = "zarr.json"
_FORMAT = "fluxhero_format"  # "market/1"
_VARIABLES = "fluxhero_variables"  # in the order of the dataset: a folder has none
_FILES = "fluxhero_files"  # size by name
_DIGEST = "fluxhero_digest"  # of all metadata
_OURS = (_FORMAT, _VARIABLES, _FILES, _DIGEST)
_VERSION = 1

# What xarray or this module would read as an instruction instead of handing it back.
_RESERVED = {
    "_ARRAY_DIMENSIONS",
    "_Encoding",
    "_FillValue",
    "_Unsigned",
    "add_offset",
    "ancillary_variables",
    "bounds",
    "calendar",
    "cell_measures",
    "coordinates",
    "dtype",
    "formula_terms",
    "grid_mapping",
    "missing_value",
    "scale_factor",
    "units",
}
_RESERVED_AT_ROOT = {*_OURS, "coordinates"}

_CHUNK_ELEMENTS = 1 << 17  # 1 MiB of float64
_SHARD_ELEMENTS = 1 << 22  # 32 MiB: what a writer holds at once
_ZSTD_LEVEL = 3

_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EPOCH = " since 1970-01-01"
_CALENDAR = "proleptic_gregorian"


def even_chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of at most a mebibyte that run along the last axes first."""
    return _grow(tuple(1 for _ in shape), shape, _CHUNK_ELEMENTS)


def write_cube(
    cube: xr.Dataset, path: PathLike, *, kind: str, chunks: Chunks = even_chunks, overwrite: bool = False
) -> None:
    """Write a dataset to a folder, whole or not at all.

    Parameters
    ----------
    cube : Dataset
        Variables and coordinates of numbers, booleans, text or UTC times; attributes that JSON can say. It
        is not changed.
    path : path
        The folder to make; missing parents are made too.
    kind : str
        What it is: ``"market"`` or ``"result"``. Only a cube of the same kind is ever replaced.
    chunks : callable
        Chunk shape of a variable, from its shape.
    overwrite : bool
        Replace an existing cube of the same kind; never a folder that holds anything besides.

    Raises
    ------
    StoreError
        If the cube holds what cannot be stored, the target must not be replaced, another process writes it,
        or the disk refuses.
    """
    target = resolved(path)
    plain = _plain(cube)
    with atomic_folder(
        target, overwrite=overwrite, is_replaceable=lambda old: _is_replaceable(old, kind)
    ) as folder:
        plain.to_zarr(
            folder,
            mode="w",
            zarr_format=3,
            consolidated=False,  # not part of the zarr v3 specification: zarr warns
            write_empty_chunks=True,
            encoding=_encoding(plain, chunks),
        )
        _seal(folder, kind, [str(name) for name in plain.variables])


def read_cube(path: PathLike, *, kind: str, select: Select = lambda _: {}) -> xr.Dataset:
    """Read a cube into memory, or a part of it without touching the chunks of the rest.

    Parameters
    ----------
    path : path
        A folder that ``write_cube`` made.
    kind : str
        What it must be: ``"market"`` or ``"result"``.
    select : callable
        Gets a dataset of the coordinates, returns positions per dimension (as for ``isel``).

    Returns
    -------
    Dataset
        Equal to the bit to what was written; text comes back as objects.

    Raises
    ------
    NotFoundError
        If there is nothing at `path`.
    StoreError
        If there is something else, or it is damaged.
    """
    target = resolved(path)
    settle(target)
    while True:
        stamp = _stamp(target)
        try:
            cube = _load(target, kind, select)
        except (NotFoundError, StoreError):
            settle(target)  # it may have been missing between a writer's two renames only
            if _stamp(target) == stamp:
                raise
        else:
            if _stamp(target) == stamp:
                return cube
        # Replaced while we read it: the parts may stem from two cubes, so read again.
        settle(target)


def _load(target: Path, kind: str, select: Select) -> xr.Dataset:
    order = _verified_root(target, kind)[_VARIABLES]
    with ExitStack() as stack:
        with _damage_in_plain_words(target):
            # `chunks=None`: no dask. Times are stored as plain integers and need none of xarray's decoding.
            opened = stack.enter_context(
                xr.open_zarr(
                    target, consolidated=False, chunks=None, decode_times=False, mask_and_scale=False
                )
            )
            labels = xr.Dataset(
                coords={name: _restored(opened.variables[name]) for name in order if name in opened.coords}
            )
        indexers = select(labels)
        with _damage_in_plain_words(target):
            values = {
                name: _restored(opened.variables[name].isel(indexers, missing_dims="ignore"))
                for name in order
                if name not in labels.coords
            }
    cube = labels.isel(indexers).assign(values)
    cube.attrs = {name: value for name, value in opened.attrs.items() if name not in _OURS}
    return cube


# ---- what is written


def _plain(cube: xr.Dataset) -> xr.Dataset:
    """The same cube in types that zarr keeps to the bit."""
    variables = {name: _plain_variable(name, variable) for name, variable in cube.variables.items()}
    attrs = {
        str(name): _plain_attr(str(name), value, name in _RESERVED_AT_ROOT)
        for name, value in cube.attrs.items()
    }
    return xr.Dataset(
        {name: variables[name] for name in cube.data_vars},
        {name: variables[name] for name in cube.coords},
        attrs,
    )


def _plain_variable(name: Hashable, variable: xr.Variable) -> xr.Variable:
    if not isinstance(name, str) or not name or "/" in name or name.startswith(".") or name == _ROOT:
        raise StoreError(
            f"{name!r} cannot be a variable's name; use text without '/' that starts with no '.'"
        )
    values = variable.values
    attrs = {
        str(key): _plain_attr(f"{name}.{key}", value, key in _RESERVED)
        for key, value in variable.attrs.items()
    }
    if values.dtype.kind == "M":
        unit = np.datetime_data(values.dtype)[0]
        attrs |= {"units": _UNITS[unit] + _EPOCH, "calendar": _CALENDAR}
        values = values.view(np.int64)
    elif values.dtype.kind in "OUT":
        values = _text(name, values)
    elif values.dtype.kind not in "biuf":
        raise StoreError(f"`{name}` is {values.dtype}; a cube holds numbers, booleans, text and times")
    return xr.Variable(variable.dims, values, attrs)


def _text(name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    for item in values.flat:
        if not isinstance(item, str):
            raise StoreError(f"`{name}` holds {item!r} among its text; make it text, or numbers alone")
        try:
            item.encode()
        except UnicodeEncodeError as error:
            raise StoreError(f"`{name}` holds {item!r}, which is no text: {error.reason}") from error
    return values.astype(np.dtypes.StringDType())


def _plain_attr(name: str, value: Any, is_reserved: bool) -> Any:
    """An attribute as JSON will give it back."""
    if is_reserved:
        raise StoreError(f"attribute `{name}` is reserved for the store; rename it")
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"attribute `{name}` was a {type(value).__name__}; "
            "must be text, a number, or lists and mappings of them"
        ) from error


def _encoding(cube: xr.Dataset, chunks: Chunks) -> dict[Hashable, dict[str, Any]]:
    encoding: dict[Hashable, dict[str, Any]] = {}
    for name, variable in cube.variables.items():
        if variable.dtype.kind == "f":
            encoding[name] = {"_FillValue": None}  # NaN is a value here
        else:
            encoding[name] = {}
        if variable.ndim == 0:
            continue
        chunk = tuple(max(1, n) for n in chunks(variable.shape))
        shard = _grow(chunk, variable.shape, _SHARD_ELEMENTS)
        encoding[name] |= {"chunks": chunk, "compressors": (ZstdCodec(level=_ZSTD_LEVEL), Crc32cCodec())}
        if shard != chunk:
            encoding[name]["shards"] = shard
    return encoding


def _grow(block: tuple[int, ...], shape: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """Enlarge a block by whole multiples, last axis first, up to `limit` elements."""
    grown = list(block)
    for axis in reversed(range(len(block))):
        others = int(np.prod(grown)) // grown[axis]
        needed = -(-max(1, shape[axis]) // block[axis])
        grown[axis] = block[axis] * max(1, min(needed, limit // (others * block[axis])))
    return tuple(grown)


def _seal(folder: Path, kind: str, variables: list[str]) -> None:
    """Add to the root what a reader checks: the format, every file's size, a digest of the metadata."""
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    root = json.loads((folder / _ROOT).read_bytes())
    root["attributes"] |= {
        _FORMAT: f"{kind}/{_VERSION}",
        _VARIABLES: variables,
        _FILES: {file.as_posix(): (folder / file).stat().st_size for file in files if str(file) != _ROOT},
    }
    root["attributes"][_DIGEST] = _digest(folder, root)
    (folder / _ROOT).write_text(json.dumps(root), encoding="utf-8")


def _digest(folder: Path, root: dict[str, Any]) -> str:
    attributes = {name: value for name, value in root["attributes"].items() if name != _DIGEST}
    digest = hashlib.sha256(json.dumps(root | {"attributes": attributes}, sort_keys=True).encode())
    for file in attributes.get(_FILES, {}):
        if file.endswith(_ROOT):
            digest.update((folder / file).read_bytes())
    return digest.hexdigest()


# ---- what is read


def _kind_of(folder: Path) -> str | None:
    """The kind of cube in a folder, None where there is none of ours."""
    try:
        return str(_read_root(folder)["attributes"][_FORMAT]).partition("/")[0]
    except (StoreError, KeyError, TypeError):
        return None


def _is_replaceable(folder: Path, kind: str) -> bool:
    """Whether a folder is a cube of this kind and nothing else.

    Raises
    ------
    StoreError
        If it is one, and something that is not the cube's lies in it.
    """
    if _kind_of(folder) != kind:
        return False
    files = {_ROOT, *_files_of(folder, _read_root(folder)["attributes"])}
    folders = {parent.as_posix() for file in files for parent in PurePosixPath(file).parents}
    for place, folder_names, file_names in os.walk(folder):
        for known, names in ((folders, folder_names), (files, file_names)):
            for name in names:
                path = Path(place, name)
                if path.relative_to(folder).as_posix() not in known or path.is_symlink():
                    raise StoreError(
                        f"{folder} holds {path.relative_to(folder)}, no part of the cube; move it away"
                    )
    return True


def _files_of(folder: Path, attributes: dict[str, Any]) -> dict[str, int]:
    """The sizes of a cube's files; a name that leads out of the folder is refused."""
    sizes = attributes.get(_FILES)
    if not isinstance(sizes, dict):
        raise StoreError(f"{folder} is damaged: its list of files is missing; copy or compute it again")
    for file in sizes:
        parts = PurePosixPath(file).parts
        is_within = parts and ".." not in parts and not PurePosixPath(file).is_absolute()
        if not is_within or PureWindowsPath(file).drive or "\\" in file or "\0" in file:
            raise StoreError(f"{folder} is damaged: it lists {file!r}, which is no file within it")
    return sizes


def _read_root(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file; a cube is a folder")
    try:
        root = json.loads((folder / _ROOT).read_bytes())
    except FileNotFoundError:
        raise StoreError(f"{folder} is no cube of FluxHero: it has no {_ROOT}") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} is damaged: {_ROOT} cannot be read ({error})") from error
    if not isinstance(root, dict) or not isinstance(root.get("attributes"), dict):
        raise StoreError(f"{folder} is no cube of FluxHero: its {_ROOT} describes something else")
    return root


def _verified_root(folder: Path, kind: str) -> dict[str, Any]:
    """The root's attributes, of a whole cube of this kind."""
    if not folder.exists():
        others = sorted(path.name for path in folder.parent.glob("*/") if _kind_of(path) == kind)
        found = ", ".join(others) if others else "none"
        raise NotFoundError(f"{folder} does not exist; {kind} cubes in {folder.parent}: {found}")
    root = _read_root(folder)
    marker = root["attributes"].get(_FORMAT)
    if marker is None:
        raise StoreError(f"{folder} is zarr, but no cube of FluxHero; write it with `write_{kind}`")
    found_kind, _, version = str(marker).partition("/")
    if found_kind != kind:
        raise StoreError(f"{folder} is a {found_kind} cube, not a {kind} cube")
    if version != str(_VERSION):
        raise StoreError(
            f"{folder} has format {marker!r}, this version reads '{kind}/{_VERSION}'; update FluxHero"
        )
    for file, size in _files_of(folder, root["attributes"]).items():
        _verify_file(folder, file, size)
    with _damage_in_plain_words(folder):  # a file may go while a writer replaces the cube
        digest = _digest(folder, root)
    if digest != root["attributes"].get(_DIGEST):
        raise StoreError(
            f"{folder} is damaged: its metadata were changed after writing; copy or compute it again"
        )
    return dict(root["attributes"])


def _verify_file(folder: Path, file: str, size: int) -> None:
    try:
        actual = (folder / file).stat().st_size
    except OSError as error:
        raise StoreError(f"{folder} is damaged: {file} is missing; copy or compute it again") from error
    if actual != size:
        raise StoreError(
            f"{folder} is damaged: {file} has {actual} bytes, was written with {size}; "
            "copy or compute it again"
        )


def _restored(variable: xr.Variable) -> xr.Variable:
    """A stored variable, in memory and in its own type again."""
    values, attrs = variable.values, dict(variable.attrs)
    if attrs.get("calendar") == _CALENDAR and str(attrs.get("units")).endswith(_EPOCH):
        unit = next(unit for unit, word in _UNITS.items() if attrs["units"] == word + _EPOCH)
        del attrs["units"], attrs["calendar"]
        values = values.view(f"M8[{unit}]")
    elif values.dtype.kind in "OUT":
        values = values.astype(object)
    return xr.Variable(variable.dims, values, attrs)


@contextmanager
def _damage_in_plain_words(target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        # zarr and its codecs report damage in all of these.
        raise StoreError(f"{target} is damaged ({error}); copy or compute it again") from error


def _stamp(target: Path) -> tuple[int, int, int] | None:
    """What changes when a folder is replaced; None where there is none."""
    try:
        status = target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"cannot read {target}: {error.strerror}") from error
    return status.st_dev, status.st_ino, status.st_mtime_ns
