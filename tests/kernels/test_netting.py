"""Netting, caps, orders and earnings: against exact fractions, and what they promise for any models."""

import hashlib
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxhero.kernels.netting import (
    ASSET,
    CAPS,
    CLASS,
    EACH,
    GROSS,
    N_STAGES,
    SECTOR,
    CapRule,
    EarningState,
    Netted,
    OrderRules,
    OrderState,
    cap_limits,
    earnings_run,
    netting,
    orders_run,
)
from fluxhero.kernels.types import FloatArray, IntArray
from fluxhero.tests.oracles.netting import earnings_oracle, netting_oracle, order_oracle

N_BARS, N_MODELS, N_SYMBOLS = 40, 4, 6
CLASSES = ("equity", "equity", "equity", "crypto", "crypto", None)
SECTORS = ("tech", "energy", "tech", None, None, None)
LIMITS = {
    "asset": dict.fromkeys("012345", 0.3) | {"3": 0.15},
    "class": {"equity": 0.5, "crypto": 0.2},
    "sector": {"tech": 0.35, "energy": 0.25},
    "gross": {"all": 0.6},
}
MEMBERS = {"asset": tuple("012345"), "class": CLASSES, "sector": SECTORS, "gross": ("all",) * N_SYMBOLS}
GROUP = np.array([range(6), (0, 0, 0, 1, 1, -1), (0, 1, 0, -1, -1, -1), (0,) * 6])
COUNTS = (6, 2, 2, 1)
RULES = (
    CapRule(ASSET, EACH, 0.3),
    CapRule(ASSET, 3, 0.15),
    CapRule(CLASS, 0, 0.5),
    CapRule(CLASS, 1, 0.2),
    CapRule(SECTOR, 0, 0.35),
    CapRule(SECTOR, 1, 0.25),
    CapRule(GROSS, 0, 0.6),
)


def targets(seed: int = 5, n_bars: int = N_BARS, size: float = 0.6) -> FloatArray:
    """Long and short opinions, many silent bars, a model that never speaks of the first symbol."""
    rng = np.random.default_rng(seed)
    block = rng.normal(0.1, size, (n_bars, N_MODELS, N_SYMBOLS))
    block[rng.random(block.shape) < 0.3] = np.nan
    block[rng.random(block.shape) < 0.05] = 0.0
    block[:, -1, 0] = np.nan
    return block


def budgets(n_bars: int = N_BARS) -> FloatArray:
    steps = np.where(np.arange(n_bars) % 7 < 4, 1.0, 0.5)
    return steps[:, None] * np.array([0.4, 0.3, 0.2, 0.1])


def netted(block: FloatArray, budget: Any = None, limits: Any = None, **options: Any) -> Netted:
    return netting(
        block,
        budgets(block.shape[0]) if budget is None else budget,
        GROUP,
        cap_limits(RULES, COUNTS) if limits is None else limits,
        **options,
    )


def prices(n_bars: int = N_BARS, n_symbols: int = N_SYMBOLS, *, with_gaps: bool = True) -> FloatArray:
    rng = np.random.default_rng(9)
    walk = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (n_bars, n_symbols)), axis=0))
    if with_gaps:
        walk[rng.random(walk.shape) < 0.1] = np.nan
        walk[rng.random(walk.shape) < 0.02] = 0.0
        walk[:3, 1] = np.nan
    return walk


def earned(attribution: FloatArray, price: FloatArray, rate: float) -> dict[str, FloatArray]:
    n_bars, n_models, n_symbols = attribution.shape
    state = EarningState(np.zeros((n_models, n_symbols)), np.full(n_symbols, np.nan), np.ones(1))
    by_model = [np.empty((n_bars, n_models)) for _ in range(3)]
    in_all = [np.empty(n_bars) for _ in range(3)]
    rates, room = np.full(n_symbols, rate), np.empty((3, n_symbols))
    earnings_run(np.ascontiguousarray(attribution), price, rates, state, room, *by_model, *in_all)
    return dict(
        zip(("gross", "cost", "turnover", "net", "netted", "equity"), [*by_model, *in_all], strict=True)
    )


