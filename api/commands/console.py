"""What commands say: results on stdout, everything else on stderr, JSON without NaN.

Without a terminal nothing is coloured or moved: a log file gets plain lines.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 140  # of a table that goes into a file or a pipe


def note(text: str) -> None:
    """One line on the way, on stderr."""
    typer.echo(text, err=True)


def warn(text: str) -> None:
    """One line that needs attention, on stderr."""
    color = False if os.environ.get("NO_COLOR") else None
    typer.echo(typer.style(text, fg=typer.colors.YELLOW), err=True, color=color)


def say(text: str = "") -> None:
    """A line of the result, on stdout."""
    typer.echo(text)


def say_json(value: Any) -> None:
    """The result for a program, on stdout."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(plain(value)), indent=2).decode()
    typer.echo(text)


def stdout_console() -> "Console":
    """A console for tables."""
    return _console(stderr=False)


def stderr_console() -> "Console":
    """A console for progress."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    class Quiet(Console):
        """Rich ends the process with 1 when the reader of a pipe has gone; `cli` decides that here."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Quiet(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PLAIN_WIDTH
    return console


def plain(value: Any) -> Any:
    """A value that JSON can hold: NaN and infinity are null, NumPy's numbers are Python's, paths are text."""
    if isinstance(value, Mapping):
        return {plain(str(name)): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str):  # a file name that is not UTF-8
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def short_count(number: float) -> str:
    """A count for a person: 850, 12.3 thousand, 340 million, 1.2 billion.

    Examples
    --------
    >>> short_count(340_000_000.0)
    '340 million'
    """
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.0f} {word}" if scaled >= 100 else f"{scaled:.1f} {word}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """A stretch of time for a person.

    Examples
    --------
    >>> duration(0.42), duration(75.0), duration(8000.0)
    ('0.4 s', '1 min 15 s', '2 h 13 min')
    """
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 60.0:
        return f"{seconds:.1f} s" if seconds < 10.0 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def shown_path(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
