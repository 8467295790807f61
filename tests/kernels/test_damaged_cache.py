"""Compiled files that a crash or a full disk left damaged cost time, not an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import fluxhero as fx
market = fx.sample_market(n_symbols=1, sessions=3)
cube = fx.sweep({rule!r}, market, grid={{"fast": [3], "slow": [20]}}, decision_timeframe="5m")
print(float(cube["final_equity"].item()), fx.indicators.sma([1.0, 2.0, 3.0], lookback=2).tolist())
"""


def run(cache: Path) -> str:
    rule = Path(__file__).parents[2] / "benchmarks" / "strategies" / "sma_cross.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(rule=str(rule))],
        env=os.environ | {"FLUXHERO_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("pattern", "content"), [("*.nbi", b"half a pickle"), ("*.nbc", b"")])
def test_a_damaged_file_is_compiled_again(tmp_path: Path, pattern: str, content: bytes) -> None:
    first = run(tmp_path)
    damaged = list(tmp_path.rglob(pattern))
    assert len(damaged) >= 3
    for path in damaged:
        path.write_bytes(content)
    assert run(tmp_path) == first
    sizes = {path: path.stat().st_size for path in tmp_path.rglob("*.nb?")}
    assert all(size > 100 for path, size in sizes.items() if path.suffix == ".nbi")
    assert run(tmp_path) == first  # and this time nothing is written
    assert {path: path.stat().st_size for path in tmp_path.rglob("*.nb?")} == sizes
