"""Where results go: a folder per run, never an old one, and an entry in the experiments database."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from ...engine.errors import FluxHeroError, StoreError
from .console import note, shown_path, warn

OUT = Path("out")
EXPERIMENTS = OUT / "experiments.db"

_MARK = ".in-progress"
_FULL = (errno.ENOSPC, errno.EDQUOT)  # a write that fails like this does not say where


@contextmanager
def results_folder(out: Path | None, name: str) -> Iterator[Path]:
    """Make the folder of a run's results before anything is computed; take it away if nothing was written.

    While the run works a hidden file keeps the folder from being taken by another.

    Raises
    ------
    StoreError
        If `out` is a file, or a folder that holds something.
    OSError
        If the folder cannot be written; names it.
    """
    wanted = OUT if out is None else out.expanduser()
    made = [path for path in (wanted, *wanted.parents) if not path.exists()]
    folder = _new_folder(name) if out is None else _given_folder(out)
    mark = folder / _MARK
    try:
        with mark.open("x"):
            pass
    except FileExistsError:
        raise StoreError(_not_empty(folder)) from None
    try:
        yield folder
    except OSError as error:
        if error.filename is None and error.errno in _FULL:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise
    finally:
        mark.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: there are results
            for path in dict.fromkeys([folder, *made]):
                path.rmdir()


def _given_folder(out: Path) -> Path:
    """The person's own folder, which must be new or empty."""
    folder = out.expanduser()
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"`--out` was '{out}', which is a file; name a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise StoreError(_not_empty(out))
    return folder


def _new_folder(name: str) -> Path:
    """A folder of our own naming that no other run has."""
    OUT.mkdir(exist_ok=True)
    # The person's own clock: the name is for finding a run again.
    stem = f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    for n in count(1):
        folder = OUT / (stem if n == 1 else f"{stem}-{n}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("unreachable")


def _not_empty(out: Path) -> str:
    return f"`--out` was '{out}', which is not empty; name a new or empty folder"


def check_new_file(option: str, path: Path | None) -> None:
    """Refuse to write over a file, before anything is computed.

    Raises
    ------
    StoreError
        If there is a file or a folder of this name.
    """
    if path is None:
        return
    found = path.expanduser()
    if found.is_file() or found.is_dir():
        raise StoreError(f"`{option}` was '{path}', which exists; name a new file")


def record(
    name: str,
    kind: Any,
    *,
    config: Mapping[str, Any],
    attrs: Mapping[str, Any],
    metrics: Mapping[str, float],
    cube_path: Path | str = "",
) -> int | None:
    """Enter a run into the experiments database; the results stand without it, so a failure only warns.

    Returns
    -------
    int or None
        Number of the experiment.
    """
    from ... import __version__
    from ...store.experiments import Experiments

    try:
        with Experiments(EXPERIMENTS) as experiments:
            return experiments.record_experiment(
                name,
                kind,
                strategy=str(attrs["strategy"]),
                config=config,
                code_version=__version__,
                data_hash=str(attrs["data_hash"]),
                metrics=metrics,
                cube_path=str(Path(cube_path).resolve()) if cube_path else "",
            )
    except (FluxHeroError, OSError) as error:
        warn(f"not entered into the experiments database: {error}")
        return None


def write_text(path: Path, text: str) -> None:
    """Write a new text file and the folders above it; never over a file.

    Raises
    ------
    StoreError
        If the file exists.
    OSError
        If it cannot be written; names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    is_device = path.exists() and not path.is_file()  # such as /dev/stdout
    try:
        with path.open("w" if is_device else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StoreError(f"{path} exists; name a new file") from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def open_in_browser(report: Path) -> None:
    """Show a report to the person."""
    import webbrowser

    if not webbrowser.open(report.resolve().as_uri()):
        note(f"no browser could be opened; the report is {shown_path(report)}")
