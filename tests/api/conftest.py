"""A server's data folder with a tiny market and a tiny strategy, and a client for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from fluxhero.api.app import Service, Settings, create_app
from fluxhero.api.catalog import SampleSize
from fluxhero.api.service import Limits
from fluxhero.api.token import Token

TOKEN = "test-token-test-token-test-token-42"
CROSS = '''"""Long while the close is above its mean.

The second paragraph is not part of a list.
"""

from fluxhero.engine.strategy import Feature, Param, enter, hold, leave

PARAMS = {
    "lookback": Param(20, 2, 200, "bars", "length of the mean"),
    "stop": Param(0.03, 0.001, 0.5, "of price", "protective stop"),
    "side": Param(0, 0, 1, doc="which way", choices={"above": 0, "below": 1}),
}
FEATURES = {"mean": Feature("sma", lookback="lookback")}
REASONS = {1: "close above its mean", 2: "close below its mean"}


def decide(bar, x, p, position):
    above = bar.close > x.mean
    if p.side == 1.0:
        above = not above
    if position.qty > 0.0:
        if not above:
            return leave(2)
    elif above:
        return enter(p.stop * bar.close, 0.01, 1)
    return hold()
'''
GRID = {"lookback": [5, 10, 20], "stop": [0.01, 0.02]}


def make_data_folder(folder: Path) -> Path:
    """A data folder with a market "tiny" (2 symbols, 6 sessions) and a strategy "cross"."""
    from fluxhero.adapters.sample_market import sample_market
    from fluxhero.store.market import write_market

    (folder / "strategies").mkdir(parents=True)
    (folder / "strategies" / "cross.py").write_text(CROSS)
    write_market(sample_market(2, sessions=6, seed=3), folder / "markets" / "tiny.zarr")
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data_folder(tmp_path_factory.mktemp("server") / "data")


@pytest.fixture(scope="session")
def service(data_folder: Path) -> Iterator[Service]:
    limits = Limits(max_body_bytes=20_000, max_trials=10_000, max_cells=15_000, max_axes=4)
    service = Service(Settings(data_folder, limits=limits, sample=SampleSize(1, 2)))
    yield service
    service.close()


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[TestClient[Any]]:
    app = create_app(service, token=Token(TOKEN, "test"))
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client


@pytest.fixture
def stranger(client: TestClient[Any]) -> Iterator[TestClient[Any]]:
    """The same client without its token."""
    del client.headers["Authorization"]
    yield client
    client.headers["Authorization"] = f"Bearer {TOKEN}"


def finished(client: TestClient[Any], service: Service, address: str, body: dict[str, Any]) -> dict[str, Any]:
    """Submit a job, wait until it is over, and return it."""
    answer = client.post(address, json=body)
    assert answer.status_code == 202, answer.text
    kind = answer.json()["kind"]
    service.jobs.wait(answer.json()["id"], kind, timeout_s=60.0)
    job: dict[str, Any] = client.get(answer.headers["location"]).json()
    return job


@pytest.fixture(scope="session")
def sweep(client: TestClient[Any], service: Service) -> dict[str, Any]:
    """A finished sweep of 6 trials over 2 symbols."""
    body = {"strategy": "cross", "market": "tiny", "grid": GRID, "decision_timeframe": "5m"}
    return finished(client, service, "/api/sweeps", body)


@pytest.fixture(scope="session")
def backtest(client: TestClient[Any], service: Service) -> dict[str, Any]:
    """A finished backtest of the cell (10, 0.02) of `sweep`."""
    params = {"lookback": 10, "stop": 0.02}
    body = {"strategy": "cross", "market": "tiny", "params": params, "decision_timeframe": "5m"}
    return finished(client, service, "/api/backtests", body)
