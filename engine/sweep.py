"""The sweep: every trial of a parameter cube over every symbol, in one pass over the bars.

``plan -> blocks of (symbol x lanes) -> threads -> result cube``. A task owns its slice of the results and
its lanes' state, nothing is summed across tasks, so the number of threads cannot change a bit.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..kernels.types import FloatArray, IntArray
from .abilities import variant_for
from .compile import Compiled, compile_strategy
from .constants import lane_constants
from .cube import ParameterCube, grid_cube, sample_cube
from .errors import ParameterError
from .instruments import instruments
from .lanes import Lanes, SharedLanes, shared_tile
from .layout import Variant
from .market import SymbolBars, check_market, symbol_bars
from .nearness import Nearness
from .plan import BLOCK_LANES, Plan, Wave, available_memory, make_plan
from .preparation import TILE_BARS, AccountClock, Preparation, Tile, any_bar
from .processors import n_processors
from .result import label_results
from .series import symbol_series
from .setup import Setup, market_setup
from .strategy import Strategy


@dataclass(frozen=True)
class Progress:
    """How far a sweep is; handed to the caller's ``progress`` some ten times a second."""

    done: int  # bars x trials
    total: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Bars x trials per second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float:
        """Seconds left at this rate; NaN before the first work is done."""
        return (self.total - self.done) / self.rate if self.done else float("nan")


