"""The sweep: processor time per bar and trial, how it grows, and what a second thread adds.

Dual mode with costs, impact, stops, sizing and all metrics; preparation (checks, features, plan, labels) is
part of the time. "levels" sweeps numbers that the rule compares with, so that all trials share their
features; "lookbacks" sweeps lengths of indicators too, so that lanes read different columns.
"""

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

import fluxhero as fx

from .markets import coin_market, minute_market
from .timing import median_s, paired_ratio, seconds

SMA_CROSS = Path(__file__).resolve().parent / "strategies" / "sma_cross.py"
LEVELS = {
    "entry_atr": (0.1, 2.0),
    "exit_atr": (0.1, 1.5),
    "trail_atr": (1.0, 5.0),
    "rsi_low": (20.0, 40.0),
}
LOOKBACKS = {"kama_lookback": (5, 30), "atr_lookback": (7, 28), "rsi_lookback": (7, 28)}


def random_trials(n_trials: int, axes: str = "levels") -> dict[str, Any]:
    """Trials drawn from a fixed seed."""
    rng = np.random.default_rng(3)
    trials: dict[str, Any] = {
        name: rng.uniform(low, high, n_trials).tolist() for name, (low, high) in LEVELS.items()
    }
    if axes == "lookbacks":
        trials |= {
            name: rng.integers(low, high, n_trials).tolist() for name, (low, high) in LOOKBACKS.items()
        }
    return trials


def run(market: xr.Dataset, n_trials: int, **settings: Any) -> xr.Dataset:
    """Sweep dual mode on one thread unless told otherwise."""
    trials = random_trials(n_trials, settings.pop("axes", "levels"))
    cube: xr.Dataset = fx.sweep("dual_mode", market, trials=trials, **({"n_threads": 1} | settings))
    return cube


def ns_per_bar_and_trial(market: xr.Dataset, n_trials: int, n_rounds: int, **settings: Any) -> float:
    """Processor time of a sweep over its work, median of some rounds."""
    work = market.sizes["time"] * market.sizes["symbol"] * n_trials
    return median_s(lambda: run(market, n_trials, **settings), n_rounds) / work * 1e9


class DualMode:
    """One thread, 100,000 minute bars (to reach: 6 ns deciding on every bar, then 3)."""

    params: ClassVar[list[Any]] = [["1m", "1h"], ["levels", "lookbacks"]]
    param_names: ClassVar[list[str]] = ["decision_timeframe", "axes"]
    unit = "ns"
    n_bars, n_trials, n_rounds = 100_000, 2_048, 3
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 1_000, "n_trials": 3, "n_rounds": 1}
    tiny_params = ("1h", "lookbacks")

    def setup(self, decision_timeframe: str, axes: str) -> None:
        """Make the bars; compile."""
        self.market = minute_market(self.n_bars)
        run(self.market.isel(time=slice(0, 800)), 2, decision_timeframe=decision_timeframe, axes=axes)

    def track_ns_per_bar_and_trial(self, decision_timeframe: str, axes: str) -> float:
        """Nanoseconds per bar and trial, preparation included."""
        return ns_per_bar_and_trial(
            self.market, self.n_trials, self.n_rounds, decision_timeframe=decision_timeframe, axes=axes
        )


class SmaCross:
    """A cross of two means, every lane with columns of its own (to reach: 4 ns, then 1.5)."""

    unit = "ns"
    n_bars, n_side, n_rounds = 100_000, 45, 3
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 400, "n_side": 2, "n_rounds": 1}

    def setup(self) -> None:
        """Make the bars; compile."""
        self.market = minute_market(self.n_bars)
        self.grid = {
            "fast": list(range(5, 5 + 5 * self.n_side, 5)),
            "slow": list(range(250, 250 + 20 * self.n_side, 20)),
        }
        self.sweep(self.market.isel(time=slice(0, 200)))

    def sweep(self, market: xr.Dataset) -> None:
        """All pairs of lengths, all in, one thread."""
        risk = fx.Risk(max_position=1.0, max_deployed=1.0)
        fx.sweep(SMA_CROSS, market, grid=self.grid, risk=risk, n_threads=1)

    def track_ns_per_bar_and_trial(self) -> float:
        """Nanoseconds per bar and trial, the means included."""
        work = self.n_bars * self.n_side**2
        return median_s(lambda: self.sweep(self.market), self.n_rounds) / work * 1e9


class GrowingBars:
    """The same trials over more and more bars."""

    params: ClassVar[list[Any]] = [[25_000, 100_000, 400_000]]
    param_names: ClassVar[list[str]] = ["n_bars"]
    unit = "ns"
    n_trials, n_rounds = 512, 3
    tiny: ClassVar[dict[str, Any]] = {"n_trials": 3, "n_rounds": 1}
    tiny_params = (600,)

    def setup(self, n_bars: int) -> None:
        """Make the bars; compile."""
        self.market = minute_market(n_bars)
        run(self.market.isel(time=slice(0, 800)), 2)

    def track_ns_per_bar_and_trial(self, n_bars: int) -> float:
        """Nanoseconds per bar and trial."""
        return ns_per_bar_and_trial(self.market, self.n_trials, self.n_rounds)


