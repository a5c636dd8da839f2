"""Which checkout runs: the `.venv` of a copy still imports the original's code."""

import sys
from pathlib import Path

ENGINE = Path("src", "flatminima")


class WrongCheckout(ValueError):
    """A checkout is used with an environment that imports another engine."""


def checkout_of(folder: Path) -> Path | None:
    """The checkout in which a folder lies, or None.

    Args:
        folder: any folder, which need not exist.
    """
    folder = folder.absolute()
    for place in (folder, *folder.parents):
        if (place / "pyproject.toml").is_file() and (place / ENGINE).is_dir():
            return place
    return None


def refuse_another(folder: Path) -> None:
    """Refuse to work in a checkout with the engine of another one.

    Args:
        folder: where the work is; outside of any checkout all engines will do.

    Raises:
        WrongCheckout: naming both, and what to do.
    """
    root = checkout_of(folder)
    imported = Path(__file__).parent
    if root is None or imported.samefile(root / ENGINE):
        return
    raise WrongCheckout(
        f"{root} is a checkout with an engine of its own, but {sys.executable} imports "
        f"the one of {imported}: this environment was made for another checkout. Run "
        f"`make install` in {root}, and use the .venv that it makes"
    )
