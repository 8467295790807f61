import math
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxhero.engine.errors import NotFoundError, StoreError
from fluxhero.engine.records import Decision, EquityPoint, Fill, Intervention, Order, Position, Trade
from fluxhero.store import ORDER_TRANSITIONS, Ledger, LockedError, Run
from fluxhero.store.ledger_schema import LEDGER
from fluxhero.store.rows import columns

NAN = math.nan
CREATED_NS = 1_700_000_000_000_000_000

ORDER = Order("o-1", "SPY", 1, 10.0, "market", 100, "trend up", NAN, 1.5, 1, "pending")
FILL = Fill("o-1", "SPY", 160, 1, 10.0, 450.25, 0.07, "market", "trend up")
TRADE = Trade("SPY", 160, 400, 10.0, 450.25, 455.0, 47.36, 0.14, 1, "trend up", "below KAMA")
DECISION = Decision("SPY", 100, "enter", "trend up", 10.0, NAN, "accepted", {"kama": 449.0, "atr": NAN})
POSITION = Position("SPY", 160, 10.0, 450.25, 448.75, 95_497.43, 100_000.0)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
floats = st.floats()  # NaN, infinities, -0.0 and subnormals included
amounts = st.floats(min_value=0.0)
times = st.integers(-(2**63) + 1, 2**63 - 1)
sides = st.sampled_from([1, -1])

orders = st.builds(
    Order,
    client_order_id=texts.filter(bool),
    symbol=texts,
    side=sides,
    qty=amounts,
    kind=texts,
    ts_ns=times,
    reason=texts,
    stop_price=floats,
    stop_distance=floats,
    mode=st.integers(0, 9),
    status=st.sampled_from(sorted(ORDER_TRANSITIONS)),
)
trades = st.builds(
    Trade,
    symbol=texts,
    entry_ts_ns=times,
    exit_ts_ns=times,
    qty=amounts,
    entry_price=floats,
    exit_price=floats,
    pnl=floats,
    costs=floats,
    mode=st.integers(0, 9),
    entry_reason=texts,
    exit_reason=texts,
)
decisions = st.builds(
    Decision,
    symbol=texts,
    ts_ns=times,
    action=texts,
    reason=texts,
    qty=floats,
    stop_price=floats,
    outcome=texts,
    values=st.dictionaries(texts, floats),
)
positions = st.builds(
    Position,
    symbol=texts,
    ts_ns=times,
    qty=floats.filter(lambda value: not math.isnan(value)),
    entry_price=floats,
    stop_price=floats,
    cash=floats,
    equity=floats,
)


def bits(record):
    """A record whose numbers compare by bit pattern; NaN has one."""
    return {name: number_bits(getattr(record, name)) for name in record.__struct_fields__}


def number_bits(value):
    if isinstance(value, dict):
        return {key: number_bits(item) for key, item in value.items()}
    return value.hex() if isinstance(value, float) else value


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    with Ledger(path, synchronous="normal") as ledger:
        ledger.open_run("paper", strategy="dual_mode", mode="paper", created_ns=CREATED_NS)
        yield ledger


def record_bar(tx):
    tx.record_order(ORDER)
    tx.record_fill(FILL)
    tx.record_trade(TRADE)
    tx.record_decision(DECISION)
    tx.record_position(POSITION)
    tx.record_equity("SPY", 160, 100_000.0, 95_497.43, 10.0)
    tx.save_checkpoint("paper", 160, b"\x00state\xff")


def contents(ledger):
    return (
        ledger.orders("paper"),
        ledger.fills("paper"),
        ledger.trades("paper"),
        ledger.decisions("paper"),
        ledger.positions("paper"),
        ledger.equity("paper"),
        ledger.last_checkpoint("paper"),
    )


# ---- records


