"""``fluxhero backtest``: one set of parameters in full detail."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .assignments import read_assignments
from .configuration import DECISION_TIMEFRAME, fitting_timeframe
from .console import note
from .markets import load_market
from .options import ConditionOptions, MarketOptions, OutputOptions, flat
from .outputs import check_new_file, record, results_folder
from .runs import as_cube, mean_metrics, publish_run

TradesCsv = Annotated[
    Path | None,
    typer.Option("--trades-csv", metavar="FILE", help="Write the trades as CSV.", rich_help_panel="Output"),
]


@flat
def backtest(
    market: MarketOptions,
    conditions: ConditionOptions,
    output: OutputOptions,
    strategy: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A strategy of ours, or the path of a file.")
    ] = "dual_mode",
    params: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Parameters that differ from the defaults; repeatable."),
    ] = None,
    trades_csv: TradesCsv = None,
) -> None:
    """Run one set of parameters over a market: equity, trades, and the reason of every decision."""
    from ...engine.backtest import backtest as run_backtest
    from ...engine.reports.html import write_report

    values = read_assignments(params or [], "--params")
    name = Path(strategy).stem
    check_new_file("--trades-csv", trades_csv)
    with results_folder(output.out, name) as folder:
        loaded = load_market(market)
        given = conditions.given()
        if "decision_timeframe" not in given:
            given["decision_timeframe"] = default_timeframe(loaded.market)
        run = run_backtest(strategy, loaded.market, params=values, **given)
        report = folder / "report.html"
        write_report(as_cube(run), run, report)
    experiment = record(
        name,
        "backtest",
        config={
            "strategy": run.strategy,
            "params": run.params,
            "decision_timeframe": run.decision_timeframe,
            "costs": json.loads(run.attrs["costs"]),
            "execution": json.loads(run.attrs["execution"]),
            "risk": json.loads(run.attrs["risk"]),
            "account": run.attrs["account"],
            "initial_cash": run.initial_cash,
        },
        attrs=run.attrs,
        metrics=mean_metrics(run),
    )
    publish_run(run, report, output, trades_csv=trades_csv, facts={"name": name, "experiment": experiment})


def default_timeframe(market: object) -> str | None:
    """An hour, or the bars' own length where that is longer."""
    fitting = fitting_timeframe(DECISION_TIMEFRAME, market, is_explicit=False)  # type: ignore[arg-type]
    if fitting == DECISION_TIMEFRAME:
        note(f"decisions are made on {fitting} bars (--decision-timeframe chooses others)")
    return fitting
