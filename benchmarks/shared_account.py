"""One account for all symbols: processor time per bar, symbol and trial, deciding on every bar.

With the retail profile: at most five positions, open risk, correlation, drawdown and daily loss. The share
of bars on which anything is held or wanted decides the time: one rule trades much, the other little.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import fluxhero as fx
from fluxhero.adapters.sample_market import sample_market

from .sweep import random_trials
from .timing import median_s

STRONGEST_FIRST = Path(__file__).resolve().parent / "strategies" / "strongest_first.py"


class SharedAccount:
    """100 symbols, one thread: in symbol order (to reach: 8 ns) and ranked by score (to reach: 15 ns)."""

    params: ClassVar[list[Any]] = [["symbol order", "ranked"], ["retail", "none"]]
    param_names: ClassVar[list[str]] = ["order", "risk"]
    unit = "ns"
    n_symbols, n_sessions, n_trials, n_rounds = 100, 13, 512, 3
    tiny: ClassVar[dict[str, Any]] = {"n_symbols": 3, "n_sessions": 2, "n_trials": 3, "n_rounds": 1}
    tiny_params = ("ranked", "retail")

    def setup(self, order: str, risk: str) -> None:
        """Make the bars; compile."""
        self.market = sample_market(self.n_symbols, sessions=self.n_sessions)
        if order == "ranked":
            self.strategy: str | Path = STRONGEST_FIRST
            self.trials = {"entry_atr": np.linspace(0.2, 2.5, self.n_trials).tolist()}
        else:
            self.strategy, self.trials = "dual_mode", random_trials(self.n_trials)
        self.risk = risk
        self.sweep(self.market.isel(time=slice(0, 400)))

    def sweep(self, market: Any) -> None:
        """All trials on one thread."""
        fx.sweep(self.strategy, market, trials=self.trials, account="shared", risk=self.risk, n_threads=1)

    def track_ns_per_bar_symbol_and_trial(self, order: str, risk: str) -> float:
        """Nanoseconds, preparation of all symbols included."""
        work = self.market.sizes["time"] * self.n_symbols * self.n_trials
        return median_s(lambda: self.sweep(self.market), self.n_rounds) / work * 1e9
