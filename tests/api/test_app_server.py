"""The real server in a process of its own: start, token, stop, kill -9, restart."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.server import ServerState

from fluxhero.api import server
from fluxhero.api.server import serve
from fluxhero.engine.errors import ConfigError, StoreError

WAIT_S = 60.0
SERVE = """
import sys
from pathlib import Path
from fluxhero.api.server import serve
serve(port=0, data_folder=Path(sys.argv[1]))
"""
LONG = {  # a million trials: minutes, if nobody stops it
    "strategy": "cross",
    "market": "tiny",
    "grid": {
        "stop": {"start": 0.01, "stop": 0.5, "num": 1_000},
        "costs.slippage": {"start": 0, "stop": 0.01, "num": 1_000},
    },
}
SHORT = {"strategy": "cross", "market": "tiny", "grid": {"lookback": [5, 10]}}

posix_only = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


class Served:
    """A server process, its log as it comes, and a client."""

    def __init__(self, data_folder: Path, config: Path) -> None:
        env = {name: value for name, value in os.environ.items() if name != "FLUXHERO_TOKEN"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(data_folder)],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env | {"FLUXHERO_CONFIG": str(config)},
        )
        self.log: list[dict[str, Any]] = []
        ready = threading.Event()

        def read() -> None:
            assert self.process.stderr is not None
            for line in self.process.stderr:
                self.log.append(json.loads(line))
                if "url" in self.log[-1].get("context", {}):
                    ready.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        assert ready.wait(WAIT_S), self.log
        self.context = next(line["context"] for line in self.log if "url" in line.get("context", {}))
        self.token = Path(self.context["token"]).read_text().strip()
        self.client = httpx.Client(
            base_url=self.context["url"], headers={"Authorization": f"Bearer {self.token}"}, timeout=WAIT_S
        )

    def until(self, address: str, *states: str) -> dict[str, Any]:
        """Ask for a job until it is in one of some states."""
        stop_s = time.monotonic() + WAIT_S
        while time.monotonic() < stop_s:
            job: dict[str, Any] = self.client.get(address).json()
            if job["state"] in states and (job["state"] != "running" or job["progress"]):
                return job
            time.sleep(0.05)
        raise AssertionError(f"{job} did not become {states}")

    def end(self, how: int) -> int:
        """Send a signal and return the exit code."""
        self.client.close()
        self.process.send_signal(how)
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        for pipe in (self.process.stderr, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Served]]:
    from .conftest import make_data_folder

    folder = make_data_folder(tmp_path / "data")
    running: list[Served] = []

    def begin() -> Served:
        running.append(Served(folder, tmp_path / "config"))
        return running[-1]

    yield begin
    for served in running:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)


@posix_only
def test_server_lives_through_kill_and_restart(start: Callable[[], Served]) -> None:
    first = start()
    assert httpx.get(f"{first.context['url']}/api/health").status_code == 200
    assert httpx.get(f"{first.context['url']}/api/sweeps").status_code == 401
    done = first.until(first.client.post("/api/sweeps", json=SHORT).headers["location"], "done", "failed")
    assert done["state"] == "done", done
    values = first.client.get(f"/api/sweeps/{done['id']}/result?metric=final_equity").json()
    running = first.until(first.client.post("/api/sweeps", json=LONG).headers["location"], "running")
    waiting = first.client.post("/api/sweeps", json=SHORT).json()
    assert first.client.get("/api/health").json()["jobs"] == {"running": 1, "queued": 1}
    assert first.end(signal.SIGKILL) == -signal.SIGKILL

    second = start()
    assert second.token == first.token
    states = {job["id"]: job["state"] for job in second.client.get("/api/sweeps").json()["items"]}
    assert states == {done["id"]: "done", running["id"]: "interrupted", waiting["id"]: "interrupted"}
    assert second.client.get("/api/health").json()["jobs"] == {"running": 0, "queued": 0}
    assert second.client.get(f"/api/sweeps/{done['id']}/result?metric=final_equity").json() == values
    answer = second.client.get(f"/api/sweeps/{running['id']}/result?metric=final_equity")
    assert answer.status_code == 409

    long = second.until(second.client.post("/api/sweeps", json=LONG).headers["location"], "running")
    waited_until_s = time.monotonic() + 60.0
    while not long["progress"]["fraction"] > 0.0 and time.monotonic() < waited_until_s:  # it has only begun
        time.sleep(0.02)
        long = second.client.get(f"/api/sweeps/{long['id']}").json()
    assert 0.0 < long["progress"]["fraction"] < 1.0
    assert long["progress"]["rate_per_s"] > 0.0
    began_s = time.monotonic()
    assert second.end(signal.SIGTERM) == 0
    assert time.monotonic() - began_s < 10.0
    assert second.log[-1]["message"] == "stopped"

    third = start()
    assert third.client.get(f"/api/sweeps/{long['id']}").json()["state"] == "interrupted"
    assert third.end(signal.SIGINT) == 0
    for served in (first, second, third):
        assert served.token not in json.dumps(served.log)
        assert {"timestamp", "component", "level", "message"} <= set(served.log[0])


@posix_only
def test_second_server_on_one_data_folder_is_refused(start: Callable[[], Served], tmp_path: Path) -> None:
    start()
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "data")],
        env=os.environ | {"FLUXHERO_CONFIG": str(tmp_path / "config")},
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert done.returncode != 0
    assert "is in use by process" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_address_that_others_can_reach_needs_a_flag(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXHERO_TOKEN", "x" * 40)
    with pytest.raises(ConfigError, match="`host` was"):
        serve(host=host, port=0, data_folder=tmp_path)


def test_port_in_use_is_told_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXHERO_TOKEN", "x" * 40)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1, port {port}"):
            serve(port=port, data_folder=tmp_path)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_port_that_is_none_is_refused(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXHERO_TOKEN", "x" * 40)
    with pytest.raises(ConfigError, match="`port` was"):
        serve(port=port, data_folder=tmp_path)


def test_short_token_is_refused_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXHERO_TOKEN", "short")
    with pytest.raises(ConfigError, match="FLUXHERO_TOKEN"):
        serve(data_folder=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    from fluxhero.api.service import Service, Settings

    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot use the data folder"):
        Service(Settings(tmp_path / "file"))


@pytest.mark.parametrize("sent", [b"", b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_connection_without_whole_headers_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody asked for anything")

    async def talk() -> bytes:
        config = server._config(app)
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: server._Protocol(config, state, {}), "127.0.0.1", 0)
        async with listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            writer.write(sent)
            answer = await asyncio.wait_for(reader.read(), WAIT_S)
            writer.close()
        assert not state.connections
        return answer

    monkeypatch.setattr(server, "_HEADERS_S", 0.1)
    assert asyncio.run(talk()) == b""
