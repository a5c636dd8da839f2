"""The Gauss-Newton diagonal against dense Hessians."""

import pytest
import torch
from hypothesis import given, settings

from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.landscape import landscape
from tests.sharpness.homogeneous import cases, convolutional


@settings(max_examples=30, deadline=None)
@given(cases())
def test_of_a_relu_net_it_is_the_hessians(case):
    """With batch norm too: in evaluation mode outputs are linear in each factor."""
    at = case.at
    dense = torch.func.hessian(at.loss)(at.theta).diagonal()
    torch.testing.assert_close(gauss_newton_diagonal(at), dense, rtol=1e-8, atol=1e-10)


def test_of_a_convolutional_net():
    at = convolutional(0).at
    dense = torch.func.hessian(at.loss)(at.theta).diagonal()
    torch.testing.assert_close(gauss_newton_diagonal(at), dense, rtol=1e-8, atol=1e-10)


def test_of_a_smooth_net_it_is_that_of_the_linearised_one():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    )
    x, y = torch.randn(7, 3).double(), torch.randint(2, (7,))
    at = landscape(net, x, y, "cross_entropy")
    jacobian = torch.func.jacrev(at.outputs)(at.theta)
    f = at.outputs()

    def linearised(theta):
        return at.criterion(f + jacobian @ (theta - at.theta), at.y).mean()

    dense = torch.func.hessian(linearised)(at.theta).diagonal()
    torch.testing.assert_close(gauss_newton_diagonal(at), dense, rtol=1e-8, atol=1e-10)
    own = torch.func.hessian(at.loss)(at.theta).diagonal()
    assert not torch.allclose(own, dense, rtol=1e-3)


def test_in_parts_it_is_the_same():
    at = convolutional(0).at
    whole, parts = (gauss_newton_diagonal(at, examples=k) for k in (10, 3))
    torch.testing.assert_close(whole, parts)
    with pytest.raises(ValueError, match="examples = 0"):
        gauss_newton_diagonal(at, examples=0)
