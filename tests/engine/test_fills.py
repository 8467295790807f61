"""The fill table, cell by cell, and what sizes an order: on markets made by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxhero.engine.backtest import backtest
from fluxhero.engine.config import Costs, Risk
from fluxhero.engine.market import from_arrays
from fluxhero.engine.run import Run

RULE = Path(__file__).resolve().parents[1] / "data" / "strategies" / "by_volume.py"
FREE = Costs(commission_per_share=0.0, slippage=0.0, impact=0.0)
NO_INTEREST = Risk(max_position=1.0, max_deployed=1.0, cash_rate=0.0, risk_free_rate=0.0)
ENTER, LEAVE, TRAIL, NO_STOP = 777.0, 888.0, 999.0, 555.0
MINUTE = 60_000_000_000
START = 28_400_040 * MINUTE  # on the hour


def run(bars: list[tuple[float, ...]], *, lot: float = 1.0, **settings: Any) -> Run:
    """Backtest of rows (open, high, low, close, volume), one a minute; a row of one NaN is a missing bar."""
    table = np.array([row if len(row) == 5 else [np.nan] * 5 for row in bars])
    time = START + MINUTE * np.arange(1, len(bars) + 1)
    market = from_arrays("XYZ", time, *table.T, timeframe="1m", lot_size=lot)
    settings = {"costs": FREE, "risk": NO_INTEREST, "initial_cash": 100_000.0} | settings
    return backtest(RULE, market, **settings)


FLAT = (50.0, 50.0, 50.0, 50.0, 1.0)
SIGNAL = (50.0, 50.0, 50.0, 50.0, ENTER)


def only_fills(found: Run) -> list[tuple[str, float, float]]:
    return [(fill.kind, fill.side * fill.qty, fill.price) for fill in found.fills.itertuples()]


def test_a_market_order_fills_at_the_next_open() -> None:
    found = run([SIGNAL, (51.0, 52.0, 50.5, 51.5, 1.0)])
    assert only_fills(found) == [("market", 500.0, 51.0)]
    assert found.fills["time"].iloc[0] == found.decisions["time"].iloc[1]


def test_a_market_order_waits_for_a_missing_bar() -> None:
    found = run([SIGNAL, (np.nan,), (53.0, 53.0, 53.0, 53.0, 1.0)])
    assert only_fills(found) == [("market", 500.0, 53.0)]


def test_a_stop_that_is_touched_fills_at_its_price() -> None:
    found = run([SIGNAL, (50.0, 50.0, 49.0, 49.5, 1.0), (49.5, 49.6, 48.0, 49.0, 1.0)])
    assert only_fills(found) == [("market", 500.0, 50.0), ("stop", -500.0, 48.0)]


def test_a_stop_one_tick_away_does_not_fill() -> None:
    found = run([SIGNAL, FLAT, (49.5, 49.6, 48.01, 49.0, 1.0)])
    assert only_fills(found) == [("market", 500.0, 50.0)]


def test_a_gap_through_the_stop_fills_at_the_open() -> None:
    found = run([SIGNAL, FLAT, (46.0, 47.0, 45.0, 46.5, 1.0)])
    assert only_fills(found) == [("market", 500.0, 50.0), ("stop", -500.0, 46.0)]


def test_a_bar_that_opens_at_the_stop_fills_there() -> None:
    found = run([SIGNAL, FLAT, (48.0, 49.0, 48.0, 49.0, 1.0)])
    assert only_fills(found)[1] == ("stop", -500.0, 48.0)


def test_the_stop_acts_from_the_bar_of_entry() -> None:
    found = run([SIGNAL, (50.0, 51.0, 47.0, 50.5, 1.0)])
    assert only_fills(found) == [("market", 500.0, 50.0), ("stop", -500.0, 48.0)]
    assert found.trades["bars_held"].iloc[0] == 0


def test_the_stop_hangs_on_the_fill_not_on_the_decision() -> None:
    found = run([SIGNAL, (60.0, 60.0, 59.0, 59.0, 1.0), (59.0, 59.0, 58.0, 58.5, 1.0)])
    assert only_fills(found)[1] == ("stop", -500.0, 58.0)


def test_an_exit_fills_at_the_next_open_even_if_that_bar_falls_through_the_stop() -> None:
    found = run([SIGNAL, FLAT, (50.0, 50.0, 50.0, 50.0, LEAVE), (49.0, 49.0, 40.0, 41.0, 1.0)])
    assert only_fills(found) == [("market", 500.0, 50.0), ("market", -500.0, 49.0)]


def test_a_trailed_stop_acts_from_the_next_bar_and_never_loosens() -> None:
    rows = [SIGNAL, FLAT, (50.0, 50.0, 48.5, 50.0, TRAIL), (50.0, 50.0, 48.9, 50.0, 1.0)]
    assert only_fills(run(rows, params={"trail_to": 49.0}))[1] == ("stop", -500.0, 49.0)
    assert len(only_fills(run(rows, params={"trail_to": 47.0}))) == 1
    assert run(rows, params={"trail_to": 47.0}).stops.values[0, -1] == 48.0


def test_no_entry_is_decided_on_the_bar_of_a_stop_out() -> None:
    found = run([SIGNAL, (50.0, 50.0, 47.0, 50.0, ENTER), (50.0, 50.0, 50.0, 50.0, ENTER), FLAT])
    outcomes = list(found.decisions["outcome"])
    assert outcomes[1] == "denied: stopped out since the last decision"
    assert outcomes[2] == "accepted"
    assert len(found.fills) == 3


def test_risk_sizes_the_order_and_the_cap_cuts_it() -> None:
    """SPEC 5.1: $100k, $50 entry, $48 stop, 1%: 500 shares by risk alone, 400 under a cap of 20%."""
    rows = [SIGNAL, FLAT]
    assert run(rows).orders["qty"].iloc[0] == 500.0
    capped = Risk(max_position=0.2, max_deployed=0.5, cash_rate=0.0)
    assert run(rows, risk=capped).orders["qty"].iloc[0] == 400.0
    deployed = Risk(max_position=0.2, max_deployed=0.1, cash_rate=0.0)
    assert run(rows, risk=deployed).orders["qty"].iloc[0] == 200.0


def test_sizes_are_whole_lots_rounded_down() -> None:
    assert run([SIGNAL, FLAT], params={"distance": 3.0}).orders["qty"].iloc[0] == 333.0
    fine = run([SIGNAL, FLAT], params={"distance": 3.0}, lot=0.01).orders["qty"].iloc[0]
    assert fine == 333.33


def test_an_order_below_one_lot_is_denied_and_says_so() -> None:
    found = run([SIGNAL, FLAT], initial_cash=40.0)
    assert found.decisions["outcome"].iloc[0] == "denied: size below one lot"
    assert not len(found.orders)


def test_an_entry_without_a_stop_is_denied() -> None:
    found = run([(50.0, 50.0, 50.0, 50.0, NO_STOP), FLAT])
    assert found.decisions["outcome"].iloc[0] == "denied: no valid stop"


def test_an_entry_is_cut_to_what_cash_can_pay_at_the_fill() -> None:
    found = run([SIGNAL, (90.0, 90.0, 90.0, 90.0, 1.0)], params={"risk": 1.0})
    assert found.orders["qty"].iloc[0] == 2_000.0  # all cash at the decision's close
    assert only_fills(found) == [("market", 1_111.0, 90.0)]
    assert found.orders["outcome"].iloc[0] == "filled 1111 of 2000: cash"
    assert (found.equity.values >= 0.0).all()


def test_an_entry_that_cash_cannot_pay_at_all_is_dropped() -> None:
    found = run([SIGNAL, (200.0, 200.0, 200.0, 200.0, 1.0), FLAT], initial_cash=150.0, params={"risk": 1.0})
    assert not len(found.fills)
    assert found.orders["outcome"].iloc[0] == "rejected: cash below one lot"
    assert found.decisions["outcome"].iloc[1] == "none"  # the order is gone, the rule is asked again


def test_costs_are_paid_on_both_sides() -> None:
    costs = Costs(
        commission_per_share=0.01, commission_per_order=1.0, commission_rate=0.001, slippage=0.002, impact=0.0
    )
    found = run([SIGNAL, FLAT, (50.0, 50.0, 50.0, 50.0, LEAVE), FLAT], costs=costs)
    buy, sell = found.fills.itertuples()
    assert (buy.price, sell.price) == (50.0 * 1.002, 50.0 * 0.998)
    assert buy.commission == pytest.approx(buy.qty * (0.01 + 0.001 * buy.price) + 1.0, rel=1e-15)
    assert buy.cost == pytest.approx(buy.commission + buy.qty * 0.1, rel=1e-12)
    assert float(found.metrics["costs_paid"][0]) == pytest.approx(buy.cost + sell.cost, rel=1e-15)
    assert found.equity.values[0, -1] == pytest.approx(100_000.0 - buy.cost - sell.cost, rel=1e-12)


@pytest.mark.parametrize(("volume", "price"), [(4_000.0, 50.0 * 1.01), (6_000.0, 50.0)])
def test_large_orders_pay_impact(volume: float, price: float) -> None:
    costs = Costs(commission_per_share=0.0, slippage=0.0, impact=0.01, impact_participation=0.1)
    quiet = (50.0, 50.0, 50.0, 50.0, volume)
    rows = [quiet] * 19 + [SIGNAL, FLAT]
    mean = (19 * volume + 777.0) / 20
    assert (0.1 * mean < 500.0) == (price > 50.0)
    assert only_fills(run(rows, costs=costs)) == [("market", 500.0, price)]


def test_an_hourly_decision_fills_a_minute_after_the_hour() -> None:
    """DESIGN: decided at 10:00:00, filled at the open of the minute that starts at 10:01."""
    first = [(50.0, 50.0, 50.0, 50.0, ENTER if t == 0 else 0.0) for t in range(60)]
    after = [(51.0 + t, 51.0 + t, 51.0 + t, 51.0 + t, 0.0) for t in range(3)]
    assert only_fills(run(first + after, decision_timeframe="1h")) == [("market", 500.0, 52.0)]
    assert only_fills(run(first + after, decision_timeframe="1h", delay_s=0.0)) == [("market", 500.0, 51.0)]
    assert only_fills(run(first + after, decision_timeframe="1h", delay_s=61.0)) == [("market", 500.0, 53.0)]


def test_stops_act_between_decisions() -> None:
    first = [(50.0, 50.0, 50.0, 50.0, ENTER if t == 0 else 0.0) for t in range(60)]
    after = [(50.0, 50.0, 50.0, 50.0, 0.0)] * 5 + [(50.0, 50.0, 47.5, 49.0, 0.0)]
    found = run(first + after, decision_timeframe="1h")
    assert only_fills(found) == [("market", 500.0, 50.0), ("stop", -500.0, 48.0)]


def test_a_missing_bar_marks_at_the_last_close() -> None:
    found = run([SIGNAL, (50.0, 51.0, 50.0, 51.0, 1.0), (np.nan,), (51.0, 52.0, 51.0, 52.0, 1.0)])
    assert found.equity.values[0].tolist() == [100_000.0, 100_500.0, 100_500.0, 101_000.0]
    assert float(found.metrics["exposure"][0]) == pytest.approx(2 / 3)


def test_idle_cash_earns_the_rate_once_per_session() -> None:
    day = 1_440
    rows = [FLAT] * (2 * day)
    table = np.array(rows)
    midnight = 28_400_040 // day * day * MINUTE
    market = from_arrays("XYZ", midnight + MINUTE * np.arange(1, len(rows) + 1), *table.T, timeframe="1m")
    found = backtest(RULE, market, costs=FREE, risk=Risk(cash_rate=0.04), initial_cash=100_000.0)
    per_day = 1.04 ** (1 / 365)
    assert found.equity.values[0, day - 2] == 100_000.0
    assert found.equity.values[0, day - 1] == pytest.approx(100_000.0 * per_day, rel=1e-12)
    assert found.equity.values[0, -1] == pytest.approx(100_000.0 * per_day**2, rel=1e-12)
    assert np.isnan(found.metrics["sharpe_ratio"].values[0])  # no deviation: undefined, not infinite


@pytest.mark.parametrize(("lot", "qty"), [(100.0, 300.0), (3.0, 333.0), (0.5, 333.0), (0.3, 333.3)])
def test_lots_may_be_of_any_size(lot: float, qty: float) -> None:
    found = run([SIGNAL, FLAT], params={"distance": 3.0}, lot=lot)
    assert found.orders["qty"].iloc[0] == pytest.approx(qty, rel=1e-12)
    assert found.fills["qty"].iloc[0] == found.orders["qty"].iloc[0]


def test_a_file_without_volumes_means_no_impact() -> None:
    costs = Costs(commission_per_share=0.0, slippage=0.0, impact=0.01, impact_participation=0.1)
    silent = (50.0, 50.0, 50.0, 50.0, 0.0)
    first = [(50.0, 50.0, 50.0, 50.0, 0.0)] * 59
    signal = [(50.0, 50.0, 50.0, 50.0, ENTER)]
    assert only_fills(run(signal + first + [silent] * 25, costs=costs, decision_timeframe="1h"))[0][2] == 50.0


def test_an_account_begins_with_its_symbols_first_bar() -> None:
    day = 1_440
    table = np.array([FLAT] * (3 * day)).T
    late = table.copy()
    late[:, : 2 * day] = np.nan
    midnight = 28_400_040 // day * day * MINUTE
    time = midnight + MINUTE * np.arange(1, 3 * day + 1)
    both = [np.array([one, other]) for one, other in zip(table, late, strict=True)]
    market = from_arrays(["OLD", "NEW"], time, *both, timeframe="1m")
    found = backtest(RULE, market, costs=FREE, risk=Risk(cash_rate=0.04), initial_cash=100_000.0)
    per_day = 1.04 ** (1 / 365)
    assert found.equity.values[:, -1] == pytest.approx(
        [100_000.0 * per_day**3, 100_000.0 * per_day], rel=1e-12
    )
    assert found.equity.values[1, 2 * day - 1] == 100_000.0


# -- Shorts ---------------------------------------------------------------------------------------

SHORT, BACK = 444.0, LEAVE
DAY = 1_440 * MINUTE
SOLD = (50.0, 50.0, 50.0, 50.0, SHORT)


def test_a_short_is_sold_at_the_next_open_and_bought_back() -> None:
    found = run(
        [SOLD, (51.0, 52.0, 50.5, 51.5, 1.0), (51.0, 51.0, 50.0, 50.0, BACK), (49.0, 49.0, 49.0, 49.0, 1.0)]
    )
    assert only_fills(found) == [("market", -500.0, 51.0), ("market", 500.0, 49.0)]
    trade = found.trades.iloc[0]
    assert (trade["side"], trade["qty"], trade["pnl"]) == (-1, 500.0, 1_000.0)
    assert trade["pnl_fraction"] == pytest.approx(1_000.0 / 25_500.0, rel=1e-15)
    assert found.equity.values[0].tolist() == [100_000.0, 99_750.0, 100_500.0, 101_000.0]
    assert list(found.orders["side"]) == [-1, 1, 1]  # entry, its stop, exit
    assert list(found.orders["outcome"]) == ["filled", "cancelled: position closed", "filled"]
    assert [name.rsplit("-", 1)[1] for name in found.fills["client_order_id"]] == ["enter", "leave"]
    assert list(found.decisions["action"][:3]) == ["enter_short", "hold", "leave"]


def test_a_short_stop_that_is_touched_fills_at_its_price() -> None:
    found = run([SOLD, (50.0, 51.0, 50.0, 50.5, 1.0), (50.5, 52.0, 50.4, 51.0, 1.0)])
    assert only_fills(found) == [("market", -500.0, 50.0), ("stop", 500.0, 52.0)]
    assert found.fills["client_order_id"].iloc[1].endswith("-enter-stop")


def test_a_short_stop_one_tick_away_does_not_fill() -> None:
    assert len(run([SOLD, FLAT, (50.5, 51.99, 50.4, 51.0, 1.0)]).fills) == 1


def test_a_gap_through_the_stop_of_a_short_fills_at_the_open() -> None:
    found = run([SOLD, FLAT, (54.0, 55.0, 53.0, 54.5, 1.0)])
    assert only_fills(found) == [("market", -500.0, 50.0), ("stop", 500.0, 54.0)]


def test_a_bar_that_opens_at_the_stop_of_a_short_fills_there() -> None:
    assert only_fills(run([SOLD, FLAT, (52.0, 52.0, 51.0, 51.5, 1.0)]))[1] == ("stop", 500.0, 52.0)


def test_the_stop_of_a_short_acts_from_the_bar_of_entry() -> None:
    found = run([SOLD, (50.0, 53.0, 49.0, 49.5, 1.0)])
    assert only_fills(found) == [("market", -500.0, 50.0), ("stop", 500.0, 52.0)]


def test_a_trailed_stop_of_a_short_only_comes_down() -> None:
    rows = [SOLD, FLAT, (50.0, 51.5, 50.0, 50.0, TRAIL), (50.0, 51.1, 50.0, 50.0, 1.0)]
    assert only_fills(run(rows, params={"trail_to": 51.0}))[1] == ("stop", 500.0, 51.0)
    assert run(rows, params={"trail_to": 53.0}).stops.values[0, -1] == 52.0


def test_no_entry_of_either_side_is_decided_on_the_bar_of_a_shorts_stop_out() -> None:
    found = run([SOLD, (50.0, 53.0, 50.0, 50.0, SHORT), SOLD, FLAT])
    assert found.decisions["outcome"][1] == "denied: stopped out since the last decision"
    assert [fill.side for fill in found.fills.itertuples()] == [-1, 1, -1]


@pytest.mark.parametrize(("first", "second"), [(SIGNAL, SHORT), (SOLD, ENTER)])
def test_no_side_is_entered_while_the_other_is_held(first: tuple[float, ...], second: float) -> None:
    found = run([first, FLAT, (50.0, 50.0, 50.0, 50.0, second), FLAT])
    assert found.decisions["outcome"][2] == "denied: a position is open"
    assert len(found.fills) == 1


def test_a_short_is_sized_and_capped_like_a_long() -> None:
    assert run([SOLD, FLAT]).orders["qty"].iloc[0] == 500.0
    capped = Risk(max_position=0.2, max_deployed=0.5, cash_rate=0.0)
    assert run([SOLD, FLAT], risk=capped).orders["qty"].iloc[0] == 400.0


def test_a_short_is_cut_to_what_cash_covers_at_the_fill() -> None:
    costs = Costs(commission_per_share=0.0, commission_rate=0.01, slippage=0.1, impact=0.0)
    found = run([SOLD, (90.0, 90.0, 90.0, 90.0, 1.0)], params={"risk": 1.0}, costs=costs)
    fill = found.fills.iloc[0]
    assert fill["price"] == pytest.approx(81.0, rel=1e-15)
    assert fill["qty"] == 1_222.0  # 1,222 x 81 x 1.01 = 99,971.82
    assert found.orders["outcome"].iloc[0] == "filled 1222 of 2000: cash"


def test_costs_of_a_short_are_paid_on_both_sides() -> None:
    costs = Costs(
        commission_per_share=0.01, commission_per_order=1.0, commission_rate=0.001, slippage=0.002, impact=0.0
    )
    found = run([SOLD, FLAT, (50.0, 50.0, 50.0, 50.0, BACK), FLAT], costs=costs)
    sell, buy = found.fills.itertuples()
    assert (sell.price, buy.price) == (50.0 * 0.998, 50.0 * 1.002)
    assert float(found.metrics["costs_paid"][0]) == pytest.approx(buy.cost + sell.cost, rel=1e-15)
    assert found.equity.values[0, -1] == pytest.approx(100_000.0 - buy.cost - sell.cost, rel=1e-12)


def days(*prices: float, **settings: Any) -> Run:
    """A short decided on the first of some daily bars, each flat at its price."""
    time = 20_000 * DAY + DAY * np.arange(1, len(prices) + 1)
    line = np.array(prices)
    volume = np.array([SHORT, *[1.0] * (len(prices) - 1)])
    market = from_arrays("XYZ", time, line, line, line, line, volume, timeframe="1d")
    settings = {"costs": FREE, "risk": NO_INTEREST, "initial_cash": 100_000.0} | settings
    return backtest(RULE, market, **settings)


def test_what_is_borrowed_costs_its_rate_at_the_end_of_each_session() -> None:
    costs = Costs(commission_per_share=0.0, slippage=0.0, impact=0.0, borrow_rate=0.1)
    found = days(50.0, 50.0, 51.0, costs=costs)
    per_day = 1.1 ** (1 / 365) - 1
    fees = 500.0 * 50.0 * per_day, 500.0 * 51.0 * per_day
    assert found.equity.values[0] == pytest.approx(
        [100_000.0, 100_000.0 - fees[0], 99_500.0 - sum(fees)], rel=1e-14
    )
    assert float(found.metrics["costs_paid"][0]) == pytest.approx(sum(fees), rel=1e-9)


def test_the_proceeds_of_a_short_earn_nothing() -> None:
    risk = Risk(max_position=1.0, max_deployed=1.0, cash_rate=0.1, risk_free_rate=0.0)
    found = days(50.0, 50.0, 51.0, risk=risk, costs="zero")
    earned = 100_000.0 * 1.1 ** (1 / 365)
    second = earned * 1.1 ** (1 / 365)
    qty = found.fills["qty"].iloc[0]
    assert found.equity.values[0, :2] == pytest.approx([earned, second], rel=1e-13)
    assert found.equity.values[0, 2] == pytest.approx((second - qty) * 1.1 ** (1 / 365), rel=1e-13)


def test_a_short_may_ruin_the_account() -> None:
    """100 units sold at 50, their stop at 1,050 passed by an open at 1,200: 115,000 are lost."""
    prices = (50.0, 50.0, 50.0, 1_200.0, 400.0, 100.0)
    found = days(*prices, params={"distance": 1_000.0, "risk": 1.0}, costs="zero")
    assert found.equity.values[0].tolist() == [100_000.0] * 3 + [-15_000.0] * 3
    assert only_fills(found)[1] == ("stop", 100.0, 1_200.0)
    # Session returns 0, 0, 0, -1.15, and 0 twice: what begins below zero has none.
    returns = np.array([0.0, 0.0, 0.0, -1.15, 0.0, 0.0])
    sharpe = returns.mean() / returns.std(ddof=1) * np.sqrt(365)
    assert float(found.metrics["sharpe_ratio"][0]) == pytest.approx(sharpe, rel=1e-12)
    assert float(found.metrics["max_drawdown"][0]) == pytest.approx(-1.15, rel=1e-12)
    assert float(found.metrics["total_return"][0]) == pytest.approx(-1.15, rel=1e-12)


def test_no_entry_is_made_from_nothing() -> None:
    fall = (700.0, 700.0, 700.0, 700.0, 1.0)
    rows = [SOLD, FLAT, fall, (50.0, 50.0, 50.0, 50.0, ENTER), (50.0, 50.0, 50.0, 50.0, SHORT)]
    found = run(rows, params={"risk": 1.0, "distance": 60.0})
    assert float(found.metrics["final_equity"][0]) < 0.0
    assert list(found.decisions["outcome"][3:]) == ["denied: size below one lot"] * 2
    assert float(found.metrics["max_drawdown"][0]) < -1.0
