"""CIFAR-10: 60,000 colour images, 32x32, in ten classes (Krizhevsky 2009).

Only the binary version is read. The version for Python is a pickle, and unpickling a
file can run whatever it says.
"""

import hashlib
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pooch

from flatminima.data.images.download import fetch
from flatminima.data.images.faults import DataFault
from flatminima.data.images.image_set import ImageSet, checked

SHAPE = (3, 32, 32)
URL = "https://www.cs.toronto.edu/~kriz/"
ARCHIVE = "cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
"""Of the archive, 170,052,171 bytes."""

PICKLED = ("cifar-10-python.tar.gz", "cifar-10-batches-py")
UNPACKED = "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
IMAGES = 10_000
"""In each of the six files."""

RECORD = 1 + int(np.prod(SHAPE))
"""Bytes of an image: its label, then its red, green and blue pixels."""


def parse(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels from the content of a batch.

    Raises:
        DataFault: if it is not whole.
    """
    if len(content) != RECORD * IMAGES:
        raise DataFault(
            path,
            f"it has {len(content)} bytes, where a batch has {RECORD * IMAGES}: it is "
            "cut short or damaged; fetch it again",
        )
    records = np.frombuffer(content, np.uint8).reshape(IMAGES, RECORD)
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]


def found_in(folder: Path) -> Path | None:
    """The archive, its unpacked folder or an .npz in a folder; None if none is there.

    Raises:
        DataFault: if there is nothing but the pickled version.
    """
    for candidate in (
        folder / ARCHIVE,
        folder / UNPACKED,
        *([folder] if (folder / TEST).is_file() else []),
        *sorted(folder.glob("cifar10*.npz")),
    ):
        if candidate.exists():
            return candidate
    for name in PICKLED:
        if (folder / name).exists():
            raise DataFault(
                folder / name,
                "it is pickled, and unpickling a file can run anything, so it is never "
                f"read; take the binary version, {URL}{ARCHIVE}",
            )
    return None


def read(path: Path) -> ImageSet:
    """The data set from an archive, a folder of batches or an .npz.

    An .npz has train_x and test_x, bytes with channels last, and train_y and test_y.

    Raises:
        DataFault: if it is damaged, or not what it should be.
    """
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.is_dir():
        content = {name: _bytes(path / name) for name in (*TRAIN, TEST)}
    else:
        content = _unpack(path)
    batches = {name: parse(path / name, data) for name, data in content.items()}
    x, y = zip(*(batches[name] for name in TRAIN), strict=True)
    train = np.concatenate(x), np.concatenate(y)
    return checked(path, SHAPE, train, batches[TEST])


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataFault(path, f"it cannot be read: {error.strerror}") from error


def _unpack(path: Path) -> dict[str, bytes]:
    seen = hashlib.sha256(_bytes(path)).hexdigest()
    if seen != SHA256:
        raise DataFault(
            path,
            f"it is not the published archive: its SHA-256 is {seen}, where "
            f"{SHA256} is expected; remove it or fetch it again",
        )
    content = {}
    try:
        with tarfile.open(path) as archive:
            for name in (*TRAIN, TEST):
                member = archive.extractfile(f"{UNPACKED}/{name}")
                assert member is not None
                content[name] = member.read()
    except (tarfile.TarError, EOFError, KeyError, zlib.error, AssertionError) as error:
        raise DataFault(path, f"it cannot be unpacked: {error}") from error
    return content


def _read_npz(path: Path) -> ImageSet:
    names = ("train_x", "train_y", "test_x", "test_y")
    try:
        with np.load(path, allow_pickle=False) as file:
            parts = {name: file[name] for name in names}
    except KeyError as error:
        raise DataFault(path, f"it lacks an array; it must have {names}") from error
    except ValueError as error:
        raise DataFault(
            path, f"it is no plain .npz, or pickled, and is not read: {error}"
        ) from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataFault(path, f"it is cut short or damaged: {error}") from error
    for name in ("train_x", "test_x"):
        if parts[name].ndim != 4:
            raise DataFault(
                path,
                f"its {name} has shape {parts[name].shape}; it must be (n, 32, 32, 3)",
            )
    train, test = (
        (np.ascontiguousarray(parts[f"{p}_x"].transpose(0, 3, 1, 2)), parts[f"{p}_y"])
        for p in ("train", "test")
    )
    return checked(path, SHAPE, train, test)


def download(folder: Path) -> Path:
    """Fetch the binary archive, 162 MB, unless the folder has it already.

    Raises:
        DataFault: if it cannot be had.
    """
    return fetch(
        pooch.create(folder, URL, registry={ARCHIVE: f"sha256:{SHA256}"}), ARCHIVE
    )
