"""The same bits, wherever and on however many workers a sweep is computed."""

import pytest

from flatminima.runs.mlp.config import Config
from flatminima.sweeps.sweep import run_all
from tests.faults.cells import assert_same, seeds

# large enough for BLAS and torch to use threads of their own if they could
LARGE = Config(architecture="bias", rho=0.05, num_steps=150, num_checkpoints=2)
CELLS = [
    config.model_copy(update={"batch": batch})
    for batch in ("full", "one")
    for config in seeds(LARGE, 2)
]


@pytest.fixture(scope="session")
def one_by_one(tmp_path_factory):
    """The cells in one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATMINIMA_STORE", str(tmp_path_factory.mktemp("one")))
        return run_all(CELLS, workers=1)


def test_two_threads(one_by_one, started):
    assert_same(run_all(CELLS, workers=2), one_by_one)
    assert len(started) == len(CELLS)


def test_two_processes(one_by_one, started):
    assert_same(run_all(CELLS, workers=2, processes=True), one_by_one)
    assert started == {}


@pytest.mark.xdist_group("cluster")
def test_two_workers_of_a_cluster(one_by_one, started, cluster):
    assert_same(run_all(CELLS, scheduler=cluster), one_by_one)
    assert started == {}
