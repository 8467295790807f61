"""``fluxhero validate``: whether a strategy may trade."""

from typing import Annotated

import typer

from .assignments import read_assignments
from .backtest import default_timeframe
from .check import note_progress
from .console import say_json, stdout_console
from .markets import load_market
from .options import ConditionOptions, MarketOptions, flat


@flat
def validate(
    market: MarketOptions,
    conditions: ConditionOptions,
    strategy: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A strategy of ours, or the path of a file.")
    ] = "dual_mode",
    params: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Parameters that differ from the defaults; repeatable."),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="A strategy that trades beside it, as it is; repeatable."),
    ] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Audit the rule for look-ahead, too.")] = False,
    paper: Annotated[
        bool, typer.Option("--paper", help="For paper trading: a rule may waive its stop.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """Judge a strategy before it trades: its run over a market against the limits of a risk profile.

    Ends with exit code 1 where a check fails. A generated market always fails.

    Example: fluxhero validate --strategy my_rule.py --data SPY.csv --symbol SPY --risk reversion
    """
    from ...engine.audit import check_strategy
    from ...engine.backtest import backtest
    from ...engine.deployment_check import validate_deployment
    from ...engine.strategy import load_strategy

    values = read_assignments(params or [], "--params")
    rule, companions = load_strategy(strategy), [load_strategy(name) for name in beside or []]
    loaded = load_market(market).market
    given = conditions.given()
    if "decision_timeframe" not in given:
        given["decision_timeframe"] = default_timeframe(loaded)
    run = backtest(rule, loaded, params=values, **given)
    report = validate_deployment(
        run,
        others=[backtest(other, loaded, **given) for other in companions],
        audit=check_strategy(rule, progress=note_progress) if audit else None,
        live=not paper,
    )
    if json:
        say_json(report.to_dict())
    else:
        from ...engine.reports.terminal import checks_terminal_table

        stdout_console().print(checks_terminal_table(report))
    if not report.ok:
        raise typer.Exit(1)
