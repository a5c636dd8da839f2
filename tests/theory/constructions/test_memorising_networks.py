"""Memorising networks: by hand, dense autograd, random sets, published numbers."""

import numpy as np
import pytest
from hypothesis import assume, given, settings

from flatminima.data.xor import hypercube, sample_xor, xor_labels
from flatminima.measures.memorisation import memorisation
from flatminima.measures.predictions import hypercube_zero_one_error
from flatminima.models.base import load
from flatminima.sharpness.closed_form import per_example_gradients
from flatminima.theory.constructions.extreme_points import distinct, separate
from flatminima.theory.constructions.memorising_networks import (
    memorising_bias,
    memorising_sim_ln,
)
from flatminima.theory.constructions.verify import verify
from tests.theory.dense import dense_trace
from tests.theory.examples import seeds, sphere_points

EPS = 1e-3
TRIANGLE = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])


def check_flattest(architecture, w, v, x, y, **constants):
    """Interpolates, attains the bound and stays away from kinks."""
    seen = verify(architecture, w, v, x, y, **constants)
    assert seen.worst_error <= 1e-10
    assert abs(seen.relative_excess) <= 1e-8
    assert seen.kink_distance > 0
    return seen


def check_memorises(architecture, w, v, x, **constants):
    """Definition 2.2: one active unit an example, none of them shared."""
    model = load(architecture).Model(**constants)
    inputs = load(architecture).inputs(model, x)
    seen = memorisation(per_example_gradients(model, w, v, inputs).h, active=0.0)
    assert seen.single == 1
    assert seen.injective


def test_bias_by_hand_on_a_line():
    # Points -1 and 1, margin 2, eps = 1, r = sqrt(2): unit 2 is a (x - 1 + 1).
    w, v = memorising_bias(np.array([[-1.0], [1.0]]), np.array([-2.0, 0.5]))
    a = np.sqrt(np.sqrt(2) * np.array([2.0, 0.5]))
    np.testing.assert_allclose(w, [[-a[0], a[1]], [0.0, 0.0]], atol=1e-15)
    np.testing.assert_allclose(v, [-2 / a[0], 0.5 / a[1]])


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_bias_against_dense_autograd(fraction):
    y = np.array([1.5, -0.3, 0.7])
    w, v = memorising_bias(TRIANGLE, y, fraction=fraction)
    seen = check_flattest("bias", w, v, TRIANGLE, y)
    # r = 1, sqrt(10), sqrt(17).
    by_hand = 4 / 3 * (1.5 + 0.3 * np.sqrt(10) + 0.7 * np.sqrt(17))
    assert seen.bound == pytest.approx(by_hand, rel=1e-14)
    assert dense_trace("bias", w, v, TRIANGLE, y) == pytest.approx(by_hand, rel=1e-8)


def test_sim_ln_against_dense_autograd_in_both_regimes():
    y = np.array([1.5, -2e-5, 0.0])
    w, v = memorising_sim_ln(TRIANGLE, y, EPS)
    seen = check_flattest("sim_ln", w, v, TRIANGLE, y, eps=EPS)
    by_hand = 2 / 3 * (1 + 2 / EPS * np.sqrt(10) * 2e-5 + 0)
    assert seen.bound == pytest.approx(by_hand, rel=1e-12)
    assert dense_trace("sim_ln", w, v, TRIANGLE, y, EPS) == pytest.approx(
        by_hand, rel=1e-8
    )


@settings(max_examples=25)
@given(seed=seeds)
def test_any_extreme_points_and_labels(seed):
    x, y = sphere_points(np.random.default_rng(seed))
    # Rounding errors grow as extent over margin.
    assume(separate(x).margins.min() > 1e-4 * np.ptp(x, axis=0).max(initial=1.0))
    w, v = memorising_bias(x, y)
    assert v.shape == (len(x),)
    check_flattest("bias", w, v, x, y)
    check_memorises("bias", w, v, x)
    w, v = memorising_sim_ln(x, y, EPS)
    check_flattest("sim_ln", w, v, x, y, eps=EPS)
    check_memorises("sim_ln", w, v, x, eps=EPS)


@settings(max_examples=25)
@given(seed=seeds)
def test_any_labels_near_the_floor_of_the_norm(seed):
    rng = np.random.default_rng(seed)
    x, y = sphere_points(rng)
    assume(separate(x).margins.min() > 1e-4 * np.ptp(x, axis=0).max(initial=1.0))
    eps = 10 ** rng.uniform(-4, 2)
    w, v = memorising_sim_ln(x, y, eps)
    check_flattest("sim_ln", w, v, x, y, eps=eps)


def test_rescaling_the_units_only_adds_to_the_trace():
    """f stays what it was; the layers are balanced at factor 1."""
    y = np.array([1.0, -1.0, 2.0])
    w, v = memorising_bias(TRIANGLE, y)
    for factor in (0.9, 1.1):
        seen = verify("bias", w * factor, v / factor, TRIANGLE, y)
        assert seen.worst_error <= 1e-10
        assert seen.relative_excess > 1e-3


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e6])
def test_sim_ln_attains_its_bound_at_every_scale(scale):
    data = sample_xor(20, 10, 0)
    w, v = memorising_sim_ln(data.x, data.y, EPS, activation=scale)
    seen = check_flattest("sim_ln", w, v, data.x, data.y, eps=EPS)
    assert seen.trace == pytest.approx(2.0, rel=1e-12)


