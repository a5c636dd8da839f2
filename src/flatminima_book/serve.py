"""The built pages on this machine, for a browser that needs an address."""

from __future__ import annotations

import errno
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flatminima_book.project import Say

HOST = "127.0.0.1"
LAST_PORT = 65535
WRONG = {
    errno.EADDRINUSE: "another program serves there; end it, or choose another port",
    errno.EACCES: "not yours to open; choose one from 1024 on",
}


class Server(ThreadingHTTPServer):
    """One whose port is its own."""

    allow_reuse_port = False  # newer Pythons would share it with another server


def serve(html: Path, port: str, say: Say) -> list[str]:
    """Serve the pages until Ctrl-C.

    Args:
        html: Their folder.
        port: As it was typed; 0 takes any that is free.
        say: Told the address, once it answers.

    Returns:
        What is wrong, empty once the user has had enough.
    """
    if not port.isdecimal() or int(port) > LAST_PORT:
        return [f"port = {port!r}: allowed are 0 to {LAST_PORT}"]
    if not (html / "index.html").is_file():
        return [f"no pages in {html}; run: make book"]
    handler = partial(SimpleHTTPRequestHandler, directory=str(html))
    try:
        server = Server((HOST, int(port)), handler)
    except OSError as error:
        wrong = WRONG.get(error.errno or 0, error.strerror)
        return [f"port = {port}: {wrong}: make serve PORT={_another(int(port))}"]
    with server:
        say(f"Open http://localhost:{server.server_port} (Ctrl-C stops)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
    return []


def _another(port: int) -> int:
    """A port that may do in place of one that does not."""
    return port + 1 if 1024 <= port < LAST_PORT else 8000
