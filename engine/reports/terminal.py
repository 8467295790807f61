"""Results in the terminal, as tables of rich."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from ..run import Run
from .formats import instant, setting
from .ranking import cube_symbols, rank_trials, trial_spread
from .risk_tables import (
    accounts_table,
    checks_table,
    correlation_table,
    limits_table,
    positions_table,
    rules_table,
)
from .tables import Table, symbols_table, trials_table
from .wording import metric_words, spread_sentence

if TYPE_CHECKING:
    import rich.table

    from ..deployment_check import DeploymentReport
    from ..risk_report import RiskReport
    from ..risk_rules import RiskRule

_STYLES = {"profit": "green", "loss": "red", "": ""}


def ranked_table(
    cube: xr.Dataset, rank_by: str = "sharpe_ratio", top: int | None = 10, *, symbol: str | None = None
) -> "rich.table.Table":
    """The best trials of a cube, with what they were picked from below.

    Parameters
    ----------
    cube, rank_by, top, symbol
        As in `rank_trials`.

    Returns
    -------
    rich.table.Table
        Parameters, medians over the symbols, the worst drawdown, all trades, share of symbols with a gain.

    Raises
    ------
    ParameterError, NotFoundError
        As `rank_trials`.
    """
    n_symbols = 1 if symbol else len(cube_symbols(cube))
    ranked = rank_trials(cube, rank_by, top, symbol=symbol)
    over = symbol or (
        f"median of {n_symbols} symbols" if n_symbols > 1 else cube_symbols(cube)[0] or "account"
    )
    return rich_table(
        trials_table(ranked, rank_by, n_symbols),
        title=f"{cube.attrs.get('strategy', 'Trials')} by {metric_words(rank_by).label}, {over}",
        caption=spread_sentence(trial_spread(cube, rank_by, symbol=symbol), rank_by),
    )


def symbol_table(run: Run) -> "rich.table.Table":
    """Metrics of each symbol of a run, buy and hold beside them."""
    params = ", ".join(f"{name} {setting(value)}" for name, value in run.params.items())
    return rich_table(
        symbols_table(run, brief=True), title=f"{run.strategy}, symbol by symbol", caption=params
    )


def rules_terminal_table(rules: "Sequence[RiskRule]", title: str) -> "rich.table.Table":
    """A profile's rules in the order in which they act."""
    return rich_table(rules_table(rules), title=title)


def risk_terminal_tables(report: "RiskReport") -> "list[rich.table.Table]":
    """What a run or a stream risks: accounts, positions, distances to the limits, correlations.

    Tables without rows are left out, and correlations where there is one symbol.
    """
    when = f"{report.strategy} at {instant(report.time)} UTC"
    tables = [
        (accounts_table(report), f"Risk of {when}"),
        (positions_table(report), "Positions"),
        (limits_table(report), "Limits"),
    ]
    if len(report.symbols) > 1:
        tables.append((correlation_table(report), "Correlation of 60 session returns"))
    return [rich_table(table, title=title) for table, title in tables if table.rows]


def checks_terminal_table(report: "DeploymentReport") -> "rich.table.Table":
    """The checks before a strategy trades."""
    title = f"{report.strategy} on {', '.join(report.symbols)}: {report.verdict}"
    return rich_table(checks_table(report), title=title)


def rich_table(table: Table, *, title: str, caption: str = "") -> "rich.table.Table":
    """A report's table for the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    # Text, not str: names may hold brackets, which rich would read as its markup.
    out = RichTable(
        title=Text(title, style="bold"),
        caption=Text(caption) if caption else None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for i, column in enumerate(table.columns):
        # Heads may break over lines, figures never.
        widest = max((len(row[i].text) for row in table.rows), default=0)
        out.add_column(
            Text(column.label),
            justify="right" if column.is_number else "left",
            overflow="fold",
            min_width=widest if column.is_number else None,
        )
    for row in table.rows:
        out.add_row(*(Text(cell.text, style=_STYLES[cell.tone]) for cell in row))
    return out
