"""The rules between a source's two: one cause changes at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flatminima.checks import at_least
from flatminima.runs.mlp.config import Config
from flatminima.sources.wen_li_ma import figure

CAUSES: dict[str, tuple[Literal["one", "full"], bool, bool]] = {
    "GD + wd": ("full", False, True),
    "n-SAM": ("full", True, False),
    "SGD": ("one", False, False),
    "SGD + wd": ("one", False, True),
    "1-SAM": ("one", True, False),
    "1-SAM + wd": ("one", True, True),
}
"""What tells rules apart: batch, whether there is an ascent step, whether decay."""

RULES = tuple(CAUSES)


@dataclass(frozen=True)
class Setting:
    """Hyper-parameters of one architecture in the source.

    Attributes:
        lr: learning rate.
        rho: radius of 1-SAM, in its first phase.
        weight_decay: of the GD baseline.
        init_scale: factor on the initial first layer.
    """

    lr: float
    rho: float
    weight_decay: float
    init_scale: float


def _setting(sam: Config, weight_decay: float) -> Setting:
    return Setting(sam.lr, sam.rho, weight_decay, sam.init_scale)


SETTINGS = {
    "no_bias": _setting(figure("1b"), figure("1a").weight_decay),
    "bias": _setting(figure("4b"), figure("4a").weight_decay),
    "sim_ln": _setting(figure("6a"), 0.05),
}
"""For Sim-LN the source has no baseline; its weight decay here is our choice."""


def rules(
    names: Sequence[str], *, rho: float, weight_decay: float = 0.0, **fields: Any
) -> dict[str, Config]:
    """A rule and its controls, which differ from it by one cause or more.

    Args:
        names: of `RULES`.
        rho: radius of those that take an ascent step.
        weight_decay: of those that decay.
        fields: of `Config`, the same for all.

    Returns:
        Configs by the name of the rule, in the order of the names.

    Raises:
        ValueError: if a value is out of range, or if two of the names would be the
            same rule because rho or weight_decay is 0.
    """
    found = {}
    for name in names:
        batch, climbs, decays = CAUSES[name]
        for used, what, value in (
            (climbs, "rho", rho),
            (decays, "weight_decay", weight_decay),
        ):
            if used and not value > 0:
                raise ValueError(
                    f"{what} = {value}: must be above 0, rules without are run"
                )
        found[name] = Config(
            **fields,
            batch=batch,
            rho=rho if climbs else 0.0,
            weight_decay=weight_decay if decays else 0.0,
        )
    return found


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
    at_least("epochs", epochs, 1)
    at_least("full_batch_steps", full_batch_steps, 1)
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
    num_steps = {"one": epochs * n, "full": full_batch_steps}
    base |= {"rho": rho, "weight_decay": weight_decay}
    return {
        name: rules([name], **base, num_steps=num_steps[batch])[name]
        for name, (batch, _, _) in CAUSES.items()
    }
