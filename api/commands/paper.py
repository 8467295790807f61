"""``fluxhero paper``: trade on paper, every order kept in a ledger."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...engine.errors import ConfigError
from ...engine.records import ACCOUNT
from .assignments import read_assignments
from .configuration import DECISION_TIMEFRAME, fitting_timeframe
from .console import duration, note, say, say_json, short_count, shown_path, stderr_console
from .markets import load_market
from .options import ConditionOptions, MarketOptions, flat
from .outputs import record

if TYPE_CHECKING:
    from ..paper import PaperReplay, Progress
    from ..paper_parity import Comparison

_DIFFERS = 1  # exit code: paper and backtest are not equal
_STOPPED = 130  # exit code: stopped by Ctrl-C, to be resumed
_STEPS = 10  # lines of a log
_PAPER = "Paper run"


@flat
def paper(
    market: MarketOptions,
    conditions: ConditionOptions,
    ledger: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The ledger; made where it does not exist.", rich_help_panel=_PAPER
        ),
    ] = Path("out/paper.db"),
    run: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the run in the ledger.", rich_help_panel=_PAPER)
    ] = "paper",
    strategy: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A strategy of ours, or the path of a file.")
    ] = "dual_mode",
    params: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Parameters that differ from the defaults; repeatable."),
    ] = None,
    delay_s: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="From a decision to the first bar that may fill its order; default 60.",
            rich_help_panel="Conditions",
        ),
    ] = None,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay", help="Take the bars of the market, one row after another.", rich_help_panel=_PAPER
        ),
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option(
            metavar="TIMES",
            help="Replay so many times faster than the market; default as fast as possible.",
            rich_help_panel=_PAPER,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Insist on an unfinished run; one with the same settings is taken up in any case.",
            rich_help_panel=_PAPER,
        ),
    ] = False,
    every_row: Annotated[
        bool,
        typer.Option(
            "--every-row",
            help="Make every row durable by itself, as in live trading: slower.",
            rich_help_panel=_PAPER,
        ),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify/--no-verify",
            help="At the end, compare everything with a backtest of the same rows, to the bit.",
            rich_help_panel=_PAPER,
        ),
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """Trade on paper: the same rule bar by bar, every decision, order and fill kept in a ledger.

    Kill it at any moment and run it again: it goes on where the ledger ends. At the end it says whether
    trades, equity and decisions equal a backtest's to the bit (exit code 1 if not).
    """
    if not replay:
        raise ConfigError("there is no live feed yet; give --replay to take the bars of --data one by one")
    from ..paper import open_replay

    values = read_assignments(params or [], "--params")
    loaded = load_market(market)
    given = conditions.given()
    if "decision_timeframe" not in given:
        given["decision_timeframe"] = fitting_timeframe(DECISION_TIMEFRAME, loaded.market, is_explicit=False)
        note(
            f"decisions are made on {given['decision_timeframe']} bars (--decision-timeframe chooses others)"
        )
    if delay_s is not None:
        given["delay_s"] = delay_s
    with (
        stopped_by_signals() as stop,
        open_replay(
            loaded.market,
            ledger,
            strategy=strategy,
            params=values,
            run_id=run,
            must_resume=resume,
            every_row=every_row,
            speed=speed,
            sleep=stop.sleep,
            **given,
        ) as session,
    ):
        _say_where(session, ledger)
        with _shown(session) as progress:
            n_before = session.n_done
            is_finished = session.run(progress=progress, should_stop=lambda: stop.is_asked)
        if not is_finished:
            note(
                f"stopped after row {session.n_done:,} of {session.n_rows:,}; nothing is lost: "
                "the same command again goes on from here"
            )
            raise typer.Exit(_STOPPED)
        if n_before < session.n_rows:
            _enter(session)
        found = session.verify() if verify else []
        _conclude(session, found, ledger, json=json)
    if not all(comparison.is_equal for comparison in found):
        raise typer.Exit(_DIFFERS)


class _Stop:
    """Whether somebody wants the run to end."""

    def __init__(self) -> None:
        self.is_asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; the second one is impatient."""
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True

    def sleep(self, seconds: float) -> None:
        """Wait, but not for somebody who wants to stop."""
        until = time.monotonic() + seconds
        while not self.is_asked and (left := until - time.monotonic()) > 0.0:
            time.sleep(min(left, 0.1))


