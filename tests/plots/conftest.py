"""Every figure is drawn in the style of the book."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from flatminima.plots.style import use_style


@pytest.fixture(autouse=True)
def style():
    """The style of the book, inside a test only."""
    backend = mpl.get_backend()
    plt.switch_backend("agg")
    with mpl.rc_context():
        use_style()
        yield
    plt.close("all")
    plt.switch_backend(backend)
