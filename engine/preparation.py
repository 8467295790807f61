"""What all lanes of a symbol share: the clock, the coarse bars, the features.

The other half of ``advance(state, bars)``, the lanes themselves, is in ``lanes.py``. Both carry state
between calls, and both give the same bits however time is cut.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.clock import N_BARS, N_COUNTERS, SESSION_OPEN, VOLUME_BARS, clock_run
from ..kernels.resample import CLOSE, N_COARSE_COUNTERS, ROW, SESSION_CLOSE, resample_run
from ..kernels.types import BoolArray, FloatArray, IntArray
from .chance import draws, symbol_key
from .errors import DataError, StoreError
from .features import NO_SERIES, FeatureGraph, SymbolFeatures
from .setup import Setup

TILE_BARS = 2048  # bars and features of a tile stay in cache while all blocks pass over it


@dataclass(frozen=True)
class Tile:
    """A stretch of one symbol's time, ready for lanes."""

    bars: FloatArray  # (n_bars, 5)
    flags: IntArray  # (n_bars,)
    mean_volume: FloatArray  # (n_bars,)
    draws: FloatArray  # (n_bars,), in [0, 1): which bars miss fills
    rows: IntArray  # (n_bars,): row of the decision bar that became complete, -1 where none did
    decision_bars: FloatArray  # (n_decision_bars, 5)
    features: FloatArray  # (n_decision_bars, n_columns)

    @property
    def n_bars(self) -> int:
        """Rows of time."""
        return len(self.flags)


