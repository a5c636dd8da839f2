"""How far label-noise SGD is from its limiting flow, at every learning rate.

All runs start on {f = y}, and are looked at at equal tau = lr^2 t. Learning rates are
given as lr times `models.reach`, the curvature that a batch meets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from flatminima.data.streams import generator
from flatminima.flows.noise import Noise, project, walk
from flatminima.studies.open_2_2.flow import Flow, deviations, follow, predicted, sharp
from flatminima.studies.open_2_2.models import (
    BASE_D,
    Instance,
    Maker,
    factors,
    network,
    quadratic,
    reach,
)

POINTS = 4
"""Times at which a run is compared with the flow."""


@dataclass(frozen=True)
class Setting:
    """What is run on the instances of all seeds.

    Attributes:
        name: for tables.
        make: its instance of a seed.
        batch: examples of a step, drawn with replacement; 0 for all, none drawn.
        noise: by which labels are moved up or down.
    """

    name: str
    make: Maker
    batch: int = 1
    noise: float = 0.5


BASE = "quadratic"
NETWORK, FACTORS, FULL = "tanh network", "factorisation", "all examples"
MODELS = (BASE, NETWORK, FACTORS)

FULL_SHARED = "all examples, shared {:g}"


def settings(
    *,
    scales: Sequence[float],
    shares: Sequence[float],
    multiples: Sequence[int],
    noises: Sequence[float],
    batches: Sequence[int],
) -> dict[str, list[Setting]]:
    """All settings, by what is varied. Each sweep begins with the base.

    Args:
        scales: factors of the inputs, whose squares are those of the trace.
        shares: of signs in common, which move the largest eigenvalue.
        multiples: of the base's coordinates.
        noises: sizes of the label noise, over that of the base.
        batches: examples of a step.
    """
    base = Setting(BASE, quadratic)
    full = replace(base, name=FULL, batch=0)
    shared = {each: partial(quadratic, shared=each) for each in shares}
    return {
        "model": [base, Setting(NETWORK, network), Setting(FACTORS, factors)],
        "trace": [
            base,
            *(Setting(f"scale {s:g}", partial(quadratic, scale=s)) for s in scales),
        ],
        "largest eigenvalue": [
            base,
            *(Setting(f"shared {s:g}", make) for s, make in shared.items()),
        ],
        "dimension": [
            base,
            *(
                Setting(f"d = {BASE_D * k}", partial(quadratic, d=BASE_D * k))
                for k in multiples
            ),
        ],
        "noise": [
            base,
            *(replace(base, name=f"noise {s:g}", noise=s * base.noise) for s in noises),
        ],
        "batch": [
            base,
            *(replace(base, name=f"batch {b}", batch=b) for b in batches),
            full,
        ],
        "largest eigenvalue, all examples": [
            full,
            *(
                Setting(FULL_SHARED.format(s), make, batch=0)
                for s, make in shared.items()
            ),
        ],
    }


def measure(
    setting: Setting, seed: int, rates: Sequence[float], *, share: float
) -> pd.DataFrame:
    """All learning rates of one setting and seed.

    Args:
        setting: what is run.
        seed: of the instance and the noise.
        rates: lr times `reach`, ascending.
        share: of the trace, as in `follow`.

    Returns:
        A row a rate: the numbers of `deviations`; `predicted`, the distance that the
        clock alone makes; for all examples `sharp`, the distance to the flow of the
        log-determinant; and what the instance is. No row if there is no instance.
    """
    instance = setting.make(seed)
    flow = None
    if instance is not None:
        flow = follow(instance, setting.noise, setting.batch, share)
    if instance is None or flow is None:
        return pd.DataFrame()
    unit = reach(instance.model, instance.start, setting.batch)
    rows = []
    for rate in rates:
        found = _distances(instance, flow, setting, rate / unit, seed)
        rows.append(
            {
                "setting": setting.name,
                "seed": seed,
                "rate": rate,
                "lr": rate / unit,
                **found,
                "trace": instance.trace,
                "sharpness": instance.sharpness,
                "curvature": instance.curvature,
                "size": instance.size,
                "noise": setting.noise,
                "reach": unit,
            }
        )
    return pd.DataFrame(rows)


def _distances(
    instance: Instance, flow: Flow, setting: Setting, lr: float, seed: int
) -> dict[str, float]:
    """What is measured of one learning rate."""
    taus = np.linspace(0, flow.tau, POINTS + 1)[1:]
    steps = np.maximum(1, np.round(taus / lr**2).astype(int))
    noise = Noise(batch=setting.batch, labels=setting.noise)
    rng = generator(seed, f"open-2-2 {setting.name} {lr:g}")
    path = walk(instance.model, noise, instance.start, steps, lr=lr, rng=rng)
    path = project(instance.model, path)
    found = deviations(flow, path, taus, lr)
    found["predicted"] = predicted(flow, taus, lr)
    found["sharp"] = np.nan
    if setting.name == FULL:
        found["sharp"] = sharp(instance, flow, path, taus, lr)
    return found


def table(
    sweeps: dict[str, list[Setting]],
    seeds: Sequence[int],
    rates: Sequence[float],
    *,
    share: float,
) -> pd.DataFrame:
    """`measure` of all settings, each once, and all seeds."""
    every = {each.name: each for sweep in sweeps.values() for each in sweep}
    parts = [
        measure(setting, seed, rates, share=share)
        for setting in every.values()
        for seed in seeds
    ]
    return pd.concat(parts, ignore_index=True)
