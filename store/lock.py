"""One process at a time: a lock that vanishes with whoever holds it.

The lock is the operating system's, on a small file beside what it guards, so ``kill -9`` and a power cut free
it and no stale lock ever has to be broken by hand. The file holds the process id of the holder, for the error
message only; a file that is left behind means nothing. Rivals: a row in the database needs a clock to expire,
and a file that exists while it is held stays for ever after a kill.

A child made by ``fork`` shares the lock of its parent and keeps it alive: start workers with ``spawn``.
"""

import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from ..engine.errors import StoreError

if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 1 << 30  # far behind the process id, which has to stay readable

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_BUSY_ERRORS = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class LockedError(StoreError):
    """Somebody else holds the lock; `pid` is the holder, or None where it could not be read."""

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class FileLock:
    """An exclusive lock between processes, also between two holders within one process.

    Parameters
    ----------
    path : Path
        The file to lock; it is made when needed and removed on release.
    subject : str
        What is guarded, in the words of the error: "run 'paper' of /data/ledger.sqlite".
    """

    def __init__(self, path: Path, subject: str) -> None:
        self.path = path
        self.subject = subject
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock now.

        Raises
        ------
        LockedError
            If somebody holds it; the message names the process.
        StoreError
            If the lock file cannot be made.
        """
        if self._descriptor is not None:
            raise LockedError(f"{self.subject} is in use by this process already", os.getpid())
        while self._descriptor is None:
            descriptor = self._open()
            if self._is_current(descriptor):
                self._descriptor = descriptor
            else:  # the holder before us removed the file between our open and our lock
                os.close(descriptor)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())

    def release(self) -> None:
        """Give the lock back; without effect where it is not held."""
        if self._descriptor is None:
            return
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(self._descriptor)
            self._remove()
        else:  # removed while still held, so that nobody can hold the file that goes
            self._remove()
            os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"cannot lock {self.subject}: {self.path}: {error.strerror}") from error
        try:
            _try_lock(descriptor)
        except OSError as error:
            pid = _read_pid(descriptor)
            os.close(descriptor)
            if error.errno not in _BUSY_ERRORS:
                raise StoreError(f"cannot lock {self.subject}: {self.path}: {error.strerror}") from error
            who = "another process" if pid is None else f"process {pid}"
            raise LockedError(f"{self.subject} is in use by {who}; stop it first", pid) from None
        return descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _remove(self) -> None:
        try:
            os.unlink(self.path)
        except OSError:  # a file that stays means nothing
            return


def _read_pid(descriptor: int) -> int | None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return int(os.read(descriptor, 32))
    except (OSError, ValueError):  # the holder has not written it yet
        return None
