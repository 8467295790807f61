"""Coarse bars of whole series, by the same kernel that a run drives."""

from typing import NamedTuple

import numpy as np

from ..kernels.resample import N_COARSE_COUNTERS, ROW, SESSION_CLOSE, resample_run
from ..kernels.types import FloatArray, IntArray
from .market import SymbolBars
from .timeframe import DAY_NS, timeframe_ns


class Coarse(NamedTuple):
    """Coarse bars that became complete."""

    rows: IntArray  # (n_coarse,): row on which each becomes visible
    session_close_ns: IntArray  # (n_coarse,): scheduled end of its own session, be it visible later or not
    table: FloatArray  # (n_coarse, 5)


def coarse_bars(bars: SymbolBars, timeframe: str, wanted: str) -> Coarse:
    """Bars of one symbol on a timeframe as long as their own or longer; missing ones are left out."""
    table = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
    if wanted == timeframe:
        rows = np.flatnonzero(~np.isnan(bars.close))
        return Coarse(rows, bars.session_close_ns[rows], table[rows])
    return resampled(bars.ts_ns, bars.session_close_ns, table, wanted)


def resampled(ts_ns: IntArray, session_close_ns: IntArray, table: FloatArray, wanted: str) -> Coarse:
    """The same from closes, ends of sessions and a table of bars (n_bars, 5) that are shorter."""
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
    when = when[:n_out]
    return Coarse(when[:, ROW].copy(), when[:, SESSION_CLOSE].copy(), out_bars[:n_out].copy())
