"""The runs of the chapter m-sharpness: replace this with them."""

import pytest

from flatminima.studies.m_sharpness import runs

SIZE = {"d": 6, "n": 20, "width": 24, "num_steps": 100}


def test_the_rules_differ_in_the_radius_alone():
    configs = runs.configs(**SIZE)
    assert list(configs) == ["1-SAM", "SGD"]
    sam, sgd = (config.model_dump() for config in configs.values())
    assert {field for field in sam if sam[field] != sgd[field]} == {"rho"}


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="width"):
        runs.configs(**SIZE | {"width": 0})
