"""CIFAR-10 as it was found: a part of it, or all, and what its test images resolve."""

import numpy as np
import pytest
from scipy import stats

from flatminima.data.images.faults import DataFault
from flatminima.data.images.load import files, images
from flatminima.results.grids import possible
from flatminima.runs.images.config import ImageConfig
from flatminima.studies.minimum_sharpness import beside, runs, tables
from flatminima.sweeps.sweep import sweep_quietly


@pytest.fixture(scope="module")
def cifar():
    """The data set, where FLATMINIMA_DATA or an earlier download has it."""
    try:
        files("cifar10")
    except DataFault as fault:
        pytest.skip(f"CIFAR-10 is not on this machine: {fault}")
    return images("cifar10")


def test_its_images_are_whole_and_of_all_classes(cifar):
    assert cifar.train_x.shape[1:] == cifar.test_x.shape[1:] == (3, 32, 32)
    assert cifar.train_x.dtype == np.uint8
    assert set(cifar.train_y) == set(cifar.test_y) == set(range(10))


def test_the_medium_grid_fits_what_is_here(cifar):
    cells, reasons = possible(runs.grid("medium", "cifar10"))
    assert len(cells) == 36 and not reasons


def test_its_test_images_tell_an_accuracy_to_about_three_points(cifar, store):
    config = ImageConfig(
        **{"data": "cifar10", "n": 300, "test_n": 1017, "size": 8, "width": 2},
        **{"batch": 50, "num_epochs": 2, "sharpness_n": 50, "target_loss": 2.2},
        **{"optimiser": "phb", "lr": 0.05},
    )
    rows = tables.ends(sweep_quietly([config], range(2)))
    (line,) = beside.resolution(rows.assign(converged=True)).to_dict("records")
    assert line["test images"] == 1017
    p = line["accuracy"]
    ends = stats.binomtest(round(1017 * p), 1017).proportion_ci(method="wilson")
    assert line["one run"] == pytest.approx((ends.high - ends.low) / 2, rel=0.05)
    assert 0.015 < line["one run"] < line["two runs"] < 0.05
