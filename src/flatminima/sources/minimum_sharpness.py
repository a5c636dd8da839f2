"""The minimum-sharpness report: its settings, and how runs compare with its own."""

from flatminima.runs.images.config import SETS, ImageConfig

LEARNING_RATES = {
    "sgd": 0.1,
    "phb": 0.1,
    "adam": 1e-3,
    "adagrad": 1e-2,
    "adabound": 1e-3,
    "adashift": 1e-2,
}
"""Of the report: .1 for SGD and PHB, the defaults of their code for the others. But
AdaShift's default, .001, is divided by a tensor's largest gradient: it hardly moves."""

LOWER = {"phb": 0.01}
"""What the report takes where the first does not lead to convergence."""

RHO = 0.05
"""Default of the code that the report used for SAM."""

TARGET = 0.01
NUM_EPOCHS = 200


def scale(config: ImageConfig) -> str:
    """How a run compares with the source's own, for the scorecard."""
    _, size, n, test_n = SETS[config.data]
    alike = (config.n, config.test_n, config.size) == (n, test_n, size)
    if alike and config.target_loss == TARGET and config.num_epochs >= NUM_EPOCHS:
        return f"paper, width {config.width}"
    return (
        f"scaled-down: {config.data}, n = {config.n}, {config.size}x{config.size}, "
        f"width {config.width}, target {config.target_loss:g}"
    )
