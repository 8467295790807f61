"""What can be named in a request: markets and results of the data folder, and strategies.

Nothing that comes over HTTP is ever made into a path. A name is looked up among what a scan of the folders
found, and the scan leaves out whatever lies elsewhere behind a link. So there is nothing to escape from.
Cubes are found in the data folder itself and one folder below it; a cube of a folder that is not ours
(``markets``, ``results``) is named after both: ``dual_mode-20261120.cube``.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from ..engine.errors import FluxHeroError, NotFoundError, StoreError, StrategyError
from .problems import without_paths
from .schemas import (
    BrokenFile,
    DataListing,
    MarketSummary,
    ResultSummary,
    StrategyDocument,
    StrategySummary,
    is_plain_name,
)

if TYPE_CHECKING:
    import xarray as xr

    from ..engine.strategy import Feature, Param, Series, Strategy, Varying

SAMPLE = "sample"
RESULTS = "results"
_OUR_FOLDERS = ("markets", RESULTS)
_SUFFIX = ".zarr"
_MAX_NAMED = 20  # names that an error lists

K = TypeVar("K")
V = TypeVar("V")
Stamp = tuple[int, ...]
Bound = Any  # a date, an instant or None; see `engine.market.select`


class Cache(Generic[K, V]):
    """The values used last, up to a size in total; one caller at a time makes a missing one."""

    def __init__(self, max_size: int, size: Callable[[V], int] = lambda _: 1) -> None:
        self._max_size = max_size
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made if it is not there."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            self._values.move_to_end(key)
            while len(self._values) > 1 and sum(map(self._size, self._values.values())) > self._max_size:
                self._values.popitem(last=False)
            return self._values[key]


@dataclass(frozen=True)
class SampleSize:
    """How much of the sample market there is."""

    n_symbols: int = 8
    sessions: int = 252


class DataFolder:
    """Markets and results of one folder.

    Parameters
    ----------
    folder : Path
        Made when missing.
    sample : SampleSize
        Size of the market called "sample", which is invented and not on disk.
    cache_bytes : int
        Memory for cubes that were read last.
    """

    def __init__(self, folder: Path, *, sample: SampleSize, cache_bytes: int = 512 << 20) -> None:
        self.folder = folder.expanduser().resolve()
        self._sample = sample
        self._cubes: Cache[tuple[Any, ...], xr.Dataset] = Cache(cache_bytes, lambda cube: int(cube.nbytes))
        self._described: Cache[tuple[str, Stamp], MarketSummary | ResultSummary | str] = Cache(1_000)
        try:
            (self.folder / RESULTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot use the data folder {self.folder}: {error.strerror}") from error

    def listing(self) -> DataListing:
        """Everything there is, described."""
        markets, results, broken = [self.sample_summary()], [], []
        for name, paths in sorted(self._scan().items()):
            found = self._describe(name, paths)
            if isinstance(found, MarketSummary):
                markets.append(found)
            elif isinstance(found, ResultSummary):
                results.append(found)
            else:
                broken.append(BrokenFile(name, found))
        results.sort(key=lambda result: result.created, reverse=True)
        return DataListing(markets, results, broken)

    def sample_summary(self) -> MarketSummary:
        """The sample market, described."""
        return _market_summary(SAMPLE, "sample", self.market(SAMPLE))

    def market_summary(self, name: str) -> MarketSummary:
        """One market, described.

        Raises
        ------
        NotFoundError
            If there is no such market; lists those that there are.
        StoreError
            If it is damaged.
        """
        if name == SAMPLE:
            return self.sample_summary()
        found = self._describe(name, [self._path(name, "market")])
        if isinstance(found, str):
            raise StoreError(found)
        if not isinstance(found, MarketSummary):
            raise NotFoundError(f"{name!r} is a result; {self._known('market')}")
        return found

    def market(
        self,
        name: str,
        symbols: Sequence[str] | None = None,
        start: Bound = None,
        stop: Bound = None,
    ) -> "xr.Dataset":
        """A market, or the part of it that is asked for.

        Raises
        ------
        NotFoundError
            If there is no such market, or it has no such symbol.
        DataError, StoreError
            If no bar is left, or the market is damaged.
        """
        if name == SAMPLE:
            from ..engine.market import select

            return select(self._whole_sample(), symbols, start, stop)
        from ..store.market import read_market

        path = self._path(name, "market")
        wanted = None if symbols is None else tuple(symbols)
        key = ("market", name, _stamp(path), wanted, str(start), str(stop))
        return self._cubes.get(key, lambda: read_market(path, symbols=wanted, start=start, stop=stop))

    def market_stamp(self, name: str) -> Stamp:
        """What changes when a market is replaced; ask before its bars are read."""
        return () if name == SAMPLE else _stamp(self._path(name, "market"))

    def result(self, name: str) -> "xr.Dataset":
        """A result cube.

        Raises
        ------
        NotFoundError
            If there is no such result.
        StoreError
            If it is damaged.
        """
        from ..store.results import read_result

        path = self._path(name, "result")
        return self._cubes.get(("result", name, _stamp(path)), lambda: read_result(path))

    def has(self, name: str) -> bool:
        """Whether there is a cube of this name."""
        return name in self._scan()

    def result_path(self, name: str) -> Path:
        """Where a new result goes."""
        return self.folder / RESULTS / f"{name}{_SUFFIX}"

    def _whole_sample(self) -> "xr.Dataset":
        def make() -> "xr.Dataset":
            from ..adapters.sample_market import sample_market

            return sample_market(self._sample.n_symbols, sessions=self._sample.sessions)

        return self._cubes.get((SAMPLE,), make)

    def _path(self, name: str, kind: Literal["market", "result"]) -> Path:
        paths = self._scan().get(name, [])
        if not paths:
            raise NotFoundError(f"there is no {kind} of this name; {self._known(kind)}")
        if len(paths) > 1:
            raise StoreError(f"{len(paths)} cubes are called {name!r}; rename one of them")
        return paths[0]

    def _known(self, kind: Literal["market", "result"]) -> str:
        wanted = MarketSummary if kind == "market" else ResultSummary
        names = [SAMPLE] if kind == "market" else []
        names += [
            name
            for name, paths in sorted(self._scan().items())
            if isinstance(self._describe(name, paths), wanted)
        ]
        more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
        return f"{kind}s are {', '.join(names[:_MAX_NAMED]) or 'none'}{more}"

    def _scan(self) -> dict[str, list[Path]]:
        """Folders that look like cubes, by name."""
        found: dict[str, list[Path]] = {}
        for path, name in self._candidates():
            if is_plain_name(name) and name != SAMPLE and path.resolve().is_relative_to(self.folder):
                found.setdefault(name, []).append(path)
        return found

    def _candidates(self) -> Iterator[tuple[Path, str]]:
        for folder in _folders(self.folder):
            if folder.name.endswith(_SUFFIX):
                yield folder, folder.name.removesuffix(_SUFFIX)
                continue
            if not folder.resolve().is_relative_to(self.folder):
                continue
            prefix = "" if folder.name in _OUR_FOLDERS else f"{folder.name}."
            for path in _folders(folder):
                if path.name.endswith(_SUFFIX):
                    yield path, prefix + path.name.removesuffix(_SUFFIX)

    def _describe(self, name: str, paths: list[Path]) -> MarketSummary | ResultSummary | str:
        if len(paths) > 1:
            return f"{len(paths)} cubes are called {name!r}; rename one of them"
        (path,) = paths
        return self._described.get((str(path), _stamp(path)), lambda: _described(name, path))


def _folders(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # gone, or not ours to read
        return
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_dir():
            yield folder / entry.name


def _stamp(path: Path) -> Stamp:
    """What changes when a cube is replaced, or rewritten in its place."""
    stamp: Stamp = ()
    for part in (path, path / "zarr.json"):
        try:
            status = part.stat()
        except OSError:
            continue
        stamp += (status.st_dev, status.st_ino, status.st_mtime_ns)
    return stamp


def _described(name: str, path: Path) -> MarketSummary | ResultSummary | str:
    """A cube by its coordinates and attributes, or what is wrong with it; none of its chunks are read."""
    try:
        summary = _read_summary(name, path)
        msgspec.json.encode(summary)  # a lone surrogate cannot be sent
    except FluxHeroError as error:
        return without_paths(str(error))
    except Exception as error:  # anybody may put anything there, and the rest must still be listed
        return f"its description is not what FluxHero writes: {type(error).__name__}"
    return summary


def _read_summary(name: str, path: Path) -> MarketSummary | ResultSummary:
    from ..engine.market import series_names
    from ..store.cube import read_cube

    labels: list[xr.Dataset] = []

    def nothing(coords: "xr.Dataset") -> dict[Any, Any]:
        labels.append(coords)
        return {dim: slice(0, 0) for dim in coords.dims}

    try:
        cube = read_cube(path, kind="market", select=nothing)
    except StoreError as error:
        if "not a market cube" not in str(error):
            raise
        cube = read_cube(path, kind="result", select=nothing)
        metrics = [str(key) for key in cube.data_vars]
        return _result_summary(name, labels[-1].assign_attrs(cube.attrs), metrics)
    return _market_summary(name, "file", labels[-1].assign_attrs(cube.attrs), series_names(cube))


def _market_summary(
    name: str, origin: Literal["sample", "file"], market: "xr.Dataset", series: Sequence[str] = ()
) -> MarketSummary:
    sessions = market["session"].values
    return MarketSummary(
        name=name,
        origin=origin,
        symbols=[str(symbol) for symbol in market["symbol"].values],
        timeframe=str(market.attrs["timeframe"]),
        calendar=str(market.attrs["calendar"]),
        source=without_paths(str(market.attrs["source"])),
        adjustment=str(market.attrs["adjustment"]),
        generated=bool(market.attrs["generated"]),
        n_bars=int(market.sizes["time"]),
        first_session=str(sessions[0])[:10],
        last_session=str(sessions[-1])[:10],
        series=list(series),
    )


def _result_summary(name: str, labels: "xr.Dataset", metrics: list[str]) -> ResultSummary:
    return ResultSummary(
        name=name,
        strategy=str(labels.attrs["strategy"]),
        symbols=[str(symbol) for symbol in labels["symbol"].values],
        axes={str(dim): int(labels.sizes[dim]) for dim in labels.dims if dim != "symbol"},
        metrics=metrics,
        n_trials=int(labels.attrs["n_trials"]),
        decision_timeframe=str(labels.attrs["decision_timeframe"]),
        source=without_paths(str(labels.attrs["source"])),
        generated=bool(labels.attrs["generated"]),
        created=str(labels.attrs["created"]),
    )


class Strategies:
    """Strategies by name: ours, and the files of one folder.

    Parameters
    ----------
    folder : Path
        A user's strategy files; need not exist. Whoever may write there may run code here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()

    def summaries(self) -> list[StrategySummary]:
        """All strategies; one that cannot be loaded says why."""
        return [self._summary(name, path) for name, path in sorted(self._scan().items())]

    def load(self, name: str) -> "Strategy":
        """A strategy by name, read again every time: a file may import others, and any of them may change.

        Raises
        ------
        NotFoundError
            If there is no such strategy; lists those that there are.
        StrategyError
            If its file cannot be used.
        """
        from ..engine.strategy import load_strategy

        known = self._scan()
        if name not in known:
            raise NotFoundError(f"there is no strategy of this name; there are {', '.join(sorted(known))}")
        path = known[name]
        try:
            return load_strategy(name if path is None else path)
        except FluxHeroError:
            raise
        except BaseException as error:  # a user's code: it may call sys.exit
            told = f"{name}.py cannot be loaded: {type(error).__name__}: {error}"
            raise StrategyError(told) from error

    def is_builtin(self, name: str) -> bool:
        """Whether a strategy comes with FluxHero."""
        return self._scan().get(name, Path()) is None

    def document(self, name: str) -> StrategyDocument:
        """What a form needs to know of a strategy."""
        strategy = self.load(name)
        return StrategyDocument(
            name=name,
            origin="built-in" if self.is_builtin(name) else "file",
            description=strategy.doc,
            parameters={
                "type": "object",
                "additionalProperties": False,
                "properties": {key: _parameter(param) for key, param in strategy.params.items()},
            },
            features=[_feature(key, feature) for key, feature in strategy.features.items()],
            reasons={str(code): sentence for code, sentence in strategy.reasons.items()},
            modes={str(code): mode for code, mode in strategy.modes.items()},
        )

    def _summary(self, name: str, path: Path | None) -> StrategySummary:
        origin: Literal["built-in", "file"] = "built-in" if path is None else "file"
        try:
            first_line = self.load(name).doc.partition("\n")[0]
            summary = StrategySummary(name, origin, first_line)
            msgspec.json.encode(summary)  # a lone surrogate cannot be sent
        except Exception as error:  # a user's code: the others must still be listed
            words = str(error) if isinstance(error, FluxHeroError) else f"{type(error).__name__}: {error}"
            return StrategySummary(name, origin, "", without_paths(words))
        return summary

    def _scan(self) -> dict[str, Path | None]:
        """Strategies by name; None stands for one of ours, which a file cannot take the place of."""
        from ..engine.strategy import builtin_strategies

        found: dict[str, Path | None] = {}
        for path in sorted(self.folder.glob("*.py")):
            is_inside = path.resolve().is_relative_to(self.folder) and path.is_file()
            if is_inside and is_plain_name(path.stem) and path.stem.isidentifier():
                found[path.stem] = path
        return found | dict.fromkeys(builtin_strategies())


