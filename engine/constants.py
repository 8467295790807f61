"""From settings to the numbers of lanes: a float per setting, choices as codes, no limit as infinity."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from ..kernels.costs import IMPACT_MODELS
from ..kernels.execution import CODES
from ..kernels.mark import per_session
from ..kernels.sizes import SIZINGS
from ..kernels.types import FloatArray
from .config import Costs, Execution, Risk
from .errors import ConfigError, ParameterError
from .setup import Setup

SETTINGS: dict[str, Any] = {"costs": Costs, "execution": Execution, "risk": Risk}
_CHOICES: dict[str, Mapping[str, float]] = {
    "costs.impact_model": IMPACT_MODELS,
    "risk.sizing": SIZINGS,
    **{f"execution.{name}": codes for name, codes in CODES.items()},
}
# Falls become the level that equity falls to; without the limit nothing falls so far.
_FALLS = frozenset({"risk.drawdown_reduce", "risk.drawdown_halt", "risk.daily_loss"})
_NONE = {"risk.stop_atr": np.nan, "risk.halt_sessions": 0.0}
_MULTIPLIED = (
    "costs.commission_per_share",
    "costs.commission_per_order",
    "costs.commission_rate",
    "costs.slippage",
    "costs.impact",
)
_RATES = {
    "costs.borrow_rate": "costs.borrow_rate",
    "risk.cash_rate": "risk.cash_rate",
    "risk.risk_free_rate": "risk.risk_free",
}
# Settings that are whole numbers.
WHOLE = frozenset({"max_trades", "max_positions", "halt_sessions", "delay_bars", "seed"})
# Settings that are no numbers of a lane: they are in the prices, or in what is multiplied.
COMPILED_IN = frozenset({"execution.tick_rounding"})
_APPLIED = COMPILED_IN | {"execution.cost_multiple"}


def encode(name: str, value: Any) -> float:
    """A checked setting as a number, as an axis holds it.

    Examples
    --------
    >>> encode("execution.intrabar", "path"), encode("risk.daily_loss", 0.03)
    (2.0, 0.03)
    """
    if name in _CHOICES and isinstance(value, str):
        return float(_CHOICES[name][value])
    if value is None:
        return float("nan")
    return float(value)


def is_optional(kind: Any, field: str) -> bool:
    """Whether a setting may be left off."""
    return any(item.name == field and item.default is None for item in msgspec.structs.fields(kind))


def beside(field: str) -> dict[str, Any]:
    """What a value of an axis needs beside it to be checked alone; trials are checked whole later."""
    return {"max_positions": 1} if field == "sizing" else {}


def settings_of(name: str) -> Any:
    """The settings that a dotted name such as ``costs.slippage`` belongs to; None where there are none."""
    kind = SETTINGS.get(name.partition(".")[0])
    field = name.partition(".")[2]
    return kind if kind is not None and field in kind.__struct_fields__ else None


def setting_names() -> list[str]:
    """Every setting that may be an axis."""
    every = [f"{part}.{name}" for part, kind in SETTINGS.items() for name in kind.__struct_fields__]
    return [name for name in every if name not in COMPILED_IN]


def word(name: str, code: float) -> float | str:
    """A choice by its word, any other setting as it is."""
    for text, value in _CHOICES.get(name, {}).items():
        if value == code:
            return text
    return code


def lane_constants(setup: Setup, swept: Mapping[str, FloatArray], n_trials: int) -> dict[str, FloatArray]:
    """Every constant of the lanes but those of a symbol, one array per field, swept or not.

    Annual rates become rates per session here, and the multiple of costs is multiplied.
    """
    values: dict[str, Any] = dict(setup.params)
    for part, kind in SETTINGS.items():
        own = getattr(setup, part)
        values |= {
            f"{part}.{name}": encode(f"{part}.{name}", getattr(own, name)) for name in kind.__struct_fields__
        }
    unknown = set(swept) - set(values)
    if unknown:
        raise ParameterError(
            f"unknown parameter(s) {', '.join(sorted(unknown))}; there are {', '.join(values)}"
        )
    full = {
        name: np.array(swept[name] if name in swept else np.full(n_trials, value), dtype=np.float64)
        for name, value in values.items()
    }
    multiple = full["costs.multiple"] = full["execution.cost_multiple"]
    for name in _MULTIPLIED:
        full[name] = full[name] * multiple
    dearest = float((full["costs.slippage"] + full["costs.impact"] + full["costs.commission_rate"]).max())
    if not dearest < 1.0:
        raise ConfigError(
            f"slippage, impact and commission of the notional come to {dearest:g} of the price "
            "(`execution.cost_multiple` included); they must stay below 1"
        )
    _check_limits(full)
    for name in full:
        if name in _FALLS:
            full[name] = np.where(np.isnan(full[name]), -np.inf, 1.0 - full[name])
        elif name.partition(".")[0] in ("execution", "risk"):
            full[name] = np.where(np.isnan(full[name]), _NONE.get(name, np.inf), full[name])
    for annual, name in _RATES.items():
        rates = full.pop(annual)
        full[name] = np.array([per_session(rate, setup.sessions_per_year) for rate in rates])
    full["costs.borrow_rate"] = full["costs.borrow_rate"] * multiple
    return {name: array for name, array in full.items() if name not in _APPLIED}


def _check_limits(full: Mapping[str, FloatArray]) -> None:
    """Refuse trials whose limits contradict each other."""
    reduce, halt = full["risk.drawdown_reduce"], full["risk.drawdown_halt"]
    if (bad := reduce >= halt).any():
        i = int(bad.argmax())
        raise ConfigError(
            f"`risk.drawdown_reduce` was {reduce[i]:g} in a trial whose `risk.drawdown_halt` is {halt[i]:g}; "
            "it must lie below"
        )
    is_equal = full["risk.sizing"] == SIZINGS["equal"]
    if (is_equal & np.isnan(full["risk.max_positions"])).any():
        raise ConfigError("`risk.max_positions` is missing, and `risk.sizing` equal divides by it")


def replaced(settings: Any, part: str, values: Mapping[str, Any]) -> Any:
    """Settings with the values of a cell in their place, words or codes."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith(f"{part}."):
            field = name.removeprefix(f"{part}.")
            plain = word(name, value) if isinstance(value, float) else value
            if isinstance(plain, float) and np.isnan(plain):
                plain = None  # no such limit
            as_whole = isinstance(plain, float) and plain.is_integer()
            changes[field] = int(plain) if as_whole and field in WHOLE else plain
    return msgspec.convert(msgspec.to_builtins(settings) | changes, type(settings))


def lots_per_unit(lot_size: float) -> float:
    """Lots in one unit: 1 for whole shares, 1e8 for coins in steps of 1e-8, 0.01 for boards of 100."""
    lots = 1.0 / lot_size
    whole = float(round(lots))
    # 1 / 1e-8 may miss 1e8 by an ulp; a lot of 0.3 or of 100 units is not a whole number of anything.
    return whole if abs(lots - whole) <= 1e-9 * lots else lots
