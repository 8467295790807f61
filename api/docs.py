"""The description of the API for programs (OpenAPI) and, made from it, for people (one page of HTML).

The page is ours and whole: no script, nothing from another host, so that it works without a network, tells
nobody who reads it, and fits under the strict content policy of every other answer. Litestar describes the
addresses; what it cannot know is added here: the bodies that a route reads by itself, and our errors.
"""

import html
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from .. import __version__
from .problems import ProblemBody
from .routes import API_ROUTES

_REF = "#/components/schemas/{name}"
_DESCRIPTION = (
    "Sweeps and backtests over HTTP. Every request but /api/health needs the header "
    "'Authorization: Bearer <token>'; the server's log says where the token lies. Long work runs in the "
    "background, one job at a time; the websocket /ws/jobs tells of its progress. JSON has no NaN: an "
    "undefined or infinite number is null."
)
_METHODS = ("get", "post", "put", "patch", "delete")

STYLE = """
:root { color-scheme: light dark; }
:root { --line: light-dark(#cccccc, #666666); --soft: light-dark(#f4f4f4, #333333); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: 4px; margin: .4rem 0; }
summary { cursor: pointer; padding: .4rem .7rem; } details > div { padding: 0 1rem 1rem; }
code, pre, .method { font-family: ui-monospace, monospace; font-size: .9em; }
.method { display: inline-block; width: 4.5rem; font-weight: bold; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .6rem .25rem 0; vertical-align: top; }
pre { background: var(--soft); padding: .7rem; border-radius: 4px; overflow-x: auto; }
.soft { opacity: .75; }
""".strip()


@cache
def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, complete; made once, not to be changed.

    A handler that reads its body by itself names the body's type in ``opt["body"]``.
    """
    config = OpenAPIConfig(
        title="FluxHero",
        version=__version__,
        description=_DESCRIPTION,
        components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"token": []}],
        use_handler_docstrings=True,
    )
    # An app that never serves: Litestar describes only what it would also put pages of its own beside.
    app = Litestar(
        [Router("/", route_handlers=list(API_ROUTES))],
        dependencies={"service": Provide(lambda: None, sync_to_thread=False)},
        openapi_config=config,
        logging_config=None,
    )
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    kinds = [handler.opt["body"] for handler in API_ROUTES if "body" in handler.opt]
    _, schemas = msgspec.json.schema_components((*kinds, ProblemBody), ref_template=_REF)
    document["components"]["schemas"] |= schemas
    for handler in API_ROUTES:
        if "body" in handler.opt:
            (path,) = handler.paths
            content = {
                "application/json": {"schema": {"$ref": _REF.format(name=handler.opt["body"].__name__)}}
            }
            for method in handler.http_methods:
                document["paths"][path][method.lower()]["requestBody"] = {
                    "required": True,
                    "content": content,
                }
    for _, _, operation in operations(document):
        operation["summary"] = operation.get("description", "").partition("\n")[0]
        _describe_errors(operation)
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def docs_page(document: Mapping[str, Any]) -> str:
    """The page for people."""
    by_tag: dict[str, list[str]] = {}
    for path, method, operation in operations(document):
        tag = (operation.get("tags") or ["other"])[0]
        by_tag.setdefault(tag, []).append(_operation_html(path, method, operation))
    sections = "".join(f"<h2>{_text(tag)}</h2>{''.join(parts)}" for tag, parts in by_tag.items())
    schemas = "".join(
        f'<details id="{_text(name)}"><summary><code>{_text(name)}</code> '
        f'<span class="soft">{_text(schema.get("description", ""))}</span></summary>'
        f"<div>{_json_html(schema)}</div></details>"
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{_text(info["title"])}</title><link rel="stylesheet" href="/docs/style.css"></head><body>'
        f'<h1>{_text(info["title"])} <span class="soft">{_text(info["version"])}</span></h1>'
        f"<p>{_text(info.get('description', ''))}</p>"
        '<p>For programs: <a href="/schema/openapi.json"><code>/schema/openapi.json</code></a></p>'
        f"{sections}<h2>bodies</h2>{schemas}</body></html>"
    )


def _describe_errors(operation: dict[str, Any]) -> None:
    """Our one shape for every error, in place of Litestar's."""
    responses = operation.setdefault("responses", {})
    for status in [status for status in responses if status.startswith("4")]:
        del responses[status]
    content = {"application/json": {"schema": {"$ref": _REF.format(name=ProblemBody.__name__)}}}
    responses["default"] = {"description": "Refused: 4xx, or failed: 500", "content": content}


def _operation_html(path: str, method: str, operation: Mapping[str, Any]) -> str:
    more = operation.get("description", "").partition("\n")[2].strip()  # the first line is the summary
    parts = [f"<p>{_text(more)}</p>"] if more else []
    rows = "".join(
        f"<tr><td><code>{_text(parameter['name'])}</code></td><td>{_text(parameter['in'])}</td>"
        f"<td>{'required' if parameter.get('required') else ''}</td>"
        f"<td>{_text(parameter.get('description') or '')} "
        f"{_bounds_html(parameter.get('schema', {}))}</td></tr>"
        for parameter in operation.get("parameters", [])
    )
    if rows:
        parts.append(f"<table><tr><th>parameter</th><th>in</th><th></th><th></th></tr>{rows}</table>")
    if "requestBody" in operation:
        parts.append(f"<p>Body: {_content_html(operation['requestBody'])}</p>")
    for status, response in operation["responses"].items():
        parts.append(f"<p><code>{_text(status)}</code> {_content_html(response)}</p>")
    return (
        f'<details><summary><span class="method">{method.upper()}</span><code>{_text(path)}</code> '
        f'<span class="soft">{_text(operation.get("summary", ""))}</span></summary>'
        f"<div>{''.join(parts)}</div></details>"
    )


def _content_html(holder: Mapping[str, Any]) -> str:
    for content in (holder.get("content") or {}).values():
        schema = content.get("schema", {})
        reference = schema.get("$ref") or schema.get("items", {}).get("$ref")
        if reference:
            name = reference.rpartition("/")[2]
            listed = "a list of " if "items" in schema else ""
            return f'{listed}<a href="#{_text(name)}"><code>{_text(name)}</code></a>'
    return _text(holder.get("description", ""))


def _bounds_html(schema: Mapping[str, Any]) -> str:
    known = {
        "default": schema.get("default"),
        "from": schema.get("minimum"),
        "to": schema.get("maximum"),
        "one of": ", ".join(map(str, schema["enum"])) if "enum" in schema else None,
    }
    told = "; ".join(f"{name} {value}" for name, value in known.items() if value is not None)
    return f'<span class="soft">{_text(told)}</span>'


def _json_html(schema: Any) -> str:
    return f"<pre>{_text(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())}</pre>"


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)
