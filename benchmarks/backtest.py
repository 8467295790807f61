"""One trial in full detail: a backtest with equity, trades, orders and reasons, and the replay of a cell."""

from typing import Any, ClassVar

import fluxhero as fx

from .markets import minute_market


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
