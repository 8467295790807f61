"""From what several models want to one weight per symbol, and from weights to orders.

A model speaks in fractions of its own budget; its contribution to a symbol is budget x target, a fraction of
the whole (NAV). Contributions are summed per symbol, so that opposing ones cross inside and never reach a
market. Then four caps follow in a fixed order: each asset, each class, each sector, gross leverage. A cap
that is exceeded scales every symbol of its group by the same factor; since it only ever makes weights
smaller, what an earlier cap allowed stays allowed.

Attribution is contribution x the factors so far, with its sign. It adds up to the weight after every stage,
because a factor belongs to a symbol and not to a model: of 60% long and 20% short, cut from 40% to 20%,
remain 30% long and 10% short. Where models cancel, the weight is 0 (exactly, whatever the rounding of the
sum) and the contributions remain in view; caps count what is left after crossing.

A target that is not a number is no opinion: the model keeps its last one, or 0 where it never had any. That
memory is the only state of the weights. Bars come first here and not last: a bar is one block of memory.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .decorator import entry, kernel
from .types import FloatArray, IntArray

ASSET, CLASS, SECTOR, GROSS = range(4)  # kinds of caps, in order of precedence
CAPS = ("asset", "class", "sector", "gross")
STAGES = ("models", *CAPS)  # a weight before all caps, and after each
N_CAPS, N_STAGES = len(CAPS), len(STAGES)
EACH = -1  # the group of a rule for every group that has no rule of its own
NO_GROUP = -1

# Targets of this size are no opinion and budgets are refused: no sum of their products is infinite.
MAX_SIZE = 1e100
# A sum of n products, rounded, is off by less than n times this, relative to the sum of their sizes.
SUM_ROUNDING = 4.5e-16
# Closer than this, relatively, to a whole number of lots is that number: 0.4 x 100,000 / 50 is 800 shares.
LOT_ROUNDING = 1e-12


class CapRule(NamedTuple):
    """One limit: gross weight of one group of symbols, or of each."""

    kind: int  # ASSET, CLASS, SECTOR or GROSS
    group: int  # position of the symbol, class or sector; 0 for GROSS; or EACH
    limit: float  # fraction of NAV, >= 0


class Netted(NamedTuple):
    """What ``netting`` returns."""

    target: FloatArray  # (n_bars, n_models, n_symbols) the opinions that hold
    attribution: FloatArray  # (n_bars, n_models, n_symbols) after all caps
    weight: FloatArray  # (n_bars, N_STAGES, n_symbols)
    scale: FloatArray  # (n_bars, N_STAGES, n_symbols) product of the factors so far, in [0, 1]


class OrderState(NamedTuple):
    """An account between bars; arrays that ``orders_run`` carries on in place."""

    position: FloatArray  # (n_symbols,) units, signed
    mark: FloatArray  # (n_symbols,) last known price; NaN before the first
    cash: FloatArray  # (1,) account currency


class OrderRules(NamedTuple):
    """What a venue takes; each an array of the shape (n_symbols,)."""

    lots: FloatArray  # lots per unit: 1 for whole shares, 1e8 for 1e-8 coins
    min_qty: FloatArray  # units
    min_notional: FloatArray  # account currency
    cost_rate: FloatArray  # fraction of the notional


class EarningState(NamedTuple):
    """What is held for each model between bars; arrays that ``earnings_run`` carries on in place."""

    held: FloatArray  # (n_models, n_symbols) fraction of equity, as prices have moved it
    mark: FloatArray  # (n_symbols,) last known price; NaN before the first
    equity: FloatArray  # (1,) begins at 1; 0 or less for good once everything is lost


def cap_limits(rules: Sequence[CapRule], n_groups: Sequence[int]) -> FloatArray:
    """Limit of every group, infinite where there is none.

    Parameters
    ----------
    rules : sequence of CapRule
        A rule for one group replaces the one for each; among several for one group the smallest applies.
    n_groups : sequence of int, one per kind of cap
        Symbols, classes, sectors, and 1 for gross leverage.

    Returns
    -------
    ndarray of float64, shape (N_CAPS, largest of `n_groups`)

    Raises
    ------
    ValueError
        If a kind or a group does not exist, or a limit is negative or NaN.
    """
    limits = np.full((N_CAPS, max(1, *n_groups)), np.inf)
    own = np.full(limits.shape, np.inf)
    for rule in rules:
        if not 0 <= rule.kind < N_CAPS:
            raise ValueError(f"`kind` of a cap was {rule.kind}; known are 0 to {N_CAPS - 1}, for {CAPS}")
        if not EACH <= rule.group < n_groups[rule.kind]:
            raise ValueError(
                f"`group` of a cap per {CAPS[rule.kind]} was {rule.group}, must be -1 (each) to "
                f"{n_groups[rule.kind] - 1}"
            )
        if not rule.limit >= 0.0:
            raise ValueError(f"`limit` of a cap per {CAPS[rule.kind]} was {rule.limit}, must be at least 0")
        where = slice(None) if rule.group == EACH else rule.group
        table = limits if rule.group == EACH else own
        table[rule.kind, where] = np.minimum(table[rule.kind, where], rule.limit)
    return np.where(np.isfinite(own), own, limits)


@kernel
def netting_step(
    last: FloatArray,
    target: FloatArray,
    budget: FloatArray,
    group: IntArray,
    limit: FloatArray,
    gross: FloatArray,
    attribution: FloatArray,
    weight: FloatArray,
    scale: FloatArray,
) -> None:
    """Advance by one bar: update the opinions in `last`, fill `attribution`, `weight` and `scale`.

    `group` has the shape (N_CAPS, n_symbols), `limit` and the room to work in, `gross`, one place per group.
    """
    n_models, n_symbols = target.shape
    for s in range(n_symbols):
        weight[0, s] = 0.0
        scale[0, s] = 0.0
    for m in range(n_models):
        for s in range(n_symbols):
            wanted = target[m, s]
            wanted = wanted if abs(wanted) < MAX_SIZE else last[m, s]  # not so for NaN
            last[m, s] = wanted
            contribution = budget[m] * wanted
            attribution[m, s] = contribution
            weight[0, s] += contribution
            scale[0, s] += abs(contribution)
    for s in range(n_symbols):  # 0.1 + 0.2 - 0.3 is nothing, and must not become an order
        is_cancelled = abs(weight[0, s]) <= n_models * SUM_ROUNDING * scale[0, s]
        weight[0, s] = 0.0 if is_cancelled else weight[0, s]
        scale[0, s] = 1.0
    for kind in range(N_CAPS):
        for g in range(gross.size):
            gross[g] = 0.0
        for s in range(n_symbols):
            g = group[kind, s]
            if g >= 0:
                gross[g] += abs(weight[kind, s])
        for g in range(gross.size):  # from the gross weight of a group to its factor
            gross[g] = limit[kind, g] / gross[g] if gross[g] > limit[kind, g] else 1.0
        for s in range(n_symbols):
            g = group[kind, s]
            factor = gross[g] if g >= 0 else 1.0
            weight[kind + 1, s] = weight[kind, s] * factor
            scale[kind + 1, s] = scale[kind, s] * factor
    for m in range(n_models):
        for s in range(n_symbols):
            attribution[m, s] *= scale[N_CAPS, s]


@entry
def netting_run(
    target: FloatArray,
    budget: FloatArray,
    group: IntArray,
    limits: FloatArray,
    cap_set: IntArray,
    state: FloatArray,
    gross: FloatArray,
    kept: FloatArray,
    attribution: FloatArray,
    weight: FloatArray,
    scale: FloatArray,
) -> None:
    """Drive ``netting_step`` over time, carrying `state` on; for shapes see ``netting``.

    `gross` is room to work in, one place per group; the last four are outputs, as in ``Netted``.
    """
    n_bars, n_models, n_symbols = target.shape
    for t in range(n_bars):
        netting_step(
            state, target[t], budget[t], group, limits[cap_set[t]], gross, attribution[t], weight[t], scale[t]
        )
        for m in range(n_models):
            for s in range(n_symbols):
                kept[t, m, s] = state[m, s]


def netting(
    target: ArrayLike,
    budget: ArrayLike,
    group: ArrayLike,
    limits: ArrayLike,
    *,
    cap_set: ArrayLike | None = None,
    state: FloatArray | None = None,
) -> Netted:
    """Weights of a portfolio of models, after netting and after each cap, with their attribution.

    Parameters
    ----------
    target : array_like, shape (n_bars, n_models, n_symbols)
        Wanted weights, signed fractions of the model's budget. NaN (or infinite, or 1e100 and more): keeps
        its last one.
    budget : array_like, shape (n_models,) or (n_bars, n_models), fraction of NAV, >= 0
    group : array_like of int, shape (N_CAPS, n_symbols)
        For each kind of cap the group that a symbol belongs to, -1 for none. Row ASSET is 0, 1, 2, ...,
        row GROSS is 0.
    limits : array_like, shape (N_CAPS, n_groups) or (n_sets, N_CAPS, n_groups), fraction of NAV, >= 0
        Largest gross weight of each group, as from ``cap_limits``; infinite for none.
    cap_set : array_like of int, shape (n_bars,), optional
        Which set of limits holds on a bar; default the first.
    state : ndarray of float64, shape (n_models, n_symbols), optional
        Last target of each model; updated in place. Zeros where there was none.

    Returns
    -------
    Netted
        Bar t uses bars ``0..t`` only. Nothing is NaN.

    Raises
    ------
    ValueError
        If shapes do not fit, a group or a set does not exist, or a budget or a limit is negative or NaN.

    Examples
    --------
    Three models want all of one symbol; 40% is allowed:

    >>> limits = cap_limits([CapRule(ASSET, EACH, 0.4)], [1, 0, 0, 1])
    >>> netted = netting([[[1.0], [1.0], [1.0]]], [0.6, 0.25, 0.15], [[0], [-1], [-1], [0]], limits)
    >>> netted.weight[0, :, 0]
    array([1. , 0.4, 0.4, 0.4, 0.4])
    >>> netted.attribution[0, :, 0]
    array([0.24, 0.1 , 0.06])
    """
    targets = np.ascontiguousarray(target, dtype=np.float64)
    if targets.ndim != 3:
        raise ValueError(
            f"`target` must have three dimensions, (bars, models, symbols); it has {targets.ndim}"
        )
    n_bars, n_models, n_symbols = targets.shape
    sets = np.ascontiguousarray(limits, dtype=np.float64)
    sets = sets[None] if sets.ndim == 2 else sets
    chosen = np.zeros(n_bars, np.int64) if cap_set is None else np.ascontiguousarray(cap_set, np.int64)
    groups = np.ascontiguousarray(group, dtype=np.int64)
    budgets = np.asarray(budget, dtype=np.float64)
    budgets = np.tile(budgets, (n_bars, 1)) if budgets.ndim == 1 else np.ascontiguousarray(budgets)
    memory = np.zeros((n_models, n_symbols)) if state is None else state
    if sets.ndim != 3 or sets.shape[1] != N_CAPS or 0 in sets.shape:
        raise ValueError(f"`limits` has the shape {sets.shape}, must be (sets, {N_CAPS}, groups)")
    _check_shape("budget", budgets, (n_bars, n_models))
    _check_shape("group", groups, (N_CAPS, n_symbols))
    _check_shape("cap_set", chosen, (n_bars,))
    _check_shape("state", memory, (n_models, n_symbols))
    _check_range("group", groups, NO_GROUP, sets.shape[2] - 1)
    _check_range("cap_set", chosen, 0, sets.shape[0] - 1)
    if not ((budgets >= 0.0) & (budgets < MAX_SIZE)).all():
        raise ValueError("`budget` must be finite and at least 0 everywhere")
    if not (sets >= 0.0).all():
        raise ValueError("`limits` must be at least 0 everywhere, and not NaN")
    netted = Netted(
        np.empty(targets.shape),
        np.empty(targets.shape),
        np.empty((n_bars, N_STAGES, n_symbols)),
        np.empty((n_bars, N_STAGES, n_symbols)),
    )
    netting_run(targets, budgets, groups, sets, chosen, memory, np.empty(sets.shape[2]), *netted)
    return netted


@kernel
def whole_lots(lots: float) -> float:
    """Towards zero to a whole number; one that is whole but for rounding stays what it is."""
    nearest = np.rint(lots)
    is_whole = abs(nearest - lots) <= LOT_ROUNDING * abs(nearest)
    return nearest if is_whole else np.trunc(lots)  # type: ignore[no-any-return]


@kernel
def order_step(
    weight: float,
    equity: float,
    price: float,
    position: float,
    lots: float,
    min_qty: float,
    min_notional: float,
) -> tuple[float, float]:
    """Signed units to order, so that `position` comes to `weight` of `equity`, and the position after it.

    The wanted position is rounded towards zero, so that whole lots never exceed a cap, and so is the order
    (which matters where the position is not in whole lots). An order below either minimum is not made, not
    even one that would close a position: a venue would refuse it.
    """
    if not (price > 0.0 and price < np.inf and equity > 0.0):
        return 0.0, position
    held = position * lots
    nearest = np.rint(held)
    held = nearest if abs(nearest - held) <= LOT_ROUNDING * abs(nearest) else held
    change = whole_lots(whole_lots(weight * equity / price * lots) - held)
    qty = change / lots
    if qty == 0.0 or abs(qty) < min_qty or abs(qty) * price < min_notional:
        return 0.0, position
    return qty, (held + change) / lots  # in lots: sums of 0.1 would leave dust behind


@entry
def orders_run(
    weight: FloatArray,
    price: FloatArray,
    rules: OrderRules,
    state: OrderState,
    qty: FloatArray,
    position: FloatArray,
    weight_before: FloatArray,
    weight_after: FloatArray,
    equity: FloatArray,
) -> None:
    """Drive ``order_step`` over time, as if every order filled in full at its bar's close.

    Parameters
    ----------
    weight, price : ndarray of float64, shape (n_bars, n_symbols)
        A symbol without a price (NaN, or not above 0) is valued at its last one and not traded.
    rules : OrderRules
    state : OrderState
    qty, position, weight_before, weight_after : ndarray of float64, shape (n_bars, n_symbols)
        Outputs: units ordered, units held afterwards, and the weight held before and after the order.
    equity : ndarray of float64, shape (n_bars,)
        Output: cash and positions at the bar's prices, before its orders and their costs.
    """
    n_bars, n_symbols = weight.shape
    cash = state.cash[0]
    for t in range(n_bars):
        total = cash
        for s in range(n_symbols):
            if price[t, s] > 0.0 and price[t, s] < np.inf:
                state.mark[s] = price[t, s]
            if state.position[s] != 0.0:
                total += state.position[s] * state.mark[s]
        equity[t] = total
        for s in range(n_symbols):
            held, mark = state.position[s], state.mark[s]
            is_valued = total > 0.0 and mark > 0.0
            weight_before[t, s] = held * mark / total if is_valued else 0.0
            order, held = order_step(
                weight[t, s], total, price[t, s], held, rules.lots[s], rules.min_qty[s], rules.min_notional[s]
            )
            if order != 0.0:
                cash -= order * mark + abs(order) * mark * rules.cost_rate[s]
                state.position[s] = held
            qty[t, s] = order
            position[t, s] = held
            weight_after[t, s] = held * mark / total if is_valued else 0.0
    state.cash[0] = cash


@kernel
def earnings_step(
    state: EarningState,
    attribution: FloatArray,
    price: FloatArray,
    cost_rate: FloatArray,
    room: FloatArray,
    gross: FloatArray,
    cost: FloatArray,
    turnover: FloatArray,
) -> tuple[float, float]:
    """Advance by one bar and return the portfolio's net return and its turnover after netting.

    First what was held earns the move since the last bar, then it is traded to `attribution`. A symbol's cost
    is that of its net trade, shared by the models in proportion to what each traded. Outputs per model, shape
    (n_models,), fractions of the equity before the bar: `gross` return and `cost`; and `turnover`, of equity.
    """
    n_models, n_symbols = attribution.shape
    for m in range(n_models):
        gross[m], cost[m], turnover[m] = 0.0, 0.0, 0.0
    if not state.equity[0] > 0.0:
        return 0.0, 0.0
    for s in range(n_symbols):
        room[0, s] = 0.0
        if price[s] > 0.0 and price[s] < np.inf and state.mark[s] > 0.0:
            room[0, s] = price[s] / state.mark[s] - 1.0
    earned = 0.0
    for m in range(n_models):
        for s in range(n_symbols):
            gross[m] += state.held[m, s] * room[0, s]
        earned += gross[m]
    growth = 1.0 + earned
    if not growth > 0.0:
        state.equity[0] = 0.0
        return earned, 0.0
    for s in range(n_symbols):
        room[0, s] = (1.0 + room[0, s]) / growth
        room[1, s], room[2, s] = 0.0, 0.0  # net trade, and sum of the models' own
        if price[s] > 0.0 and price[s] < np.inf:
            state.mark[s] = price[s]
    for m in range(n_models):
        for s in range(n_symbols):
            held = state.held[m, s] * room[0, s]
            is_traded = price[s] > 0.0 and price[s] < np.inf
            trade = attribution[m, s] - held if is_traded else 0.0
            state.held[m, s] = held
            room[1, s] += trade
            room[2, s] += abs(trade)
            turnover[m] += abs(trade)
    netted, remaining = 0.0, 1.0
    for s in range(n_symbols):
        size = abs(room[1, s])
        netted += size
        remaining -= cost_rate[s] * size
        # Cost per unit of a model's own trade; costs leave the equity after the bar's return.
        room[1, s] = cost_rate[s] * size / room[2, s] * growth if size > 0.0 else 0.0
    paid = 0.0
    for m in range(n_models):
        for s in range(n_symbols):
            is_traded = price[s] > 0.0 and price[s] < np.inf
            if is_traded:
                cost[m] += room[1, s] * abs(attribution[m, s] - state.held[m, s])
                state.held[m, s] = attribution[m, s]
            elif remaining > 0.0:  # costs shrink the equity that an untouched position is a fraction of
                state.held[m, s] /= remaining
        paid += cost[m]
    net = earned - paid
    state.equity[0] *= max(1.0 + net, 0.0)
    return net, netted


@entry
def earnings_run(
    attribution: FloatArray,
    price: FloatArray,
    cost_rate: FloatArray,
    state: EarningState,
    room: FloatArray,
    gross: FloatArray,
    cost: FloatArray,
    turnover: FloatArray,
    net: FloatArray,
    netted: FloatArray,
    equity: FloatArray,
) -> None:
    """Drive ``earnings_step`` over time, carrying `state` on.

    Parameters
    ----------
    attribution : ndarray of float64, shape (n_bars, n_models, n_symbols), fraction of equity
        Wanted from the close of the bar on: it earns the move to the next bar, never the bar's own.
    price : ndarray of float64, shape (n_bars, n_symbols)
        A symbol without a price (NaN, or not above 0) keeps what is held, and earns the whole move with its
        next price.
    cost_rate : ndarray of float64, shape (n_symbols,), fraction of the notional
    state : EarningState
    room : ndarray of float64, shape (3, n_symbols)
        Room to work in.
    gross, cost, turnover : ndarray of float64, shape (n_bars, n_models)
        Outputs: return and cost of each model, fractions of the equity before the bar, and what it traded,
        as a fraction of equity. The portfolio's net return is the sum of ``gross - cost``.
    net, netted, equity : ndarray of float64, shape (n_bars,)
        Outputs: the portfolio's net return, its turnover after netting, and its equity, which began at 1.
    """
    for t in range(attribution.shape[0]):
        net[t], netted[t] = earnings_step(
            state, attribution[t], price[t], cost_rate, room, gross[t], cost[t], turnover[t]
        )
        equity[t] = state.equity[0]


def _check_shape(name: str, values: FloatArray | IntArray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ValueError(f"`{name}` has the shape {values.shape}, must be {shape}")


def _check_range(name: str, values: IntArray, low: int, high: int) -> None:
    wrong = values[(values < low) | (values > high)]
    if wrong.size:
        raise ValueError(f"`{name}` holds {int(wrong[0])}, must be {low} to {high}")
