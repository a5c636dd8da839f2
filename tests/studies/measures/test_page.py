"""All measures of one network, and what changes them."""

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.data.streams import generator
from flatminima.sharpness.density import density
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.products import hessian
from flatminima.studies.measures import invariance, page, plots, rates, runs, toy

SIZES = page.Sizes(pairs=50)
SAME_FUNCTION = list(invariance.CHANGES)[:6]


@pytest.fixture(scope="module")
def compared():
    return invariance.compare(range(2), SIZES)


@pytest.mark.parametrize("change", SAME_FUNCTION)
def test_the_function_stays(change):
    at = runs.random_net(2)
    other = invariance.CHANGES[change](at, generator(0, "test"))
    f = other.outputs()[: at.n]
    torch.testing.assert_close(f, at.outputs(), rtol=1e-12, atol=1e-12)
    assert not torch.equal(other.theta, at.theta) or other.n > at.n


@pytest.mark.parametrize("change", ["bent far away", "origin moved"])
def test_value_gradient_and_hessian_stay(change):
    at = runs.random_net(2)
    other = invariance.CHANGES[change](at, generator(0, "test"))
    assert float(other.loss()) == pytest.approx(float(at.loss()), abs=1e-12)
    torch.testing.assert_close(other.gradient(), at.gradient(), atol=1e-9, rtol=0)
    eye = np.eye(at.size)
    np.testing.assert_allclose(hessian(other) @ eye, hessian(at) @ eye, atol=1e-9)


def test_the_loss_alone_changes_with_its_scale_and_level():
    at = runs.random_net(2)
    theta = at.theta + 0.1
    rng = generator(0, "test")
    scaled, raised = invariance.multiply_loss(at, rng), invariance.raise_loss(at, rng)
    loss = float(at.loss(theta))
    assert float(scaled.loss(theta)) == pytest.approx(invariance.FACTOR * loss)
    assert float(raised.loss(theta)) == pytest.approx(1 + loss)


def test_cells_that_theory_knows(compared):
    table = invariance.table(compared)
    assert table.loc["trace", "loss × 10"] == "× 10"
    assert table.loc["normalised sharpness", "loss × 10"] == "× 3.16"
    assert table.loc["box sharpness", "loss + 1"] == "× 0.5"
    assert (table["units permuted"] == "✓").all()
    assert (table.loc["adaptive sharpness", ["layers rescaled"]] == "✓").all()
    assert table.loc["minimum sharpness", "layers rescaled"] == "✓"
    assert table.loc["minimum sharpness", "units rescaled"] != "✓"
    assert table.loc["minimum over units", "units rescaled"] == "✓"
    assert table.loc["trace", "inputs rotated"] == "✓"
    assert table.loc["bits", "inputs rotated"] != "✓"


def comparison(before, after, error=0.0):
    values = np.asarray(before, float), np.asarray(after, float)
    return invariance.Comparison(*values, np.full(len(before), error))


@pytest.mark.parametrize(
    ("case", "logarithm", "cell"),
    [
        (comparison([1, 2], [1, 2 + 1e-9]), False, "✓"),
        (comparison([1, 2], [3, 6]), False, "× 3"),
        (comparison([1, 2], [3, 4]), False, "× 2 to 3"),
        (comparison([1, 2], [3, 4]), True, "+2"),
        (comparison([1, 2], [0, 4]), True, "-1 to +2"),
        (comparison([1, 2], [1.3, 1.7], error=0.1), False, "✓"),
        (comparison([1, 2], [1.5, 2], error=0.1), False, "× 1 to 1.5"),
    ],
)
def test_cells(case, logarithm, cell):
    assert case.written(1e-6, logarithm) == cell


def test_changes_over_measures(compared):
    least = invariance.least_change(compared, ["trace", "bits"], "units rescaled")
    most = invariance.most_change(compared, ["trace", "bits"], "units rescaled")
    assert least.shape == most.shape == (2,)
    assert (least <= most).all()


