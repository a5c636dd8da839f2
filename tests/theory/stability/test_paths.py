"""Growth on simulated paths, against closed forms and the operator."""

import numpy as np
import pytest

from flatminima.theory.stability import mean_square, paths

CURVATURES = np.array([0.5, 1.0, 2.0, 4.0])
NUMBERS = np.sqrt(CURVATURES)[:, None]
"""One weight: SGD with single examples multiplies it by 1 - lr h."""


def test_typical_path_of_a_number():
    lr = 0.7
    expected = np.log((1 - lr * CURVATURES) ** 2).mean()
    process = paths.linear(NUMBERS, 1)
    found = paths.lyapunov(process, lr, paths=2000, steps=50, seed=0)
    spread = np.log((1 - lr * CURVATURES) ** 2).std() / np.sqrt(2000 * 40)
    assert abs(found - expected) < 3 * spread


def test_second_moment_of_a_number():
    lr = 1.1  # above the threshold, below the typical path's
    expected = np.log(((1 - lr * CURVATURES) ** 2).mean())
    process = paths.linear(NUMBERS, 1)
    found = paths.second_moment(process, lr, paths=2000, steps=50, seed=0)
    assert expected > 0
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("batch", [1, 4])
def test_measured_threshold_against_the_operator(batch):
    x = np.random.default_rng(7).standard_normal((12, 5))
    exact = mean_square.threshold(mean_square.from_factors(x[:, None]), batch)
    ways = {"paths": 400, "steps": 80, "seed": 1}
    found = paths.measured_threshold(paths.linear(x, batch), **ways)
    assert found == pytest.approx(exact, rel=0.03)
    afar = paths.measured_threshold(paths.linear(x, batch), first=30.0, **ways)
    assert afar == pytest.approx(found, rel=0.01)
    typical = paths.measured_threshold(paths.linear(x, batch), weighted=False, **ways)
    assert typical > 1.02 * found


def test_plain_means_miss_what_weighted_paths_see():
    """Why paths are weighted: the mean over paths falls where the expectation rises."""
    x = np.random.default_rng(8).standard_normal((20, 4))
    limit = mean_square.threshold(mean_square.from_factors(x[:, None]), 1)
    process, generator = paths.linear(x, 1), np.random.default_rng(0)
    z = generator.standard_normal((200, 4))
    before = process.size(z).mean()
    for _ in range(800):
        z = process.step(z, 1.03 * limit, generator)
    assert process.size(z).mean() < before
    found = paths.second_moment(process, 1.03 * limit, paths=400, steps=80, seed=0)
    assert found > 0


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_batches_are_drawn_without_replacement(batch):
    found = paths.batches(np.random.default_rng(0), 20000, 5, batch)
    assert np.all(found.sum(axis=1) == batch)
    assert set(np.unique(found)) <= {0.0, 1.0}
    error = np.sqrt(batch / 5 * (1 - batch / 5) / 20000)
    assert np.all(np.abs(found.mean(axis=0) - batch / 5) <= 4 * error)


def test_equal_arguments_give_equal_numbers():
    process = paths.linear(NUMBERS, 2)
    first, second = (
        paths.second_moment(process, 0.5, paths=50, steps=20, seed=3) for _ in "ab"
    )
    assert first == second


def test_no_threshold_where_nothing_grows():
    still = paths.Process(
        1, lambda z, lr, g: 0.9 * z, lambda z: (z[:, 0] ** 2).astype(float)
    )
    assert np.isnan(paths.measured_threshold(still, paths=10, steps=10, seed=0))


@pytest.mark.parametrize(
    ("given", "match"),
    [({"paths": 1}, "paths = 1"), ({"steps": 2}, "steps = 2"), ({"lr": 0.0}, "lr = 0")],
)
def test_refuses(given, match):
    arguments = {"lr": 0.5, "paths": 10, "steps": 10, "seed": 0} | given
    with pytest.raises(ValueError, match=match):
        paths.second_moment(paths.linear(NUMBERS, 1), arguments.pop("lr"), **arguments)


def test_refuses_a_batch_that_is_too_large():
    with pytest.raises(ValueError, match="batch = 5"):
        paths.linear(NUMBERS, 5)


def test_the_search_is_of_the_second_moment_and_begins_at_one_unless_told():
    process = paths.linear(NUMBERS, 2)
    ways = {"paths": 50, "steps": 20, "seed": 1}
    found = paths.measured_threshold(process, **ways)
    assert found == paths.measured_threshold(process, weighted=True, first=1.0, **ways)
    assert found != paths.measured_threshold(process, weighted=False, **ways)
    assert abs(paths.second_moment(process, found, **ways)) < 0.02


def test_a_step_of_sgd_by_hand():
    """All examples: z - lr (1/n) sum_i x_i (x_i . z)."""
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((4, 3)), rng.standard_normal((2, 3))
    process = paths.linear(x, 4)
    expected = z - 0.3 * z @ (x.T @ x) / 4
    np.testing.assert_allclose(process.step(z, 0.3, rng), expected)
    np.testing.assert_allclose(process.size(z), ((z @ x.T) ** 2).sum(axis=1) / 8)
    assert (process.dim, process.radius) == (3, 1.0)


def test_the_first_fifth_of_the_steps_is_left_out():
    """A process that grows by 4 at first and by 9 from its third step on."""
    seen = []

    def step(z, lr, generator):
        seen.append(1)
        return (2 if len(seen) <= 2 else 3) * z

    process = paths.Process(1, step, lambda z: z[:, 0] ** 2)
    found = paths.lyapunov(process, 1.0, paths=4, steps=10, seed=0)
    assert len(seen) == 10
    assert found == pytest.approx(np.log(9))


@pytest.mark.parametrize("batch", [0, 5, True])
def test_a_batch_is_an_integer_from_1_to_n(batch):
    with pytest.raises(ValueError, match="batch = .*: must be an integer from 1 to 4"):
        paths.linear(NUMBERS, batch)
