"""Numbers of curves whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.studies.small_lr import curves, plots, runs, tables

SEEDS = range(100, 110)


def setting(lr, shape, decay=runs.DECAY, seeds=SEEDS, **fields) -> pd.DataFrame:
    """Rows as `runs.in_two` makes them: log q = shape(time) + noise of the seed.

    Args:
        lr, decay: set the length of a period.
        shape: from updates and periods to the logarithm of all quantities.
        seeds: of the runs.
        fields: columns.
    """
    period = round(1 / (lr * decay))
    times = np.array([0.0, *runs.TIMES, 9.0])
    parts = []
    for seed in seeds:
        step = np.rint(times * period)
        log = shape(step, step / period) + 0.01 * (seed % 3)
        parts.append(
            pd.DataFrame(
                {
                    **{"data_seed": seed, "init_seed": seed, "lr": lr},
                    **{"weight_decay": decay, "norm": "batch", "amplification": 1},
                    **{"step": step.astype(int), "sgd_steps": step},
                    "num_steps": 9 * period,
                    "periods": step / period,
                    **dict.fromkeys(curves.NAMES, np.exp(log)),
                    "test_accuracy": 1 - np.exp(log),
                    **{"test_points": 100, "diverged": False, "scale": "made"},
                    "last": times == 9,
                }
            )
        )
    return pd.concat(parts, ignore_index=True).assign(**fields)


def of_periods(step, periods):
    return -1 - np.exp(-periods)


def of_updates(step, periods):
    return -1 - np.exp(-step / 1000)


def apart(shape) -> list[pd.DataFrame]:
    return [setting(lr, shape) for lr in runs.RATES]


def test_what_depends_on_periods_has_no_spread_against_them():
    settings = apart(of_periods)
    one = [rows[rows["data_seed"] == 100] for rows in settings]
    assert curves.spread(one, curves.NORM, "periods") < 2e-3
    assert curves.spread(one, curves.NORM, "sgd_steps") > 0.05
    ratio = curves.spreads(settings, curves.NORM)
    assert len(ratio) == 10
    assert (ratio > 3).all()


def test_what_depends_on_updates_has_none_against_those():
    settings = apart(of_updates)
    assert (curves.spreads(settings, curves.LOSS) < -3).all()


def test_spread_is_that_of_parallel_lines():
    lines = [
        setting(lr, lambda s, p, k=k: k + 0 * s) for k, lr in enumerate((0.1, 0.05))
    ]
    one = [rows[rows["data_seed"] == 100] for rows in lines]
    for axis in ("periods", "sgd_steps"):
        assert curves.spread(one, curves.NORM, axis) == pytest.approx(
            np.std([0, 1], ddof=1)
        )


@pytest.mark.parametrize(("shape", "power"), [(of_periods, 1.0), (of_updates, 0.0)])
def test_the_exponent_of_the_time_to_equilibrium(shape, power):
    # of_updates is at its end long before the drop for the smaller rates alone
    settings = [setting(lr, shape) for lr in runs.RATES[2:]]
    found = curves.exponents(settings, curves.NORM)
    np.testing.assert_allclose(found, power, atol=0.02)


def test_time_to_equilibrium_of_an_exponential():
    run = setting(0.00625, lambda s, p: np.exp(-2 * p), seeds=[100])
    time = curves.time_to_equilibrium(run, curves.NORM)
    assert time == pytest.approx(np.log(10) / 2, rel=0.02)


def test_a_flat_curve_is_flat_and_a_rising_one_is_not():
    estimate, low, high = curves.flatness(apart(lambda s, p: 0 * s))
    assert (estimate, low, high) == (1, 1, 1)
    drift = curves.flatness([*apart(of_periods), setting(0.2, lambda s, p: 0.03 * p)])
    assert drift[0] == pytest.approx(1 - 0.03 / 0.02, abs=0.01)
    assert max(drift) < 0
    assert np.isnan(curves.flatness([setting(0.1, of_periods, seeds=[1])])).all()


def test_one_by_one_intervals_are_narrower_than_all_at_once():
    rng = np.random.default_rng(0)
    rows = setting(0.1, of_periods)
    noise = dict(zip(SEEDS, rng.normal(size=10), strict=True))
    late = rows["periods"] > 7
    factor = 1 + 0.01 * rows["data_seed"].map(noise).where(late, 0.0)
    rows = rows.assign(weight_norm=rows["weight_norm"] * factor)
    both = [rows, setting(0.05, of_periods)]
    strict, each = (curves.flatness(both, at_once=at) for at in (True, False))
    assert strict[0] == each[0]
    assert strict[1] < each[1] < each[0]
    assert strict[2] == each[2]


def test_levels_and_changes_are_means_over_a_period():
    rows = setting(0.1, lambda s, p: p)
    shift = 0.01 * (np.array(SEEDS) % 3)
    np.testing.assert_allclose(
        curves.levels(rows, curves.NORM), 7.5 + 1 / 24 + shift, atol=0.01
    )
    np.testing.assert_allclose(curves.changes(rows, curves.NORM), 1, atol=1e-9)
    least = curves.least_change(
        [rows, setting(0.1, lambda s, p: 3 * p)], curves.NORM, 1
    )
    np.testing.assert_allclose(least, 1, atol=1e-9)


def test_a_seed_that_diverged_has_no_number():
    rows = setting(0.1, of_periods)
    rows.loc[rows["data_seed"] == 104, "diverged"] = True
    values = curves.levels(rows, curves.NORM)
    assert values.isna().sum() == 1
    assert np.isnan(values.loc[(104, 104)])


def test_a_setting_that_is_missing_decides_nothing():
    long = setting(0.1, of_periods)
    gone = curves.pick(long, lr=7.0, weight_decay=0.04, **curves.INSIDE)
    assert len(gone) == 10
    verdict = decide.equals("small-lr-equal", gone, long)
    assert verdict.verdict == "undecided"
    values = curves.spreads([long, gone], curves.NORM).dropna().to_numpy()
    verdict = decide.associated("small-lr-collapse-norm", values, "made")
    assert verdict.verdict == "undecided"
    assert curves.levels(gone, curves.NORM).isna().all()
    pair = tables.at_equal_updates(long, gone)
    assert decide.beats("small-lr-longer", *pair).verdict == "undecided"


def test_an_accuracy_of_one_has_an_error_of_half_a_point():
    rows = setting(0.1, of_periods).assign(test_error=0.0)
    level = curves.levels(rows, curves.ERROR)
    np.testing.assert_allclose(level, np.log(0.5 / 100))


def test_equal_updates_are_where_the_larger_rate_drops():
    large, small = (setting(lr, of_periods) for lr in (0.1, 0.00625))
    first, second = tables.at_equal_updates(large, small)
    assert set(first["step"]) == set(second["step"]) == {2000}
    # the small rate has had half a period, the large one eight
    verdict = decide.beats("small-lr-longer", first, second)
    gained = np.exp(of_periods(0, 0.5)) - np.exp(of_periods(0, 8.0))
    assert verdict.effect == pytest.approx(gained, rel=0.02)


def test_accuracy_before_the_drop():
    rows = setting(0.1, lambda s, p: np.where(p > 8, -9.0, -1.0))
    found = tables.accuracy_undropped(rows, "made").set_index("data_seed")
    assert found.loc[102, "test_accuracy"] == pytest.approx(1 - np.exp(-1))


def test_accuracy_at_a_step_between_checkpoints():
    rows = setting(0.1, lambda s, p: np.log(0.1 + 0.05 * np.log(np.maximum(s, 1))))
    found = tables.accuracy_at(rows, 123, "made").set_index("data_seed")
    rise = np.exp(0.01 * (102 % 3))
    known = 1 - rise * (0.1 + 0.05 * np.log(123))
    assert found.loc[102, "test_accuracy"] == pytest.approx(known)


def ends(rule, shift=0.0, reached=1.0) -> pd.DataFrame:
    """Rows of one setting to equal loss, ten seeds."""
    fields = runs.SETTINGS["digits, MLP"] | runs.RULES[rule]
    seeds = np.array(SEEDS)
    return pd.DataFrame(
        {
            **{"data_seed": seeds, "init_seed": seeds, "label_shuffle": 0.0},
            **{"last": True, "diverged": False, "reached": reached, "step": 9},
            "test_accuracy": 0.8 + shift + 1e-3 * (seeds % 4),
            "trace": 10 * np.exp(-shift) * (1 + seeds % 2),
            **{"lambda_max": 1.0, "train_loss": 0.02, "scale": "made", **fields},
        }
    )


def test_the_order_of_the_rules():
    short = pd.concat([ends("GD"), ends("SGD", 0.1), ends("SGD (tiny)", 0.2, 0.0)])
    sgd, gd = (tables.equal_loss(short, "digits, MLP", r) for r in ("SGD", "GD"))
    verdict = decide.beats("small-lr-order-digits-sgd", sgd, gd)
    assert (verdict.verdict, verdict.effect) == ("holds", pytest.approx(0.1))
    lost = tables.equal_loss(short, "digits, MLP", "SGD (tiny)")
    assert lost["diverged"].all()
    table = tables.order_table(short).set_index("rule")
    assert table.loc["SGD (tiny)", "not at the loss"] == 10
    assert table.loc["SGD", "test error, %"].startswith("9.8")
    assert table.loc["SGD (tiny)", "test error, %"] == tables.NONE
    # three settings have no runs
    assert np.isnan(tables.least_fall(short, "GD", "SGD")).all()


def test_figures_have_what_they_say():
    settings = apart(of_periods)
    live = settings[0][settings[0]["data_seed"] == 100]
    figure = plots.collapse(settings, live)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert len(lines) == 6
    figure = plots.settings_apart({"a": settings, "b": [curves.pick(live, lr=9.0)]})
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts == [plots.NOTHING]
    figure = plots.amplified({"a": settings[:2]})
    assert len(figure.axes) == 3
    figure = plots.order(ends("GD"))
    assert len(figure.axes) == 8
