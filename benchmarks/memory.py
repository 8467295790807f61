"""Peak memory of a sweep's whole process: flat in bars x trials, growing only by bars and by results.

Each size runs in a process of its own; imports, bars and the finished cube are part of the figure.
"""

import os
from typing import Any, ClassVar

from .processes import PEAK_PROGRAM, run_python

TRIALS = """
import sys
from fluxhero.benchmarks.markets import minute_market
from fluxhero.benchmarks.sweep import run
n_bars, n_trials, decision = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
cube = run(minute_market(n_bars), n_trials, n_threads=int(sys.argv[4]), decision_timeframe=decision)
"""


GRID = """
import sys
import fluxhero as fx
from fluxhero.benchmarks.markets import minute_market
n_bars, n_side, decision = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lows = {"entry_atr": 0.1, "exit_atr": 0.1, "trail_atr": 1.0}
grid = {name: fx.linspace(low, 5.0, n_side) for name, low in lows.items()}
market = minute_market(n_bars)
cube = fx.sweep("dual_mode", market, grid=grid, n_threads=int(sys.argv[4]), decision_timeframe=decision)
"""


def peak_mb(program: str, n_bars: int, size: int, decision_timeframe: str) -> float:
    """Peak of a process that sweeps dual mode."""
    threads = str(min(2, os.cpu_count() or 1))
    arguments = [str(n_bars), str(size), decision_timeframe, threads]
    return run_python(["-c", program + PEAK_PROGRAM, *arguments]).peak_mb


class GrowingTrials:
    """Trials grow a hundredfold over the same 100,000 bars."""

    params: ClassVar[list[Any]] = [[1_000, 10_000, 100_000]]
    param_names: ClassVar[list[str]] = ["n_trials"]
    unit = "MB"
    timeout = 1_800
    n_bars = 100_000
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 500}
    tiny_params = (3,)

    def track_peak(self, n_trials: int) -> float:
        """Megabytes."""
        return peak_mb(TRIALS, self.n_bars, n_trials, "1h")


class GrowingBars:
    """Bars grow sixteenfold under the same 1,000 trials, which decide on every one of them."""

    params: ClassVar[list[Any]] = [[25_000, 100_000, 400_000]]
    param_names: ClassVar[list[str]] = ["n_bars"]
    unit = "MB"
    timeout = 1_800
    n_trials = 1_000
    tiny: ClassVar[dict[str, Any]] = {"n_trials": 3}
    tiny_params = (500,)

    def track_peak(self, n_bars: int) -> float:
        """Megabytes."""
        return peak_mb(TRIALS, n_bars, self.n_trials, "1m")


class MillionTrials:
    """A grid of a million trials (to reach: 1,024 MB); over few bars, which the figure hardly depends on."""

    unit = "MB"
    timeout = 1_800
    n_bars, n_side = 2_000, 100
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 500, "n_side": 2}

    def track_peak(self) -> float:
        """Megabytes."""
        return peak_mb(GRID, self.n_bars, self.n_side, "1m")
