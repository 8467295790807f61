"""Sweeps and backtests over HTTP: start, watch, cancel, slice, rank, replay."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from fluxhero.api.app import Service
from fluxhero.store.market import read_market
from fluxhero.store.results import read_result

Client = TestClient[Any]
Job = dict[str, Any]


@pytest.fixture(scope="session")
def cube(sweep: Job, data_folder: Path) -> Any:
    return read_result(data_folder / "results" / f"{sweep['id']}.zarr")


def get(client: Client, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_accepted_sweep_has_an_address_and_a_state(client: Client) -> None:
    body = {"strategy": "cross", "market": "tiny", "grid": {"lookback": [5]}}
    answer = client.post("/api/sweeps", json=body)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/api/sweeps/{job['id']}"
    assert job["state"] in ("queued", "running")
    assert (job["strategy"], job["market"], job["n_trials"], job["error"]) == ("cross", "tiny", 1, None)


def test_finished_sweep_tells_its_progress_and_its_request(sweep: Job) -> None:
    assert (sweep["state"], sweep["error"], sweep["n_trials"]) == ("done", None, 6)
    assert sweep["progress"]["done"] == sweep["progress"]["total"] == 2 * 6 * 2340
    assert sweep["request"]["grid"] == {"lookback": [5, 10, 20], "stop": [0.01, 0.02]}


def test_result_on_disk_is_what_the_engine_computes(cube: Any, data_folder: Path) -> None:
    from fluxhero.engine.sweep import sweep

    market = read_market(data_folder / "markets" / "tiny.zarr")
    grid = {"lookback": [5, 10, 20], "stop": [0.01, 0.02]}
    path = data_folder / "strategies" / "cross.py"
    expected = sweep(path, market, grid=grid, decision_timeframe="5m")
    for name in expected.data_vars:
        np.testing.assert_array_equal(cube[name].values, expected[name].values)
    assert cube.attrs["market"] == "tiny"


def test_slice_keeps_axes_in_the_asked_order(client: Client, sweep: Job, cube: Any) -> None:
    address = f"/api/sweeps/{sweep['id']}/result?metric=final_equity&symbol=BRVO&axes=stop,lookback"
    part = get(client, address)
    assert part["dims"] == ["stop", "lookback"]
    assert part["coords"] == {"stop": [0.01, 0.02], "lookback": [5.0, 10.0, 20.0]}
    assert part["fixed"] == {"symbol": "BRVO"}
    assert (
        part["values"]
        == cube["final_equity"].sel(symbol="BRVO").transpose("stop", "lookback").values.tolist()
    )


def test_slice_without_axes_keeps_all_that_are_not_held(client: Client, sweep: Job, cube: Any) -> None:
    part = get(client, f"/api/sweeps/{sweep['id']}/result?metric=n_trades&lookback=10")
    assert part["dims"] == ["symbol", "stop"]
    assert part["values"] == cube["n_trades"].sel(lookback=10.0).values.tolist()


def test_one_cell_is_a_slice_without_axes(client: Client, sweep: Job, cube: Any) -> None:
    address = f"/api/sweeps/{sweep['id']}/result?metric=costs_paid&symbol=ALFA&lookback=5&axis.stop=2e-2"
    part = get(client, address)
    assert part["dims"] == []
    assert part["values"] == float(cube["costs_paid"].sel(symbol="ALFA", lookback=5.0, stop=0.02))


def test_undefined_numbers_are_null(client: Client, service: Service, data_folder: Path) -> None:
    from fluxhero.store.results import write_result

    name = "undefined-numbers"
    some = read_result(data_folder / "results" / f"{_a_result(service)}.zarr").copy(deep=True)
    some["sharpe_ratio"].values.flat[0] = np.nan
    some["sharpe_ratio"].values.flat[1] = np.inf
    write_result(some, data_folder / "results" / f"{name}.zarr")
    values = get(client, f"/api/sweeps/{name}/result?metric=sharpe_ratio")["values"]
    flat = np.array(values, dtype=object).reshape(-1)
    assert flat[0] is None
    assert flat[1] is None


def _a_result(service: Service) -> str:
    return next(found.name for found in service.data.listing().results if found.axes)


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("", 400, "metric"),
        ("metric=nope", 400, "there is no metric 'nope'; there are final_equity"),
        ("metric=final_equity&axes=nope", 400, "there is no axis `nope`; there are symbol, lookback, stop"),
        ("metric=final_equity&nope=1", 400, "there is no axis `nope`"),
        ("metric=final_equity&lookback=7", 404, "axis `lookback` has no value '7'; it has 5.0, 10.0, 20.0"),
        ("metric=final_equity&lookback=nan", 404, "has no value 'nan'"),
        ("metric=final_equity&lookback=abc", 400, "must be a number"),
        ("metric=final_equity&symbol=SPY", 404, "axis `symbol` has no value 'SPY'; it has ALFA, BRVO"),
        ("metric=final_equity&axes=lookback", 400, "axis `symbol` needs a value or a place in `axes`"),
        ("metric=final_equity&axes=stop,stop&symbol=ALFA", 400, "axis `stop` is named twice"),
        ("metric=final_equity&axes=stop&stop=0.01&symbol=ALFA", 400, "axis `stop` is named twice"),
        ("metric=final_equity&lookback=5&lookback=10", 400, "axis `lookback` stands in the address twice"),
        ("metric=final_equity&lookback=5&axis.lookback=5", 400, "stands in the address twice"),
    ],
)
def test_impossible_slice_is_refused(client: Client, sweep: Job, query: str, status: int, told: str) -> None:
    answer = client.get(f"/api/sweeps/{sweep['id']}/result?{query}")
    assert answer.status_code == status, answer.text
    assert told in answer.json()["detail"]


def test_ranking_is_sorted_and_tells_all_metrics(client: Client, sweep: Job, cube: Any) -> None:
    ranking = get(client, f"/api/sweeps/{sweep['id']}/ranking?by=final_equity&top=3")
    found = [item["metrics"]["final_equity"] for item in ranking["items"]]
    assert found == sorted(cube["final_equity"].values.reshape(-1).tolist(), reverse=True)[:3]
    first = ranking["items"][0]
    assert (first["rank"], ranking["n_cells"]) == (1, 12)
    assert float(cube["final_equity"].sel(first["cell"])) == found[0]
    assert set(first["metrics"]) == set(map(str, cube.data_vars))


def test_ranking_of_one_symbol_from_below(client: Client, sweep: Job, cube: Any) -> None:
    ranking = get(client, f"/api/sweeps/{sweep['id']}/ranking?by=costs_paid&order=asc&symbol=ALFA")
    found = [item["metrics"]["costs_paid"] for item in ranking["items"]]
    assert found == sorted(cube["costs_paid"].sel(symbol="ALFA").values.reshape(-1).tolist())
    assert {item["cell"]["symbol"] for item in ranking["items"]} == {"ALFA"}


@pytest.mark.parametrize(
    "query", ["by=nope", "top=0", "top=1001", "top=x", "order=up", "symbol=SPY", "nope=1", "top=1.5"]
)
def test_impossible_ranking_is_refused(client: Client, sweep: Job, query: str) -> None:
    assert client.get(f"/api/sweeps/{sweep['id']}/ranking?{query}").status_code in (400, 404)


def test_replay_equals_its_cell(client: Client, sweep: Job, cube: Any) -> None:
    address = f"/api/sweeps/{sweep['id']}/replay?symbol=ALFA&lookback=10&stop=0.02&points=50&limit=3"
    run = get(client, address)
    cell = cube.sel(symbol="ALFA", lookback=10.0, stop=0.02)
    assert run["equals_cell"] is True
    assert run["metrics"]["final_equity"] == float(cell["final_equity"])
    assert run["trades"]["total"] == int(cell["n_trades"])
    assert run["params"]["lookback"] == 10.0
    assert run["equity"]["n_bars"] == 2340
    assert 3 <= len(run["equity"]["time"]) <= 50
    assert run["equity"]["time"][-1].endswith("Z")
    assert run["equity"]["equity"][-1] == float(cell["final_equity"])
    assert len(run["trades"]["items"]) == 3
    assert run["trades"]["items"][0]["entry_reason"] == "close above its mean"
    assert set(run["decisions"]["items"][0]) >= {"time", "action", "reason", "outcome", "mean"}
    assert run["orders"]["total"] >= run["trades"]["total"]


def test_replay_pages_do_not_overlap_and_cover_everything(client: Client, sweep: Job) -> None:
    base = f"/api/sweeps/{sweep['id']}/replay?symbol=ALFA&lookback=5&stop=0.01&parts=trades"
    first = get(client, base)["trades"]
    paged: list[Any] = []
    for page in range(1, first["total"] // 4 + 2):
        paged += get(client, f"{base}&limit=4&page={page}")["trades"]["items"]
    whole = get(client, f"{base}&limit=1000")["trades"]["items"]
    assert paged == whole
    assert get(client, f"{base}&limit=1000&page=2")["trades"]["items"] == []


def test_replay_sends_only_the_asked_parts(client: Client, sweep: Job) -> None:
    run = get(client, f"/api/sweeps/{sweep['id']}/replay?symbol=ALFA&lookback=5&stop=0.01&parts=fills,equity")
    assert set(run) == {"strategy", "symbol", "params", "metrics", "equals_cell", "equity", "fills"}


def test_thinned_equity_keeps_the_lowest_and_the_highest(client: Client, sweep: Job) -> None:
    base = f"/api/sweeps/{sweep['id']}/replay?symbol=BRVO&lookback=5&stop=0.01&parts=equity"
    whole = get(client, f"{base}&points=20000")["equity"]["equity"]
    few = get(client, f"{base}&points=10")["equity"]["equity"]
    assert len(whole) == 2340
    assert len(few) <= 10
    assert (min(few), max(few), few[0], few[-1]) == (min(whole), max(whole), whole[0], whole[-1])


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("lookback=5&stop=0.01", 400, "`symbol` is needed; there are ALFA, BRVO"),
        ("symbol=SPY&lookback=5&stop=0.01", 404, "there is no symbol 'SPY'"),
        ("symbol=ALFA&lookback=5", 400, "axis `stop` needs a value; it has 0.01, 0.02"),
        ("symbol=ALFA&lookback=5&stop=0.015", 404, "axis `stop` has no value '0.015'"),
        ("symbol=ALFA&lookback=5&stop=0.01&nope=2", 400, "there is no axis `nope`"),
        ("symbol=ALFA&lookback=5&stop=0.01&parts=nope", 400, "must be some of equity"),
        ("symbol=ALFA&lookback=5&stop=0.01&parts=", 400, "must be some of equity"),
        ("symbol=ALFA&lookback=5&stop=0.01&points=3", 400, "points"),
        ("symbol=ALFA&lookback=5&stop=0.01&limit=0", 400, "limit"),
        ("symbol=ALFA&lookback=5&stop=0.01&page=0", 400, "page"),
        ("symbol=ALFA&lookback=5&stop=0.01&market=nope", 404, "there is no market of this name"),
        ("symbol=ALFA&lookback=5&stop=0.01&market=../tiny", 404, "there is no market of this name"),
        ("symbol=ALFA&lookback=5&stop=0.01&market=sample", 404, "has no symbol 'BRVO'"),
    ],
)
def test_impossible_replay_is_refused(client: Client, sweep: Job, query: str, status: int, told: str) -> None:
    answer = client.get(f"/api/sweeps/{sweep['id']}/replay?{query}")
    assert answer.status_code == status, answer.text
    assert told in answer.json()["detail"]


def test_backtest_equals_the_cell_of_the_sweep(client: Client, backtest: Job, cube: Any) -> None:
    assert (backtest["state"], backtest["kind"]) == ("done", "backtest")
    metrics = get(client, f"/api/backtests/{backtest['id']}/result")["metrics"]
    for symbol in ("ALFA", "BRVO"):
        cell = cube.sel(symbol=symbol, lookback=10.0, stop=0.02)
        assert metrics[symbol]["final_equity"] == float(cell["final_equity"])
        assert metrics[symbol]["n_trades"] == int(cell["n_trades"])


def test_backtest_detail_has_all_parts(client: Client, backtest: Job) -> None:
    run = get(client, f"/api/backtests/{backtest['id']}/replay?symbol=BRVO&limit=2")
    assert run["equals_cell"] is True
    assert {"equity", "trades", "orders", "fills", "decisions"} <= set(run)
    assert all(item["symbol"] == "BRVO" for item in run["trades"]["items"])


def test_backtest_refuses_what_is_no_part_of_it(client: Client, backtest: Job) -> None:
    answer = client.get(f"/api/backtests/{backtest['id']}/replay?symbol=ALFA&lookback=5")
    assert answer.status_code == 400
    assert answer.json()["field"] == "lookback"


def test_jobs_are_listed_by_kind(client: Client, sweep: Job, backtest: Job) -> None:
    sweeps = get(client, "/api/sweeps?limit=1000")
    backtests = get(client, "/api/backtests?limit=1000")
    assert sweep["id"] in [job["id"] for job in sweeps["items"]]
    assert backtest["id"] in [job["id"] for job in backtests["items"]]
    assert sweeps["total"] == len(sweeps["items"])
    assert client.get(f"/api/sweeps/{backtest['id']}").status_code == 404


def test_choices_may_be_named_in_a_grid(client: Client, service: Service) -> None:
    body = {"strategy": "cross", "market": "tiny", "grid": {"side": ["above", "below"], "stop": [0.01]}}
    job = client.post("/api/sweeps", json=body | {"symbols": ["BRVO"], "params": {"lookback": 10}}).json()
    assert service.jobs.wait(job["id"], "sweep", timeout_s=60.0).state == "done"
    part = get(client, f"/api/sweeps/{job['id']}/result?metric=n_trades&axes=side")
    assert part["coords"] == {"side": ["above", "below"]}
    assert part["fixed"] == {"symbol": "BRVO", "stop": 0.01}
    run = get(client, f"/api/sweeps/{job['id']}/replay?side=below&parts=trades&limit=1000")
    assert run["equals_cell"] is True
    assert run["trades"]["total"] == part["values"][1]


def test_costs_and_risk_may_be_profiles_or_numbers_or_axes(client: Client, service: Service) -> None:
    body = {
        "strategy": "cross",
        "market": "tiny",
        "grid": {"costs.slippage": [0.0, 0.001], "lookback": {"start": 5, "stop": 10, "num": 2}},
        "costs": {"base": "us_equity", "commission_per_share": 0.0},
        "risk": "retail",
        "start": "2024-01-03",
        "stop": "2024-01-08T15:00",
    }
    job = client.post("/api/sweeps", json=body).json()
    assert service.jobs.wait(job["id"], "sweep", timeout_s=60.0).state == "done"
    part = get(client, f"/api/sweeps/{job['id']}/result?metric=costs_paid&symbol=ALFA&lookback=5")
    free, dear = part["values"]
    assert free == 0.0 < dear
    address = f"/api/sweeps/{job['id']}/replay?symbol=ALFA&lookback=5&costs.slippage=0.001&parts=equity"
    run = get(client, address)
    assert run["equals_cell"] is True
    assert run["equity"]["time"][0] >= "2024-01-03"


def test_waiting_sweep_is_cancelled(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, cue = threading.Event(), threading.Event()

    def stall(*_: Any) -> None:
        started.set()
        assert cue.wait(30.0)

    monkeypatch.setitem(service.jobs._work, "backtest", stall)  # type: ignore[index]
    blocker = client.post("/api/backtests", json={"strategy": "cross", "market": "tiny"}).json()
    assert started.wait(60.0)
    body = {"strategy": "cross", "market": "tiny", "grid": {"lookback": [5]}}
    job = client.post("/api/sweeps", json=body).json()
    assert get(client, f"/api/sweeps/{job['id']}")["queue_position"] == 1
    assert client.get("/api/health").json()["jobs"] == {"running": 1, "queued": 1}
    answer = client.get(f"/api/sweeps/{job['id']}/result?metric=sharpe_ratio")
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    answer = client.delete(f"/api/sweeps/{job['id']}")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    cue.set()
    service.jobs.wait(blocker["id"], "backtest", timeout_s=30.0)
    answer = client.get(f"/api/sweeps/{job['id']}/result?metric=sharpe_ratio")
    assert answer.status_code == 409


def test_sweep_cancelled_on_its_way_leaves_no_result(
    client: Client, service: Service, data_folder: Path
) -> None:
    body = {
        "strategy": "cross",
        "market": "tiny",
        "grid": {
            "stop": {"start": 0.01, "stop": 0.3, "num": 80},
            "costs.slippage": {"start": 0, "stop": 0.01, "num": 90},
        },
    }
    job = client.post("/api/sweeps", json=body).json()
    assert client.delete(f"/api/sweeps/{job['id']}").status_code == 202
    assert service.jobs.wait(job["id"], "sweep", timeout_s=60.0).state == "cancelled"
    assert not list((data_folder / "results").glob(f"*{job['id']}*"))


def test_finished_sweep_cannot_be_cancelled(client: Client, sweep: Job) -> None:
    answer = client.delete(f"/api/sweeps/{sweep['id']}")
    assert answer.status_code == 409
    assert "this sweep is done" in answer.json()["detail"]


def test_failed_sweep_says_why(client: Client, service: Service) -> None:
    body = {"strategy": "cross", "market": "tiny", "grid": {"lookback": [5]}, "start": "2030-01-01"}
    job = client.post("/api/sweeps", json=body).json()
    view = service.jobs.wait(job["id"], "sweep", timeout_s=60.0)
    assert view.state == "failed"
    assert "the market covers 2024-01-02 to 2024-01-09" in str(view.error)


def test_websocket_tells_of_a_job_until_it_is_over(client: Client) -> None:
    with client.websocket_connect("/ws/jobs") as socket:
        assert socket.receive_json(timeout=10) == {"jobs": []}
        body = {"strategy": "cross", "market": "tiny", "grid": {"lookback": [8]}}
        job = client.post("/api/sweeps", json=body).json()
        states: list[str] = []
        while "done" not in states:
            jobs = socket.receive_json(timeout=60)["jobs"]
            states += [item["state"] for item in jobs if item["id"] == job["id"]]
    assert set(states) <= {"queued", "running", "done"}
