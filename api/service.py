"""What the routes speak to: data, strategies and jobs of one server, put together.

It checks a request as far as that is cheap, so that most mistakes are told at once and not by a failed job;
runs sweeps and backtests as jobs; and replays a cell on demand. Everything that reaches the engine is loaded
when it is first used: a server answers long before Numba is imported.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from ..engine.checked import SettingError, build, did_you_mean
from ..engine.config import load_costs, load_execution, load_risk
from ..engine.documents import shipped_names
from ..engine.errors import DataError, FluxHeroError, NotFoundError, ParameterError
from ..store.lock import FileLock
from .catalog import Cache, DataFolder, SampleSize, Strategies
from .job_log import Job, JobLog
from .jobs import JobQueue, Report
from .problems import Problem, told
from .schemas import (
    BacktestRequest,
    BacktestResult,
    JobView,
    Kind,
    RankingView,
    RunRequest,
    RunView,
    SliceView,
    StrategyDocument,
    StrategySummary,
    SweepRequest,
)

if TYPE_CHECKING:
    import xarray as xr

    from ..engine.run import Run
    from ..engine.strategy import Strategy
    from ..engine.sweep import Progress

_JOBS = "jobs.sqlite"
_LOCK = ".server.lock"
_MAX_RUNS = 4  # replays kept for the next page of their tables
_ENGINE_WAIT_S = 60.0


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may ask for."""

    max_body_bytes: int = 1 << 20
    max_axes: int = 16
    max_trials: int = 1_000_000
    max_cells: int = 4_000_000  # trials x symbols: what a result holds per metric
    max_waiting: int = 32
    max_slice_values: int = 250_000


@dataclass(frozen=True)
class Settings:
    """What a server is made of."""

    data_folder: Path
    strategies_folder: Path | None = None  # default: `strategies` in the data folder
    limits: Limits = field(default_factory=Limits)
    sample: SampleSize = field(default_factory=SampleSize)
    n_threads: int | None = None  # of a sweep; default: one per processor


