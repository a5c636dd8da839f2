"""Pages: Jupyter Book on the stage, and MathJax for reading offline."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from flatminima_book.execute import environment
from flatminima_book.project import Project

MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RUN_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def typeset(project: Project) -> list[str]:
    """Build the pages afresh from the stage, warnings fatal.

    Args:
        project: The book, its stage set.

    Returns:
        One line per warning or error; the whole log is in ``_build/sphinx.log``.
    """
    for old in (project.html, project.build / ".doctrees"):
        shutil.rmtree(old, ignore_errors=True)
    copy_mathjax(project.html / "_static" / "mathjax")
    child = subprocess.run(
        [
            *(sys.executable, "-c", RUN_JUPYTER_BOOK, "build", str(project.stage)),
            *("--path-output", str(project.root)),
            *("--config", str(project.config), "--toc", str(project.toc)),
            *("-W", "--keep-going"),
        ],
        cwd=project.root,
        env={**environment(project.build), "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    log = project.build / "sphinx.log"
    log.write_text(child.stdout + child.stderr, "utf8")
    (project.html / ".buildinfo").unlink(missing_ok=True)  # holds a path's digest
    warnings = log_problems(child.stderr, project.stage)
    if child.returncode and not warnings:
        warnings = [
            f"Sphinx stopped: {stopped_by(child.stderr)}; see _build/sphinx.log"
        ]
    return warnings


def stopped_by(text: str) -> str:
    """The message of an error that stopped Sphinx before it could warn."""
    lines = [line.strip() for line in COLOUR.sub("", text).splitlines()]
    lines = [line for line in lines if line]
    for line, following in pairwise(lines):
        if line.endswith(("rror:", "xception:")):
            return following
    return lines[-1] if lines else "no message"


def log_problems(text: str, stage: Path) -> list[str]:
    """Warnings and errors of a Sphinx log, paths as in the sources."""
    lines = [
        line.replace(f"{stage}/", "").strip()
        for line in COLOUR.sub("", text).splitlines()
        if "WARNING:" in line or "ERROR:" in line or "CRITICAL:" in line
    ]
    return list(dict.fromkeys(lines))


def copy_mathjax(folder: Path) -> None:
    """Copy the parts of MathJax that pages load, so that they work offline.

    Args:
        folder: Where ``mathjax_path`` of the configuration points.

    Raises:
        ModuleNotFoundError: The package that carries MathJax is not installed.
    """
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("sphinx-mathjax-offline is not installed")
    source = Path(spec.origin).parent / "static" / "mathjax"
    for part in MATHJAX_PARTS:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / part, target)
