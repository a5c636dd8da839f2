"""The quadratic model's facts: certified ends, and errors that are seen."""

import numpy as np
import pandas as pd

from flatminima.studies.label_noise import facts, recovery, tables
from flatminima.sweeps.table import as_rows

SIZE = {"d": 12, "n": 5, "sparsity": 2}


def test_the_right_formulas_hold_and_the_misprint_is_off_by_three():
    found = facts.formulas([0, 1], **SIZE)
    assert found[["gradient", "direction", "mean", "end"]].to_numpy().max() < 1e-10
    np.testing.assert_allclose(found["middle"], 3, rtol=1e-9)


def test_flows_end_at_the_certified_optimum():
    found = facts.flows([0, 1], **SIZE)
    assert len(found) == 4
    assert found["excess"].between(-1e-9, 1e-3).all()
    assert found["error"].max() <= 1e-8
    assert (found["zeros"] >= SIZE["d"] - SIZE["n"]).all()
    assert found["overlap"].max() < 1e-3


def test_the_kernel_loses_its_rank_where_labels_are_sparse():
    problems = facts.problems(0, **SIZE)
    last = {name: facts.along(each, 0).iloc[-1] for name, each in problems.items()}
    assert last["sparse"]["kernel"] < 1e-6 * last["random"]["kernel"]
    assert max(each["smallest"] for each in last.values()) < 1e-6


def test_more_examples_than_coordinates_leave_one_map():
    np.testing.assert_array_equal(facts.single_maps([0, 1], d=5, n=40), [1, 1])
    np.testing.assert_array_equal(facts.single_maps([0, 1], d=9, n=4), [0, 0])


def test_basis_pursuit_finds_one_entry_among_many_examples():
    errors = facts.programme_errors([0, 1, 2], d=30, n=15, sparsity=1)
    assert errors.max() < 1e-9


def test_the_rules_differ_in_noise_and_batch_alone():
    fields = {"lr": 0.01, "num_steps": 20, "gd_steps": 20, "alpha": 0.5}
    configs = recovery.configs(**SIZE, **fields, delta=0.3)
    noise, batch, descent = (config.model_dump() for config in configs.values())
    assert {k for k in noise if noise[k] != batch[k]} == {"label_noise"}
    assert {k for k in batch if batch[k] != descent[k]} == {"batch"}


def ended(trace: float) -> pd.DataFrame:
    seeds = {"data_seed": [0, 1], "init_seed": [0, 1], "last": True}
    return pd.DataFrame({**seeds, "diverged": [False, True], "trace": trace})


def test_shares_of_the_reduction_leave_out_what_diverged():
    names = (recovery.LABEL_NOISE, recovery.BATCH, recovery.DESCENT)
    given = dict(zip(names, map(ended, (10.0, 40.0, 50.0)), strict=True))
    np.testing.assert_allclose(tables.reduction_shares(given), [0.25])


def test_rows_of_a_seed_without_a_value_count_as_diverged():
    rows = as_rows(pd.Series({7: 0.2, 8: np.nan}), "constant", "said")
    assert rows["diverged"].tolist() == [False, True]
    assert as_rows(pd.Series({7: 0.2}), "constant", "said", 0.25)[
        "constant"
    ].tolist() == [0.25]


def test_the_norms_agree_only_where_supports_are_disjoint():
    found = facts.norms(range(5), d=9)
    assert (found["excess"] < -0.01).all()
    assert found["disjoint"].max() < 1e-14
