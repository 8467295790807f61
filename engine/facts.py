"""What sizing needs to know of a symbol beside what its rule reads: features under names of their own."""

from collections.abc import Mapping

from .setup import Setup
from .strategy import Feature

VOLATILITY_SESSIONS = 20


def fact_features(setup: Setup, names: tuple[str, ...]) -> Mapping[str, Feature]:
    """Features of the facts that a variant reads, in its order."""
    known = {
        "atr": Feature("atr", lookback=14),
        "volatility": Feature(
            "realised_volatility",
            lookback=VOLATILITY_SESSIONS,
            bars_per_year=setup.sessions_per_year,
            timeframe="1d",
        ),
    }
    return {f"fact: {name}": known[name] for name in names}


def is_fact(name: str) -> bool:
    """Whether a column of a feature graph is a fact."""
    return name.startswith("fact: ")
