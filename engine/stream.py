"""The rule bar by bar: the same ``advance`` as a sweep, fed one row of time per call.

A row is one interval of the calendar for all symbols: a symbol without a bar gets NaN, and a row in which
nobody traded is still a row. Whoever drives the stream sends one per interval, by the clock; then a stream
and a backtest of the same bars are equal to the bit.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import xarray as xr

from ..kernels.lane import STATE_FIELDS
from ..kernels.outcomes import OUTCOMES
from ..kernels.tape import TAPE, TAPE_FIELDS, VENUE_FIELDS
from ..kernels.types import FloatArray, IntArray
from .abilities import variant_for
from .compile import compile_strategy
from .config import Execution, load_execution
from .constants import lane_constants, lots_per_unit
from .errors import DataError, StoreError
from .facts import fact_features, is_fact
from .features import build_whole_graph
from .instruments import market_instruments
from .lanes import Instrument, Lanes, SharedLanes, shared_tile
from .layout import Variant
from .market import SESSIONS_PER_YEAR
from .nearness import Nearness
from .preparation import AccountClock, Preparation, Tile, any_bar
from .records import Bar, Decision, SeriesValue
from .result import rule_fingerprint
from .run import ACTIONS
from .sealed import seal, unseal
from .setup import Setup, make_setup
from .strategy import Strategy

_FORMAT = "stream/3"
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
    instruments : sequence of Instrument, optional
        Instead of `lot_sizes`: lots, ticks, class and sector of each symbol.
    venue : bool
        Take fills from a venue (`advance`'s `venue`) instead of simulating them.
    **settings
        ``params``, ``sessions_per_year``, ``asset_class``, ``decision_timeframe``, ``costs``, ``execution``,
        ``risk``, ``account``, ``initial_cash``, ``delay_s``; see `make_setup`.
    """

    def __init__(
        self,
        strategy: str | Path | Strategy,
        symbols: Sequence[str],
        *,
        timeframe: str,
        lot_sizes: Sequence[float] | None = None,
        instruments: Sequence[Instrument] | None = None,
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
        variant = variant_for(setup, Variant(1, tape=True, venue=venue))
        facts = fact_features(setup, variant.facts)
        self.graph = build_whole_graph(setup.strategy, self.params, setup.decision_timeframe, facts)
        self.compiled = compile_strategy(setup.strategy, variant)
        self._shown = [i for i, name in enumerate(self.graph.names) if not is_fact(name)]
        self._names = [self.graph.names[i] for i in self._shown]
        self._index = {symbol: i for i, symbol in enumerate(self.symbols)}
        missed = variant.uses.missed
        self._preparations = [
            Preparation(setup, self.graph, symbol if missed else None) for symbol in self.symbols
        ]
        if instruments is None:
            sizes = lot_sizes if lot_sizes is not None else [lot] * len(self.symbols)
            is_crypto = asset_class == "crypto"
            instruments = [Instrument(lots=lots_per_unit(size), is_crypto=is_crypto) for size in sizes]
        self.instruments = tuple(instruments)
        constants = lane_constants(setup, {}, 1)
        columns = self.graph.lane_columns[: len(setup.strategy.read_features) + len(facts)]
        self._shared: SharedLanes | None = None
        self._clock, self._nearness = AccountClock(setup), None
        self._lanes: list[Lanes] = []
        if variant.shared:
            self._shared = SharedLanes(
                self.compiled,
                constants,
                columns,
                instruments=instruments,
                initial_cash=setup.initial_cash,
            )
            self._nearness = Nearness(len(self.symbols)) if variant.correlated else None
        else:
            self._lanes = [
                Lanes(
                    self.compiled,
                    constants,
                    columns,
                    instrument=instrument,
                    initial_cash=setup.initial_cash,
                )
                for instrument in instruments
            ]
        self._no_venue = np.zeros((1, len(VENUE_FIELDS)))
        self._closes = np.full(len(self.symbols), np.nan)
        self._no_series = np.full((len(self.symbols), len(self.graph.series)), np.nan)

    @property
    def series(self) -> tuple[str, ...]:
        """Series from outside that the rule's features read, in the order of `advance_row`'s columns."""
        return self.graph.series

    @classmethod
    def for_market(cls, strategy: str | Path | Strategy, market: xr.Dataset, **settings: Any) -> "Stream":
        """Stream over the symbols of a market cube, with what it says of itself; its bars are not read."""
        return cls(
            strategy,
            [str(symbol) for symbol in market["symbol"].values],
            timeframe=market.attrs["timeframe"],
            instruments=market_instruments(market, rounds=_rounds(settings)),
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
        series: Mapping[str, Mapping[str, float]] | None = None,
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
        series : mapping of symbol to name and value, optional
            Series from outside as they are known at this row's close, such as ``{"SPY": {"mood": 0.7}}``;
            what is left out is unknown, also where it was known a row earlier.

        Raises
        ------
        DataError
            If bars of different times come together, a symbol is unknown or comes twice, time does not move
            forward, or a series is none that the rule reads. Nothing has changed then.
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
        values = (
            SeriesValue(symbol, name, value)
            for symbol, own in (series or {}).items()
            for name, value in own.items()
        )
        return self.advance_row(
            ts_ns, session_close_ns, table, venue, self.series_row(values) if series else None
        ).decisions

    def series_row(self, values: Iterable[SeriesValue]) -> FloatArray:
        """Values of series as `advance_row` takes them, NaN where there is none."""
        table = self._no_series.copy()
        for symbol, name, value in ((one.symbol, one.name, one.value) for one in values):
            if symbol not in self._index:
                raise DataError(
                    f"series `{name}` of {symbol!r}: not a symbol of this stream ({', '.join(self.symbols)})"
                )
            if name not in self.series:
                raise DataError(
                    f"series `{name}` of {symbol!r}: the rule reads none of that name; "
                    f"it reads {', '.join(self.series) or 'none at all'}"
                )
            table[self._index[symbol], self.series.index(name)] = value
        return table

    def advance_row(
        self,
        ts_ns: int,
        session_close_ns: int,
        table: FloatArray,
        venue: FloatArray | None = None,
        series: FloatArray | None = None,
    ) -> Row:
        """`advance` with the bars as an array of shape (n_symbols, 5), and the tape's row in return.

        `series` has the shape (n_symbols, n_series), in the order of `Stream.series`.
        """
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
        outside = self._no_series if series is None else np.asarray(series, dtype=np.float64)
        self._check_series(ts_ns, outside)
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
        tiles = [
            preparation.advance(close_ns, session, table[i : i + 1], outside[i][:, None])
            for i, preparation in enumerate(self._preparations)
        ]
        if self._shared is not None:
            self._advance_shared(tiles, close_ns, session, table, tape, venue)
        for i, lanes in enumerate(self._lanes):
            answer = self._no_venue if venue is None else venue[i : i + 1]
            lanes.advance(tiles[i], 0, 1, tape=tape[i : i + 1], venue=answer)
        for i, tile in enumerate(tiles):
            if tape[i, TAPE["decided"]]:
                seen = tile.features[tile.rows[0]][self.graph.lane_columns[self._shown, 0]]
                decisions.append(self._decision(i, ts_ns, tape[i], seen))
        self._closes[present] = c
        self.ts_ns = ts_ns
        return Row(ts_ns, tape, decisions)

    def _advance_shared(
        self,
        tiles: list[Tile],
        close_ns: IntArray,
        session: IntArray,
        table: FloatArray,
        tape: FloatArray,
        venue: FloatArray | None,
    ) -> None:
        assert self._shared is not None
        closes = table[:, 3:4]
        flags = self._clock.advance(close_ns, session, any_bar(closes))
        near: tuple[FloatArray | None, IntArray | None] = (None, None)
        if self._nearness is not None:
            near = self._nearness.advance(close_ns, session, closes)
        answer = np.zeros((len(tiles), 1, len(VENUE_FIELDS))) if venue is None else venue[:, None, :]
        self._shared.advance(
            shared_tile(tiles, flags, *near), 0, 1, tape=tape[:, None, :], venue=np.ascontiguousarray(answer)
        )

    def _check_series(self, ts_ns: int, series: FloatArray) -> None:
        if series.shape != self._no_series.shape:
            raise DataError(
                f"the series of a row have the shape {series.shape}, must be {self._no_series.shape}: "
                f"{', '.join(self.series) or 'none'} of each symbol"
            )
        if (bad := np.isinf(series)).any():
            row, column = divmod(int(bad.argmax()), series.shape[1])
            raise DataError(
                f"series `{self.series[column]}` of {self.symbols[row]!r} at {ts_ns} was "
                f"{series[row, column]}, must be finite, or NaN where it is unknown"
            )

    def _decision(self, symbol: int, ts_ns: int, tape: FloatArray, seen: FloatArray) -> Decision:
        held = tape[TAPE["qty"]] != 0.0
        return Decision(
            symbol=self.symbols[symbol],
            ts_ns=ts_ns,
            action=ACTIONS.get(int(code := tape[TAPE["action"]]), f"action {int(code)}"),
            reason=self.setup.strategy.reason(tape[TAPE["reason"]]),
            qty=float(tape[TAPE["decided_qty"]]),
            stop_price=float(tape[TAPE["stop"]]) if held else float("nan"),
            outcome=OUTCOMES[int(tape[TAPE["outcome"]])],
            values=dict(zip(self._names, map(float, seen), strict=True)),
        )

    def metrics(self) -> xr.Dataset:
        """Metrics so far, dim (symbol), of a shared account without one; the session in progress counts."""
        if self._shared is not None:
            return xr.Dataset({name: values[0] for name, values in self._shared.metrics(self._clock).items()})
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
        if self._shared is not None:
            return self._shared.lane(self._index[symbol])
        lane = self._lanes[self._index[symbol]].state()[:, 0]
        return dict(zip(STATE_FIELDS, map(float, lane), strict=True))

    @property
    def closes(self) -> FloatArray:
        """Last close of each symbol, shape (n_symbols,); NaN before the first.

        After `restore` an account of one symbol knows it of what it holds, else from the next bar on.
        """
        return self._closes.copy()

    def _known_closes(self) -> FloatArray:
        """Last closes as far as the state tells them."""
        if self._shared is not None:
            return self._shared.closes.copy()
        lanes = [self.state(symbol) for symbol in self.symbols]
        values = [(lane["account.equity"] - lane["account.cash"], lane["position.qty"]) for lane in lanes]
        return np.array([value / qty if qty else np.nan for value, qty in values])

    @property
    def correlations(self) -> FloatArray:
        """Correlation of the symbols' session returns, as the limit sees it; NaN where it is not kept up."""
        if self._nearness is None:
            return np.full((len(self.symbols), len(self.symbols)), np.nan)
        return self._nearness.known

    def amend(self, symbol: str, changes: Mapping[str, float]) -> None:
        """Change fields of a symbol's state by hand, by the names of ``STATE_FIELDS``.

        Of a shared account, what is not the symbol's own is everybody's.
        """
        i = self._index[symbol]
        if self._shared is not None:
            self._shared.amend(i, changes)
        else:
            self._lanes[i].amend(changes)

    def save(self) -> bytes:
        """State of everything, to be kept with the ledger; `restore` continues to the bit."""
        arrays: dict[str, Any] = {}
        for i, preparation in enumerate(self._preparations):
            parts = preparation.save()
            if self._shared is None:
                parts["lane"] = self._lanes[i].state()
            arrays |= {f"{i}/{name}": _packed(array) for name, array in parts.items()}
        if self._shared is not None:
            account = self._shared.state() | self._clock.save()
            near = {} if self._nearness is None else self._nearness.save()
            arrays |= {f"account/{name}": _packed(array) for name, array in account.items()}
            arrays |= {f"nearness/{name}": _packed(array) for name, array in near.items()}
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
            mine = _unpacked(arrays, f"{i}/")
            if self._shared is None:
                self._lanes[i].restore(mine.pop("lane"))
            preparation.restore(mine)
        if self._shared is not None:
            account = _unpacked(arrays, "account/")
            self._shared.restore(account)
            self._clock.restore(account)
            if self._nearness is not None:
                self._nearness.restore(_unpacked(arrays, "nearness/"))
        self._closes = self._known_closes()
        self.ts_ns = int(content["ts_ns"])

    def _key(self) -> str:
        """What a saved state depends on: the rule's code and the fields, not where the file lies."""
        facts = self.setup.provenance() | {"rule": rule_fingerprint(self.setup.strategy)}
        del facts["strategy_path"]
        names = list(self.graph.names)
        return msgspec.json.encode([facts, list(STATE_FIELDS), names, *self.graph.series]).decode()


def _packed(array: Any) -> tuple[str, tuple[int, ...], bytes]:
    whole = np.ascontiguousarray(array)
    return whole.dtype.str, whole.shape, whole.tobytes()


def _unpacked(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
        for name, (dtype, shape, raw) in arrays.items()
        if name.startswith(prefix)
    }


def _rounds(settings: Mapping[str, Any]) -> bool:
    return load_execution(settings.get("execution") or Execution()).tick_rounding
