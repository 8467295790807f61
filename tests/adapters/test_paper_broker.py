"""The paper broker: orders wait, fill, rest and end as a backtest says, and its state survives."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from fluxhero.adapters.paper_broker import PaperBroker
from fluxhero.engine.backtest import backtest
from fluxhero.engine.config import Costs, Risk
from fluxhero.engine.errors import BrokerError, ConfigError, DataError, StoreError
from fluxhero.engine.fill_model import FillModel
from fluxhero.engine.records import Bar, Execution, Order, Reached, Rejection, RowClosed
from fluxhero.engine.setup import make_setup
from fluxhero.tests.oracles.paper_cases import FILES, PAPER_CASES
from fluxhero.tests.oracles.paper_loop import PaperLoop

pytestmark = pytest.mark.usefixtures("one_loop_for_all")

MINUTE_NS = 60_000_000_000
DAY_NS = 1440 * MINUTE_NS
FREE = Costs(commission_per_share=0.0, slippage=0.0, impact=0.0)
NO_INTEREST = Risk(cash_rate=0.0)


def make_model(costs: Costs = FREE, risk: Risk = NO_INTEREST, lot: float = 1.0, **more: Any) -> FillModel:
    setup = make_setup(
        FILES / "always_in.py",
        timeframe="1m",
        sessions_per_year=252,
        costs=costs,
        risk=risk,
        **({"decision_timeframe": "15m"} | more),
    )
    return FillModel(setup, {"S0": lot, "S1": lot})


@pytest.fixture
def broker() -> PaperBroker:
    return PaperBroker(["S0", "S1"], initial_cash=10_000.0, model=make_model())


def make_order(ts_ns: int = 0, side: int = 1, qty: float = 10.0, symbol: str = "S0", **more: Any) -> Order:
    values: dict[str, Any] = {
        "client_order_id": f"fh-{symbol}-{ts_ns}-{'enter' if side > 0 else 'leave'}",
        "symbol": symbol,
        "side": side,
        "qty": qty,
        "kind": "market",
        "ts_ns": ts_ns,
        "reason": "",
        "stop_price": math.nan,
        "stop_distance": 2.0 if side > 0 else math.nan,
    }
    return Order(**(values | more))


def row(minute: int, *quotes: tuple[float, float, float, float] | None, volume: float = 1e6) -> RowClosed:
    """The row that closes at a minute of the day; quotes are open, high, low, close of S0, S1."""
    ts_ns = minute * MINUTE_NS
    bars = [
        Bar(f"S{i}", ts_ns, *quote, volume, DAY_NS) for i, quote in enumerate(quotes) if quote is not None
    ]
    return RowClosed(ts_ns, DAY_NS, tuple(bars))


FLAT = (100.0, 101.0, 99.0, 100.0)
ORDER = make_order(ts_ns=MINUTE_NS)


def held(broker: PaperBroker) -> PaperBroker:
    """The broker with ten units of S0 bought at 100, their stop at 98, after minute 2."""
    broker.submit(ORDER, MINUTE_NS)
    broker.on_row(row(2, FLAT))
    return broker


# ---- entries


def test_order_fills_at_the_open_of_the_first_bar_that_starts_late_enough(broker: PaperBroker) -> None:
    broker.submit(ORDER, 2 * MINUTE_NS)
    assert broker.on_row(row(2, (90.0, 91.0, 89.0, 90.0))) == []
    assert broker.on_row(row(3, (101.0, 102.0, 100.0, 101.5))) == [
        Execution(ORDER.client_order_id, "S0", 3 * MINUTE_NS, 1, 10.0, 101.0, 0.0, 101.0)
    ]


def test_order_waits_for_a_bar_of_its_symbol(broker: PaperBroker) -> None:
    broker.submit(ORDER, 0)
    assert broker.on_row(row(2, None, FLAT)) == []
    assert len(broker.on_row(row(3, FLAT, FLAT))) == 1


def test_order_decided_on_every_bar_fills_on_the_next_however_short() -> None:
    model = make_model(decision_timeframe="1m")
    broker = PaperBroker(["S0"], initial_cash=10_000.0, model=model)
    broker.submit(ORDER, MINUTE_NS)
    short = MINUTE_NS + MINUTE_NS // 2
    bar = Bar("S0", short, *FLAT, 1e6, DAY_NS)
    assert len(broker.on_row(RowClosed(short, DAY_NS, (bar,)))) == 1


def test_entry_leaves_a_stop_below_its_fill(broker: PaperBroker) -> None:
    (stop,) = held(broker).open_orders()
    assert (stop.client_order_id, stop.kind, stop.side) == (f"{ORDER.client_order_id}-stop", "stop", -1)
    assert (stop.qty, stop.stop_price, stop.status) == (10.0, 98.0, "accepted")


def test_entry_is_cut_to_what_cash_pays(broker: PaperBroker) -> None:
    broker.submit(make_order(qty=1_000.0, ts_ns=MINUTE_NS), 0)
    (execution,) = broker.on_row(row(2, FLAT))
    assert isinstance(execution, Execution)
    assert execution.qty == 100.0
    assert broker.positions()[0].cash == 0.0


def test_entry_that_cash_cannot_pay_is_rejected(broker: PaperBroker) -> None:
    broker.submit(make_order(ts_ns=MINUTE_NS), 0)
    answers = broker.on_row(row(2, (10_001.0, 10_002.0, 10_000.0, 10_001.0)))
    assert answers == [Rejection(ORDER.client_order_id, "S0", 2 * MINUTE_NS, "cash below one lot")]
    assert broker.open_orders() == []


def test_costs_and_impact_are_taken(broker: PaperBroker) -> None:
    costs = Costs(commission_per_share=0.005, slippage=0.0001, impact=0.0005, impact_participation=0.1)
    broker = PaperBroker(["S0", "S1"], initial_cash=10_000.0, model=make_model(costs))
    for minute in range(1, 21):
        broker.on_row(row(minute, FLAT, FLAT, volume=90.0 + minute))  # 100.5 on average
    broker.submit(make_order(ts_ns=20 * MINUTE_NS, qty=11.0), 0)
    broker.submit(make_order(ts_ns=20 * MINUTE_NS, qty=10.0, symbol="S1"), 0)
    large, small = broker.on_row(row(21, (100.3, 101.0, 99.0, 100.0), FLAT, volume=7.0))
    assert isinstance(large, Execution)
    assert isinstance(small, Execution)
    assert (large.price, large.reference) == (100.3 * (1.0 + (0.0001 + 0.0005)), 100.3)
    assert large.commission == 11.0 * 0.005
    assert small.price == 100.0 * 1.0001
    assert broker.positions()[0].cash == 10_000.0 - (11.0 * large.price + large.commission)


# ---- stops and exits


def test_stop_acts_from_the_bar_of_entry(broker: PaperBroker) -> None:
    broker.submit(ORDER, 0)
    entry, stop = broker.on_row(row(2, (100.0, 101.0, 97.5, 100.0)))
    assert isinstance(stop, Execution)
    assert (entry.client_order_id, stop.client_order_id) == (
        ORDER.client_order_id,
        f"{ORDER.client_order_id}-stop",
    )
    assert (stop.side, stop.qty, stop.price) == (-1, 10.0, 98.0)
    assert broker.open_orders() == []


def test_gap_through_the_stop_fills_at_the_open(broker: PaperBroker) -> None:
    (stop,) = held(broker).on_row(row(3, (95.0, 96.0, 94.0, 95.5)))
    assert isinstance(stop, Execution)
    assert stop.price == 95.0


def test_moved_stop_acts_from_the_next_bar(broker: PaperBroker) -> None:
    held(broker).move_stop(f"{ORDER.client_order_id}-stop", 99.5)
    assert broker.positions()[0].stop_price == 99.5
    (stop,) = broker.on_row(row(3, FLAT))
    assert isinstance(stop, Execution)
    assert stop.price == 99.5


def test_exit_at_the_open_ends_the_stop(broker: PaperBroker) -> None:
    held(broker).submit(make_order(2 * MINUTE_NS, -1), 0)
    (execution,) = broker.on_row(row(3, (99.0, 99.5, 90.0, 91.0)))
    assert isinstance(execution, Execution)
    assert (execution.side, execution.price) == (-1, 99.0)
    assert broker.open_orders() == []
    assert broker.positions()[0].cash == 10_000.0 - 10.0


def test_stop_voids_the_exit_that_waits(broker: PaperBroker) -> None:
    held(broker).submit(make_order(2 * MINUTE_NS, -1), 10 * MINUTE_NS)
    assert len(broker.on_row(row(3, (100.0, 100.0, 97.0, 98.0)))) == 1
    assert broker.open_orders() == []
    assert broker.on_row(row(12, FLAT)) == []


def test_exit_without_a_position_is_rejected(broker: PaperBroker) -> None:
    broker.submit(make_order(MINUTE_NS, -1), 0)
    (rejection,) = broker.on_row(row(2, FLAT))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "nothing to close"


# ---- targets


BRACKET = make_order(ts_ns=MINUTE_NS, target_distance=3.0)


def test_entry_leaves_a_target_beside_its_stop(broker: PaperBroker) -> None:
    broker.submit(BRACKET, 0)
    broker.on_row(row(2, FLAT))
    stop, target = broker.open_orders()
    assert (target.client_order_id, target.kind, target.side) == (
        f"{BRACKET.client_order_id}-target",
        "target",
        -1,
    )
    assert (stop.stop_price, target.limit_price, target.qty) == (98.0, 103.0, 10.0)


def test_target_that_is_reached_cancels_the_stop(broker: PaperBroker) -> None:
    broker.submit(BRACKET, 0)
    broker.on_row(row(2, FLAT))
    (execution,) = broker.on_row(row(3, (101.0, 103.5, 100.0, 101.0)))
    assert isinstance(execution, Execution)
    assert (execution.client_order_id, execution.price) == (f"{BRACKET.client_order_id}-target", 103.0)
    assert broker.open_orders() == []
    assert broker.positions()[0].cash == 10_030.0


def test_target_may_be_moved_and_made_later(broker: PaperBroker) -> None:
    held(broker).move_target(f"{ORDER.client_order_id}-target", 100.5)
    (execution,) = broker.on_row(row(3, FLAT))
    assert isinstance(execution, Execution)
    assert execution.price == 100.5
    with pytest.raises(BrokerError, match="nothing is held here that"):
        broker.move_target(f"{ORDER.client_order_id}-target", 100.0)


# ---- entries that rest


def test_limit_order_rests_until_the_price_goes_through_it(broker: PaperBroker) -> None:
    broker.submit(make_order(ts_ns=MINUTE_NS, kind="limit", limit_price=98.5), 0)
    assert broker.on_row(row(2, FLAT)) == []
    (execution,) = broker.on_row(row(3, (99.0, 99.0, 98.0, 98.8)))
    assert isinstance(execution, Execution)
    assert (execution.price, execution.moment, execution.left) == (98.5, "within", 0.0)


def test_stop_limit_order_says_that_it_was_reached(broker: PaperBroker) -> None:
    order = make_order(ts_ns=MINUTE_NS, kind="stop limit", trigger_price=102.0, limit_price=102.5)
    broker.submit(order, 0)
    assert broker.on_row(row(2, (104.0, 105.0, 103.0, 104.0))) == [
        Reached(order.client_order_id, "S0", 2 * MINUTE_NS)
    ]
    (execution,) = broker.on_row(row(3, (103.0, 103.0, 102.0, 102.0)))
    assert isinstance(execution, Execution)
    assert execution.price == 102.5


def test_order_for_the_day_ends_with_its_session(broker: PaperBroker) -> None:
    for name, minute in (("S0", 1), ("S1", 1439)):
        broker.submit(
            make_order(MINUTE_NS, symbol=name, kind="limit", limit_price=9.0, good_for_day=True),
            minute * MINUTE_NS,
        )
    broker.on_row(row(2, FLAT, FLAT))
    broker.on_row(RowClosed(2 * DAY_NS, 2 * DAY_NS, ()))  # the first day's last row never came
    assert [order.symbol for order in broker.open_orders()] == ["S1"]  # it had not begun


def test_order_lets_bars_pass(broker: PaperBroker) -> None:
    broker.submit(ORDER, 0, 2)
    assert broker.on_row(row(2, FLAT)) == []
    assert broker.on_row(row(3, None, FLAT)) == []
    assert broker.on_row(row(4, FLAT)) == []
    assert len(broker.on_row(row(5, FLAT))) == 1


# ---- fills in parts, at the close, missed


def run_volumes(broker: PaperBroker) -> PaperBroker:
    """Twenty bars, so that the mean volume is known."""
    for minute in range(1, 21):
        broker.on_row(row(minute, FLAT, volume=20.0))
    return broker


def test_entry_is_filled_in_parts() -> None:
    model = make_model(execution={"participation": 0.2})
    broker = run_volumes(PaperBroker(["S0", "S1"], initial_cash=10_000.0, model=model))
    broker.submit(make_order(20 * MINUTE_NS), 0)
    (first,) = broker.on_row(row(21, FLAT, volume=20.0))
    assert isinstance(first, Execution)
    assert (first.qty, first.left) == (4.0, 6.0)
    broker.on_row(row(22, FLAT, volume=20.0))
    waiting, stop = broker.open_orders()
    assert (waiting.qty, stop.qty, broker.positions()[0].qty) == (10.0, 8.0, 8.0)


def test_stop_is_over_with_its_first_part() -> None:
    model = make_model(execution={"participation": 0.5})
    broker = run_volumes(PaperBroker(["S0", "S1"], initial_cash=10_000.0, model=model))
    broker.submit(make_order(20 * MINUTE_NS), 0)
    broker.on_row(row(21, FLAT, volume=20.0))
    (stop,) = broker.on_row(row(22, (97.0, 97.0, 96.0, 96.0), volume=12.0))
    assert isinstance(stop, Execution)
    assert (stop.qty, stop.left, stop.price) == (6.0, 0.0, 97.0)
    assert broker.open_orders() == []
    rest = make_order(22 * MINUTE_NS, -1, qty=4.0, client_order_id="rest")
    broker.submit(rest, 0)
    assert len(broker.on_row(row(23, FLAT, volume=20.0))) == 1
    assert broker.positions()[0].qty == 0.0


def test_stop_without_volume_says_that_it_was_reached() -> None:
    model = make_model(execution={"participation": 0.5})
    broker = run_volumes(PaperBroker(["S0", "S1"], initial_cash=10_000.0, model=model))
    broker.submit(make_order(20 * MINUTE_NS), 0)
    broker.on_row(row(21, FLAT, volume=20.0))
    answers = broker.on_row(row(22, (97.0, 97.0, 96.0, 96.0), volume=1.0))
    assert [type(answer) for answer in answers] == [Reached]
    assert (broker.positions()[0].qty, broker.open_orders()) == (10.0, [])


def test_market_order_may_fill_at_the_close() -> None:
    model = make_model(execution={"timing": "close"})
    broker = PaperBroker(["S0"], initial_cash=10_000.0, model=model)
    broker.submit(ORDER, 0)
    (execution,) = broker.on_row(row(2, (100.0, 101.0, 90.0, 95.0)))
    assert isinstance(execution, Execution)
    assert (execution.price, execution.moment) == (95.0, "close")


def test_missed_entry_is_rejected() -> None:
    model = make_model(execution={"missed_fills": 0.999})
    broker = PaperBroker(["S0"], initial_cash=10_000.0, model=model)
    broker.submit(ORDER, 0)
    (rejection,) = broker.on_row(row(2, FLAT))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "the bar misses fills"


# ---- one account for all


def test_symbols_of_a_shared_account_pay_from_one_purse() -> None:
    broker = PaperBroker(["S0", "S1"], initial_cash=1_500.0, model=make_model(), account="shared")
    broker.submit(ORDER, 0)
    broker.submit(make_order(MINUTE_NS, symbol="S1"), 0)
    first, second = broker.on_row(row(2, FLAT, FLAT))
    assert isinstance(first, Execution)
    assert isinstance(second, Execution)
    assert (first.qty, second.qty) == (10.0, 5.0)  # the second is cut to what the first has left
    assert {(one.cash, one.equity) for one in broker.positions()} == {(0.0, 1_500.0)}


# ---- shorts


SHORT = make_order(ts_ns=MINUTE_NS, side=-1, stop_distance=2.0, client_order_id=f"fh-S0-{MINUTE_NS}-enter")
COVER = make_order(
    ts_ns=2 * MINUTE_NS, stop_distance=math.nan, client_order_id=f"fh-S0-{2 * MINUTE_NS}-leave"
)


def short(broker: PaperBroker) -> PaperBroker:
    """The broker with ten units of S0 sold short at 100, their stop at 102, after minute 2."""
    broker.submit(SHORT, MINUTE_NS)
    broker.on_row(row(2, FLAT))
    return broker


def test_short_entry_leaves_a_stop_above_its_fill(broker: PaperBroker) -> None:
    (stop,) = short(broker).open_orders()
    assert (stop.client_order_id, stop.kind, stop.side) == (f"{SHORT.client_order_id}-stop", "stop", 1)
    assert (stop.qty, stop.stop_price) == (10.0, 102.0)
    position = broker.positions()[0]
    assert (position.qty, position.cash, position.equity) == (-10.0, 11_000.0, 10_000.0)


def test_short_entry_is_cut_to_what_cash_covers(broker: PaperBroker) -> None:
    broker.submit(msgspec.structs.replace(SHORT, qty=1_000.0), 0)
    (execution,) = broker.on_row(row(2, FLAT))
    assert isinstance(execution, Execution)
    assert (execution.side, execution.qty) == (-1, 100.0)


@pytest.mark.parametrize(("quote", "price"), [((101.0, 103.0, 100.0, 101.0), 102.0), ((105.0,) * 4, 105.0)])
def test_stop_of_a_short_buys_back(broker: PaperBroker, quote: Any, price: float) -> None:
    (stop,) = short(broker).on_row(row(3, quote))
    assert isinstance(stop, Execution)
    assert (stop.side, stop.qty, stop.price) == (1, 10.0, price)
    assert broker.positions()[0].cash == 10_000.0 - 10.0 * (price - 100.0)


def test_short_is_bought_back_at_the_open(broker: PaperBroker) -> None:
    short(broker).submit(COVER, 0)
    (execution,) = broker.on_row(row(3, (99.0, 99.5, 98.0, 98.5)))
    assert isinstance(execution, Execution)
    assert (execution.side, execution.qty, execution.price) == (1, 10.0, 99.0)
    assert broker.open_orders() == []
    assert broker.positions()[0].cash == 10_010.0


def test_order_that_opens_never_closes(broker: PaperBroker) -> None:
    """Nor the other way round: what an order is for, its stop distance says."""
    short(broker).submit(msgspec.structs.replace(COVER, stop_distance=2.0), 0)
    (rejection,) = broker.on_row(row(3, FLAT))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "a position is open"
    broker.submit(make_order(3 * MINUTE_NS, -1), 0)
    (rejection,) = broker.on_row(row(4, FLAT))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "nothing to close"


def test_what_is_borrowed_is_paid_at_the_end_of_a_session() -> None:
    costs = Costs(commission_per_share=0.0, slippage=0.0, impact=0.0, borrow_rate=0.1)
    broker = short(PaperBroker(["S0"], initial_cash=10_000.0, model=make_model(costs)))
    broker.on_row(row(1440, FLAT))
    fee = 1_000.0 * (1.1 ** (1 / 252) - 1)
    assert broker.positions()[0].equity == pytest.approx(10_000.0 - fee, rel=1e-14)


# ---- orders


def test_order_sent_twice_is_one_order(broker: PaperBroker) -> None:
    broker.submit(ORDER, 0)
    broker.submit(ORDER, 0)
    assert len(broker.on_row(row(2, FLAT))) == 1
    broker.submit(ORDER, 0)  # it was filled meanwhile
    assert broker.on_row(row(3, FLAT)) == []


def test_postponed_order_waits_on(broker: PaperBroker) -> None:
    broker.submit(ORDER, 0)
    broker.postpone(ORDER.client_order_id, 5 * MINUTE_NS)
    assert broker.on_row(row(5, FLAT)) == []
    assert len(broker.on_row(row(6, FLAT))) == 1


def test_cancelled_order_never_fills(broker: PaperBroker) -> None:
    broker.submit(ORDER, 0)
    broker.cancel(ORDER.client_order_id)
    assert broker.on_row(row(2, FLAT)) == []
    broker.cancel(ORDER.client_order_id)  # it is gone already
    broker.postpone(ORDER.client_order_id, 0)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (make_order(symbol="XYZ"), "'XYZ' is not traded here"),
        (make_order(ts_ns=1, qty=0.0), "quantity 0"),
        (make_order(ts_ns=1, kind="limit"), "'limit', but has no limit price"),
        (make_order(ts_ns=1, kind="stop limit", limit_price=1.0), "but has no stop price"),
        (make_order(ts_ns=1, kind="iceberg"), "is 'iceberg'"),
        (make_order(ts_ns=1, stop_distance=math.nan), "stop distance nan"),
        (make_order(ts_ns=1, client_order_id="other"), "is older than"),
        (make_order(ts_ns=2 * MINUTE_NS), "still waits"),
    ],
)
def test_impossible_orders_are_refused(broker: PaperBroker, order: Order, words: str) -> None:
    if "older" in words or "waits" in words:
        broker.submit(ORDER, 0)
    with pytest.raises(BrokerError, match=words):
        broker.submit(order, 0)


def test_stop_that_does_not_rest_cannot_be_moved(broker: PaperBroker) -> None:
    with pytest.raises(BrokerError, match="no stop 'nobody-stop' rests here"):
        broker.move_stop("nobody-stop", 1.0)


# ---- money and time


def test_interest_is_credited_at_the_end_of_a_session() -> None:
    risk = Risk(cash_rate=0.05)
    broker = PaperBroker(["S0"], initial_cash=10_000.0, model=make_model(risk=risk))
    broker.on_row(row(1, FLAT))
    assert broker.positions()[0].cash == 10_000.0
    broker.on_row(row(1440, FLAT))
    assert broker.positions()[0].cash == pytest.approx(10_000.0 * 1.05 ** (1 / 252), rel=1e-12)


def test_session_that_never_ended_is_ended_late() -> None:
    broker = PaperBroker(["S0"], initial_cash=10_000.0, model=make_model(risk=Risk(cash_rate=0.05)))
    broker.on_row(row(1, FLAT))
    broker.on_row(RowClosed(DAY_NS + MINUTE_NS, 2 * DAY_NS, ()))
    assert broker.positions()[0].cash > 10_000.0


def test_time_moves_forward_only(broker: PaperBroker) -> None:
    broker.on_row(row(2, FLAT))
    with pytest.raises(DataError, match="does not come after"):
        broker.on_row(row(2, FLAT))


def test_unknown_symbol_changes_nothing(broker: PaperBroker) -> None:
    before = broker.save()
    with pytest.raises(DataError, match="'S2': not a symbol here"):
        broker.on_row(row(1, FLAT, FLAT, FLAT))
    assert broker.save() == before


# ---- state


def test_saved_state_goes_on_to_the_bit() -> None:
    case = PAPER_CASES["stopped out all the time, a delay of a minute"]
    loop = PaperLoop(case.loaded(), case.market(), **case.conditions()).run(last=600)
    other = PaperLoop(case.loaded(), case.market(), **case.conditions())
    other.core.restore(loop.core.save())
    other.broker.restore(loop.broker.save())
    loop.records.clear()
    loop.actions.clear()
    assert other.run(first=600).bits() == loop.run(first=600).bits()
    assert other.broker.save() == loop.broker.save()


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (b"rubbish", "cannot be read"),
        (msgspec.msgpack.encode({"format": "paper broker/1"}), "cannot be read"),
        (PaperBroker(["S9"], initial_cash=1.0, model=make_model()).save(), "has the symbols S9"),
    ],
)
def test_foreign_states_are_refused(broker: PaperBroker, saved: bytes, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        broker.restore(saved)


def test_impossible_lot_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"lot size of 'S0' was 0\.0, must be positive"):
        make_model(lot=0.0)


def test_books_equal_the_lanes_after_every_row() -> None:
    case = PAPER_CASES["coins in fractions"]
    run = backtest(case.loaded(), case.market(), **case.conditions())
    loop = PaperLoop(case.loaded(), case.market(), **case.conditions())
    loop.run(last=1500)
    for position in loop.broker.positions():
        expected = run.equity.sel(symbol=position.symbol).values[1499]
        assert np.float64(position.equity).tobytes() == expected.tobytes()
