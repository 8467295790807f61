"""``advance(state, bars)``: the one call that a sweep, a backtest, a replay and a live session make.

Lanes are trials in blocks of ``[field, lane]``: one account per symbol (`Lanes`), or one account for all
symbols (`SharedLanes`). What they read of a symbol comes from its `Preparation`. State is carried between
calls, and the bits are the same however time is cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.lane import STATE_FIELDS, lane_init
from ..kernels.mark import read_metrics
from ..kernels.tape import TAPE_FIELDS, VENUE_FIELDS
from ..kernels.types import FloatArray, IntArray
from .compile import Compiled
from .errors import StoreError
from .preparation import AccountClock, Preparation, Tile

_NO_TAPE = np.zeros((0, len(TAPE_FIELDS)))
_NO_VENUE = np.zeros((0, len(VENUE_FIELDS)))


@dataclass(frozen=True)
class Instrument:
    """What lanes must know of a symbol."""

    lots: float  # per unit
    ticks: float = 0.0  # per unit of price; 0: prices are not rounded
    is_crypto: bool = False
    sector: int = -1  # number of its sector; -1: unknown, a sector of its own

    @property
    def constants(self) -> tuple[float, ...]:
        """In the order of ``Layout.symbol_constants``."""
        return (self.lots, self.ticks, float(self.is_crypto))


def _lane_trials(first: int, width: int, n_trials: int) -> IntArray:
    """Trials of a block; lanes without a trial repeat the last one, and their results are dropped."""
    trials: IntArray = np.minimum(np.arange(first, first + width), n_trials - 1)
    return trials


class Lanes:
    """Trials of one symbol, each with an account of its own."""

    def __init__(
        self,
        compiled: Compiled,
        constants: Mapping[str, FloatArray],
        lane_columns: IntArray,
        *,
        instrument: Instrument,
        initial_cash: float,
    ) -> None:
        layout = compiled.layout
        width = layout.n_lanes
        self.compiled = compiled
        self.n_trials = len(next(iter(constants.values())))
        self.initial_cash = initial_cash
        self.constants = constants
        start = lane_init(initial_cash)
        first_state = len(layout.constants) + len(layout.symbol_constants)
        self._state = slice(first_state, first_state + len(STATE_FIELDS))
        self.blocks: list[FloatArray] = []
        self.columns: list[IntArray] = []
        self.swept: list[IntArray] = []
        for first in range(0, self.n_trials, width):
            trials = _lane_trials(first, width, self.n_trials)
            block = _aligned(layout.n_fields, width)
            for i, name in enumerate(layout.constants):
                block[i] = constants[name][trials]
            block[len(layout.constants) : first_state] = np.array(instrument.constants)[:, None]
            block[self._state] = start[:, None]
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
                tile.draws,
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
        return np.concatenate([block[self._state] for block in self.blocks], axis=1)[:, : self.n_trials]

    def restore(self, state: FloatArray) -> None:
        """Take up the state of `state()`."""
        _check_shape(state.shape, (len(STATE_FIELDS), self.n_trials))
        width = self.compiled.layout.n_lanes
        for i, block in enumerate(self.blocks):
            block[self._state] = state[:, _lane_trials(i * width, width, self.n_trials)]

    def amend(self, changes: Mapping[str, float]) -> None:
        """Change fields of every lane's state by hand."""
        for name, value in changes.items():
            for block in self.blocks:
                block[self._state][STATE_FIELDS.index(name)] = value

    def metrics(self, preparation: Preparation) -> dict[str, FloatArray]:
        """Metrics of all lanes, shape (n_trials,) each."""
        state = dict(zip(STATE_FIELDS, self.state(), strict=True))
        equity, cash = state["account.equity"], state["account.cash"]
        is_short = state["position.qty"] < 0.0
        return read_metrics(
            state,
            initial_cash=np.full(self.n_trials, self.initial_cash),
            n_bars=np.full(self.n_trials, float(preparation.n_bars)),
            session_open=preparation.session_open,
            idle=np.maximum(np.where(is_short, np.minimum(cash, equity), cash), 0.0),
            short_value=np.where(is_short, np.maximum(cash - equity, 0.0), 0.0),
            cash_rate=self.constants["risk.cash_rate"],
            risk_free=self.constants["risk.risk_free"],
            borrow_rate=self.constants["costs.borrow_rate"],
            sessions_per_year=preparation.setup.sessions_per_year,
        )


