"""Indicators compiled by a second process: it saves time, and its failure costs nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fluxhero.engine import compile_ahead
from fluxhero.engine.compile_ahead import compiling_indicators
from fluxhero.engine.strategy import load_strategy
from fluxhero.kernels import warm_up

SWEEP = """
import fluxhero as fx
from fluxhero.engine import compile_ahead
{before}
market = fx.sample_market(n_symbols=1, sessions=3)
cube = fx.sweep({strategy!r}, market, grid={{"fast": [3, 5], "slow": [20]}}, decision_timeframe="5m")
print(float(cube["total_return"].max()))
"""


def sweep(cache: Path, before: str = "") -> str:
    rule = Path(__file__).parents[2] / "benchmarks" / "strategies" / "sma_cross.py"
    done = subprocess.run(
        [sys.executable, "-c", SWEEP.format(before=before, strategy=str(rule))],
        env=os.environ | {"FLUXHERO_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_second_process_compiles_what_the_rule_reads(tmp_path: Path) -> None:
    first = sweep(tmp_path)
    assert {path.stem for path in tmp_path.rglob("*.compiled")} == {"sma", "shared"}
    compiled = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert {name.split("-")[0].split(".")[-1] for name in compiled} >= {"rows", "clock_run", "advance"}
    assert sweep(tmp_path) == first  # and nothing is compiled a second time
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == compiled


@pytest.mark.parametrize(
    "before",
    ["compile_ahead.sys.executable = '/nowhere/python'", "compile_ahead._module = 'no.such.module'"],
    ids=["no process may be started", "it fails at once"],
)
def test_the_result_does_not_depend_on_it(tmp_path: Path, before: str) -> None:
    assert sweep(tmp_path, before) == sweep(tmp_path)


def test_an_error_in_the_block_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def sleeper(names: list[str]) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        return started[0]

    monkeypatch.setattr(compile_ahead, "_start", sleeper)
    with pytest.raises(ZeroDivisionError), compiling_indicators(load_strategy("dual_mode")):
        raise ZeroDivisionError
    assert started[0].returncode is not None


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    monkeypatch.setattr(compile_ahead, "_start", lambda names: started)
    monkeypatch.setattr(compile_ahead, "_LIMIT_S", 0.1)
    with compiling_indicators(load_strategy("dual_mode")):
        pass
    assert started.returncode is not None


def test_what_is_compiled_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(warm_up, "compiled_folder", lambda: tmp_path)
    assert warm_up.cold(["sma", "atr"]) == ["sma", "atr"]
    warm_up.warm_up(["sma"])
    assert warm_up.cold(["sma", "atr"]) == ["atr"]
    monkeypatch.setattr(warm_up, "compiled_folder", lambda: None)
    assert warm_up.cold(["sma", "atr"]) == []  # nothing can be kept: nothing to gain
