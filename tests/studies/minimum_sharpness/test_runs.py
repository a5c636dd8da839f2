"""The grid and its order."""

import pytest

from flatminima.sources.minimum_sharpness import scale
from flatminima.studies.minimum_sharpness import runs


@pytest.mark.parametrize("data", runs.DATA)
def test_the_grid_is_the_report_s(data):
    found = runs.grid("paper", data)
    assert len(set(found)) == len(found) == 36
    assert {c.target_loss for c in found} == {0.01} and {c.batch for c in found} == {
        128
    }
    for plain, sam in zip(found[::2], found[1::2], strict=True):
        assert sam == plain.model_copy(update={"rho": 0.05}) and plain.rho == 0
    assert {scale(c) for c in found} == {"paper, width 32"}
    assert all(scale(c).startswith("scaled-down") for c in runs.grid("medium", data))


def test_any_beginning_has_whole_seeds():
    configs = runs.grid("medium", nets=["simple"], optimisers=["phb"])
    cells = runs.seed_by_seed(configs, [100, 101])
    assert [c.init_seed for c in cells] == [100, 100, 101, 101]
    assert cells[0].data_seed == 100


@pytest.mark.parametrize(
    "bad", [{"scale": "huge"}, {"scale": "paper", "data": "mnist"}]
)
def test_it_refuses(bad):
    with pytest.raises(ValueError, match="must be one of"):
        runs.grid(**bad)


@pytest.mark.parametrize("scale", runs.SCALES)
def test_a_plan_begins_with_both_data_sets(scale):
    cells = runs.planned(scale)
    assert {c.data for c in cells[:72]} == set(runs.DATA)
    assert {c.data_seed for c in cells[:72]} == {100}
