"""What a run is made of: a rule, its market's clock, costs, limits and money, checked together once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from .config import Costs, Execution, Risk, load_costs, load_execution, load_risk
from .errors import ConfigError, ParameterError
from .market import SESSIONS_PER_YEAR, series_names
from .series import require_series
from .strategy import Feature, Series, Strategy, load_strategy
from .timeframe import DAY_NS, timeframe_ns


@dataclass(frozen=True)
class Setup:
    """Everything about a run but its trials and its bars."""

    strategy: Strategy
    params: Mapping[str, float]  # of the strategy, all of them; a sweep's axes override
    timeframe: str  # of the bars that orders fill on
    decision_timeframe: str
    costs: Costs
    execution: Execution
    risk: Risk
    account: str  # "own": one per symbol; "shared": one for all
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
            "execution": msgspec.json.encode(self.execution).decode(),
            "risk": msgspec.json.encode(self.risk).decode(),
            "account": self.account,
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
    execution: Execution | str | Path | Mapping[str, Any] | None = None,
    risk: Risk | str | Path | Mapping[str, Any] | None = None,
    account: str = "own",
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
    if not (_is_number(initial_cash) and initial_cash > 0.0):
        raise ConfigError(f"`initial_cash` was {initial_cash!r}, must be a positive amount")
    if not (_is_number(delay_s) and 0.0 <= delay_s <= 86_400.0):
        raise ConfigError(f"`delay_s` was {delay_s!r}, must lie in [0, 86400] seconds")
    _check_delay(delay_s, timeframe, decision)
    if params is not None and not isinstance(params, Mapping):
        raise ParameterError(f"`params` was {params!r}, must map names of parameters to values")
    if account not in ("own", "shared"):
        raise ConfigError(
            f"`account` was {account!r}, must be 'own' (one per symbol) or 'shared' (one for all)"
        )
    default_costs = "crypto" if asset_class == "crypto" else "us_equity"
    return Setup(
        strategy=loaded,
        params=loaded.check_params(params or {}),
        timeframe=timeframe,
        decision_timeframe=decision,
        costs=costs if isinstance(costs, Costs) else load_costs(default_costs if costs is None else costs),
        execution=load_execution(Execution() if execution is None else execution),
        risk=risk if isinstance(risk, Risk) else load_risk("retail" if risk is None else risk),
        account=account,
        initial_cash=float(initial_cash),
        delay_s=float(delay_s),
        sessions_per_year=int(sessions_per_year),
    )


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_real and bool(np.isfinite(value))


def market_setup(strategy: str | Path | Strategy, market: xr.Dataset, **settings: Any) -> Setup:
    """`make_setup` with what a market cube says of itself; it must have the series that the rule reads."""
    strategy = load_strategy(strategy)
    require_series(strategy, series_names(market))
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


def _check_timeframes(name: str, feature: Feature | Series, timeframe: str) -> None:
    if feature.timeframe is not None and timeframe_ns(feature.timeframe) < timeframe_ns(timeframe):
        raise ConfigError(
            f"feature `{name}` needs {feature.timeframe!r} bars, but the market has {timeframe!r} bars"
        )
    for source in feature.sources:
        if not isinstance(source, str):
            _check_timeframes(name, source, timeframe)
