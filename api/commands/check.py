"""``fluxhero check``: whether a strategy looks ahead."""

from typing import Annotated

import typer

from .console import note, say, say_json


def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A strategy file, or the name of one of ours.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """Prove that a strategy does not look ahead: cutting or poisoning the future must not change the past.

    Ends with exit code 1 where it does look ahead.
    """
    from ...engine.audit import check_strategy

    report = check_strategy(file, progress=note_progress)
    if json:
        say_json(report.to_dict())
    else:
        say(report.text())
    if not report.ok:
        raise typer.Exit(1)


def note_progress(done: int, total: int) -> None:
    """A line per parameter set: each takes seconds, the first one longer where it is compiled."""
    if done < total:
        note(f"check: parameter set {done + 1} of {total}")