def test_a_bar_comes_back_from_another_process_view(ledger, path):
    with ledger.transaction() as tx:
        record_bar(tx)
    with Ledger(path, read_only=True) as reader:
        assert [list(map(bits, part)) for part in contents(reader)[:6]] == [
            [bits(ORDER)],
            [bits(FILL)],
            [bits(TRADE)],
            [bits(DECISION)],
            [bits(POSITION)],
            [bits(EquityPoint("SPY", 160, 100_000.0, 95_497.43, 10.0))],
        ]
        checkpoint = reader.last_checkpoint("paper")
        assert (checkpoint.ts_ns, checkpoint.state) == (160, b"\x00state\xff")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=orders, trade=trades, decision=decisions, position=positions)
def test_any_record_comes_back_to_the_bit(ledger, order, trade, decision, position):
    with suppress(ZeroDivisionError), ledger.transaction() as tx:
        tx.record_order(order)
        tx.record_trade(trade)
        tx.record_decision(decision)
        tx.record_position(position)
        assert bits(ledger.orders("paper")[0]) == bits(order)
        assert bits(ledger.trades("paper")[0]) == bits(trade)
        assert bits(ledger.decisions("paper")[0]) == bits(decision)
        assert bits(ledger.positions("paper")[0]) == bits(position)
        raise ZeroDivisionError  # leaves the ledger empty for the next example
    assert contents(ledger) == ([], [], [], [], [], [], None)


def test_nan_comes_back_as_the_quiet_nan(ledger):
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
    (order,) = ledger.orders("paper")
    assert np.float64(order.stop_price).tobytes() == np.float64(np.nan).tobytes()


def test_negative_zero_keeps_its_sign(ledger):
    with ledger.transaction() as tx:
        tx.record_trade(msgspec.structs.replace(TRADE, pnl=-0.0))
    assert math.copysign(1.0, ledger.trades("paper")[0].pnl) == -1.0


def test_numpy_numbers_are_stored_as_numbers(ledger):
    with ledger.transaction() as tx:
        tx.record_equity("SPY", np.int64(160), np.float64(1e5), np.float32(0.5), np.int64(3))
    assert ledger.equity("paper") == [EquityPoint("SPY", 160, 1e5, 0.5, 3.0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qty": "ten"}, "`Order.qty` was 'ten', must be a number"),
        ({"ts_ns": 1.5}, r"`Order\.ts_ns` was 1\.5, must be a whole number"),
        ({"ts_ns": 2**63}, "must be a whole number of 64 bits"),
        ({"symbol": None}, "`Order.symbol` was None, must be text"),
        ({"qty": NAN}, "the ledger refuses Order"),
        ({"qty": -1.0}, "the ledger refuses Order"),
        ({"side": 0}, "the ledger refuses Order"),
        ({"client_order_id": ""}, "the ledger refuses Order"),
        ({"status": "lost"}, "order status 'lost' is unknown; known are pending, accepted"),
    ],
)
def test_impossible_order_is_refused(ledger, change, message):
    with pytest.raises(StoreError, match=message), ledger.transaction() as tx:
        tx.record_order(msgspec.structs.replace(ORDER, **change))
    assert ledger.orders("paper") == []


@pytest.mark.parametrize(
    ("record", "table"),
    [
        (Order, "orders"),
        (Fill, "fills"),
        (Trade, "trades"),
        (Position, "positions"),
        (Decision, "decisions"),
        (EquityPoint, "equity"),
        (Run, "runs"),
    ],
)
def test_every_field_has_its_column(ledger, path, record, table):
    connection = sqlite3.connect(path)
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    connection.close()
    assert {*names} - {"seq", "run_id"} == {*columns(record)} - {"run_id"}


# ---- transactions


def test_failed_bar_leaves_nothing(ledger):
    with suppress(ZeroDivisionError), ledger.transaction() as tx:
        record_bar(tx)
        raise ZeroDivisionError
    assert contents(ledger) == ([], [], [], [], [], [], None)


