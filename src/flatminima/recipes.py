"""The settings of the sources' figures, as configs.

Hyper-parameters are those of the training table in Wen, Li & Ma 2023 (figures
1a, 1b, 4a, 4b, 6a, 6b), which the slides reproduce. For each architecture the
source compares full-batch gradient descent with weight decay against 1-SAM,
which differ in batch size, decay and rho at once; `controls` are the rules
between the two.
"""

from dataclasses import dataclass
from typing import Any

from flatminima.config import Config, Phase

PAPER_FULL_BATCH_STEPS = 100_000
"""Updates behind the source's curves of gradient descent: 1e5 epochs of one."""

PAPER_SERIAL_STEPS = {
    "no_bias": 10_000_000,
    "bias": 60_000_000,
    "sim_ln": 10_000_000,
}
"""Updates behind its curves of 1-SAM: 100 an epoch, over 1e5 epochs in figures 1b
and 6a, and 2e5 + 4e5 with a larger radius in figure 4b."""

PAPER_FIXED_SCALE_STEPS = 150_000
"""Updates behind figure 6b: three phases of 500 epochs."""

RULES = ("GD + wd", "n-SAM", "SGD", "SGD + wd", "1-SAM", "1-SAM + wd")


@dataclass(frozen=True)
class Setting:
    """Hyper-parameters of one architecture in the source.

    Attributes:
        lr: learning rate.
        rho: radius of 1-SAM.
        weight_decay: of the GD baseline.
        init_scale: factor on the initial first layer.
    """

    lr: float
    rho: float
    weight_decay: float
    init_scale: float = 1.0


SETTINGS = {
    "no_bias": Setting(lr=0.01, rho=0.05, weight_decay=0.05),
    "bias": Setting(lr=0.01, rho=0.05, weight_decay=0.05),
    "sim_ln": Setting(lr=0.1, rho=0.1, weight_decay=0.05, init_scale=0.01),
}
"""For Sim-LN the source has no baseline; its weight decay here is our choice."""


def scenario(
    architecture: str,
    *,
    d: int,
    n: int,
    width: int,
    epochs: int,
    full_batch_steps: int,
    lr: float | None = None,
    rho: float | None = None,
    weight_decay: float | None = None,
) -> dict[str, Config]:
    """The six rules of one architecture: the source's two and the controls.

    Args:
        architecture: key of `SETTINGS`.
        d, n, width: size of the problem and of the network.
        epochs: passes over the data of the rules with batch size 1.
        full_batch_steps: updates of the rules that use all examples. Every rule
            is measured at the smaller of this and epochs * n.
        lr, rho, weight_decay: in place of the source's values.

    Returns:
        Configs by the name of the rule, in the order of `RULES`.

    Raises:
        ValueError: if a value is out of range, or if rho or weight_decay is 0,
            which would make two rules the same.
    """
    setting = SETTINGS[architecture]
    rho = setting.rho if rho is None else rho
    weight_decay = setting.weight_decay if weight_decay is None else weight_decay
    for name, value in (("rho", rho), ("weight_decay", weight_decay)):
        if not value > 0:
            raise ValueError(
                f"{name} = {value}: must be above 0, rules without are run"
            )
    for name, count in (("epochs", epochs), ("full_batch_steps", full_batch_steps)):
        if not (isinstance(count, int) and count >= 1):
            raise ValueError(f"{name} = {count!r}: must be an integer of at least 1")
    Config(architecture="bias", d=d, n=n, width=width)  # refuse bad sizes first
    base: dict[str, Any] = {
        "architecture": architecture,
        "d": d,
        "n": n,
        "width": width,
        "lr": setting.lr if lr is None else lr,
        "init_scale": setting.init_scale,
        "measure_at": (min(full_batch_steps, epochs * n),),
    }
    one: dict[str, Any] = {"batch": "one", "num_steps": epochs * n}
    full: dict[str, Any] = {"batch": "full", "num_steps": full_batch_steps}
    configs = [
        Config(**base, **full, weight_decay=weight_decay),
        Config(**base, **full, rho=rho),
        Config(**base, **one),
        Config(**base, **one, weight_decay=weight_decay),
        Config(**base, **one, rho=rho),
        Config(**base, **one, rho=rho, weight_decay=weight_decay),
    ]
    return {config.rule: config for config in configs}


FIXED_SCALE_RHOS = (0.1, 0.5, 1.0)
"""Radii of the three phases of the paper's figure 6b."""


def fixed_scale(
    *, d: int, n: int, width: int, phase_epochs: int, radius: float = 10.0
) -> dict[str, Config]:
    """Sim-LN with the first-layer norm held at `radius` (paper, figure 6b).

    The source holds the norm of first-layer weight and bias at 10, with eta =
    0.01 and rho = 0.1, 0.5 and 1 for 500 epochs each. We hold the norm of both
    together. The control takes no ascent step.

    Args:
        d, n, width: size of the problem and of the network.
        phase_epochs: passes over the data in each of the three phases.
        radius: norm of the first layer, above 0.

    Returns:
        Configs by the name of the rule: SGD and 1-SAM, projected.

    Raises:
        ValueError: if a value is out of range.
    """
    if not radius > 0:
        raise ValueError(
            f"radius = {radius}: must be above 0 (0 frees the first layer)"
        )
    if not (isinstance(phase_epochs, int) and phase_epochs >= 1):
        raise ValueError(
            f"phase_epochs = {phase_epochs!r}: must be an integer of at least 1"
        )
    Config(architecture="sim_ln", d=d, n=n, width=width)  # refuse bad sizes first
    phase_steps = phase_epochs * n
    first, *later = FIXED_SCALE_RHOS
    phases = [
        Phase(start=(k + 1) * phase_steps, lr=0.01, rho=rho)
        for k, rho in enumerate(later)
    ]
    base: dict[str, Any] = {
        "architecture": "sim_ln",
        "d": d,
        "n": n,
        "width": width,
        "lr": 0.01,
        "radius": radius,
        "num_steps": len(FIXED_SCALE_RHOS) * phase_steps,
    }
    configs = [Config(**base), Config(**base, rho=first, phases=tuple(phases))]
    return {config.rule: config for config in configs}


def scale_of(
    architecture: str,
    batch: str,
    d: int,
    n: int,
    width: int,
    num_steps: int,
    radius: float = 0.0,
) -> str:
    """How a run compares with the source's own, for the scorecard."""
    if radius > 0:
        paper = PAPER_FIXED_SCALE_STEPS
    elif batch == "full":
        paper = PAPER_FULL_BATCH_STEPS
    else:
        paper = PAPER_SERIAL_STEPS[architecture]
    size = f"d = {d}, n = {n}, width {width}"
    if (d, n, width) == (30, 100, 500) and num_steps >= paper:
        return f"paper: {size}, {num_steps} updates"
    return f"scaled-down: {size}, {num_steps} of {paper} updates"
