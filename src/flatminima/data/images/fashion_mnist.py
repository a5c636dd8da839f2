"""Fashion-MNIST: 70,000 grey images of clothes, 28x28, in ten classes.

Xiao, Rasul & Vollgraf (2017), under the MIT licence. A subset of 2000 training and
2000 test images travels with the package, so that everything runs offline.
"""

import hashlib
from pathlib import Path

import numpy as np
import pooch

from flatminima.data.images.download import fetch
from flatminima.data.images.faults import DataFault
from flatminima.data.images.idx import parse, unpacked
from flatminima.data.images.image_set import ImageSet, checked

SHAPE = (1, 28, 28)
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
SUBSET = Path(__file__).with_name("fashion_mnist_subset.npz")

ZIPPED = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""MD5 of the files as their authors publish them, zipped."""

RAW = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
"""MD5 of the same files unzipped: others zip them otherwise."""


def subset() -> ImageSet:
    """The first 2000 training and the first 2000 test images."""
    with np.load(SUBSET, allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    return checked(
        SUBSET,
        SHAPE,
        (parts["train_x"][:, None], parts["train_y"]),
        (parts["test_x"][:, None], parts["test_y"]),
    )


def found_in(folder: Path) -> dict[str, Path] | None:
    """The four files in a folder, zipped or not; None if none of them is there.

    Raises:
        DataFault: if some are there and others are not.
    """
    found = {}
    for name in RAW:
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                found[name] = candidate
                break
    if found and len(found) < len(RAW):
        lacking = ", ".join(sorted(set(RAW) - set(found)))
        raise DataFault(folder, f"of Fashion-MNIST it lacks {lacking} (.gz or not)")
    return found or None


def read(files: dict[str, Path]) -> ImageSet:
    """The full data set from its four files.

    Raises:
        DataFault: if a file is damaged, or is not the one that was published.
    """
    arrays = {}
    for name, path in files.items():
        content = unpacked(path)
        seen = hashlib.md5(content, usedforsecurity=False).hexdigest()
        array = parse(path, content)
        if seen != RAW[name]:
            raise DataFault(
                path,
                f"it is not Fashion-MNIST's {name}: the MD5 of its content is {seen}, "
                f"where {RAW[name]} is published; remove it or fetch it again",
            )
        arrays[name] = array
    folder = next(iter(files.values())).parent
    train, test = (
        (
            arrays[f"{part}-images-idx3-ubyte"][:, None],
            arrays[f"{part}-labels-idx1-ubyte"],
        )
        for part in ("train", "t10k")
    )
    return checked(folder, SHAPE, train, test)


def download(folder: Path) -> dict[str, Path]:
    """Fetch the four files, 30 MB, unless the folder has them already.

    Raises:
        DataFault: if they cannot be had.
    """
    registry = {f"{name}.gz": f"md5:{md5}" for name, md5 in ZIPPED.items()}
    place = pooch.create(folder, URL, registry=registry)
    return {name: fetch(place, f"{name}.gz") for name in ZIPPED}
