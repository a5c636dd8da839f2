"""What tables say of curves whose best places are known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from flatminima.sources.reading_group import RADII, TUNING
from flatminima.studies.noise_and_finetuning import plots, runs, tables

STEPS = (0, 160, 320, 512)
COMPARED = (100, 101)


def curve(config, seed: int) -> list[dict]:
    """A rise to a peak at step 320, then a fall by the share that is wrong.

    The middle radius is best where it counts, the largest decay falls least, and plain
    training is at its peak where its training loss is what SAM ends with.
    """
    sam = config.rho > 0 and config.perturbs(0)
    gain = 0.1 * sam * (config.rho == RADII[1])
    fall = config.label_noise * (0.1 if sam else 0.5 - 20 * config.weight_decay)
    late = 0.05 * (config.sam_from > 0) * (config.rho == RADII[0])
    shift = 0.001 * (seed % 10)
    values = (0.1, 0.6 + gain, 0.8 + gain, 0.8 + gain + late - fall)
    losses = (2.0, 1.0, 0.6 if sam else 0.5, 0.5 if sam else 0.25)
    fields = config.model_dump() | {"data_seed": seed, "init_seed": seed}
    facts = {"diverged": False, "scale": "scaled-down", "test_points": 1}
    longest = config.num_steps
    return [
        fields
        | {"step": step if step != 512 else longest, "epoch": step / 16}
        | {"test_accuracy": value + shift, "train_loss": loss, "last": step == 512}
        | facts
        for step, value, loss in zip(STEPS, values, losses, strict=True)
    ]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    cells = itertools.product(runs.grid(), (*TUNING, *COMPARED))
    return pd.DataFrame(
        list(itertools.chain.from_iterable(curve(*cell) for cell in cells))
    )


@pytest.mark.parametrize("share", runs.NOISY)
def test_tuning_finds_the_best_values_and_the_peak(table, share):
    assert tables.choose(table, share, "SAM").value == RADII[1]
    assert tables.choose(table, share, "weight decay").value == runs.DECAYS[-1]
    assert tables.choose(table, share, "plain").value == 0
    for rule in tables.RULES:
        assert tables.choose(table, share, rule, stopped=True).step == 320


def test_the_seeds_that_tune_do_not_report(table):
    bad = table["data_seed"].isin(TUNING) & (table["rho"] == RADII[2])
    misled = table.assign(test_accuracy=table["test_accuracy"] + 0.5 * bad)
    choice = tables.choose(misled, 0.4, "SAM")
    assert choice.value == RADII[2]
    found = tables.outcome(misled, choice)
    assert found["data_seed"].tolist() == list(COMPARED)
    assert found["test_accuracy"].max() < 0.8


def test_means_over_shares(table):
    noisy = np.mean(runs.NOISY)
    plain = tables.outcomes(table, "plain").set_index("data_seed")["test_accuracy"]
    assert plain[100] == pytest.approx(0.8 - 0.5 * noisy)
    stopped = tables.outcomes(table, "plain", stopped=True)
    assert stopped["test_accuracy"].tolist() == pytest.approx([0.8, 0.801])
    early = tables.before_the_end(table)["test_accuracy"]
    assert early.tolist() == pytest.approx([0.9, 0.901])


def test_equal_loss_compares_where_the_losses_are(table):
    sam, plain = tables.at_equal_loss(table)
    # both are at a loss of .5: SAM at its end, plain training at its peak
    assert plain["test_accuracy"].tolist() == pytest.approx([0.8, 0.801])
    expected = 0.9 - 0.1 * np.mean(runs.NOISY)
    assert sam["test_accuracy"].iloc[0] == pytest.approx(expected)


def test_between_rows_the_logarithm_of_the_loss_counts():
    rows = pd.DataFrame(
        {"step": [0, 1, 2], "train_loss": [1.0, 0.01, 0.5], "test_accuracy": [0, 1, 5]}
    )
    assert tables.at_loss(rows, 0.1) == pytest.approx(0.5)
    assert tables.at_loss(rows, 2.0) == 0


def test_what_sam_gains_more_with_noise(table):
    # .1 + .4 share, so .24 more with three fifths than with none
    assert tables.grows(table) == pytest.approx([0.24, 0.24])


def test_arms_of_finetuning(table):
    arms = tables.finetuned(table, 0.0)
    values = {name: rows["test_accuracy"].iloc[0] for name, rows in arms.items()}
    expected = {"plain": 0.8, "plain, longer": 0.8, "SAM at last": 0.85, "SAM": 0.9}
    assert values == pytest.approx(expected)
    assert all(len(rows) == len(COMPARED) for rows in arms.values())
    assert list(arms) == list(tables.LATE_ARMS)


def test_a_run_that_diverged_before_the_stop_stays_lost(table):
    lost = (table["data_seed"] == 100) & (table["rho"] == RADII[1])
    lost &= table["label_noise"] == 0.4
    cut = table[~lost | (table["step"] <= 160)].copy()
    cut.loc[lost, "diverged"] = True
    cut.loc[lost & (cut["step"] == 160), "last"] = True
    stop = tables.Choice(0.4, "SAM", RADII[1], 320)
    assert tables.outcome(cut, stop)["diverged"].tolist() == [False, True]
    assert tables.outcomes(cut, "SAM")["diverged"].tolist() == [True, False]
    sam, _ = tables.at_equal_loss(cut)
    assert sam["data_seed"].tolist() == [101]


def test_nothing_says_nothing():
    nothing = runs.evidence([])
    assert tables.outcomes(nothing, "SAM")["test_accuracy"].isna().all()
    assert all(
        each["test_accuracy"].isna().all() for each in tables.at_equal_loss(nothing)
    )
    assert tables.grows(nothing).size == 0
    assert len(tables.summary(nothing)) == len(runs.SHARES) * len(tables.RULES)


def test_the_summary_has_the_epoch_at_which_to_stop(table):
    found = tables.summary(table)
    assert set(found["epoch"]) == {20.0}
    assert found["accuracy, stopped"].min() > found["accuracy at the end"].min()


@pytest.mark.parametrize("draw", [plots.curves, plots.ends, plots.finetuning])
def test_figures_are_drawn_with_runs_and_without(table, draw):
    for rows, marks in ((table, True), (runs.evidence([]), False)):
        figure = draw(rows)
        points = sum(len(line.get_xdata()) for a in figure.axes for line in a.lines)
        assert (points > 0) == marks
        texts = [text.get_text() for a in figure.axes for text in a.texts]
        assert ("not committed" in " ".join(texts).replace("\n", " ")) != marks


def test_the_live_figure_says_when_all_is_lost(table):
    arms = {"plain": table[table["rho"] == 0], "SAM": table[table["rho"] > 0]}
    assert plots.live(arms).axes[1].lines
    lost = {name: rows.assign(diverged=True) for name, rows in arms.items()}
    figure = plots.live(lost)
    assert "diverged" in figure.axes[0].texts[0].get_text()
