"""Numbers of one seed each, on grids of runs whose answers are known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.switching import plots, runs, tables
from flatminima.sweeps.table import COMMITTED

SEEDS = range(100, 112)
EPOCHS = runs.MEDIUM["num_epochs"]


def row(config, seed: int, error: float, **more) -> dict:
    own = config.with_seeds(seed, seed)
    return own.columns | {
        **{"epoch": float(own.num_epochs), "step": own.num_steps, "last": True},
        **{
            "test_accuracy": 1 - error,
            "train_loss": 0.1,
            "test_loss": 3 * error,
            "diverged": False,
        },
        **{"minimum_sharpness": 20.0, "sam_sharpness": 0.1, "rule": own.rule},
        **{"scale": f"scaled-down: {own.data}{COMMITTED}"},
        **more,
    }


def grid(way_error, seeds=SEEDS, noise=0.0) -> pd.DataFrame:
    """Labelled runs whose error is a function of when SAM begins and ends."""
    rng = np.random.default_rng(0)
    rows = []
    for seed, config in itertools.product(seeds, runs.medium(device="cpu")):
        span = 0.0, 0.0
        if config.rho > 0:
            until = EPOCHS if config.sam_until is None else config.sam_until
            span = config.sam_from / EPOCHS, until / EPOCHS
        error = way_error(config, *span) + noise * rng.normal()
        rows.append(row(config, seed, error))
    return runs.labelled(pd.DataFrame(rows))


def linear(config, begun, ended):
    """Each share of training with SAM takes off as much."""
    return 0.2 - 0.02 * (ended - begun) * (config.perturbed == "weights")


def only_late(config, begun, ended):
    """Only SAM after three quarters counts, and no rate or direction matters."""
    return 0.2 - 0.02 * max(0.0, ended - max(begun, 0.75)) / 0.25


def at_the_end(config, begun, ended):
    """Only SAM in the last update counts."""
    return 0.2 - 0.02 * (ended == 1)


def falling(rows: pd.DataFrame) -> pd.DataFrame:
    return tables.ends(tables.of_setting(rows, "cosine", EPOCHS))


def test_curves_meet_erm_and_sam_at_opposite_ends():
    there, back = tables.both(falling(grid(linear)))
    assert list(there.columns) == list(back.columns) == list(runs.TIMES)
    assert there.index.equals(back.index) and len(there) == len(SEEDS)
    assert there[0.0].to_numpy() == pytest.approx(0.18)
    assert there[1.0].to_numpy() == pytest.approx(0.2)
    assert back[0.0].to_numpy() == pytest.approx(0.2)
    assert (there + back).to_numpy() == pytest.approx(0.38)
    assert tables.gain((there, back)) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("error", "effects"),
    [(linear, (0.01, 0.01)), (only_late, (0.0, 0.02)), (at_the_end, (0.0, 0.02))],
)
def test_the_effects_of_the_halves_add_up_to_the_gain(error, effects):
    curves = tables.both(falling(grid(error, noise=1e-3)))
    first, second = tables.halves(curves)
    assert first + second == pytest.approx(tables.gain(curves))
    assert (first.mean(), second.mean()) == pytest.approx(effects, abs=1e-3)
    assert (tables.little(first, second).mean() > 0) == (error is not linear)


def test_an_effect_of_the_other_sign_is_not_little():
    first, second = np.full(10, -0.01), np.full(10, 0.03)
    assert (tables.little(first, second) < 0).all()


def test_a_cliff_is_told_from_a_slope():
    there, back = tables.both(falling(grid(linear)))
    whole = tables.gain((there, back))
    for each in (there, back):
        left = tables.without_cliff(each, whole)
        assert left == pytest.approx((0.5 - 0.25) * 0.02)
    cliff, _ = tables.both(falling(grid(at_the_end)))
    assert tables.without_cliff(cliff, whole) == pytest.approx((0.5 - 1) * 0.02)


def test_a_curve_is_drawn_from_erm():
    there, back = tables.both(falling(grid(linear)))
    for way, of in ((runs.TO_SAM, there), (runs.TO_ERM, back)):
        drawn = tables.from_erm(of, way)
        assert drawn.to_numpy().max() == pytest.approx(0)
        assert drawn.to_numpy().min() == pytest.approx(-0.02)
    assert tables.from_erm(there, runs.TO_SAM)[1.0].to_numpy() == pytest.approx(0)


def test_noise_does_not_pass_for_a_small_effect():
    """At the limit a claim may hold by chance in one of forty draws, and not more.

    Read with the sign that the other seeds have, it did so in one of five.
    """
    draws = np.random.default_rng(1).normal(size=(200, 10, 3))
    for limit in (0.0, 0.3):  # in units of the noise: that of a mean is a third of it
        passed = [
            of_mean(tables.little(limit + noise, 3 * limit + 0 * noise), thresholds())
            for noise in draws[:, :, 0]
        ]
        assert np.mean([low > 0 for low, _ in passed]) <= 0.05
    flat = np.zeros(10)
    steps = [tables.without_cliff(pd.DataFrame(each), flat) for each in draws]
    assert not any(of_mean(each, thresholds())[0] > 0 for each in steps)


def test_an_effect_is_small_only_if_every_part_is():
    rng = np.random.default_rng(2)
    small, large = (rng.normal(mean, 0.01, 50) for mean in (0.1, -0.9))
    assert (tables.below(0.5, small) > 0).all()
    assert tables.below(0.5, small, large) == pytest.approx(0.5 + large)
    assert tables.alike(np.full(10, -0.1)) == pytest.approx(np.log(1.25) - 0.1)
    assert not len(tables.below(0.5, np.full(3, np.nan)))
    assert tables.below(0.5, np.array([0.1])) == pytest.approx([0.4])


def test_the_table_of_steps_has_every_step_once():
    found = tables.steps(*tables.both(falling(grid(only_late))))
    assert len(found) == 2 * (len(runs.TIMES) - 1)
    shares = found.groupby("way")["share of the gain"].sum()
    assert shares[runs.TO_SAM] == pytest.approx(1)
    assert shares[runs.TO_ERM] == pytest.approx(-1)


def test_steps_are_no_shares_of_a_gain_that_is_noise():
    there, back = tables.both(falling(grid(only_late)))
    signs = np.resize([1.0, -1.0], len(there))
    noise = 0.0 * there
    noise[noise.columns[-1]] = 0.01 * signs
    found = tables.steps(noise, back)
    assert found["share of the gain"].isna().all() and found["points"].notna().all()


def test_runs_are_compared_by_seed():
    rows = falling(grid(only_late))
    late = (runs.TO_SAM, runs.LAST)
    tenth = tables.against(rows, tables.ERM, late)
    assert tenth == pytest.approx(0.02 * 0.4) and len(tenth) == len(SEEDS)
    assert tables.against(rows, late, tables.SAM, "log_sharpness") == pytest.approx(0)
    whole = tables.gain(tables.both(rows))
    assert (tables.most(tenth, whole) < 0).all()
    assert tables.difference(
        tables.by_seed(rows, tables.ERM, late),
        tables.by_seed(rows[rows["data_seed"] != 100], tables.ERM, late),
    ) == pytest.approx(np.zeros(len(SEEDS) - 1))


def by_epoch(taken, seeds=SEEDS) -> pd.DataFrame:
    """Rows an epoch of ERM and of the late switch; `taken` gives what SAM takes off."""
    switch, rows = runs.LATE * EPOCHS, []
    erm, sam = (
        runs.switched(runs.TO_SAM, t, **runs.MEDIUM, rows_every=1)
        for t in (1.0, runs.LATE)
    )
    for seed, epoch in itertools.product(seeds, range(EPOCHS + 1)):
        at = {"epoch": float(epoch), "last": epoch == EPOCHS}
        rows.append(row(erm, seed, 0.2, **at))
        rows.append(row(sam, seed, 0.2 - taken(epoch - switch), **at))
    return runs.labelled(pd.DataFrame(rows))


def slow(since: float) -> float:
    return 0.001 * max(0.0, since)


def sudden(since: float) -> float:
    return 0.015 * (since >= 1)


@pytest.mark.parametrize(("taken", "gradual"), [(slow, True), (sudden, False)])
def test_a_gradual_escape_is_told_from_a_sudden_one(taken, gradual):
    rows = by_epoch(taken)
    fall = tables.after_switch(
        tables.by_epoch(rows, runs.TO_SAM, runs.LATE),
        tables.by_epoch(rows, *tables.ERM),
        runs.LATE * EPOCHS,
    )
    assert fall.shape == (len(SEEDS), EPOCHS // 4 + 1)
    assert list(fall.columns) == list(range(EPOCHS // 4 + 1))
    assert tables.above(fall, 1) == pytest.approx(-taken(1.0))
    assert not len(tables.above(fall, EPOCHS))
    assert fall[0.0].to_numpy() == pytest.approx(0)
    assert fall[EPOCHS / 4].to_numpy() == pytest.approx(0.015)
    assert ((tables.gradual(fall) > 0) == gradual).all()


def test_erm_goes_on_for_as_many_gradients():
    rows = grid(only_late)
    long = rows["num_epochs"] > EPOCHS
    accuracy = rows["test_accuracy"].where(~long, 1 - 0.1 - rows["num_epochs"] / 1000)
    ends = tables.ends(runs.labelled(rows.assign(test_accuracy=accuracy)))
    ends = tables.of_setting(ends, "cosine")
    late = (runs.TO_SAM, runs.LATE)
    for factor in (runs.MORE, runs.TWICE):
        own = 0.1 + factor * EPOCHS / 1000
        found = tables.longer(ends, late, factor)
        assert found == pytest.approx(own - 0.18) and len(found) == len(SEEDS)


def test_diverged_runs_are_in_no_comparison():
    rows = grid(linear)
    lost = (rows["data_seed"] == 100) & (rows["way"] == "ERM")
    rows = runs.labelled(rows.assign(diverged=rows["diverged"] | lost))
    there, back = tables.both(falling(rows))
    assert len(there) == len(back) == len(SEEDS) - 1
    assert tables.summary(tables.ends(rows))["diverged"].sum() == 4


def test_nothing_decides_nothing():
    rows = runs.labelled(pd.DataFrame())
    ends = falling(rows)
    curves = tables.both(ends)
    first, second = tables.halves(curves)
    whole = tables.gain(curves)
    late = (runs.TO_SAM, runs.LATE)
    for found in (
        *(first, second, whole, tables.little(first, second)),
        tables.without_cliff(curves[0], whole),
        tables.against(ends, tables.ERM, late),
        *(tables.longer(rows, late, 2.0), tables.most(first, whole)),
        tables.gradual(
            tables.after_switch(
                tables.by_epoch(rows, *late), tables.by_epoch(rows, *tables.ERM), 1.0
            )
        ),
    ):
        assert len(found) == 0
    assert tables.steps(*curves).empty and tables.summary(ends).empty
    assert runs.scale(rows).endswith(COMMITTED)


@pytest.mark.parametrize("seeds", [range(100, 103), range(100, 101), range(0)])
def test_figures_are_drawn(seeds):
    rows = grid(only_late, seeds) if len(seeds) else runs.labelled(pd.DataFrame())
    fine = by_epoch(slow, seeds) if len(seeds) else rows
    for figure in (
        plots.timing({"all": falling(rows), "none": falling(rows[:0])}),
        plots.epochs(fine, runs.LATE),
    ):
        figure.draw_without_rendering()
        assert any(axis.lines for axis in figure.axes) or not len(seeds)
