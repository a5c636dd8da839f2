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


def test_the_plan_has_every_run_once_seed_by_seed():
    cells = runs.planned()
    assert len(set(cells)) == len(cells)
    assert {c.device for c in cells} == {"cuda"}
    seeds = [c.data_seed for c in cells]
    assert seeds == sorted(seeds) and set(seeds) == set(range(100, 110))
    falling = [c for c in runs.medium() if c.schedule == "cosine"]
    same = [c for c in falling if c.num_epochs == runs.MEDIUM["num_epochs"]]
    assert sorted({c.num_epochs for c in falling}) == [60, 75, 120]
    assert len(same) == 2 * (len(runs.TIMES) - 2) + 2 + 2
    assert all(c.target_loss == runs.NEVER for c in cells)


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
