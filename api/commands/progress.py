"""The progress of a sweep: a bar on a terminal, a line every tenth of the way elsewhere."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from .console import duration, note, short_count, stderr_console

if TYPE_CHECKING:
    from rich.console import Console

MEASURABLE_S = 0.1  # a shorter run has no rate worth telling

_STEPS = 10  # lines of a log
_BETWEEN_S = 0.5  # lines, at least
_PATIENCE_S = 2.0  # without any trial done, before a log says why


class Progress(Protocol):
    """What an engine reports; `engine.sweep.Progress` is one."""

    @property
    def done(self) -> int:
        """Bars x trials done."""

    @property
    def total(self) -> int:
        """Bars x trials to do."""

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first trials began to run."""

    @property
    def rate(self) -> float:
        """Bars x trials per second."""

    @property
    def left_s(self) -> float:
        """Seconds left at this rate."""


class Pace:
    """How fast trials run, as the engine reports it; NaN while that is too short to be measured."""

    def __init__(self) -> None:
        self.elapsed_s = math.nan  # while trials ran
        self.rate = math.nan  # bars x trials per second
        self.left_s = math.nan

    def take(self, progress: Progress) -> None:
        """Note how far the work is."""
        if progress.done and progress.elapsed_s >= MEASURABLE_S:
            self.elapsed_s, self.rate, self.left_s = progress.elapsed_s, progress.rate, progress.left_s

    def words(self) -> str:
        """The pace for a person."""
        if math.isnan(self.rate):
            return "starting"
        left = f", {duration(self.left_s)} left" if self.left_s else ""
        return f"{short_count(self.rate)} bars x trials/s{left}"

    def summary(self) -> str:
        """The pace of a finished sweep for a person."""
        if math.isnan(self.rate):
            return f"in under {duration(MEASURABLE_S)}"
        return f"in {duration(self.elapsed_s)}: {short_count(self.rate)} bars x trials per second"


def shown_progress(label: str, pace: Pace) -> AbstractContextManager[Callable[[Progress], None]]:
    """Hand out a callback that keeps the pace and shows how far the work is."""
    console = stderr_console()
    return _bar(console, label, pace) if console.is_terminal else _lines(label, pace)


@contextmanager
def _lines(label: str, pace: Pace) -> Iterator[Callable[[Progress], None]]:
    # A clock of our own: the engine's begins with the first trials, after compiling.
    began_s, shown, shown_s, is_told = time.perf_counter(), 0, 0.0, False

    def update(progress: Progress) -> None:
        nonlocal shown, shown_s, is_told
        pace.take(progress)
        now_s = time.perf_counter() - began_s
        if not progress.done and now_s > _PATIENCE_S and not is_told:
            is_told = True
            note(f"{label}: compiling; the next run of this strategy skips this")
        step = progress.done * _STEPS // progress.total if progress.total else _STEPS
        is_time = now_s - shown_s >= _BETWEEN_S or step == _STEPS
        if step > shown and is_time:
            shown, shown_s = step, now_s
            note(f"{label}: {progress.done * 100 // max(progress.total, 1)} %, {pace.words()}")

    yield update


@contextmanager
def _bar(console: "Console", label: str, pace: Pace) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[pace]}", style="dim"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"{label}: preparing", total=None, pace="")

        def update(progress: Progress) -> None:
            pace.take(progress)
            if progress.done:
                bar.update(
                    task,
                    description=label,
                    total=progress.total,
                    completed=progress.done,
                    pace=pace.words(),
                )

        yield update
