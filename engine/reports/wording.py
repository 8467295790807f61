"""What results are called and how a setup reads in words."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ..config import Execution
from ..risk_rules import risk_rules
from . import formats
from .ranking import Spread


class MetricWords(NamedTuple):
    """How a metric is called and written."""

    label: str
    kind: str  # "percent", "ratio", "amount" or "count"; the page's scripts know the same four
    is_signed: bool = False  # above zero is a gain, below it a loss


METRIC_WORDS = {
    "sharpe_ratio": MetricWords("Sharpe ratio", "ratio", True),
    "sharpe_ratio_rf0": MetricWords("Sharpe ratio against 0%", "ratio", True),
    "sortino_ratio": MetricWords("Sortino ratio", "ratio", True),
    "total_return": MetricWords("Total return", "percent", True),
    "max_drawdown": MetricWords("Max drawdown", "percent"),
    "win_rate": MetricWords("Win rate", "percent"),
    "profit_factor": MetricWords("Profit factor", "ratio"),
    "n_trades": MetricWords("Trades", "count"),
    "exposure": MetricWords("Time in the market", "percent"),
    "costs_paid": MetricWords("Costs paid", "amount"),
    "final_equity": MetricWords("Final equity", "amount"),
}

DISCLAIMER = (
    "Trading loses money: most people who trade lose. What happened in the past, and all the more what "
    "happened in a generated market, says nothing about the future. This is a calculation, not advice."
)


def metric_words(name: str) -> MetricWords:
    """Words of a metric; a metric that we do not know keeps its name."""
    return METRIC_WORDS.get(name, MetricWords(name.replace("_", " "), "ratio"))


def metric_text(name: str, value: float) -> str:
    """A metric's value as people read it."""
    kind = metric_words(name).kind
    if kind == "percent":
        return formats.percent(value, sign=name == "total_return")
    if kind == "amount":
        return formats.amount(value)
    return formats.count(value) if kind == "count" else formats.ratio(value)


def spread_sentence(spread: Spread, rank_by: str) -> str:
    """The best of a sweep beside all that it was picked from."""
    label = metric_words(rank_by).label
    if not spread.n_defined:
        return (
            f"{formats.plural(spread.n_trials, 'trial')} looked at; the {label} is undefined on all of them."
        )
    best, p90, median = (metric_text(rank_by, value) for value in (spread.best, spread.p90, spread.median))
    if spread.n_trials == 1:
        return f"One trial looked at: {label} {best}."
    undefined = spread.n_trials - spread.n_defined
    left_out = f" ({formats.count(undefined)} undefined)" if undefined else ""
    return (
        f"{formats.plural(spread.n_trials, 'trial')} looked at{left_out}. {label}: best {best}, "
        f"90th percentile {p90}, median {median}. "
        f"The best of {formats.count(spread.n_trials)} is partly luck: some of its lead is chance, "
        "and only bars that none of them has seen can tell how much."
    )


def costs_words(text: str) -> str:
    """Costs as one sentence, from their JSON."""
    costs = _settings(text)
    parts = []
    if per_share := costs.pop("commission_per_share", 0.0):
        parts.append(f"commission {per_share:g} per share")
    if per_order := costs.pop("commission_per_order", 0.0):
        parts.append(f"commission {per_order:g} per execution")
    if rate := costs.pop("commission_rate", 0.0):
        parts.append(f"commission {_basis_points(rate)} of the value")
    if slippage := costs.pop("slippage", 0.0):
        parts.append(f"slippage {_basis_points(slippage)} of the price on each market order and stop")
    impact, participation = costs.pop("impact", 0.0), costs.pop("impact_participation", 1.0)
    if impact:
        large = formats.percent(participation, digits=0)
        told = f"{_basis_points(impact)} more for orders above {large} of the mean volume"
        if costs.get("impact_model") == "square_root":
            told = f"{_basis_points(impact)} more at {large} of the mean volume, else by the square root"
        parts.append(told)
    costs.pop("impact_model", None)
    if borrowed := costs.pop("borrow_rate", 0.0):
        parts.append(f"what is sold short costs {borrowed * 100:g}% of its value a year")
    return "; ".join(parts + _others(costs)) or "none: every figure is before costs"


def risk_words(text: str) -> str:
    """Limits and interest as one sentence, from their JSON."""
    risk = _settings(text)
    parts = []
    if "max_position" in risk and "max_deployed" in risk:
        one, everything = (f"{risk.pop(name) * 100:g}%" for name in ("max_position", "max_deployed"))
        parts.append(f"at most {one} of equity in one position, {everything} in all")
    if "cash_rate" in risk:
        parts.append(f"idle cash earns {risk.pop('cash_rate') * 100:g}% a year")
    if "risk_free_rate" in risk:
        parts.append(f"Sharpe and Sortino compare with {risk.pop('risk_free_rate') * 100:g}% a year")
    if "sizing" in risk:  # a whole profile: what it switches on
        rules = risk_rules({name: value for name, value in risk.items() if value is not None})
        told = [rule.text.rstrip(".") for rule in rules if rule.name not in ("max_position", "max_deployed")]
        return "; ".join([*parts, *(f"{text[0].lower()}{text[1:]}" for text in told)])
    return "; ".join(parts + _others(risk)) or UNSAID


def execution_words(text: str) -> str:
    """Assumptions about fills that are not the usual ones, from their JSON."""
    usual = msgspec.to_builtins(Execution())
    other = {name: value for name, value in _settings(text).items() if value != usual.get(name)}
    return "; ".join(_others(other)) or "as usual: the next open, the stop before the target"


UNSAID = "not recorded"


def _settings(text: str) -> dict[str, Any]:
    found = json.loads(text) if text else {}
    return dict(found) if isinstance(found, Mapping) else {}


def _others(settings: Mapping[str, Any]) -> list[str]:
    """Settings that have no sentence of their own."""
    return [f"{name.replace('_', ' ')} {formats.setting(value)}" for name, value in settings.items()]


def _basis_points(fraction: float) -> str:
    points = fraction * 1e4
    return f"{points:.6g} basis point{'' if points == 1.0 else 's'}"
