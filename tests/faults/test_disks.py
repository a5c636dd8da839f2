"""Stores on disks that are full or read-only, for real: small ones are mounted."""

import functools
import os
import subprocess
import sys
import warnings
from contextlib import contextmanager

import pytest

from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps.store import StoreError
from flatminima.sweeps.sweep import run_all
from tests.faults.cells import ROOT, SHORT, assert_same, finished, seeds, unbroken
from tests.kernels.test_machine_code import SOURCE, Program, empty, kept

CELLS = seeds(SHORT, 12)
INSIDE = "FLATMINIMA_TEST_MAY_MOUNT"


def mount(*arguments) -> bool:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True)
    return done.returncode == 0


@contextmanager
def disk(folder, size):
    """A disk of its own at a folder, of a few pages."""
    folder.mkdir(parents=True)
    assert mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=600)


def may_mount() -> bool:
    return os.environ.get(INSIDE) == "yes" or os.geteuid() == 0


def mounts(test):
    """Run a test where it may mount: in a user namespace if it may not here."""

    @functools.wraps(test)
    def wrapper(*arguments, **fixtures):
        if may_mount():
            return test(*arguments, **fixtures)
        name = f"{__file__}::{test.__name__}"
        command = ["unshare", "-rm", sys.executable, "-m", "pytest", "-q", name]
        done = subprocess.run(
            [*command, "-n", "0", "-p", "no:cacheprovider"],
            env=os.environ | {INSIDE: "yes"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.stderr.startswith("unshare:"):
            pytest.skip(f"may not mount a disk: {done.stderr.strip()}")
        assert done.returncode == 0, done.stdout

    return wrapper


@mounts
def test_a_full_disk(store, started):
    with disk(store, "64k"):
        with pytest.raises(StoreError, match="is full") as caught:
            run_all(CELLS, workers=1)
        assert str(store) in str(caught.value)
        assert "set FLATMINIMA_STORE to another folder" in str(caught.value)
        assert list(store.glob("*.tmp")) == []
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing is damaged
            found = {config: sweeps_store.load(store, config) for config in CELLS}
        kept = [config for config, run in found.items() if run is not None]
        assert 1 <= len(kept) < len(CELLS)
        assert_same([found[c] for c in kept], [unbroken(c) for c in kept])

        # to the last byte: the next sweep is refused before it computes
        with pytest.raises(OSError, match="No space"), open(store / "fill", "wb") as f:
            f.write(bytes(2**20))
        started.clear()
        with pytest.raises(StoreError, match="is full"):
            run_all(CELLS, workers=1)
        assert started == {}

        (store / "fill").unlink()
        assert mount("-o", "remount,size=1m", store)
        runs = run_all(CELLS, workers=1)
        assert set(started) == set(CELLS) - set(kept)
        assert_same(runs, [unbroken(config) for config in CELLS])


@mounts
def test_machine_code_on_a_full_disk(tmp_path, monkeypatch):
    cache, source = tmp_path / "cache", tmp_path / "toy.py"
    source.write_text(SOURCE)
    monkeypatch.setenv("FLATMINIMA_CACHE", str(cache))
    full = f"machine code cannot be kept in {cache / 'numba'} (No space left on device)"
    with disk(cache, "64k"):
        with pytest.raises(OSError, match="No space"), open(cache / "fill", "wb") as f:
            f.write(bytes(2**20))
        assert not Program(source).run(expected=full)
        assert not list(cache.rglob("*.tmp.*"))
        (cache / "fill").unlink()
        assert not Program(source).run()
        assert Program(source).run()


@mounts
def test_machine_code_on_a_read_only_disk(tmp_path, monkeypatch):
    cache, source = tmp_path / "cache", tmp_path / "toy.py"
    source.write_text(SOURCE)
    monkeypatch.setenv("FLATMINIMA_CACHE", str(cache))
    with disk(cache, "1m"):
        assert not Program(source).run()
        path = kept(cache, "nbc")
        assert mount("-o", "remount,ro", cache)
        assert Program(source).run()
        kept_not = f"cannot be kept in {cache / 'numba'} (Read-only file system)"
        assert not Program(source).run(1, expected=kept_not)
        assert mount("-o", "remount,rw", cache)
        empty(path)
        assert mount("-o", "remount,ro", cache)
        told = Program(source).warnings()
        assert any(f"machine code in {path} is damaged" in line for line in told)
        assert any(kept_not in line for line in told) and len(told) == 2


@mounts
def test_a_sweep_beside_a_cache_that_is_read_only(tmp_path, monkeypatch):
    """It has its store elsewhere, and does without slots."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("FLATMINIMA_CACHE", str(cache))
    with disk(cache, "64k"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert mount("-o", "remount,ro", cache)
        runs = run_all(CELLS[:2], workers=1)
    assert_same(runs, [unbroken(config) for config in CELLS[:2]])
    (warning,) = caught
    assert f"no compute slot can be had in {cache / 'slots'}" in str(warning.message)


@mounts
def test_a_read_only_disk(store, started):
    with disk(store, "1m"):
        before = run_all(CELLS[:2], workers=1)
        assert mount("-o", "remount,ro", store)
        started.clear()
        assert_same(run_all(CELLS[:2]), before)
        with pytest.raises(StoreError, match="is read-only"):
            run_all(CELLS[:3])
        assert started == {}
        assert len(finished(store)) == 2
