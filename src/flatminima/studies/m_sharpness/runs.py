"""The runs of the chapter m-sharpness: replace these by its own."""

from flatminima.runs.mlp.config import Config
from flatminima.sources.controls import SETTINGS, rules


def configs(*, d: int, n: int, width: int, num_steps: int) -> dict[str, Config]:
    """1-SAM and SGD on 2-MLP-Bias, which differ in the radius alone.

    Args:
        d, n, width, num_steps: as in `Config`.

    Returns:
        Configs by the name of the rule.

    Raises:
        ValueError: if a value is out of range.
    """
    setting = SETTINGS["bias"]
    return rules(
        ("1-SAM", "SGD"),
        rho=setting.rho,
        architecture="bias",
        d=d,
        n=n,
        width=width,
        num_steps=num_steps,
        lr=setting.lr,
    )
