"""The grid of architectures, and what makes its comparisons fair."""

import numpy as np
import pytest

from flatminima.studies.architectures import runs, tables

each_scale = pytest.mark.parametrize("scale", runs.SCALES)


@each_scale
def test_a_run_and_its_plain_one_differ_in_the_radius_alone(scale):
    cells = runs.planned(scale, [100])
    assert len(set(cells)) == len(cells)
    plain = {cell for cell in cells if cell.rho == 0}
    for cell in cells:
        assert cell.model_copy(update={"rho": 0.0}) in plain
    bare = [cell for cell in plain if not cell.weight_decay]
    assert len(cells) == 2 * len(bare) + 3 * len(runs.DECAYS[scale])


def test_the_optimiser_is_no_confounder():
    kinds = {(arm.net, arm.optimiser) for arm in runs.ARMS.values()}
    assert kinds >= {(net, "adam") for net in ("resnet", "vit", "mixer")}


@each_scale
def test_the_networks_have_about_equally_many_weights(scale):
    counts = [tables.weights(arm, scale) for arm in runs.ARMS.values()]
    assert max(counts) / min(counts) < 1.2


@each_scale
def test_what_is_measured_around(scale):
    cells = runs.planned(scale, [100])
    around = [cell for cell in cells if cell.measured == "around"]
    assert {cell.optimiser for cell in around} == {"adam"} and len(around) == 12
    stops = [cell for cell in cells if not cell.to_the_end]
    assert set(stops) <= set(around) and len(stops) == 6
    assert {c.target_loss for c in cells if c.to_the_end} == {runs.NEVER}
    assert {c.target_loss for c in stops} == {runs.TARGET}


@each_scale
def test_what_is_planned_has_fresh_seeds_and_one_device(scale):
    cells = runs.planned(scale)
    assert {c.device for c in cells} == {"cuda" if scale == "medium" else "cpu"}
    assert {c.init_seed for c in cells} == set(runs.SEEDS[scale])
    assert min(runs.SEEDS[scale]) >= 100
    ends = cells[: 2 * len(runs.ARMS) * len(runs.SEEDS[scale])]
    assert [c.init_seed for c in ends] == sorted(c.init_seed for c in ends)


def test_the_images_of_cifar_are_no_part_of_the_small_scale():
    assert {c.data for c in runs.planned("small")} == {"fashion_mnist_subset"}
    assert {c.data for c in runs.planned()} == {"fashion_mnist", "cifar10"}


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="width"):
        runs.pairs("small", around=False, width=0)


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
