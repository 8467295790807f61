"""Reading an address: what several routes find there in the same way. Pages, parts, axes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from ..problems import Problem
from ..service import Service

if TYPE_CHECKING:
    from ..views import Part

AppService = NamedDependency[Service]

Limit = Annotated[int, QueryParameter(ge=1, le=1_000, description="items on a page")]
Page = Annotated[int, QueryParameter(ge=1, le=1_000_000, description="which page; the first is 1")]
Points = Annotated[
    int,
    QueryParameter(
        ge=4, le=20_000, description="most points of the equity curve; no low or high is lost by thinning"
    ),
]
Parts = Annotated[
    str | None,
    QueryParameter(
        description="which of equity, trades, orders, fills, decisions, with commas; default: all"
    ),
]

AXIS_PREFIX = "axis."  # for an axis that has the name of something else in the address


def read_parts(text: str | None) -> "tuple[Part, ...]":
    """The parts of a run that are asked for."""
    from ..views import PARTS

    if text is None:
        return PARTS
    wanted = text.split(",")
    for name in wanted:
        if name not in PARTS:
            raise Problem(400, f"`parts` was {text!r}, must be some of {', '.join(PARTS)}", "parts")
    return tuple(part for part in PARTS if part in wanted)


def read_axes(request: Request[Any, Any, Any], own: Sequence[str]) -> dict[str, str]:
    """Values of axes in an address: everything there that is not a name of the route's own.

    ``axis.symbol=...`` is the axis `symbol` even where the route has a parameter of that name.
    """
    held: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in own:
            continue
        axis = name.removeprefix(AXIS_PREFIX)
        if axis in held:
            raise Problem(400, f"axis `{axis}` stands in the address twice", axis)
        held[axis] = value
    return held
