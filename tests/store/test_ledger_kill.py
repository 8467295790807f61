"""The money path: a runner is killed for real, again and again, and the ledger is whole each time."""

import os
import random
import subprocess
import sys
import time

import pytest

from fluxhero.engine.records import Decision, Fill, Order, Position, Trade
from fluxhero.store import Ledger, LockedError

N_ORDERS = 8

RUNNER = """
import sys
from fluxhero.engine.records import Decision, Fill, Order, Position, Trade
from fluxhero.store import Ledger

path, synchronous, n_orders = sys.argv[1], sys.argv[2], int(sys.argv[3])
nan = float("nan")
with Ledger(path, synchronous=synchronous) as ledger:
    if ledger.runs():
        ledger.resume_run("paper")
    else:
        ledger.open_run("paper", strategy="s", mode="paper", created_ns=1)
    last = ledger.last_checkpoint("paper")
    bar = 0 if last is None else last.ts_ns + 1
    print(bar, flush=True)
    while True:
        with ledger.transaction() as tx:
            for n in range(n_orders):
                name = f"{bar}-{n}"
                tx.record_order(Order(name, "SPY", 1, 1.0 + n, "market", bar, "r", nan, 0.5))
                tx.record_fill(Fill(name, "SPY", bar, 1, 1.0 + n, 100.0 + bar, 0.1, "market", "r"))
                tx.set_order_status(name, "filled")
                tx.record_trade(Trade("SPY", bar, bar, 1.0, 1.0, 1.0, bar / 3.0, n / 7.0, 1, "a", "b"))
            tx.record_decision(Decision("SPY", bar, "enter", "r", 1.0, nan, "accepted", {"x": bar / 3.0}))
            tx.record_position(Position("SPY", bar, 1.0, 1.0, nan, 1.0, float(bar)))
            tx.record_equity("SPY", bar, float(bar), 1.0, 1.0)
            tx.save_checkpoint("paper", bar, str(bar).encode() * 500)
        print(bar + 1, flush=True)
        bar += 1
"""


def start(path, synchronous):
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(path), synchronous, str(N_ORDERS)],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_after(process, n_bars, delay_s):
    """Kill a runner some moment after it reported `n_bars` more; return how many it reported in all."""
    lines = [process.stdout.readline() for _ in range(n_bars + 1)]
    time.sleep(delay_s)
    process.kill()
    rest, _ = process.communicate()
    reported = [line for line in [*lines, *rest.splitlines(keepends=True)] if line.endswith("\n")]
    return int(reported[-1])


def check_whole(path, n_reported):
    """Every reported bar is there whole, at most one more, and nothing else; return how many."""
    nan = float("nan")
    with Ledger(path, read_only=True) as ledger:
        n_bars = len(ledger.equity("paper"))
        assert n_bars in (n_reported, n_reported + 1)
        bars = range(n_bars)
        names = [f"{bar}-{n}" for bar in bars for n in range(N_ORDERS)]
        pairs = [(bar, n) for bar in bars for n in range(N_ORDERS)]
        orders, fills, trades = ledger.orders("paper"), ledger.fills("paper"), ledger.trades("paper")
        assert [order.client_order_id for order in orders] == names
        assert {order.status for order in orders} <= {"filled"}
        assert fills == [
            Fill(f"{bar}-{n}", "SPY", bar, 1, 1.0 + n, 100.0 + bar, 0.1, "market", "r") for bar, n in pairs
        ]
        assert trades == [
            Trade("SPY", bar, bar, 1.0, 1.0, 1.0, bar / 3.0, n / 7.0, 1, "a", "b") for bar, n in pairs
        ]
        assert [decision.values for decision in ledger.decisions("paper")] == [
            {"x": bar / 3.0} for bar in bars
        ]
        assert [point.equity for point in ledger.equity("paper")] == [float(bar) for bar in bars]
        if n_bars:
            checkpoint = ledger.last_checkpoint("paper")
            assert checkpoint.ts_ns == n_bars - 1
            assert checkpoint.state == str(n_bars - 1).encode() * 500
            assert [position.ts_ns for position in ledger.positions("paper")] == [n_bars - 1]
            assert repr(orders[-1]) == repr(
                Order(names[-1], "SPY", 1, float(N_ORDERS), "market", n_bars - 1, "r", nan, 0.5, 0, "filled")
            )
            assert repr(ledger.decisions("paper")[-1]) == repr(
                Decision("SPY", n_bars - 1, "enter", "r", 1.0, nan, "accepted", {"x": (n_bars - 1) / 3.0})
            )
            assert repr(ledger.positions("paper")) == repr(
                [Position("SPY", n_bars - 1, 1.0, 1.0, nan, 1.0, float(n_bars - 1))]
            )
    return n_bars


@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_killed_runner_loses_and_doubles_nothing(tmp_path, synchronous):
    path = tmp_path / "ledger.sqlite"
    random_moment = random.Random(synchronous)
    n_bars = 0
    for _ in range(int(os.environ.get("FLUXHERO_KILL_ROUNDS", "5"))):
        process = start(path, synchronous)
        n_reported = kill_after(process, random_moment.randrange(40), random_moment.uniform(0.0, 0.004))
        assert n_reported >= n_bars  # it went on where the one before had stopped
        n_bars = check_whole(path, n_reported)


def test_killed_runner_frees_its_run(tmp_path):
    path = tmp_path / "ledger.sqlite"
    process = start(path, "full")
    process.stdout.readline()
    with Ledger(path) as ledger:
        with pytest.raises(LockedError, match=f"run 'paper' of .* is in use by process {process.pid}"):
            ledger.resume_run("paper")
        process.kill()
        process.communicate()
        ledger.resume_run("paper")
        with ledger.transaction() as tx:
            tx.record_equity("SPY", 10**9, 1.0, 1.0, 0.0)


HOLDER = """
import sys, time
from contextlib import suppress
from fluxhero.engine.errors import FluxHeroError
from fluxhero.store import Experiments, Ledger

path, second = sys.argv[1:]
ledger = Ledger(path)
ledger.open_run("paper", strategy="s", mode="paper", created_ns=1)
if second == "reader":
    Ledger(path, read_only=True).close()
elif second == "writer":
    Ledger(path).close()
elif second == "refused":
    with suppress(FluxHeroError):
        Experiments(path)
print("open", flush=True)
sys.stdin.readline()
for n in range(20):
    with ledger.transaction() as tx:
        tx.record_equity("SPY", n, 1.0, 1.0, 1.0)
print("committed", flush=True)
time.sleep(600)
"""

VISITOR = """
import sys
from fluxhero.store import Ledger
with Ledger(sys.argv[1]) as ledger:
    ledger.set_setting("visited", True)
"""


@pytest.mark.parametrize("second", ["none", "reader", "writer", "refused"])
def test_second_opening_gives_up_no_lock_of_the_first(tmp_path, second):
    """Else the visitor, which believes to be the last, deletes the log that the holder writes on."""
    path = tmp_path / "ledger.sqlite"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), second],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "open\n"
        subprocess.run([sys.executable, "-c", VISITOR, str(path)], check=True)
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "committed\n"
    finally:
        holder.kill()
        holder.communicate()
    with Ledger(path, read_only=True) as ledger:
        assert len(ledger.equity("paper")) == 20
        assert ledger.setting("visited") is True
