"""Rises above a mean of days: one feature lives on daily bars, whatever the decision timeframe."""

from fluxhero.engine.strategy import Feature, Param, enter, hold, leave, trail

PARAMS = {
    "days": Param(2, 1, 100, "days"),
    "lookback": Param(4, 1, 100, "bars"),
    "stop_days": Param(0.5, 0.01, 10.0, "daily ATR"),
    "risk": Param(0.02, 0.0001, 0.5, "of equity"),
}

FEATURES = {
    "daily_mean": Feature("sma", lookback="days", timeframe="1d"),
    "daily_range": Feature("atr", lookback=2, timeframe="1d"),
    "mean": Feature("ema", lookback="lookback"),
    "mean_before": Feature("previous", on="mean"),
}

REASONS = {1: "rising above the daily mean", 2: "below the daily mean"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if bar.close < x.daily_mean - p.stop_days * x.daily_range:
            return leave(2)
        return trail(position.highest_high - p.stop_days * x.daily_range)
    if bar.close > x.daily_mean and x.mean > x.mean_before:
        return enter(p.stop_days * x.daily_range, p.risk, 1)
    return hold()
