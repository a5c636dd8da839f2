"""Instances, clocks and largest rates of the chapter open-2-2."""

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import CubicSpline

from flatminima.flows.noise import Noise, walk
from flatminima.studies.open_2_2 import runs, tables
from flatminima.studies.open_2_2.flow import (
    LOST,
    Flow,
    LogDeterminant,
    clock,
    deviations,
    follow,
    nearest,
)
from flatminima.studies.open_2_2.models import (
    NORM,
    factors,
    network,
    quadratic,
    reach,
)


@pytest.fixture(scope="module")
def base():
    return quadratic(0)


def test_the_trace_is_that_of_the_start_whatever_is_varied(base):
    """4 scale^2 (|u|^2 + |v|^2), |u|^2 = |v|^2 = NORM, but for what fitting adds."""
    for each in (base, quadratic(0, shared=0.9), quadratic(0, d=80)):
        assert each.trace == pytest.approx(8 * NORM, rel=0.15)
    assert quadratic(0, scale=2).trace == pytest.approx(4 * base.trace, rel=1e-6)
    assert quadratic(0, shared=0.9).sharpness > 2 * base.sharpness


def test_reach_runs_from_the_trace_to_the_mean_curvature(base):
    gram = base.model.tangent(base.start).gram() / len(base.model.y)
    values = np.linalg.eigvalsh(gram)
    mean = np.sum(values**2) / np.sum(values)
    assert reach(base.model, base.start, 1) == pytest.approx(base.trace)
    assert reach(base.model, base.start, 0) == pytest.approx(mean)
    assert reach(base.model, base.start, 4) == pytest.approx(
        (base.trace + 3 * mean) / 4
    )


@pytest.mark.parametrize("make", [network, factors])
def test_other_instances_interpolate(make):
    each = make(1)
    assert np.abs(each.model.tangent(each.start).f - each.model.y).max() < 1e-9
    assert each.trace >= each.sharpness >= each.curvature > 0


def test_residuals_on_a_linear_model_are_those_of_the_clock():
    """E (r - delta)^2 = delta^2 / (1 - lr Tr / 2), for rows of equal length."""
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (5, 12))
    lr, delta, w, squares = 0.1, 0.7, np.zeros(12), []
    for _ in range(40_000):
        i = rng.integers(5)
        left = w @ x[i] - delta * rng.choice([-1.0, 1.0])
        squares.append(left**2)
        w -= lr * left * x[i]
    blocks = np.reshape(squares[2000:], (38, -1)).mean(axis=1)
    wanted = delta**2 / (1 - lr * 12 / 2)
    assert abs(blocks.mean() - wanted) < 3 * blocks.std() / np.sqrt(len(blocks))


def test_a_constant_curvature_makes_the_clock_fast_by_a_constant():
    times = np.linspace(0, 3, 5)
    line = CubicSpline(times, np.outer(times, [1.0, 0.0]))
    flow = Flow(1.0, 3.0, line, CubicSpline(times, np.full(5, 2.0)), 1.0, 1.0)
    taus = np.array([0.5, 1.0])
    assert clock(flow, 0.25, taus) == pytest.approx(taus / 0.75)
    assert clock(flow, 1.5, taus)[-1] == 3.0


def test_distances_of_a_path_that_is_known():
    times = np.linspace(0, 3, 5)
    line = CubicSpline(times, np.outer(times, [2.0, 0.0]))
    flow = Flow(1.0, 3.0, line, CubicSpline(times, np.zeros(5)), 2.0, 1.0)
    taus = np.array([0.5, 1.0])
    path = line(taus + 0.5) + np.array([0.0, 0.1])
    found = deviations(flow, path, taus, 0.1)
    assert found["distance"] == pytest.approx(np.hypot(1.0, 0.1) / 2)
    assert found["own"] == pytest.approx(found["distance"])
    assert found["curve"] == pytest.approx(0.1 / 2)
    lost = deviations(flow, np.full((2, 2), np.nan), taus, 0.1)
    assert set(lost.values()) == {LOST}


