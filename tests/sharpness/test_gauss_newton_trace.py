"""Trace of the Gauss-Newton matrix by backward passes over outputs."""

from dataclasses import replace

import curvlinops
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flatminima.sharpness import gauss_newton_trace
from flatminima.sharpness.landscape import landscape, squared
from tests.sharpness.nets import (
    LOSSES,
    dense_gauss_newton,
    dense_hessian,
    knotted,
    makers,
    mlp,
    quartic,
    sums,
    thirty,
    within_binomial,
)

REPEATS = 200


def values(traces):
    return {name: each.value for name, each in traces.layers.items()}


@given(make=makers(), examples=st.sampled_from([1, 2, 100]))
@thirty
def test_equals_dense_autograd_by_parameter(make, examples):
    at = make()
    dense = dense_gauss_newton(at)
    found = gauss_newton_trace.exact(at, examples=examples)
    scale = max(1.0, np.abs(dense).max())
    expected = sums(at, dense.diagonal().copy())
    assert values(found) == pytest.approx(expected, rel=1e-8, abs=1e-8 * scale)
    assert found.whole.value == pytest.approx(np.trace(dense), abs=1e-8 * scale)
    assert found.whole.standard_error == 0


@given(make=makers(losses=LOSSES, activations=("relu",)))
@thirty
def test_is_the_trace_of_the_hessian_of_a_relu_network(make):
    at = make()
    if "conv.weight" in dict(at.shapes):
        return  # its other activations are smooth
    found = gauss_newton_trace.exact(at).whole.value
    assert found == pytest.approx(np.trace(dense_hessian(at)), rel=1e-8, abs=1e-10)


def test_is_not_that_of_the_hessian_of_a_tanh_network_that_does_not_fit():
    at = mlp(1)
    found = gauss_newton_trace.exact(at).whole.value
    assert abs(found - np.trace(dense_hessian(at))) > 0.1


def test_equals_curvlinops_by_layer():
    at = mlp(2, loss="cross_entropy", n=9, widths=(5,), outputs=3)
    layers = [torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)]
    module = torch.nn.Sequential(*layers).double()
    torch.nn.utils.vector_to_parameters(at.theta, module.parameters())
    operator = curvlinops.GGNLinearOperator(
        module,
        torch.nn.CrossEntropyLoss(),
        list(module.parameters()),
        [(at.x, at.y)],
    )
    dense = (operator @ torch.eye(at.size, dtype=torch.float64)).numpy()
    expected = sums(at, dense.diagonal().copy())
    assert values(gauss_newton_trace.exact(at)) == pytest.approx(expected, rel=1e-9)


def test_tokens_and_pixels():
    """Layers with several positions, by either way of summing them."""
    g = torch.Generator().manual_seed(0)
    for inside in (2, 9):

        class Net(torch.nn.Module):
            def __init__(self, inside=inside):
                super().__init__()
                self.a = torch.nn.Linear(inside, inside)
                self.b = torch.nn.Conv2d(1, 2, (1, 2), stride=(1, 2), padding=(0, 1))

            def forward(self, x):
                return self.b(torch.tanh(self.a(x))[:, None]).flatten(2).sum(dim=2)

        x = torch.randn(3, 4, inside, generator=g)
        at = landscape(Net(), x, torch.randint(2, (3,), generator=g), "cross_entropy")
        expected = sums(at, dense_gauss_newton(at).diagonal().copy())
        assert values(gauss_newton_trace.exact(at)) == pytest.approx(expected)


@pytest.fixture(scope="module")
def net():
    at = mlp(6, loss="cross_entropy", n=40, d=4, widths=(6,), outputs=5)
    at = at.at(at.theta / 2)  # of confident outputs, few examples would make the trace
    return at, gauss_newton_trace.exact(at)


@pytest.mark.parametrize("probes", [1, 2, 5])
def test_estimates_lie_within_three_standard_errors(net, probes):
    at, exact = net
    found = gauss_newton_trace.estimate(at, probes=probes, seed=1)
    for name, each in [*found.layers.items(), ("", found.whole)]:
        expected = (exact.layers[name] if name else exact.whole).value
        assert abs(each.value - expected) < 3 * each.standard_error
        assert each.draws == 40 * probes


