"""Two moving averages and a stop that trails the close."""

from fluxhero.engine.strategy import Feature, Param, enter, hold, leave, trail

PARAMS = {
    "fast": Param(3, 1, 100, "bars"),
    "slow": Param(8, 2, 200, "bars"),
    "stop_atr": Param(2.0, 0.05, 20.0, "ATR"),
    "risk": Param(0.02, 0.0001, 0.5, "of equity"),
}

FEATURES = {
    "fast_mean": Feature("sma", lookback="fast"),
    "slow_mean": Feature("sma", lookback="slow"),
    "range": Feature("atr", lookback=5),
}

REASONS = {1: "fast mean above slow mean", 2: "fast mean below slow mean", 3: "trailed"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if x.fast_mean < x.slow_mean:
            return leave(2)
        return trail(bar.close - p.stop_atr * x.range, 3)
    if x.fast_mean > x.slow_mean:
        return enter(p.stop_atr * x.range, p.risk, 1)
    return hold()
