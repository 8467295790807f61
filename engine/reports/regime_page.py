"""The page of regimes: a symbol's price with the state of each regime behind it, and shares by year.

Plain HTML and SVG without a script; it follows the reader's light or dark setting.
"""

from html import escape

import numpy as np
import pandas as pd

from ...kernels.types import FloatArray, IntArray
from ..regime_history import SCHEMES, Scheme, shares_by_year
from . import formats

_TONES = {  # of a state's word; what has none is drawn without colour
    "strong trend": "#2f6fde",
    "mean reversion": "#d9a52b",
    "bull": "#2e9e6b",
    "bear": "#d64545",
    "low": "#4aa3a2",
    "high": "#d9632b",
}
_WIDTH, _HEIGHT, _SIDE, _FOOT = 1_200.0, 170.0, 56.0, 18.0
_STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --back: #f4f4f4; --panel: #fff; --line: #c4c4c4; }
@media (prefers-color-scheme: dark) {
  :root { --text: #f0f0f0; --back: #1a1a1a; --panel: #262626; --line: #555; }
}
body { margin: 0 auto; padding: 20px; max-width: 1260px; background: var(--back); color: var(--text);
  font: 14px/1.5 system-ui, sans-serif; }
svg { display: block; width: 100%; height: auto; background: var(--panel); border: 1px solid var(--line); }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 17px; margin: 22px 0 4px; }
.key i { display: inline-block; width: 12px; height: 12px; margin: 0 4px -1px 12px; opacity: .45; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 2px 9px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { font-weight: 600; }
"""


def regime_page(history: pd.DataFrame, symbol: str, source: str) -> str:
    """The page of a `regime_history` as one HTML file that needs no network."""
    first, last = (f"{when:%Y-%m-%d}" for when in (history.index[0], history.index[-1]))
    parts = [
        f"<h1>Regimes of {escape(symbol)}</h1>",
        f"<p>{len(history):,} bars from {first} to {last}, {escape(source)}. Each bar is classed with what "
        "was known at its close. Price on a logarithmic scale.</p>",
    ]
    for name, scheme in SCHEMES.items():
        parts += [f"<h2>{escape(scheme.title)}</h2>", _key(scheme), _chart(history, name, scheme)]
    parts += ["<h2>Share of bars by year</h2>", _table(shares_by_year(history))]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Regimes of {escape(symbol)}</title><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _key(scheme: Scheme) -> str:
    marks = [
        f'<i style="background:{_TONES[w]}"></i>{escape(w)}' for w in scheme.words.values() if w in _TONES
    ]
    return f'<div class="key">{"".join(marks)}</div>'


def _chart(history: pd.DataFrame, name: str, scheme: Scheme) -> str:
    close = history["close"].to_numpy(dtype=np.float64)
    codes = history[name].to_numpy(dtype=np.float64)
    plot = _WIDTH - _SIDE
    x = np.linspace(0.0, plot, close.size)
    logs = np.log(close)
    low, high = float(logs.min()), float(logs.max())
    y = 6.0 + (_HEIGHT - _FOOT - 12.0) * (1.0 - (logs - low) / (high - low or 1.0))
    keep = _thinned(y)
    points = " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in keep)
    labels = _years(history["year"].to_numpy(), x) + [
        f'<text x="{plot + 6:g}" y="{at:g}">{formats.price(float(value))}</text>'
        for at, value in ((14.0, close.max()), (_HEIGHT - _FOOT, close.min()))
    ]
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" font-family="sans-serif" font-size="11" '
        f'fill="currentColor" role="img" aria-label="{escape(scheme.title)}">'
        f"{''.join(_bands(codes, x, scheme))}"
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1"/>'
        f"{''.join(labels)}</svg>"
    )


def _bands(codes: FloatArray, x: FloatArray, scheme: Scheme) -> list[str]:
    """Coloured stretches behind the price."""
    edges = np.flatnonzero(np.diff(np.nan_to_num(codes, nan=99.0))) + 1
    bands = []
    for start, stop in zip([0, *edges], [*edges, codes.size], strict=True):
        word = "" if np.isnan(codes[start]) else scheme.words[int(codes[start])]
        if word in _TONES:
            width = float(x[min(stop, x.size - 1)] - x[start])
            bands.append(
                f'<rect x="{x[start]:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT - _FOOT:g}" '
                f'fill="{_TONES[word]}" fill-opacity="0.35"/>'
            )
    return bands


def _thinned(y: FloatArray) -> list[int]:
    """First, highest and lowest bar of each of the picture's columns."""
    columns = np.array_split(np.arange(y.size), min(y.size, 1_200))
    return sorted(
        {int(i) for part in columns for i in (part[0], part[y[part].argmin()], part[y[part].argmax()])}
    )


def _years(years: IntArray, x: FloatArray) -> list[str]:
    starts = np.flatnonzero(np.diff(years)) + 1
    step = max(1, starts.size // 24)
    return [
        f'<line x1="{x[i]:.1f}" x2="{x[i]:.1f}" y1="0" y2="{_HEIGHT - _FOOT:g}" stroke="currentColor" '
        f'stroke-opacity="0.15"/><text x="{x[i] + 2:.1f}" y="{_HEIGHT - 5:g}">{years[i]}</text>'
        for i in starts[::step]
    ]


def _table(shares: pd.DataFrame) -> str:
    groups = "".join(
        f'<th colspan="{len(scheme.words)}">{escape(scheme.title)}</th>' for scheme in SCHEMES.values()
    )
    words = "".join(
        f"<th>{escape(word)}</th>" for scheme in SCHEMES.values() for word in scheme.words.values()
    )
    rows = []
    for year, row in shares.iterrows():
        cells = [
            f"<td>{row['', 'bars']:.0f}</td>",
            f"<td>{formats.percent(row['', 'return'], sign=True)}</td>",
        ]
        cells += [
            f"<td>{formats.percent(row[name, word], digits=0)}</td>"
            for name, scheme in SCHEMES.items()
            for word in scheme.words.values()
        ]
        rows.append(f"<tr><th>{year}</th>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr><th></th><th colspan="2"></th>{groups}</tr>'
        f"<tr><th>year</th><th>bars</th><th>return</th>{words}</tr></thead><tbody>{''.join(rows)}"
        "</tbody></table></div>"
    )
