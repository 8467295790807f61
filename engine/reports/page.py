"""The page: one HTML file that carries its style, its scripts and its data, and asks nobody for anything.

Its content security policy forbids every request and every script but ours, named by their hashes: what a
strategy file could smuggle into a name or a reason would not run even if it were not escaped.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

_STYLE = "page.css"
_SCRIPTS = ("base.js", "cube.js", "equity.js", "candles.js", "page.js")


def html_page(title: str, header: str, sections: Sequence[str], data: dict[str, Any]) -> str:
    """The whole file.

    Parameters
    ----------
    title : str
        Plain text.
    header, sections : str, sequence of str
        HTML.
    data : dict
        What the scripts draw; NaN and infinities become null.
    """
    plotly, ours = _plotly_js(), _our_script()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source_hash(plotly)} {_source_hash(ours)}",
            "style-src 'unsafe-inline'",  # Plotly styles its own elements
            "img-src data: blob:",  # charts saved as pictures
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return "".join(
        (
            '<!doctype html>\n<html lang="en" data-theme="dark">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n',
            f"<style>\n{_asset(_STYLE)}</style>\n</head>\n<body>\n<main>\n",
            header,
            *sections,
            '</main>\n<script id="report-data" type="application/json">',
            embedded_json(data),
            f"</script>\n<script>{plotly}</script>\n<script>{ours}</script>\n</body>\n</html>\n",
        )
    )


def section(name: str, title: str, body: str, intro: str = "") -> str:
    """A titled part of the page: `body` is HTML, the rest plain text; `name` is its id."""
    words = f'<p class="muted">{escape(intro)}</p>' if intro else ""
    return f'<section id="{escape(name)}"><h2>{escape(title)}</h2>{words}{body}</section>\n'


def chart(name: str, label: str) -> str:
    """Room for a chart that a script draws."""
    return f'<div id="{name}" class="chart" role="img" aria-label="{escape(label)}"></div>'


def embedded_json(data: dict[str, Any]) -> str:
    """JSON that may stand inside a script element: no ``<``, so that nothing in it can end the element."""
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def _our_script() -> str:
    return '(() => {\n"use strict";\n' + "\n".join(map(_asset, _SCRIPTS)) + "})();\n"


def _plotly_js() -> str:
    """Plotly's own bundle, from the installed package."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _source_hash(script: str) -> str:
    """A script as a content security policy names it."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
