import numpy as np
import pytest

from fluxhero.engine.backtest import replay
from fluxhero.engine.errors import NotFoundError, ParameterError
from fluxhero.engine.reports import rank_trials, trial_spread
from fluxhero.engine.reports.ranking import median_over_symbols

NAN = float("nan")


def by_sharpe(make_cube, values, **more):
    values = np.asarray(values, dtype=np.float64)
    symbols = [f"S{i}" for i in range(len(values))]
    return make_cube({"sharpe_ratio": values, **more}, symbols, lookback=list(range(values.shape[1])))


def test_a_trial_is_ranked_by_the_median_of_its_symbols(make_cube):
    cube = by_sharpe(make_cube, [[9.0, 1.0], [0.1, 1.1], [0.2, 1.2]])
    best = rank_trials(cube)[0]
    assert best.cell == {"lookback": 1}
    assert best.score == best.sharpe_ratio == 1.1


def test_undefined_trials_come_last(make_cube):
    cube = by_sharpe(make_cube, [[NAN, -3.0, NAN, 2.0]])
    assert [trial.trial for trial in rank_trials(cube)] == [3, 1, 0, 2]


def test_ties_stand_in_the_order_of_the_cube(make_cube):
    cube = by_sharpe(make_cube, [[1.0, 2.0, 1.0, 2.0, 1.0]])
    assert [trial.trial for trial in rank_trials(cube)] == [1, 3, 0, 2, 4]


def test_a_symbol_without_a_value_counts_as_the_worst(make_cube):
    cube = by_sharpe(make_cube, [[1.0], [NAN], [3.0]])
    best = rank_trials(cube)[0]
    assert (best.score, best.n_defined) == (1.0, 2)


def test_one_lucky_symbol_does_not_carry_a_trial(make_cube):
    cube = by_sharpe(make_cube, [[9.0, 0.1], [NAN, 0.1], [NAN, 0.1]])
    best, lucky = rank_trials(cube)
    assert (best.trial, best.score) == (1, 0.1)
    assert np.isnan(lucky.score)
    assert trial_spread(cube).n_defined == 1


def test_undefined_is_worst_where_less_is_better_too(make_cube):
    cube = by_sharpe(make_cube, [[0.0]] * 3, costs_paid=[[5.0], [NAN], [3.0]])
    assert rank_trials(cube, "costs_paid")[0].score == 5.0


def test_less_is_better_only_for_costs(make_cube):
    cube = by_sharpe(make_cube, [[0.0, 0.0]], costs_paid=[[5.0, 3.0]], max_drawdown=[[-0.3, -0.1]])
    assert rank_trials(cube, "costs_paid")[0].trial == 1
    assert rank_trials(cube, "max_drawdown")[0].trial == 1
    assert trial_spread(cube, "costs_paid").best == 3.0


def test_a_trial_shows_its_worst_drawdown_all_its_trades_and_the_share_in_profit(make_cube):
    cube = by_sharpe(
        make_cube,
        [[1.0], [1.0], [1.0]],
        max_drawdown=[[-0.1], [-0.4], [NAN]],
        n_trades=[[3], [4], [0]],
        total_return=[[0.2], [-0.1], [0.1]],
        profit_factor=[[NAN], [0.9], [NAN]],
        win_rate=[[1.0], [0.5], [NAN]],
    )
    best = rank_trials(cube)[0]
    assert best.max_drawdown == -0.4
    assert best.n_trades == 7
    assert best.share_profitable == pytest.approx(1 / 3)  # the third earned interest and never traded
    assert best.total_return == 0.1


def test_one_symbol_can_rank_alone(make_cube):
    cube = by_sharpe(make_cube, [[1.0, 2.0], [4.0, 3.0]])
    assert rank_trials(cube, symbol="S1")[0].trial == 0
    assert rank_trials(cube, symbol="S1")[0].score == 4.0


def test_the_best_cell_replays_to_its_own_metrics(swept, market):
    cube, _ = swept
    best = rank_trials(cube)[0]
    run = replay(cube, market, **best.cell)
    assert np.median(run.metrics["sharpe_ratio"]) == best.sharpe_ratio


def test_listed_trials_show_their_parameters(run_sweep):
    cube, _ = run_sweep(trials={"lookback": [3, 8, 5], "stop": [0.01, 0.02, 0.03]})
    best = rank_trials(cube)[0]
    assert best.cell == {"trial": best.trial}
    assert best.params == {"lookback": [3.0, 8.0, 5.0][best.trial], "stop": [0.01, 0.02, 0.03][best.trial]}


def test_a_shared_account_has_no_symbols(make_cube):
    cube = by_sharpe(make_cube, [[1.0, 2.0]]).isel(symbol=0, drop=True)
    best = rank_trials(cube)[0]
    assert (best.cell, best.score, best.n_defined) == ({"lookback": 1}, 2.0, 1)


def test_the_spread_leaves_undefined_trials_out_and_counts_them(make_cube):
    spread = trial_spread(by_sharpe(make_cube, [[*range(11), NAN]]))
    assert spread == (12, 11, 10.0, 9.0, 5.0)


def test_nothing_defined_has_no_spread(make_cube):
    spread = trial_spread(by_sharpe(make_cube, [[NAN, NAN]]))
    assert spread.n_defined == 0
    assert np.isnan(spread.best)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 8])
def test_medians_equal_numpys(n_rows):
    values = np.random.default_rng(n_rows).normal(size=(n_rows, 200))
    values[0, :5] = np.inf
    np.testing.assert_array_equal(median_over_symbols(values), np.median(values, axis=0))
    values[np.random.default_rng(1).random(values.shape) < 0.2] = NAN
    values[0, :5] = 1.0
    expected = np.median(np.where(np.isnan(values), -np.inf, values), axis=0)
    expected[np.isneginf(expected)] = NAN
    np.testing.assert_array_equal(median_over_symbols(values), expected)


def test_ranking_leaves_the_cube_as_it_was(make_cube):
    cube = by_sharpe(make_cube, [[2.0, NAN, 1.0]])
    before = cube.copy(deep=True)
    rank_trials(cube, "costs_paid")
    assert cube.identical(before)


def test_impossible_requests_name_what_is_possible(make_cube):
    cube = by_sharpe(make_cube, [[1.0]])
    with pytest.raises(ParameterError, match="no metric 'sharp'; it has "):
        rank_trials(cube, "sharp")
    with pytest.raises(ParameterError, match="`top` was 0, must be at least 1"):
        rank_trials(cube, top=0)
    with pytest.raises(NotFoundError, match="'SPY' is not in the cube; it has S0"):
        rank_trials(cube, symbol="SPY")
