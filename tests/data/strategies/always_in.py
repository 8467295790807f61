"""Always in the market, with a stop so tight that it is often hit; asks for what it cannot have, too."""

from fluxhero.engine.strategy import Param, enter, leave, trail

PARAMS = {
    "stop": Param(0.01, 0.0, 0.9, "of price"),
    "risk": Param(0.05, 0.0001, 1.0, "of equity"),
    "target": Param(0.05, 0.0, 10.0, "of price"),
}

REASONS = {1: "in", 2: "target reached", 3: "nothing to leave", 4: "nothing to trail"}

MODES = {7: "always"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if bar.close > position.entry_price * (1.0 + p.target):
            return leave(2)
        if position.highest_high > position.entry_price * (1.0 + 0.5 * p.target):
            return trail(position.entry_price, 0)
    elif bar.close < bar.open * (1.0 - 2.0 * p.stop):
        if bar.volume > 1000.0:
            return leave(3)
        return trail(bar.close, 4)
    return enter(p.stop * bar.close, p.risk, 1, 7)
