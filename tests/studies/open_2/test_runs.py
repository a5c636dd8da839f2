"""The settings of the race, and what is read off its runs."""

import numpy as np
import pandas as pd
import pytest

from flatminima.runs.race.config import DescentRace, WalkRace
from flatminima.studies.open_2 import runs, tables


def history(instance, method, setting, seed, ratios, *, diverged=False, budget=100):
    """The rows of one racer, measured at 10, 20, ... full gradients."""
    count = len(ratios)
    rows = pd.DataFrame(
        {
            "instance": instance,
            "method": method,
            **setting,
            "data_seed": seed,
            "init_seed": seed,
            "budget": budget,
            "step": range(count),
            "evaluations": 10.0 * (1 + np.arange(count)),
            "ratio": ratios,
            "bound": [np.nan] * (count - 1) + [2.0],
            "gap": [np.nan] * (count - 1) + [-1e-16],
        }
    )
    last = rows.index == count - 1
    return rows.assign(last=last, diverged=diverged)


@pytest.mark.parametrize("instance", runs.SIZES)
@pytest.mark.parametrize("method", runs.METHODS)
def test_every_method_has_twelve_different_settings(instance, method):
    settings = runs.settings(instance, method)
    configs = {runs.racer(instance, method, setting) for setting in settings}
    assert len(configs) == 12
    kind = WalkRace if method in runs.WALKS else DescentRace
    assert all(isinstance(config, kind) for config in configs)


def test_the_chosen_settings_are_among_the_twelve():
    chosen = runs.tuned()
    assert set(chosen) == {
        (instance, method, target)
        for instance in runs.SIZES
        for method in runs.METHODS
        for target in runs.TARGETS
    }
    for (instance, method, _), setting in chosen.items():
        assert setting in runs.settings(instance, method)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="instance = 'cube': must be one of sparse"):
        runs.settings("cube", "gd")
    with pytest.raises(ValueError, match="method = 'adam': must be one of gd"):
        runs.settings("sparse", "adam")


def test_the_race_has_every_chosen_setting_once_and_no_tuning_seed():
    configs, cells = runs.race(), runs.planned()
    assert len(set(configs)) == len(configs)
    seeds = {cell.data_seed for cell in cells}
    assert len(cells) == len(configs) * len(seeds)
    assert len(seeds) >= 10
    assert min(seeds) >= 100 > max(runs.TUNING_SEEDS)
    assert {c.budget for c in configs} == {runs.BUDGET}


def test_arrival_is_the_first_checkpoint_within_the_target():
    table = history("sparse", "1-sam", {"lr": 0.1}, 3, [2.0, 1.04, 1.2, 1.005])
    found = runs.arrivals(table).set_index("target")
    assert found["evaluations"].tolist()[:2] == [20.0, 40.0]
    assert np.isnan(found.loc[0.001, "evaluations"])
    assert (found["final"] == 1.005).all()
    assert (found["least"] == 1.005).all()


def test_a_racer_that_diverges_later_has_arrived_and_has_no_end():
    table = history("sparse", "gd", {"lr": 0.1}, 3, [1.0005, 5.0], diverged=True)
    found = runs.arrivals(table)
    assert (found["evaluations"] == 10.0).all()
    assert found["final"].isna().all()


@pytest.fixture
def arrived(monkeypatch):
    """Two methods on one instance, three seeds; the last of 1-SAM never arrives."""
    sam, flow = {"lr": 0.01, "strength": 0.1}, {"rtol": 0.1}
    other = {"lr": 0.03, "strength": 0.1}
    chosen = {
        ("sparse", method, target): setting
        for method, setting in (("1-sam", sam), ("flow", flow))
        for target in runs.TARGETS
    }
    monkeypatch.setattr(runs, "tuned", lambda: chosen)
    rows = [
        history("sparse", "1-sam", sam, 100, [3.0, 2.0, 1.5, 1.0]),
        history("sparse", "1-sam", sam, 101, [3.0, 1.0]),
        history("sparse", "1-sam", sam, 102, [3.0, 2.0]),
        history("sparse", "1-sam", other, 100, [1.0]),
        *[history("sparse", "flow", flow, seed, [1.0]) for seed in (100, 101, 102)],
    ]
    return tables.chosen(pd.concat(rows, ignore_index=True))


def test_only_the_chosen_setting_counts(arrived):
    assert len(arrived) == 2 * 3 * len(runs.TARGETS)
    assert set(arrived.loc[arrived["method"] == "1-sam", "lr"]) == {0.01}


def test_who_does_not_arrive_has_spent_the_budget(arrived):
    paid = tables.spent(arrived, 0.01)
    assert paid["1-sam"].tolist() == [40.0, 20.0, 100.0]
    assert paid["flow"].tolist() == [10.0] * 3


