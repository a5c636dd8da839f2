"""What tables say of ends that are known."""

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.runs.images.around import COLUMNS
from flatminima.sources.reading_group import RADII, TUNING
from flatminima.studies.adversarial import plots, runs, tables


def end(config) -> dict:
    """SAM is best at its second radius; every arm has a rise of its own."""
    at = {0.0: 0, RADII[1]: 0.1, 5.0: 0.05}.get(config.rho, 0.02)
    fields = config.model_dump() | {"train_loss": 0.3, "reached": 1.0}
    row = fields | {"test_accuracy": 0.8 + at * (config.perturbed != "random")}
    row |= {"test_accuracy": row["test_accuracy"] + 0.001 * (config.data_seed % 10)}
    row |= dict.fromkeys(COLUMNS, 0.5)
    row |= {tables.RISE: 1.0 - config.rho / 10, tables.EIGENVALUE: np.exp(config.rho)}
    facts = {"last": True, "diverged": False, "scale": "scaled-down", "test_points": 1}
    return row | facts


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    cells = runs.planned(seeds=range(100, 110))
    return pd.DataFrame([end(cell) for cell in cells])


@pytest.fixture(scope="module")
def rows(table) -> pd.DataFrame:
    return tables.gathered([table])


def test_lengths_are_chosen_by_the_seeds_that_tune(table, rows):
    assert tables.chosen(rows, "weights") == RADII[1]
    tuning = table["data_seed"].isin(TUNING)
    other = table.assign(
        test_accuracy=table["test_accuracy"] + tuning * (table["rho"] == RADII[2])
    )
    misled = tables.gathered([other])
    assert tables.chosen(misled, "weights") == RADII[2]
    found = tables.whole(misled)["weights"]
    assert found["test_accuracy"].max() < 0.9
    assert found["data_seed"].tolist() == list(range(100, 110))


def test_a_scale_that_was_only_begun_is_left_out(table):
    begun = pd.DataFrame([end(cell) for cell in runs.planned("small", seeds=[100])])
    found = tables.gathered([begun, table])
    assert set(found["n"]) == set(table["n"]) and len(found) == len(table)
    assert set(tables.gathered([begun])["n"]) == {runs.SMALL["n"]}


def test_the_small_scale_has_every_arm_of_the_claims():
    cells = runs.planned("small", seeds=range(100, 110))
    rows = tables.gathered([pd.DataFrame([end(cell) for cell in cells])])
    for arm, lengths in runs.COMPARED.items():
        for rho in lengths:
            assert len(tables.of(rows, arm, rho)) == 10
            assert len(tables.of(rows, arm, rho, chose=True)) == 2
    assert all(len(part) == 10 for part in tables.alike(rows).values())


def test_arms_of_equal_and_of_tuned_lengths(rows):
    whole, tuned = tables.whole(rows), tables.tuned(rows)
    assert set(whole["random"]["rho"]) == {RADII[1]}
    assert set(whole["inputs"]["rho"]) == {tables.ATTACKED_IN_TRAINING}
    assert set(whole["plain"]["rho"]) == {0}
    assert set(tuned["random"]["rho"]) == {RADII[0]}  # the smaller of equal ones
    assert list(whole) == list(tuned) == list(tables.ARMS)


def test_at_one_loss_the_runs_are_those_that_stop_there(table, rows):
    alike = tables.alike(rows)
    assert {arm: set(part["rho"]) for arm, part in alike.items()} == {
        **{"plain": {0.0}, "random": {runs.RHO}},
        **{"weights": {runs.RHO}, "inputs": {runs.INPUTS}},
    }
    assert all((part["target_loss"] == runs.TARGET).all() for part in alike.values())
    stops = table["target_loss"] == runs.TARGET
    late = table.assign(reached=~(stops & (table["data_seed"] == 100)) * 1.0)
    missing = tables.alike(tables.gathered([late]))["weights"]
    assert missing["log_rise"].isna().tolist() == [True] + [False] * 9


def test_the_flatter_arm_wins(rows):
    alike = tables.alike(rows)
    flat = decide.beats("adversarial-withstands", alike["weights"], alike["plain"])
    assert flat.verdict == "holds"
    assert flat.effect == pytest.approx(-np.log(1 - runs.RHO / 10))
    sharp = decide.beats("adversarial-eigenvalue", alike["weights"], alike["plain"])
    assert (sharp.verdict, sharp.effect) == ("fails", pytest.approx(-runs.RHO))


def test_a_rise_that_is_none_has_no_logarithm(table):
    flat = tables.with_logarithms(table.assign(**{tables.RISE: 0.0}))
    assert flat["log_rise"].isna().all()


def test_tables_of_lengths_and_arms(rows):
    found = tables.by_length(rows)
    assert len(found) == 1 + sum(map(len, runs.LENGTHS.values()))
    assert {"seeds that choose", "others"} == set(found.columns)
    assert found.loc[(tables.NAMES["plain"], 0.0)].notna().all()
    arms = tables.summary(tables.whole(rows)).index
    assert arms.tolist() == list(tables.NAMES.values())


def test_nothing_decides_nothing():
    nothing = tables.gathered([])
    for arms in (tables.whole(nothing), tables.tuned(nothing), tables.alike(nothing)):
        assert all(part["test_accuracy"].isna().all() for part in arms.values())
    assert tables.by_length(nothing).empty


@pytest.mark.parametrize("some", [True, False], ids=["runs", "none"])
def test_figures_are_drawn_with_runs_and_without(rows, some):
    part = rows if some else tables.gathered([])
    figures = [
        plots.lengths(part),
        plots.attacks(tables.whole(part)),
        plots.flatness(tables.alike(part)),
    ]
    for figure in figures:
        points = sum(len(line.get_xdata()) for a in figure.axes for line in a.lines)
        assert (points > 0) == some
