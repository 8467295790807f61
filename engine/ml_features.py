"""Features for models that learn: some seventy, of each kind a few, none with the scale of a price.

They are plain `Feature`s, for a strategy's FEATURES or for ``feature_cube``. Everything is a ratio, a rank, a
z-score, an angle or a count, so that symbols and years can be learnt from together. A value uses bars up to
its own close only. Which of them help is for a model's validation to say, not for this list.
"""

from .strategy import Feature


def _above(mean: Feature) -> Feature:
    return Feature("distance", on=("close", mean))


def _of_close(feature: Feature) -> Feature:
    return Feature("ratio", on=(feature, "close"))


_RETURN = Feature("log_return", lookback=1)

RETURNS = {f"return_{n}": Feature("log_return", lookback=n) for n in (1, 2, 3, 5, 10, 20, 60)}

TREND = {
    "above_sma_10": _above(Feature("sma", lookback=10)),
    "above_sma_20": _above(Feature("sma", lookback=20)),
    "above_sma_50": _above(Feature("sma", lookback=50)),
    "above_sma_200": _above(Feature("sma", lookback=200)),
    "above_ema_12": _above(Feature("ema", lookback=12)),
    "above_ema_26": _above(Feature("ema", lookback=26)),
    "above_kama_10": _above(Feature("kama", lookback=10)),
    "macd": _of_close(Feature("macd")),
    "macd_histogram": _of_close(Feature("macd", output="histogram")),
    "slope_20": _of_close(Feature("slope", lookback=20)),
    "r_squared_50": Feature("linear_regression", output="r_squared", lookback=50),
    "adx_14": Feature("adx", lookback=14),
    "plus_di_14": Feature("adx", output="plus_di", lookback=14),
    "minus_di_14": Feature("adx", output="minus_di", lookback=14),
    "efficiency_ratio_10": Feature("efficiency_ratio", lookback=10),
    "efficiency_ratio_30": Feature("efficiency_ratio", lookback=30),
}

OSCILLATORS = {
    "rsi_2": Feature("rsi", lookback=2),
    "rsi_14": Feature("rsi", lookback=14),
    "stochastic_k": Feature("stochastic", output="k"),
    "stochastic_d": Feature("stochastic", output="d"),
    "channel_position_50": Feature("stochastic", output="k", lookback=50, smooth_k=1, smooth_d=1),
    "williams_r_14": Feature("williams_r", lookback=14),
    "cci_20": Feature("cci", lookback=20),
    "mfi_14": Feature("mfi", lookback=14),
}

VOLATILITY = {
    "normalised_atr_14": Feature("normalised_atr", lookback=14),
    "range_to_atr": Feature("ratio", on=(Feature("true_range"), Feature("atr", lookback=14))),
    "realised_volatility_10": Feature("realised_volatility", lookback=10),
    "realised_volatility_20": Feature("realised_volatility", lookback=20),
    "realised_volatility_60": Feature("realised_volatility", lookback=60),
    "volatility_trend": Feature(
        "ratio",
        on=(Feature("realised_volatility", lookback=10), Feature("realised_volatility", lookback=60)),
    ),
    "parkinson_20": Feature("parkinson", lookback=20),
    "garman_klass_20": Feature("garman_klass", lookback=20),
    "rogers_satchell_20": Feature("rogers_satchell", lookback=20),
    "yang_zhang_20": Feature("yang_zhang", lookback=20),
    "skewness_60": Feature("skewness", on=_RETURN, lookback=60),
    "kurtosis_60": Feature("kurtosis", on=_RETURN, lookback=60),
    "spread_estimate_20": Feature("corwin_schultz", lookback=20),
}

PLACE = {  # of the newest value among the last ones
    "z_score_20": Feature("z_score", lookback=20),
    "z_score_60": Feature("z_score", lookback=60),
    "rank_20": Feature("rolling_rank", lookback=20),
    "rank_60": Feature("rolling_rank", lookback=60),
    "return_z_score_20": Feature("z_score", on=_RETURN, lookback=20),
    "return_rank_60": Feature("rolling_rank", on=_RETURN, lookback=60),
    "autocorrelation_20": Feature(
        "correlation", on=(_RETURN, Feature("previous", on=_RETURN, bars=1)), lookback=20
    ),
}

CANDLE = {
    f"candle_{output}": Feature("candle", output=output)
    for output in ("body", "direction", "upper_wick", "lower_wick", "close_location", "range_fraction")
} | {"gap": Feature("gap")}

VOLUME = {
    "relative_volume_20": Feature("relative_volume", lookback=20),
    "volume_z_score_20": Feature("z_score", on="volume", lookback=20),
    "volume_rank_60": Feature("rolling_rank", on="volume", lookback=60),
    "chaikin_money_flow_20": Feature("chaikin_money_flow", lookback=20),
    "obv_slope_20": Feature(
        "ratio",
        on=(Feature("slope", on=Feature("obv"), lookback=20), Feature("sma", on="volume", lookback=20)),
    ),
    "price_volume_correlation_20": Feature("correlation", on=("close", "volume"), lookback=20),
    "above_vwap": _above(Feature("vwap")),
    "above_rolling_vwap_14": _above(Feature("rolling_vwap", lookback=14)),
}

CALENDAR = {
    "minutes_since_open": Feature("session_clock", output="minutes_since_open"),
    "minutes_to_close": Feature("session_clock", output="minutes_to_close"),
    "session_fraction": Feature("session_clock", output="session_fraction"),
    "time_of_day_sine": Feature("time_of_day", output="sine"),
    "time_of_day_cosine": Feature("time_of_day", output="cosine"),
    "weekday": Feature("calendar_day", output="weekday"),
    "day_of_month": Feature("calendar_day", output="day_of_month"),
    "month": Feature("calendar_day", output="month"),
    "is_month_end": Feature("calendar_day", output="is_month_end"),
}

_TREND_INPUTS = (TREND["adx_14"], TREND["r_squared_50"])
_VOLATILITY_INPUTS = (
    Feature("atr", lookback=14),
    Feature("sma", on=Feature("atr", lookback=14), lookback=50),
)

REGIMES = {
    "regime": Feature("regime", on=_TREND_INPUTS),
    "bars_in_regime": Feature("regime", output="bars_in_state", on=_TREND_INPUTS),
    "volatility_regime": Feature("volatility_regime", on=_VOLATILITY_INPUTS),
}

ML_FEATURES: dict[str, Feature] = {
    **RETURNS,
    **TREND,
    **OSCILLATORS,
    **VOLATILITY,
    **PLACE,
    **CANDLE,
    **VOLUME,
    **CALENDAR,
    **REGIMES,
}
