"""The command line: ``fluxhero``.

``fluxhero --help`` answers at once, because nothing of the engine is imported before a command runs. Whatever
goes wrong ends as one line on stderr: exit code 2 for what FluxHero refuses, 1 for a check that failed, 130
for Ctrl-C, 70 for a fault of our own. ``--debug`` or ``FLUXHERO_DEBUG=1`` shows the traceback instead.
"""

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..engine.errors import FluxHeroError
from .commands import (
    backtest,
    bench,
    check,
    data,
    paper,
    regimes,
    replay,
    risk,
    serve,
    strategies,
    sweep,
    validate,
)

REFUSED = 2
INTERRUPTED = 130
INTERNAL = 70  # EX_SOFTWARE


class _Commands(TyperGroup):
    """The sub-commands, with every way to fail turned into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the sub-command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has gone; a later flush at exit must not complain either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise typer.Exit(_explain(error)) from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Parse the arguments and run; a wrong option is told in one line too."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            _complain(_usage_text(error), _where_to_look(error))
            code = REFUSED
        except typer.Abort:
            _complain("interrupted")
            code = INTERRUPTED
        except SystemExit as error:
            # typer and rich end the process with 1 when the reader of a pipe has gone; 1 has a meaning here.
            code = 0 if error.code == 1 else error.code
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _explain(error: Exception) -> int:
    """Say what went wrong and return the exit code."""
    if isinstance(error, FluxHeroError):
        _complain(str(error))
        return REFUSED
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        _complain(f"{place}{error.strerror or error}")
        return REFUSED
    text = " ".join(str(error).split())
    _complain(f"internal error: {type(error).__name__}: {text}; FLUXHERO_DEBUG=1 shows where")
    return INTERNAL


def _complain(text: str, hint: str = "") -> None:
    """One message on stderr, red where colours are wanted; reports of several lines stay whole."""
    color = False if os.environ.get("NO_COLOR") else None
    typer.echo(typer.style(f"fluxhero: {text}", fg=typer.colors.RED), err=True, color=color)
    if hint:
        typer.echo(hint, err=True)


def _usage_text(error: typer.TyperException) -> str:
    """What was wrong with an argument; typer itself does not say which value it was given."""
    found = getattr(error.__cause__, "errors", None)
    options = getattr(getattr(error, "param", None), "opts", None)
    if found is None or not options:
        return error.format_message()
    first = found()[0]
    must = str(first["msg"]).removeprefix("Input should ").partition(",")[0]
    return f"`{max(options, key=len)}` was {first['input']!r}, must {must}"


def _where_to_look(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"see {context.command_path} --help" if context is not None else ""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fluxhero {__version__}")
        raise typer.Exit()


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def fluxhero(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="FLUXHERO_DEBUG", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Sweep, backtest and check trading strategies, array first.

    Start with `fluxhero sweep`: 1,080 variants of a strategy over a year of invented minute bars.
    """


app.command("sweep")(sweep.sweep)
app.command("backtest")(backtest.backtest)
app.command("replay")(replay.replay)
app.command("regimes")(regimes.regimes)
app.command("check")(check.check)
app.command("validate")(validate.validate)
app.command("risk")(risk.risk)
app.command("strategies")(strategies.strategies)
app.add_typer(data.app, name="data")
app.command("paper")(paper.paper)
app.command("serve")(serve.serve)
app.command("bench")(bench.bench)


def main() -> None:
    """Entry point of the ``fluxhero`` script."""
    for stream in (sys.stdout, sys.stderr):  # a file name may hold what the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="fluxhero")
