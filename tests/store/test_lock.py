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

LINE = "FluxHero lock of process {}\n"


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
        assert path.read_text() == LINE.format(os.getpid())


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
    path.write_text(LINE.format(99999999))
    with FileLock(path, "the thing"):
        assert path.read_text() == LINE.format(os.getpid())


def test_a_file_of_no_bytes_is_one_that_was_killed_early(path):
    path.touch()
    with FileLock(path, "the thing"):
        assert path.read_text() == LINE.format(os.getpid())


@pytest.mark.parametrize("text", ["a diary", "4711", LINE.format(1) + "and more"])
def test_a_file_that_is_no_lock_stays_as_it_is(path, text):
    path.write_text(text)
    for _ in range(2):  # the refusal holds nothing
        with pytest.raises(StoreError, match="is no lock of FluxHero; move it away"):
            FileLock(path, "the thing").acquire()
    assert path.read_text() == text


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_is_never_followed(path, is_there):
    diary = path.with_name("diary")
    if is_there:
        diary.touch()
    path.symlink_to(diary)
    with pytest.raises(StoreError, match="is no lock of FluxHero; move it away"):
        FileLock(path, "the thing").acquire()
    assert path.is_symlink()
    assert diary.exists() == is_there


def test_a_file_that_took_the_place_of_the_lock_is_kept(path):
    with FileLock(path, "the thing"):
        path.unlink()
        path.write_text("a diary")
    assert path.read_text() == "a diary"


@pytest.mark.parametrize("call", ["ftruncate", "write"])
def test_a_full_disk_leaves_the_lock_free(path, monkeypatch, call):
    def full(*_):
        raise OSError(28, "No space left on device")

    lock = FileLock(path, "the thing")
    with monkeypatch.context() as patch:
        patch.setattr(f"fluxhero.store.lock.os.{call}", full)
        with pytest.raises(StoreError, match=r"cannot lock the thing: .*No space left on device"):
            lock.acquire()
    assert not path.exists()
    with FileLock(path, "the thing"):
        pass
    with lock:
        pass


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
