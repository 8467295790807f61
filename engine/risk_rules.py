"""A risk profile as a list of typed rules, in the order in which they act.

SPEC 5.2: limits are data. A decision first gets its stop, then its size, then the caps of position, class,
sector and account, and breakers stand above all (``kernels/README.md``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .config import Risk, load_risk

Kind = Literal["stop", "size", "per symbol", "per position", "per class", "per sector", "account", "breaker"]
Unit = Literal["share", "count", "multiple"]


@dataclass(frozen=True)
class RiskRule:
    """One rule of a profile."""

    name: str  # the setting
    kind: Kind
    value: float  # NaN where it has none
    unit: Unit
    text: str  # what it does, one sentence

    def to_dict(self) -> dict[str, Any]:
        """The rule for programs; no number is None."""
        return vars(self) | {"value": None if np.isnan(self.value) else self.value}


def risk_rules(risk: Risk | str | Path | Mapping[str, Any] = "retail") -> list[RiskRule]:
    """The rules that a profile switches on, in the order of precedence; what it leaves out is not listed.

    Parameters
    ----------
    risk : Risk, str, path or mapping
        A profile, its name, a YAML file, or settings that may have a ``base``.

    Raises
    ------
    ConfigError
        If there is no such profile, or a setting is outside its bounds.

    Examples
    --------
    >>> [rule.name for rule in risk_rules("platform")]
    ['sizing', 'max_position', 'max_crypto', 'max_deployed', 'drawdown_reduce']
    """
    profile = load_risk(risk)
    rules = [make(profile) for make in _MAKERS]
    return [rule for rule in rules if rule is not None]


def _percent(share: float) -> str:
    return f"{share * 100.0:g}%"


def _some(n: int, word: str, words: str = "") -> str:
    return f"{n} {word if n == 1 else words or word + 's'}"


def _stop_atr(risk: Risk) -> RiskRule | None:
    if risk.stop_atr is None:
        return None
    text = f"An entry that brings no stop gets one {risk.stop_atr:g} ATR(14) away."
    return RiskRule("stop_atr", "stop", risk.stop_atr, "multiple", text)


def _max_stop(risk: Risk) -> RiskRule | None:
    if risk.max_stop is None:
        return None
    text = f"An entry whose stop is further than {_percent(risk.max_stop)} of the price away is denied."
    return RiskRule("max_stop", "stop", risk.max_stop, "share", text)


def _sizing(risk: Risk) -> RiskRule:
    sizes: dict[str, tuple[float, str]] = {
        "stop": (np.nan, "A stop-out costs the share of equity that the rule asks to risk."),
        "fraction": (risk.fraction, f"Each position is {_percent(risk.fraction)} of equity."),
        "equal": (
            risk.max_deployed / (risk.max_positions or 1),
            f"Each position is {_percent(risk.max_deployed)} of equity over {risk.max_positions}.",
        ),
        "volatility": (
            risk.target_volatility,
            f"Each position moves equity by {_percent(risk.target_volatility)} a year.",
        ),
        "kelly": (risk.kelly_share, f"Each position is {_percent(risk.kelly_share)} of Kelly's fraction."),
    }
    value, text = sizes[risk.sizing]
    return RiskRule("sizing", "size", value, "share", text)


def _correlation(risk: Risk) -> RiskRule | None:
    if risk.correlation_above is None:
        return None
    text = (
        f"Beside an open position that correlates above {risk.correlation_above:g}, a new one is "
        f"{_percent(risk.correlation_size)} of its size (in an account that symbols share)."
    )
    return RiskRule("correlation_above", "size", risk.correlation_above, "multiple", text)


def _max_trades(risk: Risk) -> RiskRule | None:
    if risk.max_trades is None:
        return None
    text = f"At most {_some(risk.max_trades, 'entry', 'entries')} a session and symbol."
    return RiskRule("max_trades", "per symbol", float(risk.max_trades), "count", text)


def _share_of_equity(name: str, kind: Kind, text: str) -> Callable[[Risk], RiskRule | None]:
    """A rule that caps a share of equity; `text` has room for the number."""

    def make(risk: Risk) -> RiskRule | None:
        share = getattr(risk, name)
        if share is None:
            return None
        return RiskRule(name, kind, float(share), "share", text.format(_percent(share)))

    return make


def _max_positions(risk: Risk) -> RiskRule | None:
    if risk.max_positions is None:
        return None
    text = f"At most {_some(risk.max_positions, 'position')} in an account, entries that wait included."
    return RiskRule("max_positions", "account", float(risk.max_positions), "count", text)


def _drawdown_reduce(risk: Risk) -> RiskRule | None:
    if risk.drawdown_reduce is None:
        return None
    text = (
        f"From a fall of {_percent(risk.drawdown_reduce)} below the peak on, sizes are "
        f"{_percent(risk.drawdown_size)} and stop distances {_percent(risk.drawdown_stop)} of their own."
    )
    return RiskRule("drawdown_reduce", "breaker", risk.drawdown_reduce, "share", text)


def _drawdown_halt(risk: Risk) -> RiskRule | None:
    if risk.drawdown_halt is None:
        return None
    how_long = (
        "to the end, or until a person resumes"
        if risk.halt_sessions is None
        else f"for {_some(risk.halt_sessions, 'session')}"
    )
    text = f"A fall of {_percent(risk.drawdown_halt)} below the peak closes everything, {how_long}."
    return RiskRule("drawdown_halt", "breaker", risk.drawdown_halt, "share", text)


_MAKERS: tuple[Callable[[Risk], RiskRule | None], ...] = (
    _stop_atr,
    _max_stop,
    _sizing,
    _correlation,
    _max_trades,
    _share_of_equity("max_position", "per position", "A position is at most {} of equity."),
    _share_of_equity("max_crypto", "per class", "All positions in coins are at most {} of equity."),
    _share_of_equity("max_sector", "per sector", "All positions of a sector are at most {} of equity."),
    _max_positions,
    _share_of_equity("max_open_risk", "account", "If all stops were hit, at most {} of equity is lost."),
    _share_of_equity("max_deployed", "account", "All positions are at most {} of equity."),
    _drawdown_reduce,
    _drawdown_halt,
    _share_of_equity(
        "daily_loss", "breaker", "A loss of {} in a session closes everything until the next session."
    ),
)
