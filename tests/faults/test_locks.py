"""File systems without locks, and locks that are never granted."""

import errno
import os
import warnings
from pathlib import Path

import pytest
from filelock import FileLock

from flatminima import folders
from flatminima.sweeps import slots
from flatminima.sweeps.sweep import run_all
from tests.faults.cells import SHORT, assert_same, seeds, unbroken

CELLS = seeds(SHORT, 2)


class Clock:
    """Time that passes only where `slots` waits, a second at a time."""

    def __init__(self):
        self.now = 0.0
        self.plan = {}

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += 1.0
        self.plan.get(self.now, lambda: None)()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the slots of a test are: its own."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("FLATMINIMA_CACHE", str(cache))
    monkeypatch.setattr(slots, "_without", set())
    monkeypatch.setattr(slots.platform, "node", lambda: "machine")
    return cache / "slots" / "machine"


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(slots, "time", clock)
    return clock


def refuse_locks(monkeypatch, number):
    def flock(handle, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)


def in_a_slot(expected: str | None) -> None:
    """Take a slot twice: at most the first says that there is none."""
    for message in (expected, None):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with slots.compute_slot():
                pass
        assert len(caught) == (message is not None), [str(w.message) for w in caught]
        if message is not None:
            assert message in str(caught[0].message)


# refused, and refused as if somebody held every lock
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO, errno.EWOULDBLOCK])
def test_a_sweep_without_locks(folder, clock, monkeypatch, number):
    refuse_locks(monkeypatch, number)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = run_all(CELLS, workers=1)
    assert_same(runs, [unbroken(config) for config in CELLS])
    (warning,) = caught
    assert f"no compute slot can be had in {folder}" in str(warning.message)
    assert clock.now <= 2 * slots.SECONDS_TO_WONDER


def test_a_file_in_the_place_of_the_slots(folder):
    folder.parent.write_text("")
    in_a_slot(f"{folder.parent} is a file, where a folder should be: it is replaced")
    assert list(folder.iterdir())


def test_a_file_in_the_place_of_the_cache(folder):
    cache = folder.parents[1]
    cache.rmdir()
    cache.write_text("mine")
    in_a_slot(f"can be had in {folder} (cannot be there: {cache} is a file")
    assert cache.read_text() == "mine"


def test_a_folder_in_the_place_of_a_lock(folder):
    for k in range(slots.joblib.cpu_count()):
        (folder / f"{k}.lock").mkdir(parents=True)
    in_a_slot(f"no compute slot can be had in {folder} (Is a directory)")


@pytest.fixture
def held(folder):
    """All slots, held by others."""
    folder.mkdir(parents=True)
    count = slots.joblib.cpu_count()
    locks = [FileLock(folder / f"{k}.lock") for k in range(count)]
    for lock in locks:
        lock.acquire()
    yield locks
    for lock in locks:
        lock.release()


def test_slots_that_others_hold_are_waited_for(held, clock):
    clock.plan[50.0] = held[0].release
    in_a_slot(None)
    assert clock.now == 50.0


def test_slots_that_change_hands_are_waited_for(held, clock):
    """However long: others are quicker to take them."""
    for minute in range(1, 10):
        taken = (minute, minute)
        clock.plan[60.0 * minute] = lambda taken=taken: os.utime(
            held[0].lock_file, taken
        )
    clock.plan[590.0] = held[0].release
    in_a_slot(None)
    assert clock.now == 590.0


def test_slots_of_a_program_that_is_stuck_are_lived_without(held, clock):
    in_a_slot("each is held for more than 120 s")
    assert slots.SECONDS_TO_WAIT < clock.now < slots.SECONDS_TO_WAIT + 10


def test_a_slot_shows_that_it_was_taken(folder):
    folder.mkdir(parents=True)
    for k in range(slots.joblib.cpu_count()):
        (folder / f"{k}.lock").touch()
        os.utime(folder / f"{k}.lock", (1, 1))
    with slots.compute_slot():
        assert sum(path.stat().st_mtime > 1 for path in folder.iterdir()) == 1


def test_whether_there_are_locks(tmp_path, monkeypatch):
    assert folders.no_locks(tmp_path) == ""
    refuse_locks(monkeypatch, errno.ENOLCK)
    assert folders.no_locks(tmp_path) == os.strerror(errno.ENOLCK)
    refuse_locks(monkeypatch, errno.EWOULDBLOCK)
    assert folders.no_locks(tmp_path) == "its file system grants none"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("folder", ""),
        ("new", ""),
        ("new/deep", ""),
        ("file", "is a file, where a folder should be"),
        ("file/new/deep", "cannot be there: {file} is a file, where"),
        ("lost", "is a file, where a folder should be"),
    ],
)
def test_what_can_be_a_folder(tmp_path, place, fault):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    found = folders.fault(tmp_path / place)
    assert found.startswith(fault.format(file=tmp_path / "file"))
    assert bool(found) == bool(fault)


def test_a_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folders.fault(Path("new")) == ""
    Path("file").touch()
    assert folders.fault(Path("file")) == "is a file, where a folder should be"
