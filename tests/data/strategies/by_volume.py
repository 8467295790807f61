"""A rule that does what volume says.

777 enters, 444 sells short, 888 leaves, 999 trails, 555 enters without a stop.
"""

from fluxhero.engine.strategy import Param, enter, enter_short, hold, leave, trail

PARAMS = {
    "distance": Param(2.0, 0.0, 1e9, "of price", "of the protective stop"),
    "risk": Param(0.01, 0.0, 1.0, "of equity"),
    "trail_to": Param(0.0, 0.0, 1e9, "price"),
}
REASONS = {1: "told to enter", 2: "told to leave", 3: "told to sell short"}
MODES = {7: "seven"}


def decide(bar, x, p, position):
    if bar.volume == 777.0:
        return enter(p.distance, p.risk, 1, 7)
    if bar.volume == 444.0:
        return enter_short(p.distance, p.risk, 3, 7)
    if bar.volume == 555.0:
        return enter(0.0, p.risk, 1)
    if bar.volume == 888.0:
        return leave(2)
    if bar.volume == 999.0:
        return trail(p.trail_to)
    return hold()
