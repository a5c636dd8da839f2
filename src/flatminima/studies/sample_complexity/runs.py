"""The runs behind sample complexity: 1-SAM, its controls, flow, search and kernel.

Each of them ends as a table of test errors, a row for each run: method, d, n, seed,
zero_one, mse, ratio (trace over the pointwise bound 4 sqrt(d), NaN where there is none)
and diverged.
"""

from collections.abc import Sequence
from typing import Any

from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.mlp.config import Config

SAM = "1-SAM"
SMALL_SAM = "1-SAM, small start"
SMALL_SGD = "SGD, small start"
DECAYED_SGD = "SGD + wd"
DECAYED_GD = "GD + wd"
FLOW = "flow"
SEARCH = "search"
KERNEL = "NTK"

METHODS = (SAM, SMALL_SAM, SMALL_SGD, DECAYED_SGD, DECAYED_GD, FLOW, SEARCH, KERNEL)
"""All that is compared."""

GAP = 1e-2
"""How near to the minimum a search has to come, relative to it."""


def sizes(d: int, ratios: Sequence[float], power: int = 1) -> list[int]:
    """Numbers of training points, the nearest integers to ratio d^power, ascending.

    Args:
        d: dimension, at least 2.
        ratios: above 0.
        power: of d.

    Raises:
        ValueError: if a ratio is out of range, or leaves fewer than one training
            point or one of the 2^d points to test on.
    """
    found = sorted({round(ratio * d**power) for ratio in ratios})
    if not found or found[0] < 1 or found[-1] >= 2**d:
        raise ValueError(
            f"ratios = {list(ratios)}: must give 1 <= n < 2^d, and give n = {found} "
            f"at d = {d}"
        )
    return found


def learning_rate(d: int, width: int, kick: float) -> float:
    """The eta at which 2 eta E||grad f||^2 is the same for every d and width.

    For a 2-MLP-No-Bias at the project's initialisation and an input of norm
    sqrt(d), E||grad f||^2 = (width + d) / 6: relu halves the second moment, 1/3, of
    a pre-activation, and half of the units pass on ||x||^2 v^2, d/3 in all.

    Args:
        d, width: sizes.
        kick: 2 eta E||grad f||^2; a step at 1 removes the error of its example, one
            above 2 makes it grow.

    Raises:
        ValueError: if the kick is not in (0, 2).
    """
    if not 0 < kick < 2:
        raise ValueError(f"kick = {kick}: must be above 0 and below 2")
    return 3 * kick / (width + d)


def trained(
    ds: Sequence[int],
    ratios: Sequence[float],
    *,
    width: int,
    kick: float,
    rho: float,
    updates: int,
    init_scale: float,
    small_rho: float,
    weight_decay: float,
    control_updates: int,
    faster: float,
    full_batch_updates: int,
) -> dict[str, list[Config]]:
    """1-SAM on 2-MLP-No-Bias and its controls, for every d and n.

    1-SAM is measured half-way and at the end.

    Args:
        ds: dimensions.
        ratios: n = ratio d.
        width: hidden units.
        kick: as in `learning_rate`.
        rho: radius of 1-SAM from the usual start.
        updates: of 1-SAM. Its pull to flatness is eta rho^2 / 2 times the gradient of
            the trace an update, whatever n is.
        init_scale: factor on the first layer where it starts small.
        small_rho: radius of 1-SAM from there. A radius far above the norm of the first
            layer keeps the network at 0.
        weight_decay: of the rules that decay.
        control_updates: of the other rules with batch size 1.
        faster: factor on the learning rate of GD, whose steps are not as noisy.
        full_batch_updates: of GD.

    Returns:
        Configs by method, in the order of `METHODS`.

    Raises:
        ValueError: if a value is out of range.
    """
    own: dict[str, dict[str, Any]] = {
        SAM: {"rho": rho, "num_steps": updates},
        SMALL_SAM: {"rho": small_rho, "num_steps": updates, "init_scale": init_scale},
        SMALL_SGD: {"num_steps": control_updates, "init_scale": init_scale},
        DECAYED_SGD: {"weight_decay": weight_decay, "num_steps": control_updates},
        DECAYED_GD: {
            "weight_decay": weight_decay,
            "num_steps": full_batch_updates,
            "batch": "full",
        },
    }
    own[SAM]["measure_at"] = (max(1, updates // 2),)
    return {
        method: [
            Config(
                architecture="no_bias",
                d=d,
                n=n,
                width=width,
                lr=learning_rate(d, width, kick)
                * (faster if method == DECAYED_GD else 1.0),
                num_checkpoints=2,
                dtype="float32",
                **fields,
            )
            for d in ds
            for n in sizes(d, ratios)
        ]
        for method, fields in own.items()
    }


def flows(
    ds: Sequence[int],
    ratios: Sequence[float],
    *,
    width: int,
    iterations: int,
    smoothing: float,
) -> list[FlowConfig]:
    """The kink-aware flow on 2-MLP-No-Bias for every d and n, from initialisation.

    Args:
        ds, ratios, width: as in `trained`.
        iterations: at most.
        smoothing: of the indicator, as in `flow.descent.Rules`.

    Raises:
        ValueError: if a value is out of range.
    """
    return [
        FlowConfig(
            start=Config(architecture="no_bias", d=d, n=n, width=width),
            kind="kink_aware",
            trained=False,
            smoothing=smoothing,
            max_iterations=iterations,
            measure_every=iterations,
        )
        for d in ds
        for n in sizes(d, ratios)
    ]
