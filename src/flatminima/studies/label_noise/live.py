"""What the experiment in the chapter's page holds, and the numbers that it shows."""

from typing import Any

import numpy as np

from flatminima.flows.gradient_flow import settle
from flatminima.flows.sharpness_flow import sharpness_flow
from flatminima.runs.descent.problem import problem
from flatminima.runs.descent.train import DRAWS
from flatminima.studies.label_noise import paths
from flatminima.theory.certificates.basis_pursuit import basis_pursuit

SETTING: dict[str, Any] = {"d": 20, "n": 10, "sparsity": 3, "alpha": 0.5, "seed": 100}
"""As in the chapter, its first seed."""

TAU = 4.0
"""Length of a run, in units of 1 / lr^2."""

LONGEST = 1.0
"""c tau at which the limiting flow ends: delta = 1 for a time of 4."""

POINTS = 41


def data() -> dict[str, Any]:
    """The problem, the key of the draws, and the limiting flow.

    Returns:
        x, y, truth, alpha, tau; key (of the generator); least (the trace that no
        interpolator is below); and flow: c tau, trace and distance from the truth.
    """
    config = paths.config_at(paths.base(delta=0.5, **SETTING), 0.01, 1)
    setting = problem(config).data
    model = paths.model_of(config)
    times = LONGEST * np.linspace(0, 1, POINTS)[1:] ** 2
    end = settle(model, paths.start_of(config))
    flow = sharpness_flow(model, end.theta, c=1.0, times=times, rtol=1e-5)
    places = [end.theta, *flow.at]
    betas = [model.beta(theta) for theta in places]
    return {
        "x": setting.x.astype(int).tolist(),
        "y": setting.y.tolist(),
        "truth": setting.truth.tolist(),
        "alpha": SETTING["alpha"],
        "tau": TAU,
        "key": [config.init_seed, DRAWS],
        "least": 4 * basis_pursuit(setting.x, setting.y).value,
        "flow": {
            "at": [0.0, *times.tolist()],
            "trace": [model.trace(theta) for theta in places],
            "error": [float(np.linalg.norm(b - setting.truth)) for b in betas],
        },
    }


def numbers(lr: float, delta: float) -> dict[str, float]:
    """What the page shows after a run, by the engine.

    Args:
        lr: learning rate.
        delta: size of the noise on the labels; 0 for none.

    Returns:
        steps; trace; error (distance of beta from the truth); and constant, c measured
        from the decay of u v over the last three quarters of the run.
    """
    fields = paths.base(delta=delta, **SETTING)
    steps = max(1, round(TAU / lr**2))
    path = paths.follow(
        paths.config_at(fields, lr, steps), [round(paths.BURN * steps), steps]
    )
    d = SETTING["d"]
    u, v = path.theta[-1, :d], path.theta[-1, d:]
    fallen = path.products[0] - path.products[-1]
    return {
        "steps": steps,
        "trace": float(path.trace[-1]),
        "error": float(np.linalg.norm(u**2 - v**2 - problem(path.config).data.truth)),
        "constant": float(fallen / (16 * lr**2 * (steps - path.steps[0]))),
    }
