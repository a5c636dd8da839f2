"""What the room hands back stays as it was computed."""

from flatminima import theory
from tests.records import can_be_changed, records, unnamed


def test_no_result_can_be_changed():
    kinds = records(theory)
    assert len(kinds) > 5
    assert [kind.__name__ for kind in kinds if can_be_changed(kind)] == []


def test_every_argument_can_be_given_by_name():
    assert unnamed(theory) == []
