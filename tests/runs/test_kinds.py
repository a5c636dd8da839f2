"""What every kind of run promises, over all kinds that there are, and a toy."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.identity import reachable
from flatminima.runs import loop
from flatminima.runs.cells.config import Arm, CellConfig
from flatminima.runs.deep_flat.config import FlatConfig
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.kind import Run, engine_of, input_files
from flatminima.runs.landscape.config import PathConfig, ViewConfig
from flatminima.runs.mlp import train
from flatminima.runs.mlp.config import Config
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.patterns.config import PatternConfig
from flatminima.runs.race.config import DescentRace, WalkRace
from flatminima.runs.svag.config import SvagConfig
from flatminima.sources.wen_li_ma import scale
from flatminima.sweeps import store
from flatminima.sweeps.table import tidy
from tests.runs import oscillator

SMALL = {"d": 4, "n": 6, "width": 5, "num_steps": 60, "num_checkpoints": 4}
NET = {"n": 40, "width": 6, "batch": 7, "num_steps": 60, "num_checkpoints": 4}
IMAGES = {
    **{"n": 60, "test_n": 30, "size": 8, "width": 2, "batch": 20},
    **{"sharpness_n": 20},
}
RACE = {"n": 5, "d": 8, "complexity": 2, "budget": 40, "num_checkpoints": 4}
START = Config(architecture="bias", **SMALL)
DEEP = Config(architecture="deep", **SMALL | {"width": 10})
KINDS = {
    "two layers": START.model_copy(update={"rho": 0.05, "measure_at": (7,)}),
    "frozen ascent": Config(architecture="bias", ascent="frozen", rho=0.3, **SMALL),
    "batch": Config(architecture="sim_ln", batch=3, rho=0.1, **SMALL),
    "deep": Config(architecture="deep", rho=0.05, middle_init_scale=0.5, **SMALL),
    "batch norm": Config(architecture="sim_bn", bias_rate=0.5, **SMALL),
    "flow": FlowConfig(start=START, kind="kink_aware", max_iterations=5),
    "pattern": PatternConfig(start=START, walk="blind", max_iterations=5),
    "torch": NetConfig(momentum=0.5, dropout=0.2, norm="batch", rho=0.02, **NET),
    "torch, to a target": NetConfig(
        data="clusters", optimiser="adam", lr=0.03, target_loss=0.3, **NET
    ),
    "deep, with a penalty": FlatConfig(net=DEEP, penalty=0.01, momentum=0.5),
    "deep, from a construction": FlatConfig(
        net=DEEP.model_copy(update={"rho": 0.05}), start="points", jitter=0.01
    ),
    "descent": DescentConfig(model="squares", batch=4, group=2, rho=0.1, num_steps=60),
    "descent that stops": DescentConfig(model="product", stop_loss=0.2, num_steps=60),
    "descent at random": DescentConfig(
        **{"model": "matrix", "d": 4, "width": 2, "rho": 0.1, "ascent": "random"},
        **{"label_noise": 0.1, "num_steps": 60},
    ),
    "view": ViewConfig(
        net=NetConfig(norm="batch", **NET), points=3, probes=2, exact=True
    ),
    "view from a bad start": ViewConfig(
        net=NetConfig(momentum=0.5, target_loss=0.5, **NET),
        **{"begin": "spoiled", "spoil_steps": 20, "points": 3, "probes": 2},
    ),
    "path": PathConfig(net=NetConfig(**NET), points=3, curve_steps=2),
    "images": ImageConfig(optimiser="adashift", rho=0.05, num_epochs=3, **IMAGES),
    "images, to a target": ImageConfig(
        optimiser="phb", to_the_end=True, num_epochs=12, target_loss=1.9, **IMAGES
    ),
    "svag": SvagConfig(
        **{"net": NetConfig(norm="batch", **NET), "amplification": 4},
        **{"trained": "hidden", "drop_at": 30, "drop": 0.1},
    ),
    "cell": CellConfig(
        **{"architecture": "bias", "data": "ball", "width": 5, "n": 6, "d": 4},
        arms=(
            Arm(name="certified", certified=True),
            Arm(name="noisy", step_noise=0.3, num_steps=30),
            Arm(name="lost", kick=19.0, num_steps=200),
            Arm(name="decay", batch="full", shrink=1.0, num_steps=30),
        ),
    ),
    "cell of a deep network": CellConfig(
        **{"architecture": "deep", "data": "single_index", "width": 5, "n": 6, "d": 4},
        arms=(
            Arm(name="ascent", rise=0.3, num_steps=30),
            Arm(name="decay", batch="full", shrink=1.0, num_steps=30),
        ),
    ),
    "race": DescentRace(instance="sparse", method="label-noise", strength=0.1, **RACE),
    "race with probes": DescentRace(
        instance="sparse", method="hutchinson", strength=0.01, **RACE
    ),
    "race on the set": WalkRace(instance="sparse", method="spectral", **RACE),
    "oscillator": oscillator.Config(num_steps=300),
}
WILD = {
    "view": ViewConfig(net=NetConfig(lr=1e3, loss="squared", **NET)),
    "view from a bad start": ViewConfig(
        net=NetConfig(lr=1e3, loss="squared", **NET), begin="spoiled"
    ),
    "path": PathConfig(net=NetConfig(lr=1e3, loss="squared", **NET)),
    "torch": NetConfig(lr=1e3, loss="squared", **NET),
    "images": ImageConfig(norm="none", lr=1e6, num_epochs=3, **IMAGES),
    "svag": SvagConfig(net=NetConfig(lr=1e3, loss="squared", **NET)),
    "two layers": START.model_copy(update={"lr": 0.2, "init_scale": 1e3}),
    "deep, with a penalty": FlatConfig(
        net=DEEP.model_copy(
            update={f"{which}init_scale": 1e45 for which in ("", "middle_", "last_")}
            | {"lr": 0.9}
        ),
        penalty=1.0,
    ),
    "flow": FlowConfig(
        start=START.model_copy(update={"lr": 0.2, "init_scale": 1e3}), kind="naive"
    ),
    "pattern": PatternConfig(
        start=START.model_copy(update={"lr": 0.2, "init_scale": 1e3}), walk="blind"
    ),
    "descent": DescentConfig(model="product", alpha=50.0, lr=1.0),
    "race": DescentRace(instance="sparse", method="gd", lr=50.0),
    "oscillator": oscillator.Config(damping=-1e3, num_steps=3000),
}
each_kind = pytest.mark.parametrize("name", KINDS)


def assert_same(a: Run, b: Run) -> None:
    assert list(a.arrays) == list(b.arrays)
    for one, two in zip(a.params, b.params, strict=True):
        np.testing.assert_array_equal(one, two, strict=True)
    pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)
    assert (a.step, a.finished, a.diverged_at) == (b.step, b.finished, b.diverged_at)


@contextmanager
def short_calls(config) -> Iterator[None]:
    """Calls of the kernel that take twelve steps."""
    engine = engine_of(config)
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(engine, "steps_per_call"):
            patch.setattr(engine, "steps_per_call", lambda config: 12)
        yield


@cache
def whole(name: str) -> Run:
    """A kind's run in short calls, without a pause."""
    with short_calls(KINDS[name]):
        return loop.run(KINDS[name])


