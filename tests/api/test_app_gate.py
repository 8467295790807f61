"""Who may come in: hosts, origins, tokens; and what every answer carries."""

import logging
from typing import Any

import anyio
import pytest
from litestar.testing import TestClient

from fluxhero.api.app import Service, create_app
from fluxhero.api.gate import PUBLIC, Gate, host_name
from fluxhero.api.routes import API_ROUTES
from fluxhero.api.token import Token

TOKEN = "test-token-test-token-test-token-42"
Client = TestClient[Any]


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The body of an error, once its shape is checked."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) <= {"status", "error", "detail", "field"}
    assert body["status"] == status
    assert body["detail"]
    return body


def test_health_answers_without_a_token(stranger: Client) -> None:
    answer = stranger.get("/api/health")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ok"
    assert body["uptime_s"] >= 0.0
    assert set(body) == {"status", "version", "uptime_s", "jobs"}


@pytest.mark.parametrize("route", API_ROUTES, ids=lambda route: route.handler_name)
def test_every_route_but_health_needs_a_token(stranger: Client, route: Any) -> None:
    (path,) = route.paths
    for method in route.http_methods:
        address = path.replace(":str", "").replace("{", "").replace("}", "")
        answer = stranger.request(method, address)
        if path == "/api/health":
            assert answer.status_code == 200
        else:
            assert problem(answer, 401)["error"] == "unauthorized"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "address", ["/nothing", "/api", "/api/nothing", "//api/sweeps", "/api/sweeps/", "/docs/../api/sweeps"]
)
def test_what_does_not_exist_needs_a_token_too(stranger: Client, address: str) -> None:
    problem(stranger.get(address), 401)


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "PATCH"])
def test_other_methods_need_a_token_too(stranger: Client, method: str) -> None:
    assert stranger.request(method, "/api/sweeps").status_code == 401


@pytest.mark.parametrize("address", sorted(PUBLIC))
def test_public_addresses_answer_without_a_token(stranger: Client, address: str) -> None:
    assert stranger.get(address, follow_redirects=False).status_code in (200, 204, 302)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer ä",
    ],
)
def test_wrong_token_is_refused_and_not_repeated(stranger: Client, header: str) -> None:
    answer = stranger.get("/api/sweeps", headers={"Authorization": header.encode("latin-1")})
    assert TOKEN not in str(problem(answer, 401))


def test_scheme_of_the_token_is_not_case_sensitive(stranger: Client) -> None:
    assert stranger.get("/api/sweeps", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_token_in_the_address_is_not_looked_at(stranger: Client) -> None:
    problem(stranger.get(f"/api/sweeps?token={TOKEN}&access_token={TOKEN}"), 401)


@pytest.mark.parametrize("name", [b"host", b"origin", b"authorization", b"Sec-Fetch-Site"])
def test_header_that_decides_may_stand_only_once(name: bytes) -> None:
    sent: list[Any] = []

    async def behind(*_: Any) -> None:
        raise AssertionError("the gate let it through")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/sweeps",
        "headers": [(b"host", b"localhost"), (name, b"localhost"), (name.lower(), b"localhost")],
    }
    anyio.run(Gate(behind, token=Token(TOKEN, "test")), scope, None, send)
    assert sent[0]["status"] == 400
    assert b"stands there twice" in sent[1]["body"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.",
        "10.0.0.7",
        "",
        "a:b:c",
        "[::1",
    ],
)
def test_other_host_names_are_refused(client: Client, host: str) -> None:
    for address in ("/api/sweeps", "/api/health", "/docs"):
        problem(client.get(address, headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_names_of_this_computer_are_answered(client: Client, host: str) -> None:
    assert client.get("/api/sweeps", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9000",
        "http://localhost:8000",
        "file://",
        "chrome-extension://abc",
        "",
    ],
)
def test_pages_of_other_origins_are_refused(client: Client, origin: str) -> None:
    answer = client.get("/api/sweeps", headers={"Origin": origin})
    problem(answer, 403)
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_this_server_are_served(client: Client) -> None:
    assert client.get("/api/sweeps", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_that_a_browser_calls_foreign_are_refused(client: Client, site: str) -> None:
    problem(client.get("/api/sweeps", headers={"Sec-Fetch-Site": site}), 403)


def test_preflight_of_another_origin_gets_no_permission(client: Client) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/api/sweeps", headers=headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("address", ["/api/health", "/api/sweeps", "/nothing", "/docs", "/api/sweeps/none"])
def test_every_answer_carries_the_security_headers(client: Client, address: str) -> None:
    headers = client.get(address).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers


def test_refusals_carry_the_security_headers_too(stranger: Client) -> None:
    assert stranger.get("/api/sweeps").headers["x-content-type-options"] == "nosniff"


def test_requests_are_logged_without_query_and_token(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fluxhero.access")
    client.get("/api/sweeps?limit=1")
    (record,) = [record for record in caplog.records if record.name == "fluxhero.access"]
    context = record.context  # type: ignore[attr-defined]
    assert (context["method"], context["path"], context["status"]) == ("GET", "/api/sweeps", 200)
    assert "limit" not in str(context)
    assert TOKEN not in caplog.text


def test_server_for_others_answers_to_addresses_and_named_hosts(service: Service) -> None:
    app = create_app(service, token=Token(TOKEN, "test"), host_names=["Box.Lan"], any_address=True)
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        hosts = ["10.0.0.7:8000", "[fe80::1]:8000", "box.lan", "evil.example", "box.lan.evil.example"]
        found = [client.get("/api/health", headers={"Host": host}).status_code for host in hosts]
    assert found == [200, 200, 200, 421, 421]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8000", "localhost"),
        ("A.B", "a.b"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("::1", ""),
        ("a:b", ""),
        ("a:", ""),
        ("", ""),
        ("a:٣", ""),
    ],
)
def test_host_header_loses_its_port(header: str, name: str) -> None:
    assert host_name(header) == name


def test_websocket_needs_a_token_and_an_own_origin(stranger: Client) -> None:
    from litestar.exceptions import WebSocketDisconnect

    for headers in ({}, {"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}):
        with pytest.raises(WebSocketDisconnect), stranger.websocket_connect("/ws/jobs", headers=headers):
            pass


def test_websocket_takes_the_token_among_its_protocols(stranger: Client) -> None:
    with stranger.websocket_connect("/ws/jobs", subprotocols=["fluxhero", f"token.{TOKEN}"]) as socket:
        assert socket.accepted_subprotocol == "fluxhero"
        assert "jobs" in socket.receive_json()
