"""Folders that are there whole or not at all.

A folder is written beside its target under a name of its own and renamed when every byte is on disk. A
folder cannot be renamed over a full one, so an old target steps aside first. Beside ``market.zarr`` a
killed writer may leave:

- ``.market.zarr.partial``: unfinished or no longer wanted; the next write removes it;
- ``.market.zarr.old``: the former target, killed between the two renames; the next read or write puts it back
  where the target is missing and removes it otherwise;
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

_SETTLE_TRIES = 200  # of 10 ms each: a swap is two renames
_SETTLE_WAIT_S = 0.01


def resolved(path: PathLike) -> Path:
    """The absolute path that a user's path stands for, home folder and links followed."""
    return Path(path).expanduser().resolve()


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
        cost anybody a folder.

    Raises
    ------
    StoreError
        If the target exists and must not be replaced, if another process writes it now, or if the disk
        refuses.
    """
    partial = _beside(target, "partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_beside(target, "lock"), str(target)):
            _recover(target)
            _check_replaceable(target, overwrite, is_replaceable)
            partial.mkdir()
            try:
                yield partial
                _flush(partial)
                _swap(partial, target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)  # gone already after a swap onto a free name
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror or error}") from error


def settle(target: Path) -> None:
    """Put `target` back where a writer was killed between its two renames."""
    for _ in range(_SETTLE_TRIES):
        if target.exists() or not _beside(target, "old").exists():
            return
        try:
            with FileLock(_beside(target, "lock"), str(target)):
                _recover(target)
        except LockedError:  # its writer is alive, and between the two renames
            time.sleep(_SETTLE_WAIT_S)


def _beside(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}")


def _recover(target: Path) -> None:
    """Undo what a killed writer left; the lock is held."""
    partial, old = _beside(target, "partial"), _beside(target, "old")
    if partial.exists():
        shutil.rmtree(partial)
    if old.exists():
        # Renamed before it is removed: whatever is called ``.old`` is always whole.
        os.rename(old, partial if target.exists() else target)
        shutil.rmtree(partial, ignore_errors=True)


def _check_replaceable(target: Path, overwrite: bool, is_replaceable: Callable[[Path], bool]) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not is_replaceable(target):
        raise StoreError(f"{target} exists and is something else; choose another path or move it away")
    if not overwrite:
        raise StoreError(f"{target} exists; pass `overwrite=True` to replace it")


def _swap(partial: Path, target: Path) -> None:
    old = _beside(target, "old")
    if target.exists():
        os.rename(target, old)
    os.rename(partial, target)
    _flush_folder(target.parent)
    if old.exists():
        os.rename(old, partial)


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
