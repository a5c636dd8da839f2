"""A stored run comes back whole, or not at all and with a warning."""

import json
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima import identity
from flatminima.runs import loop
from flatminima.runs.kind import Run
from flatminima.runs.mlp.config import Config
from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps.sweep import fetch

CONFIG = Config(architecture="bias", d=4, n=5, width=4, num_steps=3, num_checkpoints=2)


@pytest.fixture(scope="module")
def run() -> Run:
    return loop.run(CONFIG)


def files(folder):
    name = sweeps_store.key(CONFIG)
    return {suffix: folder / f"{name}.{suffix}" for suffix in ("npz", "json")}


def assert_equal(a: Run, b: Run) -> None:
    pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)
    for one, two in zip(a.params, b.params, strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype
    assert a.diverged_at == b.diverged_at


def test_round_trip(store, run):
    sweeps_store.save(store, CONFIG, run, {"seconds": 1.5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_equal(sweeps_store.load(store, CONFIG), run)
    record = json.loads(files(store)["json"].read_text())
    assert record["config"] == CONFIG.model_dump(mode="json")
    assert record["provenance"] == {"seconds": 1.5}
    assert record["libraries"]["numpy"] == np.__version__


def test_diverged_round_trip(store):
    config = CONFIG.model_copy(
        update={"lr": 0.2, "init_scale": 1e3, "num_steps": 500, "dtype": "float32"}
    )
    diverged = loop.run(config)
    assert diverged.diverged_at is not None
    sweeps_store.save(store, config, diverged, {})
    assert_equal(sweeps_store.load(store, config), diverged)


def test_absent(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sweeps_store.load(store, CONFIG) is None


def test_only_these_two_files_and_no_pickles(store, run):
    sweeps_store.save(store, CONFIG, run, {})
    assert sorted(store.iterdir()) == sorted(files(store).values())
    with zipfile.ZipFile(files(store)["npz"]) as archive:
        for name in archive.namelist():
            array = np.lib.format.read_array(archive.open(name), allow_pickle=False)
            assert array.dtype != object


def old_savez(file, *args, **kwds) -> None:
    """What `np.savez` does before numpy 2.1: every keyword is an array, pickled too."""
    assert not args
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in kwds.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asanyarray(value))


def test_the_arrays_of_a_run_and_no_other_under_an_old_numpy(store, run, monkeypatch):
    monkeypatch.setattr(np, "savez", old_savez)
    sweeps_store.save(store, CONFIG, run, {})
    history = {f"history.{column}.npy" for column in run.history.columns}
    state = {f"state.{name}.npy" for name in run.arrays}
    with zipfile.ZipFile(files(store)["npz"]) as archive:
        assert set(archive.namelist()) == history | state
    assert_equal(sweeps_store.load(store, CONFIG), run)


def test_an_array_that_only_a_pickle_could_hold_is_refused(store, run, monkeypatch):
    monkeypatch.setattr(np, "savez", old_savez)
    strange = Run(run.history, {"w": np.array([None, {}])}, run.step)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        sweeps_store.save(store, CONFIG, strange, {})
    assert not files(store)["npz"].exists()


def test_keys_tell_configs_apart():
    others = [
        CONFIG.with_seeds(1, 0),
        CONFIG.with_seeds(0, 1),
        CONFIG.model_copy(update={"dtype": "float32"}),
        CONFIG.model_copy(update={"lr": 0.0100000001}),
        CONFIG.model_copy(update={"measure_at": (2,)}),
        CONFIG.model_copy(update={"batch": "full"}),
    ]
    keys = {sweeps_store.key(config) for config in [CONFIG, *others]}
    assert len(keys) == 7
    assert sweeps_store.key(CONFIG) == sweeps_store.key(Config(**CONFIG.model_dump()))


@pytest.mark.parametrize("library", ["numpy", "numba", "torch", "scipy"])
def test_keys_follow_the_libraries(library, monkeypatch):
    before = sweeps_store.key(CONFIG)
    versions = identity.library_versions() | {library: "0.0"}
    monkeypatch.setattr(sweeps_store, "library_versions", lambda: versions)
    assert sweeps_store.key(CONFIG) != before


def load_damaged(folder) -> None:
    """Loading warns once and finds nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sweeps_store.load(folder, CONFIG) is None
    assert len(caught) == 1
    assert "is damaged" in str(caught[0].message)
    assert str(files(folder)["json"]) in str(caught[0].message)


@pytest.fixture(scope="module")
def stored(tmp_path_factory, run):
    """A store, with the contents that its files should have."""
    folder = tmp_path_factory.mktemp("stored")
    sweeps_store.save(folder, CONFIG, run, {"machine": "any"})
    return folder, {suffix: f.read_bytes() for suffix, f in files(folder).items()}


@pytest.mark.parametrize("suffix", ["npz", "json"])
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(stored, suffix, position, bit):
    folder, contents = stored
    damaged = bytearray(contents[suffix])
    damaged[int(position * len(damaged))] ^= 1 << bit
    files(folder)[suffix].write_bytes(damaged)
    try:
        load_damaged(folder)
    finally:
        files(folder)[suffix].write_bytes(contents[suffix])


@pytest.mark.parametrize("suffix", ["npz", "json"])
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_found(stored, suffix, kept):
    folder, contents = stored
    size = int(kept * len(contents[suffix]))
    files(folder)[suffix].write_bytes(contents[suffix][:size])
    try:
        load_damaged(folder)
    finally:
        files(folder)[suffix].write_bytes(contents[suffix])


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"null", b"{}", b"\xff\xfe"])
def test_a_record_of_another_kind_is_found(store, run, content):
    sweeps_store.save(store, CONFIG, run, {})
    files(store)["json"].write_bytes(content)
    load_damaged(store)


def test_missing_arrays_are_found(store, run):
    sweeps_store.save(store, CONFIG, run, {})
    files(store)["npz"].unlink()
    load_damaged(store)


def test_a_damaged_run_is_computed_again(store):
    first = fetch(CONFIG)
    files(store)["npz"].write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged .* running it again"):
        again = fetch(CONFIG)
    assert_equal(again, first)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_equal(fetch(CONFIG), first)


@pytest.mark.parametrize("write", [1, 2])
def test_a_crash_between_or_during_writes_leaves_nothing(
    store, run, write, monkeypatch
):
    # the power fails just before the first or the second file takes its name
    replace, calls = os.replace, []

    def crash(source, target):
        calls.append(target)
        if len(calls) == write:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        sweeps_store.save(store, CONFIG, run, {})
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sweeps_store.load(store, CONFIG) is None
    sweeps_store.save(store, CONFIG, run, {})
    assert_equal(sweeps_store.load(store, CONFIG), run)


def test_a_crash_while_overwriting_is_noticed(store, run, monkeypatch):
    # new arrays beside the old record: never mixed
    sweeps_store.save(store, CONFIG, run, {})
    other = Run(run.history, {k: a + 1 for k, a in run.arrays.items()}, run.step)
    write = sweeps_store._write

    def only_arrays(path, content):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(sweeps_store, "_write", only_arrays)
    with pytest.raises(KeyboardInterrupt):
        sweeps_store.save(store, CONFIG, other, {})
    load_damaged(store)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664)])
def test_what_is_stored_is_as_open_as_the_umask_says(store, run, mask, mode):
    usual = os.umask(mask)
    try:
        sweeps_store.save(store, CONFIG, run, {"seconds": 1.0})
    finally:
        os.umask(usual)
    assert {path.stat().st_mode & 0o777 for path in store.iterdir()} == {mode}


def test_another_users_result_is_not_called_damaged(store, run, monkeypatch):
    sweeps_store.save(store, CONFIG, run, {"seconds": 1.0})

    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", closed)
    with pytest.warns(UserWarning, match="is another user's and closed to you"):
        assert sweeps_store.load(store, CONFIG) is None
