"""The plan of a sweep: which columns, which waves of trials, how many blocks, how much memory.

A wave is a stretch of trials whose feature table fits into memory; nearly always there is one. Within a wave
each symbol is prepared once, then groups of blocks run over its whole history, so that memory grows with
trials only by their results.
"""

import os
from dataclasses import dataclass

import numpy as np

from ..kernels.mark import METRICS
from ..kernels.types import FloatArray
from .cube import ParameterCube
from .errors import ParameterError
from .facts import fact_features
from .features import FeatureGraph, build_graph
from .preparation import TILE_BARS
from .setup import Setup

BLOCK_LANES = 64
TABLE_BYTES = 512 * 1024 * 1024  # feature tables of the symbols in flight
GROUP_BLOCKS = 8  # blocks that one task carries through time: 8 x 30 kB stay in the second-level cache


@dataclass(frozen=True)
class Wave:
    """Trials `start` to `stop` and the features they need."""

    start: int
    stop: int
    graph: FeatureGraph


@dataclass(frozen=True)
class Plan:
    """How a sweep will run."""

    waves: tuple[Wave, ...]
    n_trials: int
    n_symbols: int
    n_bars: int
    n_decision_bars: int  # at most
    n_threads: int
    group_blocks: int

    @property
    def n_columns(self) -> int:
        """Most unique feature columns of a wave, per symbol."""
        return max(wave.graph.n_columns for wave in self.waves)

    @property
    def bar_trials(self) -> int:
        """Work: bars x symbols x trials."""
        return self.n_bars * self.n_symbols * self.n_trials

    def memory_bytes(self, n_fields: int) -> int:
        """Estimate of the sweep's own peak memory, the market left out."""
        in_flight = min(self.n_symbols, self.n_threads + 1)
        tables = self.n_decision_bars * self.n_columns * 8 * 3 * in_flight
        blocks = self.n_threads * self.group_blocks * n_fields * BLOCK_LANES * 8
        constants = self.n_trials * n_fields * 8
        results = self.n_symbols * self.n_trials * len(METRICS) * 8 * 2  # once as computed, once labelled
        per_bar = (10 + len(self.waves[0].graph.series)) * 8
        return tables + blocks + constants + results + self.n_bars * per_bar * in_flight

    def check_memory(self, n_fields: int, available: int | None) -> None:
        """Refuse a sweep that would not fit, before it has eaten the machine."""
        needed = self.memory_bytes(n_fields)
        if available is not None and needed > available:
            raise ParameterError(
                f"{self.n_trials:,} trials x {self.n_symbols} symbols need about {needed / 1e9:.1f} GB of "
                f"memory and {available / 1e9:.1f} GB are available; sweep fewer trials or symbols at once"
            )


def available_memory() -> int | None:
    """Bytes that a process may still take; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            told = {name: value for name, _, value in (line.partition(":") for line in lines)}
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def make_plan(
    setup: Setup,
    cube: ParameterCube,
    constants: dict[str, FloatArray],
    *,
    n_symbols: int,
    n_bars: int,
    n_threads: int,
    facts: tuple[str, ...] = (),
) -> Plan:
    """Plan a sweep; trials are split into waves until each wave's tables fit into memory."""
    coarser = 1 if setup.every_bar else max(1, _decision_minutes(setup))
    n_decision_bars = n_bars // coarser + 1
    in_flight = min(n_symbols, n_threads + 1)
    if setup.account == "shared":  # all symbols, but a tile of time
        in_flight, n_decision_bars = n_symbols, TILE_BARS // coarser + 1
    waves: list[Wave] = []
    waiting = [(0, cube.n_trials)]
    while waiting:
        start, stop = waiting.pop()
        part = {
            name: values[start:stop] for name, values in constants.items() if name in setup.strategy.params
        }
        graph = build_graph(
            setup.strategy,
            part or {"": np.zeros(stop - start)},
            setup.decision_timeframe,
            facts=fact_features(setup, facts),
        )
        fits = n_decision_bars * graph.n_columns * 8 * in_flight <= TABLE_BYTES
        if fits or stop - start <= BLOCK_LANES:
            waves.append(Wave(start, stop, graph))
            continue
        middle = start + (stop - start) // 2 // BLOCK_LANES * BLOCK_LANES or start + BLOCK_LANES
        waiting += [(middle, stop), (start, middle)]
    n_blocks = -(-cube.n_trials // BLOCK_LANES)
    groups_wanted = max(1, -(-4 * n_threads // n_symbols))  # some four tasks per thread: the tail stays short
    return Plan(
        waves=tuple(sorted(waves, key=lambda wave: wave.start)),
        n_trials=cube.n_trials,
        n_symbols=n_symbols,
        n_bars=n_bars,
        n_decision_bars=n_decision_bars,
        n_threads=n_threads,
        group_blocks=min(GROUP_BLOCKS, max(1, -(-n_blocks // groups_wanted))),
    )


def _decision_minutes(setup: Setup) -> int:
    length = setup.coarse_ns(setup.decision_timeframe)
    return (length or 390 * 60_000_000_000) // setup.bar_ns
