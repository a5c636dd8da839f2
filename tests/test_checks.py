"""Integers are told from everything that is nearly one, in one wording."""

import numpy as np
import pytest

from flatminima.checks import at_least


@pytest.mark.parametrize("value", [2, 3, np.int64(2), np.uint8(7), 10**30])
def test_an_integer_from_the_bound_on_passes(value):
    at_least("count", value, 2)


# numpy's own values are shown as its version shows them
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, "1"),
        (-4, "-4"),
        (True, "True"),
        (np.True_, repr(np.True_)),
        (2.0, "2.0"),
        (np.float64(2), repr(np.float64(2))),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        ("2", "'2'"),
        (None, "None"),
        ([2], "[2]"),
    ],
)
def test_all_else_is_refused_with_its_name_and_what_is_allowed(value, shown):
    with pytest.raises(ValueError, match="count") as error:
        at_least("count", value, 2)
    assert str(error.value) == f"count = {shown}: must be an integer of at least 2"


def test_a_bound_of_0_does_not_let_a_boolean_through():
    at_least("sample", 0, 0)
    with pytest.raises(ValueError, match="sample = False: must be an integer"):
        at_least("sample", False, 0)
