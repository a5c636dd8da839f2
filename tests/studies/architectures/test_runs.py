"""The grid of architectures, and what makes its comparisons fair."""

import numpy as np
import pytest

from flatminima.studies.architectures import runs, tables


def test_a_run_and_its_plain_one_differ_in_the_radius_alone():
    pairs = runs.pairs(**runs.MEDIUM)
    assert len(set(pairs)) == len(pairs) == 2 * len(runs.ARMS)
    for plain, sam in zip(pairs[::2], pairs[1::2], strict=True):
        assert sam == plain.model_copy(update={"rho": sam.rho})
        assert plain.rho == 0 < sam.rho


def test_the_optimiser_is_no_confounder():
    kinds = {(arm.net, arm.optimiser) for arm in runs.ARMS.values()}
    assert kinds >= {(net, "adam") for net in ("resnet", "vit", "mixer")}


def test_the_networks_have_about_equally_many_weights():
    counts = [tables.weights(arm, "fashion_mnist", 16) for arm in runs.ARMS.values()]
    assert max(counts) / min(counts) < 1.1


def test_the_grid_of_a_data_set():
    fashion, cifar = runs.grid("fashion_mnist"), runs.grid("cifar10")
    assert len(set(fashion)) == len(fashion)
    assert sum(c.measured == "around" for c in fashion) == 4 * len(runs.ARMS)
    assert {c.to_the_end for c in fashion} == {True, False}
    assert {c.weight_decay for c in fashion} == {0.0, *runs.DECAYS}
    assert all(c.rho == 0 for c in fashion if c.weight_decay)
    assert {c.test_n for c in cifar} == {1017}
    with pytest.raises(ValueError, match="data = 'mnist'"):
        runs.grid("mnist")


def test_any_beginning_of_what_is_planned_has_whole_seeds():
    cells = runs.planned(range(100, 102))
    half = len(cells) // 2
    assert {c.init_seed for c in cells[:half]} == {100}
    assert {c.data for c in cells[:half]} == set(runs.DATA)
    assert {c.device for c in cells} == {"cuda"}
    assert min(runs.SEEDS) >= 100 and len(runs.SEEDS) >= 10


def test_live_runs_find_their_configs_and_eigenvalues_again(store):
    fields = {"n": 40, "test_n": 20, "size": 4, "batch": 20, "num_epochs": 1}
    fields["sharpness_n"] = 20
    table = runs.live([100], **fields)
    again = runs.configs_of(table)
    assert again == [c.with_seeds(100, 100) for c in runs.small(**fields)]
    measured = tables.with_eigenvalues(table, 20)
    last = measured[measured["last"]]
    assert np.isfinite(last[tables.EIGENVALUE]).all()
    assert measured.loc[~measured["last"], tables.EIGENVALUE].isna().all()
