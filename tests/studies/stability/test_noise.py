"""SGD on linear models and networks: predictions, paths and expectations."""

import numpy as np
import pytest
import torch

from flatminima.studies.stability import models, noise, perceptrons
from flatminima.theory.stability import mean_square


@pytest.fixture(scope="module")
def networks() -> models.Instances:
    return models.networks("tanh", [21, 22])


def test_linear_thresholds():
    found = noise.linear_thresholds([30, 31], number_of_paths=300, steps=80)
    assert (found["ratio"] - 1).abs().max() < 0.05
    assert (found["sufficient"] <= found["exact"]).all()
    assert (found["exact"] <= found[noise.GD]).all()


def test_inputs_are_those_of_their_seed():
    sizes = {noise.inputs(seed)[0].shape for seed in range(20)}
    assert len(sizes) > 10
    assert {noise.inputs(seed)[1] for seed in range(1, 20, 2)} == {1}
    for seed in range(20):
        x, batch = noise.inputs(seed)
        assert 1 <= batch <= len(x) // 2


def test_hessians_of_examples_sum_to_that_of_the_network(networks):
    minimum = noise.of_network(networks, 1)
    full = minimum.basis * minimum.eigenvalues @ minimum.basis.T
    np.testing.assert_allclose(full, networks.hessians()[1], atol=1e-6 * full.max())


def test_a_step_is_that_of_a_batch(networks):
    sgd = noise.process(networks, 0, 2)
    z = 0.1 * np.random.default_rng(0).standard_normal((4, sgd.dim))
    moved = sgd.step(z, 0.05, np.random.default_rng(1))
    chosen = noise.paths.batches(np.random.default_rng(1), 4, 8, 2).astype(bool)
    shape, x, y = networks.shape, networks.x[0], networks.y[0]
    for row in range(4):
        x_b, y_b = x[chosen[row]], y[chosen[row]]

        def loss(t: torch.Tensor, x_b=x_b, y_b=y_b) -> torch.Tensor:
            return ((perceptrons.outputs(shape, t, x_b) - y_b) ** 2).mean()

        at = networks.minima[0] + torch.tensor(z[row])
        expected = z[row] - 0.05 * torch.func.grad(loss)(at).numpy()
        np.testing.assert_allclose(moved[row], expected, atol=1e-12)


def test_network_thresholds(networks):
    found = noise.network_thresholds(
        networks, [21], batches=(1, 3), number_of_paths=300, steps=80
    )
    assert found["batch"].tolist() == [1, 3]
    assert (found["ratio"] - 1).abs().max() < 0.05
    assert noise.wu_share(networks, 0, 1) < 1


def test_expected_loss_is_the_mean_of_paths():
    x = noise.inputs(4)[0]
    lr = 0.6 * noise.exact_threshold(x, 1)
    expected = noise.expected_loss(x, lr, 1, 4)
    losses = noise.free_paths(x, lr, 1, 4, 20000, 0)
    error = losses.std(axis=1) / np.sqrt(losses.shape[1])
    assert np.all(np.abs(losses.mean(axis=1) - expected) < 4 * error)


def test_curves_cross_at_the_threshold():
    x = noise.inputs(5)[0]
    found = noise.growth_curves(x, 1, [0.9, 1.1], number_of_paths=300, steps=80, seed=0)
    assert found["exact"].iloc[0] < 0 < found["exact"].iloc[1]
    np.testing.assert_allclose(found["measured"], found["exact"], atol=0.03)
    assert (found["typical"] < found["exact"]).all()
    assert noise.marks(x, 1)["Wu et al."] < 1 < noise.marks(x, 1)["GD"]


def test_expectation_is_carried_by_rare_paths():
    found = noise.shrinking_share([3], 1.02, steps=500, number_of_paths=100)
    assert found["shrinking"][0] > 0.9 and found["expected_growth"][0] > 0
    assert found["log_mean_over_expected"][0] < 0 < found["typical_decay"][0]
    assert noise.gd_over_sgd([3])[0] > 0


def test_paths_leave_beyond_the_threshold_only(networks):
    found = noise.escapes(
        networks, 0, 1, [0.5, 2.5], steps=200, number_of_paths=30, seed=0
    )
    assert found["escaped"].tolist() == [0, 1]


def test_refuses_what_is_no_network():
    with pytest.raises(ValueError, match="networks = 'quadratic'"):
        noise.of_network(models.quadratics([0]), 0)


def test_exact_threshold_is_that_of_the_operator():
    x = noise.inputs(6)[0]
    minimum = mean_square.from_factors(x[:, None, :])
    assert noise.exact_threshold(x, 2) == mean_square.threshold(minimum, 2)
