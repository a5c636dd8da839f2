"""Gains and eigenvalues on a table whose answers are known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from flatminima.studies.architectures import plots, tables
from flatminima.studies.architectures.runs import ARMS
from flatminima.sweeps.table import COMMITTED

DECAYS = (1e-4, 1e-3)
GAINS = {"ResNet, PHB": 1.0, "ResNet, Adam": 2.0, "ViT, Adam": 5.0, "Mixer, Adam": 9.0}
SHARP = {"ResNet, PHB": 1.0, "ResNet, Adam": 2.0, "ViT, Adam": 4.0, "Mixer, Adam": 8.0}


def row(arm, sam, seed, data, to_the_end, decay, early=False):
    accuracy = (
        70.0 + 0.1 * (seed - 100) + GAINS[arm] * sam + 3.0 * (decay == DECAYS[-1])
    )
    return {
        **{"net": ARMS[arm].net, "optimiser": ARMS[arm].optimiser, "data": data},
        **{"rho": 0.1 * sam, "weight_decay": decay, "last": not early},
        **{"data_seed": seed, "init_seed": seed, "diverged": False, "scale": "tiny"},
        **{"to_the_end": to_the_end, "train_loss": 0.1},
        "reached": 1.0,
        "test_accuracy": (accuracy - 10 * early) / 100,
        "largest_eigenvalue": SHARP[arm] * (10.0 if not sam else 1.0),
    }


def table(seeds=(100, 101, 102)) -> pd.DataFrame:
    rows = []
    for arm, seed in product(ARMS, seeds):
        for sam, data in product((False, True), ("fashion_mnist", "cifar10")):
            rows.append(row(arm, sam, seed, data, True, 0.0))
            rows.append(row(arm, sam, seed, data, True, 0.0, early=True))
        rows += [row(arm, s, seed, "fashion_mnist", False, 0.0) for s in (False, True)]
        rows += [row(arm, False, seed, "fashion_mnist", True, d) for d in DECAYS]
    return pd.DataFrame(rows)


def test_gains_and_their_differences():
    rows = tables.ends(table())
    for arm, gain in GAINS.items():
        assert tables.change(rows, arm).to_numpy() == pytest.approx([gain] * 3)
        assert tables.change(rows, arm, part=tables.CIFAR).size == 3
    more = tables.more(rows, "Mixer, Adam", "ResNet, Adam")
    assert more == pytest.approx([7.0] * 3)
    at = tables.TARGETS
    stopped = tables.more(rows, "ViT, Adam", "ResNet, Adam", part=at)
    assert stopped == pytest.approx([3.0] * 3)


def test_eigenvalues_are_compared_by_their_logarithms():
    rows = tables.ends(table())
    for part in (tables.ENDS, tables.TARGETS):
        ratio = tables.sharper(rows, "Mixer, Adam", "ResNet, Adam", part)
        assert ratio == pytest.approx([np.log(4)] * 3)
        fall = tables.change(rows, "ViT, Adam", tables.LOG, part)
        assert fall.to_numpy() == pytest.approx([-np.log(10)] * 3)
        assert tables.flatter(rows, part) == pytest.approx([np.log(10)] * 3)
    without = rows[(rows["arm"] != "ViT, Adam") | (rows["data_seed"] != 101)]
    assert len(tables.flatter(without)) == 2


def test_committed_runs_tell_their_seeds():
    rows = tables.ends(table())
    assert tables.said(rows) == "tiny"
    committed = rows.assign(scale=rows["data"] + ", target 0.3" + COMMITTED)
    assert tables.said(committed) == "fashion_mnist, committed, seeds 100 to 102"
    cifar = tables.said(committed, tables.CIFAR)
    assert cifar == "cifar10, committed, seeds 100 to 102"


def test_the_best_decay_counts():
    rows = tables.ends(table())
    assert tables.over_decay(rows, "ViT, Adam") == pytest.approx([2.0] * 3)
    assert tables.over_decay(rows, "ResNet, PHB") == pytest.approx([-2.0] * 3)
    without = rows[rows["weight_decay"] == 0]
    assert len(tables.over_decay(without, "ViT, Adam")) == 0


def test_what_diverged_leaves_its_seed_out():
    lost = table()
    lost.loc[(lost["data_seed"] == 101) & (lost["rho"] > 0), "diverged"] = True
    rows = tables.ends(lost)
    assert len(tables.change(rows, "ViT, Adam")) == 2
    assert len(tables.more(rows, "ViT, Adam", "ResNet, Adam")) == 2


def test_what_missed_the_target_is_compared_by_nothing_there():
    missed = table()
    missed.loc[missed["data_seed"] == 101, "reached"] = 0.0
    rows = tables.ends(missed)
    assert len(tables.change(rows, "ViT, Adam", part=tables.TARGETS)) == 2
    assert len(tables.sharper(rows, "ViT, Adam", "ResNet, Adam", tables.TARGETS)) == 2
    assert len(tables.change(rows, "ViT, Adam")) == 3


def test_pages_of_all_and_of_nothing():
    rows = tables.ends(table())
    summary = tables.summary(rows)
    assert len(summary) == 3 * len(ARMS)
    assert summary["gain"].iloc[2] == "5.0 ± 0.0"
    assert summary["ratio"].tolist() == pytest.approx([10.0] * len(summary))
    assert plots.gains(rows) and plots.eigenvalues(rows)
    lost = tables.ends(table().assign(diverged=True))
    assert set(tables.summary(lost)["gain"]) == {"none"}
    assert plots.gains(lost) and plots.eigenvalues(lost)
    assert tables.summary(rows[:0]).empty
