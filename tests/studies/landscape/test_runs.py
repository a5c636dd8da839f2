"""The settings of the chapter on landscapes, and which of them a build runs."""

import pandas as pd
import pytest

from flatminima.results.reading import Committed
from flatminima.runs.landscape.config import PathConfig, ViewConfig
from flatminima.runs.nets.config import NetConfig
from flatminima.studies.landscape import runs
from flatminima.studies.landscape.runs import Shown

NOTHING = Committed([], [])


def differences(one, two) -> set[str]:
    a, b = (config.model_dump() for config in (one, two))
    own = {field for field in a if field != "net" and a[field] != b[field]}
    return own | {f for f in a["net"] if a["net"][f] != b["net"][f]}


def test_networks_with_and_without_skips_differ_in_nothing_else():
    found = runs.depths([3, 6])
    plain, skips = (found[runs.name(6, skip)] for skip in (False, True))
    assert differences(plain, skips) == {"skip"}
    assert differences(found[runs.CONTROL], skips) == {"lr"}
    assert differences(plain, found[runs.name(3, False)]) == {"depth"}


@pytest.mark.parametrize(
    ("way", "fields"),
    [
        ("SAM", {"rho", "exact"}),
        ("GD", {"batch", "exact"}),
        ("bad start", {"begin", "spoil_steps", "exact"}),
        ("SGD, equal updates", {"target_loss", "num_steps", "exact"}),
    ],
)
def test_methods_differ_from_sgd_in_what_they_are(way, fields):
    found = runs.methods()
    assert differences(found["SGD"], found[way]) == fields


def test_starts_of_one_length_differ_in_how_they_begin():
    found = runs.methods()
    assert differences(found["bad start"], found["long start"]) == {"begin"}
    decayed = found["bad start, decay"]
    assert differences(found["bad start"], decayed) == {"weight_decay"}


def test_a_quick_build_runs_what_is_quick_and_what_nobody_has_committed():
    found = runs.depths([3, 20]) | runs.methods() | runs.pairs([16, 32])
    quick = runs.live_ones(found)
    assert {"3 layers, plain", "SGD", "width 16", runs.TO_BAD} <= set(quick)
    assert not {"20 layers, plain", "GD", "width 32", runs.CONTROL} & set(quick)


def test_every_run_belongs_to_its_setting(store):
    net = NetConfig(n=40, width=6, num_steps=20, num_checkpoints=2)
    small = {"points": 3, "probes": 2}
    settings = {
        "short": ViewConfig(net=net, **small),
        "path": PathConfig(net=net, points=3, curve_steps=2),
        "long": ViewConfig(net=NetConfig(**net.model_dump() | {"depth": 4}), **small),
    }
    found = runs.run(settings, NOTHING, range(2), "all")
    for name, config in settings.items():
        rows = found[name].table
        assert set(rows["depth"]) == {config.net.depth}
        assert rows.loc[rows["last"], "init_seed"].tolist() == [0, 1]
        assert found[name].missed == 0


def test_committed_runs_of_some_settings_are_not_mixed_with_this_builds(store):
    """Their seeds are others, and settings are compared seed by seed."""
    fields = {"n": 40, "width": 6, "num_steps": 20, "num_checkpoints": 2}
    one, two = (
        ViewConfig(net=NetConfig(depth=depth, **fields), points=3, probes=2)
        for depth in (3, 4)
    )

    class Half(Committed):
        def of(self, config):
            rows = pd.DataFrame({"last": [True] * 9, "diverged": False})
            return rows if config == one else pd.DataFrame()

    found = runs.run({"one": one, "two": two}, Half([], []), range(2))
    seeds = [each.table.loc[each.table["last"], "init_seed"] for each in found.values()]
    assert [list(each) for each in seeds] == [[0, 1], [0, 1]]


def test_a_run_that_misses_the_loss_keeps_its_row_and_loses_its_measures():
    config = ViewConfig(net=NetConfig(target_loss=0.1))
    rows = pd.DataFrame(
        {
            "reached": [0.0, 1.0, 0.0],
            "trace": [1.0, 2.0, 3.0],
            "last": [True, True, False],
            "diverged": [False, False, False],
        }
    )
    shown = Shown(config, rows, pd.DataFrame())
    assert shown.missed == 1
    assert shown.table["trace"].isna().tolist() == [True, False, False]
    assert shown.counted["diverged"].tolist() == [True, False, False]
    without = ViewConfig(net=NetConfig())
    assert Shown(without, rows, pd.DataFrame()).missed == 0


def test_committed_runs_decide_where_they_are_more():
    config = ViewConfig(net=NetConfig())
    one = pd.DataFrame({"last": [True], "diverged": [False], "trace": [1.0]})
    two = pd.DataFrame({"last": [True] * 2, "diverged": False, "trace": [2.0, 2.0]})
    assert Shown(config, one, two).table["trace"].tolist() == [2.0, 2.0]
    assert Shown(config, two, one).table["trace"].tolist() == [2.0, 2.0]
    assert Shown(config, one, one).table["trace"].tolist() == [1.0]
