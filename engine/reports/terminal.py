"""Results in the terminal, as tables of rich."""

from typing import TYPE_CHECKING

import xarray as xr

from ..run import Run
from .formats import setting
from .ranking import cube_symbols, rank_trials, trial_spread
from .tables import Table, symbols_table, trials_table
from .wording import metric_words, spread_sentence

if TYPE_CHECKING:
    import rich.table

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
    return _rich_table(
        trials_table(ranked, rank_by, n_symbols),
        title=f"{cube.attrs.get('strategy', 'Trials')} by {metric_words(rank_by).label}, {over}",
        caption=spread_sentence(trial_spread(cube, rank_by, symbol=symbol), rank_by),
    )


def symbol_table(run: Run) -> "rich.table.Table":
    """Metrics of each symbol of a run, buy and hold beside them."""
    params = ", ".join(f"{name} {setting(value)}" for name, value in run.params.items())
    return _rich_table(
        symbols_table(run, brief=True), title=f"{run.strategy}, symbol by symbol", caption=params
    )


def _rich_table(table: Table, *, title: str, caption: str) -> "rich.table.Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    # Text, not str: names may hold brackets, which rich would read as its markup.
    out = RichTable(
        title=Text(title, style="bold"),
        caption=Text(caption),
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
