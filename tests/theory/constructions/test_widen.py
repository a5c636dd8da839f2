import numpy as np
import pytest

from flatminima.data.streams import Dataset
from flatminima.theory.constructions.generalising_networks import generalising_bias
from flatminima.theory.constructions.verify import verify
from flatminima.theory.constructions.widen import widen
from tests.theory.dense import dense_trace

X = np.array([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]])
Y = np.array([1.0, -1.0, 1.0])


def test_nothing_changes():
    w, v = generalising_bias(3)
    wide = widen(w, v, 7)
    assert wide[0].shape == (4, 7) and wide[1].shape == (7,)
    held_out = Dataset(X, Y)
    before = verify("bias", w, v, X, Y, held_out=held_out)
    assert verify("bias", *wide, X, Y, held_out=held_out) == before
    assert dense_trace("bias", *wide, X, Y) == pytest.approx(
        dense_trace("bias", w, v, X, Y), rel=1e-12
    )


def test_units_are_never_dropped():
    with pytest.raises(ValueError, match="width = 3: this solution needs width >= 4"):
        widen(*generalising_bias(3), 3)
