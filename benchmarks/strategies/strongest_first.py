"""Above its mean by some ATRs: the strongest symbol is bought first, where all share one account."""

from fluxhero.engine.strategy import Feature, Param, enter, hold, leave, scored, trail

PARAMS = {"entry_atr": Param(0.5, 0.1, 5.0, "ATR", "distance above and below the mean")}
FEATURES = {
    "mean": Feature("sma", lookback=50),
    "atr": Feature("atr", lookback=14),
    "strength": Feature("rsi", lookback=14),
}
REASONS = {1: "above the mean", 2: "below the mean"}


def decide(bar, x, p, position):
    distance = 2.5 * x.atr
    if position.qty > 0.0:
        if bar.close < x.mean - p.entry_atr * x.atr:
            return leave(2)
        return trail(position.highest_high - distance)
    if bar.close > x.mean + p.entry_atr * x.atr:
        return scored(enter(distance, 0.01, 1), x.strength)
    return hold()
