"""The README's examples: pieces of Python that a reader copies.

    python -m tests.examples FOLDER

writes each into a file of its own.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[str]:
    """All of them, in order."""
    return BLOCK.findall(README.read_text("utf8"))


def write(folder: Path) -> None:
    """Write each into a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(examples(), 1):
        (folder / f"example_{number}.py").write_text(text, "utf8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