@contextmanager
def stopped_by_signals() -> Iterator[_Stop]:
    """Let Ctrl-C and a polite kill end the run after the row in progress; a second one ends it at once."""
    stop = _Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_where(session: "PaperReplay", ledger: Path) -> None:
    where = f"run {session.run_id!r} of {shown_path(ledger)}"
    if session.is_finished:
        note(f"{where} is complete already: {session.n_rows:,} rows")
    elif session.resumed_ns:
        note(f"taking up {where} after row {session.n_done:,} of {session.n_rows:,}")
    else:
        note(f"beginning {where}: {session.n_rows:,} rows")


@contextmanager
def _shown(session: "PaperReplay") -> Iterator[Callable[["Progress"], None]]:
    """Show how far a run is: a bar on a terminal, a line every tenth of the way elsewhere."""
    console = stderr_console()
    if not console.is_terminal:
        yield _lines(session.n_done)
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("paper"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[words]}", style="dim"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("paper", total=session.n_rows, completed=session.n_done, words="starting")
        yield lambda progress: bar.update(task, completed=progress.done, words=_words(progress))


def _lines(n_done: int) -> Callable[["Progress"], None]:
    shown: int | None = None

    def update(progress: "Progress") -> None:
        nonlocal shown
        step = progress.done * _STEPS // progress.total
        if shown is None:
            shown = n_done * _STEPS // progress.total
        if step > shown:
            shown = step
            note(f"paper: {progress.done * 100 // progress.total} %, {_words(progress)}")

    return update


def _words(progress: "Progress") -> str:
    left = "" if progress.done >= progress.total else f", {duration(progress.left_s)} left"
    positions = f"{progress.n_positions} position{'' if progress.n_positions == 1 else 's'}"
    return f"{short_count(progress.rate)} rows/s{left}, equity {progress.equity:,.2f}, {positions}"


def _enter(session: "PaperReplay") -> None:
    """Enter a finished run into the experiments database, with each metric's mean over the symbols."""
    metrics = session.metrics()
    means = {str(name): float(metrics[name].mean(skipna=True)) for name in metrics}
    record(session.run_id, "paper", config=session.config, attrs=session.config, metrics=means)


def _conclude(session: "PaperReplay", found: list["Comparison"], ledger: Path, *, json: bool) -> None:
    """Say what came out."""
    if json:
        say_json(_facts(session, found, ledger))
        return
    for account, one in _by_account(session).items():
        say(
            f"{account}: equity {one['final_equity']:,.2f}, return {one['total_return']:+.2%}, "
            f"drawdown {one['max_drawdown']:.2%}, {one['n_trades']:.0f} trades"
        )
    say()
    for comparison in found:
        say(comparison.sentence())
    if found:
        equal = all(comparison.is_equal for comparison in found)
        say("Paper and backtest are equal to the bit." if equal else "Paper and backtest are NOT equal.")
    say(f"Ledger: {shown_path(ledger)}")


def _by_account(session: "PaperReplay") -> dict[str, dict[str, float]]:
    """Metrics of each symbol's account, or of the one that all share."""
    metrics = session.metrics()
    if "symbol" not in metrics.dims:
        metrics = metrics.expand_dims(symbol=[ACCOUNT])
    return {
        str(symbol): {str(name): metrics[name].values[i].item() for name in metrics}
        for i, symbol in enumerate(metrics["symbol"].values)
    }


def _facts(session: "PaperReplay", found: list["Comparison"], ledger: Path) -> dict[str, Any]:
    return {
        "run": session.run_id,
        "ledger": ledger.resolve(),
        "rows": session.n_rows,
        "metrics": _by_account(session),
        "parity": {
            comparison.what: {
                "equal": comparison.is_equal,
                "paper": comparison.n_paper,
                "backtest": comparison.n_backtest,
                "difference": comparison.difference,
            }
            for comparison in found
        },
        "equal": all(comparison.is_equal for comparison in found) if found else None,
    }
