"""Bounds of landscapes, against linear models whose noisy loss has a closed form."""

import math

import pytest
import torch
from scipy.special import ndtr
from torch.distributions import MultivariateNormal, kl_divergence

from flatminima.sharpness.landscape import landscape
from flatminima.theory.pac_bayes.gaussian import (
    best,
    errors,
    losses_of_draws,
    over_sigmas,
    zero_one,
)
from flatminima.theory.pac_bayes.numbers import maurer, sampled
from flatminima.theory.pac_bayes.trained import (
    bound_of,
    diagonal_kl,
    trained_posterior,
)

D, M = 5, 80


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def linear():
    """A linear classifier of separable points, one output, labels of -1 and 1."""
    noise = drawn(0)
    x = torch.randn(M, D, generator=noise, dtype=torch.float64)
    y = torch.where(x[:, 0] + 0.3 * x[:, 1] > 0, 1.0, -1.0).double()
    module = torch.nn.Linear(D, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[2.0, 0.5, 0.1, 0.0, 0.0]]))
    return landscape(module, x, y, "logistic")


def exact_gibbs(land, deviation) -> float:
    scale = torch.as_tensor(deviation, dtype=torch.float64).expand(D)
    margins = land.y * (land.x @ land.theta) / (land.x @ torch.diag(scale)).norm(dim=1)
    return float(ndtr(-margins.numpy()).mean())


def test_zero_one_of_classes_and_of_signs():
    f = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert zero_one(f, torch.tensor([1, 1])).tolist() == [0.0, 1.0]
    signs = torch.tensor([[0.5], [0.0], [-2.0]])
    assert zero_one(signs, torch.tensor([1.0, 1.0, 1.0])).tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("deviation", [0.3, 2.0, [0.1, 1.0, 2.0, 0.0, 3.0]])
def test_draws_have_the_exact_mean(linear, deviation):
    losses = losses_of_draws(errors(linear), _tensor(deviation), 1500, drawn(1))
    error = float(losses.std()) / math.sqrt(len(losses))
    assert abs(float(losses.mean()) - exact_gibbs(linear, deviation)) < 3 * error


def _tensor(deviation):
    return deviation if isinstance(deviation, float) else torch.tensor(deviation)


def test_no_noise_gives_the_loss_itself(linear):
    losses = losses_of_draws(errors(linear), 0.0, 70, drawn(2))
    assert losses.tolist() == [float(errors(linear).loss())] * 70


def test_bounds_are_those_of_their_numbers(linear):
    centre = linear.theta / 2
    sigmas, generator = [0.2, 1.0, 5.0], drawn(3)
    options = {"delta": 0.04, "delta_draws": 0.01, "draws": 200}
    found = over_sigmas(
        errors(linear), sigmas, centre=centre, generator=generator, **options
    )
    again = drawn(3)
    for sigma, each in zip(sigmas, found, strict=True):
        mean = float(losses_of_draws(errors(linear), sigma, 200, again).mean())
        kl = float((linear.theta - centre).norm()) ** 2 / (2 * sigma**2)
        assert each.empirical == mean
        assert each.kl == pytest.approx(kl)
        assured = sampled(mean, 200, 0.01 / 3)
        assert each.value == pytest.approx(maurer(assured, kl, M, 0.04 / 3))
        assert each.value <= each.mcallester
    assert best(found).value == min(each.value for each in found)


def test_a_closer_prior_is_cheaper(linear):
    options = {"delta": 0.04, "delta_draws": 0.01, "draws": 100}
    far = over_sigmas(errors(linear), [0.5], generator=drawn(4), **options)[0]
    near = over_sigmas(
        errors(linear), [0.5], centre=linear.theta, generator=drawn(4), **options
    )[0]
    assert near.kl == 0
    assert near.value < far.value


def test_divergence_equals_that_of_torch():
    noise = drawn(5)
    mean, centre = torch.randn(2, 4, generator=noise, dtype=torch.float64)
    deviation = torch.rand(4, generator=noise, dtype=torch.float64) + 0.1
    posterior = MultivariateNormal(mean, torch.diag(deviation**2))
    prior = MultivariateNormal(centre, 0.7 * torch.eye(4, dtype=torch.float64))
    expected = float(kl_divergence(posterior, prior))
    assert float(diagonal_kl(mean, deviation, centre, 0.7)) == pytest.approx(expected)


def test_training_lowers_the_bound(linear):
    options = {"delta": 0.04, "delta_draws": 0.01, "draws": 1000}
    surrogate = linear
    centre = torch.zeros(D, dtype=torch.float64)
    values = []
    for num_steps in (0, 300):
        posterior = trained_posterior(
            surrogate,
            centre,
            delta=0.04,
            c=1.0,
            num_steps=num_steps,
            lr=0.03,
            generator=drawn(6),
        )
        found = bound_of(posterior, linear, generator=drawn(7), **options)
        values.append(found.value)
        kl = diagonal_kl(
            posterior.mean, posterior.deviation, centre, posterior.prior_variance
        )
        assert found.kl == pytest.approx(float(kl))
        assert posterior.prior_variance == pytest.approx(math.exp(-posterior.j / 100))
        share = 6 / (math.pi * posterior.j) ** 2
        expected = maurer(found.assured, found.kl, M, 0.04 * share)
        assert found.value == pytest.approx(expected)
    assert values[1] < values[0] - 0.05