@dataclass(frozen=True)
class SharedTile:
    """A stretch of all symbols' time, padded to the most decision bars."""

    bars: FloatArray  # (n_symbols, n_bars, 5)
    flags: IntArray  # (n_symbols, n_bars)
    mean_volume: FloatArray
    draws: FloatArray
    rows: IntArray
    decision_bars: FloatArray  # (n_symbols, n_decision_bars, 5)
    features: FloatArray  # (n_symbols, n_decision_bars, n_columns)
    account_flags: IntArray  # (n_bars,): of the account, which has a bar where any symbol has
    correlations: FloatArray  # (n, n_symbols, n_symbols)
    correlation_rows: IntArray  # (n_bars,): which of them is known at a row

    @property
    def n_bars(self) -> int:
        """Rows of time."""
        return len(self.account_flags)


def shared_tile(
    tiles: Sequence[Tile],
    account_flags: IntArray,
    correlations: FloatArray | None = None,
    correlation_rows: IntArray | None = None,
) -> SharedTile:
    """Tiles of all symbols side by side."""
    n, most = len(tiles), max(1, *(len(tile.decision_bars) for tile in tiles))
    decision_bars = np.full((n, most, 5), np.nan)
    features = np.full((n, most, tiles[0].features.shape[1]), np.nan)
    for i, tile in enumerate(tiles):
        decision_bars[i, : len(tile.decision_bars)] = tile.decision_bars
        features[i, : len(tile.features)] = tile.features
    n_bars = len(account_flags)
    return SharedTile(
        np.stack([tile.bars for tile in tiles]),
        np.stack([tile.flags for tile in tiles]),
        np.stack([tile.mean_volume for tile in tiles]),
        np.stack([tile.draws for tile in tiles]),
        np.stack([tile.rows for tile in tiles]),
        decision_bars,
        features,
        account_flags,
        np.full((1, n, n), np.nan) if correlations is None else correlations,
        np.zeros(n_bars, dtype=np.int64) if correlation_rows is None else correlation_rows,
    )


