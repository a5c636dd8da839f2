"""Minima are minima, and thresholds there are where theory puts them."""

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.studies.stability import models, runs
from flatminima.studies.stability.perceptrons import outputs
from flatminima.theory.stability.gradient_descent import METHODS

SEEDS = [11, 12, 13]


@pytest.fixture(scope="module")
def all_models() -> list[models.Instances]:
    return models.all_models(SEEDS)


def test_gradients_against_autograd(all_models):
    for model in all_models:
        at = model.minima + 0.1
        slope = torch.func.vmap(torch.func.grad(model.loss))(at, model.x, model.y)
        two = torch.stack([model.minima, at], dim=1)
        found = model.gradient(two)
        torch.testing.assert_close(found[:, 1], slope, rtol=1e-9, atol=1e-10)
        assert found[:, 0].norm(dim=1).max() < 1e-11, model.name


def test_hessians_have_no_negative_eigenvalue(all_models):
    for model in all_models:
        values = torch.linalg.eigvalsh(model.hessians())
        assert (values[:, 0] > -1e-9 * values[:, -1]).all(), model.name
        assert torch.equal(values[:, -1], model.lambda_max())


def test_thresholds(all_models):
    found = runs.gd_thresholds(all_models, SEEDS, momentum=0.5, steps=500)
    assert len(found) == len(METHODS) * len(all_models) * len(SEEDS)
    assert runs.errors(found["ratio"]).max() < 0.02


def test_no_start_stays_beyond_the_threshold(all_models):
    assert runs.staying(all_models, SEEDS, 2.1, 400).max() == 0
    assert runs.staying(all_models, SEEDS, 1.9, 400).min() == 1


def test_distances_grow_beyond_the_threshold_only(all_models):
    found = runs.distances(all_models[1], SEEDS[0], [0.8, 1.1], 100)
    assert found[0.8].iloc[-1] <= found[0.8].iloc[0]
    assert found[1.1].iloc[-1] > 100 * found[1.1].iloc[0]


def test_input_slopes_are_bounded(all_models):
    for model in all_models[1:3]:
        shape, theta, x = model.shape, model.minima[0], model.x[0]
        slopes = torch.func.vmap(
            torch.func.grad(lambda one, t=theta, s=shape: outputs(s, t, one[None])[0])
        )(x)
        d, width = shape.sizes[:2]
        first = theta[: d * width].reshape(d, width).numpy()
        trace = torch.trace(model.hessians()[0])
        bound = np.linalg.norm(first, 2) ** 2 * trace / (2 * (x**2).sum(1).min())
        assert (slopes**2).sum(1).mean() <= bound
        assert runs.input_slopes(model).max() == 0


def test_refuses_what_is_no_network(all_models):
    with pytest.raises(ValueError, match="networks = 'quadratic'"):
        runs.input_slopes(all_models[0])
    with pytest.raises(ValueError, match="activation = 'sine'"):
        models.networks("sine", SEEDS)


def test_estimates():
    values = pd.Series([1.0, 2.0, 3.0, np.nan, np.inf])
    (mean, low, high), count = runs.estimate(values)
    assert (mean, count) == (2.0, 3) and low < 2 < high
    (nothing, _, _), none = runs.estimate(pd.Series([np.nan]))
    assert np.isnan(nothing) and none == 0
