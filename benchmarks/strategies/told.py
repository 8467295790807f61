"""A rule that does what it is told: the volume of a bar is its signal.

For running the same signals through several backtesters. 1 buys, 2 leaves a long, 3 sells short, 4 leaves a
short; anything else says nothing. With `opposite_closes` an entry of the other side closes the position.
The stop lies far beyond every price; 1,024 is a power of two, so that it drops out of the size without a
rounding: what is bought is worth `risk` of equity, or what the limits leave of it.
"""

from fluxhero.engine.strategy import Param, enter, enter_short, hold, leave

FAR = 1024.0

PARAMS = {
    "risk": Param(2.0, 0.001, 2.0, "of equity", "value of an entry before limits"),
    "opposite_closes": Param(0, 0, 1, "", "an entry of the other side closes", choices={"no": 0, "yes": 1}),
}

REASONS = {1: "told to buy", 2: "told to leave a long", 3: "told to sell short", 4: "told to leave a short"}


def decide(bar, x, p, position):
    if position.qty > 0.0:
        if bar.volume == 2.0 or (p.opposite_closes == 1.0 and bar.volume == 3.0):
            return leave(2)
    elif position.qty < 0.0:
        if bar.volume == 4.0 or (p.opposite_closes == 1.0 and bar.volume == 1.0):
            return leave(4)
    elif bar.volume == 1.0:
        return enter(FAR * bar.close, FAR * p.risk, 1)
    elif bar.volume == 3.0:
        return enter_short(FAR * bar.close, FAR * p.risk, 3)
    return hold()
