"""Compile the kernel of the page `play` to WebAssembly, inside a script.

`kernel.c` and what it includes are the source. What pages load is
`book/_static/play/kernel.js`, which holds the compiled module as base64, since a page
opened from disk may not fetch one, and the SHA-256 of the source, so that a test sees
when the two have come apart. Both are committed: a build of the book needs no compiler.
After an edit of the source run

    make kernel

which installs the compiler below in a place of its own. It is the same compiler
everywhere, so equal sources give equal files.
"""

import base64
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COMPILER = "ziglang==0.13.0"
"""From PyPI: clang and a linker for every target, in one wheel."""

FLAGS = (
    *("-target", "wasm32-freestanding", "-mcpu=generic+simd128"),
    *("-O3", "-ffp-contract=off", "-s", "-nostdlib", "-Wl,--no-entry"),
    *("-Wall", "-Wextra", "-Werror"),
)
"""No fast arithmetic: sums stay as they are written, in every browser."""

SOURCE = Path(__file__).with_name("kernel.c")
INCLUDED = (SOURCE.with_name("draws.h"), SOURCE.with_name("pairs.h"))
TARGET = Path("book", "_static", "play", "kernel.js")


def source() -> bytes:
    """All that is compiled."""
    return b"".join(path.read_bytes() for path in (SOURCE, *INCLUDED))


def digest(source: bytes) -> str:
    """SHA-256 of the source and of how it is compiled, line ends apart."""
    how = "\0".join((COMPILER, *FLAGS)).encode()
    return hashlib.sha256(how + b"\0" + source.replace(b"\r\n", b"\n")).hexdigest()


def script(source: bytes, module: bytes) -> str:
    """The script that pages load.

    Args:
        source: of the kernel.
        module: compiled from it.
    """
    text = base64.b64encode(module).decode()
    return (
        '"use strict";\n\n'
        "/* Made by `make kernel` from src/flatminima_book/live/kernel.c. */\n"
        f'const playKernel = {{\n  source: "{digest(source)}",\n'
        f'  wasm: "{text}",\n}};\n'
    )


def read(text: str) -> tuple[str, bytes]:
    """The digest and the module that a script holds.

    Raises:
        ValueError: It is no such script.
    """
    found = re.search(r'source: "([0-9a-f]{64})",\s+wasm: "([A-Za-z0-9+/=]+)"', text)
    if found is None:
        raise ValueError("the script holds no kernel: run `make kernel`")
    return found[1], base64.b64decode(found[2])


def main() -> None:
    """Compile the source, and write the script below the current folder."""
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder, "kernel.wasm")
        compiler = (sys.executable, "-m", "ziglang", "cc")
        subprocess.run([*compiler, *FLAGS, "-o", module, SOURCE], check=True)
        TARGET.write_text(script(source(), module.read_bytes()), "utf8")
    print(f"made {TARGET} ({TARGET.stat().st_size // 1024} KiB)")


if __name__ == "__main__":
    main()