def _parameter(param: "Param") -> dict[str, Any]:
    described: dict[str, Any] = {"description": param.doc, "unit": param.unit}
    if param.choices is not None:
        word = next((word for word, code in param.choices.items() if code == param.default), None)
        codes = {str(key): value for key, value in param.choices.items()}
        return {"enum": list(param.choices), "default": word, "codes": codes} | described
    bounds = {"default": param.default, "minimum": param.low, "maximum": param.high}
    return {"type": "number"} | bounds | described


def _feature(name: str, feature: "Feature | Series") -> dict[str, Any]:
    from ..engine.strategy import Series

    described: dict[str, Any] = {"name": name} if name else {}
    if isinstance(feature, Series):
        told = {"series": feature.name, "unknown": feature.unknown, "timeframe": feature.timeframe}
        return described | told | {"description": feature.doc}
    described["indicator"] = feature.indicator
    if feature.on is not None:
        described["on"] = [_source(source) for source in feature.on]
    described |= {
        "output": feature.output,
        "timeframe": feature.timeframe,
        "settings": {name: _setting(value) for name, value in feature.settings.items()},
    }
    return described


def _source(source: "str | Feature | Series") -> str | dict[str, Any]:
    return source if isinstance(source, str) else _feature("", source)


def _setting(value: "float | str | Varying") -> Any:
    if isinstance(value, float | int | str):
        return value
    return {"period": _source(value.period), "low": value.low, "high": value.high}
