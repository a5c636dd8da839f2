"""The arms differ in what is moved and how far, and the plan has whole seeds."""

import pytest

from flatminima.results import reading
from flatminima.sources.reading_group import NEVER, RADII, TUNING
from flatminima.studies.adversarial import runs, tables


def test_arms_differ_in_what_is_moved_and_how_far():
    plain, *moved = runs.arms(runs.LENGTHS)
    assert plain.rho == 0
    told = [(c.perturbed, c.rho) for c in moved]
    assert told == [(kind, rho) for kind, all_ in runs.LENGTHS.items() for rho in all_]
    for config in moved:
        same = config.model_copy(update={"rho": 0.0, "perturbed": "weights"})
        assert same == plain


def test_random_directions_have_every_length_of_sam_and_longer_ones():
    assert set(RADII) < set(runs.LENGTHS["random"])
    assert max(runs.LENGTHS["random"]) > 10 * max(RADII)
    assert runs.RHO in RADII and runs.INPUTS in runs.LENGTHS["inputs"]


def test_the_plan_tunes_first_and_then_has_both_kinds_of_runs_of_a_seed():
    cells = runs.planned(seeds=[100, 101], device="cpu")
    assert len(set(cells)) == len(cells)
    arms = len(runs.arms(runs.LENGTHS))
    tuning, rest = cells[: arms * len(TUNING)], cells[arms * len(TUNING) :]
    assert {c.data_seed for c in tuning} == set(TUNING)
    assert {c.measured for c in tuning} == {"nothing"}
    assert [c.data_seed for c in rest] == [100] * (arms + 4) + [101] * (arms + 4)
    assert {c.measured for c in rest} == {"around"}
    alike = [c for c in rest if c.target_loss > NEVER]
    assert {c.target_loss for c in alike} == {runs.TARGET} and len(alike) == 8
    assert max(TUNING) < 100 <= min(runs.SEEDS) and len(runs.SEEDS) >= 10


def test_the_small_plan_has_what_claims_need():
    cells = runs.planned("small", seeds=[100, 101], device="cpu")
    assert len(set(cells)) == len(cells)
    tuning = [c for c in cells if c.data_seed < 100]
    assert len(tuning) == 2 * len(runs.arms(runs.LENGTHS))
    ends = [c for c in cells if c.data_seed == 100 and c.target_loss == NEVER]
    assert len({c.test_n for c in ends}) == 1  # so that pairs are of the same images
    assert {tables.ATTACKED_IN_TRAINING} < set(runs.COMPARED["inputs"])
    alike = [c for c in cells if c.data_seed == 101 and c.target_loss > NEVER]
    assert [c.target_loss for c in alike] == [runs.SMALL_TARGET] * 4
    lengths = {c.perturbed: c.rho for c in alike if c.rho}
    own = {"weights": runs.RHO, "random": runs.RHO, "inputs": runs.INPUTS}
    assert lengths == own


def test_the_tuning_seeds_choose_what_the_small_plan_compares():
    rows = tables.gathered(reading.committed("adversarial").tables)
    for arm, lengths in runs.COMPARED.items():
        assert tables.chosen(rows, arm) in lengths
    assert tables.chosen(rows, "weights") in runs.COMPARED["random"]


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match=r"scale = 'huge'.*small, medium"):
        runs.planned("huge")


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="width"):
        runs.arms(runs.LENGTHS, width=0)


def test_live_runs_have_an_arm_each(store):
    fields = {"n": 40, "width": 2, "size": 8, "batch": 20, "num_epochs": 1}
    table = runs.live([3], rho=0.1, **fields)
    ends = table[table["last"]]
    assert ends["rho"].tolist() == [0, 0.1, 0.1]
    assert ends["adversarial_1.0"].between(0, 1).all()
    assert list(tables.live_arms(table)) == ["plain", "random", "weights"]
