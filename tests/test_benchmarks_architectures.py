"""What a step of each architecture takes on paper."""

import numpy as np
import pytest
from benchmarks import architectures, sam_step, work

from flatminima.models.exponential import PRECISIONS
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state, problem


def tiny(architecture, **fields) -> Config:
    return Config(architecture=architecture, d=4, n=5, width=6, rho=0.05, **fields)


def all_active(config) -> State:
    """A first layer that is positive on every example."""
    start = initial_state(config)
    w = start.arrays["w"]
    w = np.zeros_like(w)
    w[-1] = 1
    return State({**start.arrays, "w": w}, 0)


def test_softplus_adds_its_polynomials():
    counts = {
        name: work.work(tiny(name), all_active(tiny(name)))
        for name in ("bias", "softplus")
    }
    terms = len(PRECISIONS[64].exp) + len(PRECISIONS[64].atanh)
    more = counts["softplus"]["products"] - counts["bias"]["products"]
    assert more == 2 * 6 * terms
    assert counts["softplus"]["bytes"] == counts["bias"]["bytes"]
    assert counts["bias"]["active"] == 6


def test_sim_bn_counts_distinct_rows():
    config = tiny("sim_bn", dtype="float32")
    found = work.work(config, all_active(config))
    # five inputs are two groups of four; the second holds the bias alone
    signs = problem(config).inputs[:, :4]
    distinct = len(np.unique(signs * signs[:, :1], axis=0)) + 1
    assert 2 < distinct <= 6
    statistics = 2 * distinct * 4 + 2 * 2 * 5
    assert found["products"] == 8 * 6 + 2 * 6 * statistics
    assert found["bytes"] == (8 * 6 + 6 * (8 * 8 + 4 * 5)) * 4


def test_deep_counts_active_rows():
    config = tiny("deep")
    found = work.work(config, all_active(config))
    # six active rows of six numbers; none wakes up; five inputs
    assert found["products"] == 5 * 36 + 2 * 5 * 6
    assert found["bytes"] == (3 * 36 + 2 * 5 * 6) * 8
    assert work.deep_work(5, 6, 4, 2)[0] == (5 * 4 + 2) * 6 + 60


@pytest.mark.parametrize("architecture", sam_step.FIGURES)
def test_measure(architecture):
    small = {"gamma_init": 0.3} if architecture == "sim_bn" else {}
    config = tiny(architecture, **small)
    row = architectures.measure(config, initial_state(config), 20, 1)
    assert row["microseconds"] > 0
    assert row["products"] > 0
    assert row["architecture"] == architecture
