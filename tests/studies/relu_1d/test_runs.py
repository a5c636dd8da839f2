"""The study of the network on the line: controls hold equal what they say."""

import numpy as np
import pytest

from flatminima.data.regression import POINTS_X
from flatminima.measures.kinks import count_kinks
from flatminima.runs import loop
from flatminima.studies.relu_1d import plots, runs

SIZE = {"width": 20, "num_steps": 4000}


@pytest.fixture(scope="module")
def configs():
    return runs.rules(0.3, 0.5, **SIZE)


@pytest.fixture(scope="module")
def ends(configs, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATMINIMA_STORE", str(tmp_path_factory.mktemp("store")))
        found = runs.run(configs, [3, 4])
        found["ERM, matched"] = runs.matched(found["SAM"], configs["ERM"])
        found["finished"] = runs.finished(found["SAM"], configs["ERM"])
        return found


def test_rules_differ_in_what_they_are_named_for(configs):
    erm = configs["ERM"].model_dump()
    changed = {
        name: {k for k, value in config.model_dump().items() if value != erm[k]}
        for name, config in configs.items()
    }
    assert changed["SAM"] == {"rho"}
    assert changed["ERM, not stopped"] == {"stop_loss"}
    assert changed["random"] == {"rho", "ascent", "stop_loss"}
    assert changed["ERM, small start"] == {"init_scale"}
    assert configs["ERM"].factor * 2 == 12  # half the sum of twelve squares


def test_a_table_is_of_the_runs_ends(configs, ends):
    run = loop.run(configs["SAM"].with_seeds(4, 4))
    row = ends["SAM"].table.set_index("init_seed").loc[4]
    assert row["loss"] == pytest.approx(run.history["loss"].iloc[-1])
    w, b, a = (run.arrays[name] for name in runs.NAMES)
    assert row["kinks"] == count_kinks(w, b, a, POINTS_X)
    assert row["log_trace"] == pytest.approx(np.log10(run.history["trace"].iloc[-1]))


def test_matched_runs_stop_at_the_loss_of_sam(ends):
    sam = ends["SAM"].table.set_index("init_seed")["loss"]
    matched = ends["ERM, matched"].table.set_index("init_seed")["loss"]
    reached = ends["ERM, not stopped"].table.set_index("init_seed")["loss"]
    for seed in (3, 4):
        assert matched[seed] <= max(sam[seed], reached[seed]) * (1 + 1e-9)
    assert (matched > 0.2 * sam).all()


def test_finishing_starts_where_sam_ended(configs, ends):
    before = ends["SAM"].table["loss"].to_numpy()
    after = ends["finished"].table["loss"].to_numpy()
    assert (after < before).all()
    moved = ends["finished"].networks[3]["a"] - ends["SAM"].networks[3]["a"]
    whole = ends["SAM"].networks[3]["a"] - ends["ERM"].networks[3]["a"]
    assert np.linalg.norm(moved) < np.linalg.norm(whole)


def test_deviation_is_the_distance_from_the_other_functions(ends):
    f, g = (runs.drawn(arrays) for arrays in ends["SAM"].networks.values())
    expected = np.mean((f - g) ** 2)
    assert ends["SAM"].table["deviation"].tolist() == pytest.approx([expected] * 2)


def test_lost_networks_have_no_numbers(configs, ends):
    lost = {
        seed: {n: a * np.nan for n, a in each.items()}
        for seed, each in ends["SAM"].networks.items()
    }
    cells = [configs["SAM"].with_seeds(seed, seed) for seed in lost]
    gone = runs.ended("SAM", cells, lost, ends["SAM"].history, 0.5, 0.05)
    assert gone.table["diverged"].all() and gone.table["kinks"].isna().all()
    assert np.isnan(runs.by_tolerance({"SAM": gone}, [0.5])).all(axis=None)
    figure = plots.functions({"SAM": gone})
    assert [t.get_text() for t in figure.axes[0].texts] == ["every run diverged"]
    again = runs.finished(gone, configs["ERM"])
    assert again.table["diverged"].all()


def test_fewer_bends_count_at_a_higher_tolerance(ends):
    table = runs.by_tolerance(ends, [0.01, 1.0, 1e6])
    for name in ends:
        assert table[name].is_monotonic_decreasing and table[name].iloc[-1] == 0
    assert plots.tolerances(table).axes


def test_figures_are_drawn(ends):
    assert len(plots.functions({"ERM": ends["ERM"], "SAM": ends["SAM"]}).axes) == 2
    figure = plots.along({"SAM": ends["SAM"]}, {"kinks": "kinks", "loss": "loss"})
    assert len(figure.axes) == 2
