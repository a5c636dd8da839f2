"""The source's limitations as experiments: noisy labels, depth, activations.

Wen, Li & Ma 2023 use labels without noise and, in the three scenarios, two layers
with ReLU. Here every architecture is trained by 1-SAM, SGD and SGD with weight
decay at the source's learning rate and radius, on flipped labels or at other depths.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from flatminima.data.xor import xor_labels
from flatminima.plots.style import ARCHITECTURES
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem
from flatminima.sources import controls
from flatminima.sources.wen_li_ma import FIGURES, figure
from flatminima.sweeps.sweep import fetch
from flatminima.sweeps.table import Seeds, over_seeds

RULES = ("1-SAM", "SGD", "SGD + wd")

WEIGHT_DECAY = figure("11a").weight_decay
"""That of the source's baselines on the squared loss; it has none for Sim-LN and
Sim-BN."""

PHASES = {
    "no_bias": ("1b", 0),
    "bias": ("4b", 0),
    "sim_ln": ("6a", 0),
    "softplus": ("5b", 1),
    "sim_bn": ("2a", 0),
    "deep": ("11b", 0),
}
"""Figure of the source, and which of its phases, that learning rate, radius and
initialisation come from. The first phase of softplus, at half the learning rate, is
too slow for a short run."""

DEPTHS = (2, 3, 4)
"""Layers of weights; 3 is that of the source's figure 11."""


def rules(
    architecture: str,
    *,
    d: int,
    n: int,
    width: int,
    num_steps: int,
    label_noise: float = 0.0,
    depth: int = 3,
    bias_input: float = 1.0,
) -> dict[str, Config]:
    """The three rules of one architecture, in float32 and with batch size 1.

    Args:
        architecture: key of `PHASES`.
        d, n, width, num_steps, label_noise, depth, bias_input: as in `Config`.

    Returns:
        Configs by the name of the rule, in the order of `RULES`.

    Raises:
        ValueError: if a value is out of range.
    """
    if architecture not in PHASES:
        raise ValueError(
            f"architecture = {architecture!r}: must be one of {', '.join(PHASES)}"
        )
    name, phase = PHASES[architecture]
    lr, rho, _ = FIGURES[name].phases[phase]
    fields = {
        **FIGURES[name].fields,
        "d": d,
        "n": n,
        "width": width,
        "num_steps": num_steps,
        "label_noise": label_noise,
        "depth": depth,
        "bias_input": bias_input,
        "num_checkpoints": 2,
        "lr": lr,
        "dtype": "float32",
    }
    return controls.rules(RULES, rho=rho, weight_decay=WEIGHT_DECAY, **fields)


def noise(
    architecture: str,
    levels: Sequence[float],
    *,
    d: int,
    n: int,
    width: int,
    num_steps: int,
) -> list[Config]:
    """The three rules under every share of flipped labels.

    Args:
        architecture: key of `PHASES`.
        levels: shares of the training labels that are flipped, one at least above 0.
        d, n, width, num_steps: as in `Config`.

    Raises:
        ValueError: if a value is out of range.
    """
    if not any(level > 0 for level in levels) or len(set(levels)) < len(levels):
        raise ValueError(f"levels = {list(levels)}: must be different, and one above 0")
    return [
        config
        for level in levels
        for config in rules(
            architecture,
            d=d,
            n=n,
            width=width,
            num_steps=num_steps,
            label_noise=level,
        ).values()
    ]


def by_size(
    architecture: str,
    sizes: Sequence[int],
    levels: Sequence[float],
    *,
    d: int,
    width: int,
    num_steps: int,
) -> list[Config]:
    """The three rules on clean labels and under the most noise, for several sizes.

    Args:
        architecture: key of `PHASES`.
        sizes: numbers of training points, different.
        levels: as in `noise`; the largest is used.
        d, width, num_steps: as in `Config`.

    Raises:
        ValueError: if a value is out of range.
    """
    if not sizes or len(set(sizes)) < len(sizes):
        raise ValueError(f"sizes = {list(sizes)}: must be different, and at least one")
    ends = sorted({0.0, float(max(levels))})
    size = {"d": d, "width": width, "num_steps": num_steps}
    found = [noise(architecture, ends, n=n, **size) for n in sizes]
    return [config for configs in found for config in configs]