@each_kind
@settings(max_examples=25)
@given(pauses=st.lists(st.integers(0, 3), max_size=6))
def test_a_pause_anywhere_changes_no_bit(name, pauses):
    with short_calls(KINDS[name]):
        asked = iter([k for pause in pauses for k in [0] * pause + [1]])
        run = None
        while run is None or not run.finished:
            run = loop.proceed(KINDS[name], run, lambda: bool(next(asked, 0)))
    assert_same(whole(name), run)


@each_kind
def test_a_run_survives_the_store(name, store):
    from flatminima.sweeps import store as stored

    config, run = KINDS[name], loop.run(KINDS[name])
    stored.save(store, config, run, {"seconds": 1.0})
    assert_same(stored.load(store, config), run)


@each_kind
def test_its_table_says_what_it_is(name):
    config = KINDS[name]
    table = tidy(config, loop.run(config))
    assert set(table["rule"]) == {config.rule}
    assert {"test_points", "scale", "last", "diverged"} <= set(table.columns)
    assert table["last"].tolist() == [False] * (len(table) - 1) + [True]
    again = config.with_seeds(3, 4)
    assert (again.columns["data_seed"], again.columns["init_seed"]) == (3, 4)
    assert hash(again.with_seeds(0, 0)) == hash(config.with_seeds(0, 0))


@pytest.mark.parametrize("name", WILD)
@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
def test_divergence_is_a_result(name):
    run = loop.run(WILD[name])
    assert run.finished
    assert run.diverged_at == run.step > 0
    assert all(np.isnan(p).all() for p in run.params)
    assert tidy(WILD[name], run)["diverged"].all()


@each_kind
def test_its_key_is_that_of_its_modules_and_of_the_loop(name, monkeypatch):
    config = KINDS[name]
    modules = reachable(*engine_of(config).modules(config), *store.ROOTS)
    seen = []
    monkeypatch.setattr(store, "source_digest", lambda *roots: seen.append(roots) or "")
    store.key(config)
    assert reachable(*seen[0]) == modules
    assert set(store.ROOTS) <= set(modules)


def test_the_content_of_the_files_that_it_reads_joins_its_key(tmp_path, monkeypatch):
    file, config = tmp_path / "data.bin", KINDS["oscillator"]
    plain = store.key(config)
    monkeypatch.setattr(oscillator, "inputs", lambda config: (file,), raising=False)
    with pytest.raises(FileNotFoundError, match=r"data\.bin"):
        store.key(config)
    file.write_bytes(b"one")
    assert input_files(config) == (file,)
    one = store.key(config)
    file.write_bytes(b"two")
    assert len({plain, one, store.key(config)}) == 3


def test_the_kinds_of_the_engine_are_those_that_are_tried():
    engines = {config.engine for config in KINDS.values()}
    assert engines - {oscillator.__name__} == {
        "flatminima.runs.cells.train",
        "flatminima.runs.deep_flat.train",
        "flatminima.runs.patterns.follow",
        "flatminima.runs.descent.train",
        "flatminima.runs.mlp.train",
        "flatminima.runs.flow.run",
        "flatminima.runs.images.train",
        "flatminima.runs.landscape.connect",
        "flatminima.runs.landscape.view",
        "flatminima.runs.nets.train",
        "flatminima.runs.race.train",
        "flatminima.runs.race.walk",
        "flatminima.runs.svag.train",
    }
    assert engine_of(START) is train
    assert scale(START).startswith("scaled-down")
