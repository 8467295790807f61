import os
import subprocess
import sys

import pytest

from fluxhero.engine.errors import StoreError
from fluxhero.store.lock import FileLock, LockedError

HOLDER = """
import sys
from pathlib import Path
from fluxhero.store.lock import FileLock
FileLock(Path(sys.argv[1]), "it").acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "thing.lock"


@pytest.fixture
def holder(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_refused_and_the_holder_named(path, holder):
    with pytest.raises(
        LockedError, match=f"the thing is in use by process {holder.pid}; stop it first"
    ) as caught:
        FileLock(path, "the thing").acquire()
    assert caught.value.pid == holder.pid


def test_lock_vanishes_with_a_killed_holder(path, holder):
    holder.kill()
    holder.wait()
    with FileLock(path, "the thing"):
        assert path.read_text() == str(os.getpid())


def test_a_second_holder_in_this_process_is_refused(path):
    with FileLock(path, "the thing"), pytest.raises(LockedError, match=f"process {os.getpid()}"):
        FileLock(path, "the thing").acquire()


def test_acquiring_twice_is_refused(path):
    with FileLock(path, "the thing") as lock, pytest.raises(LockedError, match="by this process already"):
        lock.acquire()


def test_release_removes_the_file_and_lets_the_next_in(path):
    lock = FileLock(path, "the thing")
    lock.acquire()
    lock.release()
    lock.release()
    assert not path.exists()
    with FileLock(path, "the thing"):
        assert path.exists()


def test_a_file_left_behind_means_nothing(path):
    path.write_text("99999999")
    with FileLock(path, "the thing"):
        assert path.read_text() == str(os.getpid())


def test_a_lock_on_a_removed_file_is_taken_again(path, monkeypatch):
    lock = FileLock(path, "the thing")
    opened = lock._open
    removals = iter([True, False])

    def open_and_lose():
        descriptor = opened()
        if next(removals):
            path.unlink()  # the holder before us releases between our open and our lock
        return descriptor

    monkeypatch.setattr(lock, "_open", open_and_lose)
    with lock:
        assert path.exists()


def test_missing_folder_is_a_plain_error(tmp_path):
    with pytest.raises(StoreError, match="cannot lock the thing"):
        FileLock(tmp_path / "nowhere" / "thing.lock", "the thing").acquire()
