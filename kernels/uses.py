"""What a compiled loop can do: constants where kernels are compiled in, so that the rest costs nothing."""

from typing import NamedTuple


class Uses(NamedTuple):
    """Each is known before compilation: from the words of a rule, or from the settings of a run."""

    shorts: bool = False  # the rule may sell short, or reads what is kept for shorts
    resting: bool = False  # limit, stop or stop-limit entries, orders for a day, `cancel`
    targets: bool = False
    trailing: bool = False
    weights: bool = False  # the rule says how much to hold: positions grow and shrink
    unprotected: bool = False  # entries may waive their stop
    counted: bool = False  # entries of a session are counted
    working: bool = False  # an order may act on other bars than the first that it could
    capped: bool = False  # fills take a share of the bar's volume at most
    missed: bool = False  # some bars miss fills
    at_close: bool = False  # market orders may fill at the close
    timing: bool = False  # ... or at the open, lane by lane
    halts: bool = False  # losses may stop trading
    resumes: bool = False  # ... for some sessions, or until a person resumes: then the peak is a new one
    ticks: bool = False  # prices of orders are rounded