class Ordered:
    """Orders of some bars, continued with each call."""

    def __init__(
        self,
        n_symbols: int,
        cash: float,
        *,
        lots: float = 1.0,
        min_qty: float = 0.0,
        min_notional: float = 0.0,
    ) -> None:
        self.state = OrderState(np.zeros(n_symbols), np.full(n_symbols, np.nan), np.array([cash]))
        self.rules = OrderRules(
            *(np.full(n_symbols, value) for value in (lots, min_qty, min_notional, 0.001))
        )

    def run(self, weight: FloatArray, price: FloatArray) -> list[FloatArray]:
        weight, price = np.atleast_2d(weight).astype(float), np.atleast_2d(price).astype(float)
        out = [np.empty(weight.shape) for _ in range(4)] + [np.empty(weight.shape[0])]
        orders_run(np.ascontiguousarray(weight), np.ascontiguousarray(price), self.rules, self.state, *out)
        return out


@pytest.mark.parametrize("seed", range(4))
def test_exact_fractions_agree(seed: int) -> None:
    block = targets(seed)
    found = netted(block)
    changed = np.zeros(len(CAPS), dtype=int)
    for t, exact in enumerate(netting_oracle(block, budgets(), MEMBERS, LIMITS)):
        np.testing.assert_allclose(found.weight[t], np.array(exact.weights, dtype=float), rtol=0, atol=1e-14)
        np.testing.assert_allclose(
            found.attribution[t], np.array(exact.parts[-1], dtype=float), rtol=0, atol=1e-14
        )
        changed += (np.abs(np.diff(found.scale[t], axis=0)) > 1e-9).any(axis=1)
    assert (changed > 3).all()  # every cap has had something to do


def test_three_models_want_all_of_one_symbol() -> None:
    limits = cap_limits([CapRule(ASSET, EACH, 0.4)], [1, 0, 0, 1])
    found = netting(np.ones((1, 3, 1)), [0.6, 0.25, 0.15], [[0], [-1], [-1], [0]], limits)
    assert found.weight[0, :, 0].tolist() == [1.0, 0.4, 0.4, 0.4, 0.4]
    np.testing.assert_allclose(found.attribution[0, :, 0], [0.24, 0.10, 0.06], rtol=0, atol=1e-16)


