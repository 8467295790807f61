"""Peak memory of a sweep's whole process: flat in bars x trials, growing only by bars and by results.

Each size runs in a process of its own; imports, bars and the finished cube are part of the figure.
"""

import os
from typing import Any, ClassVar

from .processes import PEAK_PROGRAM, run_python

PROGRAM = """
import sys
from fluxhero.benchmarks.markets import minute_market
from fluxhero.benchmarks.sweep import run
n_bars, n_trials, decision = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
cube = run(minute_market(n_bars), n_trials, n_threads=int(sys.argv[4]), decision_timeframe=decision)
"""


def peak_mb(n_bars: int, n_trials: int, decision_timeframe: str) -> float:
    """Peak of a process that sweeps dual mode."""
    threads = str(min(2, os.cpu_count() or 1))
    program = PROGRAM + PEAK_PROGRAM
    return run_python(["-c", program, str(n_bars), str(n_trials), decision_timeframe, threads]).peak_mb


class GrowingTrials:
    """Trials grow a hundredfold over the same 100,000 bars."""

    params: ClassVar[list[Any]] = [[1_000, 10_000, 100_000]]
    param_names: ClassVar[list[str]] = ["n_trials"]
    unit = "MB"
    timeout = 1_800
    n_bars = 100_000
    decision_timeframe = "1h"
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 500}
    tiny_params = (3,)

    def track_peak(self, n_trials: int) -> float:
        """Megabytes."""
        return peak_mb(self.n_bars, n_trials, self.decision_timeframe)


class GrowingBars(GrowingTrials):
    """Bars grow sixteenfold under the same 1,000 trials, which decide on every one of them."""

    params: ClassVar[list[Any]] = [[25_000, 100_000, 400_000]]
    param_names: ClassVar[list[str]] = ["n_bars"]
    n_trials = 1_000
    decision_timeframe = "1m"
    tiny: ClassVar[dict[str, Any]] = {"n_trials": 3}
    tiny_params = (500,)

    def track_peak(self, n_bars: int) -> float:
        """Megabytes."""
        return peak_mb(n_bars, self.n_trials, self.decision_timeframe)


class MillionTrials(GrowingTrials):
    """A million trials in less than 1,024 MB; over few bars, which the figure hardly depends on."""

    params: ClassVar[list[Any]] = [[1_000_000]]
    n_bars = 2_000
