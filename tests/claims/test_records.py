"""What the room hands back stays as it was decided."""

from flatminima import claims
from tests.records import can_be_changed, records


def test_no_verdict_or_report_can_be_changed():
    kinds = records(claims)
    assert len(kinds) > 5
    assert [kind.__name__ for kind in kinds if can_be_changed(kind)] == []
