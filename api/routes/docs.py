"""The description of the API; public, since it says nothing about anybody's data."""

from typing import Any

from litestar import Response, get
from litestar.response import Redirect

from ..docs import STYLE, docs_page, openapi_document


@get("/", sync_to_thread=False, include_in_schema=False)
def root() -> Redirect:
    """Lead to the description."""
    return Redirect("/docs")


@get("/schema/openapi.json", sync_to_thread=False, include_in_schema=False)
def openapi() -> Response[dict[str, Any]]:
    """The description for programs."""
    return Response(openapi_document(), media_type="application/vnd.oai.openapi+json")


@get("/docs", sync_to_thread=False, include_in_schema=False)
def docs() -> Response[str]:
    """The description for people."""
    return Response(docs_page(openapi_document()), media_type="text/html; charset=utf-8")


@get("/docs/style.css", sync_to_thread=False, include_in_schema=False)
def style() -> Response[str]:
    """How the page looks."""
    return Response(STYLE, media_type="text/css; charset=utf-8")


@get("/favicon.ico", status_code=204, sync_to_thread=False, include_in_schema=False)
def icon() -> None:
    """Nothing: browsers ask for it on their own."""


DOCS_ROUTES = (root, openapi, docs, style, icon)
