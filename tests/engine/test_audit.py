"""The audit finds what looks ahead, and only that."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from fluxhero.engine import features, strategy
from fluxhero.engine.audit import check_strategy
from fluxhero.engine.strategy import builtin_strategies, load_strategy
from fluxhero.kernels.registry import INDICATORS

RULE = """
from fluxhero.engine.strategy import Feature, enter, hold, leave
FEATURES = {"seen": Feature("INDICATOR")}
REASONS = {1: "up", 2: "down"}

def decide(bar, x, p, position):
    if position.qty > 0.0:
        if x.seen < bar.close:
            return leave(2)
        return hold()
    if x.seen > bar.close:
        return enter(0.05 * bar.close, 0.01, 1)
    return hold()
"""


class Memory(NamedTuple):
    n: float


def peek_rows(work, src, dst, params, state):  # type: ignore[no-untyped-def]
    """The planted cheat: the close of the next bar."""
    for i in range(src.shape[0]):
        close = work[src[i, 0]]
        work[dst[i, 0]] = np.r_[close[1:], close[-1:]]


def centred_rows(work, src, dst, params, state):  # type: ignore[no-untyped-def]
    """A cheat that many have written by accident: scaled by the extremes of the whole sample."""
    for i in range(src.shape[0]):
        close = work[src[i, 0]]
        work[dst[i, 0]] = close * (np.nanmean(close) / np.nanmax(close)) if len(close) else close


def forgetful_rows(work, src, dst, params, state):  # type: ignore[no-untyped-def]
    """No look-ahead, but it forgets its state between calls."""
    for i in range(src.shape[0]):
        work[dst[i, 0]] = np.cumsum(np.nan_to_num(work[src[i, 0]])) / 1e3


def plant(monkeypatch: pytest.MonkeyPatch, name: str, rows: object) -> None:
    cheat = dataclasses.replace(
        INDICATORS["sma"], name=name, params=(), init=lambda: np.zeros(1), warmup=lambda: 0, outputs=(name,)
    )
    vars(cheat)["_drivers"] = SimpleNamespace(rows=rows)  # a step cannot cheat: it never sees a later bar
    for module in (features, strategy):
        monkeypatch.setattr(module, "INDICATORS", {**INDICATORS, name: cheat})


@pytest.mark.parametrize("name", builtin_strategies())
def test_our_strategies_do_not_look_ahead(name: str) -> None:
    report = check_strategy(name, n_trials=4, n_cuts=6, n_bars=4_000)
    assert report.ok, report.text()
    assert report.n_decisions > 1_000
    assert len(report.warnings) == len(load_strategy(name).series)  # whoever makes those may know the future


@pytest.mark.parametrize(("name", "rows"), [("peek", peek_rows), ("centred", centred_rows)])
def test_a_planted_cheat_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rows: object
) -> None:
    plant(monkeypatch, name, rows)
    path = tmp_path / f"{name}.py"
    path.write_text(RULE.replace("INDICATOR", name))
    report = check_strategy(path, n_cuts=4, n_bars=2_000)
    assert not report.ok
    assert {finding.what for finding in report.findings} >= {"feature `seen`"}
    assert {"truncation", "poison", "other future"} <= {finding.test for finding in report.findings}
    assert "LOOKS AHEAD" in report.text()
    assert report.to_dict()["ok"] is False


def test_a_state_that_is_lost_between_calls_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "forgetful", forgetful_rows)
    path = tmp_path / "forgetful.py"
    path.write_text(RULE.replace("INDICATOR", "forgetful"))
    report = check_strategy(path, n_cuts=3, n_bars=2_000)
    assert {finding.test for finding in report.findings} == {"split"}


def test_an_honest_rule_of_a_user_passes(tmp_path: Path) -> None:
    path = tmp_path / "honest.py"
    path.write_text(RULE.replace('Feature("INDICATOR")', 'Feature("ema", lookback=4, timeframe="4h")'))
    report = check_strategy(path, n_cuts=4, n_bars=4_000)
    assert report.ok, report.text()
    assert report.warmups["seen"] > 0


def test_numbers_fixed_in_the_file_are_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "table.py"
    told = RULE.replace("INDICATOR", "sma").replace(
        "REASONS", "import numpy as np\nTOPS = np.arange(9.0)\nREASONS", 1
    )
    path.write_text(told.replace("x.seen > bar.close", "x.seen > bar.close + TOPS[2]"))
    report = check_strategy(path, n_cuts=2, n_bars=2_000)
    assert any("TOPS" in warning for warning in report.warnings)
