"""The parts of the HTML report, in the order in which they are read."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import xarray as xr

from ..run import Run
from .curves import monthly_returns
from .facts import is_generated, lead_words, provenance_facts, run_facts, title_words
from .formats import plural, setting
from .key_figures import KeyFigure, key_figures
from .page import chart, section
from .ranking import RankedTrial
from .tables import (
    Table,
    html_table,
    modes_table,
    months_table,
    refusals_table,
    symbols_table,
    trades_table,
    trials_table,
)
from .wording import DISCLAIMER, metric_words

_GRADES = {"ideal": "ideal", "fair": "fair", "poor": "below goal"}
_GENERATED = (
    '<div class="banner" role="note"><strong>GENERATED MARKET</strong> These prices were made up from a '
    "seed; nobody ever traded at them. They show how the system works, not what it earns.</div>\n"
)


def header(cube: xr.Dataset, run: Run) -> str:
    """Title, one line on what was tried, and the warning where the market was made up."""
    return (
        '<div class="top"><div><div class="name">FluxHero report</div>'
        f"<h1>{escape(title_words(cube, run))}</h1>"
        f'<div class="lead">{escape(lead_words(cube, run))}</div></div>'
        '<button id="theme" class="theme" type="button" title="switch colours">Light</button></div>\n'
        f"{_GENERATED if is_generated(cube, run) else ''}"
    )


def what_was_run(cube: xr.Dataset, run: Run) -> str:
    """Strategy, market, period, trials, costs, limits."""
    return section("run", "What was run", _facts(run_facts(cube, run)))


def figures(title: str, run: Run, swept: Mapping[str, Any]) -> str:
    """Parameters of the trial and its key figures."""
    tiles = "".join(map(_tile, key_figures(run)))
    rest = {name: value for name, value in run.params.items() if name not in swept}
    others = (
        f"<details><summary>{plural(len(rest), 'parameter')} not swept</summary>{_chips(rest)}</details>"
        if rest
        else ""
    )
    return section("figures", title, f'{_chips(swept)}<div class="tiles">{tiles}</div>{others}')


def trials(sentence: str, ranked: Sequence[RankedTrial], rank_by: str, n_symbols: int, *, drawn: bool) -> str:
    """The best trials, and the spread of all."""
    histogram = chart("scores-chart", "Histogram of the ranking metric over all trials") if drawn else ""
    table = html_table(trials_table(ranked, rank_by, n_symbols), css_class="sortable")
    return section("trials", "Out of how many", histogram + table, sentence)


def cube_section(figure: Mapping[str, Any]) -> str:
    """The cube over its parameters; nothing for a single trial."""
    kind = figure["kind"]
    if kind == "single":
        return ""
    label = metric_words(figure["rank_by"]).label
    along = next((axis["name"] for axis in figure["axes"] if len(axis["labels"]) > 1), "")
    title, intro = {
        "heat_map": (
            "The cube",
            f"{label} over two parameters, the others held. A broad plateau is worth more than a lonely "
            "peak. Click a cell to see how to replay it.",
        ),
        "line": (f"Along {along}", f"{label} and every other metric along the one swept parameter."),
        "scatter": ("The trials", f"{label} of each trial against one of its parameters."),
    }[kind]
    body = (
        '<div id="cube-controls" class="controls"></div>'
        + chart("cube-chart", f"{label} over the parameters")
        + '<div id="cube-legend" class="note"></div><div id="cube-picked" class="picked"></div>'
    )
    return section("cube", title, body, f"{intro} {figure['note']}".strip())


def run_sections(title: str, run: Run, data: Mapping[str, Any]) -> list[str]:
    """Equity, months, candles and tables of the trial."""
    several = len(run.accounts) > 1
    candles = data["candles"]
    return [
        section(
            "equity",
            f"{title}: equity",
            '<div id="equity-controls" class="controls"></div>'
            + chart("equity-chart", "Equity and drawdown"),
            f"{'The mean of the accounts and each of them' if several else 'The account'}, beside buy and "
            "hold of the same symbols: all the cash put in at the first open, without costs. Points are "
            f"{data['equity']['unit']}; a drawdown is the deepest since the point before. "
            "Click a name below the chart to hide or show it.",
        ),
        section(
            "months",
            "Month by month",
            html_table(months_table(monthly_returns(run))),
            "Return of the mean of the accounts." if several else "",
        ),
        section(
            "candles",
            f"{title}: {candles['timeframe']} candles",
            '<div id="candle-controls" class="controls"></div>'
            + chart("candle-chart", "Candles with entries, exits and stops")
            + '<div id="candle-picked" class="picked muted"></div>',
            "Times are UTC. Hover an entry or an exit for its reason, its stop and what the rule saw. "
            f"Drag to move. {candles['note']}".strip(),
        ),
        section("symbols", "Symbol by symbol", html_table(symbols_table(run), css_class="sortable")),
        '<div class="columns">'
        + section("modes", "Trades by mode", _table_or(modes_table(run), "No trade was closed."))
        + section(
            "refusals",
            "Signals refused",
            _table_or(refusals_table(run), "None."),
            "Which gate or limit stood in the way, and how often.",
        )
        + "</div>\n",
        _latest_trades(run),
    ]


def footer(cube: xr.Dataset) -> str:
    """The disclaimer, and where the numbers came from."""
    facts = _facts(provenance_facts(cube), "mono")
    return f"<footer><p><strong>{escape(DISCLAIMER)}</strong></p>{facts}</footer>\n"


def _latest_trades(run: Run) -> str:
    table = trades_table(run)
    n = len(run.trades)
    if not n:
        return section("trades", "Trades", '<p class="muted">No trade was closed.</p>')
    which = "All" if n == len(table.rows) else f"The latest {len(table.rows)} of"
    return section(
        "trades",
        "Trades",
        f'<div class="tall">{html_table(table, css_class="sortable trades")}</div>',
        f"{which} {plural(n, 'trade')}, newest first. Click a row to see it on the candles.",
    )


def _table_or(table: Table, nothing: str) -> str:
    return html_table(table) if table.rows else f'<p class="muted">{escape(nothing)}</p>'


def _facts(facts: Mapping[str, str], css_class: str = "") -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f'<dl class="facts {css_class}">{rows}</dl>'


def _chips(values: Mapping[str, Any]) -> str:
    chips = (f"<span>{escape(name)} {escape(setting(value))}</span>" for name, value in values.items())
    return f'<div class="chips">{"".join(chips)}</div>'


def _tile(figure: KeyFigure) -> str:
    grade = f'<span class="grade {figure.grade}">{_GRADES[figure.grade]}</span>' if figure.grade else ""
    goal = f"<br>{escape(figure.goal)}" if figure.goal else ""
    return (
        f'<div class="tile"><div class="label">{escape(figure.label)}{grade}</div>'
        f'<div class="value {figure.tone}">{escape(figure.text)}</div>'
        f'<div class="note">{escape(figure.note)}{goal}</div></div>'
    )
