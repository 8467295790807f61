"""What is assumed of fills where a bar does not tell: the lane's constants of ``execution.*``."""

from typing import NamedTuple

from .decorator import kernel

OPEN, CLOSE = 0.0, 1.0
STOP_FIRST, TARGET_FIRST, PATH = 0.0, 1.0, 2.0
GOLDEN = 0.6180339887498949  # seeds turn the draw of a bar by multiples of it: always elsewhere

CODES = {
    "timing": {"open": OPEN, "close": CLOSE},
    "intrabar": {"stop_first": STOP_FIRST, "target_first": TARGET_FIRST, "path": PATH},
    "limit_fill": {"through": 0.0, "touch": 1.0},
    "limit_gap": {"open": 0.0, "limit": 1.0},
}


class Execution(NamedTuple):
    """Assumptions of a lane."""

    timing: float  # OPEN or CLOSE: of market orders
    intrabar: float  # STOP_FIRST, TARGET_FIRST or PATH
    limit_fill: float  # 1: touching the limit is enough
    limit_gap: float  # 1: a limit order never gets a better price than its own
    participation: float  # of a bar's volume; infinity: no cap
    delay_bars: float
    missed_fills: float  # share of bars
    seed: float


@kernel
def misses(draw: float, execution: Execution) -> bool:
    """Whether a bar misses fills: its draw in [0, 1), turned by the lane's seed, is below the share."""
    turned = draw + execution.seed * GOLDEN
    return turned - int(turned) < execution.missed_fills
