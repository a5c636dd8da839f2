"""A run that meets NaN or inf is a result like any other, and is named."""

import pytest

from flatminima.claims import decide
from flatminima.sweeps.sweep import sweep
from tests.faults.cells import SHORT

WILD = SHORT.model_copy(update={"lr": 0.2, "init_scale": 1e3, "num_steps": 500})


def test_the_others_finish_and_it_is_named():
    with pytest.warns(UserWarning, match="diverged after") as caught:
        table = sweep([WILD, SHORT], 2, workers=2)
    assert len(caught) == 2
    said = " ".join(str(warning.message) for warning in caught)  # as they finish
    for seed in (0, 1):
        assert repr(WILD.with_seeds(seed, seed)) in said
    ends = table[table["last"]]
    assert ends.groupby("lr")["diverged"].agg(list).to_dict() == {
        SHORT.lr: [False, False],
        WILD.lr: [True, True],
    }
    assert (ends.loc[~ends["diverged"], "step"] == SHORT.num_steps).all()

    wild = table[table["lr"] == WILD.lr]
    verdict = decide.share("s1-sgd-generalises", wild)
    assert "2 of 2 runs diverged" in verdict.note
    for seed in (0, 1):
        name = f"SGD, 500 updates, data seed {seed}, init seed {seed}"
        assert name in verdict.note