def test_a_lead_is_a_logarithm_a_seed(arrived):
    found = tables.lead(arrived, 0.01, "flow", ["1-sam", "gd"])
    np.testing.assert_allclose(found, np.log([4, 2, 10]))
    assert tables.lead(arrived, 0.01, "spectral", ["1-sam"]).size == 0


def test_medians_count_failures_as_later_than_all(arrived):
    shown = tables.medians(arrived, 0.01)
    assert shown.loc["1-SAM", runs.LABELS["sparse"]] == "40 [1]"
    assert shown.loc["flow", runs.LABELS["sparse"]] == "10"
    half = arrived.assign(evaluations=np.nan)
    assert tables.medians(half, 0.01).loc["flow"].tolist() == ["– [3]"]


def test_failures_are_counted_by_target(arrived):
    shown = tables.failures(arrived)
    assert shown.loc["1-SAM"].tolist() == [1, 1, 1, 3]
    assert shown.loc["flow"].tolist() == [0, 0, 0, 3]


def test_shares_of_instances_are_a_row_a_seed(arrived):
    shown = tables.within(arrived, "1-sam", 0.01, "ours")
    assert shown["arrived"].tolist() == [1.0, 1.0, 0.0]
    assert shown["last"].all()
    nobody = tables.within(arrived, "gd", 0.01, "ours")
    assert len(nobody) == 3
    assert nobody["arrived"].isna().all()


def test_what_nobody_solves_is_the_least_of_all_methods(arrived):
    np.testing.assert_allclose(
        tables.unsolved(arrived, "sparse"), np.log([1 / 1.01] * 3)
    )
    assert tables.unsolved(arrived, "bias").size == 0


def test_who_gets_flatter_is_a_logarithm_a_seed(arrived):
    found = tables.flatter(arrived, "sparse", "flow", "1-sam")
    np.testing.assert_allclose(found, np.log([1.0, 1.0, 2.0]))
    assert tables.flatter(arrived, "sparse", "flow", "gd").size == 0


def test_gradient_descent_is_judged_where_it_ends_flattest(arrived):
    assert tables.gd_excess(arrived).size == 0
    gd = arrived.assign(method="gd", final=[2.1, 3.0] * (len(arrived) // 2))
    np.testing.assert_allclose(tables.gd_excess(gd), np.log([2.0] * 3))


def test_certificates_show_the_worst_gap():
    table = history("cubic", "gd", {"lr": 0.1}, 100, [2.0, 1.5])
    shown = tables.certificates(table)
    assert shown.loc["depth three", "largest gap"] == 1e-16
    assert shown.loc["depth three", "seeds"] == 1


def test_tuning_prefers_arrival_then_speed_then_flatness(monkeypatch):
    """Settings are told apart by their place, and given made-up histories."""
    options = runs.settings("sparse", "1-sam")
    ends = {
        0: [[3.0, 1.0], [3.0, 1.0], [3.0, 3.0]],  # a seed does not arrive
        1: [[3.0, 3.0, 1.0]] * 3,  # all arrive, later
        2: [[3.0, 1.0, 1.0]] * 3,  # all arrive, sooner
        3: [[1.5]] * 3,
    }

    def sweep(configs, seeds):
        (config,) = configs
        setting = {"lr": config.lr, "strength": config.strength}
        rows = ends.get(options.index(setting), [[9.0]] * 3)
        return pd.concat(
            history("sparse", "1-sam", setting, seed, each)
            for seed, each in zip(seeds, rows, strict=True)
        )

    monkeypatch.setattr(runs, "sweep_quietly", sweep)
    assert runs.tune("sparse", "1-sam")[0.01] == options[2]
    ends.clear()
    ends[3] = [[1.5]] * 3
    assert runs.tune("sparse", "1-sam")[0.01] == options[3]


def test_tuning_counts_a_run_that_diverged_as_infinite(monkeypatch):
    options = runs.settings("sparse", "1-sam")
    ends = {2: [[1.2], [9.0], [9.0]], 5: [[1.5]] * 3}
    diverged = {2: [False, True, True]}

    def sweep(configs, seeds):
        (config,) = configs
        setting = {"lr": config.lr, "strength": config.strength}
        place = options.index(setting)
        rows = ends.get(place, [[9.0]] * 3)
        lost = diverged.get(place, [False] * 3)
        return pd.concat(
            history("sparse", "1-sam", setting, seed, each).assign(diverged=gone)
            for seed, each, gone in zip(seeds, rows, lost, strict=True)
        )

    monkeypatch.setattr(runs, "sweep_quietly", sweep)
    assert runs.tune("sparse", "1-sam")[0.01] == options[5]
