"""The plan: seeds, order, and settings that differ in what they are named for."""

import numpy as np
import pandas as pd
import pytest

from flatminima.runs.images.config import ImageConfig
from flatminima.studies.m_sharpness import live, runs

TINY = {"n": 40, "test_n": 20, "width": 4, "size": 8, "num_epochs": 1}


def changed(config: ImageConfig, base: ImageConfig) -> set[str]:
    one, other = config.model_dump(), base.model_dump()
    return {name for name in one if one[name] != other[name]}


def test_the_ladder_differs_in_m_and_radius_alone():
    base, _ = runs.bases("medium")
    ladder = runs.ladder(base)
    assert list(ladder) == [1, 4, 16, 64, base.n]
    for m, radii in ladder.items():
        for rho, config in radii.items():
            assert changed(config, base) <= {"rho", "m"}
            assert (config.rho, config.m) == (rho, 0 if m == base.batch else m)
    assert all(runs.EQUAL in ladder[m] for m in ladder if m > 1)


@pytest.mark.parametrize("scale", runs.SCALES)
def test_the_line_is_in_proportion_to_the_root_of_m(scale):
    base, _ = runs.bases(scale)
    line, ladder = runs.line(base), runs.ladder(base)
    ratios = [rho / np.sqrt(m) for m, rho in line.items()]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    assert (min(line), max(line)) == (4, base.batch)
    assert all(rho in ladder[m] for m, rho in line.items())


def test_as_many_gradients_are_as_many():
    base, _ = runs.bases("medium")
    ways = runs.ascents(base)
    longer, five = ways[runs.AS_MANY][runs.EQUAL], ways["5"][runs.EQUAL]
    assert longer.num_epochs * 2 == five.num_epochs * (1 + five.ascent_steps)
    assert changed(ways[runs.SECOND][runs.EQUAL], base) == {"rho", "second_order"}
    plain = runs.plain(base)
    assert plain[2].num_epochs == 2 * ways["1"][runs.EQUAL].num_epochs


@pytest.mark.parametrize(("scale", "power"), [("small", 0.5), ("medium", 1.0)])
def test_batches_have_learning_rates_in_proportion(scale, power):
    _, base = runs.bases(scale)
    methods = runs.methods(base)
    rates = {config.lr / config.batch**power for config in methods.values()}
    assert max(rates) == pytest.approx(min(rates))
    assert len(methods) == 2 * len(runs.BATCHES)
    for (batch, sam), config in methods.items():
        assert config.batch == batch and (config.rho > 0) == sam
        assert config.measured == "around"


def test_stopped_ones_differ_in_when_they_stop_alone():
    _, base = runs.bases("medium")
    ended, stopped = runs.methods(base), runs.stopped(base, "medium")
    for method, config in stopped.items():
        names = {"to_the_end", "schedule", *runs.STOPPED["medium"]}
        assert changed(config, ended[method]) == names


@pytest.mark.parametrize(("scale", "device"), [("small", "cpu"), ("medium", "cuda")])
def test_the_plan_tunes_and_decides_on_different_seeds(scale, device):
    cells = runs.planned(scale)
    assert len(set(cells)) == len(cells)
    assert {c.init_seed for c in cells} == {*runs.SEEDS, *runs.TUNING}
    assert all(c.data_seed == c.init_seed and c.device == device for c in cells)
    tuned = [c for c in cells if c.init_seed < runs.FRESH]
    assert tuned and all(c.rho > 0 and c.measured == "nothing" for c in tuned)


def test_a_beginning_of_the_plan_has_what_decides():
    cells = runs.planned()
    few = [c.init_seed for c in cells].index(runs.TUNING[1])
    start = {c.with_seeds(0, 0) for c in cells[:few] if c.init_seed >= runs.FRESH}
    whole = {c.with_seeds(0, 0) for c in cells if c.init_seed >= runs.FRESH}
    assert start == whole
    assert {c.init_seed for c in cells[:few]} == {0, 100, 101, 102}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"seeds": [99]}, "at least 100"),
        ({"tuning": [100]}, "below 100"),
        ({"scale": "huge"}, "one of small, medium"),
    ],
)
def test_a_seed_of_the_other_kind_is_refused(bad, words):
    with pytest.raises(ValueError, match=words):
        runs.planned(**bad)


def test_the_larger_scale_that_has_seeds_is_shown():
    table = pd.DataFrame({"n": 128, "width": 8, "data_seed": [0, 100, 101, 102]})
    larger = table.assign(n=512, width=16)
    assert runs.shown(pd.concat([table, larger], ignore_index=True)) == "medium"
    few = larger[larger["data_seed"] < 102]
    assert runs.shown(pd.concat([table, few], ignore_index=True)) == "small"
    assert runs.shown(table.iloc[:0]) == "small"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATMINIMA_STORE", str(tmp_path_factory.mktemp("store")))
        found = runs.slice_of([3, 4], 5, 0.1, batch=20, sharpness_n=40, **TINY)
        yield (
            found,
            live.noises(found.configs, 10),
            live.precision(found.configs, 5, 0.05, 20),
        )


def test_live_runs_differ_in_the_ascent_alone(here):
    tables = here[0].tables
    assert [t["rho"].iloc[0] for t in tables.values()] == [0.0, 0.1, 0.1]
    assert [t["m"].iloc[0] for t in tables.values()] == [0, 0, 5]
    assert all(set(t["init_seed"]) == {3, 4} for t in tables.values())


def test_ends_are_measured_in_the_order_of_the_seeds(here):
    _, noises, sharper = here
    assert [noise.n for noise in noises] == [10, 10]
    assert len(sharper) == 2 and np.abs(sharper).max() < 1
    squares = live.squares(noises)
    assert list(squares.index) == [1, 2, 4, 8, 10]
    assert (squares.loc[1] == 1).all() and (squares.diff().dropna() <= 0).all(axis=None)
    expected = [noise.square(4) / noise.square(1) for noise in noises]
    assert squares.loc[4].tolist() == pytest.approx(expected)
    assert live.shares(noises, 1) == pytest.approx([n.share(1) for n in noises])


def test_nothing_measured_is_an_empty_table():
    assert live.squares([]).empty and not len(live.shares([], 4))