@pytest.fixture(scope="module")
def repeats(net):
    at, _ = net
    return [gauss_newton_trace.estimate(at, seed=seed) for seed in range(REPEATS)]


@pytest.mark.parametrize("name", ["0.weight", "2.weight", "2.bias", "whole"])
def test_error_bars_cover_as_often_as_they_say(net, repeats, name):
    def part(traces):
        return traces.whole if name == "whole" else traces.layers[name]

    expected = part(net[1]).value
    errors = np.array([part(each).value - expected for each in repeats])
    bars = np.array([part(each).standard_error for each in repeats])
    # of Student's t with 40 degrees of freedom, 94.8 % lie within 2
    assert within_binomial(int((np.abs(errors) < 2 * bars).sum()), REPEATS, 0.948)
    assert (errors**2).mean() == pytest.approx((bars**2).mean(), rel=0.3)


def test_the_error_bar_of_one_probe_is_not_too_small(net):
    at, exact = net
    found = [
        gauss_newton_trace.estimate(at, probes=1, seed=seed).whole
        for seed in range(REPEATS)
    ]
    errors = np.array([each.value - exact.whole.value for each in found])
    bars = np.array([each.standard_error for each in found])
    assert (errors**2).mean() < (bars**2).mean() * 1.1


def test_one_output_leaves_nothing_to_chance():
    at = mlp(3, loss="logistic", n=6)
    found = gauss_newton_trace.estimate(at).whole
    assert found.value == pytest.approx(gauss_newton_trace.exact(at).whole.value)
    assert found.standard_error < 1e-12


def test_the_whole_is_the_sum_and_its_error_is_not(net, repeats):
    one = repeats[0]
    assert one.whole.value == pytest.approx(sum(values(one).values()))
    alone = sum(each.standard_error**2 for each in one.layers.values()) ** 0.5
    assert one.whole.standard_error > alone * 1.1  # its layers share their probes


@given(seed=st.integers(0, 10**6), c=st.floats(0.1, 10))
@thirty
def test_scales_with_the_loss_and_adds_over_examples(seed, c):
    at = mlp(seed, n=6, activation="relu")
    scaled = replace(at, criterion=lambda f, y: c * squared(f, y))
    whole = gauss_newton_trace.exact(at).whole.value
    assert gauss_newton_trace.exact(scaled).whole.value == pytest.approx(c * whole)
    halves = [at.subset(slice(0, 2)), at.subset(slice(2, 6))]
    parts = [gauss_newton_trace.exact(h).whole.value * h.n / 6 for h in halves]
    assert sum(parts) == pytest.approx(whole)


def test_a_network_with_knots_is_no_exception():
    at = knotted(0)
    exact = gauss_newton_trace.exact(at)
    found = gauss_newton_trace.estimate(at, probes=40, examples=3)
    for name, each in found.layers.items():
        gap = abs(each.value - exact.layers[name].value)
        assert gap < 3 * each.standard_error + 1e-12
    assert exact.layers["idle"].value == 0


@pytest.mark.parametrize(
    ("at", "arguments", "message"),
    [
        (mlp(0), {"probes": 0}, "probes = 0: must be an integer of at least 1"),
        (mlp(0, n=1), {"probes": 1}, "probes = 1: must be an integer of at least 2"),
        (mlp(0), {"examples": 0}, "examples = 0: must be an integer of at least 1"),
        (mlp(0, loss=quartic), {}, "not convex in the outputs"),
    ],
)
def test_what_cannot_be_is_refused(at, arguments, message):
    with pytest.raises(ValueError, match=message):
        gauss_newton_trace.estimate(at, **arguments)


def test_two_probes_an_example_from_seed_0_unless_told(net):
    at, _ = net
    found = gauss_newton_trace.estimate(at)
    assert found.whole.draws == 2 * at.n
    assert found == gauss_newton_trace.estimate(at, probes=2, seed=0)


def test_the_exact_trace_has_no_draws(net):
    assert net[1].whole.draws == 0
    assert all(each.draws == 0 for each in net[1].layers.values())
