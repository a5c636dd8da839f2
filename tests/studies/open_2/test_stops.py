"""What is told of the points where a descent stops at depth three."""

import numpy as np
import pytest

from flatminima.flows.sharpness_flow import reduction
from flatminima.runs.race.problem import problem
from flatminima.studies.open_2 import runs, stops
from flatminima.theory.certificates.power_norm import power_norm


def given(seed=3):
    return problem(runs.racer("cubic", "spectral", {}, data_seed=seed, init_seed=seed))


def flattest_on(setting, live):
    """The flattest network whose other coordinates are dead, in closed form."""
    beta = np.zeros(setting.x.shape[1])
    beta[live] = power_norm(setting.x[:, live], setting.model.y).beta
    root = np.cbrt(np.abs(beta))
    return np.concatenate([np.sign(beta) * root, root, root])


def test_the_flattest_with_dead_coordinates_is_found_to_be_that():
    setting = given()
    live = np.arange(setting.x.shape[1]) >= 10
    theta = flattest_on(setting, live)
    found = stops._found(setting, theta, setting.model.trace(theta))
    assert found[stops.LIVE] == 30
    assert found[stops.OVER_DEAD] == pytest.approx(1.0, abs=1e-9)
    assert found[stops.OVER_LEAST] > 1.001


def test_such_a_point_is_stationary_for_the_flow():
    """As the chapter says: no first derivative revives a dead coordinate."""
    setting = given()
    theta = flattest_on(setting, np.arange(setting.x.shape[1]) >= 10)
    slope = np.abs(reduction(setting.model, theta)).max()
    # the dual point solves its equations up to the solver's accuracy
    assert slope < 1e-6 * setting.model.trace(theta)


def test_a_small_step_of_the_right_sign_lowers_the_trace():
    """So it is no local minimum: with one coordinate revived there is a flatter one."""
    setting = given()
    dead = np.arange(setting.x.shape[1]) < 10
    before = power_norm(setting.x[:, ~dead], setting.model.y).value
    revived = dead.copy()
    revived[0] = False
    after = power_norm(setting.x[:, ~revived], setting.model.y).value
    assert after < before * (1 - 1e-6)


def test_too_few_live_columns_are_no_certificate():
    setting = given()
    theta = np.zeros(setting.start.size)
    theta[[0, 40, 80]] = 1.0
    found = stops._found(setting, theta, setting.model.trace(theta))
    assert np.isnan(found[stops.OVER_DEAD])


def test_a_table_and_what_claims_take_of_it():
    table = stops.stops([5])
    assert table["seed"].tolist() == [5]
    assert stops.errors(table).shape == stops.excess(table).shape == (1,)
    lost = table.assign(**{stops.OVER_DEAD: np.nan, stops.OVER_LEAST: np.nan})
    assert np.isinf(stops.errors(lost)).all()
    assert stops.excess(lost).size == 0
