"""A run that meets NaN or inf is a result like any other, and is named."""

import threading
import warnings

import pytest

from flatminima.claims import decide
from flatminima.runs import loop
from flatminima.runs.flow.config import FlowConfig
from flatminima.sweeps.sweep import MOST_NAMED, brief, sweep
from tests.faults.cells import SHORT

WILD = SHORT.model_copy(update={"lr": 0.2, "init_scale": 1e3, "num_steps": 500})


def test_the_others_finish_and_it_is_named():
    with pytest.warns(UserWarning, match="diverged after") as caught:
        table = sweep([WILD, SHORT], 2, workers=2)
    (said,) = (str(warning.message) for warning in caught)
    for seed in (0, 1):
        assert brief(WILD.with_seeds(seed, seed)) in said
    ends = table[table["last"]]
    assert ends.groupby("lr")["diverged"].agg(list).to_dict() == {
        SHORT.lr: [False, False],
        WILD.lr: [True, True],
    }
    assert (ends.loc[~ends["diverged"], "step"] == SHORT.num_steps).all()

    wild = table[table["lr"] == WILD.lr]
    verdict = decide.share("s1-sgd-generalises", wild)
    assert "2 of 2 runs diverged" in verdict.note
    for seed in (0, 1):
        name = f"SGD, 500 updates, data seed {seed}, init seed {seed}"
        assert name in verdict.note


def test_it_is_named_though_threads_catch_warnings(monkeypatch):
    """As numba does while it compiles: one begins, another does, the first ends."""
    first, second, left = (threading.Event() for _ in range(3))
    proceed = loop.proceed

    def crossing(config, run, pause):
        begun = (first, second)[config.data_seed]
        if config.data_seed:
            assert first.wait(60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            begun.set()
            assert (left if config.data_seed else second).wait(60)
        left.set()
        return proceed(config, run, pause)

    monkeypatch.setattr(loop, "proceed", crossing)
    with pytest.warns(UserWarning, match="diverged after"):
        sweep([WILD], 2, workers=2)


def test_many_are_one_warning_of_a_few_lines():
    count = MOST_NAMED + 2
    with pytest.warns(UserWarning, match="diverged after") as caught:
        sweep([WILD], count)
    (said,) = (str(warning.message) for warning in caught)
    assert said.count("diverged after") == MOST_NAMED
    assert said.endswith("; and 2 more")
    assert len(said) < 200 * MOST_NAMED


def test_a_config_in_brief_is_the_same_config():
    assert brief(WILD) == (
        "Config(architecture='bias', d=6, n=8, width=16, lr=0.2, num_steps=500, "
        "num_checkpoints=3, init_scale=1000.0)"
    )
    flow = FlowConfig(start=WILD, kind="naive")
    assert brief(flow) == f"FlowConfig(start={brief(WILD)}, kind='naive')"


@pytest.mark.filterwarnings("error:overflow", "error:invalid value")
@pytest.mark.filterwarnings("ignore:diverged after")
def test_what_overflows_on_the_way_is_no_news():
    """A checkpoint at which weights are huge and finite yet."""
    huge = WILD.model_copy(update={"lr": 1e3, "measure_at": (1, 2, 3)})
    assert sweep([huge], 3)["diverged"].all()
