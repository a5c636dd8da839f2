"""Runs that differ in nothing but the scale of their start.

The sources start 2-MLP-Bias from torch's default and 2-MLP-Sim-LN from a first layer
that is a hundredth of it. Here every architecture is started from every scale.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from flatminima.results.reading import Committed
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.measures import sharpness_module
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.sources.wen_li_ma import FIGURES, figures
from flatminima.studies.paper_figures.runs import committed_runs
from flatminima.sweeps.sweep import sweep_quietly

FIGURE = {"no_bias": "1b", "bias": "4b", "sim_ln": "6a"}
"""The source's figure of 1-SAM on each architecture."""

SAM = {"lr": 0.01, "rho": 0.05}
"""What the source gives 1-SAM on all but Sim-LN, in its first phase."""


@dataclass(frozen=True)
class Variant:
    """A network and a rule that are started from several scales.

    Attributes:
        fields: of `Config`.
        scaled: those of its fields that the scale multiplies.
        stable: whether the learning rate is lowered where the start would make it
            unstable; see `stable_lr`.
    """

    fields: Mapping[str, Any]
    scaled: tuple[str, ...] = ("init_scale",)
    stable: bool = False


_BIAS = {"architecture": "bias", **SAM}
_SGD = {"architecture": "bias", "lr": 0.01}

QUICK = {
    "No-Bias, 1-SAM": Variant({"architecture": "no_bias", **SAM}),
    "Bias, 1-SAM": Variant(_BIAS),
    "Bias, SGD": Variant(_SGD),
    "Bias, SGD + wd": Variant({**_SGD, "weight_decay": 0.05}),
    "Sim-LN, 1-SAM": Variant({"architecture": "sim_ln", "lr": 0.1, "rho": 0.1}),
    "Sim-LN, SGD": Variant({"architecture": "sim_ln", "lr": 0.1}),
}
"""Variants whose updates take a microsecond."""

SLOW = {
    "Bias, 1-SAM, η lowered": Variant(_BIAS, stable=True),
    "Bias, 1-SAM, both layers": Variant(_BIAS, ("init_scale", "last_init_scale")),
    "Bias, 1-SAM, output": Variant(_BIAS, ("output_scale",)),
    "Bias, 1-SAM, output, η lowered": Variant(_BIAS, ("output_scale",), stable=True),
    "Bias, GD + wd": Variant({**_SGD, "weight_decay": 0.05, "batch": "full"}),
    "Softplus, 1-SAM": Variant({"architecture": "softplus", "lr": 5e-4, "rho": 0.05}),
    "3 layers, 1-SAM": Variant({"architecture": "deep", **SAM}),
}
"""Variants that take more, or whose learning rate is lowered."""

SCALES = {
    "Bias, 1-SAM, η lowered": (1.0, 3.0),
    "Bias, 1-SAM, output": (0.1, 1.0, 10.0),
    "Bias, 1-SAM, output, η lowered": (0.1, 1.0, 10.0),
}
"""Scales of the variants for which small ones would say little."""


@dataclass(frozen=True)
class Started:
    """Runs of one setting from several scales.

    Attributes:
        configs: by scale, those of this build.
        quick: by scale, tables of the runs of this build.
        paper: by scale, tables of the committed runs; empty where there are none.
    """

    configs: Mapping[float, Config]
    quick: Mapping[float, pd.DataFrame]
    paper: Mapping[float, pd.DataFrame] = field(default_factory=dict)

    @property
    def committed(self) -> bool:
        """Whether all scales have committed runs longer than those of this build."""
        return all(
            not self.paper[scale].empty
            and self.paper[scale]["num_steps"].max() > config.num_steps
            for scale, config in self.configs.items()
        )

    @property
    def tables(self) -> Mapping[float, pd.DataFrame]:
        """The longer ones: what claims are decided by."""
        return self.paper if self.committed else self.quick

    @property
    def table(self) -> pd.DataFrame:
        """All of these in one, with the factor on whatever is scaled as `start`."""
        parts = [rows.assign(start=scale) for scale, rows in self.tables.items()]
        return pd.concat(parts, ignore_index=True)


def first_layer(
    architecture: str, scales: Sequence[float], epochs: int, **fields: Any
) -> dict[float, Config]:
    """The source's run of 1-SAM from first layers of several scales.

    Args:
        architecture: key of `FIGURE`.
        scales: factors on torch's default.
        epochs: passes over the data; the source's own number if that is less.
        fields: of `Config`, as in `wen_li_ma.figures`.

    Returns:
        Configs in float32 by scale.
    """
    name = FIGURE[architecture]
    whole = sum(length for _, _, length in FIGURES[name].phases)
    share = min(1.0, epochs / whole)
    return {
        scale: figures([name], share=share, init_scale=scale, **fields)[name]
        for scale in scales
    }


def elsewhere(
    variant: Variant, scales: Sequence[float], epochs: int, **fields: Any
) -> dict[float, Config]:
    """One of the other settings from several scales.

    Args:
        variant: which.
        scales: factors on torch's default.
        epochs: passes over the data.
        fields: of `Config`, such as sizes; the seeds are those whose start says how
            far a learning rate is lowered.

    Returns:
        Configs in float32 by scale.
    """
    base = Config(**{"dtype": "float32", **fields, **variant.fields})
    length = epochs * (base.n // base.batch_size)
    configs = {}
    for scale in scales:
        changes = {"num_steps": length, **dict.fromkeys(variant.scaled, scale)}
        config = Config(**(base.model_dump() | changes))
        if variant.stable:
            lr = stable_lr(config, base)
            config = Config(**(config.model_dump() | {"lr": lr}))
        configs[scale] = config
    return configs


def growth(config: Config) -> float:
    """2 eta times the mean of ||grad f(x_i)||^2 over the examples, at the start.

    f is the output with its factor. Above 2, a step of SGD on (f - y)^2 makes the error
    at its example larger, to first order.
    """
    setting = problem(config)
    family = importlib.import_module(sharpness_module(setting.architecture))
    params = tuple(p.astype(np.float64) for p in initial_state(config).params)
    gram = family.linearised(setting.model, setting.inputs)(params).gram()
    return 2 * config.lr * setting.output_scale**2 * float(np.mean(np.diag(gram)))


def stable_lr(config: Config, base: Config) -> float:
    """The learning rate of a run, lowered until its `growth` is at most the base's."""
    return config.lr * min(1.0, growth(base) / growth(config))


def run(
    settings: Mapping[str, Mapping[float, Config]],
    paper: Committed,
    seeds: range,
) -> dict[str, Started]:
    """Run settings from all of their scales, and find the committed runs.

    Args:
        settings: configs by name and scale.
        paper: committed runs, as from `reading.committed`.
        seeds: of the runs, which are noted as ones to be committed.
    """
    cells = [(name, scale) for name, configs in settings.items() for scale in configs]
    configs = [settings[name][scale] for name, scale in cells]
    table = sweep_quietly(configs, seeds, commit=True)
    # a run's rows begin with that of step 0
    setting_of_row = ((table["step"] == 0).cumsum() - 1) // len(seeds)
    quick = {cell: table[setting_of_row == k] for k, cell in enumerate(cells)}
    return {
        name: Started(
            configs,
            {scale: quick[name, scale] for scale in configs},
            {scale: committed_runs(paper, config) for scale, config in configs.items()},
        )
        for name, configs in settings.items()
    }
