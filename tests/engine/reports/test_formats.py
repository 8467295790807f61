import doctest

import pytest

from fluxhero.engine.reports import formats
from fluxhero.engine.reports.ranking import Spread
from fluxhero.engine.reports.wording import costs_words, metric_text, risk_words, spread_sentence

NAN = float("nan")


def test_every_example_is_true():
    assert doctest.testmod(formats).failed == 0


@pytest.mark.parametrize(
    "write", [formats.percent, formats.ratio, formats.amount, formats.price, formats.count]
)
def test_the_unknown_is_a_dash(write):
    assert write(NAN) == "–"


def test_a_loss_that_rounds_to_nothing_has_no_sign():
    assert formats.percent(-0.00001) == "0.00%"


def test_a_large_number_of_trials_is_told_with_what_the_best_stands_out_from():
    words = spread_sentence(Spread(1_080, 1_000, 1.283, 1.02, 0.79), "sharpe_ratio")
    assert words.startswith(
        "1,080 trials looked at (80 undefined). Sharpe ratio: best 1.28, 90th percentile 1.02, median 0.79."
    )
    assert "partly luck" in words


def test_one_trial_is_not_called_lucky():
    assert (
        spread_sentence(Spread(1, 1, 0.5, 0.5, 0.5), "sharpe_ratio")
        == "One trial looked at: Sharpe ratio 0.50."
    )


def test_a_sweep_without_any_value_says_so():
    assert "undefined on all of them" in spread_sentence(Spread(9, 0, NAN, NAN, NAN), "win_rate")


def test_costs_are_told_in_words():
    text = '{"commission_per_share":0.005,"commission_rate":0.0,"slippage":0.0001,"impact":0.0,'
    text += '"borrow_rate":0.005,"tax":0.1}'
    assert costs_words(text) == (
        "commission 0.005 per share; slippage 1 basis point of the price on each market order and stop; "
        "what is sold short costs 0.5% of its value a year; tax 0.1"
    )


def test_no_costs_are_told_too():
    assert costs_words('{"slippage":0.0}') == "none: every figure is before costs"


def test_limits_are_told_in_words():
    text = '{"max_position":0.2,"max_deployed":0.5,"cash_rate":0.04,"risk_free_rate":0.04}'
    assert risk_words(text) == (
        "at most 20% of equity in one position, 50% in all; idle cash earns 4% a year; "
        "Sharpe and Sortino compare with 4% a year"
    )
    assert risk_words("") == "not recorded"


def test_metrics_are_written_in_their_own_unit():
    assert metric_text("total_return", 0.0123) == "+1.23%"
    assert metric_text("n_trades", 12.0) == "12"
    assert metric_text("costs_paid", 1234.5) == "1,234"
    assert metric_text("a_new_metric", 1.5) == "1.50"
