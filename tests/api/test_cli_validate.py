"""``fluxhero validate`` and ``fluxhero risk``: tables, JSON, exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fluxhero.api.cli import app
from fluxhero.tests.api.test_cli import TINY

RULES = Path(__file__).resolve().parents[1] / "data" / "strategies"
SPY = "us_daily/lean_SPY_daily_raw.csv"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_generated_market_fails_with_exit_code_1_and_leaves_nothing(here: Path) -> None:
    done = CliRunner().invoke(app, ["validate", *TINY])
    assert done.exit_code == 1, done.output
    assert "FAIL" in done.stdout
    assert "generated" in done.stdout
    assert not list(here.iterdir())


def test_json_is_the_report(here: Path) -> None:
    done = CliRunner().invoke(app, ["validate", *TINY, "--beside", "dual_mode", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["verdict"], told["ok"]) == (1, "FAIL", False)
    names = [check["name"] for check in told["checks"]]
    assert names[0] == "data"
    assert names[-1] == "correlation with dual_mode"
    assert {"name", "verdict", "value", "limit", "unit", "text"} == set(told["checks"][0])


def test_real_prices_may_trade(real_data: Path, here: Path) -> None:
    args = ["validate", "--data", str(real_data / SPY), "--symbol", "SPY", "--json"]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["verdict"] == "WARN"
    strict = CliRunner().invoke(app, [*args, "--risk", "reversion"])
    assert strict.exit_code == 0
    bare = CliRunner().invoke(app, [*args, "--strategy", str(RULES / "scripted.py")])
    assert bare.exit_code == 1
    assert json.loads(bare.stdout)["checks"][3]["verdict"] == "FAIL"
    paper = CliRunner().invoke(app, [*args, "--strategy", str(RULES / "scripted.py"), "--paper"])
    assert paper.exit_code == 0


def test_an_audit_is_made_on_request(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fluxhero.engine.audit import AuditReport

    def passed(*_: object, **__: object) -> AuditReport:
        return AuditReport("rule.py", 1, 1, 10, 5, (), {})

    monkeypatch.setattr("fluxhero.engine.audit.check_strategy", passed)
    told = json.loads(CliRunner().invoke(app, ["validate", *TINY, "--audit", "--json"]).stdout)
    assert told["checks"][1] | {"text": ""} == {
        "name": "look-ahead",
        "verdict": "PASS",
        "value": 0.0,
        "limit": 0.0,
        "unit": "count",
        "text": "",
    }


def test_the_rules_of_a_profile(here: Path) -> None:
    done = CliRunner().invoke(app, ["risk", "reversion"])
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["1", "max_stop", "stop", "1.00%"] in [line[:4] for line in lines]
    told = json.loads(CliRunner().invoke(app, ["risk", "--json"]).stdout)
    assert told["profile"] == "retail"
    assert told["rules"][-1]["name"] == "daily_loss"
    assert told["rules"][1]["value"] is None  # a size by the stop has no number of its own


def test_a_profile_of_ones_own(here: Path) -> None:
    (here / "mine.yaml").write_text("base: retail\nmax_position: 0.1\nmax_trades: 1\n")
    told = json.loads(CliRunner().invoke(app, ["risk", "mine.yaml", "--json"]).stdout)
    numbers = {rule["name"]: rule["value"] for rule in told["rules"]}
    assert (numbers["max_position"], numbers["max_trades"]) == (0.1, 1.0)