def networks(
    *,
    d: int,
    n: int,
    width: int,
    deep_width: int,
    num_steps: int,
) -> dict[str, dict[str, Config]]:
    """ReLU networks of all `DEPTHS` and a softplus network, without and with a bias.

    At depth 2 these are 2-MLP-No-Bias and 2-MLP-Bias. Only the first layer has a bias.

    Args:
        d, n, num_steps: as in `Config`.
        width: of the networks of two layers.
        deep_width: of all others.

    Returns:
        The three rules by the name of the network, such as "ReLU, 3 layers, bias".
    """
    size = {"d": d, "n": n, "num_steps": num_steps}
    found = {}
    for depth in DEPTHS:
        for bias in (False, True):
            name = f"ReLU, {depth} layers, {'bias' if bias else 'no bias'}"
            if depth == 2:
                architecture = "bias" if bias else "no_bias"
                found[name] = rules(architecture, width=width, **size)
            else:
                found[name] = rules(
                    "deep",
                    depth=depth,
                    bias_input=float(bias),
                    width=deep_width,
                    **size,
                )
    for bias in (False, True):
        name = f"softplus, 2 layers, {'bias' if bias else 'no bias'}"
        found[name] = rules("softplus", bias_input=float(bias), width=width, **size)
    return found


def flipped_fitted(config: Config, seeds: Seeds) -> np.ndarray:
    """Share of the flipped training labels that a trained network gives back, by seed.

    The sign of the output decides; a diverged run and an output of 0 give none back.

    Args:
        config: with label_noise above 0; its seeds are replaced.
        seeds: as in `over_seeds`.

    Returns:
        Shares, shape (seeds,).

    Raises:
        ValueError: if no label is flipped, or there is no seed.
    """
    if config.label_noise == 0:
        raise ValueError("label_noise = 0.0: must be above 0, no label is flipped")
    shares = []
    for seeded in over_seeds([config], seeds):
        setting, run = problem(seeded), fetch(seeded)
        params = tuple(p.astype(np.float64) for p in run.params)
        if run.diverged_at is not None:
            shares.append(0.0)
            continue
        flipped = setting.y != xor_labels(setting.inputs)
        f = setting.architecture.forward(setting.model, *params, setting.inputs)
        shares.append(np.mean(np.sign(f[flipped]) == setting.y[flipped]))
    return np.array(shares)


def noise_table(table: pd.DataFrame, fitted: pd.Series) -> pd.DataFrame:
    """What the rules do at one level of noise, as means over seeds.

    Args:
        table: from `sweep`, of one level of noise and several architectures.
        fitted: mean of `flipped_fitted`, by architecture and rule.

    Returns:
        Rows (network, rule): test accuracy (0 for a diverged run), training loss
        (median), share of flipped labels fitted, and diverged runs.
    """
    ends = table[table["last"]]
    ends = ends.assign(test_accuracy=ends["test_accuracy"].where(~ends["diverged"], 0))
    groups = ends.groupby(["architecture", "rule"], sort=False)
    found = pd.DataFrame(
        {
            "test accuracy": groups["test_accuracy"].mean(),
            "training loss": groups["train_loss"].median(),
            "flipped labels fitted": fitted,
            "diverged": groups["diverged"].sum(),
        }
    ).reindex(list(groups.groups))
    found.index = pd.MultiIndex.from_tuples(
        [(ARCHITECTURES[architecture][0], rule) for architecture, rule in found.index],
        names=["network", "rule"],
    )
    return found.round(4)
