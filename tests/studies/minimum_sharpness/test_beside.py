"""What stands beside the grid, on tables whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from flatminima.results.grids import placed
from flatminima.runs.images.config import ImageConfig
from flatminima.sources.minimum_sharpness import LEARNING_RATES
from flatminima.studies.minimum_sharpness import beside, networks, plots, runs, tables

from .test_tables import grid


def at_defaults(**kwargs) -> pd.DataFrame:
    table = grid(**kwargs)
    extra = {"test_points": 1017, "to_the_end": False, "num_epochs": 200}
    return table.assign(lr=table["optimiser"].map(LEARNING_RATES), **extra)


def test_pairs_are_counted_by_data_set_and_in_all():
    found = tables.pairs(tables.ends(at_defaults()))
    table = beside.pair_counts(found).set_index("data")
    assert table["pairs"].to_dict() == {"cifar10": 36, "fashion_mnist": 36, "all": 72}
    low = stats.binomtest(72, 72).proportion_ci(method="exact").low
    assert table.loc["all", "SAM flatter"] == f"1.00 [{low:.2f}, 1.00]".replace(
        "0.", "."
    )
    assert table.loc["all", "median ratio"].startswith(".5")
    assert beside.pair_counts(found[:0])["pairs"].tolist() == [0]


def test_a_thousand_images_resolve_three_points():
    rows = tables.ends(at_defaults()).assign(test_accuracy=0.65)
    table = beside.resolution(rows).set_index("data")
    ends = stats.binomtest(round(0.65 * 1017), 1017).proportion_ci(method="wilson")
    half = (ends.high - ends.low) / 2
    assert table.loc["cifar10", "one run"] == pytest.approx(half, abs=2e-4)
    assert table.loc["cifar10", "two runs"] == pytest.approx(1.414 * half, abs=4e-4)


def gone_on() -> pd.DataFrame:
    """Runs that go on: SAM is behind at the target, and ahead from epoch 100 on."""
    target = at_defaults(bonus=-0.2).assign(to_the_end=True, last=False, epoch=20.0)
    parts = [target]
    for epoch in (50.0, 100.0, 150.0, 200.0):
        bonus = 0.3 if epoch >= 100 else -0.2
        later = at_defaults(bonus=bonus).assign(to_the_end=True, at_target=0.0)
        parts.append(later.assign(epoch=epoch + 0.4, last=epoch == 200))
    return pd.concat(parts, ignore_index=True)


def test_conclusions_by_the_moment():
    table = beside.moments(gone_on()).set_index("moment")
    assert list(table.index) == [
        "at the target",
        *(f"epoch {e}" for e in (50, 100, 150, 200)),
    ]
    assert table["SAM more accurate"].tolist() == [0, 0, 1, 1, 1]
    assert table["pairs"].tolist() == [72] * 5
    last = beside.at_epoch(gone_on(), 200)
    assert len(last) == 144 and last["converged"].all()
    assert beside.moments(gone_on()[:0]).empty


def test_a_run_that_stopped_has_no_later_moment():
    assert beside.at_epoch(at_defaults(), 50).empty


def tried() -> pd.DataFrame:
    """SimpleBatch at three rates; three times the default is better by .02."""
    parts = []
    for seeds in ((0, 1, 2), (100, 101)):
        whole = at_defaults(seeds=seeds)
        one = whole[(whole["data"] == "fashion_mnist") & (whole["net"] == "simple")]
        for factor, gain in ((0.3, 0.05), (1.0, 0.0), (3.0, 0.02)):
            part = one.assign(
                lr=one["lr"] * factor, test_accuracy=one["test_accuracy"] + gain
            )
            if factor == 0.3:  # the best, but not every seed arrives
                lost = part["data_seed"] == 0
                part.loc[lost, ["at_target", "reached"]] = 0.0
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def test_tuning_takes_the_best_rate_at_which_all_arrive():
    rows = tables.ends(runs.tuning_of(tried()))
    rates = beside.chosen(rows)
    assert len(rates) == 12
    assert all(
        lr == pytest.approx(3 * LEARNING_RATES[name]) for (name, _), lr in rates.items()
    )
    more = tables.ends(at_defaults(seeds=(105,)))  # not run at other rates
    tested = beside.tested(pd.concat([rows, more], ignore_index=True))
    tuned, default = beside.at_rates(tested, rates), runs.defaults_of(tested)
    assert set(tuned["data_seed"]) == set(default["data_seed"]) == {100, 101}
    first, second = beside.tuned_and_default(tuned, default, rows)
    gain = first["accuracy"] - second["accuracy"]
    assert gain.to_numpy() == pytest.approx([0.02, 0.02])
    table = beside.tuning_table(tested, rates)
    assert table["seeds"].tolist() == [2] * 12
    apart = table["accuracy at tuned"] - table["accuracy at default"]
    assert apart.to_numpy() == pytest.approx(0.02)


def test_without_runs_tuning_decides_nothing():
    rows = tables.ends(tried())[:0]
    rates = beside.chosen(rows)
    assert rates == {} and beside.tuning_table(rows, rates).empty
    live = tables.ends(at_defaults())
    first, second = beside.tuned_and_default(beside.at_rates(rows, rates), rows, live)
    assert first["accuracy"].isna().all() and len(first) == len(second) == 2


def test_what_misses_the_target_at_one_rate_and_at_all():
    base = {"data_seed": 100, "init_seed": 100, "norm": "none", "rho": 0.0}
    lines = [
        {**base, "net": net, "optimiser": name, "lr": factor * LEARNING_RATES[name]}
        | {"converged": arrives, "diverged": False, "epoch": 9.0, "train_loss": 0.01}
        for net in ("simple", "complex")
        for name in ("phb", "adam")
        for factor, arrives in ((1.0, net == "simple"), (0.3, name == "phb"))
    ]
    rows = pd.DataFrame(lines)
    assert beside.missed(rows, at_default=True) == pytest.approx([0.5])
    assert beside.missed(rows, at_default=False) == pytest.approx([0.25])
    assert beside.without_norm_table(rows)["runs"].tolist() == [1] * 8
    assert not len(beside.missed(rows[:0], at_default=True))


def test_the_grid_is_told_from_what_stands_beside_it():
    whole = pd.concat([tried(), at_defaults().assign(norm="none")], ignore_index=True)
    kept = runs.defaults_of(whole)
    assert len(kept) == 24 and set(kept["norm"]) == {"batch"}
    assert (kept["data_seed"] >= 100).all() and runs.at_default(kept).all()
    assert len(runs.without_norm_of(whole)) == 144
    assert len(runs.tuning_of(whole)) == len(tried())


def test_a_seed_that_is_not_whole_waits():
    table = at_defaults(seeds=(100, 101))
    lost = (table["data_seed"] == 101) & (table["data"] == "cifar10")
    part = table[~(lost & (table["net"] == "complex"))]
    kept = runs.grid_of(part)
    assert kept.groupby(["data", "data_seed"]).size().to_dict() == {
        ("cifar10", 100): 36,
        ("fashion_mnist", 100): 36,
        ("fashion_mnist", 101): 36,
    }
    assert runs.grid_of(table[:0]).empty


def test_the_balance_of_layers_is_a_share_of_the_trace():
    rows = tables.ends(at_defaults()).assign(folded_trace=1e3)
    phb, sam, bare = tables.live_rules(rows)
    assert phb["balance"].to_numpy() == pytest.approx(phb[tables.SHARP] / 1e3)
    assert not len(bare) and len(sam) == len(phb)


def test_the_plan_has_what_every_table_asks_for():
    cells = placed(runs.planned("medium"), "cpu")
    assert len(set(cells)) == len(cells)
    table = pd.DataFrame([config.columns for config in cells])
    of_grid = runs.grid_of(table)
    assert of_grid.groupby(["data", "data_seed"]).size().tolist() == [36] * 20
    ends = table[table["to_the_end"]]
    assert set(zip(ends["data"], ends["net"], strict=True)) == {runs.END}
    assert len(ends) == 12 * runs.FEW
    tuned = runs.tuning_of(table)
    fresh = tuned[tuned["data_seed"] >= 100]
    assert (tuned[tuned["data_seed"] < 100].groupby("lr").size() > 0).all()
    assert fresh[fresh["data_seed"] < 100 + runs.TESTED].groupby(
        ["optimiser", "rho", "data_seed"]
    ).size().unique().tolist() == [3]
    assert len(runs.without_norm_of(table)) == 18 * runs.FEW


def test_own_sharpness_is_ranked_with_the_other():
    rows = tables.ends(at_defaults())
    rows = rows.assign(sam_sharpness=rows["minimum_sharpness"] ** 2)
    alike = tables.taus(rows, tables.OWN, other=tables.SHARP)
    assert alike.to_numpy() == pytest.approx(1)
    assert (tables.significance(rows) > 0.04).all()
    ranges = tables.gap_ranges(rows)
    assert (ranges > 0).all() and len(ranges) == 4
    panels = [a for a in plots.connection(rows).axes if a.lines]
    assert [panel.get_xscale() for panel in panels] == ["log", "log"]
    plots.connection(rows[:0])


def test_what_missed_its_target_is_a_cross():
    rows = tables.ends(at_defaults())
    rows.loc[rows.index[:3], "converged"] = False
    lines = plots.bars(rows).axes[0].lines
    crosses = [line for line in lines if line.get_marker() == "x"]
    assert sum(len(np.asarray(line.get_xdata())) for line in crosses) == 3


@pytest.mark.parametrize(
    ("net", "convolutions"), [("simple", 4), ("middle", 6), ("complex", 9)]
)
def test_networks_are_drawn_from_their_modules(net, convolutions):
    config = ImageConfig(net=net, width=2, size=8)
    found = networks.blocks(networks.bare(config), config.shape)
    words = [block.words for block in found]
    assert words.count("3×3 convolution, batch norm, ReLU") == convolutions
    assert words[-2:] == ["linear, ReLU", "linear"] and found[-1].shape == (10,)
    whole = sum(p.numel() for p in networks.bare(config).parameters())
    assert sum(block.parameters for block in found) == whole
    figure = networks.drawn([config])
    assert f"{whole:,} parameters" in figure.axes[0].get_title()
