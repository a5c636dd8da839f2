"""Numbers of one seed each, on grids whose answers are known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from flatminima.runs.images.config import NAMES
from flatminima.sharpness.minimum import Shares, least_trace
from flatminima.studies.minimum_sharpness import plots, tables
from flatminima.studies.minimum_sharpness.procedure import descend

SETS = ("fashion_mnist", "cifar10")
NETS = ("simple", "middle", "complex")


def grid(seeds=(100, 101), bonus=0.02, slope=0.1) -> pd.DataFrame:
    """SAM adds to accuracy and halves sharpness; the gap follows its logarithm."""
    rows = []
    for data, net, name, rho, seed in itertools.product(
        SETS, NETS, NAMES, (0.0, 0.05), seeds
    ):
        place = list(NAMES).index(name)
        sharp = (10 + 3 * place + len(net)) * (0.5 if rho else 1.0)
        gap = slope * np.log(sharp) / 4
        accuracy = 0.9 - gap + (bonus if rho else 0.0)
        rows.append(
            {
                **{"data": data, "net": net, "norm": "batch", "optimiser": name},
                **{"rho": rho, "lr": 0.1, "data_seed": seed, "init_seed": seed},
                **{"at_target": 1.0, "reached": 1.0, "last": True, "diverged": False},
                **{"train_accuracy": 0.9 + (bonus if rho else 0.0), "epoch": 3.0},
                **{"test_accuracy": accuracy, "minimum_sharpness": sharp},
                **{"trace": 2 * sharp, "rule": name, "scale": "scaled-down"},
            }
        )
    return pd.DataFrame(rows)


def test_pairs_and_their_shares():
    rows = tables.ends(grid())
    found = tables.pairs(rows)
    assert len(found) == 2 * 3 * 6 * 2
    assert found["ratio"].to_numpy() == pytest.approx(0.5)
    assert tables.shares(found).to_numpy().tolist() == [[1.0, 1.0]] * 2
    assert tables.best(rows).tolist() == [0.0, 0.0]  # SGD is the flattest here
    worse = tables.shares(tables.pairs(tables.ends(grid(bonus=-0.2))))
    assert worse["accurate"].tolist() == [0.0, 0.0]


def test_what_did_not_arrive_counts_in_no_pair():
    table = grid(seeds=(100,))
    table.loc[0, ["at_target", "reached"]] = 0.0
    rows = tables.ends(table)
    assert len(rows) == len(table) and rows["converged"].sum() == len(table) - 1
    assert len(tables.pairs(rows)) == 35


def test_a_run_that_goes_on_is_read_at_its_target():
    table = grid(seeds=(100,))
    later = table.assign(at_target=0.0, minimum_sharpness=1e9)
    both = pd.concat([table.assign(last=False), later], ignore_index=True)
    assert tables.ends(both)["minimum_sharpness"].max() < 100


def test_taus_over_all_and_within():
    rows = tables.ends(grid())
    for sam in (None, True, False):
        assert tables.taus(rows, sam=sam).to_numpy() == pytest.approx(1)
    turned = tables.ends(grid(slope=-0.1))
    assert tables.taus(turned).to_numpy() == pytest.approx(-1)
    tau = tables.taus(rows)
    assert len(tables.of_data(tau, "fashion")) == len(tables.over_data(tau)) == 2
    assert tables.between_data(tau, "fashion", "cifar") == pytest.approx(0)
    assert tables.difference(tau, tables.taus(turned)) == pytest.approx(2)


def test_networks_can_make_a_correlation_that_none_of_them_has():
    table = grid(slope=-0.1)  # within every network the sharper one has the less gap
    size = table["net"].map({"simple": 1.0, "middle": 10.0, "complex": 100.0})
    table["minimum_sharpness"] *= size
    table["test_accuracy"] -= 0.2 * np.log10(size)
    rows = tables.ends(table)
    assert (tables.taus(rows) > 0.2).all()
    assert tables.taus(rows, within="net").to_numpy() == pytest.approx(-1)
    assert tables.taus(rows, sam=False, within="net").to_numpy() == pytest.approx(-1)
    assert tables.taus(rows[:0], within="net").empty


def test_simpson_is_told_from_a_correlation():
    table = grid()
    inside = np.random.default_rng(0).normal(0, 0.01, len(table))
    table["test_accuracy"] = (
        table["train_accuracy"] - 0.1 * (table["rho"] == 0) - inside
    )
    rows = tables.ends(table)
    assert tables.taus(rows).mean() > 0.3
    assert abs(tables.taus(rows, sam=True).mean()) < 0.3
    assert tables.separable(rows).to_numpy() == pytest.approx(1)


def test_orders_and_tests():
    rows = tables.ends(grid())
    assert tables.same_order(rows) == pytest.approx(1)
    p = tables.kolmogorov_smirnov(rows, tables.SHARP)
    assert ((p > 0) & (p <= 1)).all() and len(p) == 4
    table = grid()
    places = {name: k for k, name in enumerate(tables.REPORTED_ORDER)}
    table["test_accuracy"] = table["optimiser"].map(places) / 10
    assert tables.reported_order(tables.ends(table)).to_numpy() == pytest.approx(1)


def test_nothing_decides_nothing():
    rows = tables.ends(grid())[:0]
    assert tables.shares(tables.pairs(rows)).empty
    for found in (
        *(tables.taus(rows), tables.separable(rows), tables.best(rows)),
        *(tables.reported_order(rows), tables.kolmogorov_smirnov(rows, tables.SHARP)),
    ):
        assert found.empty
    assert not len(tables.same_order(rows))
    assert not len(tables.between_data(tables.taus(rows), "fashion", "cifar"))
    assert (
        tables.as_runs(tables.taus(rows), tables.ends(grid()), "none")["tau"]
        .isna()
        .all()
    )


@pytest.mark.parametrize(
    "rows", [grid(), grid()[:0], grid()[:3]], ids=["all", "none", "few"]
)
def test_figures_are_drawn(rows):
    ends = tables.ends(rows)
    for draw in (plots.bars, plots.scatter, plots.distributions):
        figure = draw(ends)
        marks = sum(len(line.get_xdata()) for a in figure.axes for line in a.lines)
        assert (marks > 0) == (len(rows) > 0)


def test_the_legend_names_what_missed_in_one_panel_alone():
    table = grid(seeds=(100,))
    lost = (table["data"] == "cifar10") & (table["rho"] > 0)
    table.loc[lost, ["at_target", "reached"]] = 0.0
    (legend,) = plots.bars(tables.ends(table)).legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["optimiser alone", "SAM", "SAM, target missed"]


@pytest.mark.parametrize("seed", range(4))
def test_the_reports_descent_ends_where_newton_does(seed):
    rng = np.random.default_rng(seed)
    shares = Shares(rng.exponential(size=5) * 30, rng.exponential(size=5))
    found = descend(shares)
    assert found.value == pytest.approx(least_trace(shares).value, rel=1e-6)


def test_descent_halves_its_rate_where_it_diverges():
    shares = Shares(np.array([9.0, 1.0]), np.zeros(2))
    found = descend(shares, lr=4.0, epochs=1000)
    assert found.lr < 4 and found.epochs > 1000
    assert found.value == pytest.approx(6, rel=1e-9)
