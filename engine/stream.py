"""The rule bar by bar: the same ``advance`` as a sweep, fed one row of time per call.

A row is one interval of the calendar for all symbols: a symbol without a bar gets NaN, and a row in which
nobody traded is still a row. Whoever drives the stream sends one per interval, by the clock; then a stream
and a backtest of the same bars are equal to the bit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import xarray as xr

from ..kernels.lane import STATE_FIELDS
from ..kernels.risk import OUTCOMES
from ..kernels.tape import TAPE, TAPE_FIELDS, VENUE_FIELDS
from ..kernels.types import FloatArray
from .codegen import Variant
from .compile import compile_strategy
from .errors import DataError, StoreError
from .features import build_whole_graph
from .fingerprint import fingerprint
from .machine import Lanes, Preparation
from .market import SESSIONS_PER_YEAR
from .records import Bar, Decision
from .run import ACTIONS
from .sealed import seal, unseal
from .setup import Setup, lane_constants, lots_per_unit, make_setup
from .strategy import Strategy

_FORMAT = "stream/2"
_CALENDARS = {"crypto": "24/7"}  # of the asset classes that have another than XNYS


class Row(NamedTuple):
    """What happened on one row of time."""

    ts_ns: int
    tape: FloatArray  # (n_symbols, TAPE_FIELDS)
    decisions: list[Decision]


class Stream:
    """One trial over its symbols, in motion.

    Parameters
    ----------
    strategy : str, path or Strategy
    symbols : sequence of str
    timeframe : str
        Of the bars that will come.
    lot_sizes : sequence of float, optional
        One per symbol; default whole shares (1e-8 for crypto).
    venue : bool
        Take fills from a venue (`advance`'s `venue`) instead of simulating them.
    **settings
        ``params``, ``sessions_per_year``, ``asset_class``, ``decision_timeframe``, ``costs``, ``risk``,
        ``initial_cash``, ``delay_s``; see `make_setup`.
    """

    def __init__(
        self,
        strategy: str | Path | Strategy,
        symbols: Sequence[str],
        *,
        timeframe: str,
        lot_sizes: Sequence[float] | None = None,
        venue: bool = False,
        asset_class: str = "equity",
        sessions_per_year: int | None = None,
        **settings: Any,
    ) -> None:
        if len(set(symbols)) != len(symbols) or not symbols:
            raise DataError(f"`symbols` was {list(symbols)!r}, must be distinct names, at least one")
        setup = make_setup(
            strategy,
            timeframe=timeframe,
            asset_class=asset_class,
            sessions_per_year=sessions_per_year or SESSIONS_PER_YEAR[_CALENDARS.get(asset_class, "XNYS")],
            **settings,
        )
        lot = 1e-8 if asset_class == "crypto" else 1.0
        self.symbols = [str(symbol) for symbol in symbols]
        self.setup: Setup = setup
        self.params = dict(setup.params)
        self.ts_ns = 0  # of the last row
        read = setup.strategy.read_features
        self.graph = build_whole_graph(setup.strategy, self.params, setup.decision_timeframe)
        self.compiled = compile_strategy(setup.strategy, Variant(1, tape=True, venue=venue))
        constants = lane_constants(setup, {}, 1)
        self._index = {symbol: i for i, symbol in enumerate(self.symbols)}
        self._preparations = [Preparation(setup, self.graph) for _ in self.symbols]
        self._lanes = [
            Lanes(
                self.compiled,
                constants,
                self.graph.lane_columns[: len(read)],
                lots=lots_per_unit(size),
                initial_cash=setup.initial_cash,
            )
            for size in (lot_sizes if lot_sizes is not None else [lot] * len(self.symbols))
        ]
        self._no_venue = np.zeros((1, len(VENUE_FIELDS)))

    @classmethod
    def for_market(cls, strategy: str | Path | Strategy, market: xr.Dataset, **settings: Any) -> "Stream":
        """Stream over the symbols of a market cube, with what it says of itself; its bars are not read."""
        return cls(
            strategy,
            [str(symbol) for symbol in market["symbol"].values],
            timeframe=market.attrs["timeframe"],
            lot_sizes=[float(size) for size in market["lot_size"].values],
            asset_class=str(market["asset_class"].values[0]),
            sessions_per_year=int(market.attrs["sessions_per_year"]),
            **settings,
        )

    def advance(
        self,
        bars: Bar | Sequence[Bar],
        *,
        ts_ns: int | None = None,
        session_close_ns: int | None = None,
        venue: FloatArray | None = None,
    ) -> list[Decision]:
        """Take the bars of one row of time and return what the rule decided.

        Parameters
        ----------
        bars : Bar or sequence of Bar
            Bars that closed together; symbols left out had none.
        ts_ns, session_close_ns : int, UTC ns
            Needed where there is no bar at all: an interval in which nobody traded is a row too.
        venue : ndarray of float64, shape (n_symbols, VENUE_FIELDS), optional
            What a venue answered since the last row.

        Raises
        ------
        DataError
            If bars of different times come together, a symbol is unknown or comes twice, or time does not
            move forward. Nothing has changed then.
        """
        given = [bars] if isinstance(bars, Bar) else list(bars)
        if ts_ns is None or session_close_ns is None:
            if not given:
                raise DataError("a row without bars needs `ts_ns` and `session_close_ns`")
            ts_ns, session_close_ns = given[0].ts_ns, given[0].session_close_ns
        table = np.full((len(self.symbols), 5), np.nan)
        seen: set[int] = set()
        for bar in given:
            i = self._index.get(bar.symbol, -1)
            if i < 0:
                raise DataError(
                    f"bar of {bar.symbol!r}: not a symbol of this stream ({', '.join(self.symbols)})"
                )
            if i in seen:
                raise DataError(f"two bars of {bar.symbol!r} in one row")
            if bar.ts_ns != ts_ns:
                raise DataError(f"bar of {bar.symbol!r} closes at {bar.ts_ns}, the row at {ts_ns}")
            seen.add(i)
            table[i] = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        return self.advance_row(ts_ns, session_close_ns, table, venue).decisions

    def advance_row(
        self, ts_ns: int, session_close_ns: int, table: FloatArray, venue: FloatArray | None = None
    ) -> Row:
        """`advance` with the bars as an array of shape (n_symbols, 5), and the tape's row in return."""
        ts_ns, session_close_ns = int(ts_ns), int(session_close_ns)
        if table.shape != (len(self.symbols), 5):
            raise DataError(
                f"the bars of a row have the shape {table.shape}, must be {(len(self.symbols), 5)}: "
                "open, high, low, close, volume of each symbol"
            )
        if ts_ns <= self.ts_ns:
            raise DataError(f"row at {ts_ns} does not come after the last one, at {self.ts_ns}")
        if not ts_ns <= session_close_ns:
            raise DataError(f"row at {ts_ns} closes after its session, at {session_close_ns}")
        present = ~np.isnan(table).any(axis=1)
        o, h, low, c, v = table[present].T
        bad = ~(
            (h >= np.maximum(o, c))
            & (low <= np.minimum(o, c))
            & (low > 0.0)
            & (v >= 0.0)
            & np.isfinite(h + v)
        )
        if bad.any():
            symbol = str(np.array(self.symbols)[present][bad][0])
            raise DataError(
                f"bar of {symbol!r} at {ts_ns} is impossible (open, high, low, close, volume = "
                f"{', '.join(f'{x:g}' for x in table[present][bad][0])})"
            )
        close_ns = np.array([ts_ns])
        session = np.array([session_close_ns])
        tape = np.zeros((len(self.symbols), len(TAPE_FIELDS)))
        decisions: list[Decision] = []
        for i, (preparation, lanes) in enumerate(zip(self._preparations, self._lanes, strict=True)):
            tile = preparation.advance(close_ns, session, table[i : i + 1])
            answer = self._no_venue if venue is None else venue[i : i + 1]
            lanes.advance(tile, 0, 1, tape=tape[i : i + 1], venue=answer)
            if tape[i, TAPE["decided"]]:
                seen = tile.features[tile.rows[0]][self.graph.lane_columns[:, 0]]
                decisions.append(self._decision(i, ts_ns, tape[i], seen))
        self.ts_ns = ts_ns
        return Row(ts_ns, tape, decisions)

    def _decision(self, symbol: int, ts_ns: int, tape: FloatArray, seen: FloatArray) -> Decision:
        held = tape[TAPE["qty"]] != 0.0
        return Decision(
            symbol=self.symbols[symbol],
            ts_ns=ts_ns,
            action=ACTIONS[int(tape[TAPE["action"]])],
            reason=self.setup.strategy.reason(tape[TAPE["reason"]]),
            qty=float(tape[TAPE["decided_qty"]]),
            stop_price=float(tape[TAPE["stop"]]) if held else float("nan"),
            outcome=OUTCOMES[int(tape[TAPE["outcome"]])],
            values=dict(zip(self.graph.names, map(float, seen), strict=True)),
        )

    def metrics(self) -> xr.Dataset:
        """Metrics so far, dim (symbol); the session in progress counts."""
        found = [
            lanes.metrics(preparation)
            for lanes, preparation in zip(self._lanes, self._preparations, strict=True)
        ]
        return xr.Dataset(
            {name: ("symbol", np.concatenate([one[name] for one in found])) for name in found[0]},
            coords={"symbol": self.symbols},
        )

    def state(self, symbol: str) -> dict[str, float]:
        """State of one symbol's lane, by field."""
        lane = self._lanes[self._index[symbol]].state()[:, 0]
        return dict(zip(STATE_FIELDS, map(float, lane), strict=True))

    def save(self) -> bytes:
        """State of everything, to be kept with the ledger; `restore` continues to the bit."""
        arrays: dict[str, Any] = {}
        for i, preparation in enumerate(self._preparations):
            parts = preparation.save() | {"lane": self._lanes[i].state()}
            for name, array in parts.items():
                whole = np.ascontiguousarray(array)
                arrays[f"{i}/{name}"] = (whole.dtype.str, whole.shape, whole.tobytes())
        content = {
            "format": _FORMAT,
            "key": self._key(),
            "ts_ns": self.ts_ns,
            "symbols": self.symbols,
            "arrays": arrays,
        }
        return seal(msgspec.msgpack.encode(content))

    def restore(self, saved: bytes) -> None:
        """Take up the state of `save`.

        Raises
        ------
        StoreError
            If it is not a state, or one of another rule, other parameters, symbols or settings.
        """
        try:
            content = msgspec.msgpack.decode(unseal(saved, "the stream"))
            told = (content["format"], content["key"], content["symbols"])
            arrays = content["arrays"]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise StoreError("the saved state cannot be read; it is damaged or of another program") from None
        if told != (_FORMAT, self._key(), self.symbols):
            raise StoreError(
                "the saved state belongs to another rule, other parameters, symbols or settings; "
                "continue with the same ones, or start anew"
            )
        for i, preparation in enumerate(self._preparations):
            prefix = f"{i}/"
            mine = {
                name.removeprefix(prefix): np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
                for name, (dtype, shape, raw) in arrays.items()
                if name.startswith(prefix)
            }
            self._lanes[i].restore(mine.pop("lane"))
            preparation.restore(mine)
        self.ts_ns = int(content["ts_ns"])

    def _key(self) -> str:
        """What a saved state depends on: the rule's code and the fields, not where the file lies."""
        facts = self.setup.provenance() | {"rule": fingerprint(self.setup.strategy.decide)}
        del facts["strategy_path"]
        return msgspec.json.encode([facts, list(STATE_FIELDS), list(self.graph.names)]).decode()