def test_bar_after_a_failed_one_is_written(ledger):
    with suppress(ZeroDivisionError), ledger.transaction():
        raise ZeroDivisionError
    with ledger.transaction() as tx:
        record_bar(tx)
    assert ledger.n_trades("paper") == 1


def test_readers_see_nothing_before_the_commit(ledger, path):
    with Ledger(path, read_only=True) as reader, ledger.transaction() as tx:
        record_bar(tx)
        assert reader.orders("paper") == []


def test_transactions_do_not_nest(ledger):
    with (
        pytest.raises(StoreError, match="a transaction is open already"),
        ledger.transaction() as tx,
        ledger.transaction(),
    ):
        tx.record_order(ORDER)
    assert ledger.orders("paper") == []


def test_writer_is_of_no_use_after_its_block(ledger):
    with ledger.transaction() as tx:
        pass
    with pytest.raises(StoreError, match="this transaction is over"):
        tx.record_order(ORDER)


def test_threads_never_see_half_a_bar(ledger):
    seen = []
    reader = threading.Thread(target=lambda: seen.append((ledger.orders("paper"), ledger.trades("paper"))))
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
        reader.start()
        tx.record_trade(TRADE)
    reader.join()
    assert [len(part) for part in seen[0]] == [1, 1]


# ---- orders


def test_same_order_again_changes_nothing(ledger):
    for _ in range(2):
        with ledger.transaction() as tx:
            tx.record_order(ORDER)
    assert len(ledger.orders("paper")) == 1


def test_other_order_with_the_same_id_is_refused(ledger):
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
    with (
        pytest.raises(StoreError, match=r"`qty` is 10\.0 there and 11\.0 in Order"),
        ledger.transaction() as tx,
    ):
        tx.record_order(msgspec.structs.replace(ORDER, qty=11.0))


def test_recording_again_does_not_undo_a_status(ledger):
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
        tx.set_order_status("o-1", "filled")
        tx.record_order(ORDER)
    assert ledger.orders("paper")[0].status == "filled"


def test_recording_is_no_way_to_change_a_status(ledger):
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
    with pytest.raises(StoreError, match="change it with `set_order_status`"), ledger.transaction() as tx:
        tx.record_order(msgspec.structs.replace(ORDER, status="filled"))


@pytest.mark.parametrize("before", sorted(ORDER_TRANSITIONS))
@pytest.mark.parametrize("after", sorted(ORDER_TRANSITIONS))
def test_status_moves_only_where_it_may(ledger, before, after):
    with ledger.transaction() as tx:
        tx.record_order(msgspec.structs.replace(ORDER, status=before))
    if after == before or after in ORDER_TRANSITIONS[before]:
        with ledger.transaction() as tx:
            tx.set_order_status("o-1", after)
        assert ledger.orders("paper", status=after)[0].client_order_id == "o-1"
        return
    with (
        pytest.raises(StoreError, match=f"is {before}, it cannot become '{after}'"),
        ledger.transaction() as tx,
    ):
        tx.set_order_status("o-1", after)


def test_status_of_an_unrecorded_order_is_refused(ledger):
    with pytest.raises(NotFoundError, match="order 'o-9' is not recorded"), ledger.transaction() as tx:
        tx.set_order_status("o-9", "filled")


def test_stop_may_protect_more_than_at_first(ledger):
    stop = msgspec.structs.replace(ORDER, client_order_id="o-1-stop", kind="stop", status="accepted")
    with ledger.transaction() as tx:
        tx.record_order(stop)
        tx.set_order_qty("o-1-stop", 25.0)
    assert [order.qty for order in ledger.orders("paper")] == [25.0]


def test_quantity_of_an_entry_never_changes(ledger):
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
        with pytest.raises(StoreError, match="is a 'market' order, its quantity cannot become"):
            tx.set_order_qty("o-1", 25.0)


def test_interventions_come_back_in_their_order(ledger):
    told = [Intervention("halt", 100, "news"), Intervention("resume", 100)]
    with ledger.transaction() as tx:
        for one in told:
            tx.record_intervention(one)
    assert ledger.interventions("paper") == told


