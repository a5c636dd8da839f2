"""Numbers of one seed each, from tables that are small enough to do by hand."""

import numpy as np
import pandas as pd
import pytest

from flatminima.studies.landscape import tables


def ends(**columns) -> pd.DataFrame:
    """The last rows of a setting, one a seed."""
    found = pd.DataFrame(columns)
    seeds = range(len(found))
    return found.assign(data_seed=seeds, init_seed=seeds, last=True, diverged=False)


def test_order_is_kendalls_tau_over_settings_seed_by_seed():
    settings = [
        ends(a=[1.0, 1.0], b=[1.0, 3.0]),
        ends(a=[2.0, 2.0], b=[2.0, 2.0]),
        ends(a=[3.0, 3.0], b=[3.0, 1.0]),
    ]
    assert tables.order(settings, "a", "b").tolist() == pytest.approx([1, -1])
    assert tables.order(settings, "a", "b", -1).tolist() == pytest.approx([-1, 1])
    assert tables.order(settings[:2], "a", "b").size == 0


def test_a_direction_is_blind_where_it_sees_less_than_a_tenth():
    rows = ends(lambda_max=[10.0, 10.0], drawn_most=[1.0, 0.1])
    assert tables.blindness(rows).tolist() == pytest.approx([0, np.log(10)])


def test_minima_are_nearer_than_planes_if_their_heights_are():
    rows = ends(log_height=[0.0, 1.0], log_height_2=[0.1, 1.3])
    assert tables.nearer([rows]).tolist() == pytest.approx([0.9, 0.7])
    assert tables.nearer([rows.head(1)]).size == 0


def test_what_no_run_has_is_infinite():
    rows = ends(barrier=[0.1, np.nan])
    assert tables.known([rows, rows], "barrier").tolist() == [0.1, 0.1]
    assert tables.known([rows.tail(1)], "barrier").tolist() == [np.inf]


def test_what_is_left_of_a_barrier_is_its_share_of_the_straight_one():
    rows = ends(straight_barrier=[2.0], matched_barrier=[0.5])
    found = tables.way(rows, "matched")
    assert found[["barrier", "left"]].to_numpy().tolist() == [[0.5, 0.25]]


def test_a_cell_has_the_mean_and_its_interval():
    assert tables.cell(np.array([])) == "–"
    assert tables.cell(np.array([2.0])) == "2"
    assert tables.cell(np.array([1.0, 2.0, 3.0])) == "2 (-0.484 to 4.48)"
