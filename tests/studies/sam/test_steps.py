"""Printed and derived steps, and what each ascent of the study is."""

import numpy as np
import pytest

from flatminima.runs.descent.config import DescentConfig
from flatminima.sources.implicit_bias import sparse_regression
from flatminima.studies.sam import plots, runs, steps

PLAIN = sparse_regression(n=4, d=6, complexity=2, num_steps=300)


@pytest.fixture(scope="module")
def land():
    return steps.landscape(PLAIN)


@pytest.fixture(scope="module")
def at():
    return steps.points(PLAIN, range(3))


def with_sam(**fields):
    return DescentConfig(**PLAIN.model_dump() | {"rho": 0.2} | fields)


def test_the_engine_takes_the_corrected_step(land, at):
    def corrected(theta):
        return steps.corrected(land, theta, 0.2)

    def engine(theta):
        return steps.engine_step(with_sam(), theta)

    assert steps.apart(corrected, engine, at).max() < 1e-9
    assert steps.apart(lambda t: steps.stopped(land, t, 0.2), engine, at).max() < 1e-9
    printed = steps.apart(lambda t: steps.printed(land, t, 0.2), engine, at)
    assert printed.min() > 0.01


def test_the_descending_step_is_the_extragradient(land, at):
    down = with_sam(rho=0.1, normalised=False, direction="down")
    gap = steps.apart(
        lambda t: steps.extragradient(land, t, 0.1),
        lambda t: steps.engine_step(down, t),
        at,
    )
    assert gap.max() < 1e-9


def test_the_closed_form_is_what_the_solver_finds():
    gradients = np.random.default_rng(0).standard_normal((2, 5))
    errors = steps.dual_errors(list(gradients), 0.3)
    assert len(errors) == 2 * len(steps.NORMS)
    assert errors.max() < 1e-5
    # a step in another direction is seen
    assert steps.by_solver(gradients[0], 0.3, 2.0) > 0.3 * gradients[0][0]


def test_the_printed_mean_is_off_by_the_number_of_groups(land, at):
    full = float(land.loss(steps.tensor(at[0])))
    assert steps.printed_mean(land, at[0], 2) == pytest.approx(full / 2)


def test_the_printed_update_climbs_and_one_without_ascent_does_not(land):
    assert steps.training_falls([land], 0.3, 200)[0] < 0.5
    assert steps.training_falls([land], 1e-12, 200)[0] > 1.0
    assert np.isfinite(steps.training_falls([land], 1e9, 5)).all()


def test_shares_of_the_largest_rise(land):
    (theta,) = steps.path(PLAIN, [5])
    share = steps.attained(land, theta, 0.1, starts=4, seed=1)
    assert set(share) == {"one step", "three steps", "second order", "random"}
    assert all(value <= 1 + 1e-9 for value in share.values())
    assert share["second order"] > share["random"]


def test_a_path_is_that_of_the_run(land):
    first, later = steps.path(PLAIN, [0, 7])
    np.testing.assert_array_equal(first, [0.1] * 6 + [0.0] * 6)
    theta = first
    for _ in range(7):
        theta = theta - PLAIN.lr * land.gradient(theta)
    np.testing.assert_allclose(later, theta, rtol=1e-9)


def test_ascents_differ_in_the_ascent_alone():
    sparse = runs.sparse(0.2, 0.05, 3, n=4, d=6, complexity=2)
    dumps = {name: config.model_dump() for name, config in sparse.items()}
    changed = {
        name: {k for k in dump if dump[k] != dumps["SAM, +"][k]}
        for name, dump in dumps.items()
    }
    assert changed["extragradient, −"] == {"direction"}
    assert changed["−, small ρ"] == {"direction", "rho"}
    assert changed["several steps"] == {"ascent_steps"}
    assert changed["differentiated"] == {"differentiate"}
    line = runs.on_the_line(0.3, 3, width=8, num_steps=10)
    assert {c.rho for name, c in line.items() if name != "GD"} == {0.3}
    assert set(sparse) | set(line) == set(runs.GRADIENTS)


def test_what_a_step_takes():
    assert runs.cost("GD", 5) == "1 gradient"
    assert runs.cost("several steps", 5) == "6 gradients"
    assert runs.cost("second order", 5) == "2 gradients, 5 products"
    assert runs.cost("differentiated", 5) == "2 gradients, 1 product"


def test_tables_and_figures_of_few_runs():
    size = {"n": 4, "d": 6, "complexity": 2, "num_steps": 300}
    sparse = runs.run(runs.sparse(0.2, 0.05, 2, **size), range(2))
    line = runs.run(runs.on_the_line(0.3, 2, width=8, num_steps=50), range(2))
    assert len(sparse["GD"]) == 2 and "converged" in sparse["GD"]
    table = runs.means(line, ["kinks", "log_trace"], 2)
    assert table.loc["GD", "finite"] == "2 of 2"
    figure = plots.found({"loss": (sparse, "log_test_loss"), "kinks": (line, "kinks")})
    assert len(figure.axes) == 2
    assert len(plots.balls(np.array([1.0, 0.3])).axes) == len(steps.NORMS)


def test_the_update_for_m_sharpness_is_that_of_the_engine(land, at):
    groups = 2
    m_sam = with_sam(normalised=False, group=PLAIN.n // groups)
    printed = [steps.printed_update(land, theta, 0.2, groups) for theta in at]
    raised = [steps.group_step(land, theta, 0.2, groups) for theta in at]
    engine = [steps.engine_step(m_sam, theta) for theta in at]
    np.testing.assert_allclose(printed, engine, rtol=1e-12)
    np.testing.assert_allclose(raised, engine, rtol=1e-12)
    whole = [steps.printed_update(land, theta, 0.2, 1) for theta in at]
    assert np.abs(np.array(whole) - printed).max() > 1e-4
