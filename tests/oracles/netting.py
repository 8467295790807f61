"""A portfolio of models by hand: exact fractions, names instead of positions, units instead of weights."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fluxhero.kernels.types import FloatArray

ORDER = ("asset", "class", "sector", "gross")


class ExactBar(NamedTuple):
    """One bar: weight per stage and symbol, and parts of it per stage, model and symbol."""

    weights: list[list[Fraction]]
    parts: list[list[list[Fraction]]]


def netting_oracle(
    target: FloatArray,
    budget: FloatArray,
    members: Mapping[str, Sequence[str | None]],
    limits: Mapping[str, Mapping[str, float]],
) -> list[ExactBar]:
    """Weights of each bar.

    Parameters
    ----------
    target : ndarray, shape (n_bars, n_models, n_symbols)
    budget : ndarray, shape (n_bars, n_models)
    members : mapping of cap to the group of each symbol
    limits : mapping of cap to limits by group; a group without one is not limited
    """
    n_bars, n_models, n_symbols = target.shape
    opinion = [[Fraction(0)] * n_symbols for _ in range(n_models)]
    bars = []
    for t in range(n_bars):
        for m in range(n_models):
            for s in range(n_symbols):
                if math.isfinite(target[t, m, s]):
                    opinion[m][s] = Fraction(target[t, m, s])
        parts = [[Fraction(budget[t, m]) * wanted for wanted in opinion[m]] for m in range(n_models)]
        stages = [parts]
        for cap in ORDER:
            stages.append(_capped(stages[-1], members[cap], limits.get(cap, {})))
        weights = [
            [sum((row[s] for row in stage), Fraction(0)) for s in range(n_symbols)] for stage in stages
        ]
        bars.append(ExactBar(weights, stages))
    return bars


def _capped(
    parts: list[list[Fraction]], members: Sequence[str | None], limits: Mapping[str, float]
) -> list[list[Fraction]]:
    gross: dict[str, Fraction] = {}
    for s, name in enumerate(members):
        if name is not None:
            gross[name] = gross.get(name, Fraction(0)) + abs(sum((row[s] for row in parts), Fraction(0)))
    factors = [Fraction(1)] * len(members)
    for s, name in enumerate(members):
        if name in limits and gross[name] > Fraction(limits[name]):
            factors[s] = Fraction(limits[name]) / gross[name]
    return [[part * factor for part, factor in zip(row, factors, strict=True)] for row in parts]


def order_oracle(weight: float, equity: float, price: float, position: float, lots: int) -> Fraction:
    """Units to order, with numbers taken as the decimals that a person wrote."""
    wanted = Fraction(str(weight)) * Fraction(str(equity)) / Fraction(str(price))
    target = math.trunc(wanted * lots)
    return Fraction(math.trunc(target - Fraction(str(position)) * lots), lots)


def earnings_oracle(
    attribution: FloatArray, price: FloatArray, cost_rate: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Equity per bar, and profit and cost per bar and model, by units of each model and money.

    A position is made at a bar's close so that it is the wanted fraction of the equity that is left after the
    bar's costs. Costs are those of the fraction of the equity before costs that is traded net.
    """
    n_bars, n_models, n_symbols = attribution.shape
    units = np.zeros((n_models, n_symbols))
    mark = np.full(n_symbols, np.nan)
    equity, values, profits, costs = 1.0, [], [], []
    for t in range(n_bars):
        profit = np.zeros(n_models)
        for s in range(n_symbols):
            if price[t, s] > 0.0:
                if mark[s] > 0.0:
                    profit += units[:, s] * (price[t, s] - mark[s])
                mark[s] = price[t, s]
        equity += profit.sum()
        cost = np.zeros(n_models)
        trades = {}
        for s in range(n_symbols):
            if price[t, s] > 0.0:
                trade = attribution[t, :, s] - units[:, s] * mark[s] / equity
                trades[s] = trade
                if np.abs(trade).sum() > 0.0:
                    share = np.abs(trade) / np.abs(trade).sum()
                    cost += cost_rate * equity * abs(trade.sum()) * share
        equity -= cost.sum()
        for s in trades:
            units[:, s] = attribution[t, :, s] * equity / mark[s]
        values.append(equity)
        profits.append(profit - cost)
        costs.append(cost)
    return np.array(values), np.array(profits), np.array(costs)
