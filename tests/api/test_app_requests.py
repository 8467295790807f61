"""Bad requests of every kind: refused with a 4xx, one JSON shape, the name of the field, no secrets."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from fluxhero.api.app import Service
from fluxhero.api.problems import without_paths

Client = TestClient[Any]

SWEEP = {"strategy": "cross", "market": "tiny", "grid": {"lookback": [5, 10]}}
BACKTEST = {"strategy": "cross", "market": "tiny", "params": {"lookback": 5}}
JSON = {"Content-Type": "application/json"}


def refused(answer: Any, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, f"{answer.status_code} {answer.text}"
    body: dict[str, Any] = answer.json()
    assert set(body) <= {"status", "error", "detail", "field"}
    assert body["status"] == answer.status_code
    for leak in ("Traceback", "site-packages", 'File "', "/tmp/", "/work/", "object at 0x"):
        assert leak not in answer.text
    return body


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the body is empty"),
        (b"   \n", "the body is empty"),
        (b"{", "no valid JSON"),
        (b"{'strategy': 'cross'}", "no valid JSON"),
        (b'{"strategy": "cross",}', "no valid JSON"),
        (b'{"initial_cash": NaN}', "no valid JSON"),
        (b'{"initial_cash": Infinity}', "no valid JSON"),
        (b'{"initial_cash": -Infinity}', "no valid JSON"),
        (b'{"initial_cash": 1e999}', "no valid JSON"),
        (b"\xff\xfe{}", "no valid JSON"),
        (b'{"a": "\xff"}', "no valid JSON"),
        (b'{"a": 1} trailing', "no valid JSON"),
        (b'{"a": "\\ud800"}', "no valid JSON"),
        (b"[" * 9_000, "nested too deeply"),
        (b'{"a":' * 2_500, "nested too deeply"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"7", "no JSON object"),
        (b'"text"', "no JSON object"),
    ],
)
@pytest.mark.parametrize("address", ["/api/sweeps", "/api/backtests"])
def test_body_that_is_no_json_object_is_refused(
    client: Client, address: str, content: bytes, told: str
) -> None:
    assert told in refused(client.post(address, content=content, headers=JSON), 400)["detail"]


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonp",
        "",
    ],
)
def test_other_content_types_are_refused(client: Client, kind: str) -> None:
    answer = client.post("/api/sweeps", content=json.dumps(SWEEP), headers={"Content-Type": kind})
    assert refused(answer, 415)["error"] == "unsupported_media_type"


def test_content_type_may_name_its_charset(client: Client) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/api/backtests", content=json.dumps(BACKTEST), headers=headers).status_code == 202


def test_body_that_is_too_large_is_refused(client: Client) -> None:
    body = SWEEP | {"symbols": ["S" * 90] * 900}
    assert refused(client.post("/api/sweeps", json=body), 413)["error"] == "too_large"


def test_body_without_a_length_is_cut_off_at_the_limit(client: Client) -> None:
    chunks = (b" " * 10_000 for _ in range(10))
    refused(client.post("/api/sweeps", content=chunks, headers=JSON), 413)


WRONG = [
    ({"strategy": None}, "strategy"),
    ({"strategy": 7}, "strategy"),
    ({"strategy": ""}, "strategy"),
    ({"strategy": "x" * 101}, "strategy"),
    ({"strategy": "nope"}, "strategy"),
    ({"strategy": "broken"}, "strategy"),
    ({"market": 1.5}, "market"),
    ({"market": "nope"}, "market"),
    ({"market": []}, "market"),
    ({"initial_cash": "100000"}, "initial_cash"),
    ({"initial_cash": 0}, "initial_cash"),
    ({"initial_cash": -1}, "initial_cash"),
    ({"initial_cash": True}, "initial_cash"),
    ({"initial_cash": None}, "initial_cash"),
    ({"initial_cash": 1e300}, "initial_cash"),
    ({"delay_s": -1}, "delay_s"),
    ({"delay_s": 86_401}, "delay_s"),
    ({"decision_timeframe": "2h"}, "decision_timeframe"),
    ({"decision_timeframe": 60}, "decision_timeframe"),
    ({"symbols": []}, "symbols"),
    ({"symbols": "ALFA"}, "symbols"),
    ({"symbols": [1]}, "symbols[0]"),
    ({"symbols": ["ALFA", "ALFA"]}, "symbols"),
    ({"symbols": ["SPY"]}, "symbols"),
    ({"start": "today"}, "start"),
    ({"start": "2024-02-30"}, "start"),
    ({"start": 20240301}, "start"),
    ({"start": "1677-01-01"}, "start"),
    ({"stop": "9999-12-31"}, "stop"),
    ({"stop": "2262-06-01T00:00"}, "stop"),
    ({"stop": "2024-1-1"}, "stop"),
    ({"stop": "2024-01-01T00:00+05:00"}, "stop"),
    ({"costs": "nope"}, "costs"),
    ({"costs": 5}, "costs"),
    ({"costs": {"slippage": -1}}, "costs.slippage"),
    ({"costs": {"slippage": "0"}}, "costs.slippage"),
    ({"costs": {"slipage": 0.1}}, "costs.slipage"),
    ({"costs": {"base": "nope"}}, "costs.base"),
    ({"risk": {"max_position": 2}}, "risk.max_position"),
    ({"risk": {"max_position": [0.1]}}, "risk"),
    ({"params": []}, "params"),
    ({"params": {"nope": 1}}, "params.nope"),
    ({"params": {"stop": 0.9}}, "params.stop"),
    ({"params": {"stop": "x"}}, "params.stop"),
    ({"params": {"stop": None}}, "params.stop"),
    ({"params": {"stop": 10**40}}, "params.stop"),
    ({"params": {"side": "sideways"}}, "params.side"),
    ({"params": {"side": 2}}, "params.side"),
    ({"unknown": 1}, "unknown"),
    ({"n_threads": 99}, "n_threads"),
    ({"strategy_path": "/etc/passwd"}, "strategy_path"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize(("address", "good"), [("/api/sweeps", SWEEP), ("/api/backtests", BACKTEST)])
def test_wrong_field_is_refused_by_name(
    client: Client, address: str, good: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    body = refused(client.post(address, json=good | change), 400, 404, 422)
    assert body["field"] == field


@pytest.mark.parametrize(
    ("grid", "field"),
    [
        ({}, "grid"),
        ([], "grid"),
        (None, "grid"),
        ({"lookback": []}, "grid.lookback"),
        ({"lookback": 5}, "grid.lookback"),
        ({"lookback": "5"}, "grid.lookback"),
        ({"lookback": None}, "grid.lookback"),
        ({"lookback": [None]}, "grid.lookback[0]"),
        ({"lookback": [5, [6]]}, "grid.lookback[1]"),
        ({"lookback": [5, True]}, "grid.lookback[1]"),
        ({"lookback": [5, 5]}, "grid.lookback"),
        ({"lookback": [5, 5.0]}, "grid.lookback"),
        ({"lookback": [5, 1_000]}, "grid.lookback"),
        ({"lookback": ["five"]}, "grid.lookback"),
        ({"lookback": [5, "10"]}, "grid.lookback"),
        ({"lookback": [10**30]}, "grid.lookback[0]"),
        ({"side": ["above", 1]}, "grid.side"),
        ({"side": ["sideways"]}, "grid.side"),
        ({"nope": [1]}, "grid.nope"),
        ({"symbol": ["ALFA"]}, "grid.symbol"),
        ({"sharpe_ratio": [1]}, "grid.sharpe_ratio"),
        ({"costs.nope": [1]}, "grid.costs.nope"),
        ({"costs.slippage": [7]}, "grid.costs.slippage"),
        ({"lookback": {"start": 5, "stop": 4, "num": 2}}, "grid.lookback"),
        ({"lookback": {"start": 5, "stop": 9, "num": 0}}, "grid.lookback.num"),
        ({"lookback": {"start": 5, "stop": 9, "num": 10**9}}, "grid.lookback.num"),
        ({"lookback": {"start": 5, "stop": 9}}, "grid.lookback.num"),
        ({"lookback": {"start": 5, "stop": 9, "num": 2, "step": 1}}, "grid.lookback.step"),
        ({"lookback": {"start": "5", "stop": 9, "num": 2}}, "grid.lookback.start"),
        ({f"axis{i}": [1] for i in range(5)}, "grid"),
        ({"lookback": {"start": 5, "stop": 9, "num": 10_001}}, "grid"),
        ({"stop": {"start": 0.01, "stop": 0.2, "num": 9_000}}, "grid"),
        (
            {name: {"start": 0, "stop": 1, "num": 100_000} for name in ("a", "b", "c", "d")},
            "grid",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_impossible_grid_is_refused_by_name(client: Client, grid: Any, field: str) -> None:
    assert refused(client.post("/api/sweeps", json=SWEEP | {"grid": grid}), 400)["field"] == field


def test_parameter_that_is_fixed_and_swept_is_refused(client: Client) -> None:
    body = refused(client.post("/api/sweeps", json=SWEEP | {"params": {"lookback": 5}}), 400)
    assert body["field"] == "params.lookback"


@pytest.mark.parametrize("missing", ["strategy", "market", "grid"])
def test_missing_field_is_named(client: Client, missing: str) -> None:
    body = {name: value for name, value in SWEEP.items() if name != missing}
    answer = refused(client.post("/api/sweeps", json=body), 400)
    assert (answer["field"], "is missing" in answer["detail"]) == (missing, True)


TRAVERSALS = [
    "../tiny",
    "../../etc/passwd",
    "/etc/passwd",
    "markets/tiny",
    "..",
    ".",
    "tiny.zarr",
    "tiny/",
    "C:\\Windows",
    "..\\tiny",
    "tiny\x00",
    "~/tiny",
    "file:///etc/passwd",
    ".tiny.zarr.old",
    "%2e%2e%2ftiny",
]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_paths_are_no_names(client: Client, name: str) -> None:
    assert refused(client.post("/api/sweeps", json=SWEEP | {"market": name}), 404)["field"] == "market"
    assert refused(client.post("/api/sweeps", json=SWEEP | {"strategy": name}), 404)["field"] == "strategy"
    for folder in ("costs", "risk"):
        refused(client.post("/api/sweeps", json=SWEEP | {folder: name}), 400)
        refused(client.post("/api/sweeps", json=SWEEP | {folder: {"base": name}}), 400)


def test_strategy_files_are_no_names(client: Client, data_folder: Path) -> None:
    for name in ("cross.py", str(data_folder / "strategies" / "cross.py"), "dual_mode.py", "__init__"):
        refused(client.post("/api/sweeps", json=SWEEP | {"strategy": name}), 404, 400)


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "nope", "a%00b", "cross.py", "__init__", "%F0%9F%92%A9"]
)
def test_strange_names_in_an_address_are_not_found(client: Client, name: str) -> None:
    for address in (
        f"/api/strategies/{name}",
        f"/api/sweeps/{name}",
        f"/api/sweeps/{name}/result?metric=sharpe_ratio",
        f"/api/sweeps/{name}/ranking",
        f"/api/sweeps/{name}/replay",
        f"/api/backtests/{name}/result",
    ):
        refused(client.get(address), 404)


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("PUT", "/api/sweeps"),
        ("DELETE", "/api/sweeps"),
        ("PATCH", "/api/sweeps"),
        ("POST", "/api/sweeps/some"),
        ("POST", "/api/health"),
        ("DELETE", "/api/markets"),
        ("HEAD", "/api/sweeps"),
    ],
)
def test_wrong_method_is_refused_with_the_right_ones(client: Client, method: str, address: str) -> None:
    answer = client.request(method, address)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pgae=2", "pgae"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("limit=1001", "limit"),
        ("limit=", "limit"),
    ],
)
def test_wrong_query_is_refused_by_name(client: Client, query: str, field: str) -> None:
    assert refused(client.get(f"/api/sweeps?{query}"), 400)["field"] == field


def test_decision_timeframe_below_the_bars_is_refused(client: Client, service: Service) -> None:
    from fluxhero.engine.market import from_arrays
    from fluxhero.store.market import write_market

    bars = np.ones((5, 48))
    hours = from_arrays(
        "COIN", np.datetime64("2024-01-01") + np.arange(1, 49).astype("m8[h]"), *bars, timeframe="1h"
    )
    write_market(hours, service.data.folder / "markets" / "hours.zarr", overwrite=True)
    answer = client.post("/api/sweeps", json=SWEEP | {"market": "hours", "decision_timeframe": "5m"})
    assert "`decision_timeframe` was '5m'" in refused(answer, 400)["detail"]


def test_unforeseen_error_hides_behind_an_id(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a secret of /home/ann")

    monkeypatch.setattr(service.data, "listing", fail)
    caplog.set_level(logging.ERROR)
    body = refused(client.get("/api/markets"), 500)
    error_id = body["detail"].rpartition(" ")[2]
    assert "secret" not in body["detail"]
    (record,) = [record for record in caplog.records if error_id in record.getMessage()]
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/srv/bars/data/spy.zarr is damaged", "spy.zarr is damaged"),
        ("cannot lock /var/lib/x/.lock: denied", "cannot lock .lock: denied"),
        ("strategy file '/a/b c/d.py' fails", "strategy file 'd.py' fails"),
        ("/Users/Ann/Library/Application Support/fluxhero/x.zarr is bad", "x.zarr is bad"),
        (r"C:\Users\Ann Lee\AppData\x.zarr is bad", "x.zarr is bad"),
        (r"\\server\share\ann\x.zarr is bad", "x.zarr is bad"),
        ("file:///srv/ann/x/y.zarr is bad", "y.zarr is bad"),
        ("file:///C:/Users/Ann/y.zarr is bad", "y.zarr is bad"),
        ("home:/srv/ann/x.csv", "home:x.csv"),
        (r"C:\Users\ann\spy.zarr is damaged", "spy.zarr is damaged"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("rate was 3/4 of 1/2/3", "rate was 3/4 of 1/2/3"),
        ("must lie in (0, 1] /year", "must lie in (0, 1] /year"),
    ],
)
def test_paths_of_this_machine_are_cut_to_their_last_part(text: str, told: str) -> None:
    assert without_paths(text) == told
