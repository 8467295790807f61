"""``fluxhero paper``: what it says, and how it ends."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from fluxhero.api.cli import app
from fluxhero.api.commands.paper import _by_account
from fluxhero.store.experiments import Experiments
from fluxhero.store.market import write_market
from fluxhero.tests.oracles.paper_cases import BUSIEST, BUSY
from fluxhero.tests.oracles.paper_ledger import opened, paper_command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run ``fluxhero paper`` on a small market, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    write_market(BUSY.market(), tmp_path / "market.zarr")

    def invoke(*more: str) -> Any:
        words = paper_command(Path("market.zarr"), Path("ledger.db"), *more)[3:]
        return CliRunner().invoke(app, words)

    return invoke


def test_command_says_that_paper_and_backtest_are_equal(command: Callable[..., Any]) -> None:
    result = command()
    assert result.exit_code == 0, result.output
    assert "beginning run 'paper' of ledger.db" in result.stderr
    assert "rows/s" in result.stderr
    assert "trades: all" in result.stdout
    assert result.stdout.count("equal to the bit") == 6


def test_command_has_an_exit_code_for_a_difference(command: Callable[..., Any]) -> None:
    assert command("--no-verify").exit_code == 0
    connection = sqlite3.connect("ledger.db")
    connection.execute("UPDATE decisions SET outcome = 'none' WHERE outcome = 'accepted'")
    connection.commit()
    connection.close()
    result = command("--resume")
    assert result.exit_code == 1
    assert "Paper and backtest are NOT equal." in result.stdout
    assert "`outcome` is 'none' on paper and 'accepted' in the backtest" in result.stdout


def test_command_speaks_json(command: Callable[..., Any]) -> None:
    found = msgspec.json.decode(command("--json").stdout)
    assert found["equal"] is True
    assert found["parity"]["trades"]["paper"] == found["parity"]["trades"]["backtest"] > 10
    assert set(found["metrics"]) == {"S0", "S1"}


def test_command_refuses_other_parameters_in_one_line(command: Callable[..., Any]) -> None:
    assert command("--no-verify").exit_code == 0
    result = command("--params", "risk=0.01")
    assert result.exit_code == 2
    assert "`params.risk` is 0.05 there and 0.01 now" in result.stderr


def test_command_needs_a_feed(command: Callable[..., Any]) -> None:
    result = CliRunner().invoke(app, ["paper", "--data", "market.zarr"])
    assert result.exit_code == 2
    assert "give --replay" in result.stderr


def test_command_keeps_the_run_among_the_experiments(command: Callable[..., Any]) -> None:
    command("--no-verify")
    command("--no-verify")  # it is complete: nothing new
    with Experiments("out/experiments.db") as experiments:
        (entry,) = experiments.find()
    assert (entry.kind, entry.strategy) == ("paper", "always_in")


def test_command_tells_a_shared_account_once(tmp_path: Path) -> None:
    with opened(BUSIEST, tmp_path / "ledger.db") as replay:
        assert replay.run()
        assert list(_by_account(replay)) == ["account"]
