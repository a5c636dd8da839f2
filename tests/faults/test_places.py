"""The same bits, wherever and on however many workers a sweep is computed.

Workers of a cluster are in `test_cluster`.
"""

from flatminima.sweeps.sweep import run_all
from tests.faults.cells import LARGE, assert_same, unbroken


def test_two_threads(started):
    assert_same(run_all(LARGE, workers=2), [unbroken(cell) for cell in LARGE])
    assert len(started) == len(LARGE)


def test_two_processes(started):
    runs = run_all(LARGE, workers=2, processes=True)
    assert_same(runs, [unbroken(cell) for cell in LARGE])
    assert started == {}
