import datetime as dt
import math
import sqlite3

import pytest

from fluxhero.engine.config import Costs
from fluxhero.engine.errors import NotFoundError, StoreError
from fluxhero.store import Experiments, Ledger

DAY_NS = 86_400_000_000_000
FIRST_NS = 1_704_067_200_000_000_000  # 2024-01-01

CONFIG = {"strategy": "dual_mode", "costs": {"slippage": 0.0001, "impact": 0.0005}, "symbols": ["SPY", "QQQ"]}


@pytest.fixture
def experiments(tmp_path):
    with Experiments(tmp_path / "experiments.sqlite") as experiments:
        yield experiments


def record(experiments, name="demo", day=0, **changes):
    facts = {
        "kind": "sweep",
        "strategy": "dual_mode",
        "config": CONFIG,
        "code_version": "0.1.0",
        "data_hash": "abc",
        "metrics": {"sharpe_ratio": 1.25, "profit_factor": math.nan},
        "cube_path": "results/demo.zarr",
        "created_ns": FIRST_NS + day * DAY_NS,
    }
    return experiments.record_experiment(name, **(facts | changes))


def test_experiment_comes_back(experiments):
    experiment = experiments.get(record(experiments))
    assert (experiment.name, experiment.kind, experiment.strategy) == ("demo", "sweep", "dual_mode")
    assert experiment.config == CONFIG
    assert experiment.metrics["sharpe_ratio"] == 1.25
    assert math.isnan(experiment.metrics["profit_factor"])
    assert (experiment.code_version, experiment.data_hash) == ("0.1.0", "abc")
    assert (experiment.cube_path, experiment.created_ns) == ("results/demo.zarr", FIRST_NS)


def test_experiments_outlive_the_process(experiments, tmp_path):
    first = record(experiments)
    with Experiments(tmp_path / "experiments.sqlite", read_only=True) as reader:
        assert [experiment.id for experiment in reader.find()] == [first]


def test_ids_are_never_reused(experiments):
    assert [record(experiments) for _ in range(3)] == [1, 2, 3]


def test_settings_may_be_a_struct(experiments):
    experiment = experiments.get(record(experiments, config=Costs(slippage=0.0002)))
    assert experiment.config["slippage"] == 0.0002


def test_default_time_is_now(experiments):
    before = dt.datetime.now(dt.UTC).timestamp() * 1e9
    assert experiments.get(record(experiments, created_ns=None)).created_ns >= before - 1e6


def test_newest_comes_first(experiments):
    ids = [record(experiments, day=day) for day in (1, 3, 2)]
    assert [experiment.id for experiment in experiments.find()] == [ids[1], ids[2], ids[0]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "GRID"}, ["wide grid", "grid"]),
        ({"kind": "paper"}, ["live"]),
        ({"strategy": "sma_cross"}, ["wide grid"]),
        ({"start": "2024-01-02"}, ["live", "wide grid"]),
        ({"stop": "2024-01-02"}, ["grid"]),
        ({"start": "2024-01-02T00:00:00+02:00", "stop": dt.datetime(2024, 1, 3)}, ["wide grid"]),  # noqa: DTZ001
        ({"start": FIRST_NS + 2 * DAY_NS}, ["live"]),
        ({"where": {"costs.slippage": 0.0001}}, ["live", "grid"]),
        ({"where": {"costs.slippage": 0.0001, "symbols": ["SPY", "QQQ"]}, "limit": 1, "page": 2}, ["grid"]),
        ({"where": {"costs.none": 0.0}}, []),
        ({"limit": 1}, ["live"]),
        ({"limit": 1, "page": 3}, ["grid"]),
        ({"name": "nothing"}, []),
    ],
)
def test_experiments_are_found(experiments, query, names):
    record(experiments, "grid")
    record(experiments, "wide grid", 1, strategy="sma_cross", config={"costs": {"slippage": 0.0}})
    record(experiments, "live", 2, kind="paper")
    assert [experiment.name for experiment in experiments.find(**query)] == names


def test_percent_sign_in_a_name_is_no_wildcard(experiments):
    record(experiments, "10% risk")
    record(experiments, "100 risk")
    assert [experiment.name for experiment in experiments.find(name="0% r")] == ["10% risk"]


def test_two_side_by_side(experiments):
    one = record(experiments, "one")
    two = record(experiments, "two", config={"costs": {"slippage": 0.0002}}, metrics={"sharpe_ratio": 1.5})
    table = experiments.compare([two, one])
    assert list(table.columns) == [two, one]
    assert table.loc["config.costs.slippage"].tolist() == [0.0002, 0.0001]
    assert table.loc["config.costs.impact"].tolist() == [None, 0.0005]
    assert table.loc["metrics.sharpe_ratio"].tolist() == [1.5, 1.25]
    assert table.index[0] == "name"


def test_only_what_differs(experiments):
    ids = [record(experiments, metrics={"sharpe_ratio": value, "win_rate": math.nan}) for value in (1.0, 2.0)]
    assert list(experiments.compare(ids, only_differences=True).index) == ["metrics.sharpe_ratio"]


def test_missing_experiment_says_what_there_is(experiments):
    with pytest.raises(NotFoundError, match="experiment 7 does not exist; there are none"):
        experiments.get(7)
    record(experiments)
    with pytest.raises(NotFoundError, match="experiment 7 does not exist; there are 1, up to 1"):
        experiments.compare([1, 7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "live"}, "`kind` was 'live', must be one of sweep, backtest, paper"),
        ({"name": ""}, "`name` was empty"),
        ({"config": {"a": object()}}, "cannot store"),
    ],
)
def test_impossible_experiment_is_refused(experiments, change, message):
    with pytest.raises(StoreError, match=message):
        record(experiments, **change)
    assert experiments.find() == []


def test_unreadable_time_is_refused(experiments):
    with pytest.raises(StoreError, match="`start` was 'yesterday', must be a time"):
        experiments.find(start="yesterday")


def test_ledger_is_no_experiments_database(tmp_path):
    Ledger(tmp_path / "ledger.sqlite").close()
    with pytest.raises(StoreError, match="is an SQLite file, but no experiments database"):
        Experiments(tmp_path / "ledger.sqlite")


def test_damaged_database_is_refused(tmp_path):
    path = tmp_path / "experiments.sqlite"
    Experiments(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE' WHERE name = 'experiments'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="experiments"):
        Experiments(path)
