"""The grid of depths and lengths."""

from itertools import pairwise

import pytest

from flatminima.studies.imagenet_table import runs

each_scale = pytest.mark.parametrize("scale", runs.SCALES)


@each_scale
def test_a_cell_and_its_plain_run_differ_in_the_radius_alone(scale):
    grid = runs.grid(runs.EPOCHS[scale], **runs.SCALES[scale])
    assert len(set(grid)) == len(grid) == 3 * 3 * 2
    for plain, sam in zip(grid[::2], grid[1::2], strict=True):
        assert sam == plain.model_copy(update={"rho": runs.RHO}) and plain.rho == 0
    looked = {c.num_epochs for c in grid if c.target_loss == runs.TARGET}
    assert looked == {max(runs.EPOCHS[scale])}


def test_depths_are_those_of_the_networks():
    assert runs.CONVOLUTIONS == {"simple": 4, "middle": 6, "complex": 9}


@each_scale
def test_lengths_double(scale):
    assert all(b == 2 * a for a, b in pairwise(runs.EPOCHS[scale]))


@each_scale
def test_what_is_planned_begins_with_whole_seeds(scale):
    cells = runs.planned(scale, range(100, 102))
    half = len(cells) // 2
    assert {c.init_seed for c in cells[:half]} == {100}
    assert {c.device for c in cells} == {"cuda" if scale == "medium" else "cpu"}
    assert all(seed >= 100 for seed in runs.SEEDS) and len(runs.SEEDS) >= 10


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="width"):
        runs.planned(width=0)
