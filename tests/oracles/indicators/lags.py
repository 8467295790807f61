"""Values of earlier bars."""

from .facts import NAN, PRICE, Facts, Outputs, Series


def previous_oracle(values: Series, bars: int) -> Outputs:
    return ([values[t - bars] if t >= bars else NAN for t in range(len(values))],)


FACTS = {"previous": Facts(previous_oracle, [(1,), (2,), (17,)], flat={"previous": PRICE})}
