"""The grids of the chapter, and which runs decide."""

import pandas as pd
import pytest

from flatminima.results.reading import Committed
from flatminima.runs.svag import train
from flatminima.studies.small_lr import runs


def test_the_rates_span_a_factor_of_sixteen_and_last_eight_periods():
    assert len(runs.RATES) >= 4
    assert max(runs.RATES) == pytest.approx(16 * min(runs.RATES))
    for config in runs.inside():
        period = 1 / (config.net.lr * config.net.weight_decay)
        assert config.drop_at == pytest.approx(runs.PERIODS * period)
        last = config.drop_at - 1
        assert train.lr_at(config, last) == config.net.lr
        assert train.lr_at(config, last + 1) == pytest.approx(0.1 * config.net.lr)


def test_all_runs_are_different_and_normalised_inside_only():
    grid = runs.long_grid()
    assert len(grid) == len(set(grid)) == 19
    assert {c.net.norm for c in [*runs.inside(), *runs.amplified()]} == {"batch"}
    assert {c.trained for c in grid} == {"hidden"}


def test_svag_takes_l_times_the_updates_and_is_measured_at_the_same_times():
    for config, (lr, count) in zip(runs.amplified(), runs.AMPLIFIED, strict=True):
        plain = runs.towards_equilibrium(lr)
        assert config.num_steps == count * plain.num_steps
        ends = [set(c.net.measure_at) for c in (config, plain)]
        assert {count * (plain.drop_at)} <= ends[0]
        assert {plain.drop_at} <= ends[1]


def test_rates_can_be_compared_after_as_many_updates():
    large, small = (runs.towards_equilibrium(runs.RATES[k]) for k in (0, -1))
    assert large.drop_at in small.net.measure_at


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="imagenet"):
        runs.to_equal_loss(["imagenet"])


def rows(accuracy: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amplification": [4.0, None],
            "num_steps": [900, 5],
            "step": [400, 5],
            "test_accuracy": accuracy,
        }
    )


def test_committed_runs_decide_unless_this_build_has_all():
    committed = Committed([], [rows(0.5)])
    for scale, error in (("slice", 0.5), ("whole", 0.25)):
        long, short = runs.evidence(committed, rows(0.75), scale)
        assert long["test_error"].tolist() == [error]
        assert long["sgd_steps"].tolist() == [100]
        assert long["periods"].tolist() == [4]
        assert len(short) == 1
    long, _ = runs.evidence(Committed([], []), rows(0.75))
    assert long["test_error"].tolist() == [0.25]
