"""What goes wrong, told to a client: one JSON shape for all, and nothing that is not theirs to know.

``{"status": 400, "error": "bad_request", "detail": "...", "field": "grid.entry_atr"}``; `field` only where
one part of the request is at fault. The engine's errors keep their words, without the paths of this machine.
What nobody foresaw is told as an id, and written with its trace to the log under that id.
"""

import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from ..engine.checked import SettingError
from ..engine.errors import (
    BrokerError,
    ConfigError,
    DataError,
    FluxHeroError,
    NotFoundError,
    ParameterError,
    StoreError,
    StrategyError,
)

_log = logging.getLogger("fluxhero.api")

_STATUS: dict[type[FluxHeroError], int] = {
    ConfigError: 400,
    ParameterError: 400,
    NotFoundError: 404,
    StoreError: 409,
    BrokerError: 409,
    DataError: 422,
    StrategyError: 422,
}
# Ours, because the standard library's phrases differ between versions of Python.
_WORDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    422: "unprocessable",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
# A path of at least two steps, of either family, a share or a file's address; what stands before tells it
# from a fraction or an address of the web. All steps but the last may hold spaces, up to four words.
_PATH = re.compile(
    r"""(?<![\w./\\])(?:file:(?://)?)?(?:/?[A-Za-z]:)?  # where it starts
    (?:\\\\|(?<!:)//|[/\\])  # the root, or that of a share
    (?:[^\s/\\'"`:;,]+(?:[ ][^\s/\\'"`:;,]+){0,3}[/\\])+  # folders
    ([^\s/\\'"`:;,()]+)  # what is told""",
    re.VERBOSE,
)


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as every client sees it."""

    status: int
    error: str  # the status in one word, for programs
    detail: str  # for people: what was wrong, and what is allowed
    field: str | None = None  # the part of the request that was wrong


class Problem(FluxHeroError):
    """A request that cannot be served, with the HTTP status that says why."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field


def body_of(status: int, detail: str, field: str | None = None) -> ProblemBody:
    """The body of an error."""
    return ProblemBody(status, error_word(status), detail, field)


def error_word(status: int) -> str:
    """A status as a word: 404 is ``not_found``."""
    return _WORDS.get(status, "error")


def without_paths(text: str) -> str:
    """A message with every path of this machine cut to its last part, and nothing that UTF-8 cannot hold.

    Examples
    --------
    >>> without_paths("/srv/bars/data/spy.zarr is damaged: close/c/0 is missing")
    'spy.zarr is damaged: close/c/0 is missing'
    """
    return _PATH.sub(r"\1", text).encode("utf-8", "replace").decode("utf-8")


def told(error: FluxHeroError) -> ProblemBody:
    """An error of ours as a client may see it."""
    if isinstance(error, Problem):
        return body_of(error.status, error.detail, error.field)
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
    field = None
    if isinstance(error, SettingError) and error.key:
        field = ".".join(error.key).replace(".[", "[")
    return body_of(status, without_paths(str(error)), field)


def log_unforeseen(error: BaseException, doing: str) -> str:
    """Write an error that nobody foresaw to the log and return the id that it has there."""
    error_id = secrets.token_hex(6)
    context = {"id": error_id, "doing": doing}
    _log.error("unforeseen error %s", error_id, exc_info=error, extra={"context": context})
    return error_id


def _response(body: ProblemBody, headers: dict[str, str] | None = None) -> Response[ProblemBody]:
    return Response(body, status_code=body.status, headers=headers, media_type="application/json")


def _from_ours(_: Request[Any, Any, Any], error: FluxHeroError) -> Response[ProblemBody]:
    return _response(told(error))


def _from_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[ProblemBody]:
    if error.status_code >= 500:
        return _from_unforeseen(request, error)
    found = error.extra if isinstance(error.extra, list) else []
    faults = [fault for fault in found if isinstance(fault, dict) and "message" in fault]
    if faults:
        detail = "; ".join(f"`{fault.get('key', '?')}`: {fault['message']}" for fault in faults)
        return _response(body_of(400, detail, str(faults[0].get("key", "")) or None))
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return _response(body_of(error.status_code, _sentence(request, error)), headers)


def _sentence(request: Request[Any, Any, Any], error: HTTPException) -> str:
    if error.status_code == 404:
        return "there is nothing at this address; /docs lists what there is"
    if error.status_code == 405:
        return f"{request.method} is not possible here; /docs lists what is"
    if error.status_code == 413:
        return "the body is too large"
    return str(error.detail) or error_word(error.status_code)


def _from_unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemBody]:
    error_id = log_unforeseen(error, f"{request.method} {request.url.path}")
    return _response(body_of(500, f"an error that nobody foresaw; the server's log has it as {error_id}"))


def exception_handlers() -> dict[int | type[Exception], Callable[..., Response[Any]]]:
    """Handlers for everything that a route can raise."""
    return {FluxHeroError: _from_ours, HTTPException: _from_litestar, Exception: _from_unforeseen}
