"""Where images come from: the package, a folder of the reader's, or the network."""

import os
from functools import cache
from pathlib import Path
from typing import Any

from flatminima.data.images import cifar10, fashion_mnist
from flatminima.data.images.download import DATA_VARIABLE
from flatminima.data.images.faults import DataFault
from flatminima.data.images.image_set import ImageSet
from flatminima.paths import build_folder

SETS = ("fashion_mnist_subset", "fashion_mnist", "cifar10")


def data_folder() -> Path | None:
    """$FLATMINIMA_DATA, or None.

    Raises:
        DataFault: if it is set and no folder.
    """
    chosen = os.environ.get(DATA_VARIABLE)
    if not chosen:
        return None
    folder = Path(chosen).expanduser().absolute()
    if not folder.is_dir():
        raise DataFault(
            folder, f"{DATA_VARIABLE} names it, and it is no folder; it must be one"
        )
    return folder


MODULES = {"fashion_mnist": fashion_mnist, "cifar10": cifar10}


def located(name: str) -> Any:
    """The files of a full data set on this machine, or None.

    They are looked for in $FLATMINIMA_DATA, and then among what was downloaded before.
    Of a download that was interrupted, what there is does not count.

    Raises:
        DataFault: if $FLATMINIMA_DATA is no folder, or holds the set in part.
    """
    chosen = data_folder()
    if chosen is not None:
        found = MODULES[name].found_in(chosen)
        if found is not None:
            return found
    try:
        return MODULES[name].found_in(kept_folder())
    except DataFault:
        return None


def kept_folder() -> Path:
    """Where downloads are kept."""
    return build_folder() / "data"


def files(name: str) -> tuple[Path, ...]:
    """The files that a data set is read from, whose content it depends on.

    Raises:
        DataFault: as `images`.
    """
    if name == "fashion_mnist_subset":
        return (fashion_mnist.SUBSET,)
    found = located(name)
    if found is None:
        raise DataFault(data_folder() or kept_folder(), absent(name))
    return tuple(found.values()) if isinstance(found, dict) else (found,)


def absent(name: str) -> str:
    """What to do about a data set that is not here."""
    return (
        f"{name} is not there; set {DATA_VARIABLE} to a folder that has it, or run: "
        f"python -m flatminima.data.images {name}"
    )


@cache
def images(name: str, *, download: bool = False) -> ImageSet:
    """A data set of images by name.

    Args:
        name: one of `SETS`.
        download: whether to fetch what `located` does not find.

    Raises:
        ValueError: if there is no such data set.
        DataFault: if it is not found, or what is found cannot be used.
    """
    if name not in SETS:
        raise ValueError(f"name = {name!r}: must be one of {', '.join(SETS)}")
    if name == "fashion_mnist_subset":
        return fashion_mnist.subset()
    found = located(name)
    if found is None and download:
        found = MODULES[name].download(kept_folder())
    if found is None:
        raise DataFault(data_folder() or kept_folder(), absent(name))
    return MODULES[name].read(found)