def test_published_bounds_at_the_papers_size():
    data = sample_xor(100, 30, 0)
    w, v = memorising_bias(data.x, data.y)
    seen = check_flattest("bias", w, v, data.x, data.y)
    assert seen.trace == pytest.approx(22.2711, abs=5e-5)
    w, v = memorising_sim_ln(data.x, data.y, 1e-4)
    seen = check_flattest("sim_ln", w, v, data.x, data.y, eps=1e-4)
    assert seen.trace == pytest.approx(2.0, rel=1e-8)


def test_the_cubes_closed_form_is_the_sources():
    data = sample_xor(12, 6, 3)
    w, v = memorising_bias(data.x, data.y)
    r, norm, eps = np.sqrt(7), np.sqrt(6), 1 / np.sqrt(6)
    unit = data.x / norm
    np.testing.assert_allclose(w[:-1].T, np.sqrt(r) * unit / eps)
    np.testing.assert_allclose(w[-1], np.sqrt(r) * (eps - norm) / eps)
    np.testing.assert_allclose(v, data.y / np.sqrt(r))


def test_on_the_cube_a_kink_sits_at_two_over_root_d():
    x = hypercube(4)
    nearly = memorising_bias(x, xor_labels(x), fraction=1 - 1e-6)
    assert 0 < verify("bias", *nearly, x, xor_labels(x)).kink_distance < 1e-5


@pytest.mark.parametrize(("d", "n"), [(10, 1), (10, 400), (12, 300)])
def test_wrong_off_the_training_set(d, n):
    """Repeats included: the error counts distinct points."""
    rng = np.random.default_rng(d + n)
    x = hypercube(d)[rng.integers(2**d, size=n)]
    x = np.vstack([x, x[: n // 3 + 1]])
    y = xor_labels(x)
    num_distinct = len({tuple(row) for row in x})
    assert num_distinct < len(x)
    for architecture, (w, v) in {
        "bias": memorising_bias(x, y),
        "sim_ln": memorising_sim_ln(x, y, 1e-4),
    }.items():
        assert len(v) == num_distinct
        check_flattest(architecture, w, v, x, y)
        check_memorises(architecture, w, v, distinct(x, y).x)
        error = hypercube_zero_one_error(architecture, w, v, d)
        assert error == 1 - num_distinct / 2**d


@pytest.mark.parametrize(
    ("architecture", "d"), [("bias", 10), ("sim_ln", 10), ("bias", 12)]
)
def test_right_when_all_points_are_present(architecture, d):
    x = hypercube(d)
    y = xor_labels(x)
    build = {"bias": memorising_bias(x, y), "sim_ln": memorising_sim_ln(x, y, 1e-4)}
    w, v = build[architecture]
    assert hypercube_zero_one_error(architecture, w, v, d) == 0


def test_a_single_point():
    x, y = np.array([[3.0, 4.0]]), np.array([-2.0])
    check_flattest("bias", *memorising_bias(x, y), x, y)
    check_flattest("sim_ln", *memorising_sim_ln(x, y, EPS), x, y, eps=EPS)


def test_label_zero_gets_a_unit_of_zero_weights():
    y = np.array([1.0, 0.0, -1.0])
    for w, v in (memorising_bias(TRIANGLE, y), memorising_sim_ln(TRIANGLE, y, EPS)):
        assert not w[:, 1].any() and v[1] == 0


@pytest.mark.parametrize(
    "build", [memorising_bias, lambda x, y: memorising_sim_ln(x, y, EPS)]
)
def test_refusals(build):
    inside = np.vstack([TRIANGLE, [[1.0, 1.0]]])
    with pytest.raises(ValueError, match="point 3 is no vertex"):
        build(inside, np.ones(4))
    twice = TRIANGLE[[0, 1, 0]]
    with pytest.raises(ValueError, match="points 0 and 2 are equal but have labels"):
        build(twice, np.array([1.0, 1.0, -1.0]))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_the_unit_must_fire_on_its_point_alone(fraction):
    with pytest.raises(
        ValueError, match=r"fraction = .*: allowed are 0 < fraction < 1"
    ):
        memorising_bias(TRIANGLE, np.ones(3), fraction=fraction)


@pytest.mark.parametrize("eps", [0.0, -1.0, float("inf"), float("nan")])
def test_eps_must_be_positive(eps):
    with pytest.raises(ValueError, match=r"eps = .*: allowed are finite eps > 0"):
        memorising_sim_ln(TRIANGLE, np.ones(3), eps)


@pytest.mark.parametrize("activation", [EPS, 0.0, float("inf")])
def test_the_activation_must_exceed_eps(activation):
    with pytest.raises(ValueError, match=r"activation = .* above eps = 0.001"):
        memorising_sim_ln(TRIANGLE, np.ones(3), EPS, activation=activation)


def test_half_of_the_margin_unless_told():
    y = np.array([1.0, -2.0, 0.5])
    for function in (memorising_bias, lambda *a, **k: memorising_sim_ln(*a, EPS, **k)):
        for one, other in zip(
            function(TRIANGLE, y), function(TRIANGLE, y, fraction=0.5), strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("eps", "height"), [(1e-3, 1.0), (0.5, 1.0), (0.8, 1.6)])
def test_the_active_unit_of_sim_ln_is_at_one_or_at_twice_eps(eps, height):
    w, _ = memorising_sim_ln(TRIANGLE, np.ones(3), eps)
    z = np.column_stack([TRIANGLE, np.ones(3)]) @ w
    np.testing.assert_allclose(np.diag(z), height, rtol=1e-12)
    with pytest.raises(ValueError, match="allowed are finite values above eps"):
        memorising_sim_ln(TRIANGLE, np.ones(3), eps, activation=eps)
    memorising_sim_ln(TRIANGLE, np.ones(3), eps, activation=1.001 * eps)
