"""The live core as a state machine: events in, instructions out; no loop, no clock, no file."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import pytest

from fluxhero.engine.errors import BrokerError, ConfigError, DataError, StoreError
from fluxhero.engine.live import LiveCore
from fluxhero.engine.records import (
    Bar,
    Cancel,
    Decision,
    EquityPoint,
    Event,
    Execution,
    Fill,
    Instruction,
    Intervention,
    MoveStop,
    Order,
    OrderSize,
    OrderStatus,
    Postpone,
    Reached,
    Rejection,
    RowClosed,
    Submit,
    Trade,
    Write,
)
from fluxhero.engine.stream import Stream
from fluxhero.tests.oracles.paper_cases import FILES, PAPER_CASES, bracket
from fluxhero.tests.oracles.paper_loop import PaperLoop

MINUTE_NS = 60_000_000_000
DAY_NS = 1440 * MINUTE_NS
DELAY_NS = 60_000_000_000
FLAT = (100.0, 100.5, 99.5, 100.0)
T = TypeVar("T")

# Always in: enters at the first decision, stop ten percent below; leaves at +5 %; breaks even at +2.5 %.
PARAMS = {"stop": 0.1, "risk": 0.01, "target": 0.05}


def make_stream(**more: Any) -> Stream:
    values: dict[str, Any] = {
        "timeframe": "1m",
        "decision_timeframe": "15m",
        "params": PARAMS,
        "venue": True,
        "costs": "zero",
    }
    return Stream(FILES / "always_in.py", ["A", "B"], **(values | more))


@pytest.fixture
def core() -> LiveCore:
    return LiveCore(make_stream())


def row(minute: int, quote: tuple[float, float, float, float] | None = FLAT) -> RowClosed:
    """The row that closes at a minute of a day; only A trades."""
    ts_ns = minute * MINUTE_NS
    bars = () if quote is None else (Bar("A", ts_ns, *quote, 1e6, DAY_NS),)
    return RowClosed(ts_ns, DAY_NS, bars)


def records(instructions: Sequence[Instruction], kind: type[T]) -> list[T]:
    return [one.record for one in instructions if isinstance(one, Write) and isinstance(one.record, kind)]


def actions(instructions: Sequence[Instruction]) -> list[Instruction]:
    return [one for one in instructions if not isinstance(one, Write)]


def statuses(instructions: Sequence[Instruction]) -> dict[str, str]:
    return {change.client_order_id: change.status for change in records(instructions, OrderStatus)}


def run_minutes(core: LiveCore, first: int, last: int, quote: Any = FLAT) -> list[Instruction]:
    """Rows `first` to `last`; the instructions of the last one."""
    instructions: list[Instruction] = []
    for minute in range(first, last + 1):
        instructions = core.handle(row(minute, quote))
    return instructions


def bought(core: LiveCore, price: float = 100.0) -> Order:
    """Decide at minute 15, fill at minute 17; the entry."""
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    run_minutes(core, 16, 16)
    core.handle(execution(submit.order, 17, price))
    run_minutes(core, 17, 17)
    return submit.order


def execution(order: Order, minute: int, price: float, **more: Any) -> Execution:
    values: dict[str, Any] = {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "ts_ns": minute * MINUTE_NS,
        "side": order.side,
        "qty": order.qty,
        "price": price,
        "commission": 0.0,
        "reference": price,
    }
    return Execution(**(values | more))


def stop_execution(entry: Order, minute: int, price: float) -> Execution:
    name = f"{entry.client_order_id}-stop"
    return execution(entry, minute, price, client_order_id=name, side=-1)


# ---- decisions


def test_row_writes_the_account_of_every_symbol(core: LiveCore) -> None:
    points = records(core.handle(row(1)), EquityPoint)
    assert points == [EquityPoint(symbol, MINUTE_NS, 100_000.0, 100_000.0, 0.0) for symbol in ("A", "B")]


def test_entry_is_written_down_before_it_is_sent(core: LiveCore) -> None:
    instructions = run_minutes(core, 1, 15)
    (order,) = records(instructions, Order)
    assert (order.status, order.side, order.stop_distance, order.mode) == ("pending", 1, 10.0, 7)
    assert order.client_order_id == f"fh-A-{15 * MINUTE_NS}-enter"
    (decision,) = records(instructions, Decision)
    assert (decision.outcome, decision.qty) == ("accepted", order.qty)
    assert instructions[-1] == Submit(order, 15 * MINUTE_NS + DELAY_NS)
    assert all(isinstance(one, Write) for one in instructions[:-1])


def test_orders_of_every_bar_may_fill_at_once() -> None:
    core = LiveCore(make_stream(decision_timeframe="1m"))
    (submit,) = actions(core.handle(row(1)))
    assert isinstance(submit, Submit)
    assert submit.not_before_ns == MINUTE_NS


def test_order_that_still_waits_at_a_decision_is_postponed(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    core.handle(row(16))
    instructions = run_minutes(core, 17, 30, None)  # no bar starts late enough
    assert actions(instructions) == [Postpone(submit.order.client_order_id, 30 * MINUTE_NS + DELAY_NS)]
    (decision,) = records(instructions, Decision)
    assert decision.outcome == "waiting: an order is still working"


# ---- answers


def test_executed_entry_opens_a_position_with_a_stop(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    assert core.handle(execution(submit.order, 16, 101.0, commission=2.5, reference=100.9)) == []
    instructions = core.handle(row(16))
    (fill,) = records(instructions, Fill)
    assert (fill.ts_ns, fill.price, fill.kind) == (16 * MINUTE_NS, 101.0, "market")
    assert fill.cost == 2.5 + submit.order.qty * abs(101.0 - 100.9)
    (stop,) = records(instructions, Order)
    assert (stop.kind, stop.status, stop.side, stop.stop_price) == ("stop", "accepted", -1, 91.0)
    assert statuses(instructions) == {submit.order.client_order_id: "filled"}
    position = core.positions()[0]
    assert (position.qty, position.entry_price, position.stop_price) == (submit.order.qty, 101.0, 91.0)


def test_entry_cut_by_the_venue_is_what_is_held(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    core.handle(execution(submit.order, 16, 100.0, qty=3.0))
    (stop,) = records(core.handle(row(16)), Order)
    assert (stop.qty, core.positions()[0].qty) == (3.0, 3.0)


def test_rejected_entry_is_over(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    core.handle(Rejection(submit.order.client_order_id, "A", 16 * MINUTE_NS, "cash below one lot"))
    instructions = run_minutes(core, 16, 16)
    assert statuses(instructions) == {submit.order.client_order_id: "rejected"}
    assert core.open_orders() == []
    assert len(actions(run_minutes(core, 17, 30))) == 1  # the rule may ask again


def test_stop_out_is_a_trade(core: LiveCore) -> None:
    entry = bought(core)
    core.handle(stop_execution(entry, 18, 90.0))
    instructions = core.handle(row(18, (90.5, 91.0, 89.0, 90.0)))
    (trade,) = records(instructions, Trade)
    assert (trade.entry_ts_ns, trade.exit_ts_ns) == (17 * MINUTE_NS, 18 * MINUTE_NS)
    assert trade.pnl == entry.qty * 90.0 - entry.qty * 100.0
    assert (trade.entry_reason, trade.exit_reason, trade.mode) == ("in", "protective stop", 7)
    assert statuses(instructions) == {f"{entry.client_order_id}-stop": "filled"}
    assert core.open_orders() == []


def test_entry_and_stop_may_come_in_one_row(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    core.handle(execution(submit.order, 17, 100.0))
    core.handle(stop_execution(submit.order, 17, 90.0))
    instructions = run_minutes(core, 16, 16, (100.0, 100.0, 89.0, 95.0))
    assert [fill.side for fill in records(instructions, Fill)] == [1, -1]
    assert len(records(instructions, Trade)) == 1
    assert core.positions()[0].qty == 0.0


def test_stop_out_voids_the_exit_that_waits(core: LiveCore) -> None:
    entry = bought(core)
    (submit,) = actions(run_minutes(core, 18, 30, (105.5, 106.0, 105.2, 106.0)))
    assert isinstance(submit, Submit)
    assert submit.order.side == -1
    core.handle(stop_execution(entry, 31, 90.0))
    instructions = core.handle(row(31, (90.0, 90.0, 90.0, 90.0)))
    assert actions(instructions) == [Cancel(submit.order.client_order_id)]
    assert statuses(instructions)[submit.order.client_order_id] == "cancelled"


def test_exit_ends_the_stop(core: LiveCore) -> None:
    entry = bought(core)
    (submit,) = actions(run_minutes(core, 18, 30, (105.5, 106.0, 105.2, 106.0)))
    assert isinstance(submit, Submit)
    core.handle(execution(submit.order, 32, 107.0))
    instructions = run_minutes(core, 31, 31, (107.0, 107.0, 107.0, 107.0))
    assert statuses(instructions) == {
        submit.order.client_order_id: "filled",
        f"{entry.client_order_id}-stop": "cancelled",
    }
    (trade,) = records(instructions, Trade)
    assert trade.exit_reason == "target reached"


def test_moved_stop_is_told_to_the_venue_once(core: LiveCore) -> None:
    entry = bought(core)
    instructions = run_minutes(core, 18, 30, (103.0, 103.5, 102.5, 103.0))
    assert actions(instructions) == [MoveStop(f"{entry.client_order_id}-stop", 100.0)]
    assert core.positions()[0].stop_price == 100.0
    assert actions(run_minutes(core, 31, 45, (103.0, 103.5, 102.5, 103.0))) == []


# ---- shorts


def sold(core: LiveCore, price: float = 99.0) -> Order:
    """A fall at minute 2 decides a short, minute 3 fills it; the entry."""
    core.handle(row(1))
    (submit,) = actions(core.handle(row(2, (99.5, 99.5, 99.0, 99.0))))
    assert isinstance(submit, Submit)
    core.handle(execution(submit.order, 3, price))
    return submit.order


@pytest.fixture
def swing() -> LiveCore:
    params = {"stop": 0.1, "risk": 0.01, "target": 0.05, "trail": 0.02}
    values: dict[str, Any] = {"timeframe": "1m", "params": params, "venue": True, "costs": "zero"}
    return LiveCore(Stream(FILES / "swing.py", ["A", "B"], **values))


def test_short_entry_opens_a_position_with_a_stop_above(swing: LiveCore) -> None:
    order = sold(swing)
    assert (order.side, order.client_order_id) == (-1, f"fh-A-{2 * MINUTE_NS}-enter")
    assert order.stop_distance == 0.1 * 99.0
    instructions = swing.handle(row(3, (99.0, 99.0, 98.5, 98.6)))
    (stop,) = records(instructions, Order)
    assert (stop.side, stop.stop_price, stop.qty) == (1, 99.0 + order.stop_distance, order.qty)
    position = swing.positions()[0]
    assert (position.qty, position.entry_price) == (-order.qty, 99.0)
    assert position.equity == position.cash - order.qty * 98.6
    assert actions(instructions) == [MoveStop(stop.client_order_id, 98.5 * 1.02)]  # down from 108.9
    assert swing.positions()[0].stop_price == 98.5 * 1.02


def test_short_that_is_stopped_out_is_a_trade(swing: LiveCore) -> None:
    order = sold(swing)
    swing.handle(row(3, (99.0, 99.0, 98.5, 98.6)))
    stop = swing.open_orders()[0]
    swing.handle(execution(stop, 4, 101.0))
    (trade,) = records(swing.handle(row(4, (101.0, 101.0, 101.0, 101.0))), Trade)
    assert (trade.side, trade.qty, trade.exit_reason) == (-1, order.qty, "protective stop")
    assert trade.pnl == -order.qty * 101.0 + order.qty * 99.0
    assert swing.positions()[0].qty == 0.0


def test_short_is_left_by_an_order_to_buy(swing: LiveCore) -> None:
    order = sold(swing)
    (submit,) = actions(swing.handle(row(3, (94.0, 94.0, 94.0, 94.0))))
    assert isinstance(submit, Submit)
    assert (submit.order.side, submit.order.qty) == (1, order.qty)
    assert submit.order.client_order_id == f"fh-A-{3 * MINUTE_NS}-leave"
    assert math.isnan(submit.order.stop_distance)
    with pytest.raises(BrokerError, match="quantity 1 of order"):
        swing.handle(execution(submit.order, 4, 94.0, qty=1.0))
    with pytest.raises(BrokerError, match=r"closes the position in 'A': halted"):
        swing.handle(Rejection(submit.order.client_order_id, "A", 4 * MINUTE_NS, "halted"))
    swing.handle(execution(submit.order, 4, 93.0))
    (trade,) = records(swing.handle(row(4, (93.0, 93.0, 93.0, 93.0))), Trade)
    assert trade.pnl == order.qty * 6.0
    assert (trade.side, trade.exit_reason) == (-1, "target of a short")


# ---- answers that are late, double or wrong


def test_stop_executed_without_a_bar_counts_on_the_next(core: LiveCore) -> None:
    entry = bought(core)
    core.handle(stop_execution(entry, 18, 90.0))
    assert records(core.handle(row(18, None)), Fill) == []
    assert core.positions()[0].qty == entry.qty
    (fill,) = records(core.handle(row(19, (90.0, 90.0, 90.0, 90.0))), Fill)
    assert fill.price == 90.0
    assert core.positions()[0].qty == 0.0


def test_answer_told_twice_counts_once(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    answer = execution(submit.order, 16, 100.0)
    core.handle(answer)
    core.handle(answer)
    assert len(records(core.handle(row(16)), Fill)) == 1
    core.handle(answer)
    assert records(core.handle(row(17)), Fill) == []


def test_answer_about_nothing_of_ours_is_refused(core: LiveCore) -> None:
    entry = bought(core)
    for wrong in (
        execution(entry, 18, 1.0, client_order_id="somebody-else"),
        execution(entry, 18, 1.0, symbol="B"),
        execution(entry, 18, 1.0, symbol="C"),
    ):
        with pytest.raises(BrokerError, match="the venue answered for"):
            core.handle(wrong)


def test_stop_before_its_entry_is_refused(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    with pytest.raises(BrokerError, match="none of ours at work"):
        core.handle(stop_execution(submit.order, 16, 90.0))


@pytest.mark.parametrize("more", [{"side": -1}, {"qty": 1e9}, {"qty": 0.0}, {"qty": math.nan}])
def test_execution_of_something_else_is_refused(core: LiveCore, more: dict[str, Any]) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    with pytest.raises(BrokerError, match="reconcile before trading on"):
        core.handle(execution(submit.order, 16, 100.0, **more))


def test_partial_exit_is_refused(core: LiveCore) -> None:
    entry = bought(core)
    with pytest.raises(BrokerError, match="quantity 1 of order"):
        core.handle(msgspec.structs.replace(stop_execution(entry, 18, 90.0), qty=1.0))


def test_refused_exit_stops_everything(core: LiveCore) -> None:
    bought(core)
    (submit,) = actions(run_minutes(core, 18, 30, (105.5, 106.0, 105.2, 106.0)))
    assert isinstance(submit, Submit)
    with pytest.raises(BrokerError, match=r"the venue refused order .* closes the position in 'A': halted"):
        core.handle(Rejection(submit.order.client_order_id, "A", 31 * MINUTE_NS, "halted"))


def test_exit_refused_because_the_stop_was_faster_is_fine(core: LiveCore) -> None:
    entry = bought(core)
    (submit,) = actions(run_minutes(core, 18, 30, (105.5, 106.0, 105.2, 106.0)))
    assert isinstance(submit, Submit)
    core.handle(stop_execution(entry, 31, 90.0))
    core.handle(Rejection(submit.order.client_order_id, "A", 31 * MINUTE_NS, "nothing to close"))
    instructions = core.handle(row(31, (90.0, 90.0, 90.0, 90.0)))
    assert statuses(instructions)[submit.order.client_order_id] == "rejected"
    assert len(records(instructions, Trade)) == 1
    assert core.open_orders() == []


# ---- rows that cannot be


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(16, (100.0, 99.0, 98.0, 100.0)), "is impossible"),
        (row(15), "does not come after"),
        (
            RowClosed(16 * MINUTE_NS, DAY_NS, (Bar("C", 16 * MINUTE_NS, *FLAT, 1.0, DAY_NS),)),
            "'C': not a symbol",
        ),
        (RowClosed(16 * MINUTE_NS, DAY_NS, row(16).bars * 2), "two bars of 'A'"),
        (RowClosed(17 * MINUTE_NS, DAY_NS, row(16).bars), "closes at"),
    ],
)
def test_refused_row_changes_nothing(core: LiveCore, bad: RowClosed, words: str) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    core.handle(execution(submit.order, 16, 100.0))
    before = core.save()
    with pytest.raises(DataError, match=words):
        core.handle(bad)
    assert core.save() == before
    assert len(records(core.handle(row(16)), Fill)) == 1


def test_stream_with_fills_of_its_own_is_refused() -> None:
    with pytest.raises(ConfigError, match="make it with venue=True"):
        LiveCore(make_stream(venue=False))


# ---- state


def test_saved_core_goes_on_to_the_bit_after_every_row() -> None:
    case = PAPER_CASES["both modes of dual mode"]
    whole = PaperLoop(case.loaded(), case.market(), **case.conditions()).run(last=900)
    pieces = PaperLoop(case.loaded(), case.market(), **case.conditions())
    for first in range(0, 900, 45):
        pieces.run(first, first + 45)
        pieces.core.restore(pieces.core.save())
    assert pieces.bits() == whole.bits()


def test_answers_that_wait_for_their_row_are_saved(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    core.handle(execution(submit.order, 16, 100.0))
    other = LiveCore(make_stream())
    other.restore(core.save())
    assert other.handle(row(16)) == core.handle(row(16))


@pytest.mark.parametrize("saved", [b"rubbish", msgspec.msgpack.encode({"format": "live core/2"})])
def test_rubbish_is_no_state(core: LiveCore, saved: bytes) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        core.restore(saved)


def test_state_of_other_parameters_is_refused(core: LiveCore) -> None:
    other = LiveCore(make_stream(params=PARAMS | {"stop": 0.2}))
    with pytest.raises(StoreError, match="another rule, other parameters"):
        core.restore(other.save())


def test_log_of_events_replays_what_happened() -> None:
    case = PAPER_CASES["stopped out all the time, a delay of a minute"]
    loop = PaperLoop(case.loaded(), case.market(), **case.conditions())
    log: list[bytes] = []
    handle = loop.core.handle

    def logged(event: Event) -> list[Instruction]:
        log.append(msgspec.json.encode(event))
        return handle(event)

    loop.core.handle = logged  # type: ignore[method-assign]
    loop.run(last=500)
    again = PaperLoop(case.loaded(), case.market(), **case.conditions())
    said = [again.core.handle(msgspec.json.decode(line, type=Event)) for line in log]  # type: ignore[arg-type]
    assert [action for instructions in said for action in actions(instructions)] == loop.actions
    assert again.core.save() == loop.core.save()


# ---- entries that rest, targets, fills in parts


class Words:
    """A rule of all words on minutes, whose volume says what it does: 48 at market, 72 a limit, 96 a stop."""

    def __init__(self, **execution: Any) -> None:
        case = bracket()
        settings: dict[str, Any] = {"costs": "zero", "execution": execution, "risk": {"cash_rate": 0.0}}
        params = {"lookback": 1, "stop": 0.1, "target": 0.1, "offset": 0.01, "shorts": 0}
        stream = Stream(case.loaded(), ["A"], timeframe="1m", params=params, venue=True, **settings)
        self.core = LiveCore(stream)
        self.minute = 0

    def row(self, volume: float, quote: tuple[float, float, float, float] = FLAT) -> list[Instruction]:
        self.minute += 1
        ts_ns = self.minute * MINUTE_NS
        return self.core.handle(RowClosed(ts_ns, DAY_NS, (Bar("A", ts_ns, *quote, volume, DAY_NS),)))

    def submitted(self, volume: float) -> Order:
        self.row(9.0)
        (submit,) = actions(self.row(volume))
        assert isinstance(submit, Submit)
        return submit.order

    def told(self, order: Order, **more: Any) -> None:
        values = {"qty": order.qty, "price": 100.0} | more
        self.core.handle(execution(order, self.minute + 1, values.pop("price"), **values))


MARKET, LIMIT, STOP, HOLD = 8.0, 12.0 * 2 + 8.0, 12.0 * 4 + 8.0, 9.0


def test_entry_tells_kind_prices_and_target() -> None:
    limit, stop = Words().submitted(LIMIT), Words().submitted(STOP)
    assert (limit.kind, limit.limit_price, limit.target_distance) == ("limit", 99.0, 10.0)
    assert (stop.kind, stop.trigger_price, stop.stop_distance) == ("stop entry", 101.0, 10.0)


def test_executed_entry_leaves_stop_and_target() -> None:
    words = Words()
    words.told(words.submitted(MARKET))
    stop, target = records(words.row(HOLD), Order)
    assert (stop.kind, stop.stop_price, target.kind, target.limit_price) == ("stop", 90.0, "target", 110.0)
    assert [order.kind for order in words.core.open_orders()] == ["stop", "target"]


def test_target_that_is_executed_ends_the_stop() -> None:
    words = Words()
    entry = words.submitted(MARKET)
    words.told(entry)
    words.row(HOLD)
    words.told(entry, client_order_id=f"{entry.client_order_id}-target", side=-1, price=110.0)
    instructions = words.row(HOLD)
    (trade,) = records(instructions, Trade)
    assert (trade.exit_reason, trade.pnl) == ("target", entry.qty * 110.0 - entry.qty * 100.0)
    assert statuses(instructions) == {
        f"{entry.client_order_id}-stop": "cancelled",
        f"{entry.client_order_id}-target": "filled",
    }


def test_rest_of_an_entry_works_on_and_its_stop_grows() -> None:
    words = Words(participation=0.5)
    entry = words.submitted(MARKET)
    words.told(entry, qty=4.0, left=entry.qty - 4.0)
    words.row(HOLD)
    assert [order.qty for order in words.core.open_orders()] == [entry.qty, 4.0, 4.0]
    words.told(entry, qty=entry.qty - 4.0, price=101.0)
    instructions = words.row(HOLD)
    assert {change.qty for change in records(instructions, OrderSize)} == {entry.qty}
    position = words.core.positions()[0]
    assert (position.qty, position.stop_price) == (entry.qty, 90.0)
    assert position.entry_price == (100.0 * 4.0 + 101.0 * (entry.qty - 4.0)) / entry.qty


def test_rest_of_a_stop_is_sold_at_market() -> None:
    words = Words(participation=0.5)
    entry = words.submitted(MARKET)
    words.told(entry)
    words.row(HOLD)
    words.told(entry, client_order_id=f"{entry.client_order_id}-stop", side=-1, price=90.0, qty=5.0)
    (submit,) = actions(words.row(HOLD))
    assert isinstance(submit, Submit)
    order = submit.order
    assert order.client_order_id == f"fh-A-{words.minute * MINUTE_NS}-rest"
    assert (order.qty, order.reason, submit.not_before_ns) == (entry.qty - 5.0, "protective stop", 0)
    words.told(order, price=89.0)
    (trade,) = records(words.row(HOLD), Trade)
    assert trade.exit_price == (5.0 * 90.0 + order.qty * 89.0) / entry.qty


def test_stop_that_was_reached_without_volume_is_sold_at_market() -> None:
    words = Words(participation=0.5)
    entry = words.submitted(MARKET)
    words.told(entry)
    words.row(HOLD)
    name = f"{entry.client_order_id}-stop"
    words.core.handle(Reached(name, "A", (words.minute + 1) * MINUTE_NS))
    instructions = words.row(HOLD)
    assert statuses(instructions)[name] == "cancelled"
    (submit,) = actions(instructions)
    assert isinstance(submit, Submit)
    assert submit.order.qty == entry.qty


def test_parts_are_refused_where_fills_are_whole() -> None:
    words = Words()
    entry = words.submitted(MARKET)
    with pytest.raises(BrokerError, match="reconcile before trading on"):
        words.told(entry, qty=4.0, left=1.0)


def test_new_entry_replaces_the_one_that_rests() -> None:
    words = Words()
    first = words.submitted(LIMIT)
    cancel, submit = actions(words.row(STOP))
    assert cancel == Cancel(first.client_order_id)
    assert isinstance(submit, Submit)
    assert submit.order.kind == "stop entry"


# ---- a person stops it


def intervention(core: LiveCore, kind: Any) -> list[Instruction]:
    return core.handle(Intervention(kind, core.ts_ns, "told to"))


def test_halt_takes_back_a_waiting_entry_and_enters_nothing(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    instructions = intervention(core, "halt")
    assert actions(instructions) == [Cancel(submit.order.client_order_id)]
    assert statuses(instructions) == {submit.order.client_order_id: "cancelled"}
    assert len(records(instructions, Intervention)) == 1
    (decision,) = records(run_minutes(core, 16, 30), Decision)
    assert decision.outcome == "denied: trading is halted"
    assert core.halts() == {"A": "stopped by hand", "B": "stopped by hand"}


def test_halt_leaves_position_and_stop_and_the_rule_may_close(core: LiveCore) -> None:
    entry = bought(core)
    assert actions(intervention(core, "halt")) == []
    assert [order.kind for order in core.open_orders()] == ["stop"]
    (submit,) = actions(run_minutes(core, 18, 30, (105.5, 106.0, 105.2, 106.0)))
    assert isinstance(submit, Submit)
    assert (submit.order.side, submit.order.qty) == (-1, entry.qty)


def test_emergency_stop_closes_at_the_next_bar(core: LiveCore) -> None:
    entry = bought(core)
    (submit,) = actions(intervention(core, "emergency_stop"))
    assert isinstance(submit, Submit)
    order = submit.order
    assert (order.side, order.qty, order.reason) == (-1, entry.qty, "stopped by hand")
    assert (order.client_order_id, submit.not_before_ns) == (f"fh-A-{17 * MINUTE_NS}-halt", 0)
    assert actions(intervention(core, "emergency_stop")) == []
    core.handle(execution(order, 18, 99.0))
    (trade,) = records(core.handle(row(18)), Trade)
    assert trade.exit_reason == "stopped by hand"
    assert core.open_orders() == []


def test_resume_trades_on_and_measures_falls_from_now(core: LiveCore) -> None:
    intervention(core, "halt")
    run_minutes(core, 1, 15)
    intervention(core, "resume")
    assert core.halts() == {}
    assert isinstance(actions(run_minutes(core, 16, 30))[0], Submit)


def test_intervention_of_another_time_is_refused(core: LiveCore) -> None:
    core.handle(row(1))
    with pytest.raises(DataError, match="the last row closed at"):
        core.handle(Intervention("halt", 2 * MINUTE_NS))


def test_intervention_waits_for_answers_to_be_settled(core: LiveCore) -> None:
    (submit,) = actions(run_minutes(core, 1, 15))
    assert isinstance(submit, Submit)
    core.handle(execution(submit.order, 16, 100.0))
    with pytest.raises(DataError, match="intervene after it"):
        intervention(core, "emergency_stop")


def test_daily_loss_closes_what_is_held_by_an_order_of_its_own() -> None:
    core = LiveCore(make_stream(risk={"base": "retail", "daily_loss": 0.005, "max_position": 1.0}))
    entry = bought(core)
    instructions = run_minutes(core, 18, 18, (95.0, 95.0, 95.0, 95.0))
    (submit,) = actions(instructions)
    assert isinstance(submit, Submit)
    assert (submit.order.reason, submit.order.qty) == ("daily loss limit", entry.qty)
    assert submit.not_before_ns == 0
    assert isinstance(instructions[-1], Submit)


# ---- what is not traded live


@pytest.mark.parametrize(
    ("strategy", "more", "words"),
    [
        ("scripted", {}, "may enter without a protective stop"),
    ],
)
def test_what_cannot_be_traded_is_refused_by_name(strategy: str, more: dict[str, Any], words: str) -> None:
    stream = Stream(FILES / f"{strategy}.py", ["A"], timeframe="1m", venue=True, **more)
    with pytest.raises(ConfigError, match=words):
        LiveCore(stream)