def test_orders_are_found_by_status_and_symbol(ledger):
    with ledger.transaction() as tx:
        for n in range(4):
            symbol = ("SPY", "QQQ")[n % 2]
            tx.record_order(msgspec.structs.replace(ORDER, client_order_id=f"o-{n}", symbol=symbol))
        tx.set_order_status("o-1", "unknown")
    assert [order.client_order_id for order in ledger.orders("paper", status="unknown")] == ["o-1"]
    assert [order.client_order_id for order in ledger.orders("paper", symbol="QQQ")] == ["o-1", "o-3"]
    with pytest.raises(StoreError, match="order status 'open' is unknown"):
        ledger.orders("paper", status="open")


# ---- fills, decisions, equity, positions, trades


def test_fill_without_its_order_is_refused(ledger):
    with pytest.raises(NotFoundError, match="order 'o-1' is not recorded"), ledger.transaction() as tx:
        tx.record_fill(FILL)


@pytest.mark.parametrize("change", [{"symbol": "QQQ"}, {"side": -1}])
def test_fill_of_another_instruction_is_refused(ledger, change):
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
    with pytest.raises(StoreError, match="fill of order 'o-1' has symbol"), ledger.transaction() as tx:
        tx.record_fill(msgspec.structs.replace(FILL, **change))


def test_partial_fills_that_look_alike_are_kept(ledger):
    with ledger.transaction() as tx:
        tx.record_order(ORDER)
        tx.record_fill(FILL)
        tx.record_fill(FILL)
    assert ledger.fills("paper", symbol="SPY") == [FILL, FILL]


def test_same_decision_again_changes_nothing_and_another_is_refused(ledger):
    for _ in range(2):
        with ledger.transaction() as tx:
            tx.record_decision(DECISION)
    assert len(ledger.decisions("paper")) == 1
    with pytest.raises(StoreError, match="`action` is 'enter' there and 'hold'"), ledger.transaction() as tx:
        tx.record_decision(msgspec.structs.replace(DECISION, action="hold"))


def test_other_equity_at_the_same_bar_is_refused(ledger):
    with ledger.transaction() as tx:
        tx.record_equity("SPY", 1, 1.0, 2.0, 0.0)
        tx.record_equity("SPY", 1, 1.0, 2.0, 0.0)
    with pytest.raises(StoreError, match=r"`cash` is 2\.0 there and 3\.0"), ledger.transaction() as tx:
        tx.record_equity("SPY", 1, 1.0, 3.0, 0.0)


def test_equity_is_half_open_in_time(ledger):
    with ledger.transaction() as tx:
        for ts_ns in range(5):
            for symbol in ("SPY", "QQQ"):
                tx.record_equity(symbol, ts_ns, 1.0, 1.0, 0.0)
    points = ledger.equity("paper", symbol="SPY", start_ns=1, stop_ns=3)
    assert [point.ts_ns for point in points] == [1, 2]
    assert [point.symbol for point in ledger.equity("paper", stop_ns=1)] == ["QQQ", "SPY"]


def test_last_position_replaces_the_one_before(ledger):
    flat_position = Position("SPY", 400, 0.0, NAN, NAN, 100_047.36, 100_047.36)
    with ledger.transaction() as tx:
        tx.record_position(POSITION)
        tx.record_position(flat_position)
    assert [bits(position) for position in ledger.positions("paper")] == [bits(flat_position)]


def test_trades_come_in_pages(ledger):
    with ledger.transaction() as tx:
        for n in range(5):
            tx.record_trade(msgspec.structs.replace(TRADE, entry_ts_ns=n))
    pages = [
        [trade.entry_ts_ns for trade in ledger.trades("paper", limit=2, page=page)] for page in (1, 2, 3, 4)
    ]
    assert pages == [[0, 1], [2, 3], [4], []]
    assert [trade.entry_ts_ns for trade in ledger.trades("paper", limit=2, newest_first=True)] == [4, 3]
    assert ledger.n_trades("paper") == 5


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": 5, "page": 0}, {"page": 2}])
def test_impossible_page_is_refused(ledger, page):
    with pytest.raises(StoreError, match=r"`limit` was 0|`page` was"):
        ledger.trades("paper", **page)