def test_the_nearest_point_may_lie_between_knots():
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    found = nearest(np.array([[0.3, 0.2], [2.0, 0.6], [-1.0, -1.0]]), line)
    assert found == pytest.approx(np.array([[0.3, 0.0], [1.0, 0.6], [0.0, 0.0]]))


def test_the_log_determinant_and_its_gradient(base):
    model = LogDeterminant(base.model, 0.05)
    theta, step = base.start, 1e-6
    values = np.linalg.eigvalsh(base.model.tangent(theta).gram() / 8)
    wanted = -2 / 0.05 * np.sum(np.log(1 - 0.05 * values / 2))
    assert model.trace(theta) == pytest.approx(wanted)
    gradient = model.trace_gradient(theta)
    for j in (0, 7, 33):
        ends = [model.trace(theta + s * step * np.eye(40)[j]) for s in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert gradient[j] == pytest.approx(slope, rel=1e-4)
    small = LogDeterminant(base.model, 1e-7)
    assert small.trace(theta) == pytest.approx(base.trace, rel=1e-4)


def test_the_flow_is_that_of_label_noise(base):
    """On inputs of signs u v decays as e^(-16 c tau), the trace's own constant."""
    flow = follow(base, 0.5, 1, 0.3)
    assert flow.c == 0.5**2 / 4
    assert follow(base, 0.5, 0, 0.3).c == pytest.approx(flow.c / 8)
    products = [theta[:20] * theta[20:] for theta in flow.spline([0, flow.tau])]
    decay = np.exp(-16 * flow.c * flow.tau)
    assert products[1] == pytest.approx(products[0] * decay, rel=1e-4)


def test_a_run_of_the_quadratic_model_keeps_to_its_clock():
    setting = runs.Setting("quadratic", quadratic)
    rows = runs.measure(setting, 1, [0.2, 0.8], share=0.3)
    predicted = rows["predicted"].to_numpy()
    assert rows["distance"].to_numpy() == pytest.approx(predicted, rel=0.15)
    assert (rows["own"] < 0.2 * rows["distance"]).all()
    products = (rows["lr"] * rows["trace"]).to_numpy()
    assert products == pytest.approx([0.2, 0.8])


def test_a_lost_run_counts_as_far(base):
    path = walk(
        base.model,
        Noise(batch=1, labels=0.5),
        base.start,
        [4000],
        lr=5.0,
        rng=np.random.default_rng(0),
    )
    flow = follow(base, 0.5, 1, 0.3)
    assert deviations(flow, path, np.array([flow.tau]), 5.0)["distance"] == LOST


def power_law(setting: str, seed: int, constant: float) -> pd.DataFrame:
    lr = np.array([0.1, 0.2, 0.4])
    shape = {"trace": 1 / constant, "sharpness": 1.0, "curvature": 1.0, "size": 4}
    return pd.DataFrame(
        {"setting": setting, "seed": seed, "lr": lr, "rate": lr}
        | {"distance": lr / constant, "predicted": lr / constant}
        | {"noise": 1.0, "reach": 1.0}
        | shape
    )


def test_the_largest_rate_of_a_power_law_is_exact():
    rows = power_law("quadratic", 0, 2.0)
    assert tables.largest(rows, 0.13) == pytest.approx(0.26)
    assert np.isnan(tables.largest(rows, 0.01))
    assert np.isnan(tables.largest(rows, 1.0))


def test_powers_are_taken_over_a_sweep_and_need_all_of_it():
    sweep = [runs.Setting(name, quadratic) for name in ("quadratic", "double")]
    table = pd.concat(
        [
            power_law("quadratic", 0, 1.0),
            power_law("double", 0, 2.0),
            power_law("quadratic", 1, 1.0),
        ]
    )
    found = tables.limits(table, 0.15)
    powers = tables.powers(found, sweep, "trace")
    assert powers[0] == pytest.approx(-1.0)
    assert np.isnan(powers[1])
    assert tables.number(found)[0] == pytest.approx(0.15)
    assert tables.limits(table.iloc[:0], 0.15).empty
