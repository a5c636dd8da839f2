"""Sweeps compute what is missing, in any number of threads, and return one table."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from flatminima import paths
from flatminima.runs import kind, loop
from flatminima.runs.mlp import problem, train
from flatminima.runs.mlp.config import Config
from flatminima.sweeps import store
from flatminima.sweeps.progress import Progress
from flatminima.sweeps.sweep import fetch, run_all, sweep
from flatminima.sweeps.table import crossed, median, over_seeds, tidy

SMALL = Config(architecture="bias", d=4, n=5, width=4, num_steps=20, num_checkpoints=3)
WILD = SMALL.model_copy(update={"lr": 0.2, "init_scale": 1e3, "num_steps": 500})


@pytest.fixture
def computed(monkeypatch):
    """The configs that were really run, in order."""
    configs, proceed = [], loop.proceed

    def counted(config, run, pause):
        configs.append(config)
        return proceed(config, run, pause)

    monkeypatch.setattr(loop, "proceed", counted)
    return configs


def test_a_count_draws_both_seeds_together():
    seeds = [(c.data_seed, c.init_seed) for c in over_seeds([SMALL], 3)]
    assert seeds == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    "seeds", [range(100, 103), [100, 101, 102], np.arange(100, 103).tolist()]
)
def test_seeds_draw_both_together(seeds):
    cells = over_seeds([SMALL], seeds)
    assert [(c.data_seed, c.init_seed) for c in cells] == [(k, k) for k in seeds]


def test_a_sweep_takes_the_seeds_themselves():
    table = sweep([SMALL], range(7, 9), workers=1)
    assert sorted(set(zip(table["data_seed"], table["init_seed"], strict=True))) == [
        (7, 7),
        (8, 8),
    ]
    again = sweep([SMALL], [8], workers=1)
    of_8 = table[table["data_seed"] == 8].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, of_8)


def test_a_count_is_the_seeds_from_0():
    assert over_seeds([SMALL], range(3)) == over_seeds([SMALL], 3)


def test_crossed_seeds_begin_where_they_are_told():
    assert crossed(2, 100) == [(100, 100), (100, 101), (101, 100), (101, 101)]
    assert crossed(2) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with pytest.raises(ValueError, match="first_seed = -1: must be an integer"):
        crossed(2, -1)


@pytest.mark.usefixtures("pandas_2")
@pytest.mark.parametrize(
    ("values", "expected"),
    [([], np.nan), ([np.nan] * 2, np.nan), ([3.0, np.nan, 1.0], 2.0)],
)
def test_the_median_of_what_there_is(values, expected):
    np.testing.assert_equal(median(pd.Series(values, dtype=float)), expected)


def test_pairs_of_seeds():
    other = SMALL.model_copy(update={"lr": 0.1})
    cells = over_seeds([SMALL, other], [(0, 1), (5, 2)])
    assert [(c.lr, c.data_seed, c.init_seed) for c in cells] == [
        (0.01, 0, 1),
        (0.01, 5, 2),
        (0.1, 0, 1),
        (0.1, 5, 2),
    ]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (0, "seeds = 0: must be an integer of at least 1"),
        (-2, "seeds = -2: must be"),
        (True, "seeds = True: must be"),
        (2.0, "seeds = 2.0: must be"),
        ([], "at least 1 is needed"),
        (range(3, 3), "at least 1 is needed"),
        ("12", "seeds = '12': must be an integer of at least 1"),
        ([3, -1], r"seeds\[1\] = -1: must be an integer of at least 0"),
        ([True], r"seeds\[0\] = True: must be"),
        ([1.0], r"seeds\[0\] = 1.0: must be"),
        ([(0, -2)], r"seeds\[0\] = -2: must be"),
        ([(0, 1, 2)], r"seeds\[0\] = \(0, 1, 2\): must be an integer or a pair"),
        ([()], r"seeds\[0\] = \(\): must be an integer or a pair"),
        (["ab"], r"seeds\[0\] = 'a': must be"),
    ],
)
def test_no_seed_is_refused(seeds, message):
    with pytest.raises(ValueError, match=message):
        over_seeds([SMALL], seeds)


@pytest.mark.parametrize("count", [0, True, 1.5])
def test_no_crossed_seed_is_refused(count):
    message = f"crossed = {count}: must be an integer of at least 1"
    with pytest.raises(ValueError, match=message):
        crossed(count)


def test_bad_seeds_are_refused(computed):
    with pytest.raises(ValueError, match=r"seeds\[0\] = -1: must be"):
        sweep([SMALL], [(-1, 0)])
    assert computed == []


def test_runs_come_in_the_order_of_their_configs():
    slow = SMALL.model_copy(update={"num_steps": 20_000})
    configs = [slow, SMALL.with_seeds(0, 1), SMALL, SMALL.with_seeds(0, 1)]
    runs = run_all(configs, workers=2)
    for config, run in zip(configs, runs, strict=True):
        pd.testing.assert_frame_equal(run.history, loop.run(config).history)


def test_time_left_minds_that_runs_are_unequal(monkeypatch):
    """A long run counts for the calls of the kernel that it takes."""
    shown = []

    class Shown(Progress):
        def advance(self, runs, work):
            shown.append((runs, work, self._bar.total))

    monkeypatch.setattr("flatminima.sweeps.progress.Progress", Shown)
    monkeypatch.setattr(train, "steps_per_call", lambda config: 15)
    long = SMALL.model_copy(update={"num_steps": 100})
    run_all([*over_seeds([SMALL], 2), long], workers=1)
    assert shown == [(1, 2, 11), (1, 2, 11), (1, 7, 11)]


def test_only_missing_cells_are_computed(computed):
    sweep([SMALL], 2)
    sweep([SMALL], 3)
    assert sorted(c.data_seed for c in computed) == [0, 1, 2]
    sweep([SMALL], 3)
    fetch(SMALL)
    assert len(computed) == 3


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """What sweeps note of the runs that they used, by run."""
    file = tmp_path / "spent"
    monkeypatch.setenv("FLATMINIMA_SPENT", str(file))

    def read():
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.unlink()
        return {line["run"]: (line["seconds"], line["now"]) for line in lines}

    return read


def test_what_runs_take_is_noted_and_how_much_of_it_just_now(noted):
    slow = SMALL.model_copy(update={"num_steps": 100_000})
    run_all([SMALL, slow])
    first = noted()
    assert set(first) == {store.key(SMALL), store.key(slow)}
    assert all(seconds == now > 0 for seconds, now in first.values())
    run_all([SMALL, slow, slow, SMALL.with_seeds(1, 1)])
    again = noted()
    assert {run: again[run] for run in first} == {
        run: (seconds, 0.0) for run, (seconds, _) in first.items()
    }
    ((seconds, now),) = (again[run] for run in set(again) - set(first))
    assert seconds == now > 0


def test_the_parts_of_a_run_are_noted_together(noted, monkeypatch):
    proceed, parts = loop.proceed, []

    def one_call(config, run, pause):
        asked = iter([False])
        parts.append(run)
        return proceed(config, run, lambda: next(asked, True))

    monkeypatch.setattr(loop, "proceed", one_call)
    monkeypatch.setattr(train, "steps_per_call", lambda config: 5)
    run_all([SMALL], workers=1)
    assert len(parts) == 4
    ((seconds, now),) = noted().values()
    assert seconds == now > 0


def test_a_run_that_was_begun_before_costs_now_what_is_left_of_it(
    noted, monkeypatch, computed
):
    kept = loop.run(SMALL)
    begun = kind.Run(kept.history[:1], problem.initial_state(SMALL).arrays, 0, False)
    store.save(paths.store_folder(), SMALL, begun, {"seconds": 50.0})
    run_all([SMALL])
    ((seconds, now),) = noted().values()
    assert seconds == 50.0 + now
    assert 0 < now < 50


def test_seconds_of_a_run_are_those_of_its_own_thread(noted, monkeypatch):
    """Others may keep the machine busy, or it may wait: that costs nothing."""
    proceed = loop.proceed

    def waiting(config, run, pause):
        time.sleep(0.5)
        return proceed(config, run, pause)

    monkeypatch.setattr(loop, "proceed", waiting)
    run_all([SMALL], workers=1)
    run_all([SMALL.with_seeds(1, 1)], workers=1)  # compiled by now
    assert min(seconds for seconds, _ in noted().values()) < 0.5


def test_an_interrupted_sweep_keeps_what_is_finished(monkeypatch, computed):
    counted = loop.proceed

    def interrupted(config, run, pause):
        if config.data_seed == 2:
            raise KeyboardInterrupt
        return counted(config, run, pause)

    monkeypatch.setattr(loop, "proceed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep([SMALL], 4, workers=1)
    assert [c.data_seed for c in computed] == [0, 1]
    monkeypatch.setattr(loop, "proceed", counted)
    table = sweep([SMALL], 4, workers=1)
    assert [c.data_seed for c in computed] == [0, 1, 2, 3]
    assert table["data_seed"].nunique() == 4


def test_a_diverged_cell_does_not_stop_the_others(computed):
    table = sweep([WILD, SMALL], 2)
    assert table.groupby("lr")["diverged"].unique().to_dict() == {0.01: [0], 0.2: [1]}
    assert table.groupby(["lr", "data_seed"])["last"].sum().tolist() == [1] * 4
    # it is a result: it is stored, not tried again
    again = sweep([WILD, SMALL], 2)
    assert len(computed) == 4
    pd.testing.assert_frame_equal(again, table)


@pytest.mark.parametrize("configs", [[SMALL], [WILD]], ids=["finished", "diverged"])
def test_columns(configs):
    table = sweep(configs, 1)
    schedule = {"measure_at", "phases"}
    fields = [name for name in Config.model_fields if name not in schedule]
    measures = list(train.measure(SMALL, problem.initial_state(SMALL)))
    assert list(table.columns) == [
        *fields,
        "test_points",
        "rule",
        "scale",
        *measures,
        "last",
        "diverged",
    ]


def test_rows():
    table = sweep([SMALL], 2)
    assert table["step"].tolist() == [0, 20, 0, 20]
    assert table["last"].tolist() == [False, True, False, True]
    assert table["rule"].unique().tolist() == ["SGD"]
    assert not table["diverged"].any()
    pd.testing.assert_frame_equal(
        table[table["data_seed"] == 1].reset_index(drop=True),
        tidy(SMALL.with_seeds(1, 1), fetch(SMALL.with_seeds(1, 1))),
    )


@pytest.mark.parametrize("batch", ["one", "full"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_same_bits_in_one_and_two_threads(batch, dtype, tmp_path, monkeypatch):
    # large enough for BLAS and torch to use threads of their own if they could
    config = Config(
        architecture="bias",
        batch=batch,
        dtype=dtype,
        rho=0.05,
        num_steps=150,
        num_checkpoints=2,
    )
    runs = {}
    for workers in (1, 2):
        monkeypatch.setenv("FLATMINIMA_STORE", str(tmp_path / f"{workers}"))
        runs[workers] = run_all(over_seeds([config], 3), workers)
    for one, two in zip(runs[1], runs[2], strict=True):
        for a, b in zip(one.params, two.params, strict=True):
            np.testing.assert_array_equal(a, b)
        pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)
