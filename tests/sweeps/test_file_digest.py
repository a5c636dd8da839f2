"""Content of input files, read once while they stay as they are."""

import hashlib
import os
import time

from flatminima.sweeps import store


def aged(path, seconds):
    """As if the file had been written so long ago, as far as its own time goes."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_settled_file_is_read_once_and_again_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "NANOSECONDS_TO_SETTLE", 0)
    path, reads = tmp_path / "images", []
    whole = store._digest_of
    monkeypatch.setattr(store, "_digest_of", lambda p: reads.append(p) or whole(p))
    path.write_bytes(b"one")
    found = {store.file_digest(path) for _ in range(3)}
    assert found == {hashlib.sha256(b"one").hexdigest()} and len(reads) == 1
    path.write_bytes(b"two")
    aged(path, -10)  # another time, whatever the clock's resolution
    assert store.file_digest(path) == hashlib.sha256(b"two").hexdigest()
    assert len(reads) == 2


def test_a_fresh_file_is_always_read(tmp_path):
    path = tmp_path / "images"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        assert store.file_digest(path) == hashlib.sha256(content).hexdigest()
