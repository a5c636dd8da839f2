"""A run that meets NaN or inf is a result like any other, and is named."""

import warnings

import pytest

from flatminima.sweep import sweep
from tests.faults.cells import SHORT, seeds

WILD = SHORT.model_copy(update={"lr": 0.2, "init_scale": 1e3, "data_seed": 7})
