"""Where each field of a block of lanes lives, and what is compiled into a loop over them.

A block is ``[field, lane]`` in one array: constants, then state, then the features in which its lanes
differ. Where all symbols share one account, what belongs to a symbol (position, order, features, its lots)
is a block of its own, one per symbol, and the rest stays where it is.
"""

from dataclasses import dataclass

from ..kernels.costs import Costs
from ..kernels.execution import Execution
from ..kernels.fills import Symbol
from ..kernels.lane import LANE_RECORDS, OWN_RECORDS
from ..kernels.sizes import Risk
from ..kernels.uses import Uses

CONSTANT_RECORDS = {"costs": Costs, "execution": Execution, "risk": Risk}
FACTS = ("atr", "volatility")  # what sizing may need of a symbol
# Tallies of one bar while symbols are added up.
SCRATCH: tuple[str, ...] = (
    "equity",
    "holds",
    "cash",
    "deployed",
    "open_risk",
    "crypto",
    "sector",
    "positions",
    "best",
    "chosen",
)
SCRATCH += ("correlated", "short_value")


def _names(record: str, kind: type) -> tuple[str, ...]:
    return tuple(f"{record}.{name}" for name in kind._fields)  # type: ignore[attr-defined]


_OWN_STATE = tuple(name for record in OWN_RECORDS for name in _names(record, LANE_RECORDS[record]))
_COMMON_STATE = tuple(
    name
    for record, kind in LANE_RECORDS.items()
    if record not in OWN_RECORDS
    for name in _names(record, kind)
)


@dataclass(frozen=True)
class Layout:
    """Where each field lives: field i of lane k is ``block[i * n_lanes + k]``, or ``own[...]``."""

    n_lanes: int
    params: tuple[str, ...]
    features: tuple[str, ...]
    facts: tuple[str, ...] = ()  # of FACTS, that sizing reads
    shared: bool = False

    @property
    def constants(self) -> tuple[str, ...]:
        """What a run does not change and no symbol differs in: parameters, costs, assumptions, limits."""
        return self.params + tuple(
            name for record, kind in CONSTANT_RECORDS.items() for name in _names(record, kind)
        )

    @property
    def symbol_constants(self) -> tuple[str, ...]:
        """What differs from symbol to symbol."""
        return (*_names("symbol", Symbol), "symbol.is_crypto")

    @property
    def own_fields(self) -> tuple[str, ...]:
        """Fields of a symbol's own block; none where each symbol has its own account."""
        if not self.shared:
            return ()
        return self.symbol_constants + _OWN_STATE + tuple(f"x.{name}" for name in self.features)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the block, in their order."""
        if self.shared:
            return self.constants + _COMMON_STATE + tuple(f"scratch.{name}" for name in SCRATCH)
        features = tuple(f"x.{name}" for name in self.features)
        return self.constants + self.symbol_constants + _OWN_STATE + _COMMON_STATE + features

    @property
    def state(self) -> tuple[str, ...]:
        """State in the block."""
        return _COMMON_STATE if self.shared else _OWN_STATE + _COMMON_STATE

    @property
    def own_state(self) -> tuple[str, ...]:
        """State in a symbol's own block."""
        return _OWN_STATE if self.shared else ()

    @property
    def n_fields(self) -> int:
        """Rows of a block."""
        return len(self.fields)

    def at(self, name: str) -> str:
        """Text that indexes a field of lane ``k``."""
        own = self.own_fields
        if name in own:
            return f"own[{own.index(name) * self.n_lanes} + k]"
        return f"block[{self.fields.index(name) * self.n_lanes} + k]"


NOTHING_MORE = Uses()


@dataclass(frozen=True)
class Variant:
    """What is compiled in."""

    n_lanes: int = 64
    tape: bool = False  # keep every event (one lane)
    venue: bool = False  # fills come from a venue instead of the simulation (one lane)
    shared: bool = False  # one account for all symbols
    ranked: bool = False  # ... in which entries compete by their scores
    sectors: bool = False  # ... with a limit per sector
    correlated: bool = False  # ... with smaller entries beside correlated positions
    facts: tuple[str, ...] = ()
    uses: Uses = NOTHING_MORE
