"""The gate before every route: who may come in, and what every answer carries.

It stands before the routing, so that an address that does not exist is guarded like one that does, and it
lets in by a short list of public addresses, so that a route that is added later is closed until it is opened
on purpose. In this order:

1. **Host**: only names of this server. A web page whose name was made to point here (DNS rebinding) brings
   its own name along and is refused; a number is never such a name.
2. **Origin**: a browser names the page that a request comes from. Only pages of this very server are served;
   there are no cookies that another page could borrow, and no CORS answer that would let it read.
3. **Token**: ``Authorization: Bearer ...``, on everything that is not public.

A token in an address would end up in logs and histories: it is not looked for there. A browser's websocket
cannot send headers of its own, so there the token may stand among the protocols that it offers:
``new WebSocket(url, ["fluxhero", "token." + token])``.
"""

import ipaddress
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Send

from .problems import Problem, body_of
from .token import Token

PUBLIC = frozenset({"/", "/docs", "/docs/style.css", "/schema/openapi.json", "/api/health", "/favicon.ico"})
WEBSOCKET_PROTOCOL = "fluxhero"
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_TOKEN_PROTOCOL = "token."

_log = logging.getLogger("fluxhero.access")

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Gate:
    """An ASGI app that lets requests through to another one.

    Parameters
    ----------
    app : ASGI app
        What lies behind.
    token : Token
        What a request must bring.
    host_names : collection of str
        Names that this server answers to, in lower case, without port.
    any_address : bool
        Answer to every IP address too (a server that is bound to all of a machine's).
    clock : callable
        Seconds, for the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: Token,
        host_names: frozenset[str] = LOCAL_NAMES,
        any_address: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._token = token
        self._host_names = host_names
        self._any_address = any_address
        self._clock = clock

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Check one request, hand it on, dress its answer and log it."""
        started, status = self._clock(), 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                added = [pair for pair in _SECURITY_HEADERS if pair[0] not in present]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            self._check(scope)
        except Problem as problem:
            await _refuse(scope, dressed, problem)
        else:
            await self._app(scope, receive, dressed)
        finally:
            if scope["type"] == "http":
                context = {
                    "method": scope["method"],
                    "path": scope["path"],  # without the query
                    "status": status,
                    "ms": round((self._clock() - started) * 1e3, 1),
                    "client": (scope.get("client") or ("",))[0],
                }
                _log.info("request", extra={"context": context})

    def _check(self, scope: Any) -> None:
        headers = _single_headers(scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise Problem(421, "this server does not answer to that host name; use its own address")
        if (origin := headers.get("origin")) is not None and not _is_same_origin(origin, host):
            raise Problem(403, "requests from pages of other origins are refused")
        if scope["path"] in PUBLIC and scope["type"] == "http":
            return
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Problem(403, "requests from pages of other sites are refused")
        given = _given_token(scope, headers)
        if given is None or not self._token.matches(given.encode("latin-1")):
            what = "a token is needed" if given is None else "the token is wrong"
            raise Problem(401, f"{what}; send the header `Authorization: Bearer <token>`")

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        if name in self._host_names:
            return True
        return self._any_address and _is_address(name)


def _given_token(scope: Any, headers: Mapping[str, str]) -> str | None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    offered = scope["subprotocols"] if scope["type"] == "websocket" else []
    tokens = [name.removeprefix(_TOKEN_PROTOCOL) for name in offered if name.startswith(_TOKEN_PROTOCOL)]
    return tokens[0] if len(tokens) == 1 else None


def host_name(host: str) -> str:
    """A Host header without its port: ``[::1]:8000`` is ``::1``; empty where it is none.

    Examples
    --------
    >>> host_name("LocalHost:8000"), host_name("[::1]:8000"), host_name("::1")
    ('localhost', '::1', '')
    """
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    elif not port.isascii() or not port.isdigit():
        return ""
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1].lower()
    return "" if ":" in name else name.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same_origin(origin: str, host: str) -> bool:
    scheme, _, rest = origin.partition("://")
    return scheme in ("http", "https") and rest.lower() == host.lower()


def _single_headers(scope: Any) -> Mapping[str, str]:
    """Headers by name; one that decides about entry may stand there only once."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in headers and name in ("host", "origin", "authorization", "sec-fetch-site"):
            raise Problem(400, f"the header `{name}` stands there twice")
        headers[name] = raw_value.decode("latin-1")
    return headers


async def _refuse(scope: Any, send: Any, problem: Problem) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4000 + problem.status, "reason": problem.detail})
        return
    content = msgspec.json.encode(body_of(problem.status, problem.detail, problem.field))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})
