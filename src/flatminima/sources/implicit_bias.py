"""The settings of the talks' models of implicit bias, as configs, and their lengths.

Andriushchenko & Flammarion (2022) is behind the SAM talk: a diagonal network in their
figure on sparse regression, and a ReLU network on the line.
"""

from typing import Any

from flatminima.runs.descent.config import DescentConfig

SPARSE_STEPS = 10_001
"""Updates of the published sparse regression."""

LINE_STEPS = 1_000_000
"""Updates, at most, of the published network on the line."""

LINE_LR = 5e-5
LINE_RHO = 0.3
LINE_STOP = 1e-5
"""Learning rate, radius and final loss (half the sum) of the network on the line."""

SPARSE = (20, 30, 3)
"""Examples, inputs and support of the published sparse regression."""


def sparse_regression(**fields: Any) -> DescentConfig:
    """The published diagonal network: full batch, lr 5/d, SAM without a norm.

    Args:
        fields: of `DescentConfig`, in place of those of gradient descent.
    """
    d = fields.get("d", SPARSE[1])
    usual: dict[str, Any] = {
        **{"model": "product", "data": "published", "alpha": 0.1, "lr": 5.0 / d},
        "num_steps": SPARSE_STEPS,
    }
    if fields.get("rho", 0) > 0:
        usual["normalised"] = False
    return DescentConfig(**(usual | fields))


def line(**fields: Any) -> DescentConfig:
    """The published network on the line: full batch, half the sum of squares.

    Args:
        fields: of `DescentConfig`, in place of those of gradient descent.
    """
    usual: dict[str, Any] = {
        **{"model": "relu_1d", "data": "points", "factor": 6.0, "lr": LINE_LR},
        **{"stop_loss": LINE_STOP, "num_steps": LINE_STEPS},
    }
    return DescentConfig(**(usual | fields))


def scale(config: DescentConfig) -> str:
    """How a run compares with the sources' own; what a sweep's table says of it."""
    if config.model == "relu_1d":
        word = "paper" if config.num_steps >= LINE_STEPS else "scaled-down"
        return (
            f"{word}: 12 points, width {config.width}, at most {config.num_steps} of "
            f"{LINE_STEPS} updates"
        )
    size = f"d = {config.d}, n = {config.n}"
    sizes = (config.n, config.d, config.complexity)
    if config.data == "published" and config.model == "product" and sizes == SPARSE:
        word = "paper" if config.num_steps >= SPARSE_STEPS else "scaled-down"
        return f"{word}: {size}, {config.num_steps} of {SPARSE_STEPS} updates"
    return f"ours: {size}, {config.num_steps} updates"
