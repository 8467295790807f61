"""``kill -9`` at any moment, then resume: the ledger is that of a run that nobody disturbed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fluxhero.adapters.paper_broker import PaperBroker
from fluxhero.api import paper as paper_module
from fluxhero.engine.backtest import backtest
from fluxhero.store.market import write_market
from fluxhero.store.transaction import Transaction
from fluxhero.tests.oracles.paper_cases import BUSIEST, BUSY, PaperCase
from fluxhero.tests.oracles.paper_ledger import dump, finished, opened, paper_command, started

KILL_ROUNDS = int(os.environ.get("FLUXHERO_KILL_ROUNDS", "3"))


class Killed(BaseException):
    """Stands for ``kill -9``: nothing catches it, and what was not committed is lost."""


class Reaper:
    """Kills at the n-th step of whatever is watched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_steps = 0
        self.at = -1
        for name in ("on_row", "submit", "move_stop", "move_target", "postpone", "cancel", "save"):
            self._watch(monkeypatch, PaperBroker, name)
        for name in (
            "record_order",
            "set_order_status",
            "set_order_qty",
            "record_fill",
            "record_trade",
            "record_decision",
            "record_position",
            "save_checkpoint",
        ):
            self._watch(monkeypatch, Transaction, name)
        for name in ("_checkpoint", "_send", "_reconcile"):
            self._watch(monkeypatch, paper_module.PaperRunner, name)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._step()  # before it
            result = original(*args, **kwargs)
            self._step()  # after it: for a checkpoint, after the commit
            return result

        monkeypatch.setattr(owner, name, watched)

    def _step(self) -> None:
        self.n_steps += 1
        if self.n_steps == self.at:
            raise Killed


@pytest.mark.parametrize(
    "case",
    [PaperCase(params=dict(BUSY.params), settings=dict(BUSY.settings), n_sessions=1), BUSIEST],
    ids=["market orders", "fills in parts, targets, one account"],
)
def test_a_kill_at_any_step_loses_and_doubles_nothing(
    case: PaperCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert case is not BUSIEST or case.happened(backtest(case.loaded(), case.market(), **case.conditions()))
    whole = finished(case, tmp_path / "whole.db")
    # A recorder that knows the watched methods by name, not by the function it once was.
    recorders = {
        kind: (lambda transaction, record, name=recorder.__name__: getattr(transaction, name)(record))
        if recorder.__qualname__.startswith("Transaction.")
        else recorder
        for kind, recorder in paper_module._RECORDERS.items()
    }
    monkeypatch.setattr(paper_module, "_RECORDERS", recorders)
    reaper = Reaper(monkeypatch)
    chance = random.Random(17)
    n_kills = 0
    path = tmp_path / "killed.db"
    for _ in range(500):
        reaper.n_steps, reaper.at = 0, chance.randint(1, 400)
        try:
            with opened(case, path) as replay:
                if replay.run():
                    break
        except Killed:
            n_kills += 1
    assert n_kills >= 10
    reaper.at = -1
    assert dump(path) == whole


@pytest.fixture(scope="module")
def market_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paper") / "market.zarr"
    write_market(PaperCase(n_sessions=12, n_symbols=3).market(), path)
    return path


@pytest.fixture(scope="module")
def whole_ledger(market_path: Path) -> tuple[Path, float]:
    """The ledger of a run that nobody disturbed, and how many seconds its rows took."""
    path = market_path.parent / "whole.db"
    with started(paper_command(market_path, path, "--no-verify")) as process:
        begun = time.monotonic()
        assert process.wait(timeout=120) == 0
    return path, time.monotonic() - begun


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
@pytest.mark.parametrize("seed", range(KILL_ROUNDS))
def test_kill_9_at_random_moments_and_resume(
    seed: int, market_path: Path, whole_ledger: tuple[Path, float], tmp_path: Path
) -> None:
    whole, seconds = whole_ledger
    chance = random.Random(seed)
    path = tmp_path / "ledger.db"
    command = paper_command(market_path, path, "--no-verify")
    n_kills = 0
    for _ in range(3):
        with started(command) as process:
            try:
                process.wait(timeout=chance.uniform(0.0, 0.3 * seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                n_kills += process.wait() == -signal.SIGKILL  # it may have ended a moment before
    assert n_kills >= 1
    with started(command) as process:
        assert process.wait(timeout=120) == 0
    assert dump(path) == dump(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ on Windows")
def test_ctrl_c_stops_after_the_row_and_says_how_to_go_on(market_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with started(paper_command(market_path, path, "--speed", "600")) as process:  # ten rows a second
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert "the same command again goes on from here" in rest
    again = subprocess.run(paper_command(market_path, path), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "taking up run 'paper'" in again.stderr
    assert "Paper and backtest are equal to the bit." in again.stdout
