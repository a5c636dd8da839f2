"""The certified bounds of `models` are lower bounds, example by example.

On random parameters, not on those of the constructions. The bound's own term is
taken at the network's output: ||grad f_i||^2 >= term(f_i), from which the bound on
the trace at interpolation follows by summing. The gradient is autograd's.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flatminima.models.base import load
from tests.reference import Net
from tests.theory.dense import dense_trace
from tests.theory.examples import seeds


def random_net(architecture, rng, eps):
    """Parameters and inputs over several orders of magnitude."""
    d, width, n = rng.integers(1, 6), rng.integers(1, 8), rng.integers(1, 5)
    x = rng.normal(size=(n, d)) * 10 ** rng.uniform(-1, 1)
    w = rng.normal(size=(d + (architecture != "no_bias"), width))
    w *= 10 ** rng.uniform(-3, 1) * (eps if architecture == "sim_ln" else 1)
    v = rng.normal(size=width) * 10 ** rng.uniform(-2, 1)
    return w, v, x


def outputs_and_gradients(architecture, w, v, x, eps):
    """f_i and ||grad f_i||^2 by autograd on the plain PyTorch net, and ||h_i||."""
    net = Net(architecture, x.shape[1], len(v), eps).set(w, v)
    f, squares = [], []
    for row in torch.as_tensor(x):
        out = net(row[None])[0]
        grads = torch.autograd.grad(out, list(net.parameters()))
        f.append(out.item())
        squares.append(sum(float((g**2).sum()) for g in grads))
    hidden = torch.relu(net.first(torch.as_tensor(x))).detach().numpy()
    return np.array(f), np.array(squares), np.linalg.norm(hidden, axis=1)


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
@given(seed=seeds, eps=st.sampled_from([1e-4, 1e-1, 3.0]))
def test_every_examples_term_is_below_its_gradient(architecture, seed, eps):
    module = load(architecture)
    model = module.Model(eps=eps) if architecture == "sim_ln" else module.Model()
    w, v, x = random_net(architecture, np.random.default_rng(seed), eps)
    f, squares, _ = outputs_and_gradients(architecture, w, v, x, eps)
    input_sq = np.sum(module.inputs(model, x) ** 2, axis=1)
    for i in range(len(x)):
        term = module.lower_bound(model, input_sq[i : i + 1], f[i : i + 1])
        assert 2 * squares[i] >= term * (1 - 1e-12)
    whole = module.lower_bound(model, input_sq, f)
    assert 2 * np.mean(squares) >= whole * (1 - 1e-12)


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
@given(seed=seeds, eps=st.sampled_from([1e-2, 3.0]))
def test_the_dense_trace_of_an_interpolator_is_above_the_bound(architecture, seed, eps):
    """Any network interpolates its own outputs."""
    module = load(architecture)
    model = module.Model(eps=eps) if architecture == "sim_ln" else module.Model()
    w, v, x = random_net(architecture, np.random.default_rng(seed), eps)
    y, _, _ = outputs_and_gradients(architecture, w, v, x, eps)
    input_sq = np.sum(module.inputs(model, x) ** 2, axis=1)
    trace = dense_trace(architecture, w, v, x, y, eps)
    assert trace >= module.lower_bound(model, input_sq, y) * (1 - 1e-10)


def test_random_nets_meet_both_regimes_of_sim_ln():
    """Above and below the floor, and with either side of the minimum the smaller."""
    seen = set()
    for seed in range(50):
        w, v, x = random_net("sim_ln", np.random.default_rng(seed), 0.1)
        f, _, norms = outputs_and_gradients("sim_ln", w, v, x, 0.1)
        term = 2 / 0.1 * np.sqrt(np.sum(x**2, axis=1) + 1) * np.abs(f)
        alive = norms > 0
        seen |= set(zip(norms[alive] > 0.1, term[alive] > 1, strict=True))
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


def test_the_terms_by_hand():
    one, two = np.array([25.0]), np.array([-2.0])
    assert load("no_bias").lower_bound(load("no_bias").Model(), one, two) == 40
    assert load("bias").lower_bound(load("bias").Model(), one, two) == 40
    sim_ln = load("sim_ln")
    assert sim_ln.lower_bound(sim_ln.Model(eps=1.0), one, two) == 2
    assert sim_ln.lower_bound(sim_ln.Model(eps=40.0), one, two) == 1
