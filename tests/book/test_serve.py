"""The built pages on a port: one that is free, one that is taken, and none."""

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from flatminima_book import serve as server
from flatminima_book.__main__ import main
from tests.book.fixture_book import Book


@pytest.fixture
def pages(book) -> Book:
    book.write("_build/html/index.html", "the pages")
    return book


def serve(book: Book, port: str) -> int:
    return main(["--root", str(book.root), "serve", "--port", port])


@pytest.fixture
def taken():
    """A port at which another program listens."""
    with socket.socket() as other:
        other.bind((server.HOST, 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_named_and_no_address_is_shown(pages, taken, capsys):
    assert serve(pages, str(taken)) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert f"error: port = {taken}: another program serves there" in told.err
    assert f"make serve PORT={server._another(taken)}" in told.err


@pytest.mark.parametrize("port", ["http", "-1", "65536", "80.0", ""])
def test_a_port_that_is_none_is_refused(pages, capsys, port):
    assert main(["--root", str(pages.root), "serve", f"--port={port}"]) == 1
    told = capsys.readouterr()
    assert f"error: port = {port!r}: allowed are 0 to 65535" in told.err
    assert told.out == ""


def test_a_port_of_the_system(pages, capsys, monkeypatch):
    def bind(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(server.Server, "server_bind", bind)
    assert serve(pages, "80") == 1
    wrong = (
        "port = 80: not yours to open; choose one from 1024 on: make serve PORT=8000"
    )
    assert wrong in capsys.readouterr().err


def test_no_pages(book, capsys):
    assert serve(book, "0") == 1
    assert "run: make book" in capsys.readouterr().err


def test_the_address_is_shown_once_it_answers(pages):
    command = ["-m", "flatminima_book", "--root", str(pages.root), "serve", "--port=0"]
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            address = line.split()[1]
            assert line == f"Open {address} (Ctrl-C stops)\n"
            with urllib.request.urlopen(
                address.replace("localhost", server.HOST)
            ) as page:
                assert page.read() == b"the pages"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors
