"""How the regimes class the past of a symbol: by bar, and by year as shares of its sessions."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..kernels.indicators.adx import adx
from ..kernels.indicators.atr import atr
from ..kernels.indicators.linear_regression import linear_regression
from ..kernels.indicators.market_regime import equity_regime, realised_regime
from ..kernels.indicators.realised_volatility import realised_volatility
from ..kernels.indicators.regime import regime, volatility_regime
from ..kernels.indicators.sma import sma
from ..kernels.types import FloatArray
from .coarse import coarse_bars
from .errors import DataError
from .market import symbol_bars
from .timeframe import timeframe_ns
from .wall_clock import wall_clock

TREND_LOOKBACK, FIT_LOOKBACK, ATR_MEAN, VOLATILITY_LOOKBACK = 14, 50, 50, 20


class Scheme(NamedTuple):
    """One way to class a bar: what it is called, and the words for its codes, worst first."""

    title: str
    words: dict[int, str]


SCHEMES = {
    "trend": Scheme("Trend (ADX and R²)", {0: "neutral", 1: "strong trend", 2: "mean reversion"}),
    "volatility": Scheme("Volatility (ATR against its mean)", {-1: "low", 0: "normal", 1: "high"}),
    "equity": Scheme("Equity (mean of 200 bars and momentum)", {-1: "bear", 0: "neutral", 1: "bull"}),
    "realised": Scheme("Realised volatility (20 bars)", {-1: "low", 0: "normal", 1: "high"}),
}


def regime_history(market: xr.Dataset, symbol: str, timeframe: str = "1d") -> pd.DataFrame:
    """Regimes of one symbol at every close of `timeframe`.

    Returns
    -------
    DataFrame
        Index: the closes, UTC; columns ``close``, ``year`` (of the session) and one code per name of
        `SCHEMES`, NaN during warm-up. A row uses bars up to its own only.

    Raises
    ------
    NotFoundError, DataError
        If there is no such symbol, or too little history for any regime.
    """
    own = market.attrs["timeframe"]
    if timeframe_ns(timeframe) < timeframe_ns(own):
        raise DataError(f"regimes on {timeframe} bars were asked for, but the market has {own} bars")
    bars = symbol_bars(market, symbol)
    rows, session_close_ns, table = coarse_bars(bars, own, timeframe)
    _, high, low, close, _ = (np.ascontiguousarray(column) for column in table.T)
    strength = adx(high, low, close, lookback=TREND_LOOKBACK).adx
    ranges = atr(high, low, close, lookback=TREND_LOOKBACK)
    _, session_open, _ = wall_clock(session_close_ns, session_close_ns, market.attrs["calendar"])
    years = (session_open // 86_400.0).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    hours = 24.0 if market.attrs["calendar"] == "24/7" else 6.5
    per_session = max(1.0, np.ceil(hours * 3_600e9 / timeframe_ns(timeframe)))
    yearly = float(market.attrs["sessions_per_year"]) * per_session
    codes = {
        "trend": regime(strength, linear_regression(close, lookback=FIT_LOOKBACK).r_squared).state,
        "volatility": volatility_regime(ranges, sma(ranges, lookback=ATR_MEAN)).state,
        "equity": equity_regime(close),
        "realised": realised_regime(
            realised_volatility(close, lookback=VOLATILITY_LOOKBACK, bars_per_year=yearly)
        ),
    }
    if np.isnan(codes["trend"]).all():
        raise DataError(
            f"{symbol!r} has {close.size} bars of {timeframe}; regimes need {FIT_LOOKBACK} or more"
        )
    index = pd.DatetimeIndex(bars.ts_ns[rows].view("datetime64[ns]"), name="time")
    return pd.DataFrame({"close": close, "year": years} | codes, index=index)


def shares_by_year(history: pd.DataFrame) -> pd.DataFrame:
    """Per year: bars, the price's return, and the share of its known bars in each state of each scheme.

    Columns are pairs (scheme, state in words); a year without a known bar has NaN.
    """
    years, rows = history["year"], {}
    for year in sorted(set(years)):
        part = history[years == year]
        before = history["close"][years < year]
        start = before.iloc[-1] if len(before) else part["close"].iloc[0]
        row: dict[tuple[str, str], float] = {
            ("", "bars"): float(len(part)),
            ("", "return"): float(part["close"].iloc[-1] / start - 1.0),
        }
        for name, scheme in SCHEMES.items():
            known: FloatArray = part[name].dropna().to_numpy()
            for code, word in scheme.words.items():
                row[name, word] = float(np.mean(known == code)) if known.size else float("nan")
        rows[int(year)] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("year")
