"""A rule that sends one order of any kind when volume says so: 777 sends it, 888 leaves.

Prices and distances of zero are left out; without a stop distance the entry is unprotected.
"""

from fluxhero.engine.strategy import (
    Param,
    at_limit,
    at_stop,
    enter,
    enter_short,
    good_for_day,
    hold,
    leave,
    unprotected,
    with_target,
    with_trailing,
)

PARAMS = {
    "side": Param(1.0, -1.0, 1.0, "", "+1 buys, -1 sells short"),
    "limit": Param(0.0, 0.0, 1e9, "price"),
    "trigger": Param(0.0, 0.0, 1e9, "price"),
    "stop": Param(0.0, 0.0, 1e9, "of price", "distance"),
    "target": Param(0.0, 0.0, 1e9, "of price", "distance"),
    "trailing": Param(0.0, 0.0, 1e9, "of price", "distance"),
    "risk": Param(0.01, 0.0, 1.0, "of equity"),
    "day": Param(0.0, 0.0, 1.0, "", "1: good for the day"),
}
REASONS = {1: "told to enter", 2: "told to leave"}


def decide(bar, x, p, position):
    if bar.volume == 888.0:
        return leave(2)
    if bar.volume != 777.0:
        return hold()
    entry = enter(p.stop, p.risk, 1)
    if p.side < 0.0:
        entry = enter_short(p.stop, p.risk, 1)
    if p.stop == 0.0:
        entry = unprotected(entry)
    if p.limit > 0.0:
        entry = at_limit(entry, p.limit)
    if p.trigger > 0.0:
        entry = at_stop(entry, p.trigger)
    if p.target > 0.0:
        entry = with_target(entry, p.target)
    if p.trailing > 0.0:
        entry = with_trailing(entry, p.trailing)
    if p.day > 0.0:
        entry = good_for_day(entry)
    return entry