def sweep(
    strategy: str | Path | Strategy,
    market: xr.Dataset,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    trials: Mapping[str, Sequence[Any]] | None = None,
    n_threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Run every trial over every symbol, each with an account of its own or all sharing one.

    Parameters
    ----------
    strategy : str, path or Strategy
        A strategy's name, or the path of a strategy file.
    market : Dataset
        A market cube.
    grid : mapping of name to values, optional
        Axes of the cube: parameters of the strategy, ``costs.*``, ``execution.*`` or ``risk.*``. Each becomes
        a dimension.
    trials : mapping of name to values, or DataFrame, optional
        Instead of a grid: one row per trial; the result has one dimension ``trial``.
    n_threads : int, optional
        Threads; default one per processor. The result does not depend on it.
    progress : callable, optional
        Called with a `Progress` from the calling thread.
    **settings
        ``params`` (fixed for all trials), ``decision_timeframe``, ``costs``, ``execution``, ``risk``,
        ``account`` ("own" or "shared"), ``initial_cash``, ``delay_s``; see `make_setup`.

    Returns
    -------
    Dataset
        Dims (symbol, *axes), with a shared account (*axes); one variable per metric (NaN = undefined); the
        provenance in its attributes.

    Raises
    ------
    ParameterError, ConfigError, DataError, StrategyError, NotFoundError
        Before any work, if something given is not possible.
    """
    check_market(market)
    setup = market_setup(strategy, market, **settings)
    cube = _cube(setup.strategy, grid, trials)
    if twice := [name for name in settings.get("params") or {} if name in cube.values]:
        raise ParameterError(f"`{twice[0]}` is both fixed in `params` and swept; keep one of the two")
    threads = _thread_count(n_threads)
    constants = lane_constants(setup, cube.values, cube.n_trials)
    variant = variant_for(setup, Variant(BLOCK_LANES), cube.values)
    plan = make_plan(
        setup,
        cube,
        constants,
        n_symbols=market.sizes["symbol"],
        n_bars=market.sizes["time"],
        n_threads=threads,
        facts=variant.facts,
    )
    compiled = compile_strategy(setup.strategy, variant)
    plan.check_memory(compiled.layout.n_fields, available_memory())
    kind = _SharedRun if variant.shared else _Run
    metrics = kind(setup, plan, compiled, constants, market).run(progress)
    return label_results(metrics, cube, market, setup, compiled.key)


def _cube(
    strategy: Strategy, grid: Mapping[str, Sequence[Any]] | None, trials: Mapping[str, Sequence[Any]] | None
) -> ParameterCube:
    if (grid is None) == (trials is None):
        raise ParameterError("give either `grid` (axes) or `trials` (a table), and not both")
    if grid is not None:
        return grid_cube(strategy, grid)
    return sample_cube(strategy, {} if trials is None else trials)


def _thread_count(n_threads: int | None) -> int:
    if n_threads is None:
        return n_processors()
    if n_threads < 1:
        raise ParameterError(f"`n_threads` was {n_threads}, must be at least 1")
    return n_threads


class _Run:
    """One sweep in progress."""

    def __init__(
        self,
        setup: Setup,
        plan: Plan,
        compiled: Compiled,
        constants: dict[str, FloatArray],
        market: xr.Dataset,
    ) -> None:
        self.setup = setup
        self.plan = plan
        self.compiled = compiled
        self.constants = constants
        self.market = market
        self.symbols = [str(symbol) for symbol in market["symbol"].values]
        self.instruments = instruments(market, setup)
        self.metrics: dict[str, FloatArray] = {}
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.done = 0
        self.started = time.perf_counter()

    def run(self, progress: Callable[[Progress], None] | None) -> dict[str, FloatArray]:
        """Metrics of shape (n_symbols, n_trials)."""

        def report() -> None:
            if progress is not None:
                progress(Progress(self.done, self.plan.bar_trials, time.perf_counter() - self.started))

        with ThreadPoolExecutor(self.plan.n_threads, thread_name_prefix="fluxhero") as pool:
            try:
                for wave in self.plan.waves:
                    for _ in self._run_wave(pool, wave):
                        report()
            except BaseException:
                self.stop.set()  # tasks in flight end after their tile
                pool.shutdown(cancel_futures=True)
                raise
        report()
        return self.metrics

    def _run_wave(self, pool: ThreadPoolExecutor, wave: Wave) -> Iterator[None]:
        """Prepare symbols a few ahead of the lanes; yield now and then."""
        to_prepare = list(range(len(self.symbols)))[::-1]
        preparing: dict[Future[tuple[Preparation, Tile]], int] = {}
        running: dict[Future[None], int] = {}
        left: dict[int, int] = {}
        while to_prepare or preparing or running:
            while to_prepare and len(preparing) + len(left) <= self.plan.n_threads:
                symbol = to_prepare.pop()
                preparing[pool.submit(self._prepare, symbol, wave)] = symbol
            waiting: list[Future[Any]] = [*preparing, *running]
            finished, _ = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            for future in finished:
                if future in preparing:
                    symbol = preparing.pop(future)
                    tasks = self._submit_groups(pool, wave, symbol, *future.result())
                    running |= dict.fromkeys(tasks, symbol)
                    left[symbol] = len(tasks)
                else:
                    symbol = running.pop(future)
                    future.result()
                    left[symbol] -= 1
                    if not left[symbol]:
                        del left[symbol]
            yield

    def _prepare(self, symbol: int, wave: Wave) -> tuple[Preparation, Tile]:
        bars: SymbolBars = symbol_bars(self.market, self.symbols[symbol])
        preparation = self._preparation(symbol, wave)
        series = symbol_series(self.market, symbol, wave.graph.series)
        return preparation, preparation.advance(*columns(bars), series)

    def _preparation(self, symbol: int, wave: Wave) -> Preparation:
        missed = self.compiled.variant.uses.missed
        return Preparation(self.setup, wave.graph, self.symbols[symbol] if missed else None)

    def _submit_groups(
        self, pool: ThreadPoolExecutor, wave: Wave, symbol: int, preparation: Preparation, tile: Tile
    ) -> list[Future[None]]:
        size = self.plan.group_blocks * BLOCK_LANES
        return [
            pool.submit(self._run_group, wave, symbol, preparation, tile, first, min(first + size, wave.stop))
            for first in range(wave.start, wave.stop, size)
        ]

    def _run_group(
        self, wave: Wave, symbol: int, preparation: Preparation, tile: Tile, first: int, last: int
    ) -> None:
        """Carry trials `first` to `last` of one symbol through its whole history."""
        with self.lock:
            if not self.done:
                self.started = time.perf_counter()  # what was compiled before says nothing about the rate
        lanes = Lanes(
            self.compiled,
            {name: values[first:last] for name, values in self.constants.items()},
            wave.graph.lane_columns[:, first - wave.start : last - wave.start],
            instrument=self.instruments[symbol],
            initial_cash=self.setup.initial_cash,
        )
        for start in range(0, tile.n_bars, TILE_BARS):
            if self.stop.is_set():
                return
            stop = min(start + TILE_BARS, tile.n_bars)
            lanes.advance(tile, start, stop)
            with self.lock:
                self.done += (stop - start) * (last - first)
        for name, values in lanes.metrics(preparation).items():
            with self.lock:
                whole = self.metrics.setdefault(
                    name, np.full((len(self.symbols), self.plan.n_trials), np.nan)
                )
            whole[symbol, first:last] = values


class _SharedRun(_Run):
    """One sweep in progress whose trials have one account for all symbols: time goes on for all at once."""

    def _run_wave(self, pool: ThreadPoolExecutor, wave: Wave) -> Iterator[None]:
        """A tile of time after the other: prepare all symbols, then run all lanes over it."""
        symbols = range(len(self.symbols))
        bars = [columns(symbol_bars(self.market, name)) for name in self.symbols]
        close_ns, session_close_ns = bars[0][0], bars[0][1]
        preparations = [self._preparation(symbol, wave) for symbol in symbols]
        series = [symbol_series(self.market, symbol, wave.graph.series) for symbol in symbols]
        clock = AccountClock(self.setup)
        nearness = Nearness(len(self.symbols)) if self.compiled.variant.correlated else None
        size = self.plan.group_blocks * self.compiled.layout.n_lanes
        groups = [
            (first, self._lanes(wave, first, min(first + size, wave.stop)))
            for first in range(wave.start, wave.stop, size)
        ]
        self.started = time.perf_counter()
        for start in range(0, len(close_ns), TILE_BARS):
            part = slice(start, start + TILE_BARS)

            def prepare(symbol: int, part: slice = part) -> Tile:
                return preparations[symbol].advance(
                    close_ns[part],
                    session_close_ns[part],
                    np.ascontiguousarray(bars[symbol][2][part]),
                    series[symbol][:, part],
                )

            table = np.stack([own[2][part, 3] for own in bars])
            flags = clock.advance(close_ns[part], session_close_ns[part], any_bar(table))
            near = (
                (None, None)
                if nearness is None
                else nearness.advance(close_ns[part], session_close_ns[part], table)
            )
            tile = shared_tile(list(pool.map(prepare, symbols)), flags, *near)
            running = [pool.submit(lanes.advance, tile, 0, tile.n_bars) for _, lanes in groups]
            for future in running:
                while not future.done():
                    wait([future], timeout=0.1)
                    yield
                future.result()
            self.done += tile.n_bars * len(self.symbols) * (wave.stop - wave.start)
            yield
        for first, lanes in groups:
            for name, values in lanes.metrics(clock).items():
                whole = self.metrics.setdefault(name, np.full(self.plan.n_trials, np.nan))
                whole[first : first + len(values)] = values

    def _lanes(self, wave: Wave, first: int, last: int) -> SharedLanes:
        return SharedLanes(
            self.compiled,
            {name: values[first:last] for name, values in self.constants.items()},
            wave.graph.lane_columns[:, first - wave.start : last - wave.start],
            instruments=self.instruments,
            initial_cash=self.setup.initial_cash,
        )


def columns(bars: SymbolBars) -> tuple[IntArray, IntArray, FloatArray]:
    """Closes, ends of sessions and the (n_bars, 5) table that kernels read."""
    table = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
    # An index hands out what may not be written; kernels would be compiled a second time for that.
    return (
        np.require(bars.ts_ns, requirements="W"),
        np.require(bars.session_close_ns, requirements="W"),
        table,
    )
