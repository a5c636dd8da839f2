"""Constructions and certificates of the chapter, on small instances."""

import numpy as np
import pytest

from flatminima.models import deep
from flatminima.studies.open_1_1 import tables

KINDS = {tables.MEMORISING, tables.TREE, tables.RIGHT}


def test_constructions_are_flattest_and_right_or_wrong_as_they_say():
    built = tables.constructions([3], inputs=6, examples=20)
    assert set(built["kind"]) == KINDS
    assert built["excess"].abs().max() < 1e-12
    by = built.groupby("kind")["accuracy"]
    assert by.max()[tables.MEMORISING] == 0
    assert by.min()[tables.RIGHT] == 1
    assert by.nunique()[tables.TREE] == 1


def test_no_points_left_to_test_on_is_no_accuracy():
    built = tables.constructions([0], inputs=3, examples=8)
    assert built["accuracy"].isna().all()
    assert built["excess"].abs().max() < 1e-12


def test_what_does_not_interpolate_has_no_excess(rng):
    model = deep.Model(3, 0.0)
    network = deep.init(model, 4, 8, rng)
    x = rng.choice([-1.0, 1.0], (5, 4))
    assert tables.excess(model, network, x, np.ones(5)) == np.inf


def test_random_labels_on_the_sphere_and_random_networks():
    on_sphere = tables.sphere([5], inputs=6, examples=15)
    assert on_sphere["excess"].abs().max() < 1e-9
    assert tables.above_bound([5], inputs=6, examples=15).max() <= 1e-12


def test_points_near_each_other_on_the_sphere_take_more_frames():
    near = tables.sphere(range(1000, 1005), inputs=3, examples=30)
    assert near["excess"].abs().max() < 1e-9


def test_certificates_have_no_gap_and_say_where_nothing_fits():
    rows = tables.certificates([0], inputs=4, examples=8)
    assert rows["labels"].tolist() == ["xor", "random"]
    fits = rows.dropna(subset=["over"])
    assert fits["gap"].max() < 1e-6
    assert fits["over"].min() >= 1 - 1e-6
    whole = tables.certificates([0], inputs=2, examples=4).set_index("labels")
    # no bias: f(x) + f(-x) has one sign only where units agree, so most labels fail
    assert whole.loc["xor", "over"] == pytest.approx(np.sqrt(2), rel=1e-4)
