"""The grid and its order."""

import pandas as pd
import pytest

from flatminima.results.reading import Committed
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
    assert len({c.data_seed for c in cells[:72]}) == 1
    assert min(c.data_seed for c in cells[:72]) >= runs.SEEDS[0]


def committed(*counts: tuple[str, int]) -> Committed:
    """A row a run of some seeds of the grids of scales, as a file would have them."""
    tables = []
    for name, seeds in counts:
        configs = [c for data in runs.DATA for c in runs.grid(name, data)]
        cells = runs.seed_by_seed(configs, runs.SEEDS[:seeds])
        extra = {"last": True}
        rows = [c.columns | extra | {"scale": f"{scale(c)}, here"} for c in cells]
        tables.append(pd.DataFrame(rows))
    return Committed([], tables)


def test_scales_are_told_apart_by_their_sizes():
    found = runs.evidence(committed(("medium", 1), ("small", 2)))
    assert list(found) == ["small", "medium"]
    assert [len(table) for table in found.values()] == [144, 72]
    assert set(found["small"]["size"]) == {10}
    assert runs.evidence(Committed([], [])) == {}


def test_of_a_run_that_was_made_twice_the_longer_counts():
    both = committed(("medium", 1)).tables[0]
    again = both[both["net"] == "simple"].assign(to_the_end=True)
    found = runs.evidence(Committed([], [both, again]))["medium"]
    assert len(found) == len(both)
    assert found["to_the_end"].sum() == (both["net"] == "simple").sum()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((("small", 3), ("medium", 2)), "small"),
        ((("small", 3), ("medium", 3)), "medium"),
        ((("medium", 3), ("small", 4)), "medium"),
        ((("small", 2), ("medium", 1)), "small"),
        ((), ""),
    ],
)
def test_the_largest_scale_with_whole_seeds_decides(counts, expected):
    assert runs.deciding(runs.evidence(committed(*counts))) == expected


def test_a_seed_is_whole_with_all_its_networks():
    table = runs.evidence(committed(("small", 3)))["small"]
    assert runs.whole_seeds(table) == 3
    assert runs.whole_seeds(table[1:]) == 2
    assert runs.whole_seeds(table[table["data"] == "cifar10"]) == 0


def test_the_table_says_which_grid_decides():
    table = runs.standing(runs.evidence(committed(("small", 3), ("medium", 1))))
    assert table["grid"].tolist() == list(runs.SCALES)
    assert table["committed runs"].tolist() == [216, 72, 0]
    assert table["whole seeds"].tolist() == [3, 1, 0]
    assert table["decides"].tolist() == ["yes", "no", "no"]
    assert set(runs.standing({})["decides"]) == {"no"}


def test_what_stands_beside_may_be_of_another_scale():
    grids = runs.evidence(committed(("small", 3), ("medium", 3)))
    assert runs.deciding(grids) == "medium"
    assert runs.deciding_beside(grids, "at other rates") == ""
    rows = grids["small"]
    tried = rows[(rows["data"] == runs.END[0]) & (rows["net"] == runs.END[1])]
    other = [tried.assign(lr=factor * tried["lr"]) for factor in (0.3, 3.0)]
    grids["small"] = pd.concat([rows, *other], ignore_index=True)
    assert runs.deciding_beside(grids, "at other rates") == "small"
    table = runs.standing(grids)
    assert table["at other rates"].tolist() == ["3*", "0", "0"]
    medium = grids["medium"]
    simple = (medium["data"] == runs.END[0]) & (medium["net"] == runs.END[1])
    grids["medium"] = medium.assign(to_the_end=simple)
    assert runs.deciding_beside(grids, "to the end") == "medium"
    few = simple & (medium["data_seed"] == runs.SEEDS[0])
    grids["medium"] = medium.assign(to_the_end=few)
    assert runs.standing(grids)["to the end"].tolist() == ["0", "1*", "0"]
    amid = few & (medium["optimiser"] != "adashift")
    grids["medium"] = medium.assign(to_the_end=amid)
    assert runs.standing(grids)["to the end"].tolist() == ["0", "0", "0"]


def test_the_words_name_the_grid():
    table = runs.evidence(committed(("small", 1)))["small"]
    words = runs.said(table, "small")
    assert words.startswith("scaled-down: the small grid, n = 500, 10x10")
    assert runs.said(table, "") == table["scale"].iloc[0]
