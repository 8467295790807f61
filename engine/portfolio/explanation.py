"""Where a position comes from: a table and sentences."""

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ...kernels.netting import (
    ASSET,
    CAPS,
    CLASS,
    GROSS,
    STAGES,
)
from ..checked import did_you_mean
from ..errors import NotFoundError
from .settings import PORTFOLIO, percent
from .tables import naive_utc


class Explanation(NamedTuple):
    """Where a position comes from."""

    table: pd.DataFrame  # a row per model and one for all; see ``explain``
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences, one per line."""
        return "\n".join(self.sentences)


def explain(result: xr.Dataset, symbol: str, time: Any) -> Explanation:
    """Tell which models make up a position, what they wanted, and what each cap left of it.

    Parameters
    ----------
    result : Dataset
        From ``net``.
    symbol : str
    time : time
        UTC; the bar is the last one at or before it, whose weight holds until the next.

    Returns
    -------
    Explanation
        ``table`` has a row per model and one for all, called portfolio: ``budget`` (after regimes),
        ``target_weight`` (fraction of it; NaN for all), and the part of the weight at each stage: ``models``,
        ``asset``, ``class``, ``sector``, ``gross``. Each column of a stage adds up to its last row.

    Raises
    ------
    NotFoundError
        If there is no such symbol, or no bar at or before the time.
    """
    symbols = [str(name) for name in result["symbol"].values]
    if symbol not in symbols:
        raise NotFoundError(f"`symbol` was {symbol!r}; {did_you_mean(str(symbol), symbols)}")
    times = result["time"].values
    asked = naive_utc(pd.DatetimeIndex([time]))[0]
    t = int(np.searchsorted(times, asked.to_datetime64(), side="right")) - 1
    if t < 0:
        raise NotFoundError(
            f"there is no bar at or before {asked} UTC; the first is {pd.Timestamp(times[0])} UTC"
        )
    bar = result.isel(time=t)
    here = bar.sel(symbol=symbol)
    names = [str(name) for name in result["model"].values]
    part = (here["budget"] * here["target"]).values[:, None] * here["scale"].values[None, :]
    table = pd.DataFrame(part, index=pd.Index(names, name="model"), columns=list(STAGES))
    table.insert(0, "target_weight", here["target"].values)
    table.insert(0, "budget", here["budget"].values)
    table.loc[PORTFOLIO] = [table["budget"].sum(), np.nan, *here["weight"].values]
    stamp = pd.Timestamp(times[t]).strftime("%Y-%m-%d %H:%M")
    final = float(here["weight"].values[-1])
    sentences = [
        f"{symbol} has a weight of {percent(final)} of NAV from {stamp} UTC on; "
        f"it changes by {percent(float(here['delta']), signed=True)}.",
        *_budget_sentences(bar),
        *_model_sentences(table.iloc[:-1]),
        *_cap_sentences(bar, symbol),
    ]
    shares = [
        f"{percent(row)} from {name}" for name, row in table[STAGES[-1]].iloc[:-1].items() if row != 0.0
    ]
    if shares:
        sentences.append(f"The weight is made of {', '.join(shares)}.")
    return Explanation(table, tuple(sentences))


def _budget_sentences(bar: xr.Dataset) -> list[str]:
    """What regimes do to budgets on a bar."""
    factors = json.loads(bar.attrs["regime_budgets"])
    holding = [str(state) for state in bar["state"].values[bar["regime"].values]]
    sentences = []
    for label, full, budget in zip(
        bar["model"].values, bar["full_budget"].values, bar["budget"].values, strict=True
    ):
        if budget < full:
            own = {state: factors.get(state, {}).get(str(label), 1.0) for state in holding}
            sentences.append(
                f"The budget of {label} is {percent(budget)} instead of {percent(full)} "
                f"while {min(own, key=own.__getitem__)} holds."
            )
    return sentences


def _model_sentences(table: pd.DataFrame) -> list[str]:
    """What each model wants, and what crossing leaves."""
    sentences = [
        f"{name} wants {percent(row.target_weight)} of its budget of {percent(row.budget)}: "
        f"{percent(row.models)} of NAV."
        for name, row in table.iterrows()
        if row.target_weight != 0.0
    ]
    if not sentences:
        return ["No model wants any."]
    parts = table["models"]
    long, short = float(parts[parts > 0.0].sum()), float(-parts[parts < 0.0].sum())
    if long > 0.0 and short > 0.0:
        crossed = min(long, short)
        sentences.append(
            f"{percent(long)} long and {percent(short)} short meet: {percent(crossed)} cross inside."
        )
    return sentences


def _cap_sentences(bar: xr.Dataset, symbol: str) -> list[str]:
    """What each cap that binds does to a symbol."""
    here = bar.sel(symbol=symbol)
    scale, weight = here["scale"].values, here["weight"].values
    limits = bar["limit"].isel(limit_set=int(bar["limit_set_idx"])).sel(symbol=symbol).values
    sentences = []
    for kind, cap in enumerate(CAPS):
        if scale[kind + 1] == scale[kind]:
            continue
        limit, change = (
            percent(float(limits[kind])),
            f"from {percent(weight[kind])} to {percent(weight[kind + 1])}",
        )
        if kind == ASSET:
            sentences.append(f"The cap per asset, {limit}, takes it {change}.")
            continue
        before = np.abs(bar["weight"].values[kind])
        if kind == GROSS:
            gross, what = float(before.sum()), "Gross leverage"
        else:
            labels = bar["asset_class" if kind == CLASS else "sector"]
            label = str(labels.sel(symbol=symbol).values)
            gross, what = float(before[labels.values == label].sum()), f"The {cap} {label}"
        sentences.append(f"{what} is {percent(gross)}, over its cap of {limit}: that takes it {change}.")
    return sentences or ["No cap changes it."]