# ---- checkpoints and settings


def test_last_checkpoint_is_kept(ledger):
    assert ledger.last_checkpoint("paper") is None
    for ts_ns in (1, 2, 2):
        with ledger.transaction() as tx:
            tx.save_checkpoint("paper", ts_ns, bytes([ts_ns]))
    assert ledger.last_checkpoint("paper").state == b"\x02"


def test_checkpoint_never_goes_back(ledger):
    with ledger.transaction() as tx:
        tx.save_checkpoint("paper", 2, b"")
    with (
        pytest.raises(StoreError, match="checkpoint at 1 ns is older than the last, at 2 ns"),
        ledger.transaction() as tx,
    ):
        tx.save_checkpoint("paper", 1, b"")


def test_checkpoint_that_is_no_bytes_is_refused(ledger):
    with pytest.raises(StoreError, match="`state` was a str, must be bytes"), ledger.transaction() as tx:
        tx.save_checkpoint("paper", 1, "state")


def test_checkpoint_of_another_run_is_refused(ledger):
    with (
        pytest.raises(StoreError, match="run 'live', but the ledger holds run 'paper'"),
        ledger.transaction() as tx,
    ):
        tx.save_checkpoint("live", 1, b"")


def test_altered_checkpoint_is_refused(ledger, path):
    with ledger.transaction() as tx:
        tx.save_checkpoint("paper", 1, b"state")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE checkpoints SET state = x'00'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"the checkpoint of run 'paper' .*is damaged"):
        ledger.last_checkpoint("paper")


def test_settings_are_kept(ledger, path):
    ledger.set_setting("halted", True)
    ledger.set_setting("halted", {"since": 5, "by": "me"})
    with Ledger(path, read_only=True) as reader:
        assert reader.setting("halted") == {"since": 5, "by": "me"}
        assert reader.setting("missing", "default") == "default"


def test_setting_belongs_to_the_open_bar(ledger):
    with suppress(ZeroDivisionError), ledger.transaction():
        ledger.set_setting("halted", True)
        raise ZeroDivisionError
    assert ledger.setting("halted") is None


def test_setting_that_json_cannot_say_is_refused(ledger):
    with pytest.raises(StoreError, match=r"cannot store .* as JSON"):
        ledger.set_setting("halted", object())


# ---- runs


def test_run_is_resumed_with_its_settings(path):
    config = {"costs": {"slippage": 0.0001}, "symbols": ["SPY"]}
    with Ledger(path) as ledger:
        opened = ledger.open_run("a", strategy="dual_mode", mode="paper", created_ns=1, config=config)
    with Ledger(path) as ledger:
        assert ledger.resume_run("a") == opened == Run("a", "dual_mode", "paper", 1, config)
        with ledger.transaction() as tx:
            tx.record_order(ORDER)


def test_overlapping_runners_are_refused(ledger, path):
    with (
        Ledger(path) as second,
        pytest.raises(LockedError, match=f"run 'paper' of .* is in use by process {os.getpid()}"),
    ):
        second.resume_run("paper")


def test_other_runs_of_the_file_are_free(ledger, path):
    with Ledger(path) as second:
        second.open_run("backtest", strategy="dual_mode", mode="backtest", created_ns=2)
        with second.transaction() as tx:
            tx.record_order(ORDER)
    assert [run.run_id for run in ledger.runs()] == ["paper", "backtest"]
    assert ledger.orders("paper") == []


