"""What there is to work with, and what must not be found; the description of the API."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from fluxhero.api.app import Service
from fluxhero.api.docs import openapi_document, operations

Client = TestClient[Any]
needs_links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")


@pytest.fixture
def copies(data_folder: Path) -> Iterator[Path]:
    """The data folder; what a test adds is removed."""
    before = set(data_folder.rglob("*"))
    yield data_folder
    for path in sorted(set(data_folder.rglob("*")) - before, reverse=True):
        if path.is_symlink() or path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


def listing(client: Client) -> dict[str, Any]:
    answer = client.get("/api/markets")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def names(client: Client, part: str) -> list[str]:
    return [item["name"] for item in listing(client)[part]]


def test_importing_the_app_imports_nothing_slow() -> None:
    code = (
        "import sys, fluxhero.api.app\n"
        "slow = {'numba', 'pandas', 'xarray', 'zarr', 'exchange_calendars'} & set(sys.modules)\n"
        "sys.exit(str(slow) if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_strategies_are_listed_with_their_first_line(client: Client) -> None:
    found = {item["name"]: item for item in client.get("/api/strategies").json()}
    assert found["dual_mode"]["origin"] == "built-in"
    assert found["cross"] == {
        "name": "cross",
        "origin": "file",
        "summary": "Long while the close is above its mean.",
        "problem": None,
    }


def test_series_from_outside_are_told_and_a_market_without_them_is_refused(client: Client) -> None:
    entries, _ = client.get("/api/strategies/signals").json()["features"]
    assert entries["series"] == "entries"
    assert entries["unknown"] == 0.0
    assert "buys" in entries["description"]
    answer = client.post("/api/backtests", json={"strategy": "signals", "market": "tiny"})
    assert answer.status_code == 422, answer.text
    assert "reads the series `entries`" in answer.text


def test_strategy_that_cannot_be_loaded_says_why(client: Client, copies: Path) -> None:
    (copies / "strategies" / "broken.py").write_text("PARAMS = {}\nraise RuntimeError('no luck')\n")
    found = {item["name"]: item for item in client.get("/api/strategies").json()}
    assert "broken.py:2: RuntimeError: no luck" in found["broken"]["problem"]
    assert str(copies) not in str(found)
    assert client.get("/api/strategies/broken").status_code == 422


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("def f(): f()\nf()\n", "RecursionError"),
        ("raise RuntimeError('\\ud800')\n", "RuntimeError: ?"),
    ],
)
def test_no_strategy_file_spoils_the_list(client: Client, copies: Path, code: str, told: str) -> None:
    (copies / "strategies" / "broken.py").write_text(code)
    answer = client.get("/api/strategies")
    assert answer.status_code == 200, answer.text
    found = {item["name"]: item for item in answer.json()}
    assert told in found["broken"]["problem"]
    assert found["cross"]["problem"] is None
    good = {"strategy": "broken", "market": "tiny"}
    assert client.post("/api/backtests", json=good).status_code in (404, 422)


def test_strategy_whose_words_cannot_be_sent_is_told(client: Client, copies: Path) -> None:
    code = (copies / "strategies" / "cross.py").read_text()
    (copies / "strategies" / "broken.py").write_text(code.replace("Long while", "\\ud800"))
    found = {item["name"]: item for item in client.get("/api/strategies").json()}
    assert "UnicodeEncodeError" in found["broken"]["problem"]


def test_strategy_file_cannot_take_the_place_of_a_built_in(client: Client, copies: Path) -> None:
    (copies / "strategies" / "dual_mode.py").write_text("raise RuntimeError('loaded the wrong one')\n")
    assert client.get("/api/strategies/dual_mode").json()["origin"] == "built-in"


@needs_links
def test_strategy_behind_a_link_is_not_found(client: Client, copies: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("raise RuntimeError('loaded from outside')\n")
    (copies / "strategies" / "outside.py").symlink_to(tmp_path / "outside.py")
    assert "outside" not in client.get("/api/strategies").text
    assert client.get("/api/strategies/outside").status_code == 404


def test_strategy_document_describes_a_form(client: Client) -> None:
    document = client.get("/api/strategies/cross").json()
    assert document["parameters"]["additionalProperties"] is False
    assert document["parameters"]["properties"]["lookback"] == {
        "type": "number",
        "default": 20,
        "minimum": 2,
        "maximum": 200,
        "unit": "bars",
        "description": "length of the mean",
    }
    side = document["parameters"]["properties"]["side"]
    assert (side["enum"], side["default"]) == (["above", "below"], "above")
    assert document["features"] == [
        {
            "name": "mean",
            "indicator": "sma",
            "output": None,
            "timeframe": None,
            "settings": {"lookback": "lookback"},
        }
    ]
    assert document["reasons"] == {"1": "close above its mean", "2": "close below its mean"}


def test_edited_strategy_is_noticed(client: Client, copies: Path) -> None:
    path = copies / "strategies" / "edited.py"
    path.write_text((copies / "strategies" / "cross.py").read_text())
    assert "Long while" in client.get("/api/strategies/edited").json()["description"]
    path.write_text(path.read_text().replace("Long while", "Now long while"))
    assert "Now long while" in client.get("/api/strategies/edited").json()["description"]


def test_edited_helper_of_a_strategy_is_noticed(client: Client, copies: Path) -> None:
    folder = copies / "strategies"
    (folder / "bounds.py").write_text("LONGEST = 200\n")
    code = (folder / "cross.py").read_text().replace("Param(20, 2, 200,", "Param(20, 2, LONGEST,")
    (folder / "helped.py").write_text(code.replace("PARAMS =", "from bounds import LONGEST\n\nPARAMS =", 1))

    def longest() -> float:
        document = client.get("/api/strategies/helped").json()
        return float(document["parameters"]["properties"]["lookback"]["maximum"])

    assert longest() == 200.0
    (folder / "bounds.py").write_text("LONGEST = 300\n")
    assert longest() == 300.0


def test_markets_are_described(client: Client) -> None:
    found = {item["name"]: item for item in listing(client)["markets"]}
    assert found["sample"]["origin"] == "sample"
    assert found["tiny"] == {
        "name": "tiny",
        "origin": "file",
        "symbols": ["ALFA", "BRVO"],
        "timeframe": "1m",
        "calendar": "XNYS",
        "source": "generated by FluxHero (seed 3)",
        "adjustment": "adjusted",
        "series": [],
        "generated": True,
        "n_bars": 2340,
        "first_session": "2024-01-02",
        "last_session": "2024-01-09",
    }


def test_finished_sweep_is_among_the_results(client: Client, sweep: dict[str, Any]) -> None:
    (found,) = [item for item in listing(client)["results"] if item["name"] == sweep["id"]]
    assert (found["axes"], found["n_trials"]) == ({"lookback": 3, "stop": 2}, 6)


def test_results_of_others_are_found_and_can_be_looked_at(
    client: Client, copies: Path, sweep: dict[str, Any]
) -> None:
    shutil.copytree(copies / "results" / f"{sweep['id']}.zarr", copies / "my-run" / "cube.zarr")
    assert "my-run.cube" in names(client, "results")
    assert client.get("/api/sweeps/my-run.cube/ranking?by=final_equity").status_code == 200
    answer = client.get("/api/sweeps/my-run.cube/replay?symbol=ALFA&lookback=5&stop=0.01&parts=trades")
    assert answer.json()["equals_cell"] is True
    assert client.get("/api/sweeps/my-run.cube").status_code == 404  # no job of this server


def test_damaged_cube_is_told_and_refused(client: Client, copies: Path) -> None:
    shutil.copytree(copies / "markets" / "tiny.zarr", copies / "markets" / "damaged.zarr")
    next(
        path for path in (copies / "markets" / "damaged.zarr" / "close").rglob("*") if path.is_file()
    ).unlink()
    (copies / "markets" / "empty.zarr").mkdir()
    broken = {item["name"]: item["problem"] for item in listing(client)["broken"]}
    assert "damaged" in broken["damaged"]
    assert "no cube of FluxHero" in broken["empty"]
    assert str(copies) not in str(broken)
    body = {"strategy": "cross", "market": "damaged", "grid": {"lookback": [5]}}
    answer = client.post("/api/sweeps", json=body)
    assert (answer.status_code, answer.json()["field"]) == (409, "market")
    assert str(copies) not in answer.text


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "null", '{"attributes": []}', '"\\ud800"'])
def test_folder_with_a_strange_description_spoils_no_list(client: Client, copies: Path, text: str) -> None:
    folder = copies / "markets" / "strange.zarr"
    folder.mkdir()
    (folder / "zarr.json").write_text(text)
    assert "strange" in names(client, "broken")
    assert "tiny" in names(client, "markets")


def test_what_was_replaced_under_its_name_is_not_served_from_memory(
    client: Client, copies: Path, sweep: dict[str, Any]
) -> None:
    from fluxhero.adapters.sample_market import sample_market
    from fluxhero.store.market import read_market, write_market
    from fluxhero.store.results import read_result, write_result

    market = copies / "markets" / "passing.zarr"
    path = copies / "results" / "replaced.zarr"
    cube = read_result(copies / "results" / f"{sweep['id']}.zarr").assign_attrs(market="passing")
    write_market(read_market(copies / "markets" / "tiny.zarr"), market)
    write_result(cube, path)
    address = "/api/sweeps/replaced/replay?symbol=ALFA&lookback=5&stop=0.01&parts=equity"
    first = client.get(address).json()
    assert first.get("equals_cell") is True, first
    shutil.rmtree(path)
    write_result(cube.assign_attrs(initial_cash=float(cube.attrs["initial_cash"]) * 2.0), path)
    second = client.get(address).json()
    assert second["equals_cell"] is False
    assert second["equity"]["equity"][0] == 2.0 * first["equity"]["equity"][0]
    shutil.rmtree(market)
    write_market(sample_market(2, sessions=6, seed=4), market)
    assert client.get(address).status_code == 422


def test_metrics_are_found_by_the_names_of_their_axes(
    client: Client, copies: Path, sweep: dict[str, Any]
) -> None:
    from fluxhero.store.results import read_result, write_result

    cube = read_result(copies / "results" / f"{sweep['id']}.zarr")
    turned = cube.assign(
        sharpe_ratio=cube["sharpe_ratio"].transpose(..., "symbol"),
        middle=cube["sharpe_ratio"].median("symbol"),
    )
    write_result(turned, copies / "results" / "turned.zarr")
    ranked = client.get("/api/sweeps/turned/ranking?by=sharpe_ratio&top=12").json()["items"]
    assert ranked
    for item in ranked:
        here = turned.sel(item["cell"])
        for name, value in item["metrics"].items():
            assert value is None or value == float(here[name])
    by_middle = client.get("/api/sweeps/turned/ranking?by=middle&top=1").json()["items"]
    assert set(by_middle[0]["cell"]) == {"lookback", "stop"}
    assert set(by_middle[0]["metrics"]) == {"middle"}


def test_one_name_for_two_cubes_is_refused(client: Client, copies: Path) -> None:
    shutil.copytree(copies / "markets" / "tiny.zarr", copies / "twice.zarr")
    shutil.copytree(copies / "markets" / "tiny.zarr", copies / "markets" / "twice.zarr")
    assert "twice" in names(client, "broken")
    body = {"strategy": "cross", "market": "twice", "grid": {"lookback": [5]}}
    assert client.post("/api/sweeps", json=body).status_code == 409


@needs_links
def test_cubes_behind_links_out_of_the_folder_are_not_found(
    client: Client, copies: Path, tmp_path: Path
) -> None:
    shutil.copytree(copies / "markets" / "tiny.zarr", tmp_path / "outside" / "away.zarr")
    (copies / "markets" / "linked.zarr").symlink_to(tmp_path / "outside" / "away.zarr")
    (copies / "folder").symlink_to(tmp_path / "outside")
    (copies / "markets" / "inside.zarr").symlink_to(copies / "markets" / "tiny.zarr")
    found = names(client, "markets")
    assert "inside" in found
    assert not {"linked", "away", "folder.away"} & set(found)
    body = {"strategy": "cross", "market": "linked", "grid": {"lookback": [5]}}
    assert client.post("/api/sweeps", json=body).status_code == 404


def test_cube_cannot_name_the_strategy_file_to_run(
    client: Client, copies: Path, sweep: dict[str, Any], tmp_path: Path
) -> None:
    from fluxhero.store.results import read_result, write_result

    (tmp_path / "evil.py").write_text("raise RuntimeError('ran a foreign file')\n")
    cube = read_result(copies / "results" / f"{sweep['id']}.zarr")
    for name, attrs in {
        "evil-path": {"strategy_path": str(tmp_path / "evil.py")},
        "evil-name": {"strategy": str(tmp_path / "evil")},
        "evil-dots": {"strategy": "../strategies/cross", "strategy_path": ""},
    }.items():
        write_result(cube.assign_attrs(attrs), copies / "results" / f"{name}.zarr")
        answer = client.get(f"/api/sweeps/{name}/replay?symbol=ALFA&lookback=5&stop=0.01&parts=trades")
        assert "foreign" not in answer.text
        assert answer.status_code in (200, 404), answer.text
        if answer.status_code == 200:  # by its name, from the strategies folder
            assert answer.json()["equals_cell"] is True


def test_result_from_another_market_is_not_replayed(
    client: Client, copies: Path, sweep: dict[str, Any]
) -> None:
    from fluxhero.adapters.sample_market import sample_market
    from fluxhero.store.market import write_market

    write_market(sample_market(2, sessions=6, seed=4), copies / "markets" / "other.zarr")
    address = f"/api/sweeps/{sweep['id']}/replay?symbol=ALFA&lookback=5&stop=0.01&market=other"
    answer = client.get(address)
    assert answer.status_code == 422
    assert "this market is not the one" in answer.json()["detail"]


def test_job_whose_result_was_removed_says_so(client: Client, service: Service, data_folder: Path) -> None:
    body = {"strategy": "cross", "market": "tiny", "grid": {"lookback": [6]}}
    job = client.post("/api/sweeps", json=body).json()
    service.jobs.wait(job["id"], "sweep", timeout_s=60.0)
    shutil.rmtree(data_folder / "results" / f"{job['id']}.zarr")
    answer = client.get(f"/api/sweeps/{job['id']}/ranking")
    assert answer.status_code == 404
    assert "no longer in the data folder" in answer.json()["detail"]


def test_openapi_describes_every_address_with_bodies_and_errors(client: Client) -> None:
    document = client.get("/schema/openapi.json").json()
    assert document == openapi_document()
    assert document["openapi"].startswith("3.1")
    found = {(path, method) for path, method, _ in operations(document)}
    assert ("/api/sweeps", "post") in found
    assert ("/api/sweeps/{sweep_id}/replay", "get") in found
    assert document["paths"]["/api/sweeps"]["post"]["requestBody"]["required"] is True
    assert "202" in document["paths"]["/api/sweeps"]["post"]["responses"]
    assert document["components"]["schemas"]["SweepRequest"]["additionalProperties"] is False
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["responses"]["default"]["content"]["application/json"]["schema"]


def test_metrics_are_described_as_plain_numbers() -> None:
    metrics = openapi_document()["components"]["schemas"]["RankedCell"]["properties"]["metrics"]
    kinds = sorted(one["type"] for one in metrics["additionalProperties"]["oneOf"])
    assert kinds == ["null", "number"]


def test_every_reference_of_openapi_leads_somewhere() -> None:
    import json

    document = openapi_document()
    wanted = set(re.findall(r"#/components/schemas/([\w.]+)", json.dumps(document)))
    assert wanted <= set(document["components"]["schemas"])


def test_docs_page_needs_no_other_host_and_no_script(client: Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert not re.findall(r"(?:https?:)?//[\w.]+", page.text)
    assert set(re.findall(r'(?:src|href)="([^"#][^"]*)"', page.text)) == {
        "/docs/style.css",
        "/schema/openapi.json",
    }
    for path, _, _ in operations(openapi_document()):
        assert path in page.text
    assert client.get("/docs/style.css").headers["content-type"].startswith("text/css")


def test_root_leads_to_the_docs(client: Client) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")