class Service:
    """One server's data folder, strategies and jobs; `close` ends it.

    Raises
    ------
    StoreError
        If the folder cannot be used, or another server uses it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.data = DataFolder(settings.data_folder, sample=settings.sample)
        self.strategies = Strategies(settings.strategies_folder or self.data.folder / "strategies")
        self._started_s = time.monotonic()
        self._runs: Cache[tuple[Any, ...], Run] = Cache(_MAX_RUNS)
        # Loading a strategy and compiling its tape touch what all threads share.
        self._engine = threading.RLock()
        self._lock = FileLock(self.data.folder / _LOCK, f"the data folder {self.data.folder}")
        self._lock.acquire()
        try:
            log = JobLog(self.data.folder / _JOBS)
            self.jobs = JobQueue(
                log,
                {"sweep": self._sweep, "backtest": self._backtest},
                max_waiting=self.limits.max_waiting,
                has_result=lambda job: self.data.result_path(job.id).is_dir(),
            )
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> bool:
        """Stop all jobs and give the data folder free; False if a compilation still goes on."""
        has_ended = self.jobs.close()
        self._lock.release()
        return has_ended

    def uptime_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started_s

    def strategy_summaries(self) -> list[StrategySummary]:
        """All strategies."""
        with self._engine_turn():
            return self.strategies.summaries()

    def strategy_document(self, name: str) -> StrategyDocument:
        """One strategy."""
        with self._engine_turn():
            return self.strategies.document(name)

    # ---- jobs

    def submit_sweep(self, request: SweepRequest) -> JobView:
        """Check a sweep and put it into the queue.

        Raises
        ------
        FluxHeroError
            If anything in it is not possible; names what.
        """
        n_axes, limits = len(request.grid), self.limits
        if n_axes > limits.max_axes:
            told = f"has {n_axes} axes, at most {limits.max_axes} are swept at once"
            raise SettingError(("grid",), told)
        if request.n_trials > limits.max_trials:
            told = f"has {request.n_trials:,} trials, at most {limits.max_trials:,} are swept at once"
            raise SettingError(("grid",), told)
        strategy = self._checked(request, request.n_trials)
        for name, values in request.axes().items():
            with _as_field("grid", name):
                _check_axis(strategy, name, values)
        self._check_params(strategy, request.params)
        return self._submit("sweep", request, request.n_trials)

    def submit_backtest(self, request: BacktestRequest) -> JobView:
        """Check a backtest and put it into the queue.

        Raises
        ------
        FluxHeroError
            If anything in it is not possible; names what.
        """
        self._check_params(self._checked(request, 1), request.params)
        return self._submit("backtest", request, 1)

    @staticmethod
    def _check_params(strategy: "Strategy", params: Mapping[str, Any]) -> None:
        for name, value in params.items():
            with _as_field("params", name):
                strategy.check_params({name: value})

    def _submit(self, kind: Kind, request: RunRequest, n_trials: int) -> JobView:
        job = self.jobs.submit(kind, msgspec.to_builtins(request), n_trials=n_trials)
        return self.jobs.view(job.id, kind)

    def _checked(self, request: RunRequest, n_trials: int) -> "Strategy":
        """The strategy of a request, once everything was checked that needs no bars."""
        from ..engine.series import require_series
        from ..engine.setup import make_setup

        settings = _engine_settings(request)
        with _as_field("market"):
            market = self.data.market_summary(request.market)
        for symbol in request.symbols or ():
            if symbol not in market.symbols:
                names = did_you_mean(symbol, market.symbols)
                raise Problem(404, f"market {request.market!r} has no symbol {symbol!r}; {names}", "symbols")
        n_cells = len(request.symbols or market.symbols) * n_trials
        if n_cells > self.limits.max_cells:
            told = (
                f"gives {n_cells:,} cells (trials times symbols), at most {self.limits.max_cells:,} are kept"
            )
            raise SettingError(("grid",), told)
        with _as_field("strategy"):
            strategy = self._strategy(request.strategy)
        with _as_field("market"):
            require_series(strategy, market.series)
        make_setup(strategy, timeframe=market.timeframe, sessions_per_year=252, **settings)
        return strategy

    # ---- results

    def result(self, name: str, kind: Kind) -> "xr.Dataset":
        """The cube of a finished job, or one that somebody put into the data folder.

        Raises
        ------
        NotFoundError
            If there is neither.
        Problem
            409 if the job has no result (yet).
        """
        try:
            job = self.jobs.get(name, kind)
        except NotFoundError:
            if kind == "sweep" and self.data.has(name):
                return self.data.result(name)
            raise
        if job.state != "done":
            raise Problem(409, f"this {kind} is {job.state}; only a finished one has a result")
        if not self.data.has(name):
            raise Problem(404, f"the result of this {kind} is no longer in the data folder")
        return self.data.result(name)

    def slice(
        self, name: str, *, metric: str, axes: Sequence[str] | None, fixed: Mapping[str, str]
    ) -> SliceView:
        """Part of a sweep's result; see `views.slice_cube`."""
        from .views import slice_cube

        most = self.limits.max_slice_values
        return slice_cube(self.result(name, "sweep"), metric=metric, axes=axes, fixed=fixed, max_values=most)

    def ranking(
        self, name: str, *, by: str, top: int, order: Literal["desc", "asc"], fixed: Mapping[str, str]
    ) -> RankingView:
        """The first cells of a sweep; see `views.rank_cells`."""
        from .views import rank_cells

        return rank_cells(self.result(name, "sweep"), by=by, top=top, order=order, fixed=fixed)

    def backtest_metrics(self, name: str) -> BacktestResult:
        """What a backtest measured."""
        from .views import symbol_metrics

        return BacktestResult(symbol_metrics(self.result(name, "backtest")))

    def replay(
        self, name: str, *, symbol: str | None, cell: Mapping[str, str], market: str | None, **wanted: Any
    ) -> RunView:
        """One cell of a sweep again, in full detail.

        Parameters
        ----------
        name : str
            A sweep's id, or a result's name.
        symbol : str, optional
            May be left out where there is one.
        cell : mapping of axis to text
            A value for each axis of more than one.
        market : str, optional
            Name of the market; default the one that the sweep was asked for.
        **wanted
            Parts and pages; see `views.run_view`.
        """
        from ..engine.backtest import replay
        from ..engine.reports.ranking import traded_symbols
        from . import views

        cube = self.result(name, "sweep")
        symbols = traded_symbols(cube)
        chosen = views.one_symbol(symbols, symbol)
        is_shared = "symbol" not in cube.dims
        values = views.find_cell(cube, cell)
        about = tuple(sorted((str(key), str(value)) for key, value in cube.attrs.items()))
        market = market or cube.attrs.get("market")
        if market is None:
            raise Problem(400, "this result does not say which market it came from; name it", "market")
        # The same bars, to the bar, as the replay will verify by their hash.
        first, last = (np.datetime64(cube.attrs[key], "ns") for key in ("first_bar", "last_bar"))
        stamp = self.data.market_stamp(market)
        bars = self.data.market(market, symbols, first - np.timedelta64(1, "ns"), last)
        strategy = self._strategy(str(cube.attrs["strategy"]))
        path = "" if self.strategies.is_builtin(strategy.name) else str(strategy.path)

        def make() -> "Run":
            # Never the path that a cube brings along: whoever made the cube could name any file.
            return replay(
                cube.assign_attrs(strategy_path=path), bars, symbol=None if is_shared else chosen, **values
            )

        # All that a run follows from: whatever of it is replaced under its old name, the run is made anew.
        key = (
            name,
            about,
            "" if is_shared else chosen,
            market,
            stamp,
            self._identity(strategy),
            *values.items(),
        )
        run = self._run(key, make)
        same = views.equals_cell(run, cube, chosen, values)
        return views.run_view(run, chosen, same=same, **wanted)

    def backtest_detail(self, name: str, *, symbol: str | None, **wanted: Any) -> RunView:
        """One symbol of a backtest in full detail; see `replay`."""
        from ..engine.reports.ranking import traded_symbols
        from . import views

        cube = self.result(name, "backtest")
        request = build(BacktestRequest, self.jobs.get(name, "backtest").request)
        chosen = views.one_symbol(traded_symbols(cube), symbol)
        run = self._backtest_run(name, request)
        if run.attrs["data_hash"] != cube.attrs["data_hash"]:
            raise DataError(
                f"market {request.market!r} is not what it was when this backtest ran; run it again"
            )
        same = views.equals_cell(run, cube, chosen, {})
        return views.run_view(run, chosen, same=same, **wanted)

    # ---- what jobs do

    def _sweep(self, job: Job, report: Report) -> None:
        from ..engine.sweep import sweep

        request = build(SweepRequest, job.request)
        last = (0, 0, 0.0)

        def tell(progress: "Progress") -> None:
            nonlocal last
            last = (progress.done, progress.total, progress.elapsed_s)
            report(*last)

        market = self.data.market(request.market, request.symbols, request.start, request.stop)
        strategy = self._strategy(request.strategy)
        report(*last)
        cube = sweep(
            strategy,
            market,
            grid=request.axes(),
            params=request.params,
            n_threads=self.settings.n_threads,
            progress=tell,
            **_engine_settings(request),
        )
        report(*last)
        self._keep(job, cube)

    def _backtest(self, job: Job, report: Report) -> None:
        request = build(BacktestRequest, job.request)
        started = time.perf_counter()
        market = self.data.market(request.market, request.symbols, request.start, request.stop)
        n_bars = market.sizes["symbol"] * market.sizes["time"]
        report(0, n_bars, 0.0)
        run = self._backtest_run(job.id, request)
        report(n_bars, n_bars, time.perf_counter() - started)
        self._keep(job, run.metrics.assign_attrs(run.attrs, n_trials=1, axes="[]"))

    def _backtest_run(self, name: str, request: BacktestRequest) -> "Run":
        from ..engine.backtest import backtest

        stamp = self.data.market_stamp(request.market)
        market = self.data.market(request.market, request.symbols, request.start, request.stop)
        strategy = self._strategy(request.strategy)
        return self._run(
            (name, stamp, self._identity(strategy)),
            lambda: backtest(strategy, market, params=request.params, **_engine_settings(request)),
        )

    def _keep(self, job: Job, cube: "xr.Dataset") -> None:
        from ..store.results import write_result

        write_result(cube.assign_attrs(market=job.request["market"]), self.data.result_path(job.id))

    # ---- the engine, one caller at a time

    def _strategy(self, name: str) -> "Strategy":
        with self._engine_turn():
            return self.strategies.load(name)

    @staticmethod
    def _identity(strategy: "Strategy") -> str:
        from ..engine.fingerprint import fingerprint

        said = (strategy.params, strategy.features, strategy.reasons, strategy.modes)
        return f"{fingerprint(strategy.decide)} {said!r}"

    def _run(self, key: tuple[Any, ...], make: Callable[[], "Run"]) -> "Run":
        with self._engine_turn():
            return self._runs.get(key, make)

    @contextmanager
    def _engine_turn(self) -> Iterator[None]:
        if not self._engine.acquire(timeout=_ENGINE_WAIT_S):
            raise Problem(503, "the engine is busy with other replays; try again")
        try:
            yield
        finally:
            self._engine.release()


