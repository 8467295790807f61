"""Candles of the decision timeframe, with what a run did and saw on each.

The bars are those that the rule decided on: resampled by the same kernel, so that a candle on the page is
the candle of the backtest.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ...kernels.types import FloatArray, IntArray
from ..coarse import coarse_bars, resampled
from ..market import symbol_bars
from ..run import Run

REGIME_LINE = "kama"  # the feature that is drawn over the candles where a strategy has one


@dataclass(frozen=True)
class Candles:
    """Finished bars of the decision timeframe of one symbol, oldest first; arrays of shape (n_candles,)."""

    symbol: str
    begin_ns: int  # what happened up to here lies before the first candle
    ts_ns: IntArray  # UTC close of the fine bar that made the candle visible
    ohlc: FloatArray  # (n_candles, 4)
    stop: FloatArray  # protective stop in force during the candle; NaN when flat
    line: FloatArray  # the feature `kama` as the rule saw it; NaN where there is none

    def index_of(self, ts_ns: IntArray) -> IntArray:
        """Candle in which each instant lies, a close belonging to its own; -1 for one that lies in none."""
        found = np.searchsorted(self.ts_ns, ts_ns, side="left")
        inside = (ts_ns > self.begin_ns) & (found < self.ts_ns.size)
        index: IntArray = np.where(inside, found, -1)
        return index

    def latest(self, n: int) -> "Candles":
        """The last `n` candles."""
        start = self.ts_ns.size - n
        if start <= 0:
            return self
        return Candles(
            self.symbol,
            int(self.ts_ns[start - 1]),
            self.ts_ns[start:],
            self.ohlc[start:],
            self.stop[start:],
            self.line[start:],
        )


def decision_candles(run: Run, symbol: str) -> Candles:
    """Candles of one symbol of a run, with its stops and its KAMA."""
    bars = symbol_bars(run.market, symbol)
    rows, _, table = coarse_bars(bars, run.market.attrs["timeframe"], run.decision_timeframe)
    row = list(run.market["symbol"].values).index(symbol)
    ts_ns = bars.ts_ns[rows]
    return Candles(
        symbol=symbol,
        begin_ns=0,
        ts_ns=ts_ns,
        ohlc=table[:, :4],
        stop=stops_in_force(run.stops.values[row], rows),
        line=feature_at(run.decisions, symbol, ts_ns, REGIME_LINE),
    )


def decision_rows(market: xr.Dataset, decision_timeframe: str) -> IntArray:
    """Rows of a market on which bars of the decision timeframe close, whatever the symbol."""
    time_ns = np.ascontiguousarray(market["time"].values).view(np.int64)
    if decision_timeframe == market.attrs["timeframe"]:
        return np.arange(time_ns.size)
    close_ns = np.ascontiguousarray(market["session_close"].values).view(np.int64)
    table = np.zeros((time_ns.size, 5))
    return resampled(time_ns, close_ns, table, decision_timeframe).rows


def stops_in_force(stops: FloatArray, rows: IntArray) -> FloatArray:
    """Protective stop during each candle, from the stops after each fine bar's close.

    A stop set at the close of a candle acts in the next one, so a candle takes the last stop from its
    predecessor's closing row up to the row before its own; a position opened on its very last row has only
    that row's.
    """
    if not rows.size:
        return np.empty(0)
    set_rows = np.flatnonzero(~np.isnan(stops))
    if not set_rows.size:
        return np.full(rows.size, np.nan)
    starts = np.concatenate([rows[:1] * 0, rows[:-1]])
    last = np.searchsorted(set_rows, rows, side="left") - 1  # last stop before the closing row
    before = set_rows[np.maximum(last, 0)]
    in_force = (last >= 0) & (before >= starts)
    return np.where(in_force, stops[before], stops[rows])


def feature_at(decisions: pd.DataFrame, symbol: str, ts_ns: IntArray, name: str) -> FloatArray:
    """A feature as the rule saw it at given closes; NaN where it was not asked or has no such feature."""
    values = np.full(ts_ns.size, np.nan)
    if name not in decisions.columns or not len(decisions):
        return values
    own = decisions[decisions["symbol"] == symbol]
    own_ns = own["time"].to_numpy().astype("datetime64[ns]").view(np.int64)
    seen = own[name].to_numpy(dtype=np.float64)
    at = np.searchsorted(own_ns, ts_ns)
    found = at < own_ns.size
    found[found] = own_ns[at[found]] == ts_ns[found]
    values[found] = seen[at[found]]
    return values
