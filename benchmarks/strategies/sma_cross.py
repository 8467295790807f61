"""Two moving averages: in the market with everything while the fast one is above the slow one.

The rule that every backtester can run, for measuring them side by side. The engine wants a stop; this one
lies a whole price below the entry, where no bar reaches it.
"""

from fluxhero.engine.strategy import Feature, Param, enter, hold, leave

PARAMS = {
    "fast": Param(20, 1, 5_000, "bars", "length of the fast mean"),
    "slow": Param(100, 2, 20_000, "bars", "length of the slow mean"),
}

FEATURES = {
    "fast_mean": Feature("sma", lookback="fast"),
    "slow_mean": Feature("sma", lookback="slow"),
}

REASONS = {1: "fast mean above slow mean", 2: "fast mean below slow mean"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if x.fast_mean < x.slow_mean:
            return leave(2)
    elif x.fast_mean > x.slow_mean:
        return enter(bar.close, 1.0, 1)
    return hold()
