"""The settings of the sources' figures, as configs.

`FIGURES` is the training table of Wen, Li & Ma 2023 for its two-layer networks; the
slides reproduce figures 1, 4 and 6. For each architecture the source compares a
baseline with weight decay against 1-SAM, which differ in batch size, decay and rho
at once; `controls` are the rules between the two.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flatminima.checks import at_least
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.mlp.config import Config, Phase


@dataclass(frozen=True)
class Figure:
    """A row of the training table.

    Attributes:
        phases: (learning rate, rho, epochs), one after the other.
        fields: of `Config`, where they differ from its defaults.
    """

    phases: tuple[tuple[float, float, int], ...]
    fields: Mapping[str, Any] = field(default_factory=dict)


BALL = {"data": "ball", "d": 10}
LOGISTIC = {"loss": "logistic", "label_smoothing": 0.2}
SMALL_SIM_LN = {"architecture": "sim_ln", "init_scale": 0.01}

FIGURES = {
    "1a": Figure(
        ((0.01, 0, 100_000),),
        {"architecture": "no_bias", "batch": "full", "weight_decay": 0.05},
    ),
    "1b": Figure(((0.01, 0.05, 100_000),), {"architecture": "no_bias"}),
    "4a": Figure(
        ((0.01, 0, 100_000),),
        {"architecture": "bias", "batch": "full", "weight_decay": 0.05},
    ),
    "4b": Figure(
        ((0.01, 0.05, 200_000), (0.01, 0.1, 400_000)), {"architecture": "bias"}
    ),
    "5a": Figure(
        ((0.001, 0, 100_000),), {"architecture": "softplus", "weight_decay": 0.05}
    ),
    "5b": Figure(
        ((0.0005, 0.05, 100_000), (0.001, 0.1, 100_000), (0.005, 1, 5000)),
        {"architecture": "softplus"},
    ),
    "6a": Figure(((0.1, 0.1, 100_000),), SMALL_SIM_LN),
    "6b": Figure(
        ((0.01, 0.1, 500), (0.01, 0.5, 500), (0.01, 1, 500)),
        {"architecture": "sim_ln", "radius": 10},
    ),
    "7a": Figure(((0.01, 0.2, 100_000),), {"architecture": "no_bias", **BALL}),
    "7b": Figure(((0.01, 0.2, 100_000),), {"architecture": "bias", **BALL}),
    "8a": Figure(
        ((0.1, 0, 100_000),),
        {"architecture": "no_bias", "batch": 10, "weight_decay": 0.01, **LOGISTIC},
    ),
    "8b": Figure(((0.1, 0.2, 100_000),), {"architecture": "no_bias", **LOGISTIC}),
    "9a": Figure(
        ((0.01, 0, 100_000),),
        {"architecture": "bias", "weight_decay": 0.05, **LOGISTIC},
    ),
    "9b": Figure(((0.1, 0.2, 100_000),), {"architecture": "bias", **LOGISTIC}),
    "2a": Figure(
        ((0.005, 0.1, 100_000), (0.003, 1, 100_000)),
        {"architecture": "sim_bn", "gamma_init": 0.3},
    ),
    "10a": Figure(
        ((0.1, 0.2, 40_000),),
        {"architecture": "sim_bn", "gamma_init": 0.3, **LOGISTIC},
    ),
    "11a": Figure(
        ((0.01, 0, 100_000),), {"architecture": "deep", "weight_decay": 0.05}
    ),
    "11b": Figure(((0.01, 0.05, 100_000),), {"architecture": "deep"}),
    "10b": Figure(((1, 0.5, 1000), (1, 1, 100_000)), SMALL_SIM_LN | LOGISTIC),
}
"""n = 100 in figure 7 and the factor 0.01 on the first layer in figure 10b are our
choices: the source says nothing of the one and "small" of the other. So is gamma =
0.3 at the start of Sim-BN: from gamma = 1 the source's learning rate diverges."""


EARLY: defaultdict[str, tuple[int, ...]] = defaultdict(tuple, {"4b": (4000,)})
"""Further epochs at which a figure is measured."""


def figure(name: str, *, epochs_factor: float = 1.0, **changes: Any) -> Config:
    """The run behind a figure of the paper, at its own scale or shortened.

    It is measured at the end of every phase too, and 4b at epoch 4000, from where
    the source sees its accuracy fall.

    Args:
        name: key of `FIGURES`.
        epochs_factor: factor on the epochs of every phase, above 0; a phase has one
            update at least.
        changes: fields of `Config` in place of the source's, but for those that the
            phases say: lr, rho, num_steps, phases and measure_at.

    Raises:
        ValueError: if there is no such figure, or if a value is out of range.
    """
    if name not in FIGURES:
        raise ValueError(f"name = {name!r}: must be one of {', '.join(FIGURES)}")
    if not epochs_factor > 0:
        raise ValueError(f"epochs_factor = {epochs_factor}: must be above 0")
    taken = {"lr", "rho", "num_steps", "phases", "measure_at"} & set(changes)
    if taken:
        raise ValueError(f"changes = {sorted(taken)}: the phases of a figure say these")
    fields = {**FIGURES[name].fields, **changes}
    size = Config(**fields)
    steps_per_epoch = size.n // size.batch_size
    starts = [0]
    for _, _, epochs in FIGURES[name].phases:
        steps = max(1, round(epochs_factor * epochs * steps_per_epoch))
        starts.append(starts[-1] + steps)
    (lr, rho, _), *later = FIGURES[name].phases
    phases = [
        Phase(start=start, lr=later_lr, rho=later_rho)
        for start, (later_lr, later_rho, _) in zip(starts[1:-1], later, strict=True)
    ]
    early = [round(epochs_factor * epoch * steps_per_epoch) for epoch in EARLY[name]]
    return Config(
        **fields,
        lr=lr,
        rho=rho,
        num_steps=starts[-1],
        phases=tuple(phases),
        measure_at=tuple(sorted({*starts[1:-1], *(max(1, step) for step in early)})),
    )


