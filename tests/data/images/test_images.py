"""Images: from the package, from folders in every format, and what is refused."""

import gzip
import hashlib
import io
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import requests

from flatminima.data.images import cifar10, download, fashion_mnist, load
from flatminima.data.images.faults import DataFault
from flatminima.data.images.idx import parse, unpacked

NAMES = tuple(fashion_mnist.RAW)


def idx(array):
    head = bytes([0, 0, 8, array.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """A folder with four small files in the place of Fashion-MNIST's."""
    rng = np.random.default_rng(0)
    raw = {}
    for part, n in (("train", 30), ("t10k", 20)):
        x, y = rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n)
        raw[f"{part}-images-idx3-ubyte"] = idx(x.astype(np.uint8))
        raw[f"{part}-labels-idx1-ubyte"] = idx(y.astype(np.uint8))
    for name, content in raw.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        monkeypatch.setitem(fashion_mnist.RAW, name, md5)
    return tmp_path, raw


@pytest.fixture
def batches(tmp_path, monkeypatch):
    """CIFAR-10's archive with three images a batch."""
    monkeypatch.setattr(cifar10, "IMAGES", 3)
    rng = np.random.default_rng(1)
    content = {}
    for name in (*cifar10.TRAIN, cifar10.TEST):
        records = rng.integers(0, 256, (3, cifar10.RECORD)).astype(np.uint8)
        records[:, 0] %= 10
        content[name] = records.tobytes()
    path = tmp_path / cifar10.ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(f"{cifar10.UNPACKED}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "SHA256", digest)
    return path, content


@pytest.fixture(autouse=True)
def forgotten(monkeypatch, tmp_path_factory):
    """No data set is remembered, and nothing was downloaded before."""
    load.images.cache_clear()
    monkeypatch.delenv(download.DATA_VARIABLE, raising=False)
    monkeypatch.setenv("FLATMINIMA_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    load.images.cache_clear()


def test_the_subset_that_travels():
    """The first images of the published files: their class counts are outside facts."""
    found = load.images("fashion_mnist_subset")
    assert found.train_x.shape == found.test_x.shape == (2000, 1, 28, 28)
    # the first ten labels of the published training set
    assert found.train_y[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert found.test_y[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert found.sha256.startswith("2abea5325af6b4f7")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_as_published_or_unzipped(fashion, monkeypatch, zipped):
    folder, raw = fashion
    if not zipped:
        for name, content in raw.items():
            (folder / f"{name}.gz").unlink()
            (folder / name).write_bytes(content)
    monkeypatch.setenv(download.DATA_VARIABLE, str(folder))
    found = load.images("fashion_mnist")
    assert found.train_x.shape == (30, 1, 28, 28) and found.test_y.shape == (20,)
    x = np.frombuffer(raw["t10k-images-idx3-ubyte"], np.uint8, offset=16)
    assert np.array_equal(found.test_x.ravel(), x)
    assert len(load.files("fashion_mnist")) == 4


def test_another_file_under_a_published_name(fashion):
    folder, raw = fashion
    other = bytearray(raw[NAMES[0]])
    other[-1] ^= 1
    (folder / f"{NAMES[0]}.gz").write_bytes(gzip.compress(bytes(other)))
    with pytest.raises(DataFault, match=r"is not Fashion-MNIST's train-images.*fetch"):
        fashion_mnist.read(fashion_mnist.found_in(folder))


def test_a_file_that_is_cut_short(fashion):
    folder, _ = fashion
    path = folder / f"{NAMES[2]}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataFault, match=f"{NAMES[2]}.gz: it is cut short or damaged"):
        fashion_mnist.read(fashion_mnist.found_in(folder))


def test_a_file_that_is_missing(fashion):
    folder, _ = fashion
    (folder / f"{NAMES[1]}.gz").unlink()
    with pytest.raises(DataFault, match=f"it lacks {NAMES[1]}"):
        fashion_mnist.found_in(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not idx", "no IDX file"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 1]), "no IDX file of bytes"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "17 bytes, where its head says 18"),
        (b"\0\0\x08", "no IDX file"),
        (bytes([0, 0, 8, 2, 0, 0]), "head says"),
    ],
)
def test_what_is_no_idx_file(tmp_path, content, message):
    with pytest.raises(DataFault, match=message):
        parse(tmp_path / "a", content)


def test_a_zipped_file_that_is_none(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"plain")
    with pytest.raises(DataFault, match="cut short or damaged"):
        unpacked(tmp_path / "a.gz")


@pytest.mark.parametrize("place", ["archive", "folder", "inside"])
def test_the_binary_version_of_cifar(batches, monkeypatch, place):
    path, content = batches
    folder = path.parent
    if place != "archive":
        path.unlink()
        inside = folder / cifar10.UNPACKED
        inside.mkdir()
        for name, data in content.items():
            (inside / name).write_bytes(data)
        folder = inside if place == "inside" else folder
    monkeypatch.setenv(download.DATA_VARIABLE, str(folder))
    found = load.images("cifar10")
    assert found.train_x.shape == (15, 3, 32, 32) and len(found.test_y) == 3
    record = np.frombuffer(content[cifar10.TRAIN[1]], np.uint8)[: cifar10.RECORD]
    assert found.train_y[3] == record[0]
    assert np.array_equal(found.train_x[3].ravel(), record[1:])


@pytest.mark.parametrize("name", cifar10.PICKLED)
def test_a_pickle_is_never_read(tmp_path, monkeypatch, name):
    class Trap:
        def __reduce__(self):
            return exec, ("raise SystemError('unpickled')",)

    path = tmp_path / name
    path.write_bytes(pickle.dumps(Trap()))
    monkeypatch.setenv(download.DATA_VARIABLE, str(tmp_path))
    with pytest.raises(DataFault, match="never read; take the binary version"):
        load.images("cifar10")


def test_an_npz_with_pickled_arrays_is_not_read(tmp_path):
    arrays = {"train_x": np.array([{}]), "train_y": [1], "test_x": [1], "test_y": [1]}
    np.savez(tmp_path / "cifar10.npz", **arrays)
    with pytest.raises(DataFault, match="pickled, and is not read"):
        cifar10.read(tmp_path / "cifar10.npz")


def npz(path, **changes):
    rng = np.random.default_rng(2)
    arrays = {
        "train_x": rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8),
        "train_y": rng.integers(0, 10, 6),
        "test_x": rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8),
        "test_y": rng.integers(0, 10, 4),
    } | changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    return arrays


def test_an_npz_with_channels_last(tmp_path):
    arrays = npz(tmp_path / "cifar10_small.npz")
    found = cifar10.read(cifar10.found_in(tmp_path))
    assert found.train_x.shape == (6, 3, 32, 32)
    assert np.array_equal(found.test_x[1, 2], arrays["test_x"][1, :, :, 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_y": np.array([0, 1, 2, 3, 4, 10])}, "hold 10; allowed are 0 to 9"),
        ({"test_y": np.array([0, -1, 2, 3])}, "labels hold -1"),
        ({"test_y": np.array([0, 1, 2])}, "one whole number an image"),
        ({"test_y": np.array([0.0, 1, 2, 3])}, "labels that are float64"),
        ({"train_x": np.zeros((6, 28, 28, 3), np.uint8)}, r"shape \(3, 28, 28\)"),
        ({"train_x": np.zeros((6, 32, 32, 3))}, "images are float64"),
        ({"train_x": np.zeros((6, 32, 32), np.uint8)}, r"must be \(n, 32, 32, 3\)"),
        ({"test_x": np.zeros((0, 32, 32, 3), np.uint8), "test_y": np.zeros(0, int)},
         "no test image"),
        ({"test_y": None}, "lacks an array"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_it(tmp_path, changes, message):
    npz(tmp_path / "cifar10.npz", **changes)
    with pytest.raises(DataFault, match=message):
        cifar10.read(tmp_path / "cifar10.npz")


def test_an_npz_that_is_cut_short(tmp_path):
    path = tmp_path / "cifar10.npz"
    npz(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataFault, match="cut short or damaged|no plain .npz"):
        cifar10.read(path)


def test_an_archive_that_is_another(batches):
    path, _ = batches
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataFault, match="not the published archive"):
        cifar10.read(path)


def test_a_batch_that_is_cut_short(tmp_path):
    with pytest.raises(DataFault, match="cut short"):
        cifar10.parse(tmp_path / "data_batch_1.bin", b"\0" * 30)


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_without_a_network_the_message_says_what_to_do(monkeypatch, name, capsys):
    def unreachable(*arguments, **options):
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.setattr(requests.Session, "request", unreachable)
    monkeypatch.setattr(requests, "get", unreachable)
    with pytest.raises(DataFault, match=r"cannot be reached.*FLATMINIMA_DATA"):
        load.images(name, download=True)


def test_an_interrupted_download_goes_on(fashion, monkeypatch, tmp_path_factory):
    """What came before counts; a folder of the reader's own has to be whole."""
    folder, _ = fashion
    kept = load.kept_folder()
    kept.mkdir(parents=True)
    (kept / f"{NAMES[0]}.gz").write_bytes((folder / f"{NAMES[0]}.gz").read_bytes())
    asked = []

    def rest(place):
        asked.append(place)
        return fashion_mnist.found_in(folder)

    monkeypatch.setattr(fashion_mnist, "download", rest)
    with pytest.raises(DataFault, match="run: python -m flatminima.data.images"):
        load.images("fashion_mnist")
    assert load.images("fashion_mnist", download=True).train_x.shape[0] == 30
    assert asked == [kept]
    load.images.cache_clear()
    monkeypatch.setenv(download.DATA_VARIABLE, str(kept))
    with pytest.raises(DataFault, match="it lacks"):
        load.images("fashion_mnist", download=True)


def test_a_download_with_another_hash_is_not_kept(monkeypatch):
    def another(url, output_file, pooch):
        with open(output_file, "wb") as file:
            file.write(b"another file")

    monkeypatch.setattr("pooch.core.choose_downloader", lambda *_, **__: another)
    with pytest.raises(DataFault, match="another file than was published"):
        load.images("cifar10", download=True)
    assert not (load.kept_folder() / cifar10.ARCHIVE).exists()


def test_what_is_not_there_says_how_to_get_it():
    with pytest.raises(DataFault, match=r"python -m flatminima\.data\.images cifar10"):
        load.images("cifar10")
    with pytest.raises(DataFault, match="fashion_mnist is not there"):
        load.files("fashion_mnist")


def test_a_folder_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv(download.DATA_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(
        DataFault, match="FLATMINIMA_DATA names it, and it is no folder"
    ):
        load.images("cifar10")


def test_an_unknown_name():
    with pytest.raises(ValueError, match=r"name = 'mnist': must be one of"):
        load.images("mnist")


def test_the_command_says_what_it_takes():
    words = [sys.executable, "-m", "flatminima.data.images", "mnist"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "'fashion_mnist'" in done.stderr
