import numpy as np
import pytest

from fluxhero.engine.reports.curves import buy_and_hold, drawdowns, equity_curves, monthly_returns
from fluxhero.engine.reports.key_figures import (
    DRAWDOWN_GOAL,
    SHARPE_GOAL,
    cash_return,
    key_figures,
    profit_factor,
    win_loss_ratio,
)


def test_buy_and_hold_is_the_instruments_own_return(market):
    held = buy_and_hold(market, 1_000.0)
    bars = market["close"].dropna("time", how="any")
    first_open = market["open"].values[:, 0]
    np.testing.assert_allclose(held[:, -1], 1_000.0 * bars.values[:, -1] / first_open)


def test_a_missing_bar_is_worth_the_close_before(market):
    gapped = market.copy(deep=True)
    gapped["close"][0, 100:200] = np.nan
    held = buy_and_hold(gapped, 1_000.0)
    assert (held[0, 100:200] == held[0, 99]).all()


def test_before_its_first_bar_a_symbol_is_cash(market):
    late = market.copy(deep=True)
    for name in ("open", "high", "low", "close", "volume"):
        late[name][0, :50] = np.nan
    held = buy_and_hold(late, 1_000.0)
    assert (held[0, :50] == 1_000.0).all()
    assert held[0, 50] == pytest.approx(1_000.0 * late["close"].values[0, 50] / late["open"].values[0, 50])


def test_a_drawdown_counts_from_the_starting_cash():
    np.testing.assert_allclose(drawdowns(np.array([90.0, 120.0, 60.0]), 100.0), [-0.1, 0.0, -0.5])


@pytest.mark.parametrize("budget", [30_000, 300, 1])
def test_thinned_curves_still_touch_the_worst_drawdown_and_the_ends(swept, monkeypatch, budget):
    monkeypatch.setattr("fluxhero.engine.reports.curves.MAX_VALUES", budget)
    _, run = swept
    curves = equity_curves(run)
    np.testing.assert_allclose(curves.account_drawdowns.min(axis=1), run.metrics["max_drawdown"], rtol=1e-12)
    np.testing.assert_array_equal(curves.accounts[:, -1], run.metrics["final_equity"])
    assert curves.time[0] == run.market["time"].values[0].astype(np.int64)


def test_months_compound_to_the_total_return(swept):
    _, run = swept
    whole = np.prod([1.0 + month.value for month in monthly_returns(run)]) - 1.0
    assert whole == pytest.approx(run.metrics["total_return"].values.mean())


def test_grades_follow_the_goals():
    assert [SHARPE_GOAL.grade(value) for value in (0.79, 0.8, 1.5, np.nan)] == ["poor", "fair", "ideal", ""]
    assert [DRAWDOWN_GOAL.grade(value) for value in (0.3, 0.25, 0.15)] == ["poor", "fair", "ideal"]


def test_win_and_loss_are_undefined_without_either():
    assert win_loss_ratio(np.array([0.02, 0.04, -0.01])) == pytest.approx(3.0)
    assert np.isnan(win_loss_ratio(np.array([0.02])))
    assert profit_factor(np.array([6.0, -2.0])) == 3.0
    assert np.isnan(profit_factor(np.array([])))


def test_the_return_stands_beside_what_idle_cash_would_have_earned(swept):
    _, run = swept
    assert cash_return(run) == pytest.approx(1.04 ** (15 / 252) - 1.0)
    note = next(figure.note for figure in key_figures(run) if figure.label == "Total return")
    assert "buy and hold" in note
    assert "idle cash +0.23%" in note


def test_a_run_without_trades_has_figures_too(without_trades):
    _, run = without_trades
    figures = {figure.label: figure for figure in key_figures(run)}
    assert figures["Trades"].text == "0"
    assert (figures["Win rate"].text, figures["Win rate"].grade) == ("–", "")