def test_digits_count_only_where_the_trace_grows():
    key = "bits, relative", "x"
    same = comparison([5, 5, 5], [5, 5, 6])
    pair = {key: same, ("trace", "x"): comparison([1, 1, 1], [2, 1.2, 2])}
    assert invariance.digits(pair, "x").tolist() == [0, 1, pytest.approx(0.2)]


def test_numbers_on_the_page():
    assert page.written(Estimate(1234.5678)) == "1235"
    assert page.written(Estimate(0.12345, 0.0067)) == "0.1235 ± 0.007"
    assert page.written(Estimate(np.inf)) == "∞"


def test_the_minimum_over_units_is_at_most_that_over_layers():
    for seed in range(3):
        at = runs.random_net(seed)
        trace = page.measured(at, SIZES, 0, ("trace",))["trace"].value
        assert page.unit_minimum(at) < page.minimum(at) < trace


def test_the_page_has_a_dash_where_a_measure_is_not_defined():
    at = runs.random_net(0)
    table = page.page({"tanh network": at, "ReLU network": at}, SIZES, 0)
    assert table.loc["minimum sharpness", "tanh network"] == "–"
    assert table.loc["minimum sharpness", "ReLU network"] != "–"
    assert table.loc["trace", "tanh network"] == table.loc["trace", "ReLU network"]
    assert page.page({}, SIZES, 0).empty


def test_the_toy_in_closed_form():
    """L = (uv - 1)^2 has the Hessian 2 (v, u)(v, u)' at its minimisers."""
    table = toy.along_valley([0.5, 2.0])
    trace = (0.25 + 4) / 2
    np.testing.assert_allclose(table["trace"], trace, rtol=1e-9)
    np.testing.assert_allclose(table["PAC-Bayesian sharpness"], trace, rtol=0.1)
    level = ["minimum sharpness", "normalised sharpness", "bits", "bits, relative"]
    np.testing.assert_allclose(table[level], 1, rtol=1e-6)
    np.testing.assert_allclose(table["adaptive sharpness"], 1, rtol=1e-3)


def drawn(figure):
    figure.canvas.draw()
    return figure.axes


def test_figures_of_nothing_say_so():
    empty_balls, empty_noises = rates.balls([], [0.1]), rates.noises([], [0.1], 5)
    for figure in (plots.balls(empty_balls), plots.noises(empty_noises)):
        texts = [text.get_text() for axis in drawn(figure) for text in axis.texts]
        assert any("no network" in text.replace("\n", " ") for text in texts)
    columns = ["seed", "way", "trace", "bits", "relative bits", "test error"]
    figure = plots.bits(pd.DataFrame(columns=columns))
    assert all(axis.texts for axis in drawn(figure))


def test_figures_show_every_network():
    rows = [
        {"seed": s, "activation": a, "place": p, "size": e, "error": e, "ratio": 1 / e}
        for s in range(3)
        for a in runs.ACTIVATIONS
        for p in ("before", "at")
        for e in (0.1, 0.2)
    ]
    axes = drawn(plots.balls(pd.DataFrame(rows)))
    assert len(axes[0].lines) == 3 + 1 + 1  # networks, their median, the guide
    table = pd.DataFrame(rows).query("place == 'at'").assign(kink=0.15)
    axes = drawn(plots.noises(table))
    assert len(axes[0].lines) == 3 + 1 + 1 + 1  # and the kinks


def test_the_spectrum_and_the_valley_are_drawn():
    operator = hessian(runs.random_net(0))
    found = density(operator, probes=3, steps=5)
    (axis,) = drawn(plots.spectrum(np.arange(5.0), found))
    assert len(axis.lines) == 2
    axes = drawn(plots.valley(toy.along_valley([0.5, 1.0]), [1.0], 0.1))
    assert len(axes[1].lines) == len(toy.SHOWN)
