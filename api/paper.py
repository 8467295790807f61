"""The paper runner: the live core between a feed, a broker and the ledger.

One row of time at a time::

    row -> broker (what became of orders) -> core (decisions) -> ledger (one transaction) -> broker (orders)

Nothing is sent before it is durable. A checkpoint is the state of core and broker and the instructions that
were about to be sent, in the same transaction as everything that has happened since the last one: after
``kill -9`` at any moment the ledger holds the run up to its last checkpoint, whole, and a resumed run sends
those instructions (again: an order's id makes the second time harmless) and goes on with the row after it. In
a replay there is a checkpoint at each row that has an order, an execution or a moved stop, and at the end of
each session; rows between them cost no commit and are simply run again. In live trading (`every_row`) each
row is one.

Money, positions and resting orders of core and broker are compared at the end of each session and after a
restart; a difference stops the run.
"""

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import xarray as xr

from ..adapters.broker import SimulatedBroker
from ..adapters.paper_broker import PaperBroker
from ..adapters.replay_feed import ReplayFeed
from ..engine.backtest import run_setup
from ..engine.errors import BrokerError, NotFoundError, StoreError
from ..engine.fill_model import FillModel
from ..engine.fingerprint import fingerprint
from ..engine.live import LiveCore
from ..engine.market import check_market, data_hash, series_names
from ..engine.records import (
    Action,
    Cancel,
    Decision,
    EquityPoint,
    Fill,
    Instruction,
    Intervention,
    MoveStop,
    MoveTarget,
    Order,
    OrderSize,
    OrderStatus,
    Position,
    Postpone,
    RowClosed,
    Submit,
    Trade,
    Write,
)
from ..engine.series import require_series
from ..engine.strategy import Strategy
from ..engine.stream import Stream
from ..store.ledger import Ledger
from ..store.transaction import Transaction
from .paper_parity import Comparison, compare_with_backtest

RUN_ID = "paper"

_FORMAT = "paper run/1"
_PROGRESS_S = 0.1
_RATE_MARKS = 30  # reports that the rate is taken over: three seconds
_MAX_JOURNAL = 50_000  # records in memory between two checkpoints, for calendars with endless sessions


class _Saved(msgspec.Struct):
    """A checkpoint."""

    format: str
    core: bytes
    broker: bytes
    actions: list[Action]  # durable, perhaps not yet sent


@dataclass(frozen=True)
class Progress:
    """How far a run is; handed to the caller's ``progress`` some ten times a second."""

    done: int  # rows of the whole run
    total: int
    rate: float  # rows per second, over the last seconds
    ts_ns: int  # close of the last row
    equity: float  # all accounts together
    n_positions: int

    @property
    def left_s(self) -> float:
        """Seconds left at this rate; NaN while it is unknown."""
        return (self.total - self.done) / self.rate if self.rate > 0.0 else float("nan")


