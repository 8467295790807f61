"""What a run is made of: a rule, its market's clock, costs, limits and money, checked together once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from ..kernels.mark import per_session
from ..kernels.types import FloatArray
from .config import Costs, Risk, load_costs, load_risk
from .errors import ConfigError, ParameterError
from .market import SESSIONS_PER_YEAR
from .strategy import Feature, Strategy, load_strategy
from .timeframe import DAY_NS, timeframe_ns


@dataclass(frozen=True)
class Setup:
    """Everything about a run but its trials and its bars."""

    strategy: Strategy
    params: Mapping[str, float]  # of the strategy, all of them; a sweep's axes override
    timeframe: str  # of the bars that orders fill on
    decision_timeframe: str
    costs: Costs
    risk: Risk
    initial_cash: float
    delay_s: float  # from a decision to the start of the first bar that may fill it
    sessions_per_year: int

    @property
    def every_bar(self) -> bool:
        """Whether the rule decides on the very bars that orders fill on."""
        return self.decision_timeframe == self.timeframe

    @property
    def calendar(self) -> str:
        """Calendar whose hours features may read."""
        return "24/7" if self.sessions_per_year == SESSIONS_PER_YEAR["24/7"] else "XNYS"

    @property
    def delay_ns(self) -> int:
        """Delay in force: none where decisions and fills share their bars."""
        return 0 if self.every_bar else round(self.delay_s * 1e9)

    @property
    def bar_ns(self) -> int:
        """Length of a fine bar."""
        return timeframe_ns(self.timeframe)

    def coarse_ns(self, timeframe: str) -> int:
        """Length of a coarse bar for the resampler; 0 stands for one session."""
        length = timeframe_ns(timeframe)
        return 0 if length == DAY_NS else length

    def provenance(self) -> dict[str, Any]:
        """The setup as plain attributes of a result."""
        return {
            "strategy": self.strategy.name,
            "strategy_path": "" if self.strategy.is_builtin else str(self.strategy.path),
            "params": msgspec.json.encode(self.params).decode(),
            "timeframe": self.timeframe,
            "decision_timeframe": self.decision_timeframe,
            "costs": msgspec.json.encode(self.costs).decode(),
            "risk": msgspec.json.encode(self.risk).decode(),
            "initial_cash": self.initial_cash,
            "delay_s": self.delay_s,
            "sessions_per_year": self.sessions_per_year,
        }


def make_setup(
    strategy: str | Path | Strategy,
    *,
    timeframe: str,
    sessions_per_year: int,
    params: Mapping[str, Any] | None = None,
    asset_class: str = "equity",
    decision_timeframe: str | None = None,
    costs: Costs | str | Path | Mapping[str, Any] | None = None,
    risk: Risk | str | Path | Mapping[str, Any] | None = None,
    initial_cash: float = 100_000.0,
    delay_s: float = 60.0,
) -> Setup:
    """Load and check what a run is made of.

    Raises
    ------
    ConfigError, ParameterError
        If a number is outside its bounds, or the decision timeframe is shorter than the bars.
    """
    loaded = load_strategy(strategy)
    decision = decision_timeframe or timeframe
    if timeframe_ns(decision) < timeframe_ns(timeframe):
        raise ConfigError(
            f"`decision_timeframe` was {decision!r}, but the market has {timeframe!r} bars; "
            f"it must be {timeframe!r} or longer"
        )
    for name, feature in loaded.features.items():
        _check_timeframes(name, feature, timeframe)
    if not (np.isfinite(initial_cash) and initial_cash > 0.0):
        raise ConfigError(f"`initial_cash` was {initial_cash!r}, must be a positive amount")
    if not (np.isfinite(delay_s) and 0.0 <= delay_s <= 86_400.0):
        raise ConfigError(f"`delay_s` was {delay_s!r}, must lie in [0, 86400] seconds")
    _check_delay(delay_s, timeframe, decision)
    default_costs = "crypto" if asset_class == "crypto" else "us_equity"
    return Setup(
        strategy=loaded,
        params=loaded.check_params(params or {}),
        timeframe=timeframe,
        decision_timeframe=decision,
        costs=costs if isinstance(costs, Costs) else load_costs(default_costs if costs is None else costs),
        risk=risk if isinstance(risk, Risk) else load_risk("retail" if risk is None else risk),
        initial_cash=float(initial_cash),
        delay_s=float(delay_s),
        sessions_per_year=int(sessions_per_year),
    )


def market_setup(strategy: str | Path | Strategy, market: xr.Dataset, **settings: Any) -> Setup:
    """`make_setup` with what a market cube says of itself."""
    return make_setup(
        strategy,
        timeframe=market.attrs["timeframe"],
        sessions_per_year=market.attrs["sessions_per_year"],
        asset_class=str(market["asset_class"].values[0]),
        **settings,
    )


def _check_delay(delay_s: float, timeframe: str, decision: str) -> None:
    """A decision re-times the orders that wait: one that comes before the delay is over would starve them."""
    length = timeframe_ns(decision)
    longest = (length - timeframe_ns(timeframe)) / 1e9
    if decision != timeframe and length < DAY_NS and delay_s > longest:
        raise ConfigError(
            f"`delay_s` was {delay_s:g}, must be at most {longest:g} s for decisions every {decision} "
            f"on {timeframe} bars: the order would still wait when the next decision is made"
        )


def _check_timeframes(name: str, feature: Feature, timeframe: str) -> None:
    if feature.timeframe is not None and timeframe_ns(feature.timeframe) < timeframe_ns(timeframe):
        raise ConfigError(
            f"feature `{name}` needs {feature.timeframe!r} bars, but the market has {timeframe!r} bars"
        )
    for source in feature.sources:
        if isinstance(source, Feature):
            _check_timeframes(name, source, timeframe)


def lane_constants(setup: Setup, swept: Mapping[str, FloatArray], n_trials: int) -> dict[str, FloatArray]:
    """Every constant of the lanes but ``risk.lots``, one array per field, swept or not.

    Annual rates become rates per session here.
    """
    values: dict[str, Any] = dict(setup.params)
    values |= {f"costs.{name}": getattr(setup.costs, name) for name in setup.costs.__struct_fields__}
    values |= {f"risk.{name}": getattr(setup.risk, name) for name in setup.risk.__struct_fields__}
    unknown = set(swept) - set(values)
    if unknown:
        raise ParameterError(
            f"unknown parameter(s) {', '.join(sorted(unknown))}; there are {', '.join(values)}"
        )
    full = {
        name: np.array(swept[name] if name in swept else np.full(n_trials, value), dtype=np.float64)
        for name, value in values.items()
    }
    for annual, name in (
        ("costs.borrow_rate", "costs.borrow_rate"),
        ("risk.cash_rate", "risk.cash_rate"),
        ("risk.risk_free_rate", "risk.risk_free"),
    ):
        rates = full.pop(annual)
        full[name] = np.array([per_session(rate, setup.sessions_per_year) for rate in rates])
    return full


def lots_per_unit(lot_size: float) -> float:
    """Lots in one unit: 1 for whole shares, 1e8 for coins in steps of 1e-8, 0.01 for boards of 100."""
    lots = 1.0 / lot_size
    whole = float(round(lots))
    # 1 / 1e-8 may miss 1e8 by an ulp; a lot of 0.3 or of 100 units is not a whole number of anything.
    return whole if abs(lots - whole) <= 1e-9 * lots else lots