class SharedLanes:
    """Trials over all symbols, each with one account."""

    def __init__(
        self,
        compiled: Compiled,
        constants: Mapping[str, FloatArray],
        lane_columns: IntArray,
        *,
        instruments: Sequence[Instrument],
        initial_cash: float,
    ) -> None:
        layout = compiled.layout
        width = layout.n_lanes
        self.compiled = compiled
        self.n_trials = len(next(iter(constants.values())))
        self.n_symbols = len(instruments)
        self.initial_cash = initial_cash
        self.constants = constants
        self.sectors = np.array([item.sector for item in instruments], dtype=np.int64)
        unknown = self.sectors < 0
        self.sectors[unknown] = -1 - np.arange(unknown.sum())
        start = dict(zip(STATE_FIELDS, lane_init(initial_cash), strict=True))
        n_constants, n_symbol = len(layout.constants), len(layout.symbol_constants)
        self._state = slice(n_constants, n_constants + len(layout.state))
        self._own_state = slice(n_symbol, n_symbol + len(layout.own_state))
        self.blocks: list[FloatArray] = []
        self.owns: list[FloatArray] = []  # (n_symbols, n_own_fields, n_lanes) each
        self.columns: list[IntArray] = []
        self.swept: list[IntArray] = []
        self.closes: FloatArray = np.full(self.n_symbols, np.nan)  # last ones, the same for all blocks
        for first in range(0, self.n_trials, width):
            trials = _lane_trials(first, width, self.n_trials)
            block = _aligned(layout.n_fields, width)
            for i, name in enumerate(layout.constants):
                block[i] = constants[name][trials]
            block[self._state] = np.array([start[name] for name in layout.state])[:, None]
            own = _aligned(self.n_symbols * len(layout.own_fields), width)
            own = own.reshape(self.n_symbols, len(layout.own_fields), width)
            own[:, :n_symbol] = np.array([item.constants for item in instruments])[:, :, None]
            own[:, self._own_state] = np.array([start[name] for name in layout.own_state])[:, None]
            columns = np.ascontiguousarray(lane_columns[:, trials])
            self.blocks.append(block)
            self.owns.append(own)
            self.columns.append(columns.reshape(-1))
            self.swept.append((columns != columns[:, :1]).any(axis=1).astype(np.int64))

    def advance(
        self,
        tile: SharedTile,
        start: int,
        stop: int,
        *,
        tape: FloatArray | None = None,
        venue: FloatArray | None = None,
    ) -> None:
        """Run all blocks over rows `start` to `stop` of the tile."""
        no_tape = np.zeros((self.n_symbols, 0, len(TAPE_FIELDS)))
        no_venue = np.zeros((self.n_symbols, 0, len(VENUE_FIELDS)))
        before = self.closes
        for block, own, columns, swept in zip(self.blocks, self.owns, self.columns, self.swept, strict=True):
            self.closes = before.copy()
            self.compiled.advance(
                tile.bars,
                tile.flags,
                tile.mean_volume,
                tile.draws,
                tile.rows,
                tile.decision_bars,
                tile.features,
                columns,
                swept,
                block.reshape(-1),
                own.reshape(self.n_symbols, -1),
                self.closes,
                *(np.zeros(self.n_symbols, dtype=np.int64) for _ in range(3)),  # tallies of the call
                tile.account_flags,
                tile.correlations,
                tile.correlation_rows,
                self.sectors,
                no_tape if tape is None else tape,
                no_venue if venue is None else venue,
                start,
                stop,
            )

    def state(self) -> dict[str, FloatArray]:
        """State of all lanes: the accounts' (n_fields, n_trials), the symbols' and their last closes."""
        return {
            "account": np.concatenate([b[self._state] for b in self.blocks], axis=1)[:, : self.n_trials],
            "own": np.concatenate([o[:, self._own_state] for o in self.owns], axis=2)[:, :, : self.n_trials],
            "closes": self.closes.copy(),
        }

    def restore(self, saved: Mapping[str, FloatArray]) -> None:
        """Take up the state of `state()`."""
        now = self.state()
        for name, array in now.items():
            if name not in saved:
                raise StoreError(f"the saved state has no {name!r}; it belongs to another run or version")
            _check_shape(saved[name].shape, array.shape)
        width = self.compiled.layout.n_lanes
        for i, (block, own) in enumerate(zip(self.blocks, self.owns, strict=True)):
            trials = _lane_trials(i * width, width, self.n_trials)
            block[self._state] = saved["account"][:, trials]
            own[:, self._own_state] = saved["own"][:, :, trials]
        self.closes = np.array(saved["closes"])

    def lane(self, symbol: int, trial: int = 0) -> dict[str, float]:
        """State of one symbol in one trial, by the names of ``STATE_FIELDS``."""
        state = self.state()
        layout = self.compiled.layout
        common = dict(zip(layout.state, map(float, state["account"][:, trial]), strict=True))
        own = dict(zip(layout.own_state, map(float, state["own"][symbol, :, trial]), strict=True))
        return common | own

    def amend(self, symbol: int, changes: Mapping[str, float]) -> None:
        """Change fields of every lane's state by hand: of the account, or of one symbol."""
        layout = self.compiled.layout
        for name, value in changes.items():
            for block, own in zip(self.blocks, self.owns, strict=True):
                if name in layout.own_state:
                    own[symbol, self._own_state][layout.own_state.index(name)] = value
                else:
                    block[self._state][layout.state.index(name)] = value

    def metrics(self, clock: AccountClock) -> dict[str, FloatArray]:
        """Metrics of all lanes, shape (n_trials,) each."""
        layout, saved = self.compiled.layout, self.state()
        state = dict(zip(layout.state, saved["account"], strict=True))
        qty = saved["own"][:, layout.own_state.index("position.qty")]
        short_value = np.zeros(self.n_trials)
        for s in range(self.n_symbols):  # in their order, as the loop adds them up
            if not np.isnan(self.closes[s]):
                short_value += np.maximum(-qty[s], 0.0) * self.closes[s]
        return read_metrics(
            state,
            initial_cash=np.full(self.n_trials, self.initial_cash),
            n_bars=np.full(self.n_trials, float(clock.n_bars)),
            session_open=clock.session_open,
            idle=np.maximum(state["account.cash"] - short_value, 0.0),
            short_value=short_value,
            cash_rate=self.constants["risk.cash_rate"],
            risk_free=self.constants["risk.risk_free"],
            borrow_rate=self.constants["costs.borrow_rate"],
            sessions_per_year=clock.setup.sessions_per_year,
        )


def _check_shape(found: tuple[int, ...], needed: tuple[int, ...]) -> None:
    if found != needed:
        raise StoreError(f"the saved state has shape {found}, this run needs {needed}")


def _aligned(n_fields: int, n_lanes: int) -> FloatArray:
    """Zeros on a 64-byte boundary: a vector load never straddles two cache lines."""
    raw = np.zeros(n_fields * n_lanes + 8)
    shift = (-raw.ctypes.data // 8) % 8
    return raw[shift : shift + n_fields * n_lanes].reshape(n_fields, n_lanes)
