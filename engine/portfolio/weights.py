"""Targets of models netted into one weight per symbol, stage by stage."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...kernels.netting import (
    ASSET,
    CAPS,
    CLASS,
    EACH,
    GROSS,
    NO_GROUP,
    SECTOR,
    STAGES,
    CapRule,
    cap_limits,
    netting,
)
from ...kernels.types import FloatArray, IntArray
from ..checked import did_you_mean
from ..errors import ConfigError, DataError, ParameterError
from .regimes import Regimes, budget_block, budget_factors, regime_flags, state_column
from .settings import Caps, Model, checked_caps, checked_models
from .tables import Groups, Table, by_symbol, group_labels, group_members, target_block


def net(
    models: Sequence[Model | Mapping[str, Any]],
    targets: Mapping[str, Table] | xr.DataArray,
    caps: Caps | Mapping[str, Any],
    *,
    classes: Groups | None = None,
    sectors: Groups | None = None,
    regimes: Regimes | None = None,
    regime_budgets: Mapping[str, float | Mapping[str, float]] | None = None,
    regime_caps: Mapping[str, Caps | Mapping[str, Any]] | None = None,
    current: Mapping[str, float] | None = None,
    before: xr.Dataset | None = None,
    allow_leverage: bool = False,
) -> xr.Dataset:
    """Net the targets of several models into weights, and cap these.

    Parameters
    ----------
    models : sequence of Model
        Budgets may add up to 1 at most, unless `allow_leverage`.
    targets : mapping of model to table, or DataArray with the dims time, model and symbol
        Wanted weights, signed fractions of the model's budget. A table has a row per time and a column per
        symbol (DataFrame), or the dims time and symbol (DataArray). Times are UTC; those of all models are
        merged. NaN: no opinion on this bar, the last one stays; 0 before the first.
    caps : Caps
        ``NO_CAPS``, ``PLATFORM_CAPS``, ``STOCK_CAPS`` or your own.
    classes, sectors : mapping of symbol to name, optional
        Needed where `caps` limits them, with an entry for each symbol; None says that it belongs to none.
    regimes : DataFrame, Series or MarketStates, optional
        Columns of true and false, named like the states of `regime_budgets`; or of text, where the state is
        called ``<column>_<text>`` (a Series without a name: as its text).
    regime_budgets : mapping of state to factor in [0, 1], or to a mapping of model to factor, optional
        Multiplies budgets while the state holds; where several match, the smallest applies.
    regime_caps : mapping of state to Caps, optional
        Apply beside `caps` while the state holds: the smallest of each limit.
    current : mapping of symbol to weight, optional
        Weights held before the first bar, for its deltas. Default none.
    before : Dataset, optional
        What ``net`` returned for the bars before: targets that hold and weights go on from there.
    allow_leverage : bool
        Whether budgets may add up to more than 1.

    Returns
    -------
    Dataset
        ``weight`` (time, stage, symbol), fractions of NAV; stages are models (netted, before caps), asset,
        class, sector and gross (final). ``scale``, same dims: product of the caps' factors so far.
        ``target`` (time, model, symbol): what holds, in fractions of the model's budget. ``attribution``
        (time, model, symbol): adds up to the final weight. ``budget`` (time, model): after regimes. ``delta``
        (time, symbol): final weight less that of the bar before. ``limit`` (limit_set, cap, symbol): limit
        of the symbol's group, in the set that ``limit_set_idx`` (time) tells. ``regime`` (time, state).
        Row t uses rows up to t only.

    Raises
    ------
    ConfigError
        If models, caps or settings are not possible, or do not fit each other.
    DataError
        If targets are unordered, infinite, absurdly large, or name unknown models or symbols.

    Examples
    --------
    >>> models = [Model(name=name, budget=budget) for name, budget in zip("abc", (0.6, 0.25, 0.15))]
    >>> wanted = pd.DataFrame({"SPY": [1.0]}, index=pd.DatetimeIndex(["2024-01-02 21:00"]))
    >>> result = net(models, dict.fromkeys("abc", wanted), Caps(asset=0.4))
    >>> result["weight"].sel(symbol="SPY", stage=["models", "asset"]).values
    array([[1. , 0.4]])
    >>> from fluxhero.engine.portfolio import explain
    >>> print(explain(result, "SPY", "2024-01-02 21:00").sentences[-1])
    The weight is made of 24% from a, 10% from b, 6% from c.
    """
    known = checked_models(models, allow_leverage)
    names = [model.name for model in known]
    target, times, symbols = target_block(known, targets)
    base = checked_caps(caps, ("caps",))
    flags = regime_flags(regimes, times)
    factors = budget_factors(known, regime_budgets)
    budget = budget_block(known, factors, flags)
    members = {
        CLASS: group_members("classes", classes, symbols),
        SECTOR: group_members("sectors", sectors, symbols),
    }
    extra = {
        state: checked_caps(value, ("regime_caps", state)) for state, value in (regime_caps or {}).items()
    }
    group, limits, cap_set = _limits(base, extra, symbols, members, flags)
    state = _last_targets(before, names, symbols, times)
    netted = netting(target, budget, group, limits, cap_set=cap_set, state=state)
    final = netted.weight[:, -1]
    first = _first_weights(current, before, symbols)
    delta = np.diff(final, axis=0, prepend=first[None])
    # A symbol without a group has no limit of that kind.
    per_symbol = np.where(
        group[None] >= 0, np.take_along_axis(limits, np.maximum(group, 0)[None], axis=2), np.inf
    )
    by_model, by_stage = ("time", "model", "symbol"), ("time", "stage", "symbol")
    used = [*dict.fromkeys([*factors, *extra])]
    return xr.Dataset(
        {
            "weight": (by_stage, netted.weight),
            "scale": (by_stage, netted.scale),
            "target": (by_model, netted.target),
            "attribution": (by_model, netted.attribution),
            "budget": (("time", "model"), budget),
            "delta": (("time", "symbol"), delta),
            "limit": (("limit_set", "cap", "symbol"), per_symbol),
            "limit_set_idx": (("time",), cap_set),
            "regime": (("time", "state"), flags[used].to_numpy(bool)),
        },
        coords={
            "time": times,
            "stage": list(STAGES),
            "model": names,
            "symbol": symbols,
            "cap": list(CAPS),
            "state": np.array(used, dtype=np.str_),
            "asset_class": ("symbol", group_labels(members[CLASS], symbols)),
            "sector": ("symbol", group_labels(members[SECTOR], symbols)),
            "full_budget": ("model", [model.budget for model in known]),
        },
        attrs={"regime_budgets": json.dumps(factors)},
    )


def attribution_at(result: xr.Dataset, stage: str) -> xr.DataArray:
    """Each model's part of the weights after one stage; adds up to ``result["weight"]`` of that stage.

    Raises
    ------
    ParameterError
        If there is no such stage.
    """
    if stage not in STAGES:
        raise ParameterError(f"`stage` was {stage!r}; {did_you_mean(str(stage), list(STAGES))}")
    scale = result["scale"].sel(stage=stage, drop=True)
    part = result["budget"] * result["target"] * scale
    return part.transpose("time", "model", "symbol").rename("attribution")


def _limits(
    base: Caps,
    extra: dict[str, Caps],
    symbols: list[str],
    members: dict[int, dict[str, str | None] | None],
    flags: pd.DataFrame,
) -> tuple[IntArray, FloatArray, IntArray]:
    """Groups of the symbols, sets of limits, and the set of each bar."""
    for key, caps in {
        "caps": base,
        **{f"regime_caps.{state}": caps for state, caps in extra.items()},
    }.items():
        for symbol in caps.assets:
            if symbol not in symbols:
                raise ConfigError(
                    f"`{key}.assets.{symbol}` is no symbol of `targets`; {did_you_mean(symbol, symbols)}"
                )
        for kind, names, limits in (
            (CLASS, "classes", (caps.asset_class, *caps.classes.values())),
            (SECTOR, "sectors", (caps.sector, *caps.sectors.values())),
        ):
            if members[kind] is None and any(limit is not None for limit in limits):
                raise ConfigError(
                    f"`{key}` limits {names} but `{names}` was not given: symbol -> name, or None"
                )
    every = [base, *extra.values()]
    labels: dict[int, list[str]] = {
        ASSET: symbols,
        CLASS: _group_names(members[CLASS], [name for caps in every for name in caps.classes]),
        SECTOR: _group_names(members[SECTOR], [name for caps in every for name in caps.sectors]),
        GROSS: ["all"],
    }
    group = np.full((len(CAPS), len(symbols)), NO_GROUP, np.int64)
    group[ASSET], group[GROSS] = np.arange(len(symbols)), 0
    for kind in (CLASS, SECTOR):
        position = {name: i for i, name in enumerate(labels[kind])}
        group[kind] = [position.get((members[kind] or {}).get(symbol) or "", NO_GROUP) for symbol in symbols]
    counts = [len(labels[kind]) for kind in range(len(CAPS))]
    table = [cap_limits(_rules(caps, labels), counts) for caps in every]
    holds = np.array([state_column(flags, ("regime_caps", state)) for state in extra]).reshape(
        len(extra), len(flags)
    )
    combinations, cap_set = np.unique(holds.T, axis=0, return_inverse=True)
    sets = [
        np.minimum.reduce([table[0], *(limit for limit, is_on in zip(table[1:], row, strict=True) if is_on)])
        for row in combinations
    ]
    return group, np.stack(sets), cap_set.reshape(-1).astype(np.int64)


def _group_names(members: dict[str, str | None] | None, limited: list[str]) -> list[str]:
    return sorted({name for name in (members or {}).values() if name} | set(limited))


def _rules(caps: Caps, names: dict[int, list[str]]) -> list[CapRule]:
    rules = []
    for kind, each, own in (
        (ASSET, caps.asset, caps.assets),
        (CLASS, caps.asset_class, caps.classes),
        (SECTOR, caps.sector, caps.sectors),
        (GROSS, caps.gross, {}),
    ):
        if each is not None:
            rules.append(CapRule(kind, EACH, each))
        rules += [CapRule(kind, names[kind].index(name), limit) for name, limit in own.items()]
    return rules


def _last_targets(
    before: xr.Dataset | None, names: list[str], symbols: list[str], times: pd.DatetimeIndex
) -> FloatArray:
    """Targets that hold before the first bar."""
    if before is None:
        return np.zeros((len(names), len(symbols)))
    for dim, known in (("model", names), ("symbol", symbols)):
        if [str(label) for label in before[dim].values] != known:
            raise DataError(f"`before` has other labels of {dim}, or another order, than `targets`")
    if before["time"].values[-1] >= times[0].to_datetime64():
        raise DataError(f"`before` ends at {before['time'].values[-1]}, must end before {times[0]}")
    last: FloatArray = before["target"].transpose("time", "model", "symbol").values[-1].copy()
    return last


def _first_weights(
    current: Mapping[str, float] | None, before: xr.Dataset | None, symbols: list[str]
) -> FloatArray:
    """Weights held before the first bar: what the caller says, else where the bars before ended."""
    if current is None and before is not None:
        last: FloatArray = before["weight"].sel(stage=STAGES[-1]).transpose("time", "symbol").values[-1]
        return last
    return by_symbol("current", current, symbols)