@contextmanager
def _as_field(*key: str) -> Iterator[None]:
    """Tell which part of the request an engine's error is about."""
    try:
        yield
    except FluxHeroError as error:
        body = told(error)
        raise Problem(body.status, body.detail, body.field or ".".join(key)) from error


def _check_axis(strategy: "Strategy", name: str, values: list[Any]) -> None:
    from ..engine.cube import grid_cube

    try:
        grid_cube(strategy, {name: values})
    except OverflowError:
        raise ParameterError(f"axis `{name}` holds a number that is too large") from None


def _engine_settings(request: RunRequest) -> dict[str, Any]:
    """A request's settings as the engine takes them."""
    return {
        "decision_timeframe": request.decision_timeframe,
        "costs": _profile("costs", request.costs, load_costs),
        "execution": _profile("execution", request.execution, load_execution),
        "risk": _profile("risk", request.risk, load_risk),
        "account": request.account,
        "initial_cash": request.initial_cash,
        "delay_s": request.delay_s,
    }


def _profile(folder: str, given: str | Mapping[str, Any] | None, load: Callable[[Any], Any]) -> Any:
    """A shipped profile by name, or numbers that may refine one; never a file that a request names."""
    if given is None:
        return None
    name = given if isinstance(given, str) else given.get("base")
    if name is not None and name not in shipped_names(folder):
        key = (folder,) if isinstance(given, str) else (folder, "base")
        raise SettingError(key, f"was {name!r}; {did_you_mean(str(name), shipped_names(folder))}")
    return load(given)
