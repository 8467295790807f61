"""Long bars from short ones, bar by bar: when a bar closes, and when one may know it.

A bar belongs to the long bar that closes at the next multiple of its length in UTC, or at the end of the
session if that is earlier; a daily bar is the session. A long bar is known on the row whose close reaches
its own; if that row is absent, on the first one after it. Without a single short bar there is no long bar.
"""

from dataclasses import dataclass

MINUTE_NS = 60 * 10**9
LENGTHS_NS = {
    "1m": MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": 60 * MINUTE_NS,
    "4h": 240 * MINUTE_NS,
    "1d": 1440 * MINUTE_NS,
}


@dataclass(frozen=True)
class Bar:
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Row:
    """One interval of the time grid; bar None: nobody traded."""

    ts_ns: int  # close
    session_close_ns: int  # scheduled end of its session
    bar: Bar | None


class CoarseBars:
    """Builds the bars of one timeframe out of rows."""

    def __init__(self, timeframe: str, row_timeframe: str) -> None:
        self.is_daily = timeframe == "1d"
        self.is_same = timeframe == row_timeframe
        self.length_ns = LENGTHS_NS[timeframe]
        self.parts: list[Bar] = []
        self.close_ns = 0  # of the bar in the making

    def add(self, row: Row) -> list[Bar]:
        """Take a row and return the bars that became complete on it: mostly none, at most two."""
        if self.is_same:
            return [] if row.bar is None else [row.bar]
        finished = []
        if self.parts and row.ts_ns > self.close_ns:
            finished.append(self.finish())
        if row.bar is not None:
            self.close_ns = self.close_of(row)
            self.parts.append(row.bar)
        if self.parts and row.ts_ns >= self.close_ns:
            finished.append(self.finish())
        return finished

    def close_of(self, row: Row) -> int:
        """Close of the long bar that a row belongs to."""
        if self.is_daily:
            return row.session_close_ns
        next_multiple = -(-row.ts_ns // self.length_ns) * self.length_ns
        return min(next_multiple, row.session_close_ns)

    def finish(self) -> Bar:
        parts, self.parts = self.parts, []
        return Bar(
            open=parts[0].open,
            high=max(part.high for part in parts),
            low=min(part.low for part in parts),
            close=parts[-1].close,
            volume=sum(part.volume for part in parts),
        )
