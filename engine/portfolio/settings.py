"""Models and caps as settings, checked once."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..checked import Checked, SettingError, build
from ..errors import ConfigError

_Name = Annotated[str, Meta(min_length=1, description="a name that is not empty")]

_Budget = Annotated[float, Meta(ge=0, le=10, description="a fraction of NAV in [0, 10]")]

_Limit = Annotated[float, Meta(ge=0, le=100, description="a fraction of NAV in [0, 100]")]

_NoLimit = Annotated[_Limit | None, Meta(description="a fraction of NAV in [0, 100], or null for no limit")]

Factor = Annotated[float, Meta(ge=0, le=1, description="a factor in [0, 1]")]

PORTFOLIO = "portfolio"  # what the sum of all models is called in tables
SUM_TOLERANCE = 1e-9  # 0.6 + 0.25 + 0.15 may be a little more than 1


class Model(Checked, frozen=True):
    """One model of the portfolio."""

    name: _Name
    budget: _Budget  # of NAV
    symbols: Annotated[list[_Name] | None, Meta(description="a list of symbols, or null for all")] = None

    def check(self) -> None:
        """Refuse a name that tables need."""
        if self.name == PORTFOLIO:
            raise SettingError(("name",), f"was {self.name!r}, which is what the sum of all models is called")


class Caps(Checked, frozen=True):
    """Largest gross weights, fractions of NAV; what is not set is not limited.

    A value for one asset, class or sector replaces the one for each of them.
    """

    asset: _NoLimit = None  # each
    assets: dict[str, _Limit] = msgspec.field(default_factory=dict)
    asset_class: _NoLimit = None
    classes: dict[str, _Limit] = msgspec.field(default_factory=dict)
    sector: _NoLimit = None
    sectors: dict[str, _Limit] = msgspec.field(default_factory=dict)
    gross: _NoLimit = None


NO_CAPS = Caps()

PLATFORM_CAPS = Caps(asset=0.40, classes={"crypto": 0.20}, gross=1.2)

STOCK_CAPS = Caps(asset=0.05, sector=0.25)


def checked_models(models: Iterable[Model | Mapping[str, Any]], allow_leverage: bool) -> list[Model]:
    known: list[Model] = [build(Model, model, ("models", f"[{i}]")) for i, model in enumerate(models)]
    if not known:
        raise ConfigError("`models` is empty; a portfolio needs one at least")
    names = [model.name for model in known]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"`models` has {twice!r} more than once; names must differ")
    total = sum(model.budget for model in known)
    if total > 1.0 + SUM_TOLERANCE and not allow_leverage:
        told = ", ".join(f"{model.name} {percent(model.budget)}" for model in known)
        raise ConfigError(
            f"budgets add up to {percent(total)} ({told}), must be at most 100%; "
            "or pass `allow_leverage=True`"
        )
    return known


def checked_caps(caps: Caps | Mapping[str, Any], key: tuple[str, ...]) -> Caps:
    checked: Caps = build(Caps, caps, key)
    return checked


def percent(fraction: float, *, signed: bool = False) -> str:
    rounded = round(100.0 * fraction, 2) + 0.0  # no -0
    return f"{rounded:+.10g}%" if signed else f"{rounded:.10g}%"
