"""Tables of a report: plain rows of text, made once and shown in HTML.

A cell carries what it sorts by beside what it shows. Everything that a strategy or a file could have
written is escaped where it enters the HTML, and nowhere else.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..run import Run
from . import formats
from .curves import Month, held_beside
from .ranking import RankedTrial
from .wording import metric_text, metric_words

LATEST_TRADES = 200
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Cell(NamedTuple):
    """What a cell shows, what it sorts by, and its tone."""

    text: str
    key: float | str
    tone: str = ""  # "profit", "loss" or ""


class Column(NamedTuple):
    """Head of a column; numbers stand to the right, in figures of one width."""

    label: str
    is_number: bool = True
    hint: str = ""


class Table(NamedTuple):
    """Rows of cells under their heads."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    marks: Sequence[str] = ()  # one per row: data for the page's scripts, "" for none


def html_table(table: Table, *, css_class: str = "") -> str:
    """A table as HTML; its scripts sort by ``data-key``."""
    heads = "".join(map(_head, table.columns))
    marks = table.marks or [""] * len(table.rows)
    rows = "".join(
        f"<tr{_attribute('data-mark', mark)}>"
        + "".join(_cell(cell, column) for cell, column in zip(row, table.columns, strict=True))
        + "</tr>"
        for row, mark in zip(table.rows, marks, strict=True)
    )
    return (
        f'<div class="scroll"><table class="{escape(css_class)}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def trials_table(ranked: Sequence[RankedTrial], rank_by: str, n_symbols: int) -> Table:
    """The best trials with their parameters."""
    names = list(ranked[0].params) if ranked else []
    extra = [] if rank_by in ("sharpe_ratio", "total_return") else [rank_by]
    many = n_symbols > 1
    columns = [
        Column("#"),
        *(Column(name) for name in names),
        *(Column(metric_words(name).label, hint="median over the symbols" if many else "") for name in extra),
        Column("Sharpe ratio", hint="median over the symbols" if many else ""),
        Column("Total return", hint="median over the symbols" if many else ""),
        Column("Max drawdown", hint="of the worst symbol" if many else ""),
        Column("Trades", hint="of all symbols" if many else ""),
    ]
    if many:
        columns.append(Column("In profit", hint="share of the symbols whose trades won more than they lost"))
    if partly := any(trial.n_defined < n_symbols for trial in ranked):
        columns.append(
            Column("Defined", hint="symbols on which the metric is defined; the others count as the worst")
        )
    rows = []
    for trial in ranked:
        row = [Cell(str(trial.rank), trial.rank)]
        row += [Cell(formats.setting(value), _key(value)) for value in trial.params.values()]
        row += [Cell(metric_text(name, trial.score), trial.score) for name in extra]
        row += [
            Cell(formats.ratio(trial.sharpe_ratio), trial.sharpe_ratio),
            _gain(trial.total_return),
            Cell(formats.percent(trial.max_drawdown), trial.max_drawdown),
            Cell(formats.count(trial.n_trades), trial.n_trades),
        ]
        if many:
            row.append(Cell(formats.percent(trial.share_profitable, digits=0), trial.share_profitable))
        if partly:
            row.append(Cell(f"{trial.n_defined} of {n_symbols}", trial.n_defined))
        rows.append(row)
    return Table(columns, rows)


def symbols_table(run: Run, *, brief: bool = False) -> Table:
    """Metrics of each symbol, with buy and hold beside; `brief` leaves out what fits no terminal."""
    metrics = run.account_metrics
    held = held_beside(run)[:, -1] / run.initial_cash - 1.0
    names = ["sharpe_ratio", "max_drawdown", "n_trades", "win_rate", "profit_factor"]
    if not brief:
        names[1:1] = ["sortino_ratio"]
        names += ["exposure", "costs_paid"]
    columns = [
        Column("Account" if run.is_shared else "Symbol", False),
        Column("Total return"),
        Column("Buy and hold", hint="all the cash put in at the first open, without costs"),
        *(Column(metric_words(name).label) for name in names),
    ]
    rows = []
    for i, symbol in enumerate(run.accounts):
        row = [
            Cell(str(symbol), str(symbol)),
            _gain(float(metrics["total_return"].values[i])),
            Cell(formats.percent(float(held[i]), sign=True), float(held[i])),
        ]
        row += [_metric(metrics, name, i) for name in names]
        rows.append(row)
    return Table(columns, rows)


def modes_table(run: Run) -> Table:
    """What each mode of the strategy did."""
    columns = [
        Column("Mode", False),
        Column("Trades"),
        Column("Win rate"),
        Column("Mean P&L"),
        Column("Total P&L"),
        Column("Mean held"),
    ]
    held = _held_minutes(run.trades)
    rows = []
    for mode, part in run.trades.groupby("mode", sort=True):
        pnl, fraction = part["pnl"], part["pnl_fraction"]
        wins = float((pnl > 0.0).mean())
        minutes = float(held[part.index].mean())
        name = str(mode) or "any"
        rows.append(
            [
                Cell(name, name),
                Cell(formats.count(len(part)), len(part)),
                Cell(formats.percent(wins, digits=1), wins),
                _gain(float(fraction.mean())),
                _money(float(pnl.sum())),
                Cell(formats.duration(minutes), minutes),
            ]
        )
    return Table(columns, rows)


def refusals_table(run: Run) -> Table:
    """How often each gate or limit stood in the way of a signal."""
    columns = [Column("What refused", False), Column("Times")]
    rows = [
        [Cell(str(words), str(words)), Cell(formats.count(times), int(times))]
        for words, times in run.refusals().items()
    ]
    return Table(columns, rows)


def trades_table(run: Run, latest: int = LATEST_TRADES) -> Table:
    """The latest round trips, newest first; each row is marked with where the candles show it."""
    columns = [
        Column("Symbol", False),
        Column("Entry (UTC)"),
        Column("Exit (UTC)"),
        Column("Held"),
        Column("Side", False),
        Column("Quantity"),
        Column("In at"),
        Column("Out at"),
        Column("P&L"),
        Column("P&L %"),
        Column("Mode", False),
        Column("Why in, why out", False),
    ]
    trades = run.trades.assign(minutes=_held_minutes(run.trades))
    trades = trades.sort_values("exit_time", kind="stable", ascending=False).head(latest)
    rows, marks = [], []
    for trade in trades.itertuples():
        entry, exit_ = np.datetime64(trade.entry_time, "ns"), np.datetime64(trade.exit_time, "ns")
        entry_ms = int(entry.astype("datetime64[ms]").astype(np.int64))
        why = f"{trade.entry_reason} → {trade.exit_reason}"
        rows.append(
            [
                Cell(str(trade.symbol), str(trade.symbol)),
                Cell(formats.instant(entry), entry_ms),
                Cell(formats.instant(exit_), float(exit_.astype("datetime64[ms]").astype(np.int64))),
                Cell(formats.duration(trade.minutes), trade.minutes),
                Cell("long" if trade.side > 0 else "short", float(trade.side)),
                Cell(formats.quantity(trade.qty), trade.qty),
                Cell(formats.price(trade.entry_price), trade.entry_price),
                Cell(formats.price(trade.exit_price), trade.exit_price),
                _money(trade.pnl),
                _gain(trade.pnl_fraction),
                Cell(str(trade.mode), str(trade.mode)),
                Cell(why, why),
            ]
        )
        marks.append(f"{entry_ms} {trade.symbol}")
    return Table(columns, rows, marks)


def months_table(months: Sequence[Month]) -> Table:
    """Years down, months across, the year at the end."""
    years: dict[int, dict[int, float]] = {}
    for year, month, value in months:
        years.setdefault(year, {})[month] = value
    columns = [Column("", False), *(Column(name) for name in MONTHS), Column("Year")]
    rows = []
    for year, values in years.items():
        whole = float(np.prod([1.0 + value for value in values.values()]) - 1.0)
        cells = [_gain(values[m]) if m in values else Cell("", float("nan")) for m in range(1, 13)]
        rows.append([Cell(str(year), year), *cells, _gain(whole)])
    return Table(columns, rows)


def _head(column: Column) -> str:
    kind = "number" if column.is_number else "text"
    return f'<th scope="col" class="{kind}"{_attribute("title", column.hint)}>{escape(column.label)}</th>'


def _attribute(name: str, value: str) -> str:
    return f' {name}="{escape(value)}"' if value else ""


def _cell(cell: Cell, column: Column) -> str:
    tone = f" {cell.tone}" if cell.tone else ""
    kind = "number" if column.is_number else "text"
    return f'<td class="{kind}{tone}" data-key="{escape(str(cell.key))}">{escape(cell.text)}</td>'


def _gain(fraction: float) -> Cell:
    return Cell(formats.percent(fraction, sign=True), fraction, _tone(fraction))


def _money(value: float) -> Cell:
    return Cell(formats.amount(value, sign=True), value, _tone(value))


def _tone(value: float) -> str:
    return "profit" if value > 0.0 else "loss" if value < 0.0 else ""


def _metric(metrics: xr.Dataset, name: str, i: int) -> Cell:
    value = float(metrics[name].values[i])
    return Cell(metric_text(name, value), value)


def _held_minutes(trades: pd.DataFrame) -> "pd.Series[float]":
    held = trades["exit_time"] - trades["entry_time"]
    return held / pd.Timedelta(minutes=1)


def _key(value: object) -> float | str:
    return float(value) if isinstance(value, int | float) else str(value)
