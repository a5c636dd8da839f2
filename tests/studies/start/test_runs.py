"""Runs that differ in nothing but their start."""

import numpy as np
import pytest
import torch

from flatminima.results import collecting, reading
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state
from flatminima.sources.wen_li_ma import figure, figures
from flatminima.studies.start import runs
from flatminima.sweeps.table import over_seeds
from tests import reference

SIZE = {"d": 6, "n": 20, "width": 16, "num_checkpoints": 3}
NOTHING = reading.Committed([], [])


def differing(first: Config, second: Config) -> set[str]:
    other = second.model_dump()
    return {name for name, value in first.model_dump().items() if value != other[name]}


@pytest.mark.parametrize(
    ("architecture", "name", "start"),
    [("no_bias", "1b", 1.0), ("bias", "4b", 1.0), ("sim_ln", "6a", 0.01)],
)
def test_from_the_sources_start_it_is_the_sources_run(architecture, name, start):
    found = runs.first_layer(architecture, [start, 0.3], 10**6, num_checkpoints=7)
    assert found[start] == figures([name], num_checkpoints=7)[name]
    assert found[start].num_steps == figure(name).num_steps
    assert differing(found[start], found[0.3]) == {"init_scale"}
    assert found[0.3].init_scale == 0.3


def test_shorter_runs_have_their_share_of_every_phase():
    (config,) = runs.first_layer("bias", [0.1], 600, **SIZE).values()
    assert config.num_steps == 600 * 20
    assert [phase.start for phase in config.phases] == [200 * 20]


@pytest.mark.parametrize("name", [*runs.QUICK, *runs.SLOW])
def test_a_variant_differs_in_its_scale_alone(name):
    variant = (runs.QUICK | runs.SLOW)[name]
    small, one = runs.elsewhere(variant, [0.1, 1.0], 4, **SIZE).values()
    assert differing(small, one) - {"lr"} == set(variant.scaled)
    assert all(getattr(small, field) == 0.1 for field in variant.scaled)
    assert one.dtype == "float32"
    assert one.num_steps == 4 * (20 // one.batch_size)
    if not variant.stable:
        assert small.lr == one.lr


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln", "deep"])
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_growth_against_autograd(architecture, factor):
    config = Config(
        architecture=architecture, d=5, n=9, width=7, lr=0.03, output_scale=factor
    )
    net = reference.net_of(config, *initial_state(config).params)
    x, _ = reference.training_set(config)
    weights = list(net.parameters())
    squares = [
        sum(
            float((g**2).sum())
            for g in torch.autograd.grad(f, weights, retain_graph=True)
        )
        for f in net(x)
    ]
    assert runs.growth(config) == pytest.approx(2 * 0.03 * np.mean(squares))


@pytest.mark.parametrize("name", [name for name in runs.SLOW if runs.SLOW[name].stable])
def test_a_learning_rate_is_lowered_to_the_growth_of_the_usual_start(name):
    scales = [0.1, 1.0, 10.0]
    found = runs.elsewhere(runs.SLOW[name], scales, 4, **SIZE)
    usual = runs.growth(found[1.0])
    assert found[0.1].lr == found[1.0].lr > found[10.0].lr
    assert runs.growth(found[0.1]) < usual
    assert runs.growth(found[10.0]) == pytest.approx(usual)


def test_the_longer_runs_decide_if_every_scale_has_them(store, tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "sensitivity", lambda *_: 0.0)
    scales = [0.1, 1.0]
    longer = runs.first_layer("bias", scales, 60, **SIZE)
    shorter = runs.first_layer("bias", scales, 6, **SIZE)
    seeds = range(3, 5)

    def paper(*kept):
        path = tmp_path / "rows.jsonl"
        collecting.collect(over_seeds([longer[s] for s in kept], seeds), path)
        return reading.load(path)

    found = runs.run({"a": shorter}, NOTHING, seeds)["a"]
    assert not found.committed
    assert found.table.groupby("start")["num_steps"].unique().tolist() == [[120], [120]]
    assert found.table["data_seed"].unique().tolist() == [3, 4]
    half = runs.run({"a": shorter}, paper(0.1), seeds)["a"]
    assert not half.committed
    whole = runs.run({"a": shorter}, paper(*scales), seeds)["a"]
    assert whole.committed
    assert whole.table["num_steps"].unique().tolist() == [1200]
    for scale in scales:
        mine = whole.table[whole.table["start"] == scale]
        assert mine["init_scale"].unique().tolist() == [scale]
    same = runs.run({"a": longer}, paper(*scales), seeds)["a"]
    assert not same.committed


def test_each_setting_gets_its_own_rows(store):
    settings = {
        "small": runs.first_layer("bias", [0.1], 6, **SIZE),
        "usual": runs.first_layer("sim_ln", [1.0, 0.1], 6, **SIZE),
    }
    found = runs.run(settings, NOTHING, range(2))
    assert list(found) == ["small", "usual"]
    assert list(found["usual"].quick) == [1.0, 0.1]
    for name, scale in (("small", 0.1), ("usual", 1.0), ("usual", 0.1)):
        rows = found[name].quick[scale]
        assert rows["init_scale"].unique().tolist() == [scale]
        assert rows["architecture"].unique().tolist() == [
            settings[name][scale].architecture
        ]
        assert rows["last"].sum() == 2
