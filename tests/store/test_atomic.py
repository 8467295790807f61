import os
import subprocess
import sys

import pytest

from fluxhero.engine.errors import StoreError
from fluxhero.store.atomic import _MARK, _MARK_TEXT, atomic_folder, resolved, settle
from fluxhero.store.lock import FileLock, LockedError

WRITER = """
import sys
from pathlib import Path
from fluxhero.store.atomic import atomic_folder
target, words = Path(sys.argv[1]), sys.argv[2:]
n = 0
while True:
    with atomic_folder(target, overwrite=True, is_replaceable=lambda _: True) as folder:
        for name in "abc":
            (folder / name).write_text(words[n % len(words)])
    n += 1
    print(n, flush=True)
"""


def write(target, text, *, overwrite=False, is_replaceable=lambda _: True):
    with atomic_folder(target, overwrite=overwrite, is_replaceable=is_replaceable) as folder:
        (folder / "file").write_text(text)


def workshop(target):
    """A killed writer's workshop, as it stands beside its target."""
    place = target.with_name(f".{target.name}.fluxhero")
    place.mkdir(exist_ok=True)
    (place / _MARK).write_bytes(_MARK_TEXT)
    return place


@pytest.fixture
def target(tmp_path):
    return tmp_path / "thing"


def neighbours(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_folder_appears_whole_and_alone(target):
    write(target, "new")
    assert (target / "file").read_text() == "new"
    assert neighbours(target) == ["thing"]


def test_nothing_appears_before_the_block_ends(target):
    with atomic_folder(target, overwrite=False, is_replaceable=lambda _: True) as folder:
        (folder / "file").write_text("new")
        assert not target.exists()


def test_missing_parents_are_made(tmp_path):
    write(tmp_path / "a" / "b" / "thing", "new")
    assert (tmp_path / "a" / "b" / "thing" / "file").exists()


def test_failed_block_leaves_the_old_folder(target):
    write(target, "old")
    with pytest.raises(TypeError):
        write(target, 5, overwrite=True)  # no text: fails with the new folder open
    assert (target / "file").read_text() == "old"
    assert neighbours(target) == ["thing"]


def test_existing_folder_is_kept_unless_told(target):
    write(target, "old")
    with pytest.raises(StoreError, match="exists; pass `overwrite=True`"):
        write(target, "new")
    write(target, "new", overwrite=True)
    assert (target / "file").read_text() == "new"


def test_something_else_is_never_replaced(target):
    write(target, "a diary")
    with pytest.raises(StoreError, match="is something else; choose another path"):
        write(target, "new", overwrite=True, is_replaceable=lambda _: False)
    assert (target / "file").read_text() == "a diary"


def test_empty_folder_may_be_filled(target):
    target.mkdir()
    write(target, "new", is_replaceable=lambda _: False)
    assert (target / "file").read_text() == "new"


def test_file_in_the_way_is_kept(target):
    target.write_text("a diary")
    with pytest.raises(StoreError, match="is something else"):
        write(target, "new", overwrite=True, is_replaceable=lambda _: False)
    assert target.read_text() == "a diary"


def test_second_writer_is_refused(target):
    with (
        FileLock(target.with_name(".thing.lock"), "x"),
        pytest.raises(LockedError, match=f"thing is in use by process {os.getpid()}"),
    ):
        write(target, "new")


def test_half_written_folder_of_a_killed_writer_is_removed(target):
    (workshop(target) / "new").mkdir()
    (workshop(target) / "new" / "rubbish").write_text("half")
    write(target, "new")
    assert neighbours(target) == ["thing"]


@pytest.mark.parametrize("text", [None, b"", _MARK_TEXT[:9]])
def test_workshop_of_a_writer_killed_early_is_removed(target, text):
    place = workshop(target)
    if text is None:
        (place / _MARK).unlink()
    else:
        (place / _MARK).write_bytes(text)
    write(target, "new")
    assert neighbours(target) == ["thing"]


@pytest.mark.parametrize("name", [".thing.partial", ".thing.old"])
def test_folders_of_others_are_left_alone(target, name):
    theirs = target.with_name(name)
    theirs.mkdir()
    (theirs / "file").write_text("a diary")
    settle(target)
    assert not target.exists()
    write(target, "new")
    write(target, "newer", overwrite=True)
    assert (theirs / "file").read_text() == "a diary"


@pytest.mark.parametrize("mark", [None, b"mine"])
def test_workshop_without_our_mark_is_left_alone(target, mark):
    theirs = workshop(target)
    (theirs / _MARK).unlink()
    (theirs / "old").mkdir()
    if mark is not None:
        (theirs / _MARK).write_bytes(mark)
    settle(target)
    assert not target.exists()
    with pytest.raises(StoreError, match="is not FluxHero's; move it away"):
        write(target, "new", overwrite=True)
    assert (theirs / "old").exists()
    assert neighbours(target) == [theirs.name]


def test_target_is_looked_at_again_before_it_goes(target):
    write(target, "old")

    def is_alone(folder):
        return os.listdir(folder) == ["file"]

    with (
        pytest.raises(StoreError, match="is something else"),
        atomic_folder(target, overwrite=True, is_replaceable=is_alone),
    ):
        (target / "diary").write_text("dear diary")
    assert sorted(os.listdir(target)) == ["diary", "file"]
    assert neighbours(target) == ["thing"]


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "~nobody-of-that-name/x", None])
def test_what_is_no_path_is_a_plain_error(path):
    with pytest.raises(StoreError, match="is no path"):
        resolved(path)


def test_circle_of_links_is_a_plain_error(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StoreError, match="is no path"):
        resolved(tmp_path / "a")


def test_writer_killed_between_the_renames_loses_nothing(target):
    write(target, "old")
    os.rename(target, workshop(target) / "old")
    (workshop(target) / "new").mkdir()
    settle(target)
    assert (target / "file").read_text() == "old"
    assert neighbours(target) == ["thing"]


def test_writer_killed_after_the_renames_keeps_the_new(target):
    write(target, "new")
    (workshop(target) / "old").mkdir()
    settle(target)
    assert (target / "file").read_text() == "new"
    write(target, "newer", overwrite=True)
    assert neighbours(target) == ["thing"]


def test_settle_leaves_a_missing_folder_missing(target):
    settle(target)
    assert neighbours(target) == []


def test_disk_that_refuses_is_a_plain_error(target, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fluxhero.store.atomic._flush", full)
    with pytest.raises(StoreError, match=r"cannot write .*thing: No space left on device"):
        write(target, "new")
    assert neighbours(target) == []


def test_kill_leaves_one_of_the_two_whole(target):
    rounds = int(os.environ.get("FLUXHERO_KILL_ROUNDS", "5"))
    for n_writes in range(1, rounds + 1):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target), "left", "right"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3 * n_writes):  # at other moments of the loop each time
            process.stdout.readline()
        process.kill()
        process.communicate()
        settle(target)
        words = {(target / name).read_text() for name in "abc"}
        assert words in ({"left"}, {"right"})
    write(target, "end", overwrite=True)
    assert neighbours(target) == ["thing"]