class PaperRunner:
    """Carries rows through broker, core and ledger.

    Parameters
    ----------
    core : LiveCore
    broker : SimulatedBroker
    ledger : Ledger
        With the run held.
    run_id : str
    every_row : bool
        Make every row a checkpoint.
    """

    def __init__(
        self,
        core: LiveCore,
        broker: SimulatedBroker,
        ledger: Ledger,
        run_id: str,
        *,
        every_row: bool = False,
    ) -> None:
        self.core = core
        self.broker = broker
        self._ledger = ledger
        self._run_id = run_id
        self._every_row = every_row
        self._journal: list[Any] = []

    def resume(self) -> int:
        """Take up the last checkpoint and return the close of its row; 0 where there is none yet.

        Raises
        ------
        StoreError
            If the checkpoint is damaged or of another run.
        BrokerError
            If core and broker do not agree.
        """
        checkpoint = self._ledger.last_checkpoint(self._run_id)
        if checkpoint is None:
            return 0
        try:
            saved = msgspec.msgpack.decode(checkpoint.state, type=_Saved)
        except msgspec.DecodeError as error:
            raise StoreError(f"the checkpoint of run {self._run_id!r} cannot be read: {error}") from None
        if saved.format != _FORMAT:
            raise StoreError(
                f"the checkpoint of run {self._run_id!r} is {saved.format!r}, must be {_FORMAT!r}"
            )
        self.core.restore(saved.core)
        self.broker.restore(saved.broker)
        self._send(saved.actions)
        self._reconcile()
        return checkpoint.ts_ns

    def step(self, row: RowClosed) -> None:
        """Take one row: answers, decisions, ledger, orders."""
        answers = self.broker.on_row(row)
        actions: list[Action] = []
        for event in (*answers, row):
            actions += self._keep(self.core.handle(event))
        is_session_end = row.ts_ns >= row.session_close_ns
        is_full = len(self._journal) >= _MAX_JOURNAL
        if self._every_row or answers or actions or is_session_end or is_full:
            self._checkpoint(actions)
        self._send(actions)
        if is_session_end:
            self._reconcile()

    def intervene(self, intervention: Intervention) -> None:
        """Let a person stop trading between two rows, or go on: recorded first, like everything."""
        actions = self._keep(self.core.handle(intervention))
        self._checkpoint(actions)
        self._send(actions)

    def flush(self) -> None:
        """Make everything durable up to the last row."""
        if self._journal:
            self._checkpoint([])

    def _keep(self, instructions: Iterable[Instruction]) -> list[Action]:
        """Put records aside for the next transaction and return the rest."""
        actions: list[Action] = []
        for instruction in instructions:
            if isinstance(instruction, Write):
                self._journal.append(instruction.record)
            else:
                actions.append(instruction)
        return actions

    def _checkpoint(self, actions: list[Action]) -> None:
        """All that has happened since the last checkpoint, and the state after it: one transaction."""
        saved = _Saved(_FORMAT, self.core.save(), self.broker.save(), actions)
        with self._ledger.transaction() as transaction:
            for record in self._journal:
                _RECORDERS[type(record)](transaction, record)
            for position in self.core.positions():
                transaction.record_position(position)
            transaction.save_checkpoint(self._run_id, self.core.ts_ns, msgspec.msgpack.encode(saved))
        self._journal = []

    def _send(self, actions: Sequence[Action]) -> None:
        """Tell the broker, and note which orders it has."""
        accepted = [action.order.client_order_id for action in actions if isinstance(action, Submit)]
        for action in actions:
            match action:
                case Submit(order, not_before_ns, delay_bars):
                    self.broker.submit(order, not_before_ns, delay_bars)
                case MoveStop(client_order_id, stop_price):
                    self.broker.move_stop(client_order_id, stop_price)
                case MoveTarget(client_order_id, target_price):
                    self.broker.move_target(client_order_id, target_price)
                case Postpone(client_order_id, not_before_ns):
                    self.broker.postpone(client_order_id, not_before_ns)
                case Cancel(client_order_id):
                    self.broker.cancel(client_order_id)
        if accepted:
            with self._ledger.transaction() as transaction:
                for client_order_id in accepted:
                    transaction.set_order_status(client_order_id, "accepted")

    def _reconcile(self) -> None:
        """Stop where core and broker do not agree: one is wrong, and orders would make it worse."""
        for ours, theirs in zip(self.core.positions(), self.broker.positions(), strict=True):
            if _bits(ours) != _bits(theirs):
                raise BrokerError(
                    f"the broker does not agree about {ours.symbol!r}: it holds {theirs!r}, "
                    f"we have {ours!r}; nothing is traded until this is settled"
                )
        ours_at_work = {order.client_order_id for order in self.core.open_orders()}
        theirs_at_work = {order.client_order_id for order in self.broker.open_orders()}
        if ours_at_work != theirs_at_work:
            raise BrokerError(
                f"the broker does not agree about orders at work: it has {sorted(theirs_at_work)}, "
                f"we have {sorted(ours_at_work)}; nothing is traded until this is settled"
            )


def _record_equity(transaction: Transaction, point: EquityPoint) -> None:
    transaction.record_equity(point.symbol, point.ts_ns, point.equity, point.cash, point.qty)


def _set_size(transaction: Transaction, change: OrderSize) -> None:
    transaction.set_order_qty(change.client_order_id, change.qty)


