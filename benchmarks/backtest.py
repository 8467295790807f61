"""One trial in full detail: a backtest with equity, trades, orders and reasons, and the replay of a cell."""

from typing import Any, ClassVar

import fluxhero as fx

from .markets import minute_market
from .sweep import run
from .timing import median_s


class OneYearOfMinutes:
    """A year of minute bars of one symbol (to reach: 50 ms)."""

    params: ClassVar[list[Any]] = [["1m", "1h"]]
    param_names: ClassVar[list[str]] = ["decision_timeframe"]
    n_bars = 98_280
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 800}
    tiny_params = ("1h",)

    def setup(self, decision_timeframe: str) -> None:
        """Make the bars and a cube; compile."""
        self.market = minute_market(self.n_bars)
        self.cube = fx.sweep(
            "dual_mode", self.market, grid={"entry_atr": [0.5, 1.0]}, decision_timeframe=decision_timeframe
        )
        self.time_backtest(decision_timeframe)

    def time_backtest(self, decision_timeframe: str) -> None:
        """Backtest of the defaults."""
        fx.backtest("dual_mode", self.market, decision_timeframe=decision_timeframe)

    def time_replay(self, decision_timeframe: str) -> None:
        """Replay of one cell, the market's hash included."""
        fx.replay(self.cube, self.market, entry_atr=1.0)


class AgainstEventLoop:
    """The same trial as an event loop in plain Python (to reach: 100 times as fast in a sweep)."""

    unit = "times"
    n_bars, n_trials = 20_000, 1_024
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 100, "n_trials": 3}

    def setup(self) -> None:
        """Make the bars for both; compile."""
        from fluxhero.engine.market import symbol_bars
        from fluxhero.tests.oracles.coarse_bars import Bar, Row

        self.market = minute_market(self.n_bars).dropna("time")
        bars = symbol_bars(self.market, str(self.market["symbol"].values[0]))
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        times = zip(bars.ts_ns.tolist(), bars.session_close_ns.tolist(), strict=True)
        prices = zip(*(column.tolist() for column in columns), strict=True)
        self.rows = [Row(*when, Bar(*bar)) for when, bar in zip(times, prices, strict=True)]
        self.backtest()
        run(self.market, 2)

    def backtest(self) -> None:
        """Ours, with everything that is told of one trial."""
        fx.backtest("dual_mode", self.market)

    def plain(self) -> None:
        """The tests' oracle."""
        from fluxhero.engine.strategy import load_strategy
        from fluxhero.tests.oracles.dual_mode import DualMode
        from fluxhero.tests.oracles.event_loop import Costs, Risk, run_event_loop

        run_event_loop(
            self.rows,
            DualMode(load_strategy("dual_mode").defaults()),
            timeframe="1m",
            decision_timeframe="1m",
            costs=Costs(),
            risk=Risk(),
            initial_cash=100_000.0,
        )

    def track_backtest(self) -> float:
        """How many times as fast a backtest is, tables of decisions, orders and trades included."""
        return median_s(self.plain, 1) / median_s(self.backtest, 3)

    def track_sweep(self) -> float:
        """How many times as fast a trial of a sweep is."""
        per_trial_s = median_s(lambda: run(self.market, self.n_trials), 3) / self.n_trials
        return median_s(self.plain, 1) / per_trial_s
