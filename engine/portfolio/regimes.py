"""States of the market as a portfolio of models sees them, and the budgets that follow them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ...kernels.types import BoolArray, FloatArray, IntArray
from ..checked import SettingError, build, did_you_mean
from ..errors import DataError
from ..market_state import MarketStates
from .settings import Factor, Model
from .tables import as_times

# What the codes of the market's state mean, as configuration writes them after the input's name.
REGIME_WORDS = {
    "equity": {-1: "bear", 0: "neutral", 1: "bull"},
    "volatility": {-1: "low", 0: "normal", 1: "high"},
    "crypto": {-1: "risk_off", 0: "neutral", 1: "risk_on"},
    "macro": {-1: "recession", 0: "slowdown", 1: "expansion"},
}

Regimes: TypeAlias = pd.DataFrame | pd.Series | MarketStates


def regime_flags(regimes: Regimes | None, times: Any) -> pd.DataFrame:
    """Which named states hold at each time, by the last row at or before it.

    Parameters
    ----------
    regimes : DataFrame, Series or MarketStates, or None
        As for ``net``. Missing text is no state; before the first row there is none either.
    times : times, shape (n_times,), UTC

    Returns
    -------
    DataFrame of bool
        A column per state. States of a text column that never occur have none; ``attrs["prefixes"]`` tells
        how their names would begin.

    Raises
    ------
    DataError
        If rows are unordered, or a column holds neither true and false nor text.
    """
    at = as_times(times, "times")
    if regimes is None:
        flags = pd.DataFrame(index=at)
        flags.attrs["prefixes"] = []
        return flags
    table, is_named = _regime_table(regimes)
    rows = np.searchsorted(as_times(table.index, "regimes").values, at.values, side="right") - 1
    columns: dict[str, BoolArray] = {}
    prefixes = []
    for position, column in enumerate(table.columns):
        values = table.iloc[:, position]
        present = values[values.notna()]
        if pd.api.types.is_bool_dtype(values) or (len(present) and all(type(v) is bool for v in present)):
            columns[str(column)] = _as_of(values.eq(True).to_numpy(bool), rows)
            continue
        if not all(isinstance(value, str) for value in present):
            raise DataError(
                f"`regimes` column {column!r} holds {present.tolist()[0]!r}; "
                "states are true or false, or text"
            )
        prefix = f"{column}_" if is_named else ""
        prefixes.append(prefix)
        for word in dict.fromkeys(present):
            columns[prefix + word] = _as_of(values.eq(word).fillna(False).to_numpy(bool), rows)
    flags = pd.DataFrame(columns, index=at)
    flags.attrs["prefixes"] = prefixes
    return flags


def budget_factors(
    models: list[Model], settings: Mapping[str, float | Mapping[str, float]] | None
) -> dict[str, dict[str, float]]:
    """Factor of each state and model, checked."""
    names = [model.name for model in models]
    factors: dict[str, dict[str, float]] = {}
    for state, setting in (settings or {}).items():
        key = ("regime_budgets", str(state))
        if not isinstance(setting, Mapping):
            factors[state] = dict.fromkeys(names, build(Factor, setting, key))
            continue
        for name in setting:
            if name not in names:
                raise SettingError((*key, str(name)), f"is no model; {did_you_mean(str(name), names)}")
        factors[state] = {name: build(Factor, value, (*key, name)) for name, value in setting.items()}
    return factors


def budget_block(
    models: list[Model], factors: dict[str, dict[str, float]], flags: pd.DataFrame
) -> FloatArray:
    """Budget per bar and model: the smallest factor of the states that hold."""
    lowest = np.ones((len(flags), len(models)))
    for state, own in factors.items():
        holds = state_column(flags, ("regime_budgets", state))
        for m, model in enumerate(models):
            factor = np.where(holds, own.get(model.name, 1.0), 1.0)
            lowest[:, m] = np.minimum(lowest[:, m], factor)
    found: FloatArray = lowest * np.array([model.budget for model in models])
    return found


def state_column(flags: pd.DataFrame, key: tuple[str, ...]) -> BoolArray:
    """When a state of the configuration holds; a text column may know states that have not occurred yet."""
    state = key[-1]
    if state not in flags.columns:
        if not any(state.startswith(prefix) for prefix in flags.attrs["prefixes"]):
            known = did_you_mean(state, [str(name) for name in flags.columns]) if len(flags.columns) else ""
            raise SettingError(key, f"is no state of `regimes`; {known or 'there are none'}")
        flags[state] = False
    found: BoolArray = flags[state].to_numpy(bool)
    return found


def _regime_table(regimes: Regimes) -> tuple[pd.DataFrame, bool]:
    """Regimes as columns, and whether a column's name belongs to the names of its states."""
    if isinstance(regimes, MarketStates):
        index = pd.DatetimeIndex(np.asarray(regimes.time_ns).view("datetime64[ns]"))
        columns = {
            name: pd.Series(getattr(regimes, name), index=index).map(words)
            for name, words in REGIME_WORDS.items()
        }
        return pd.DataFrame(columns), True
    if isinstance(regimes, pd.Series):
        return regimes.to_frame(
            regimes.name if regimes.name is not None else "regime"
        ), regimes.name is not None
    if isinstance(regimes, pd.DataFrame):
        return regimes, True
    raise DataError(
        f"`regimes` was a {type(regimes).__name__}, must be a DataFrame, a Series or MarketStates"
    )


def _as_of(values: BoolArray, rows: IntArray) -> BoolArray:
    if not values.size:
        return np.zeros(rows.size, dtype=bool)
    found: BoolArray = np.where(rows >= 0, values[np.maximum(rows, 0)], False)
    return found
