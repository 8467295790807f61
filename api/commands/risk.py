"""``fluxhero risk``: what a risk profile says, rule by rule."""

from typing import Annotated

import typer

from .console import say_json, stdout_console


def risk(
    profile: Annotated[
        str, typer.Argument(metavar="[PROFILE|FILE]", help="A profile of ours, or a YAML file.")
    ] = "retail",
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """List the rules of a risk profile in the order in which they act.

    Profiles of ours: retail, platform, day_trading, reversion, none.
    """
    from ...engine.risk_rules import risk_rules

    rules = risk_rules(profile)
    if json:
        say_json({"profile": profile, "rules": [rule.to_dict() for rule in rules]})
        return
    from ...engine.reports.terminal import rules_terminal_table

    stdout_console().print(
        rules_terminal_table(rules, f"{profile}: its rules in the order in which they act")
    )
