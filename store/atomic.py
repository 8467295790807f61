"""Folders that are there whole or not at all.

A folder is written beside its target and renamed when every byte is on disk. A folder cannot be renamed over
a full one, so an old target steps aside first. Beside ``market.zarr`` a killed writer may leave:

- ``.market.zarr.fluxhero``: the workshop, a folder with our mark in the file ``fluxhero-workshop``, without
  which nothing in it is ever touched. It holds ``new``, unfinished; ``old``, the former target of a writer
  that was killed between the two renames, always whole; and ``rubbish``. The next write removes it; the next
  read or write puts ``old`` back first where the target is missing.
- ``.market.zarr.lock``: held by a writer, free once that process is gone (``lock.py``).
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.errors import StoreError
from .lock import FileLock, LockedError

PathLike = str | os.PathLike[str]

_MARK = "fluxhero-workshop"
_MARK_TEXT = b"An unfinished write of FluxHero; the next write to the same target removes this folder.\n"

_SETTLE_TRIES = 200  # of 10 ms each: a swap is two renames
_SETTLE_WAIT_S = 0.01


def resolved(path: PathLike) -> Path:
    """The absolute path that a user's path stands for, home folder and links followed.

    Raises
    ------
    StoreError
        If it stands for none: a NUL in it, a circle of links, an unknown home.
    """
    try:
        full = Path(path).expanduser().resolve()
        os.fsencode(full)  # half a character pair is no name
        if full.is_symlink():  # Python 3.13 follows a circle until it gives up, and says nothing
            raise OSError("its links go in a circle")
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise StoreError(f"{path!r} is no path: {error}") from error
    return full


@contextmanager
def atomic_folder(target: Path, *, overwrite: bool, is_replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """Hand out an empty folder that becomes `target` when the block ends without an error.

    Parameters
    ----------
    target : Path
        Absolute; missing parents are made.
    overwrite : bool
        Whether an existing target may be replaced.
    is_replaceable : callable
        Says whether an existing target is of the kind that may be replaced at all: a mistyped path must never
        cost anybody a folder. It may refuse in its own words, with ``StoreError``.

    Raises
    ------
    StoreError
        If the target exists and must not be replaced, if another process writes it now, or if the disk
        refuses.
    """
    workshop = _beside(target, "fluxhero")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_beside(target, "lock"), str(target)):
            _recover(target)
            _check_replaceable(target, overwrite, is_replaceable)
            try:
                _make_workshop(workshop)
                new = workshop / "new"
                new.mkdir()
                yield new
                _flush(new)
                _check_replaceable(target, overwrite, is_replaceable)  # somebody may have added to it
                _swap(workshop, target)
            finally:
                _recover(target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror or error}") from error


def settle(target: Path) -> None:
    """Put `target` back where a writer was killed between its two renames."""
    for _ in range(_SETTLE_TRIES):
        workshop = _beside(target, "fluxhero")
        if target.exists() or not ((workshop / "old").exists() and _is_ours(workshop)):
            return
        try:
            with FileLock(_beside(target, "lock"), str(target)):
                _recover(target)
        except LockedError:  # its writer is alive, and between the two renames
            time.sleep(_SETTLE_WAIT_S)


def _beside(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}")


def _make_workshop(workshop: Path) -> None:
    workshop.mkdir()
    (workshop / _MARK).write_bytes(_MARK_TEXT)


def _is_ours(workshop: Path) -> bool:
    """Whether a folder bears our mark; an empty one may have lost it, and nothing is lost with it."""
    if workshop.is_symlink() or not workshop.is_dir():
        return False
    names = os.listdir(workshop)
    mark = workshop / _MARK
    if not names:
        return True
    # A beginning of the text: its writer may have been killed, or the disk full, while it was written.
    return mark.is_file() and not mark.is_symlink() and _MARK_TEXT.startswith(mark.read_bytes())


def _recover(target: Path) -> None:
    """Undo what a writer left; the lock is held."""
    workshop = _beside(target, "fluxhero")
    if not os.path.lexists(workshop):
        return
    if not _is_ours(workshop):
        raise StoreError(f"cannot write {target}: {workshop} is not FluxHero's; move it away")
    old, rubbish = workshop / "old", workshop / "rubbish"
    shutil.rmtree(rubbish, ignore_errors=True)
    if old.exists():
        # Renamed before it is removed: whatever is called ``old`` is always whole.
        os.rename(old, rubbish if target.exists() else target)
    for name in ("rubbish", "new"):
        shutil.rmtree(workshop / name, ignore_errors=True)
    if os.listdir(workshop) == [_MARK]:  # last, so that whatever a kill leaves is known as ours
        (workshop / _MARK).unlink()
    if not os.listdir(workshop):
        workshop.rmdir()


def _check_replaceable(target: Path, overwrite: bool, is_replaceable: Callable[[Path], bool]) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not is_replaceable(target):
        raise StoreError(f"{target} exists and is something else; choose another path or move it away")
    if not overwrite:
        raise StoreError(f"{target} exists; pass `overwrite=True` to replace it")


def _swap(workshop: Path, target: Path) -> None:
    if target.exists():
        os.rename(target, workshop / "old")
    os.rename(workshop / "new", target)
    _flush_folder(target.parent)


def _flush(folder: Path) -> None:
    """Bring a folder's files to the disk: a rename must not outrun what it names."""
    for root, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(os.path.join(root, name), os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        _flush_folder(Path(root))


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
