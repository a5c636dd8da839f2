"""The mean kernel against special angles and averages over drawn networks.

The average uses the compiled heads, which know nothing of arc-cosines.
"""

import numpy as np
import pytest

from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.models import bias, no_bias
from flatminima.sharpness.closed_form import per_example_gradients
from flatminima.theory.ntk import kernel_regression, tangent_kernel


def test_equal_orthogonal_and_opposite_inputs():
    a = np.array([[3.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    kernel = tangent_kernel(a, a, d=2, width=10)
    # half of the units are active; a quarter are on both of two orthogonal inputs
    np.testing.assert_allclose(kernel[0, 0], 9 / 2 / 6 + 9 / 2 / 30)
    np.testing.assert_allclose(kernel[0, 1], 6 / (2 * np.pi) / 6, rtol=1e-12)
    np.testing.assert_allclose(kernel[0, 2], 0.0, atol=1e-12)
    np.testing.assert_allclose(kernel, kernel.T)


def empirical(inputs, d, width, draws, uniform):
    """Tangent kernels over the width of networks drawn at random."""
    rng = np.random.default_rng(0)
    for _ in range(draws):
        if uniform:
            w = rng.uniform(-(d**-0.5), d**-0.5, (inputs.shape[1], width))
            v = rng.uniform(-(width**-0.5), width**-0.5, width)
        else:
            w = rng.normal(0, (3 * d) ** -0.5, (inputs.shape[1], width))
            v = rng.normal(0, (3 * width) ** -0.5, width)
        at = per_example_gradients(bias.Model(), w, v, inputs)
        yield (at.u @ at.u.T + (at.g @ at.g.T) * (inputs @ inputs.T)) / width


@pytest.mark.parametrize(("module", "width"), [(no_bias, 4), (bias, 4), (bias, 64)])
def test_mean_over_gaussian_networks(module, width):
    d, draws = 5, 1500
    x = np.random.default_rng(1).standard_normal((4, d))
    inputs = module.inputs(module.Model(), x)
    drawn = np.stack(list(empirical(inputs, d, width, draws, uniform=False)))
    error = drawn.std(axis=0) / np.sqrt(draws)
    kernel = tangent_kernel(inputs, inputs, d=d, width=width)
    assert np.all(np.abs(drawn.mean(axis=0) - kernel) < 4 * error)
    # the test would see a wrong constant
    assert np.all(4 * error < 0.2 * np.diag(kernel).mean())


def test_the_projects_uniform_weights_are_nearly_gaussian_at_d_30():
    d = 30
    data = sample_xor(8, d, 0)
    inputs = bias.inputs(bias.Model(), data.x)
    drawn = np.stack(list(empirical(inputs, d, 500, 400, uniform=True)))
    kernel = tangent_kernel(inputs, inputs, d=d, width=500)
    np.testing.assert_allclose(drawn.mean(axis=0), kernel, rtol=0.05)


@pytest.mark.parametrize("name", ["no_bias", "bias"])
def test_regression_interpolates(name):
    data = sample_xor(40, 12, 3)
    fitted = kernel_regression(name, data.x, data.y, data.x, width=500)
    np.testing.assert_allclose(fitted, data.y, atol=1e-8)


def test_xor_is_learnt_from_most_of_the_cube():
    data = sample_xor(200, 8, 0)
    test = xor_test_set(data, 0)
    right = kernel_regression("no_bias", data.x, data.y, test.x) * test.y > 0
    assert right.mean() > 0.9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d": 0}, "d = 0: at least 1"),
        ({"width": 0.5}, "width = 0.5: at least 1"),
        ({"a": np.zeros((1, 2))}, "an input that is 0"),
    ],
)
def test_bad_values(changes, message):
    given = {"a": np.ones((1, 2)), "b": np.ones((1, 2)), "d": 2, "width": 3} | changes
    with pytest.raises(ValueError, match=message):
        tangent_kernel(**given)


def test_bad_architecture():
    with pytest.raises(ValueError, match=r"architecture_name = 'sim_ln': allowed"):
        kernel_regression("sim_ln", np.ones((1, 2)), np.ones(1), np.ones((1, 2)))


def test_one_dimension_and_one_unit_are_allowed():
    """K(x, x) = x^2 / 2 (1 / (3 d) + 1 / (3 width))."""
    found = tangent_kernel(np.full((1, 1), 2.0), np.full((1, 1), 2.0), d=1, width=1)
    assert found[0, 0] == pytest.approx(4 / 2 * (1 / 3 + 1 / 3))


@pytest.mark.parametrize("where", ["a", "b"])
def test_an_input_that_is_0_is_refused_wherever_it_is(where):
    given = {"a": np.ones((2, 2)), "b": np.ones((2, 2))}
    given[where] = np.array([[1.0, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="an input that is 0"):
        tangent_kernel(**given, d=2, width=3)


def test_regression_takes_the_limit_of_wide_networks_unless_told():
    data = sample_xor(20, 6, 0)
    test = xor_test_set(data, 0).x[:3]
    found = kernel_regression("bias", data.x, data.y, test)
    limit = kernel_regression("bias", data.x, data.y, test, width=np.inf)
    np.testing.assert_array_equal(found, limit)
    narrow = kernel_regression("bias", data.x, data.y, test, width=10)
    assert not np.allclose(found, narrow)


def test_regression_by_hand():
    """k(x, X) K^-1 y with the kernel of inputs (x, 1), of fan-in d."""
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(2, 3))
    a, b = (np.column_stack([each, np.ones(len(each))]) for each in (x, new))
    gram = tangent_kernel(a, a, d=3, width=50)
    expected = tangent_kernel(b, a, d=3, width=50) @ np.linalg.solve(gram, y)
    found = kernel_regression("bias", x, y, new, width=50)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_equal_inputs_share_their_label():
    """Least norm where the kernel matrix is singular."""
    x = np.array([[1.0, 2.0], [1.0, 2.0]])
    found = kernel_regression("no_bias", x, np.array([1.0, 3.0]), x)
    np.testing.assert_allclose(found, 2.0)