class GrowingTrials:
    """More and more trials over the same bars."""

    params: ClassVar[list[Any]] = [[256, 1_024, 4_096]]
    param_names: ClassVar[list[str]] = ["n_trials"]
    unit = "ns"
    n_bars, n_rounds = 100_000, 3
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 600, "n_rounds": 1}
    tiny_params = (70,)

    def setup(self, n_trials: int) -> None:
        """Make the bars; compile."""
        self.market = minute_market(self.n_bars)
        run(self.market.isel(time=slice(0, 800)), 2)

    def track_ns_per_bar_and_trial(self, n_trials: int) -> float:
        """Nanoseconds per bar and trial."""
        return ns_per_bar_and_trial(self.market, n_trials, self.n_rounds)


class Linearity:
    """Sixteen times the work must take sixteen times as long, whichever way it grows."""

    params: ClassVar[list[Any]] = [["bars", "trials"]]
    param_names: ClassVar[list[str]] = ["growing"]
    unit = "ratio"
    n_bars, n_trials, n_times, n_rounds = 25_000, 256, 16, 5
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 300, "n_trials": 3, "n_times": 2, "n_rounds": 1}
    tiny_params = ("bars",)

    def setup(self, growing: str) -> None:
        """Make the bars; compile."""
        self.long = minute_market(self.n_bars * self.n_times)
        self.short = self.long.isel(time=slice(0, self.n_bars))
        run(self.short, 2)

    def track_linearity(self, growing: str) -> float:
        """Cost of one bar of one trial in the large sweep over that in the small one.

        1 is linear; below 1, what does not grow (features, checks) is spread over more work.
        """
        if growing == "bars":
            large, n_large, n_small = self.long, 2 * self.n_trials, 2 * self.n_trials
        else:
            large, n_large, n_small = self.short, self.n_trials * self.n_times, self.n_trials
        ratio = paired_ratio(lambda: run(large, n_large), lambda: run(self.short, n_small), self.n_rounds)
        return ratio / self.n_times


class Threads:
    """What a second thread adds (to reach: 1.9)."""

    params: ClassVar[list[Any]] = [[1, 4]]
    param_names: ClassVar[list[str]] = ["n_symbols"]
    unit = "ratio"
    n_bars, n_trials, n_rounds = 100_000, 4_096, 3
    least_s = 2.0  # of one thread: shorter runs measure the start of threads
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 500, "n_trials": 130, "n_rounds": 1, "least_s": 0.0}
    tiny_params = (2,)

    def setup(self, n_symbols: int) -> None:
        """Make the bars; compile; find the size that takes long enough."""
        self.market = minute_market(self.n_bars, n_symbols)
        run(self.market.isel(time=slice(0, 800)), 2)
        self.trials = max(64, self.n_trials // n_symbols)
        took = seconds(lambda: run(self.market, self.trials), time.perf_counter)
        self.trials = int(self.trials * max(1.0, 1.1 * self.least_s / took))

    def track_threads_ratio(self, n_symbols: int) -> float:
        """Wall time of one thread over that of two, on the same sweep."""
        return paired_ratio(
            lambda: run(self.market, self.trials, n_threads=1),
            lambda: run(self.market, self.trials, n_threads=2),
            self.n_rounds,
            time.perf_counter,
        )


class Grids:
    """Whole jobs that people start by hand."""

    n_coarse_bars, n_daily_bars = 10_950, 1_825
    n_side, n_symbols = 10, 60
    tiny: ClassVar[dict[str, Any]] = {
        "n_coarse_bars": 200,
        "n_daily_bars": 100,
        "n_side": 2,
        "n_symbols": 2,
    }

    def setup(self) -> None:
        """Make the bars; compile."""
        self.coarse = coin_market(self.n_coarse_bars, "4h")
        self.daily = coin_market(self.n_daily_bars, "1d", self.n_symbols)
        self.time_grid_of_100_on_5_years_of_4h_bars()

    def time_grid_of_100_on_5_years_of_4h_bars(self) -> None:
        """To reach: 1 s."""
        grid = {
            "entry_atr": fx.linspace(0.1, 2.0, self.n_side),
            "trail_atr": fx.linspace(1.0, 4.0, self.n_side),
        }
        fx.sweep("dual_mode", self.coarse, grid=grid)

    def time_60_symbols_daily(self) -> None:
        """To reach: 1 s."""
        fx.sweep("dual_mode", self.daily, grid={"entry_atr": [0.5]})
