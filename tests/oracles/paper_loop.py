"""A paper run without ledger or files: core and broker in one loop, everything kept in lists."""

from collections import defaultdict
from typing import Any

import msgspec
import xarray as xr

from fluxhero.adapters.paper_broker import PaperBroker
from fluxhero.adapters.replay_feed import ReplayFeed
from fluxhero.engine.fill_model import FillModel
from fluxhero.engine.live import LiveCore
from fluxhero.engine.records import (
    Action,
    Cancel,
    Instruction,
    MoveStop,
    MoveTarget,
    Postpone,
    RowClosed,
    Submit,
    Write,
)
from fluxhero.engine.strategy import Strategy
from fluxhero.engine.stream import Stream


class PaperLoop:
    """Core and broker for the symbols of a market."""

    def __init__(self, strategy: str | Strategy, market: xr.Dataset, **settings: Any) -> None:
        self.market = market
        self.stream = Stream.for_market(strategy, market, venue=True, **settings)
        self.core = LiveCore(self.stream)
        self.broker = make_broker(self.stream, market)
        self.records: dict[str, list[Any]] = defaultdict(list)
        self.actions: list[Action] = []

    def run(self, first: int = 0, last: int | None = None) -> "PaperLoop":
        """Run rows `first` to `last` of the market."""
        rows = list(ReplayFeed(self.market).rows())
        for row in rows[first:last]:
            self.step(row)
        return self

    def step(self, row: RowClosed) -> list[Instruction]:
        """Run one row and return what the core said."""
        instructions: list[Instruction] = []
        for event in (*self.broker.on_row(row), row):
            instructions += self.core.handle(event)
        for instruction in instructions:
            if isinstance(instruction, Write):
                self.records[type(instruction.record).__name__].append(instruction.record)
            else:
                self.actions.append(instruction)
                tell(self.broker, instruction)
        return instructions

    def bits(self) -> bytes:
        """Everything that was recorded and told, to be compared."""
        return msgspec.msgpack.encode([dict(self.records), self.actions])


def make_broker(stream: Stream, market: xr.Dataset) -> PaperBroker:
    """The paper broker of a stream's symbols."""
    setup = stream.setup
    model = FillModel.for_market(setup, market)
    return PaperBroker(stream.symbols, initial_cash=setup.initial_cash, model=model, account=setup.account)


def tell(broker: PaperBroker, action: Action) -> None:
    """Carry out one instruction."""
    match action:
        case Submit(order, not_before_ns, delay_bars):
            broker.submit(order, not_before_ns, delay_bars)
        case MoveStop(client_order_id, stop_price):
            broker.move_stop(client_order_id, stop_price)
        case MoveTarget(client_order_id, target_price):
            broker.move_target(client_order_id, target_price)
        case Postpone(client_order_id, not_before_ns):
            broker.postpone(client_order_id, not_before_ns)
        case Cancel(client_order_id):
            broker.cancel(client_order_id)
