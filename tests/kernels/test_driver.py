"""Drivers written around a step: every shape of step, and where they are kept."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fluxhero.kernels import generated
from fluxhero.kernels.decorator import kernel
from fluxhero.kernels.driver import Anatomy, anatomy, drivers_text, load_drivers
from fluxhero.kernels.types import FloatArray


class Inner(NamedTuple):
    n: int
    total: float


class Outer(NamedTuple):
    first: Inner
    last: float
    second: Inner


@kernel
def nested_step(state: Outer, ring: FloatArray, value: float, weight: float, every: int):  # type: ignore[no-untyped-def]
    first = Inner(state.first.n + 1, state.first.total + value)
    second = Inner(state.second.n + every, state.second.total + weight * value)
    ring[first.n % 2] = value
    return Outer(first, value, second), first.total, second.total + state.last


@kernel
def stateless_step(high: float, low: float, factor: float) -> float:
    return (high - low) * factor


def test_a_nested_state_and_a_ring_are_unpacked_and_put_back() -> None:
    parts = anatomy(nested_step, n_inputs=1, n_outputs=2)
    assert parts == Anatomy(Outer, True, 1, (False, True), 2)
    drivers = load_drivers("nested_for_a_test", nested_step, parts)
    state, sums, weighted = np.zeros(7), np.empty(3), np.empty(3)
    drivers.run(np.array([1.0, 2.0, 4.0]), 10.0, 3, state, sums, weighted)
    assert sums.tolist() == [1.0, 3.0, 7.0]
    assert weighted.tolist() == [10.0, 31.0, 72.0]
    assert state.tolist() == [3.0, 7.0, 4.0, 9.0, 70.0, 2.0, 4.0]


def test_a_step_without_state_needs_none() -> None:
    drivers = load_drivers("stateless_for_a_test", stateless_step, anatomy(stateless_step, 2, 1))
    out = np.empty(2)
    drivers.run(np.array([3.0, 5.0]), np.array([1.0, 1.0]), 0.5, np.zeros(0), out)
    assert out.tolist() == [1.0, 2.0]
    work = np.array([[3.0, 5.0], [1.0, 1.0], [0.0, 0.0]])
    src, dst = np.array([[0, 1]]), np.array([[2]])
    drivers.rows(work, src, dst, np.array([[2.0]]), np.zeros((1, 0)))
    assert work[2].tolist() == [4.0, 8.0]


def test_the_text_names_nothing_of_this_machine() -> None:
    text = drivers_text("nested", anatomy(nested_step, 1, 2))
    assert str(Path.home()) not in text
    assert "state[4] = local.second.n" not in text  # one slot per plain field, in order
    assert "state[3] = local.second.n" in text


def test_a_module_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError):
        generated.load_generated("fluxhero_broken_for_a_test", "indicators", "1 / 0\n", lambda: None)
    assert "fluxhero_broken_for_a_test" not in sys.modules
    with pytest.raises(KeyError):
        generated.given("fluxhero_broken_for_a_test")


def test_a_damaged_module_is_written_again() -> None:
    folder = generated.generated_folder("indicators")
    path = folder / "fluxhero_damaged_for_a_test.py"
    path.write_text("this is not python")
    module = generated.load_generated(path.stem, "indicators", "answer = 42\n", lambda: None)
    assert module.answer == 42
    path.unlink()


def _load(name: str) -> int:
    return int(generated.load_generated(name, "indicators", "answer = 42\n", lambda: None).answer)


def test_processes_that_start_together_all_find_a_whole_module() -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(_load, ["fluxhero_shared_for_a_test"] * 8) == [42] * 8
    (generated.generated_folder("indicators") / "fluxhero_shared_for_a_test.py").unlink()


def test_a_cache_that_was_deleted_meanwhile_is_made_again(tmp_path: Path) -> None:
    program = (
        "import shutil, os, fluxhero as fx\n"
        "fx.indicators.sma([1.0, 2.0], lookback=2)\n"
        "shutil.rmtree(os.environ['FLUXHERO_CACHE'])\n"
        "print(fx.indicators.previous([1.0, 2.0]).tolist())\n"
    )
    environment = os.environ | {"FLUXHERO_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[nan, 1.0]\n"
