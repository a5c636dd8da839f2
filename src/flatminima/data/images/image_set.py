"""Images with classes, as they are read: bytes, and checked."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from flatminima.data.images.faults import DataFault

CLASSES = 10
"""Of both data sets."""


@dataclass(frozen=True)
class ImageSet:
    """A data set with its own split.

    Attributes:
        train_x, test_x: pixels from 0 to 255, channels first.
        train_y, test_y: classes from 0 to 9.
    """

    train_x: UInt8[np.ndarray, "n channels height width"]
    train_y: Int64[np.ndarray, " n"]
    test_x: UInt8[np.ndarray, "m channels height width"]
    test_y: Int64[np.ndarray, " m"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: channels, height, width."""
        return self.train_x.shape[1:]

    @cached_property
    def sha256(self) -> str:
        """Of pixels and labels, whatever file held them: what a result depends on."""
        digest = hashlib.sha256()
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def checked(
    path: Path,
    shape: tuple[int, int, int],
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> ImageSet:
    """An image set from arrays that were read, once they are found to be one.

    Args:
        path: where they were read, for messages.
        shape: what an image must be.
        train, test: pixels (bytes, channels first) and labels.

    Raises:
        DataFault: if an array has the wrong type or shape, a label is out of range,
            or a part is empty.
    """
    parts = []
    for name, (x, y) in (("training", train), ("test", test)):
        if x.dtype != np.uint8 or x.shape[1:] != shape:
            raise DataFault(
                path,
                f"its {name} images are {x.dtype} of shape {x.shape[1:]}; they must be "
                f"uint8 of shape {shape}",
            )
        if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
            raise DataFault(
                path,
                f"it has {len(x)} {name} images, and labels that are {y.dtype} of "
                f"shape {y.shape}; there must be one whole number an image",
            )
        if not len(x):
            raise DataFault(path, f"it has no {name} image")
        if y.min() < 0 or y.max() >= CLASSES:
            wrong = int(y.min() if y.min() < 0 else y.max())
            raise DataFault(
                path,
                f"its {name} labels hold {wrong}; allowed are 0 to {CLASSES - 1}",
            )
        parts += [x, y.astype(np.int64)]
    return ImageSet(*parts)
