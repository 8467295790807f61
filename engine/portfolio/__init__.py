"""A portfolio of models: their targets netted into one weight per symbol, capped, ordered and explained.

Each `Model` has a budget, a fraction of the whole (NAV), and speaks in fractions of it. ``net`` turns
targets into weights, stage by stage (``kernels.netting`` says how), ``orders`` weights into quantities,
``performance`` shows what each model earned, and ``explain`` tells where a position comes from.

Time: a target of bar t may use everything up to the close of t; the weight of t is held from that close and
earns the move to the next one. Rows of targets, prices and regimes need not be the same: a model that is
silent on a bar keeps its last target, and the regime of a bar is the last one known by then.

Two settings follow regimes. A state is named as configuration names it (``equity_bear``), while it holds a
budget is multiplied, and other caps may apply beside the usual ones; where several match, the smallest
applies, for caps limit by limit.
"""

from .earnings import Performance, performance
from .explanation import Explanation, explain
from .quantities import orders
from .regimes import regime_flags
from .settings import NO_CAPS, PLATFORM_CAPS, PORTFOLIO, STOCK_CAPS, Caps, Model
from .weights import attribution_at, net

__all__ = [
    "NO_CAPS",
    "PLATFORM_CAPS",
    "PORTFOLIO",
    "STOCK_CAPS",
    "Caps",
    "Explanation",
    "Model",
    "Performance",
    "attribution_at",
    "explain",
    "net",
    "orders",
    "performance",
    "regime_flags",
]
