"""The market that a command works on: a cube from disk, an import of files, or the cached sample market."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.errors import ParameterError, StoreError
from .console import note, warn
from .options import DataOptions, FileOptions, ImportOptions, MarketOptions, SampleOptions

if TYPE_CHECKING:
    import xarray as xr

_SAMPLE_DEFAULTS = {"n_symbols": 8, "sessions": 252}


@dataclass(frozen=True)
class LoadedMarket:
    """Bars, and how to get the same ones again."""

    market: "xr.Dataset"
    request: dict[str, Any]  # for `options_of`; plain values


def load_market(options: MarketOptions) -> LoadedMarket:
    """Read, import or invent the bars that the options ask for.

    Raises
    ------
    ParameterError
        If options contradict each other.
    DataError, NotFoundError, StoreError, ConfigError
        If the bars cannot be read.
    """
    paths = options.data.data or []
    cubes = [path for path in paths if is_cube(path)]
    if not paths:
        _refuse(
            options.files.given() | options.imports.given(), "describes files of bars; give them with --data"
        )
        market = _sample(options)
    else:
        _refuse(options.sample.given(), "belongs to the sample market; leave it away or --data")
        if cubes and len(paths) > 1:
            raise ParameterError(f"`--data` was given {len(paths)} times; a market.zarr is read alone")
        market = _cube(options) if cubes else _files(options)
    request = {
        "data": [str(path.expanduser().resolve()) for path in paths],
        "select": options.data.selection(),
        "files": options.files.given() | options.imports.given(),
        "sample": options.sample.given(),
    }
    return LoadedMarket(market, {name: value for name, value in request.items() if value})


def options_of(request: Mapping[str, Any]) -> MarketOptions:
    """The options that a request was made from."""
    select = dict(request.get("select", {}))
    files = dict(request.get("files", {}))
    drop_invalid = bool(files.pop("drop_invalid", False))
    return MarketOptions(
        DataOptions(
            [Path(path) for path in request.get("data", [])] or None,
            ",".join(select["symbols"]) if "symbols" in select else None,
            select.get("start"),
            select.get("stop"),
        ),
        FileOptions(**files),
        ImportOptions(drop_invalid),
        SampleOptions(**request.get("sample", {})),
    )


def is_given(options: MarketOptions) -> bool:
    """Whether any option about the market was given."""
    groups = (options.data, options.files, options.imports, options.sample)
    return any(group.given() for group in groups)


def is_cube(path: Path) -> bool:
    """Whether a path names a cube rather than files of bars."""
    path = path.expanduser()
    return path.suffix == ".zarr" or (path / "zarr.json").is_file()


def _refuse(given: Mapping[str, Any], why: str) -> None:
    for name in given:
        raise ParameterError(f"`--{name.replace('_', '-')}` {why}")


def _cube(options: MarketOptions) -> "xr.Dataset":
    from ...store.market import read_market

    given = options.files.given() | options.imports.given()
    if "symbol" in given:
        raise ParameterError("`--symbol` describes files of bars; choose symbols of a market with --symbols")
    _refuse(given, "describes files of bars, and a market.zarr says it itself")
    return read_market((options.data.data or [])[0], **options.data.selection())


def _files(options: MarketOptions) -> "xr.Dataset":
    from ...adapters.bar_files import import_bars
    from ...engine.market import select

    arguments = options.files.given() | options.imports.given()
    result = import_bars(options.data.data or [], **arguments)
    note(result.report.text())
    return select(result.market, **options.data.selection())


def _sample(options: MarketOptions) -> "xr.Dataset":
    """The sample market, from the cache where it is there and whole."""
    from ...adapters.sample_market import SAMPLE_SEED, sample_market
    from ...engine.market import select
    from ...store.market import read_market, write_market

    size = _SAMPLE_DEFAULTS | {"seed": SAMPLE_SEED} | options.sample.given()
    path = _sample_path(size)
    if path.is_dir():
        try:
            return read_market(path, **options.data.selection())
        except StoreError as error:
            warn(f"the cached sample market is made anew: {error}")
    if size["n_symbols"] * size["sessions"] >= 500:
        note("making the sample market (once; it is kept in the cache)")
    market = sample_market(**size)
    try:
        write_market(market, path, overwrite=True)
    except StoreError as error:
        note(f"the sample market is not kept: {error}")
    return select(market, **options.data.selection())


def _sample_path(size: Mapping[str, int]) -> Path:
    """Where a sample market is cached: named by its parameters and by everything that makes its bars."""
    from importlib.metadata import version

    import numpy as np

    from ...adapters import calendars, sample_market
    from ...engine import market
    from ...kernels.decorator import cache_root

    digest = hashlib.sha256()
    for module in (sample_market, calendars, market):
        digest.update(Path(str(module.__file__)).read_bytes())
    versions = (np.__version__, version("exchange_calendars"), platform.machine())
    digest.update("|".join(versions).encode())
    name = "-".join(f"{key}{value}" for key, value in sorted(size.items()))
    return cache_root() / "sample" / f"{name}-{digest.hexdigest()[:16]}.zarr"
