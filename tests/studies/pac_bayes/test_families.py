"""Networks that are ordered and read, on runs of seconds."""

import numpy as np
import pandas as pd
import pytest

from flatminima.studies.pac_bayes import families, nets

SIZE = {"n": 80, "width": 3, "num_steps": 30}
BUDGET = nets.Budget((0.05, 0.5), 0.05, 20, 5)


def test_small_noise_reads_the_trace_of_a_smooth_network():
    config = nets.config("clusters", activation="tanh", **SIZE)
    near, far = families.readings([config], [1e-3, 1.0])[0]
    assert near == pytest.approx(1, abs=0.1)
    assert abs(far - 1) > 0.2


def test_networks_that_are_ordered_differ():
    table = families.ordered(
        [0, 1], BUDGET, n=80, widths=[2, 4], num_steps=30, sigma=0.1
    )
    assert len(table) == 2 * 2 * len(families.ORDERED)
    assert table.groupby("seed")["risk"].nunique().min() > 3
    taus = families.rank_correlations(table, "bound")
    assert len(taus) == 2
    assert (np.abs(taus) <= 1).all()


def test_rank_correlation_knows_which_way():
    table = pd.DataFrame({"seed": [0, 0, 0, 1, 1, 1], "risk": [1, 2, 3, 1, 2, 3.0]})
    table["same"], table["other"] = table["risk"] ** 3, -table["risk"]
    table["flat"] = 1.0
    assert list(families.rank_correlations(table, "same")) == [1, 1]
    assert list(families.rank_correlations(table, "other")) == [-1, -1]
    assert len(families.rank_correlations(table, "flat")) == 0
