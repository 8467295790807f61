"""The Litestar app: routes, errors and the gate, around one service.

Importing this module imports neither Numba nor pandas nor xarray; the first request that needs them does.
"""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Router
from litestar.di import Provide

from .gate import LOCAL_NAMES, Gate
from .problems import Problem, exception_handlers
from .routes import API_ROUTES
from .routes.docs import DOCS_ROUTES
from .routes.watch import watch_jobs
from .service import Service, Settings
from .token import Token

__all__ = ["Service", "Settings", "create_app"]

_NOT_IN_QUERY = {"request", "service", "body"}


def create_app(
    service: Service, *, token: Token, host_names: Sequence[str] = (), any_address: bool = False
) -> Litestar:
    """The app of a service.

    Parameters
    ----------
    service : Service
        Opened and closed by the caller.
    token : Token
        What every request must bring, but those for health and description.
    host_names : sequence of str
        Names that it answers to, besides those of the local machine.
    any_address : bool
        Whether it answers to every IP address.
    """
    app = Litestar(
        # One router: registered one by one, two handlers of one path would be wrapped twice by Litestar 2.25,
        # and the first of them hand out a coroutine.
        route_handlers=[Router("/", route_handlers=[*API_ROUTES, *DOCS_ROUTES, watch_jobs])],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        exception_handlers=exception_handlers(),
        before_request=_refuse_unread,
        request_max_body_size=service.limits.max_body_bytes,
        openapi_config=None,  # described by `docs.py`: Litestar's own pages load scripts from other hosts
        logging_config=None,
        debug=False,
    )
    names = LOCAL_NAMES | {name.lower() for name in host_names}
    app.asgi_handler = Gate(app.asgi_handler, token=token, host_names=names, any_address=any_address)
    return app


def _refuse_unread(request: Request[Any, Any, Any]) -> None:
    """Refuse what a route would pass over in silence: a mistyped parameter, a body that is no JSON."""
    handler = request.route_handler
    if not handler.opt.get("any_query"):
        known = set(handler.parsed_fn_signature.parameters) - _NOT_IN_QUERY - set(request.path_params)
        for name in request.query_params:
            if name not in known:
                told = ", ".join(sorted(known)) or "none"
                raise Problem(400, f"there is no parameter `{name}` here; known are {told}", name)
    if "body" in handler.opt and request.content_type[0] != "application/json":
        raise Problem(415, "the body must be JSON, with the header `Content-Type: application/json`")
