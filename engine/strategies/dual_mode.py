"""Dual mode: trend following and mean reversion, each in the regime it was made for.

Trend: enter when the close crosses above KAMA + `entry_atr` x ATR in a strong trend; leave when it closes
below KAMA - `exit_atr` x ATR; a stop trails `trail_atr` x ATR below the highest high since the entry.
Reversion: enter when the RSI is oversold and the bar touches the lower Bollinger band in a mean-reverting
market; leave at the band's middle or when the RSI is overbought; a fixed stop. In a neutral market nothing
is opened. A position keeps the exits of the mode that opened it when the regime changes. Long only.
"""

from ..strategy import Feature, Param, enter, hold, leave, trail

DUAL = 0
TREND_ONLY = 1
REVERSION_ONLY = 2

STRONG_TREND = 1.0
MEAN_REVERSION = 2.0

TREND = 1
REVERSION = 2

PARAMS = {
    "mode": Param(
        0, 0, 2, doc="which modes may open", choices={"dual": 0, "trend_only": 1, "mean_reversion_only": 2}
    ),
    "kama_lookback": Param(10, 2, 200, "bars", "efficiency ratio of the adaptive mean"),
    "atr_lookback": Param(14, 1, 200, "bars", "average true range"),
    "entry_atr": Param(0.5, 0.0, 10.0, "ATR", "distance above KAMA that opens a trend position"),
    "exit_atr": Param(0.3, 0.0, 10.0, "ATR", "distance below KAMA that closes it"),
    "trail_atr": Param(2.5, 0.1, 20.0, "ATR", "distance of the trailing stop"),
    "trend_risk": Param(0.01, 0.0001, 0.05, "of equity", "lost if a trend position is stopped out"),
    "rsi_lookback": Param(14, 2, 200, "bars", "relative strength index"),
    "rsi_low": Param(30.0, 1.0, 50.0, "", "oversold below"),
    "rsi_high": Param(70.0, 50.0, 99.0, "", "overbought above"),
    "band_lookback": Param(20, 2, 500, "bars", "Bollinger band"),
    "band_width": Param(2.0, 0.1, 10.0, "deviations", "Bollinger band"),
    "reversion_stop": Param(0.03, 0.001, 0.5, "of price", "fixed stop of a reversion position"),
    "reversion_risk": Param(0.0075, 0.0001, 0.05, "of equity", "lost if it is stopped out"),
    "adx_lookback": Param(14, 2, 200, "bars", "average directional index"),
    "regression_lookback": Param(50, 3, 500, "bars", "fit whose R^2 measures the trend"),
    "trend_adx": Param(25.0, 0.0, 100.0, "", "strong trend above"),
    "trend_r2": Param(0.6, 0.0, 1.0, "", "strong trend above"),
    "reversion_adx": Param(20.0, 0.0, 100.0, "", "mean reversion below"),
    "reversion_r2": Param(0.4, 0.0, 1.0, "", "mean reversion below"),
    "confirm": Param(3, 1, 100, "bars", "a regime must last before it counts"),
}

FEATURES = {
    "kama": Feature("kama", lookback="kama_lookback"),
    "atr": Feature("atr", lookback="atr_lookback"),
    "previous_close": Feature("previous", on="close"),
    "previous_kama": Feature("previous", on="kama"),
    "previous_atr": Feature("previous", on="atr"),
    "rsi": Feature("rsi", lookback="rsi_lookback"),
    "lower_band": Feature("bollinger", output="lower", lookback="band_lookback", n_std="band_width"),
    "middle_band": Feature("bollinger", output="middle", lookback="band_lookback", n_std="band_width"),
    "adx": Feature("adx", lookback="adx_lookback"),
    "r_squared": Feature("linear_regression", output="r_squared", lookback="regression_lookback"),
    "regime": Feature(
        "regime",
        on=("adx", "r_squared"),
        trend_adx="trend_adx",
        trend_r2="trend_r2",
        reversion_adx="reversion_adx",
        reversion_r2="reversion_r2",
        confirm="confirm",
    ),
}

REASONS = {
    1: "close crossed above KAMA + entry ATRs in a strong trend",
    2: "oversold at the lower band in a mean-reverting market",
    11: "close below KAMA - exit ATRs",
    12: "back at the middle band",
    13: "overbought",
    21: "refused: trend signal, but no strong trend",
    22: "refused: reversion signal, but no mean-reverting market",
    23: "refused: trend signal, mode switched off",
    24: "refused: reversion signal, mode switched off",
}

MODES = {TREND: "trend", REVERSION: "reversion"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if position.mode == TREND:
            if bar.close < x.kama - p.exit_atr * x.atr:
                return leave(11)
            return trail(position.highest_high - p.trail_atr * x.atr)
        if bar.close >= x.middle_band:
            return leave(12)
        if x.rsi > p.rsi_high:
            return leave(13)
        return hold()
    above = bar.close > x.kama + p.entry_atr * x.atr
    was_above = x.previous_close > x.previous_kama + p.entry_atr * x.previous_atr
    if above and not was_above:
        if p.mode == REVERSION_ONLY:
            return hold(23)
        if x.regime != STRONG_TREND:
            return hold(21)
        return enter(p.trail_atr * x.atr, p.trend_risk, 1, TREND)
    if x.rsi < p.rsi_low and bar.low <= x.lower_band:
        if p.mode == TREND_ONLY:
            return hold(24)
        if x.regime != MEAN_REVERSION:
            return hold(22)
        return enter(p.reversion_stop * bar.close, p.reversion_risk, 2, REVERSION)
    return hold()
