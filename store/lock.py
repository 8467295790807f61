"""One process at a time: a lock that vanishes with whoever holds it.

The lock is the operating system's, on a small file beside what it guards, so ``kill -9`` and a power cut free
it and no stale lock ever has to be broken by hand. The file holds one line that names the holder: the error
message tells it, and it marks the file as ours, so that nobody's own file of that name is ever emptied or
removed. A lock file that is left behind means nothing. Rivals: a row in the database needs a clock to expire,
and a file that exists while it is held stays for ever after a kill.

A child made by ``fork`` shares the lock of its parent and keeps it alive: start workers with ``spawn``.
"""

import errno
import os
import re
import stat
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


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
_LINE = "FluxHero lock of process {pid}\n"
_LINE_PATTERN = re.compile(rb"FluxHero lock of process (\d+)\n")
_LINE_MAX_BYTES = 64
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
            try:
                if self._is_current(descriptor):
                    self._sign(descriptor)
                    self._descriptor = descriptor
            finally:
                if self._descriptor is None:  # refused, or removed by its holder before we had the lock
                    os.close(descriptor)

    def release(self) -> None:
        """Give the lock back; without effect where it is not held."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        is_current = self._is_current(descriptor)  # else the file of that name is somebody else's
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(descriptor)
            self._remove(is_current)
        else:  # removed while still held, so that nobody can hold the file that goes
            self._remove(is_current)
            os.close(descriptor)

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            if self.path.is_symlink():
                raise self._in_the_way()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o644)
        except OSError as error:
            raise self._refused(error) from error
        try:
            _try_lock(descriptor)
        except OSError as error:
            pid = _read_pid(descriptor)
            os.close(descriptor)
            if error.errno not in _BUSY_ERRORS:
                raise self._refused(error) from error
            who = "another process" if pid is None else f"process {pid}"
            raise LockedError(f"{self.subject} is in use by {who}; stop it first", pid) from None
        return descriptor

    def _sign(self, descriptor: int) -> None:
        """Write who holds the lock; a file that is not ours stays as it is."""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise self._in_the_way()
            line = _read_line(descriptor)
            if line and not _LINE_PATTERN.fullmatch(line):
                raise self._in_the_way()
            try:
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, _LINE.format(pid=os.getpid()).encode())
            except OSError:  # a full disk: what is left is ours and empty
                self._remove(is_current=True)
                raise
        except OSError as error:
            raise self._refused(error) from error

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self.path))
        except OSError:
            return False

    def _remove(self, is_current: bool) -> None:
        if not is_current:
            return
        try:
            os.unlink(self.path)
        except OSError:  # a file that stays means nothing
            return

    def _in_the_way(self) -> StoreError:
        return StoreError(f"cannot lock {self.subject}: {self.path} is no lock of FluxHero; move it away")

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(f"cannot lock {self.subject}: {self.path}: {error.strerror}")


def _read_line(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _LINE_MAX_BYTES)


def _read_pid(descriptor: int) -> int | None:
    try:
        line = _LINE_PATTERN.fullmatch(_read_line(descriptor))
    except OSError:
        return None
    return None if line is None else int(line[1])  # the holder has not written it yet
