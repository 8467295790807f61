import numpy as np
import pytest

from fluxhero.engine.errors import ParameterError
from fluxhero.engine.reports.cube_figure import cube_figure, score_histogram, significant


def figure(cube, rank_by="sharpe_ratio", best=0, shown=0, heat_map_axes=None):
    return cube_figure(cube, rank_by, best=best, shown=shown, heat_map_axes=heat_map_axes)


@pytest.fixture
def wide(make_cube):
    values = np.random.default_rng(3).normal(size=(3, 4, 5, 2))
    return make_cube(
        {"sharpe_ratio": values}, ["A", "B", "C"], a=[1, 2, 3, 4], b=[0.1, 0.2, 0.3, 0.4, 0.5], c=[7, 8]
    )


def test_the_whole_cube_travels_with_its_median_first(wide):
    found = figure(wide, best=17, shown=3)
    values = wide["sharpe_ratio"].values
    assert found["kind"] == "heat_map"
    assert found["views"] == ["median of 3 symbols", "A", "B", "C"]
    np.testing.assert_allclose(
        found["values"]["sharpe_ratio"][0], np.median(values, axis=0).ravel(), rtol=1e-3
    )
    np.testing.assert_allclose(found["values"]["sharpe_ratio"][2], values[1].ravel(), rtol=1e-3)
    assert found["best"] == [int(i) for i in np.unravel_index(17, (4, 5, 2))]
    assert found["shown"] == [0, 1, 1]


def test_it_starts_with_the_two_longest_axes_unless_told(wide):
    assert figure(wide)["across_up"] == ["a", "b"]
    assert figure(wide, heat_map_axes=("c", "a"))["across_up"] == ["c", "a"]


def test_the_ranking_metric_comes_first(wide):
    assert figure(wide, rank_by="max_drawdown")["metrics"][0]["name"] == "max_drawdown"


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (("a", "d"), "names 'd', which is no axis of the cube; it has a, b, c"),
        (("a", "a"), "must name two different axes"),
        (("a",), "must name two different axes"),
    ],
)
def test_impossible_axes_are_refused(wide, axes, message):
    with pytest.raises(ParameterError, match=message):
        figure(wide, heat_map_axes=axes)


def test_a_cube_too_large_keeps_two_axes_at_the_best_trial(wide, monkeypatch):
    monkeypatch.setattr("fluxhero.engine.reports.cube_figure.MAX_VALUES", 4 * 5 * 4 * 8)
    found = figure(wide, best=17, shown=0)
    values = wide["sharpe_ratio"].values[:, :, :, 17 % 2]
    assert [len(axis["labels"]) for axis in found["axes"]] == [4, 5, 1]
    np.testing.assert_allclose(found["values"]["sharpe_ratio"][1], values[0].ravel(), rtol=1e-3)
    assert found["note"] == "c held at the best trial: the cube is larger than a page."
    assert found["best"][2] == 0
    assert found["shown"] is None  # it lies on another slice


def test_a_cube_much_too_large_keeps_medians_and_thins_its_axes(make_cube, monkeypatch):
    values = np.arange(2 * 30 * 40, dtype=np.float64).reshape(2, 30, 40)
    cube = make_cube({"sharpe_ratio": values}, ["A", "B"], a=list(range(30)), b=list(range(40)))
    monkeypatch.setattr("fluxhero.engine.reports.cube_figure.MAX_VALUES", 500)
    monkeypatch.setattr("fluxhero.engine.reports.cube_figure.MAX_AXIS", 10)
    found = figure(cube, best=40 * 29 + 39, shown=40 * 29 + 39)
    assert found["views"] == ["median of 2 symbols"]
    assert max(len(axis["labels"]) for axis in found["axes"]) <= 11
    assert [axis["labels"][i] for axis, i in zip(found["axes"], found["best"], strict=True)] == ["29", "39"]
    assert "Long axes are thinned" in found["note"]


def test_axes_carry_exact_values_for_the_replay(make_cube):
    cube = make_cube({}, ["A"], a=[0.1, 0.1 + 0.2], b=["dual", "trend_only"])
    axes = figure(cube)["axes"]
    assert axes[0] == {"name": "a", "labels": ["0.1", "0.3"], "values": [0.1, 0.1 + 0.2]}
    assert axes[1]["values"] == ["dual", "trend_only"]


def test_one_axis_is_a_line_and_none_is_a_single_trial(make_cube):
    assert figure(make_cube({}, ["A"], a=[1, 2, 3], b=[5]))["kind"] == "line"
    assert figure(make_cube({}, ["A"]))["kind"] == "single"
    assert figure(make_cube({}, ["A"], a=[1]))["kind"] == "single"


def test_listed_trials_are_dots(run_sweep):
    cube, _ = run_sweep(trials={"lookback": [3, 8, 5], "stop": [0.01, 0.02, 0.03]})
    found = figure(cube, best=1, shown=1)
    assert found["kind"] == "scatter"
    assert found["params"] == [
        {"name": "lookback", "values": [3.0, 8.0, 5.0]},
        {"name": "stop", "values": [0.01, 0.02, 0.03]},
    ]
    assert found["best"] == 1


def test_too_many_listed_trials_are_thinned_and_the_best_stays(run_sweep, monkeypatch):
    cube, _ = run_sweep(trials={"lookback": list(range(3, 43))})
    monkeypatch.setattr("fluxhero.engine.reports.cube_figure.MAX_VALUES", 100)
    found = figure(cube, best=7, shown=7)
    assert found["params"][0]["values"][found["best"]] == 10.0
    assert "Every 5th trial is drawn." in found["note"]


def test_counts_stay_whole_and_unknown_values_unknown(make_cube):
    cube = make_cube({"sharpe_ratio": [[np.nan, 1.0]], "n_trades": [[3, 4]]}, ["A"], a=[1, 2])
    values = figure(cube)["values"]
    assert values["n_trades"] == [[3, 4]]
    assert np.isnan(values["sharpe_ratio"][0][0])


def test_rounding_keeps_significant_digits():
    rounded = significant(np.array([123456.789, -0.000123456, 0.0, np.nan, np.inf]), 4)
    np.testing.assert_array_equal(rounded, [123500.0, -0.0001235, 0.0, np.nan, np.inf])


def test_the_histogram_counts_every_defined_trial(make_cube):
    values = np.random.default_rng(5).normal(size=(1, 500))
    values[0, :20] = np.nan
    found = score_histogram(make_cube({"sharpe_ratio": values}, ["A"], a=list(range(500))), "sharpe_ratio")
    assert sum(found["counts"]) == 480
    assert len(found["edges"]) == len(found["counts"]) + 1


def test_equal_scores_have_no_histogram(make_cube):
    assert score_histogram(make_cube({}, ["A"], a=[1, 2, 3]), "sharpe_ratio")["counts"] == []
