"""Long after a rise, short after a fall: always in, either way; asks for what it cannot have, too."""

from fluxhero.engine.strategy import Feature, Param, enter, enter_short, leave, trail

PARAMS = {
    "stop": Param(0.01, 0.0, 0.9, "of price"),
    "risk": Param(0.05, 0.0001, 1.0, "of equity"),
    "target": Param(0.05, 0.0, 10.0, "of price"),
    "trail": Param(0.02, 0.0, 0.9, "of price"),
}
FEATURES = {"before": Feature("previous", on="close")}
REASONS = {1: "risen", 2: "fallen", 3: "target of a long", 4: "target of a short", 5: "nothing to trail"}
MODES = {1: "long", 2: "short"}


def sell_short(bar, p):
    return enter_short(p.stop * bar.close, p.risk, 2, 2)


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if bar.close > position.entry_price * (1.0 + p.target):
            return leave(3)
        if bar.close < bar.open * (1.0 - 2.0 * p.stop):
            return sell_short(bar, p)
        return trail(position.highest_high * (1.0 - p.trail))
    if position.qty < 0.0:
        if bar.close < position.entry_price * (1.0 - p.target):
            return leave(4)
        if bar.close > bar.open * (1.0 + 2.0 * p.stop):
            return enter(p.stop * bar.close, p.risk, 1, 1)
        return trail(position.lowest_low * (1.0 + p.trail))
    if bar.close > x.before:
        return enter(p.stop * bar.close, p.risk, 1, 1)
    if bar.close == x.before:
        return trail(bar.close, 5)
    return sell_short(bar, p)
