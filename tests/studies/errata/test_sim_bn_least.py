"""The certified least trace of Sim-BN: by search, by networks, and by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

from flatminima.data.xor import hypercube, xor_labels
from flatminima.models import sim_bn
from flatminima.sharpness.gauss_newton import retract
from flatminima.sharpness.sim_bn import linearised, per_example_gradients, trace_hessian
from flatminima.studies.errata import printed, sim_bn_least


def test_the_bound_on_the_cube():
    found = sim_bn_least.certified([2, 3, 4])
    # threshold functions of 2, 3 and 4 variables
    assert found["cones"].tolist() == [14, 104, 1882]
    assert found["lower bound"].tolist() == pytest.approx([8] * 3, rel=1e-8)


def test_one_network_comes_as_near_as_wanted():
    x = hypercube(4)
    traces = printed.sim_bn_traces(x, xor_labels(x), scales=[1e3, 1e6])["trace"]
    assert (traces >= 8 - 1e-9).all()
    assert traces.iloc[-1] == pytest.approx(8, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_network_is_below(seed):
    """Random interpolating ones, with layers as unbalanced as they come."""
    x = hypercube(3)
    inputs, y = sim_bn.inputs(sim_bn.Model(), x), xor_labels(x)
    start = sim_bn.init(sim_bn.Model(), 3, 12, np.random.default_rng(seed))
    at = retract(linearised(sim_bn.Model(), inputs), start, y)
    assert at.converged
    gradients = per_example_gradients(*at.parameters, inputs)
    assert trace_hessian(gradients, 2 * (gradients.f - y)) > 8


@pytest.mark.parametrize("seed", range(4))
def test_the_price_is_that_of_a_search(seed):
    """From many starts, on rows in general position: met, and never exceeded."""
    rng = np.random.default_rng(seed)
    rows, nu = rng.normal(size=(7, 3)), rng.normal(size=7)

    def price(w):
        unit = np.maximum(rows @ w, 0.0)
        return abs(unit @ nu) / max(np.linalg.norm(unit), 1e-12)

    found = [
        minimize(lambda w: -price(w), w, method="Nelder-Mead", options={"xatol": 1e-9})
        for w in rng.normal(size=(60, 3))
    ]
    most = max(-one.fun for one in found)
    highest = sim_bn_least.highest_price(rows, nu)
    assert most <= highest * (1 + 1e-9)
    assert most == pytest.approx(highest, rel=1e-4)


@pytest.mark.parametrize(
    ("d", "message"), [(1, "d = 1: "), (5, "d = 5: cones are enumerated for d <= 4")]
)
def test_other_cubes_are_refused(d, message):
    with pytest.raises(ValueError, match=message):
        sim_bn_least.certified([d])
