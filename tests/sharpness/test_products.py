"""Products with the Hessian and the Gauss-Newton matrix."""

from dataclasses import replace
from functools import partial

import curvlinops
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flatminima.sharpness.landscape import landscape, surface
from flatminima.sharpness.products import (
    Products,
    gauss_newton,
    hessian,
    output_factor,
    output_hessian,
)
from tests.sharpness.nets import (
    LOSSES,
    data,
    dense_gauss_newton,
    dense_hessian,
    fill,
    makers,
    mlp,
    quartic,
    thirty,
)

BOTH = {
    "hessian": (hessian, dense_hessian),
    "gauss": (gauss_newton, dense_gauss_newton),
}


@pytest.mark.parametrize("name", BOTH)
@given(
    make=makers(), examples=st.sampled_from([None, 3]), at_once=st.sampled_from([7, 64])
)
@thirty
def test_columns_are_those_of_dense_autograd(name, make, examples, at_once):
    at = make()
    ours, dense = BOTH[name]
    operator = ours(at, examples=examples, at_once=at_once)
    expected = dense(at)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(
        operator @ np.eye(at.size), expected, rtol=0, atol=1e-8 * scale
    )
    assert operator.count == at.size


@pytest.mark.parametrize("loss", LOSSES)
def test_closed_forms_of_linear_models(loss):
    g = torch.Generator().manual_seed(3)
    k = 1 if loss == "logistic" else 3
    module = torch.nn.Linear(4, k, bias=False)
    fill(module, g)
    x, y = data(loss, 6, 4, k, g)
    at = landscape(module, x, y, loss)
    f = at.outputs()
    if loss == "squared":
        blocks = [2 * torch.eye(k) for _ in x]
    elif loss == "logistic":
        blocks = [torch.sigmoid(row) * torch.sigmoid(-row) * torch.eye(1) for row in f]
    else:
        blocks = [
            row.softmax(0).diag() - row.softmax(0).outer(row.softmax(0)) for row in f
        ]
    expected = sum(
        torch.kron(block.double(), row.outer(row))
        for block, row in zip(blocks, x, strict=True)
    )
    for operator in (hessian(at), gauss_newton(at)):
        np.testing.assert_allclose(
            operator @ np.eye(at.size), expected.numpy() / 6, atol=1e-14
        )


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_equals_curvlinops(loss):
    at = mlp(5, loss=loss, n=6, widths=(4, 3))
    module = torch.nn.Sequential(
        *[torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3)],
        *[torch.nn.Tanh(), torch.nn.Linear(3, 2)],
    ).double()
    torch.nn.utils.vector_to_parameters(at.theta, module.parameters())
    theirs = {"squared": torch.nn.MSELoss, "cross_entropy": torch.nn.CrossEntropyLoss}
    # theirs divides by the number of outputs, too, where it takes the mean
    scale = 2 if loss == "squared" else 1
    params = [p for p in module.parameters() if p.requires_grad]
    make = partial(
        dict,
        model_func=module,
        loss_func=theirs[loss](),
        params=params,
        data=[(at.x, at.y)],
    )
    eye = torch.eye(at.size, dtype=torch.float64)
    for ours, other in (
        (hessian(at), curvlinops.HessianLinearOperator(**make())),
        (gauss_newton(at), curvlinops.GGNLinearOperator(**make())),
    ):
        expected = scale * (other @ eye).numpy()
        np.testing.assert_allclose(ours @ np.eye(at.size), expected, atol=1e-12)


@given(make=makers(losses=("squared",)))
@thirty
def test_gauss_newton_is_the_hessian_where_the_loss_is_interpolated(make):
    at = make()
    fitted = replace(at, y=at.outputs().detach())
    assert float(fitted.loss()) == 0
    eye = np.eye(at.size)
    np.testing.assert_allclose(
        hessian(fitted) @ eye, gauss_newton(fitted) @ eye, atol=1e-9
    )


@pytest.mark.parametrize("loss", [*LOSSES, quartic])
def test_factors_give_the_hessian_over_outputs(loss):
    at = mlp(1, loss=loss, n=8, outputs=3)
    f = at.outputs()
    factor, signs = output_factor(at.criterion, f, at.y)
    product = (factor * signs[:, None, :]) @ factor.mT
    torch.testing.assert_close(product, output_hessian(at.criterion, f, at.y))
    assert (signs < 0).any() == (loss is quartic)


def test_rounding_gives_a_flat_direction_no_negative_sign():
    def flat(f, y):
        return f.sum(dim=1) ** 2  # of rank one

    at = mlp(1, loss=flat, n=20, outputs=5)
    factor, signs = output_factor(flat, at.outputs(), at.y)
    assert (signs >= 0).all()
    torch.testing.assert_close(factor @ factor.mT, torch.full_like(factor, 2.0))


def test_confident_predictions_keep_their_factor_finite():
    f = torch.tensor([[800.0, 0.0, -800.0]], dtype=torch.float64)
    at = mlp(0, loss="cross_entropy")
    factor, _ = output_factor(at.criterion, f, torch.tensor([0]))
    assert torch.isfinite(factor).all()


def test_parts_of_the_data_need_examples_that_are_apart():
    """Batch norm over the batch mixes them, so parts would give another matrix."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4, track_running_stats=False)
    )
    at = landscape(net, torch.randn(6, 3), torch.ones(6, 4), "squared")
    hessian(at)
    for examples in (1, 2, 5):
        for kind in (hessian, gauss_newton):
            with pytest.raises(ValueError, match="depends on other examples"):
                kind(at, examples=examples)


def test_a_function_without_curvature_has_products_of_zero():
    at = surface(lambda theta: 3 * theta.sum(), torch.ones(4))
    for operator in (hessian(at), gauss_newton(at)):
        assert not (operator @ np.ones(4)).any()


def test_a_vector_keeps_its_shape():
    at = mlp(0)
    operator = hessian(at)
    vector = np.ones(at.size)
    assert (operator @ vector).shape == (at.size,)
    assert (operator @ vector[:, None]).shape == (at.size, 1)
    assert np.array_equal(operator.T @ vector, operator @ vector)


@pytest.mark.parametrize("ours", [hessian, gauss_newton])
@pytest.mark.parametrize("what", ["examples", "at_once"])
def test_sizes_below_one_are_refused(ours, what):
    with pytest.raises(
        ValueError, match=f"{what} = 0: must be an integer of at least 1"
    ):
        ours(mlp(0), **{what: 0})


@pytest.mark.parametrize("ours", [hessian, gauss_newton])
def test_a_pass_takes_64_vectors_unless_told(ours):
    assert ours(mlp(0)).at_once == 64
    assert ours(mlp(0), at_once=5).at_once == 5


def test_a_pass_takes_no_more_vectors_than_told():
    seen = []

    def rows(vectors):
        seen.append(len(vectors))
        return 2 * vectors

    operator = Products(7, rows, at_once=3)
    np.testing.assert_array_equal(operator @ np.eye(7), 2 * np.eye(7))
    assert seen == [3, 3, 1]
    assert operator.count == 7
