"""A market cube as a feed: its rows one after another, as a live feed would tell them.

Every row of the calendar is sent, also one in which nobody traded: the clock of the engine is the row.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import xarray as xr

from ..engine.errors import ParameterError
from ..engine.records import Bar, RowClosed, SeriesValue
from ..engine.timeframe import timeframe_ns

_FIELDS = ("open", "high", "low", "close", "volume")
_BLOCK_ROWS = 1024  # become plain numbers together: fast, and little memory


class ReplayFeed:
    """The rows of a market.

    Parameters
    ----------
    market : Dataset
        A market cube (``engine.market``).
    speed : float, optional
        How many times faster than the market; default as fast as possible. Nights and weekends last no
        longer than one bar.
    sleep : callable, optional
        Called with seconds; needed with `speed`.
    series : sequence of str
        Series of the market to send with each row, where they are known; those that the rule reads.

    Raises
    ------
    ParameterError
        If `speed` is not above zero, or comes without `sleep`.
    """

    def __init__(
        self,
        market: xr.Dataset,
        *,
        speed: float | None = None,
        sleep: Callable[[float], None] | None = None,
        series: Sequence[str] = (),
    ) -> None:
        if speed is not None and not speed > 0.0:
            raise ParameterError(f"`speed` was {speed!r}, must be above 0")
        if speed is not None and sleep is None:
            raise ParameterError("`speed` needs `sleep`: a function that waits for that many seconds")
        self.symbols = [str(symbol) for symbol in market["symbol"].values]
        self._market = market
        self._ts_ns = market["time"].values.astype("datetime64[ns]").astype(np.int64)
        self._session_close_ns = market["session_close"].values.astype("datetime64[ns]").astype(np.int64)
        self._bar_ns = timeframe_ns(market.attrs["timeframe"])
        self._series = tuple(series)
        self._speed = speed
        self._sleep = sleep

    def __len__(self) -> int:
        """Rows in all."""
        return len(self._ts_ns)

    def n_until(self, ts_ns: int) -> int:
        """Rows that close at `ts_ns` or earlier."""
        return int(np.searchsorted(self._ts_ns, ts_ns, side="right"))

    def rows(self, after_ns: int = 0) -> Iterator[RowClosed]:
        """The rows that close after `after_ns`, oldest first."""
        first = self.n_until(after_ns)
        for start in range(first, len(self), _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, len(self))
            for i, row in enumerate(self._block(start, stop), start):
                if i > first:
                    self._wait(i)
                yield row

    def _block(self, start: int, stop: int) -> Iterator[RowClosed]:
        table = np.stack([self._market[name].values[:, start:stop] for name in _FIELDS], axis=-1)
        is_bar = ~np.isnan(table[..., 3])
        times = self._ts_ns[start:stop].tolist()
        ends = self._session_close_ns[start:stop].tolist()
        columns = zip(table.swapaxes(0, 1).tolist(), is_bar.T.tolist(), times, ends, strict=True)
        outside = self._outside(start, stop)
        for t, (values, present, ts_ns, session_close_ns) in enumerate(columns):
            bars = tuple(
                Bar(symbol, ts_ns, open_, high, low, close, volume, session_close_ns)
                for symbol, (open_, high, low, close, volume), traded in zip(
                    self.symbols, values, present, strict=True
                )
                if traded
            )
            yield RowClosed(ts_ns, session_close_ns, bars, outside[t] if outside else ())

    def _outside(self, start: int, stop: int) -> list[tuple[SeriesValue, ...]]:
        """The known values of the series on each row; nothing where no series are sent."""
        told: list[list[SeriesValue]] = [[] for _ in range(stop - start if self._series else 0)]
        for name in self._series:
            values = self._market[name].values[:, start:stop]
            for i, t in zip(*np.nonzero(~np.isnan(values)), strict=True):
                told[t].append(SeriesValue(self.symbols[i], name, float(values[i, t])))
        return [tuple(row) for row in told]

    def _wait(self, i: int) -> None:
        """Let the time between two rows pass."""
        if self._speed is not None and self._sleep is not None:
            gap_ns = min(int(self._ts_ns[i] - self._ts_ns[i - 1]), self._bar_ns)
            self._sleep(gap_ns / 1e9 / self._speed)
