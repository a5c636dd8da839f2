"""The count of minimum sharpness compares like with like."""

import numpy as np
import pytest
import torch
from benchmarks import minimum

from flatminima.sharpness.minimum import Shares, shares

SIZES = (3, 5, 4, 2)


def test_row():
    found = minimum.row(SIZES, n=24, batches=2, epochs=300)
    assert found["ours"] == pytest.approx(7 / 3)
    assert found["ratio"] == pytest.approx(300 / found["ours"])
    assert 0 <= found["difference"] < 1e-2
    assert found["evaluations"] < 20
    assert found["seconds"] > 0
    shorter = found["newton_seconds"]
    assert found["given_shares"] == pytest.approx(found["descent_seconds"] / shorter)


def test_ten_thousand_epochs_are_a_hundred_times_newtons_steps():
    """Even where the shares are known, so that no epoch has to pass over the data.

    Steps are counted. How long they take is for `make bench`.
    """
    found = minimum.row(SIZES, n=24, batches=1)
    assert found["peer"] == minimum.EPOCHS
    assert found["peer"] / found["evaluations"] > 100


def test_the_batches_make_up_the_whole():
    """Mean shares over equal batches are those of all examples."""
    module, x, y, loss = minimum.network(0, SIZES, 24)
    whole = shares(module, x, y, loss)
    parts = [shares(module, x[a : a + 12], y[a : a + 12], loss) for a in (0, 12)]
    for name in ("weights", "biases"):
        mean = np.mean([getattr(part, name) for part in parts], axis=0)
        np.testing.assert_allclose(mean, getattr(whole, name), rtol=1e-10)


def test_the_peers_step_is_a_gradient_step():
    part = Shares(np.array([2.0, 3.0, 5.0]), np.array([1.0, 4.0, 7.0]))
    alphas = torch.ones(2, dtype=torch.float64, requires_grad=True)
    every = torch.cat([alphas, 1 / alphas.prod()[None]])
    w, b = torch.tensor(part.weights), torch.tensor(part.biases)
    (w / every**2 + b / every.cumprod(0) ** 2).sum().backward()
    found = minimum.descend([part], 1, 0.01, np.random.default_rng(0))
    expected = alphas.detach() - 0.01 * alphas.grad
    np.testing.assert_allclose(found[:-1], expected.numpy(), rtol=1e-12)
    assert np.prod(found) == pytest.approx(1)


def test_a_descent_that_diverges_says_so():
    part = Shares(np.array([2.0, 3.0]), np.zeros(2))
    assert minimum.descend([part], 50, 1e3, np.random.default_rng(0)) is None
