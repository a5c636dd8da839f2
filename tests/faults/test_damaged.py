"""Files of a store that were cut, flipped or emptied are found and made again."""

import warnings

import pytest

from flatminima.runs.kind import Run
from flatminima.runs.mlp import train
from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps.sweep import run_all
from tests.faults.cells import SHORT, assert_same, seeds, unbroken

CELLS = seeds(SHORT.model_copy(update={"num_steps": 300_000}), 2)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def flip_record(content: bytes) -> bytes:
    return content[:20] + bytes([content[20] ^ 1]) + content[21:]


def empty(content: bytes) -> bytes:
    return b""


def expect_one_warning(message):
    """Sweep again: one warning, the same results, and then none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = run_all(CELLS, workers=2)
    assert len(caught) == 1
    assert message in str(caught[0].message)
    assert sweeps_store.key(CELLS[0]) in str(caught[0].message)
    assert_same(runs, [unbroken(config) for config in CELLS])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_all(CELLS)


@pytest.mark.parametrize("damage", [cut, flip, flip_record, empty])
@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_a_damaged_result(store, started, suffix, damage):
    run_all(CELLS, workers=2)
    path = store / f"{sweeps_store.key(CELLS[0])}.{suffix}"
    path.write_bytes(damage(path.read_bytes()))
    started.clear()
    expect_one_warning("is damaged")
    assert started == {CELLS[0]: [0]}


def snapshot(store, config):
    """Store a run that was stopped half-way; the step."""
    stops = iter([False, False, True])
    run = train.proceed(config, None, lambda: next(stops))
    assert 0 < run.step < config.num_steps
    sweeps_store.save(store, config, run, {"seconds": 1.5})
    return run.step


@pytest.mark.parametrize("damage", [cut, flip, flip_record, empty])
def test_a_damaged_snapshot(store, started, damage):
    step = snapshot(store, CELLS[1])
    snapshot(store, CELLS[0])
    path = store / f"{sweeps_store.key(CELLS[0])}.part"
    path.write_bytes(damage(path.read_bytes()))
    started.clear()
    expect_one_warning("starting over")
    assert started == {CELLS[0]: [0], CELLS[1]: [step]}
    assert not path.exists()


def test_a_snapshot_is_replaced_at_once(store, monkeypatch):
    # the power fails while a newer part is written: the older one is whole
    step = snapshot(store, CELLS[0])

    def crash(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        sweeps_store.save(store, CELLS[0], unbroken_part(CELLS[0]), {"seconds": 2.0})
    run, seconds = sweeps_store.load_part(store, CELLS[0])
    assert (run.step, seconds) == (step, 1.5)


def unbroken_part(config):
    run = unbroken(config)
    return Run(run.history, run.params, run.step - 1, finished=False)
