"""The server process: uvicorn around the app, on this computer only unless told otherwise.

The log goes to stderr as JSON and says where the server listens and where its token lies, never the token.
SIGTERM and Ctrl-C end it in order: requests in flight are answered, running and waiting jobs are recorded as
interrupted, the data folder is given free, and the process ends with 0. Whatever kills it harder loses at
most the job in flight: results are whole or absent, and the next start says what was interrupted.
"""

import asyncio
import importlib.util
import ipaddress
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..engine.errors import ConfigError
from .app import Service, Settings, create_app
from .logs import configure_logging
from .token import load_token

_log = logging.getLogger("fluxhero.server")

_GRACE_S = 5  # for requests in flight when the server stops
_MAX_CONNECTIONS = 1024
_HEADERS_S = 10.0  # for a connection to send whole headers


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    data_folder: Path | None = None,
    allow_remote: bool = False,
    host_names: Sequence[str] = (),
    settings: Settings | None = None,
) -> None:
    """Serve the HTTP API until SIGTERM or Ctrl-C.

    Parameters
    ----------
    host : str
        Address to listen on. One that others can reach needs `allow_remote`.
    port : int
        0 takes any free one; the log says which.
    data_folder : Path, optional
        Markets, results and the record of jobs; default: the user's data folder of the system.
    allow_remote : bool
        Listen to other computers too. There is no encryption: put a proxy with TLS in front.
    host_names : sequence of str
        Names under which others know this computer; a request under any other name is refused.
    settings : Settings, optional
        Limits and the like; `data_folder` overrides its folder.

    Raises
    ------
    ConfigError
        If the address cannot be used, or the token.
    StoreError
        If the data folder cannot be used, or another server uses it.
    """
    chosen = settings or Settings(data_folder or default_data_folder())
    if data_folder is not None:
        chosen = replace(chosen, data_folder=data_folder)
    token = load_token()
    with _listening(host, port, allow_remote=allow_remote) as listener:
        configure_logging(secrets=(token.value,))
        service, has_ended = Service(chosen), True
        try:
            app = create_app(service, token=token, host_names=host_names, any_address=not _is_local(listener))
            context = {"token": token.source, "data_folder": str(service.data.folder)}
            _run(_Server(_config(app), _url(listener), context), listener)
        finally:
            has_ended = service.close()
            _log.info("stopped")
    if not has_ended and threading.current_thread() is threading.main_thread():
        # Python would wait for the compilation, half a minute at worst. Its job is recorded: nothing is lost.
        logging.shutdown()
        os._exit(0)


def default_data_folder() -> Path:
    """The system's folder for a user's data."""
    from platformdirs import user_data_path

    return user_data_path("fluxhero", appauthor=False)


class _Server(uvicorn.Server):
    """Uvicorn's server, which tells our log when it is ready."""

    def __init__(self, config: uvicorn.Config, url: str, context: dict[str, str]) -> None:
        super().__init__(config)
        self._url = url
        self._context = context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        context = {"url": self._url, "pid": os.getpid(), **self._context}
        _log.info("serving at %s; token: %s", self._url, self._context["token"], extra={"context": context})


class _Protocol(H11Protocol):
    """Uvicorn's HTTP, which closes a connection that does not get its headers out in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._late is not None:
            self._late.cancel()

    def _watch(self) -> None:
        """Start the time for headers once while no request is in hand, and stop it when one is."""
        is_ours = self.transport.get_protocol() is self  # else a websocket took over
        is_waiting = is_ours and self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if not is_waiting and self._late is not None:
            self._late.cancel()
            self._late = None
        elif is_waiting and self._late is None:
            self._late = self.loop.call_later(_HEADERS_S, self.transport.close)


def _config(app: Any) -> uvicorn.Config:
    has_websockets = importlib.util.find_spec("websockets") is not None
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="websockets-sansio" if has_websockets else "none",
        lifespan="on",
        log_config=None,
        access_log=False,  # the gate writes its own, without queries
        server_header=False,
        proxy_headers=False,  # nobody's word for who the client is
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_MAX_CONNECTIONS,
        ws_max_size=1 << 16,
    )


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run until a signal, which uvicorn raises again at its end: then it meets our handler, not Python's."""

    def stop(*_: Any) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        server.run(sockets=[listener])
        return
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _listening(host: str, port: int, *, allow_remote: bool) -> Iterator[socket.socket]:
    """A socket bound to an address, once it is clear that it may be."""
    if not 0 <= port <= 65_535:
        raise ConfigError(f"`port` was {port}, must lie in [0, 65535]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host or "?", port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"`host` was {host!r}, which is no address of this computer: {error}") from None
    if not allow_remote and not ipaddress.ip_address(address[0]).is_loopback:
        raise ConfigError(
            f"`host` was {host!r}, which other computers can reach, and traffic is not encrypted; "
            "use 127.0.0.1, or pass `allow_remote` if that is what you want"
        )
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name != "nt":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}, port {port}: {error.strerror}; choose another port"
            ) from None
        yield listener
    finally:
        listener.close()


def _is_local(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