def test_one_deviation_starts_posterior_and_prior_alike(linear):
    posterior = trained_posterior(
        linear, linear.theta, delta=0.04, num_steps=0, deviation=0.2, generator=drawn(0)
    )
    assert posterior.deviation.tolist() == pytest.approx([0.2] * D)
    assert posterior.prior_variance == pytest.approx(0.04, rel=0.01)
    found = bound_of(
        *(posterior, linear),
        **{"delta": 0.04, "delta_draws": 0.01, "draws": 10, "generator": drawn(0)},
    )
    assert found.kl < 1e-3


def test_prior_variances_are_allowed_delta_in_all():
    shares = [6 / (math.pi * j) ** 2 for j in range(1, 200_000)]
    assert 1 - 1e-5 < sum(shares) < 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"draws": 0}, "draws = 0"),
        ({"sigmas": []}, "sigmas"),
        ({"sigmas": [1.0, 0.0]}, "sigma = 0.0"),
        ({"delta": 0.0}, "delta = 0.0"),
    ],
)
def test_refusals(linear, change, named):
    options = {"sigmas": [1.0], "delta": 0.1, "delta_draws": 0.1, "draws": 10}
    options |= change
    with pytest.raises(ValueError, match=named):
        over_sigmas(errors(linear), generator=drawn(8), **options)


def test_an_unbounded_loss_is_refused(linear):
    far = linear.at(linear.theta * 100)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        losses_of_draws(far, 10.0, 10, drawn(9))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"b": 0.0}, "b = 0.0"),
        ({"c": -1.0}, "c = -1.0"),
        ({"lr": 0.0}, "lr = 0.0"),
        ({"delta": 1.0}, "delta = 1.0"),
        ({"num_steps": -1}, "num_steps = -1"),
        ({"deviation": 0.0}, "deviation = 0.0"),
    ],
)
def test_training_refusals(linear, change, named):
    options = {"delta": 0.1} | change
    with pytest.raises(ValueError, match=named):
        trained_posterior(
            linear, torch.zeros(D, dtype=torch.float64), generator=drawn(0), **options
        )


def test_a_centre_of_another_size_is_refused(linear):
    with pytest.raises(ValueError, match="centre"):
        trained_posterior(
            linear,
            torch.zeros(D + 1, dtype=torch.float64),
            delta=0.1,
            generator=drawn(0),
        )


def test_divergence_stops_with_the_step(linear):
    with pytest.raises(ArithmeticError, match=r"step \d+, lr = 1e"):
        trained_posterior(
            linear,
            torch.zeros(D, dtype=torch.float64),
            delta=0.1,
            lr=1e30,
            num_steps=5,
            generator=drawn(0),
        )


def test_deviations_start_at_their_weights_and_the_prior_at_minus_six(linear):
    found = trained_posterior(
        linear, linear.theta, delta=0.04, num_steps=0, generator=drawn(0)
    )
    # weights of size 0 start at a thousandth
    assert found.deviation.tolist() == pytest.approx([2.0, 0.5, 0.1, 1e-3, 1e-3])
    assert math.log(found.prior_variance) == pytest.approx(-6, abs=0.5 / 100)
    assert found.prior_variance == pytest.approx(0.1 * math.exp(-found.j / 100))
    assert torch.equal(found.mean, linear.theta)


@pytest.mark.parametrize(("b", "c"), [(100.0, 0.1), (7.0, 0.5)])
def test_the_grid_of_prior_variances(linear, b, c):
    """ln lambda is a whole number of 1 / b below ln c: -6, or the first if above."""
    start = {"delta": 0.04, "num_steps": 0, "generator": drawn(0), "b": b, "c": c}
    found = trained_posterior(linear, linear.theta, **start)
    assert found.j == round(b * (math.log(c) + 6))
    first = trained_posterior(linear, linear.theta, deviation=10.0, **start)
    assert first.j == 1
    assert first.prior_variance == pytest.approx(c * math.exp(-1 / b))


def test_a_step_of_adam_is_a_hundredth_unless_told(linear):
    one = {"delta": 0.04, "num_steps": 1}
    found = trained_posterior(linear, linear.theta, generator=drawn(0), **one)
    moved = (found.mean - linear.theta).abs()
    assert moved.tolist() == pytest.approx([0.01] * D, rel=1e-3)
    told = trained_posterior(linear, linear.theta, generator=drawn(0), lr=0.01, **one)
    assert torch.equal(found.mean, told.mean)
    assert torch.equal(found.deviation, told.deviation)


@pytest.mark.parametrize("draws", [1, 64, 65, 130])
def test_there_are_as_many_losses_as_draws(linear, draws):
    losses = losses_of_draws(errors(linear), 1.0, draws, drawn(1))
    assert losses.shape == (draws,)
    assert len(set(losses.tolist())) > 1 or draws == 1


@pytest.mark.parametrize("deviation", [-1.0, math.nan, math.inf])
def test_a_deviation_is_finite_and_at_least_0(linear, deviation):
    with pytest.raises(ValueError, match="deviation: must be finite and at least 0"):
        losses_of_draws(errors(linear), deviation, 10, drawn(1))


def test_the_bound_tells_what_went_into_it(linear):
    (found,) = over_sigmas(
        errors(linear), [0.5], delta=0.1, delta_draws=0.1, draws=7, generator=drawn(1)
    )
    assert (found.sigma, found.draws, found.m) == (0.5, 7, M)
    # the prior is at 0 unless told
    assert found.kl == pytest.approx(float(linear.theta @ linear.theta) / 0.5)
