"""``advance(state, bars)``: the one call that a sweep, a backtest, a replay and a live session make.

A symbol has two halves. ``Preparation`` is what all its lanes share: the clock, the coarse bars, the
features. ``Lanes`` is the lanes themselves, in blocks. Both carry state between calls, and both give the
same bits however time is cut.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.clock import N_BARS, N_COUNTERS, SESSION_OPEN, VOLUME_BARS, clock_run
from ..kernels.lane import STATE_FIELDS, lane_init
from ..kernels.mark import read_metrics
from ..kernels.resample import CLOSE, N_COARSE_COUNTERS, ROW, SESSION_CLOSE, resample_run
from ..kernels.tape import TAPE_FIELDS, VENUE_FIELDS
from ..kernels.types import FloatArray, IntArray
from .compile import Compiled
from .errors import StoreError
from .features import FeatureGraph, SymbolFeatures
from .setup import Setup

TILE_BARS = 2048  # bars and features of a tile stay in cache while all blocks pass over it
_NO_TAPE = np.zeros((0, len(TAPE_FIELDS)))
_NO_VENUE = np.zeros((0, len(VENUE_FIELDS)))


@dataclass(frozen=True)
class Tile:
    """A stretch of one symbol's time, ready for lanes."""

    bars: FloatArray  # (n_bars, 5)
    flags: IntArray  # (n_bars,)
    mean_volume: FloatArray  # (n_bars,)
    rows: IntArray  # (n_bars,): row of the decision bar that became complete, -1 where none did
    decision_bars: FloatArray  # (n_decision_bars, 5)
    features: FloatArray  # (n_decision_bars, n_columns)

    @property
    def n_bars(self) -> int:
        """Rows of time."""
        return len(self.flags)


class Preparation:
    """What the lanes of one symbol share: clock, coarse bars, features."""

    def __init__(self, setup: Setup, graph: FeatureGraph) -> None:
        self.setup = setup
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

    def advance(self, close_ns: IntArray, session_close_ns: IntArray, bars: FloatArray) -> Tile:
        """Take bars (n_bars, 5) and return the tile that lanes can run over."""
        n = len(close_ns)
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
        table = self.features.advance(rows, complete, times)
        return Tile(bars, flags, mean_volume, decides, complete[decision], table)

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


class Lanes:
    """Trials of one symbol, in blocks of ``[field, lane]``."""

    def __init__(
        self,
        compiled: Compiled,
        constants: Mapping[str, FloatArray],
        lane_columns: IntArray,
        *,
        lots: float,
        initial_cash: float,
    ) -> None:
        layout = compiled.layout
        width = layout.n_lanes
        self.compiled = compiled
        self.n_trials = len(next(iter(constants.values())))
        self.initial_cash = initial_cash
        self.constants = constants
        start = lane_init(initial_cash)
        self.blocks: list[FloatArray] = []
        self.columns: list[IntArray] = []
        self.swept: list[IntArray] = []
        for first in range(0, self.n_trials, width):
            # Lanes without a trial repeat the last one; their results are dropped.
            trials = np.minimum(np.arange(first, first + width), self.n_trials - 1)
            block = _aligned(layout.n_fields, width)
            for i, name in enumerate(layout.constants):
                block[i] = lots if name == "risk.lots" else constants[name][trials]
            block[layout.state] = start[:, None]
            columns = np.ascontiguousarray(lane_columns[:, trials])
            self.blocks.append(block)
            self.columns.append(columns.reshape(-1))
            self.swept.append((columns != columns[:, :1]).any(axis=1).astype(np.int64))

    def advance(
        self, tile: Tile, start: int, stop: int, *, tape: FloatArray = _NO_TAPE, venue: FloatArray = _NO_VENUE
    ) -> None:
        """Run all blocks over rows `start` to `stop` of the tile."""
        for block, columns, swept in zip(self.blocks, self.columns, self.swept, strict=True):
            self.compiled.advance(
                tile.bars,
                tile.flags,
                tile.mean_volume,
                tile.rows,
                tile.decision_bars,
                tile.features,
                columns,
                swept,
                block.reshape(-1),
                tape,
                venue,
                start,
                stop,
            )

    def state(self) -> FloatArray:
        """State of all lanes, shape (n_state_fields, n_trials)."""
        rows = self.compiled.layout.state
        return np.concatenate([block[rows] for block in self.blocks], axis=1)[:, : self.n_trials]

    def restore(self, state: FloatArray) -> None:
        """Take up the state of `state()`."""
        rows = self.compiled.layout.state
        if state.shape != (len(STATE_FIELDS), self.n_trials):
            raise StoreError(
                f"the saved state has shape {state.shape}, "
                f"this run needs {(len(STATE_FIELDS), self.n_trials)}"
            )
        width = self.compiled.layout.n_lanes
        for i, block in enumerate(self.blocks):
            trials = np.minimum(np.arange(i * width, (i + 1) * width), self.n_trials - 1)
            block[rows] = state[:, trials]

    def metrics(self, preparation: Preparation) -> dict[str, FloatArray]:
        """Metrics of all lanes, shape (n_trials,) each."""
        state = dict(zip(STATE_FIELDS, self.state(), strict=True))
        return read_metrics(
            state,
            initial_cash=np.full(self.n_trials, self.initial_cash),
            n_bars=np.full(self.n_trials, float(preparation.n_bars)),
            session_open=preparation.session_open,
            cash_rate=self.constants["risk.cash_rate"],
            risk_free=self.constants["risk.risk_free"],
            borrow_rate=self.constants["costs.borrow_rate"],
            sessions_per_year=preparation.setup.sessions_per_year,
        )


def _aligned(n_fields: int, n_lanes: int) -> FloatArray:
    """Zeros on a 64-byte boundary: a vector load never straddles two cache lines."""
    raw = np.zeros(n_fields * n_lanes + 8)
    shift = (-raw.ctypes.data // 8) % 8
    return raw[shift : shift + n_fields * n_lanes].reshape(n_fields, n_lanes)
