"""Decides on one clock with features of a shorter one (15 minutes) and of a longer one (4 hours)."""

from fluxhero.engine.strategy import Feature, Param, enter, hold, leave

PARAMS = {
    "short": Param(3, 1, 100, "quarters of an hour"),
    "long": Param(2, 1, 100, "4-hour bars"),
    "stop": Param(2.0, 0.05, 20.0, "ATR of 15 minutes"),
    "risk": Param(0.02, 0.0001, 0.5, "of equity"),
}

FEATURES = {
    "short_mean": Feature("sma", lookback="short", timeframe="15m"),
    "long_mean": Feature("ema", lookback="long", timeframe="4h"),
    "range": Feature("atr", lookback="short", timeframe="15m"),
}

REASONS = {1: "short above long", 2: "short below long"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if x.short_mean < x.long_mean:
            return leave(2)
        return hold()
    if x.short_mean > x.long_mean and bar.close > bar.open:
        return enter(p.stop * x.range, p.risk, 1)
    return hold()
