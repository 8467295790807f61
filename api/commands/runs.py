"""What ``backtest`` and ``replay`` make of a run: tables, a report, trades as CSV, JSON."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import say, say_json, shown_path, stdout_console
from .options import OutputOptions
from .outputs import open_in_browser, write_text

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ...engine.run import Run


def publish_run(
    run: "Run", report: Path | None, output: OutputOptions, *, trades_csv: Path | None, facts: dict[str, Any]
) -> None:
    """Show a run and write what was asked for; `facts` are the command's own part of the JSON."""
    if trades_csv is not None:
        write_trades(run, trades_csv)
    if output.json:
        say_json(
            {
                **facts,
                "strategy": run.strategy,
                "params": run.params,
                "decision_timeframe": run.decision_timeframe,
                "metrics": metrics_by_symbol(run),
                "refusals": {str(words): int(times) for words, times in run.refusals().items()},
                "trades": trade_rows(run.trades),
                "report": report and report.resolve(),
            }
        )
    else:
        _show(run)
        say()
        if report is not None:
            say(f"Report: {shown_path(report)}")
        if trades_csv is not None:
            say(f"Trades: {shown_path(trades_csv)}")
    if output.open and report is not None:
        open_in_browser(report)


def as_cube(run: "Run") -> "xr.Dataset":
    """A run as the result cube of one trial without axes: what a report is made of."""
    return run.metrics.assign_attrs(run.attrs | {"n_trials": 1, "axes": "[]"})


def write_trades(run: "Run", path: Path) -> None:
    """Round trips as CSV, times in UTC."""
    table = run.trades.copy()
    for column in ("entry_time", "exit_time"):
        table[column] = table[column].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    write_text(path.expanduser(), table.to_csv(index=False, lineterminator="\n"))


def metrics_by_symbol(run: "Run") -> dict[str, dict[str, float]]:
    """Metrics of every account: of each symbol's, or of the one that all share."""
    metrics = run.account_metrics
    return {
        account: {str(name): metrics[name].values[i].item() for name in metrics.data_vars}
        for i, account in enumerate(run.accounts)
    }


def trade_rows(trades: "pd.DataFrame") -> list[dict[str, Any]]:
    """Round trips as plain rows, times as ISO 8601."""
    rows: list[dict[str, Any]] = []
    for trade in trades.to_dict("records"):
        row = {str(name): value for name, value in trade.items()}
        for name in ("entry_time", "exit_time"):
            row[name] = f"{row[name].isoformat()}Z"
        rows.append(row)
    return rows


def mean_metrics(run: "Run") -> dict[str, float]:
    """Each metric's mean over the symbols on which it is defined, for the experiments database."""
    means: dict[str, float] = {}
    for name in run.metrics.data_vars:
        known = [value for value in map(float, run.account_metrics[name].values) if not math.isnan(value)]
        means[str(name)] = sum(known) / len(known) if known else math.nan
    return means


def _show(run: "Run") -> None:
    from ...engine.reports.terminal import symbol_table

    stdout_console().print(symbol_table(run))