def test_opening_a_run_twice_is_refused(ledger):
    ledger.close_run()
    with pytest.raises(StoreError, match=r"run 'paper' .*exists; resume it"):
        ledger.open_run("paper", strategy="dual_mode", mode="paper", created_ns=1)
    ledger.resume_run("paper")


def test_ledger_holds_one_run(ledger):
    with pytest.raises(StoreError, match="this ledger holds run 'paper'"):
        ledger.open_run("more", strategy="dual_mode", mode="paper", created_ns=1)


def test_missing_run_lists_the_known(ledger):
    for ask in (ledger.orders, ledger.last_checkpoint, ledger.n_trades):
        with pytest.raises(NotFoundError, match=r"run 'live' is not in .*; it has paper"):
            ask("live")


def test_writing_without_a_run_is_refused(path):
    with Ledger(path) as ledger, pytest.raises(StoreError, match="no run is held"), ledger.transaction():
        pass


@pytest.mark.parametrize("run_id", ["", "../x", "a b", "a" * 65])
def test_impossible_run_name_is_refused(path, run_id):
    with Ledger(path) as ledger, pytest.raises(StoreError, match="`run_id` was"):
        ledger.open_run(run_id, strategy="dual_mode", mode="paper", created_ns=1)


def test_unknown_mode_is_refused(path):
    with (
        Ledger(path) as ledger,
        pytest.raises(StoreError, match="`mode` was 'demo', must be one of backtest"),
    ):
        ledger.open_run("a", strategy="dual_mode", mode="demo", created_ns=1)


def test_reader_refuses_to_write(ledger, path):
    with Ledger(path, read_only=True) as reader:
        with pytest.raises(StoreError, match="open for reading only"):
            reader.resume_run("paper")
        with pytest.raises(StoreError, match="open for reading only"):
            reader.set_setting("a", 1)


# ---- files


def test_missing_ledger_is_not_made_for_a_reader(path):
    with pytest.raises(NotFoundError, match="there is no ledger to read"):
        Ledger(path, read_only=True)
    assert not path.exists()


def test_folder_is_no_ledger(tmp_path):
    with pytest.raises(StoreError, match="is a folder; a ledger is a file"):
        Ledger(tmp_path)


def test_text_is_no_ledger(path):
    path.write_text("date,symbol,qty\n")
    with pytest.raises(StoreError, match="is no ledger: it is not an SQLite file"):
        Ledger(path)
    assert path.read_text() == "date,symbol,qty\n"


def test_value_that_sqlite_cannot_hold_is_a_plain_error(path):
    with Ledger(path) as ledger:
        for strategy in ("\ud800", None):
            with pytest.raises(StoreError, match=r"cannot hold a value|refuses what was to be written"):
                ledger.open_run("paper", strategy=strategy, mode="paper", created_ns=1)
        with pytest.raises(StoreError, match=r"cannot store .* as JSON"):
            ledger.set_setting("a", "\ud800")
        assert ledger.runs() == []


def test_foreign_database_is_left_alone(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is an SQLite file, but no ledger of FluxHero"):
        Ledger(path)
    assert path.read_bytes() == before


def test_file_of_no_bytes_becomes_a_ledger(path):
    path.touch()
    with Ledger(path) as ledger:
        assert ledger.runs() == []


def test_newer_ledger_asks_for_an_update(path):
    Ledger(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="has version 99, this FluxHero knows up to 3; update FluxHero"):
        Ledger(path)


def test_damaged_ledger_is_refused(path):
    with Ledger(path) as ledger:
        ledger.open_run("paper", strategy="dual_mode", mode="paper", created_ns=1)
        with ledger.transaction() as tx:
            for n in range(500):
                tx.record_order(msgspec.structs.replace(ORDER, client_order_id=f"o-{n}"))
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"is damaged .*restore the ledger from a backup"):
        Ledger(path)


def test_closed_ledger_says_so(path):
    ledger = Ledger(path)
    ledger.close()
    with pytest.raises(StoreError, match="closed database"):
        ledger.runs()


