"""The grid of depths and lengths."""

import pytest

from flatminima.studies.imagenet_table import runs


def test_a_cell_and_its_plain_run_differ_in_the_radius_alone():
    grid = runs.grid(**runs.MEDIUM)
    assert len(set(grid)) == len(grid) == 3 * len(runs.EPOCHS) * 2
    for plain, sam in zip(grid[::2], grid[1::2], strict=True):
        assert sam == plain.model_copy(update={"rho": runs.RHO}) and plain.rho == 0


def test_depths_are_those_of_the_networks():
    assert runs.CONVOLUTIONS == {"simple": 4, "middle": 6, "complex": 9}


def test_lengths_double():
    assert all(b == 2 * a for a, b in zip(runs.EPOCHS, runs.EPOCHS[1:], strict=False))


def test_what_is_planned_begins_with_whole_seeds():
    cells = runs.planned(range(100, 102))
    half = len(cells) // 2
    assert {c.init_seed for c in cells[:half]} == {100}
    assert {c.device for c in cells} == {"cuda"}
    assert all(seed >= 100 for seed in runs.SEEDS) and len(runs.SEEDS) >= 10


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="width"):
        runs.planned(width=0)
