"""Draw `docs/overview.png`, the figure of the README.

It runs the code of `book/intro.md` as it stands, so the two never differ. After
`make book` every run comes from the store. Call it from anywhere:

    .venv/bin/python docs/overview.py
"""

import sys
from pathlib import Path
from typing import Any

import matplotlib

from flatminima_book.notebooks import read_source, tags

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "overview.png"


def main() -> None:
    """Run the chapter's cells, but the set-up cell, and save its figure."""
    matplotlib.use("agg")
    scope: dict[str, Any] = {}
    for cell in read_source(ROOT / "book" / "intro.md").cells:
        if cell.cell_type == "code" and "setup" not in tags(cell):
            exec(cell.source, scope)
    # Without the version of matplotlib in the file, equal figures are equal files.
    scope["figure"].savefig(TARGET, metadata={"Software": None})
    print(f"made {TARGET.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