def _set_status(transaction: Transaction, change: OrderStatus) -> None:
    transaction.set_order_status(change.client_order_id, change.status)


_RECORDERS: Mapping[type, Callable[[Transaction, Any], None]] = {
    Order: Transaction.record_order,
    OrderSize: _set_size,
    OrderStatus: _set_status,
    Intervention: Transaction.record_intervention,
    Fill: Transaction.record_fill,
    Trade: Transaction.record_trade,
    Decision: Transaction.record_decision,
    Position: Transaction.record_position,
    EquityPoint: _record_equity,
}


def _bits(position: Position) -> bytes:
    return msgspec.msgpack.encode(position)


class PaperReplay:
    """A paper run over a recorded market, in its ledger; made by `open_replay`.

    Attributes
    ----------
    run_id : str
    config : mapping
        What makes this run the run it is (`run_config`).
    resumed_ns : int, UTC ns
        Close of the row that the run was taken up after; 0 for a new one.
    """

    def __init__(
        self,
        runner: PaperRunner,
        stream: Stream,
        feed: ReplayFeed,
        ledger: Ledger,
        market: xr.Dataset,
        *,
        run_id: str,
        config: Mapping[str, Any],
    ) -> None:
        self.config = config
        self.run_id = run_id
        self.resumed_ns = 0
        self._runner = runner
        self._stream = stream
        self._feed = feed
        self._ledger = ledger
        self._market = market

    @property
    def ts_ns(self) -> int:
        """Close of the last row."""
        return self._stream.ts_ns

    @property
    def n_done(self) -> int:
        """Rows done."""
        return self._feed.n_until(self.ts_ns)

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return len(self._feed)

    @property
    def is_finished(self) -> bool:
        """Whether every row is done."""
        return self.n_done == self.n_rows

    def resume(self) -> None:
        """Take up the last checkpoint, if there is one."""
        self.resumed_ns = self._runner.resume()

    def run(
        self,
        *,
        progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Run the rows that are left and say whether all are done.

        Parameters
        ----------
        progress : callable, optional
            Called with a `Progress` some ten times a second and at the end.
        should_stop : callable
            Asked after every row; then everything is made durable and the run may be resumed later.
        """
        n_done = self.n_done
        marks = deque([(time.perf_counter(), n_done)], maxlen=_RATE_MARKS)
        for row in self._feed.rows(after_ns=self.ts_ns):
            self._runner.step(row)
            n_done += 1
            now = time.perf_counter()
            if progress is not None and now - marks[-1][0] >= _PROGRESS_S:
                marks.append((now, n_done))
                progress(self._progress(marks))
            if should_stop():
                break
        self._runner.flush()
        if progress is not None:
            marks.append((time.perf_counter(), n_done))
            progress(self._progress(marks))
        return n_done == self.n_rows

    def _progress(self, marks: Sequence[tuple[float, int]]) -> Progress:
        (first_s, n_first), (last_s, n_last) = marks[0], marks[-1]
        positions = self._runner.core.positions()
        is_shared = self._stream.setup.account == "shared"
        return Progress(
            done=n_last,
            total=self.n_rows,
            rate=(n_last - n_first) / (last_s - first_s) if last_s > first_s else 0.0,
            ts_ns=self.ts_ns,
            # A shared account stands beside each of its symbols.
            equity=positions[0].equity if is_shared else sum(position.equity for position in positions),
            n_positions=sum(position.qty != 0.0 for position in positions),
        )

    def positions(self) -> list[Position]:
        """What is held of each symbol, flat ones included."""
        return self._runner.core.positions()

    def intervene(self, kind: Literal["halt", "emergency_stop", "resume"], reason: str = "") -> None:
        """Let a person stop trading after the last row, or go on."""
        self._runner.intervene(Intervention(kind, self.ts_ns, reason))

    def metrics(self) -> xr.Dataset:
        """Metrics so far, dim (symbol)."""
        return self._stream.metrics()

    def verify(self) -> list[Comparison]:
        """Backtest the rows that are done, and compare everything with the ledger to the bit."""
        market = self._market.isel(time=slice(0, self.n_done))
        run = run_setup(self._stream.setup, market)
        return compare_with_backtest(self._ledger, self.run_id, run, self._stream.setup.strategy)


@contextmanager
def open_replay(
    market: xr.Dataset,
    ledger_path: str | Path,
    *,
    strategy: str | Path | Strategy,
    params: Mapping[str, Any] | None = None,
    run_id: str = RUN_ID,
    must_resume: bool = False,
    every_row: bool = False,
    speed: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now_ns: Callable[[], int] = time.time_ns,
    **settings: Any,
) -> Iterator[PaperReplay]:
    """Begin a paper run over a recorded market, or take up the one that the ledger holds.

    Parameters
    ----------
    market : Dataset
        A market cube.
    ledger_path : path
        SQLite file; made when missing.
    strategy, params, **settings
        As in `engine.backtest.backtest`.
    run_id : str
        Name of the run within the ledger.
    must_resume : bool
        Refuse to begin a new run.
    every_row : bool
        A checkpoint at every row, safe from a power cut too, as in live trading. Otherwise a power cut may
        cost the last rows (never a kill), and a replay runs them again.
    speed, sleep
        See `ReplayFeed`.
    now_ns : callable
        The clock that stamps a new run.

    Raises
    ------
    StoreError
        If the ledger's run is another one (strategy, parameters, data or conditions; the message says which),
        or another process runs it.
    NotFoundError
        If `must_resume` and there is nothing to resume.
    """
    check_market(market)
    stream = Stream.for_market(strategy, market, params=params, venue=True, **settings)
    broker = PaperBroker(
        stream.symbols,
        initial_cash=stream.setup.initial_cash,
        model=FillModel.for_market(stream.setup, market),
        account=stream.setup.account,
    )
    require_series(stream.setup.strategy, series_names(market))
    feed = ReplayFeed(market, speed=speed, sleep=sleep, series=stream.series)
    config = run_config(stream, market)
    with Ledger(ledger_path, synchronous="full" if every_row else "normal") as ledger:
        known = {run.run_id for run in ledger.runs()}
        if run_id in known:
            run = ledger.resume_run(run_id)
            _check_same_run(run.config, config, f"run {run_id!r} of {ledger_path}")
        elif must_resume:
            raise NotFoundError(
                f"{ledger_path} has no run {run_id!r} to resume; it has {', '.join(sorted(known)) or 'none'}"
            )
        else:
            ledger.open_run(
                run_id,
                strategy=stream.setup.strategy.name,
                mode="paper",
                created_ns=now_ns(),
                config=config,
            )
        runner = PaperRunner(LiveCore(stream), broker, ledger, run_id, every_row=every_row)
        replay = PaperReplay(runner, stream, feed, ledger, market, run_id=run_id, config=config)
        replay.resume()
        yield replay


def run_config(stream: Stream, market: xr.Dataset) -> dict[str, Any]:
    """What makes a run the run it is; another value of any of it is another run."""
    facts = stream.setup.provenance()
    del facts["strategy_path"]  # a file that moves is the same rule: its code counts
    for name in ("params", "costs", "execution", "risk"):
        facts |= {f"{name}.{key}": value for key, value in json.loads(facts.pop(name)).items()}
    rule = stream.setup.strategy
    words = repr((dict(rule.features), dict(rule.reasons), dict(rule.modes)))
    code = hashlib.sha256(f"{fingerprint(rule.decide)}{words}".encode()).hexdigest()
    return {
        **facts,
        "strategy_code": code,
        "symbols": stream.symbols,
        "first_row": str(market["time"].values[0]),
        "last_row": str(market["time"].values[-1]),
        "data_hash": data_hash(market),
    }


def _check_same_run(theirs: Mapping[str, Any], ours: Mapping[str, Any], name: str) -> None:
    """Refuse to go on with a run under other settings."""
    differing = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    if differing:
        told = "; ".join(
            f"`{key}` is {theirs.get(key)!r} there and {ours.get(key)!r} now" for key in differing[:3]
        )
        more = f"; {len(differing) - 3} more" if len(differing) > 3 else ""
        raise StoreError(
            f"{name} was made under other conditions: {told}{more}. Run it with the same ones, or choose "
            "another ledger or run name for a new one"
        )
