"""Numbers of the verdicts, where the answer is known."""

import numpy as np

from flatminima.studies.pac_bayes import tables


def test_the_term_of_foret_rises_and_one_that_does_not_is_seen(monkeypatch):
    np.testing.assert_array_equal(tables.foret_stalls(50), np.zeros(4))

    def rounded(ratio: float, *_: float) -> float:
        return float(ratio > 1)

    monkeypatch.setattr(tables, "foret_complexity", rounded)
    np.testing.assert_allclose(tables.foret_stalls(50), 48 / 49)
