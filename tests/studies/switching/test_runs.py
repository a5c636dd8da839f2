"""Which runs there are, and that a switch is nothing but a switch."""

import pandas as pd
import pytest

from flatminima.results.reading import Committed
from flatminima.studies.switching import runs

SIZE = {"n": 100, "num_epochs": 8, "batch": 20, "rho": 0.1, "sharpness_n": 50}


def test_the_ends_of_both_ways_are_erm_and_sam():
    erm = runs.switched(runs.TO_SAM, 1.0, **SIZE)
    sam = runs.switched(runs.TO_SAM, 0.0, **SIZE)
    assert erm == runs.switched(runs.TO_ERM, 0.0, **SIZE) and erm.rho == 0
    assert sam == runs.switched(runs.TO_ERM, 1.0, **SIZE)
    assert (sam.rho, sam.sam_from, sam.sam_until) == (0.1, 0, None)


def test_a_switch_is_at_its_share_of_the_epochs():
    there = runs.switched(runs.TO_SAM, 0.75, **SIZE)
    back = runs.switched(runs.TO_ERM, 0.75, **SIZE)
    updates = range(there.num_steps)
    assert [there.perturbs(k) for k in updates] == [k >= 30 for k in updates]
    assert [back.perturbs(k) for k in updates] == [k < 30 for k in updates]
    same = {"rho", "sam_from", "sam_until"}
    sam, own = (c.model_dump(exclude=same) for c in (there, back))
    assert sam == own


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=r"share = .*from 0 to 1"):
        runs.switched(runs.TO_SAM, share, **SIZE)


@pytest.mark.parametrize("scale", runs.SCALES)
def test_the_plan_has_every_run_once_seed_by_seed(scale):
    cells = runs.planned(scale, device="cuda")
    assert len(set(cells)) == len(cells)
    assert {c.device for c in cells} == {"cuda"}
    seeds = [c.data_seed for c in cells]
    assert seeds == sorted(seeds) and set(seeds) == set(range(100, 110))
    assert all(c.target_loss == runs.NEVER for c in cells)


@pytest.mark.parametrize(
    ("cells", "length", "times"),
    [(runs.medium(), 60, runs.TIMES), (runs.small(), 32, runs.SMALL_TIMES)],
)
def test_a_scale_has_both_ways_at_all_times_and_the_controls(cells, length, times):
    falling = [c for c in cells if c.schedule == "cosine"]
    assert sorted({c.num_epochs for c in falling}) == [
        *(length, round(runs.MORE * length), 2 * length)
    ]
    rows = runs.labelled(
        pd.DataFrame(
            c.columns | {"test_accuracy": 0.5, "test_loss": 1.0, "diverged": False}
            for c in falling
            if c.num_epochs == length
        )
    )
    found = set(zip(rows["way"], rows["share"], strict=True))
    inner = [t for t in times if 0 < t < 1]
    wanted = {(way, t) for way in (runs.TO_SAM, runs.TO_ERM) for t in inner}
    assert wanted | {("ERM", 1.0), ("SAM", 0.0), (runs.RANDOM, runs.LATE)} <= found
    held = [c for c in cells if c.schedule == "constant"]
    assert {c.num_epochs for c in held} == {length} and len(held) >= 5


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match=r"scale = 'huge'.*small, medium"):
        runs.planned("huge")


def test_a_scale_that_was_only_begun_decides_nothing():
    def table(config, seed):
        own = config.with_seeds(seed, seed)
        more = {"test_accuracy": 0.5, "test_loss": 1.0, "diverged": False}
        return pd.DataFrame([own.columns | more])

    small, medium = runs.small()[0], runs.medium()[0]
    tables = [table(small, s) for s in (100, 101)] + [table(medium, 100)]
    assert set(runs.evidence(Committed([], tables))["n"]) == {small.n}
    tables.append(table(medium, 101))
    rows = runs.evidence(Committed([], tables))
    assert set(rows["n"]) == {medium.n} and runs.epochs_of(rows) == medium.num_epochs


def test_what_a_run_is_follows_from_its_config():
    cells = runs.both_ways((0.0, 0.25, 1.0), **SIZE)
    cells.append(runs.switched(runs.TO_SAM, 0.5, **SIZE, perturbed="random"))
    rows = pd.DataFrame(
        [
            c.columns | {"test_accuracy": 0.75, "test_loss": 0.5, "diverged": False}
            for c in cells
        ]
    )
    found = runs.labelled(rows)
    assert list(zip(found["way"], found["share"], strict=True)) == [
        *(("SAM", 0.0), (runs.TO_SAM, 0.25), ("ERM", 1.0)),
        *((runs.TO_ERM, 0.25), (runs.RANDOM, 0.5)),
    ]
    assert (found["error"] == 0.25).all()
    lost = runs.labelled(rows.assign(diverged=True))
    assert lost["error"].isna().all()


def test_no_committed_run_is_no_row():
    assert runs.evidence(Committed([], [])).empty