def test_models_that_cancel_leave_nothing_but_remain_in_view() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17 in floating point."""
    limits = cap_limits([CapRule(ASSET, EACH, 0.05), CapRule(GROSS, 0, 0.01)], [2, 0, 0, 1])
    block = np.array([[[1.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]])
    found = netting(block, [0.1, 0.2, 0.3], [[0, 1], [-1, -1], [-1, -1], [0, 0]], limits)
    assert (found.weight[0, :, 0] == 0.0).all()
    np.testing.assert_allclose(found.attribution[0, :, 0], [0.02, 0.04, -0.06], rtol=1e-12)
    assert abs(found.attribution[0, :, 0].sum()) < 1e-12
    np.testing.assert_allclose(found.weight[0, :, 1], [0.1, 0.05, 0.05, 0.05, 0.01], rtol=1e-12)


def test_opposing_models_cross_before_caps_count() -> None:
    limits = cap_limits([CapRule(ASSET, EACH, 0.2)], [1, 0, 0, 1])
    found = netting([[[1.0], [-0.5]]], [0.6, 0.4], [[0], [-1], [-1], [0]], limits)
    np.testing.assert_allclose(found.weight[0, :, 0], [0.4, 0.2, 0.2, 0.2, 0.2], rtol=1e-15)
    np.testing.assert_allclose(found.attribution[0, :, 0], [0.3, -0.1], rtol=1e-15)
    assert found.attribution.sum() == pytest.approx(0.2, abs=1e-15)


def test_a_cap_that_is_just_exceeded_binds() -> None:
    limits = cap_limits([CapRule(ASSET, EACH, 0.4)], [1, 0, 0, 1])
    found = netting([[[0.4 + 1e-9]]], [1.0], [[0], [-1], [-1], [0]], limits)
    assert found.weight[0, 1, 0] == pytest.approx(0.4, abs=1e-15)
    assert found.scale[0, 1, 0] < 1.0


def test_silence_keeps_the_last_target_and_never_seen_is_nothing() -> None:
    block = np.array([np.nan, np.nan, 0.5, np.nan, np.inf, 0.0, np.nan]).reshape(-1, 1, 1)
    limits = cap_limits([], [1, 0, 0, 1])
    found = netting(block, [1.0], [[0], [-1], [-1], [0]], limits)
    assert found.target.ravel().tolist() == [0.0, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0]
    assert found.weight[:, -1, 0].tolist() == [0.0, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0]


def test_kept_target_follows_a_budget_that_changes() -> None:
    block = np.array([1.0, np.nan]).reshape(-1, 1, 1)
    found = netting(block, [[0.8], [0.4]], [[0], [-1], [-1], [0]], cap_limits([], [1, 0, 0, 1]))
    assert found.weight[:, -1, 0].tolist() == [0.8, 0.4]


numbers = st.floats(-3.0, 3.0) | st.sampled_from([0.0, 0.1, 0.2, 0.3, -0.3, 1.0, -1.0, np.nan])
some_targets = st.lists(numbers, min_size=2 * N_MODELS * N_SYMBOLS, max_size=2 * N_MODELS * N_SYMBOLS)
some_budgets = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.25]), min_size=N_MODELS, max_size=N_MODELS)
some_limits = st.lists(
    st.sampled_from([0.0, 0.05, 0.1, 0.4, 1.0, 1.2, np.inf]), min_size=4 * N_SYMBOLS, max_size=4 * N_SYMBOLS
)


def shaped(values: list[float]) -> FloatArray:
    return np.array(values).reshape(2, N_MODELS, N_SYMBOLS)


@given(some_targets, some_budgets, some_limits)
def test_attribution_adds_up_after_every_stage(
    values: list[float], budget: list[float], limits: list[float]
) -> None:
    found = netted(shaped(values), budget, np.reshape(limits, (4, N_SYMBOLS)))
    parts = np.array(budget)[None, :, None] * found.target
    for stage in range(N_STAGES):
        left = (parts * found.scale[:, None, stage]).sum(axis=1) - found.weight[:, stage]
        assert np.abs(left).max() < 1e-12
    assert np.abs(found.attribution.sum(axis=1) - found.weight[:, -1]).max() < 1e-12


@given(some_targets, some_budgets, some_limits)
def test_no_cap_is_exceeded(values: list[float], budget: list[float], limits: list[float]) -> None:
    table = np.reshape(limits, (4, N_SYMBOLS))
    found = netted(shaped(values), budget, table)
    for weight in found.weight[:, -1]:  # what later caps do never breaks an earlier one
        for kind in range(4):
            for g in range(GROUP[kind].max() + 1):
                assert np.abs(weight[GROUP[kind] == g]).sum() <= table[kind, g] + 1e-12
    assert ((found.scale >= 0.0) & (found.scale <= 1.0)).all()
    assert (np.diff(np.abs(found.weight), axis=1) <= 0.0).all()


@given(some_targets, some_budgets, st.sampled_from([*range(4), None]))
def test_a_cap_that_does_not_bind_changes_no_bit(
    values: list[float], budget: list[float], kind: int | None
) -> None:
    block = shaped(values)
    loose = np.full((4, N_SYMBOLS), np.inf)
    plain = netted(block, budget, loose)
    if kind is not None:
        groups = np.maximum(GROUP[kind], 0)
        loose[kind] = np.max([np.bincount(groups, np.abs(w)).sum() for w in plain.weight[:, 0]]) + 1e-9
    found = netted(block, budget, loose)
    for one, other in zip(plain, found, strict=True):
        assert one.tobytes() == other.tobytes()
    assert found.weight[:, 0].tobytes() == found.weight[:, -1].tobytes()


@given(some_targets, some_budgets, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_scaling_budgets_and_limits_scales_weights(
    values: list[float], budget: list[float], factor: float
) -> None:
    block, limits = shaped(values), cap_limits(RULES, COUNTS)
    found = netted(block, budget, limits)
    scaled = netted(block, np.array(budget) * factor, limits * factor)
    assert (found.weight * factor).tobytes() == scaled.weight.tobytes()  # powers of two: exactly
    uncapped = netted(block, np.array(budget) * factor, np.full((4, N_SYMBOLS), np.inf))
    assert (found.weight[:, 0] * factor).tobytes() == uncapped.weight[:, -1].tobytes()


@given(some_targets, some_budgets, some_limits, st.permutations(range(N_MODELS)))
@example([0.1, 0.2, -0.3, 1.0] * 12, [0.1, 0.2, 0.3, 0.1], [0.4] * 24, [2, 0, 3, 1])
def test_order_of_models_does_not_matter(
    values: list[float], budget: list[float], limits: list[float], order: list[int]
) -> None:
    block, table = shaped(values), np.reshape(limits, (4, N_SYMBOLS))
    found = netted(block, budget, table)
    other = netted(block[:, order], np.array(budget)[order], table)
    np.testing.assert_allclose(other.weight, found.weight, rtol=0, atol=1e-12)
    np.testing.assert_allclose(other.attribution, found.attribution[:, order], rtol=0, atol=1e-12)


@given(some_targets, some_budgets, some_limits)
def test_mirrored_models_give_mirrored_weights(
    values: list[float], budget: list[float], limits: list[float]
) -> None:
    block, table = shaped(values), np.reshape(limits, (4, N_SYMBOLS))
    found, mirrored = netted(block, budget, table), netted(-block, budget, table)
    np.testing.assert_array_equal(mirrored.weight, -found.weight)
    np.testing.assert_array_equal(mirrored.attribution, -found.attribution)


def test_sets_of_limits_are_chosen_bar_by_bar() -> None:
    sets = np.stack([np.full((4, N_SYMBOLS), np.inf), cap_limits(RULES, COUNTS)])
    block, chosen = targets(), np.arange(N_BARS) % 2
    found = netted(block, None, sets, cap_set=chosen)
    free, capped = netted(block, None, sets[0]), netted(block, None, sets[1])
    expected = np.where(chosen[:, None, None] == 1, capped.weight, free.weight)
    np.testing.assert_array_equal(found.weight, expected)


def test_rule_of_one_group_replaces_the_one_for_each_and_the_smallest_applies() -> None:
    rules = [
        CapRule(ASSET, EACH, 0.4),
        CapRule(ASSET, 1, 0.6),
        CapRule(ASSET, 1, 0.7),
        CapRule(GROSS, EACH, 1.2),
        CapRule(GROSS, EACH, 1.5),
    ]
    limits = cap_limits(rules, [3, 0, 0, 1])
    assert limits[ASSET].tolist() == [0.4, 0.6, 0.4]
    assert limits[GROSS, 0] == 1.2
    assert np.isinf(limits[CLASS]).all()


@given(cuts=st.lists(st.integers(0, N_BARS), min_size=1, max_size=5))
def test_any_split_of_time_gives_the_same_bits(cuts: list[int]) -> None:
    block, budget = targets(), budgets()
    whole = netted(block)
    state, parts = np.zeros((N_MODELS, N_SYMBOLS)), []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), N_BARS], strict=True):
        state = pickle.loads(pickle.dumps(state))
        parts.append(netted(block[start:stop], budget[start:stop], state=state))
    for i, values in enumerate(whole):
        assert np.concatenate([part[i] for part in parts]).tobytes() == values.tobytes()


@pytest.mark.parametrize("cut", [1, 17, 39])
def test_the_future_changes_nothing(cut: int) -> None:
    block, price = targets(), prices()
    whole = netted(block)
    earnings = earned(whole.attribution, price, 0.001)
    is_future = np.arange(N_BARS) >= cut
    poisoned = np.where(is_future[:, None, None], 9.0, block)
    other_price = np.where(is_future[:, None], 1e6, price)
    for other, its_price in ((block[:cut], price[:cut]), (poisoned, other_price)):
        found = netted(other)
        for one, two in zip(whole, found, strict=True):
            assert one[:cut].tobytes() == two[:cut].tobytes()
        for name, values in earned(found.attribution, its_price, 0.001).items():
            assert values[:cut].tobytes() == earnings[name][:cut].tobytes(), name


def test_inputs_are_left_alone() -> None:
    block, budget, limits = targets(), budgets(), cap_limits(RULES, COUNTS)
    copies = [values.copy() for values in (block, budget, limits, GROUP)]
    netting(block, budget, GROUP, limits)
    for before, after in zip(copies, (block, budget, limits, GROUP), strict=True):
        assert before.tobytes() == after.tobytes()


def wrong_group() -> IntArray:
    return np.where(GROUP == 1, 7, GROUP)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"target": np.ones((2, 3))},
            r"`target` must have three dimensions, \(bars, models, symbols\); it has 2",
        ),
        ({"budget": np.ones(3)}, r"`budget` has the shape \(40, 3\), must be \(40, 4\)"),
        ({"budget": [0.1, 0.2, np.nan, 0.1]}, "`budget` must be finite and at least 0"),
        ({"budget": [0.1, 0.2, -0.1, 0.1]}, "`budget` must be finite and at least 0"),
        ({"group": GROUP[:3]}, r"`group` has the shape \(3, 6\), must be \(4, 6\)"),
        ({"group": wrong_group()}, "`group` holds 7, must be -1 to 5"),
        ({"limits": np.full((4, 6), np.nan)}, "`limits` must be at least 0 everywhere"),
        (
            {"limits": np.full((3, 6), 1.0)},
            r"`limits` has the shape \(1, 3, 6\), must be \(sets, 4, groups\)",
        ),
        ({"cap_set": np.ones(N_BARS, int)}, "`cap_set` holds 1, must be 0 to 0"),
        ({"state": np.zeros((1, 1))}, r"`state` has the shape \(1, 1\), must be \(4, 6\)"),
    ],
)
def test_bad_input_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    given_ = {"target": targets(), "budget": budgets(), "group": GROUP, "limits": cap_limits(RULES, COUNTS)}
    given_ |= change
    with pytest.raises(ValueError, match=message):
        netting(
            given_.pop("target"), given_.pop("budget"), given_.pop("group"), given_.pop("limits"), **given_
        )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (CapRule(4, 0, 0.1), "`kind` of a cap was 4"),
        (CapRule(ASSET, 6, 0.1), "`group` of a cap per asset was 6"),
        (CapRule(CLASS, 0, -0.1), "`limit` of a cap per class was -0.1, must be at least 0"),
        (CapRule(CLASS, 0, np.nan), "`limit` of a cap per class was nan"),
    ],
)
def test_bad_rule_is_refused(rule: CapRule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cap_limits([rule], COUNTS)


def test_forty_percent_of_100k_at_50_is_800_shares() -> None:
    qty, position, before, after, equity = Ordered(1, 100_000.0).run([[0.4]], [[50.0]])
    assert (qty[0, 0], position[0, 0], before[0, 0], after[0, 0], equity[0]) == (800.0, 800.0, 0.0, 0.4, 1e5)


@given(
    weight=st.integers(-2000, 2000).map(lambda i: i / 1000),
    price=st.integers(1, 100_000).map(lambda i: i / 100),
    position=st.integers(-5000, 5000).map(lambda i: i / 10),
    lots=st.sampled_from([1, 10, 1000]),
)
def test_orders_agree_with_exact_decimals(weight: float, price: float, position: float, lots: int) -> None:
    ordered = Ordered(1, 100_000.0 - position * price, lots=float(lots))
    ordered.state.position[0] = position
    qty, after, *_ = ordered.run([[weight]], [[price]])
    exact = order_oracle(weight, 100_000.0, price, position, lots)
    assert qty[0, 0] == pytest.approx(float(exact), abs=1e-9)
    assert abs(after[0, 0] * price) <= max(abs(weight) * 100_000.0, abs(position * price)) + 1e-6


def test_whole_lots_survive_binary_fractions() -> None:
    """0.009 x 100,000 / 12.5 is 72 shares, and not one less."""
    short = 0
    for i in range(1, 1000):
        qty = Ordered(1, 100_000.0).run([[i / 1000]], [[12.5]])[0][0, 0]
        assert qty == float(order_oracle(i / 1000, 100_000.0, 12.5, 0.0, 1)) == 8 * i
        short += int(i / 1000 * 100_000.0 / 12.5) < qty
    assert short > 5


def test_costs_leave_the_cash_with_each_order() -> None:
    ordered = Ordered(1, 10_000.0)
    ordered.run([[0.5], [0.0]], [[10.0], [10.0]])
    assert ordered.state.cash[0] == pytest.approx(10_000.0 - 5.0 - 5.0)  # 500 bought, and sold, at 0.1%
    assert ordered.state.position[0] == 0.0


def test_orders_below_a_minimum_are_not_made() -> None:
    by_qty = Ordered(1, 10_000.0, min_qty=5.0).run([[0.04], [0.05]], [[100.0], [100.0]])
    assert by_qty[0].ravel().tolist() == [0.0, 5.0]
    by_value = Ordered(1, 10_000.0, min_notional=450.0).run([[0.04], [0.05], [0.02]], [[100.0]] * 3)
    assert by_value[0].ravel().tolist() == [0.0, 5.0, 0.0]


def test_a_symbol_without_a_price_is_valued_at_its_last_and_not_traded() -> None:
    price = np.array([[100.0, 10.0], [np.nan, 10.0], [0.0, 10.0], [50.0, 10.0]])
    weight = np.array([[0.5, 0.0], [0.0, 0.1], [0.0, 0.1], [0.0, 0.1]])
    qty, _, before, _, equity = Ordered(2, 10_000.0).run(weight, price)
    assert qty[:, 0].tolist() == [50.0, 0.0, 0.0, -50.0]
    np.testing.assert_allclose(equity, [10_000.0, 9_995.0, 9_994.01, 7_494.01], atol=0.02)
    assert before[1, 0] == pytest.approx(5_000.0 / 9_995.0)


def test_closing_leaves_no_dust() -> None:
    ordered = Ordered(1, 10_000.0, lots=10.0)
    weight = np.array([0.1, 0.3, 0.7, 0.2, 0.0])[:, None]
    _, position, *_ = ordered.run(weight, np.full((5, 1), 99.7))
    assert (position[:-1] > 0.0).all()
    assert position[-1, 0] == 0.0


def test_an_empty_account_orders_nothing() -> None:
    ordered = Ordered(1, -1.0)
    assert ordered.run([[0.5]], [[100.0]])[0].tolist() == [[0.0]]


@given(cut=st.integers(0, N_BARS))
def test_orders_continue_with_the_same_bits(cut: int) -> None:
    weight, price = np.ascontiguousarray(netted(targets()).weight[:, -1]), prices()
    whole = Ordered(N_SYMBOLS, 1e5).run(weight, price)
    halves = Ordered(N_SYMBOLS, 1e5)
    parts = [halves.run(weight[part], price[part]) for part in (slice(cut), slice(cut, None))]
    for i, values in enumerate(whole):
        assert np.concatenate([part[i] for part in parts]).tobytes() == values.tobytes()


@pytest.mark.parametrize("rate", [0.0, 0.002])
@pytest.mark.parametrize("seed", range(3))
def test_earnings_agree_with_units_and_money(rate: float, seed: int) -> None:
    attribution, price = netted(targets(seed)).attribution, prices()
    found = earned(attribution, price, rate)
    equity, profits, costs = earnings_oracle(attribution, price, rate)
    np.testing.assert_allclose(found["equity"], equity, rtol=1e-12)
    before = np.concatenate([[1.0], equity[:-1]])[:, None]
    np.testing.assert_allclose((found["gross"] - found["cost"]) * before, profits, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found["cost"] * before, costs, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found["net"], (found["gross"] - found["cost"]).sum(axis=1), atol=1e-15)


def test_a_weight_earns_the_next_bar_only() -> None:
    attribution = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    found = earned(attribution, np.array([[100.0], [110.0], [220.0]]), 0.0)
    np.testing.assert_allclose(found["net"], [0.0, 0.1, 0.0], atol=1e-15)


def test_crossing_saves_costs_for_both_models() -> None:
    attribution = np.array([[[0.3], [-0.1]]])
    found = earned(attribution, np.array([[10.0]]), 0.01)
    np.testing.assert_allclose(found["cost"][0], [0.0015, 0.0005], rtol=1e-12)
    np.testing.assert_allclose(found["turnover"][0], [0.3, 0.1], rtol=1e-12)
    assert found["netted"][0] == pytest.approx(0.2)


def test_everything_lost_stays_lost() -> None:
    found = earned(np.full((4, 1, 1), -2.0), np.array([[10.0], [20.0], [5.0], [5.0]]), 0.0)
    assert found["equity"].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert found["net"].tolist() == [0.0, -2.0, 0.0, 0.0]


def digest() -> str:
    found = netted(targets())
    orders = Ordered(N_SYMBOLS, 1e5, lots=10.0).run(np.ascontiguousarray(found.weight[:, -1]), prices())
    values = [*found, *orders, *earned(found.attribution, prices(), 0.001).values()]
    return hashlib.sha256(b"".join(array.tobytes() for array in values)).hexdigest()


PLAIN_PYTHON = "from fluxhero.tests.kernels.test_netting import digest; print(digest())"


def test_plain_python_gives_the_same_bits() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN_PYTHON],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == digest()
