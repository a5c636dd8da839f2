"""Firing rates of units, and what flat training costs."""

import numpy as np
import pandas as pd
import pytest

from flatminima.studies.open_1 import firing

LENGTH = {"width": 8, "epochs": 3, "full_steps": 5}


def test_rates_of_units_that_are_known():
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    w = np.array([[1.0, -1.0], [0.0, 0.0]])
    assert firing.firing_rates(w, x).tolist() == [0.5, 0.25]
    assert firing.weighted_rate(w, np.array([3.0, -1.0]), x) == pytest.approx(0.4375)
    assert np.isnan(firing.weighted_rate(w, np.zeros(2), x))


def test_without_bias_a_unit_fires_on_half_of_symmetric_points():
    rng = np.random.default_rng(0)
    half = rng.standard_normal((50, 4))
    w = rng.standard_normal((4, 9))
    rates = firing.firing_rates(w, np.concatenate([half, -half]))
    assert rates == pytest.approx(np.full(9, 0.5))


def test_the_two_rules_share_data_and_start():
    found = firing.configs({"xor": (6, 10), "ball": (4, 12)}, seed=3, **LENGTH)
    assert len(found) == 12
    for data in ("xor", "ball"):
        flat, small = (found[data, "bias", r] for r in (firing.FLAT, firing.SMALL))
        assert flat.rule == "1-SAM"
        assert small.rule == "GD + wd"
        plain = found[data, "bias", firing.PLAIN]
        assert plain.model_dump() == flat.model_dump() | {"rho": 0.0}
        for field in ("data_seed", "init_seed", "d", "n", "width"):
            assert getattr(flat, field) == getattr(small, field)


def test_a_table_has_a_row_for_each_run():
    rows = firing.table({"xor": (6, 10), "ball": (4, 12)}, [5], **LENGTH)
    assert len(rows) == 12
    assert rows["firing"].between(0, 1).all()
    own = rows[rows["architecture"] == "no_bias"]["firing"]
    assert own.to_numpy() == pytest.approx(np.full(6, 0.5), abs=0.1)


def test_what_flatness_costs_is_paired_by_seed():
    scores = {("bias", "1-SAM"): 0.5, ("bias", "GD + wd"): 0.9}
    scores |= {("no_bias", "1-SAM"): 0.8, ("no_bias", "GD + wd"): 0.9}
    rows = pd.DataFrame(
        [
            {"data": "ball", "architecture": a, "rule": r, "seed": 1, "score": score}
            for (a, r), score in scores.items()
        ]
    )
    assert firing.gain(rows, "ball", "bias").tolist() == pytest.approx([-0.4])
    assert firing.behind(rows, "ball").tolist() == pytest.approx([0.3])
    assert firing.behind(rows.iloc[1:], "ball").empty
