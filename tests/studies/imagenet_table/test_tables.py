"""The questions on a table whose answers are known, and on the talk's own."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from flatminima.sources import imagenet
from flatminima.studies.imagenet_table import plots, tables
from flatminima.studies.imagenet_table.questions import Questions
from flatminima.sweeps.table import COMMITTED

NETS = {"simple": 4, "middle": 6, "complex": 9}
EPOCHS = (5, 10, 20)


def error(net: str, epochs: int, sam: bool, seed: int) -> float:
    """In per cent: SAM gains .1 an epoch and a hundredth of a convolution."""
    base = 20.0 + 0.05 * epochs + 0.3 * seed
    return base - (0.1 * epochs + 0.01 * NETS[net]) * sam


def table(seeds=(100, 101, 102)) -> pd.DataFrame:
    rows = []
    cells = product(NETS, EPOCHS, (0.0, 0.1), seeds, (0.0, 1.0))
    for net, epochs, rho, seed, last in cells:
        accuracy = 1 - error(net, epochs, rho > 0, seed - 100) / 100
        rows.append(
            {
                **{"net": net, "num_epochs": epochs, "rho": rho, "scale": "tiny"},
                **{"data_seed": seed, "init_seed": seed, "diverged": False},
                **{"last": bool(last), "at_target": 1.0 - last},
                "test_accuracy": accuracy if last else accuracy - 0.01,
            }
        )
    return pd.DataFrame(rows)


def test_answers_on_a_known_table():
    found = tables.cells(table())
    asks = tables.questions(found)
    assert asks == Questions([4, 6, 9], [5, 10, 20])
    wanted = {
        "better": 0.1 * np.mean(EPOCHS) + 0.01 * np.mean([*NETS.values()]),
        "grows": 0.1 * 15,
        "worse": 0.05 * 10,
        "steeper": 0.0,
        "falls": (0.1 - 0.05) * 10,
        "deeper": 0.01 * 5,
        # standard training goes on for as long again, and gets worse by it
        "equal_cost": np.mean([0.1 * e + 0.05 * e for e in (5, 10)]) + 0.01 * 19 / 3,
    }
    for name, value in wanted.items():
        answer = tables.asked(getattr(asks, name), found)
        assert len(answer) == 3
        assert answer == pytest.approx(np.full(3, value)), name


def test_what_diverged_or_is_absent_leaves_its_seed_out():
    rows = table()
    lost = (rows["data_seed"] == 101) & (rows["net"] == "simple") & (rows["rho"] > 0)
    rows.loc[lost, "diverged"] = True
    found = tables.cells(rows)
    assert len(tables.asked(tables.questions(found).better, found)) == 2
    without = found.drop(columns=(4, 5, "SAM"))
    assert len(tables.over_seeds({(4, 5, "SAM"): 1.0}, without)) == 0
    every = tables.cells(rows.assign(diverged=True))
    assert (tables.summary(every) == "none").all().all()
    assert plots.both(every, "lost")


def test_equal_loss_is_read_at_the_target():
    ends, target = tables.cells(table()), tables.at_target(table())
    assert (target - ends).to_numpy() == pytest.approx(1.0)


def test_committed_runs_tell_their_seeds():
    assert tables.said(table()) == "tiny"
    committed = table().assign(scale="tiny, target 1e-06" + COMMITTED)
    assert tables.said(committed) == "tiny, committed, seeds 100 to 102"


def test_the_smaller_scale_stands_apart():
    whole, less = table().assign(n=2000), table().assign(n=400)
    assert set(tables.smaller([less, whole], whole)["n"]) == {400}
    assert tables.smaller([whole], whole).empty
    none = tables.cells(whole).iloc[:0]
    assert len(tables.asked(tables.questions(none).grows, none)) == 0
    assert (tables.summary(none) == "none").all().all()


def test_the_table_has_the_talk_s_form():
    summary = tables.summary(tables.cells(table()))
    assert list(summary.columns) == ["SAM", "plain", "gain"]
    assert list(summary.index) == list(product((4, 6, 9), EPOCHS))
    assert summary.loc[(4, 10), "gain"] == "1.0 ± 0.0"
    one = tables.summary(tables.cells(table(seeds=(100,))))
    assert one.loc[(4, 10), "gain"] == "1.0"


def test_the_talk_is_asked_the_same():
    low = tables.talk_every(tables.TALK.better)
    assert low[0] == pytest.approx(22.9 - 22.5)
    mean = tables.talk(tables.TALK.worse)[0]
    assert mean == pytest.approx((0.0 + (22.3 - 20.9) + (20.9 - 20.3)) / 3)
    steeper = [imagenet.contrast(one).value for one in tables.TALK.steeper]
    assert steeper == pytest.approx([1.4, 0.6 - 1.4])
    assert tables.gains()[152, 400].value == pytest.approx(20.9 - 18.4)


def test_the_entry_that_looks_like_another_one():
    first = tables.nearest().iloc[0]
    pair = {tuple(first[:2].astype(int)), tuple(first[2:4].astype(int))}
    assert pair == {(50, 400), (101, 400)}
    assert first["distance"] == pytest.approx(0.01)
