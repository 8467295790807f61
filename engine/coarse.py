"""Coarse bars of whole series, by the same kernel that a run drives."""

import numpy as np

from ..kernels.resample import N_COARSE_COUNTERS, ROW, SESSION_CLOSE, resample_run
from ..kernels.types import FloatArray, IntArray
from .market import SymbolBars
from .timeframe import DAY_NS, timeframe_ns


def coarse_sessions(bars: SymbolBars, timeframe: str, wanted: str) -> IntArray:
    """Scheduled end of the session that each of ``coarse_bars`` belongs to, be it visible later or not."""
    if wanted == timeframe:
        return bars.session_close_ns[~np.isnan(bars.close)]
    table = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
    return _resampled(bars.ts_ns, bars.session_close_ns, table, wanted)[0][:, SESSION_CLOSE].copy()


def coarse_bars(bars: SymbolBars, timeframe: str, wanted: str) -> tuple[IntArray, FloatArray]:
    """Rows on which bars of one symbol become complete, and the bars, of shape (n_coarse, 5)."""
    table = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
    if wanted == timeframe:
        rows = np.flatnonzero(~np.isnan(bars.close))
        return rows, table[rows]
    return coarse_rows(bars.ts_ns, bars.session_close_ns, table, wanted)


def coarse_rows(
    ts_ns: IntArray, session_close_ns: IntArray, table: FloatArray, wanted: str
) -> tuple[IntArray, FloatArray]:
    """The same from closes, ends of sessions and a table of bars (n_bars, 5)."""
    when, out_bars = _resampled(ts_ns, session_close_ns, table, wanted)
    return when[:, ROW].copy(), out_bars


def _resampled(
    ts_ns: IntArray, session_close_ns: IntArray, table: FloatArray, wanted: str
) -> tuple[IntArray, FloatArray]:
    length, n = timeframe_ns(wanted), ts_ns.size
    when, out_bars = np.empty((n + 1, 3), dtype=np.int64), np.empty((n + 1, 5))
    n_out = resample_run(
        ts_ns,
        session_close_ns,
        table,
        0 if length == DAY_NS else length,
        np.zeros(N_COARSE_COUNTERS, dtype=np.int64),
        np.zeros(5),
        when,
        out_bars,
    )
    return when[:n_out], out_bars[:n_out].copy()
