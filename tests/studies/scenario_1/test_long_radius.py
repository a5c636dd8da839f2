"""Too long an ascent step: the threshold, and who is counted by it."""

import math

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.studies.scenario_1 import long_radius
from flatminima.sweeps.sweep import sweep
from tests.tables import runs

SIZE = {"d": 6, "n": 12, "width": 24, "lr": 0.01, "rho": 0.05}


def test_below_two_the_fit_is_a_minimum_of_the_loss_on_the_far_side():
    """The derivation in the docstring, on a fine grid of the scale c of the outputs."""
    c = np.linspace(0, 2, 20001)

    def minima(kappa):
        q = (np.abs(1 - c) + kappa * np.sqrt(c)) ** 2
        inside = (q[1:-1] < q[:-2]) & (q[1:-1] < q[2:])
        return c[1:-1][inside].tolist()

    assert minima(0.5) == minima(1.99) == [1.0]
    assert minima(2.01) == minima(4.0) == []


def test_the_second_phase_has_the_radius():
    short, long = long_radius.configs([0.1, 0.7], epochs=5, further=2, **SIZE)
    assert (short.rho, short.num_steps, short.measure_at) == (0.05, 84, (60,))
    assert [phase.rho for phase in (*short.phases, *long.phases)] == [0.1, 0.7]
    assert short.phases[0].start == 60


@pytest.mark.parametrize(
    ("radii", "changes", "message"),
    [
        ([], {}, r"radii = \[\]: allowed are positive"),
        ([0.1, 0.0], {}, "radii = "),
        ([0.1], {"epochs": 0}, "epochs = 0: must be an integer of at"),
        ([0.1], {"further": 1.5}, "further = 1.5: must be an integer"),
        ([0.1], {"lr": -1.0}, "lr"),
    ],
)
def test_bad_values_are_refused(radii, changes, message):
    with pytest.raises(ValueError, match=message):
        long_radius.configs(radii, **({"epochs": 5, "further": 2} | SIZE | changes))


def test_outcomes_of_runs():
    cells = long_radius.configs([0.05, 1.5], epochs=500, further=100, **SIZE)
    rows = long_radius.outcomes(cells, [sweep([cell], 3) for cell in cells])
    assert rows["second_rho"].tolist() == [0.05] * 3 + [1.5] * 3
    assert rows["init_seed"].tolist() == [0, 1, 2] * 2
    assert (rows["kappa"][:3] < 1).all() and (rows["kappa"][3:] > 2).all()
    assert (rows["as_predicted"] == 1).all()
    middle = sweep(cells[1:], 3).query("step == 6000")["retracted_trace"]
    expected = 1.5 * np.sqrt(middle / 2)
    assert rows["kappa"][3:].tolist() == pytest.approx(expected.tolist())
    table = long_radius.by_radius(rows)
    assert table.index.tolist() == [0.05, 1.5]
    assert table["output error after"].tolist() == pytest.approx(
        rows.groupby("second_rho")["output_error"].median().tolist()
    )


def by_hand(radius, trace, error):
    (config,) = long_radius.configs([radius], epochs=1, further=1, **SIZE)
    ends = runs(3, output_error=error)
    ends = ends[ends["last"]]
    starts = ends.assign(step=12, last=False, retracted_trace=trace)
    return config, pd.concat([starts, ends], ignore_index=True)


@pytest.mark.parametrize(
    ("radius", "error", "predicted"),
    [
        (0.3, [0.0, 0.09, 0.11], [1, 1, 0]),  # kappa = 0.9
        (0.5, [0.0, 0.3, 1.0], [None, None, None]),  # 1.5
        (0.7, [0.0, 0.49, 0.51], [0, 0, 1]),  # 2.1
    ],
)
def test_what_was_predicted(radius, error, predicted):
    config, table = by_hand(radius, 18.0, error)
    rows = long_radius.outcomes([config], [table])
    found = [None if math.isnan(x) else x for x in rows["as_predicted"]]
    assert found == predicted


def test_a_run_without_a_fit_predicts_nothing_and_seeds_are_averaged():
    known = by_hand(0.3, 18.0, [0.0, 0.2, 0.0])
    unknown = by_hand(0.7, [math.nan, 18.0, 18.0], [1.0, 1.0, 0.0])
    rows = long_radius.outcomes(*zip(known, unknown, strict=True))
    seeds = long_radius.by_seed(rows)
    assert seeds["as_predicted"].tolist() == [1.0, 0.5, 0.5]
    assert seeds["last"].all()
    verdict = decide.share("s1-long-radius", seeds)
    assert verdict.effect == pytest.approx(2 / 3)