def figures(
    names: Sequence[str], *, share: float = 1.0, **changes: Any
) -> dict[str, Config]:
    """The runs behind some figures, as the book shows and commits them.

    They are trained in float32, the precision of the usual GPU run, and measured in
    float64 at thirty checkpoints, unless `changes` says otherwise.

    Args:
        names: keys of `FIGURES`.
        share: of the source's epochs.
        changes: as in `figure`.

    Raises:
        ValueError: as in `figure`.
    """
    fields = {"num_checkpoints": 30, "dtype": "float32", **changes}
    return {name: figure(name, epochs_factor=share, **fields) for name in names}


PAPER_FULL_BATCH_STEPS = figure("1a").num_steps
"""Updates behind the source's curves of gradient descent: 1e5 epochs of one."""

PAPER_SERIAL_STEPS = {
    "no_bias": figure("1b").num_steps,
    "bias": figure("4b").num_steps,
    "sim_ln": figure("6a").num_steps,
    "softplus": figure("5b").num_steps,
    "sim_bn": figure("2a").num_steps,
    "deep": figure("11b").num_steps,
}
"""Updates behind its curves of 1-SAM: 100 an epoch, over 1e5 epochs in figures 1b
and 6a, 2e5 + 4e5 with a larger radius in figure 4b, 2.05e5 in figure 5b."""

PAPER_FIXED_SCALE_STEPS = figure("6b").num_steps
"""Updates behind figure 6b: three phases of 500 epochs."""


FIXED_SCALE_RHOS = tuple(float(rho) for _, rho, _ in FIGURES["6b"].phases)
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
    at_least("phase_epochs", phase_epochs, 1)
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


def _reference_steps() -> dict[tuple, tuple[int, int]]:
    """Updates and input dimension of the source, by what tells its figures apart."""
    found = {}
    for name in FIGURES:
        config = figure(name)
        kind = (config.architecture, config.data, config.loss, config.batch)
        key = (*kind, config.radius > 0, config.weight_decay > 0)
        found[key] = (config.num_steps, config.d)
    return found


_REFERENCE = _reference_steps()


def scale(config: Config | FlowConfig) -> str:
    """How a run compares with the source's own; what a sweep's table says of it."""
    if isinstance(config, FlowConfig):
        start = config.start
        return scale_of_flow(start.d, start.n, start.width, config.max_iterations)
    return scale_of(**{name: getattr(config, name) for name in COMPARED})


COMPARED = (
    *("architecture", "batch", "d", "n", "width", "num_steps"),
    *("radius", "data", "loss", "weight_decay"),
)
"""Fields that `scale_of` compares with the source."""


def scale_of(
    architecture: str,
    batch: str | int,
    d: int,
    n: int,
    width: int,
    num_steps: int,
    radius: float = 0.0,
    data: str = "xor",
    loss: str = "squared",
    weight_decay: float = 0.0,
) -> str:
    """How a run compares with the source's own, for the scorecard.

    It is measured against the figure of the same architecture, data, loss, batch size
    and projection: one that decays too if the run does, else the other one. A control
    without such a figure is measured against the source's projected runs, against its
    full-batch runs or against its 1-SAM on the same architecture.
    """
    kind = (architecture, data, loss, batch, radius > 0)
    decays = weight_decay > 0
    if radius > 0:
        other = (PAPER_FIXED_SCALE_STEPS, 30)
    elif batch == "full":
        other = (PAPER_FULL_BATCH_STEPS, 30)
    else:
        other = (PAPER_SERIAL_STEPS[architecture], 30)
    near = _REFERENCE.get((*kind, not decays), other)
    paper, paper_d = _REFERENCE.get((*kind, decays), near)
    size = f"d = {d}, n = {n}, width {width}"
    if (d, n, width) == (paper_d, 100, 500) and num_steps >= paper:
        return f"paper: {size}, {num_steps} updates"
    return f"scaled-down: {size}, {num_steps} of {paper} updates"


def scale_of_flow(d: int, n: int, width: int, max_iterations: int) -> str:
    """The same for a flow, which the source does not have: its size decides."""
    paper = (d, n, width) == (30, 100, 500)
    word = "paper" if paper else "scaled-down"
    size = f"d = {d}, n = {n}, width {width}"
    return f"{word}: {size}, a flow of at most {max_iterations} iterations"