def test_unknown_durability_is_refused(path):
    with pytest.raises(StoreError, match="`synchronous` was 'off', must be 'full' or 'normal'"):
        Ledger(path, synchronous="off")


def test_durability_is_what_was_asked_for(path):
    for synchronous, level in (("full", 2), ("normal", 1)):
        with Ledger(path, synchronous=synchronous) as ledger:
            assert ledger._database.rows("PRAGMA synchronous") == [(level,)]
            assert ledger._database.rows("PRAGMA journal_mode") == [("wal",)]
            assert ledger._database.rows("PRAGMA foreign_keys") == [(1,)]


def test_a_migration_keeps_what_is_there(path):
    from fluxhero.store.database import Database

    Ledger(path).close()
    longer = LEDGER._replace(migrations=(*LEDGER.migrations, "ALTER TABLE settings ADD COLUMN note TEXT"))
    with Ledger(path) as ledger:
        ledger.set_setting("a", 1)
    with Database(path, longer) as database:
        assert database.rows("SELECT key, value, note FROM settings") == [("a", "1", None)]
        assert database.rows("PRAGMA user_version") == [(len(longer.migrations),)]


def test_trades_of_a_ledger_that_knew_no_sides_were_long(path):
    from fluxhero.store.database import Database

    with (
        Database(path, LEDGER._replace(migrations=LEDGER.migrations[:1])) as database,
        database.transaction(),
    ):
        database.execute("INSERT INTO runs VALUES (1, 'paper', 's', 'paper', 1, '{}')", ())
        old = msgspec.structs.astuple(TRADE)[:-1]
        database.execute(f"INSERT INTO trades VALUES (1, 'paper'{', ?' * len(old)})", old)
    with Ledger(path) as ledger:
        assert ledger.trades("paper") == [TRADE]
        ledger.resume_run("paper")
        with ledger.transaction() as tx:
            tx.record_trade(msgspec.structs.replace(TRADE, side=-1))
        assert [trade.side for trade in ledger.trades("paper")] == [1, -1]


def test_orders_of_a_ledger_that_knew_no_limits_have_none(path):
    from fluxhero.store.database import Database

    with (
        Database(path, LEDGER._replace(migrations=LEDGER.migrations[:2])) as database,
        database.transaction(),
    ):
        database.execute("INSERT INTO runs VALUES (1, 'paper', 's', 'paper', 1, '{}')", ())
        old = [None if value != value else value for value in msgspec.structs.astuple(ORDER)[:11]]
        database.execute(f"INSERT INTO orders VALUES (1, 'paper'{', ?' * len(old)})", old)
    with Ledger(path) as ledger:
        (order,) = ledger.orders("paper")
    assert math.isnan(order.limit_price)
    assert order.good_for_day is False
    assert msgspec.structs.astuple(order)[:7] == msgspec.structs.astuple(ORDER)[:7]


def test_failed_migration_leaves_the_old_version(path):
    from fluxhero.store.database import Database

    Ledger(path).close()
    broken = LEDGER._replace(migrations=(*LEDGER.migrations, "CREATE TABLE extra (a); CREATE TABLE runs (a)"))
    with pytest.raises(StoreError, match="table runs already exists"):
        Database(path, broken)
    with Ledger(path) as ledger:
        assert ledger._database.rows("SELECT name FROM sqlite_master WHERE name = 'extra'") == []


def test_many_processes_may_make_the_file_at_once(path):
    code = (
        "import sys; from fluxhero.store import Ledger; sys.stdin.readline(); "
        "Ledger(sys.argv[1]).open_run(sys.argv[2], strategy='s', mode='paper', created_ns=1)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path), f"run-{n}"], stdin=subprocess.PIPE)
        for n in range(4)
    ]
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    with Ledger(path, read_only=True) as ledger:
        assert sorted(run.run_id for run in ledger.runs()) == [f"run-{n}" for n in range(4)]
