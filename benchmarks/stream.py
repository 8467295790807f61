"""The stream: how long one row of bars takes, for 100 symbols (to reach: 5 ms, then 0.5).

Three kinds of rows: every minute of a rule that decides each hour, only those of them on which all symbols
decide, and the minutes of a rule that decides on each of them.
"""

import time
from typing import Any, ClassVar

import numpy as np

import fluxhero as fx

from .markets import minute_market

FIELDS = ("open", "high", "low", "close", "volume")
KINDS = {"1h, all rows": "1h", "1h, deciding rows": "1h", "1m, all rows": "1m"}


class Latency:
    """Wall time of ``advance_row``, state carried, decisions made and told."""

    params: ClassVar[list[Any]] = [list(KINDS)]
    param_names: ClassVar[list[str]] = ["rows"]
    unit = "ms"
    timeout = 900
    n_symbols = 100
    n_warm, n_rows = 390, 1_560  # rows before the clock runs, and on it
    tiny: ClassVar[dict[str, Any]] = {"n_symbols": 2, "n_warm": 5, "n_rows": 120}
    tiny_params = ("1h, deciding rows",)

    def setup(self, rows: str) -> None:
        """Run the stream over the rows, taking the time of each."""
        market = minute_market(self.n_warm + self.n_rows, self.n_symbols)
        stream = fx.Stream.for_market("dual_mode", market, decision_timeframe=KINDS[rows])
        tables = np.stack([market[name].values.T for name in FIELDS], axis=-1)
        close_ns = market["time"].values.astype(np.int64).tolist()
        session_close_ns = market["session_close"].values.astype(np.int64).tolist()
        took, n_decided = np.empty(len(close_ns)), np.empty(len(close_ns))
        for t, now in enumerate(close_ns):
            table = np.ascontiguousarray(tables[t])
            started = time.perf_counter()
            row = stream.advance_row(now, session_close_ns[t], table)
            took[t] = time.perf_counter() - started
            n_decided[t] = len(row.decisions)
        is_asked = (
            n_decided == self.n_symbols if rows == "1h, deciding rows" else np.ones(len(took), np.bool_)
        )
        is_asked[: self.n_warm] = False
        self.took_ms = took[is_asked] * 1e3

    def track_median(self, rows: str) -> float:
        """Milliseconds."""
        return float(np.median(self.took_ms))

    def track_p99(self, rows: str) -> float:
        """Milliseconds that one row in a hundred exceeds."""
        return float(np.percentile(self.took_ms, 99.0))
