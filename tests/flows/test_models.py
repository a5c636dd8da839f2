"""Closed forms of the models against dense automatic differentiation."""

import numpy as np
import pytest
import torch

from flatminima.flows.any_model import AnyModel
from flatminima.flows.diagonal import Diagonal, check_data
from flatminima.flows.factorisation import Factorisation
from flatminima.flows.sharpness_flow import land
from flatminima.flows.two_layer import TwoLayer
from flatminima.sharpness.landscape import landscape
from tests.flows.examples import as_torch, diagonal, factorisation, two_layer

EXAMPLES = {
    "diagonal, signs": diagonal(0),
    "diagonal": diagonal(1, signs=False),
    "factorisation": factorisation(2),
    "tanh": two_layer(3, "tanh"),
    "softplus": two_layer(4, "softplus"),
    "relu": two_layer(5, "relu"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_the_model_of_autograd(name):
    model, theta = EXAMPLES[name]
    other, rng = as_torch(model, theta), np.random.default_rng(3)
    ours, theirs = model.tangent(theta), other.tangent(theta)
    c, p = rng.standard_normal(len(model.y)), rng.standard_normal(len(theta))
    np.testing.assert_allclose(ours.f, theirs.f, rtol=1e-12)
    np.testing.assert_allclose(ours.gram(), theirs.gram(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.pull_back(c)[0], theirs.pull_back(c)[0], atol=1e-12)
    np.testing.assert_allclose(ours.push(p), theirs.push(p), atol=1e-12)
    assert model.trace(theta) == pytest.approx(other.trace(theta), rel=1e-12)
    np.testing.assert_allclose(
        model.trace_gradient(theta), other.trace_gradient(theta), atol=1e-11
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_trace_is_that_of_the_dense_hessian_at_interpolation(name):
    model, theta = EXAMPLES[name]
    theta = land(model, theta)
    other = as_torch(model, theta)

    def half(at):  # the convention of the room, written out
        return 0.5 * (other.landscape.outputs(at)[:, 0] - other.landscape.y).square()

    hessian = torch.func.hessian(lambda at: half(at).mean())(torch.from_numpy(theta))
    assert model.trace(theta) == pytest.approx(float(hessian.trace()), rel=1e-8)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="z, y: must have as many"):
        check_data("z", np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match=r"y: must be 1-D, not of shape \(2, 1\)"):
        check_data("z", np.ones((2, 3)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="y: all entries must be finite"):
        Diagonal(np.ones((1, 3)), np.array([np.inf]))
    with pytest.raises(ValueError, match="rank = 0: must be at least 1"):
        Factorisation(np.ones((1, 2, 2)), np.ones(1), 0)
    with pytest.raises(ValueError, match="width = 0: must be at least 1"):
        TwoLayer(np.ones((1, 2)), np.ones(1), 0)
    with pytest.raises(ValueError, match="activation = 'sin': must be one of tanh"):
        TwoLayer(np.ones((1, 2)), np.ones(1), 2, "sin")
    module = torch.nn.Linear(2, 3)
    data = torch.ones(4, 2), torch.ones(4, dtype=torch.long)
    with pytest.raises(ValueError, match="has 12 outputs and 4 labels"):
        AnyModel(landscape(module, *data, "cross_entropy"))
