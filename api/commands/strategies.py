"""``fluxhero strategies``: which strategies there are, with their parameters."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import say, say_json, stdout_console

if TYPE_CHECKING:
    from ...engine.strategy import Param, Strategy


def strategies(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME|FILE]...", help="Which; default all that come with FluxHero."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """List strategies with their parameters, bounds and units."""
    from ...engine.strategy import builtin_strategies, load_strategy

    found = [load_strategy(name) for name in names or builtin_strategies()]
    if json:
        say_json([_as_dict(strategy) for strategy in found])
        return
    for i, strategy in enumerate(found):
        if i:
            say()
        _show(strategy)


def _show(strategy: "Strategy") -> None:
    from rich.table import Table

    say(f"{strategy.name}: {strategy.doc or 'no description'}")
    say()
    table = Table("parameter", "default", "allowed", "unit", "meaning", box=None, pad_edge=False)
    for name, param in strategy.params.items():
        table.add_row(name, _value(param, param.default), _allowed(param), param.unit, param.doc)
    stdout_console().print(table)


def _allowed(param: "Param") -> str:
    if param.choices is not None:
        return ", ".join(param.choices)
    return f"{param.low:g} to {param.high:g}"


def _value(param: "Param", value: float) -> str:
    names = {code: name for name, code in (param.choices or {}).items()}
    return names.get(int(value), f"{value:g}") if names else f"{value:g}"


def _as_dict(strategy: "Strategy") -> dict[str, Any]:
    return {
        "name": strategy.name,
        "path": strategy.path,
        "doc": strategy.doc,
        "params": {
            name: {
                "default": param.default,
                "low": param.low,
                "high": param.high,
                "unit": param.unit,
                "doc": param.doc,
                "choices": param.choices,
            }
            for name, param in strategy.params.items()
        },
        "features": list(strategy.features),
        "reasons": strategy.reasons,
        "modes": strategy.modes,
    }
