"""Buys once with everything and holds: the yardstick of a total return. No bar reaches its stop."""

from fluxhero.engine.strategy import enter, hold

REASONS = {1: "in"}


def decide(bar, x, p, position):
    if position.qty == 0.0:
        return enter(4.0 * bar.close, 8.0, 1)
    return hold()