class Preparation:
    """What the lanes of one symbol share: clock, coarse bars, features.

    `draws_of` names the symbol where its bars may miss fills (``chance.py``).
    """

    def __init__(self, setup: Setup, graph: FeatureGraph, draws_of: str | None = None) -> None:
        self.setup = setup
        self.key = None if draws_of is None else symbol_key(draws_of)
        self.series = graph.series
        self.features = SymbolFeatures(graph, setup.calendar)
        self.counters = np.zeros(N_COUNTERS, dtype=np.int64)
        self.volumes = np.zeros(VOLUME_BARS)
        self.coarse = {
            tf.timeframe: (np.zeros(N_COARSE_COUNTERS, dtype=np.int64), np.zeros(5))
            for tf in graph.timeframes
            if tf.timeframe != setup.timeframe
        }

    @property
    def n_bars(self) -> int:
        """Bars seen; missing ones do not count."""
        return int(self.counters[N_BARS])

    @property
    def session_open(self) -> bool:
        """Whether the last session is still in progress."""
        return bool(self.counters[SESSION_OPEN])

    def advance(
        self,
        close_ns: IntArray,
        session_close_ns: IntArray,
        bars: FloatArray,
        series: FloatArray = NO_SERIES,
    ) -> Tile:
        """Take bars (n_bars, 5), and the graph's series (n_series, n_bars); return the tile for lanes."""
        n = len(close_ns)
        if self.series and series.shape != (len(self.series), n):
            raise DataError(
                f"the series have the shape {series.shape}, must be {(len(self.series), n)}: "
                f"{', '.join(self.series)} of each bar"
            )
        rows: dict[str, IntArray] = {self.setup.timeframe: np.arange(n, dtype=np.int64)}
        complete: dict[str, FloatArray] = {self.setup.timeframe: bars}
        times = {self.setup.timeframe: (close_ns, session_close_ns)}
        if (
            not self.setup.every_bar
        ):  # a missing fine bar is no bar: features keep the last finished one's value
            exists = ~np.isnan(bars[:, 3])
            rows[self.setup.timeframe] = np.flatnonzero(exists)
            complete[self.setup.timeframe] = np.ascontiguousarray(bars[exists])
            times[self.setup.timeframe] = (close_ns[exists], session_close_ns[exists])
        for timeframe, (counters, partial) in self.coarse.items():
            when = np.empty((n + 1, 3), dtype=np.int64)
            out_bars = np.empty((n + 1, 5))
            length = self.setup.coarse_ns(timeframe)
            n_out = resample_run(close_ns, session_close_ns, bars, length, counters, partial, when, out_bars)
            when = when[:n_out]
            rows[timeframe], complete[timeframe] = when[:, ROW], out_bars[:n_out]
            times[timeframe] = (when[:, CLOSE], when[:, SESSION_CLOSE])
        decision = self.setup.decision_timeframe
        if self.setup.every_bar:
            decides = np.where(np.isnan(bars[:, 3]), -1, rows[decision])
        else:
            decides = np.full(n, -1, dtype=np.int64)
            decides[rows[decision]] = np.arange(len(rows[decision]))
        flags = np.empty(n, dtype=np.int64)
        mean_volume = np.empty(n)
        clock_run(
            close_ns,
            session_close_ns,
            bars,
            decides,
            0 if self.setup.every_bar else self.setup.bar_ns,  # the next bar is later, however short it is
            self.setup.delay_ns,
            self.counters,
            self.volumes,
            flags,
            mean_volume,
        )
        table = self.features.advance(rows, complete, times, series)
        chance = np.zeros(n) if self.key is None else draws(close_ns, self.key)
        return Tile(bars, flags, mean_volume, chance, decides, complete[decision], table)

    def save(self) -> dict[str, Any]:
        """State as named arrays."""
        saved: dict[str, Any] = {"clock.counters": self.counters.copy(), "clock.volumes": self.volumes.copy()}
        for timeframe, (counters, partial) in self.coarse.items():
            saved[f"coarse.{timeframe}.counters"] = counters.copy()
            saved[f"coarse.{timeframe}.partial"] = partial.copy()
        return saved | self.features.save()

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the state of `save`."""
        try:
            self.counters = np.array(saved["clock.counters"], dtype=np.int64)
            self.volumes = np.array(saved["clock.volumes"], dtype=np.float64)
            self.coarse = {
                timeframe: (
                    np.array(saved[f"coarse.{timeframe}.counters"], dtype=np.int64),
                    np.array(saved[f"coarse.{timeframe}.partial"], dtype=np.float64),
                )
                for timeframe in self.coarse
            }
            self.features.restore(saved)
        except KeyError as error:
            raise StoreError(
                f"the saved state has no {error}; it belongs to another run or version"
            ) from None


def any_bar(closes: FloatArray) -> BoolArray:
    """Rows on which any symbol has a bar; closes (n_symbols, n_rows)."""
    has_bar: BoolArray = np.logical_or.reduce(np.logical_not(np.isnan(closes)), axis=0)
    return has_bar


class AccountClock:
    """The clock of an account that several symbols share: it has a bar where any of them has."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.counters = np.zeros(N_COUNTERS, dtype=np.int64)

    @property
    def n_bars(self) -> int:
        """Rows on which anything traded."""
        return int(self.counters[N_BARS])

    @property
    def session_open(self) -> bool:
        """Whether the last session is still in progress."""
        return bool(self.counters[SESSION_OPEN])

    def advance(self, close_ns: IntArray, session_close_ns: IntArray, has_bar: BoolArray) -> IntArray:
        """Flags of rows, of which only those of bars and sessions are meant."""
        n = len(close_ns)
        bars = np.zeros((n, 5))
        bars[~has_bar] = np.nan
        flags = np.empty(n, dtype=np.int64)
        never = np.full(n, -1, dtype=np.int64)
        volumes = np.zeros(VOLUME_BARS)
        clock_run(close_ns, session_close_ns, bars, never, 0, 0, self.counters, volumes, flags, np.empty(n))
        return flags

    def save(self) -> dict[str, Any]:
        """State as named arrays."""
        return {"clock.counters": self.counters.copy()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the state of `save`."""
        self.counters = np.array(saved["clock.counters"], dtype=np.int64)
