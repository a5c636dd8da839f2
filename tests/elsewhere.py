"""A chapter built in a hostile place has the scorecard of an ordinary one.

    python -m tests.elsewhere
    python -m tests.elsewhere book SCALE=smoke

This clones twice what is committed, runs make with these words in both, by default for
one chapter at smoke scale, and compares the bytes.
One clone is hostile: its path has a space and an umlaut, git was told to convert line
ends, the home cannot be written and has somebody's plotting settings, and the locale is
C. It takes minutes, since both compile the kernels.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.ordinary import bound

ROOT = Path(__file__).parents[1]
WORDS = ["chapter", "CHAPTER=scenario-2", "PARAMS=-f params/scenario-2/smoke.yml"]
OURS = ("FLATMINIMA_", "JUPYTER_", "MPL", "PYTHON", "XDG_", "VIRTUAL_ENV", "MAKE")
PLOTTING = """\
backend: TkAgg
text.usetex: True
font.family: cursive
svg.fonttype: none
axes.prop_cycle: cycler("color", ["white"])
figure.figsize: 0.1, 0.1
figure.constrained_layout.use: True
"""


def clone(folder: Path, *settings: str) -> Path:
    """A clone with an environment that has the packages of this one, but its own code.

    Args:
        folder: of the clone.
        settings: of git, such as `core.autocrlf=true`.
    """
    options = [word for setting in settings for word in ("--config", setting)]
    subprocess.run(["git", "clone", "-q", *options, ROOT, folder], check=True)
    venv = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(venv)})
    lines = [str(folder / "src"), sysconfig.get_path("purelib")]
    Path(packages, "this.pth").write_text("\n".join(lines), "utf8")
    (venv / ".installed").write_text(f"{folder}\n", "utf8")
    return folder


def scorecards(folder: Path, command: list[str], **variables: str) -> dict[str, bytes]:
    """Make the book, or a chapter, in a clone; the bytes of its scorecards.

    Args:
        folder: the clone.
        command: which makes it.
        variables: of its environment.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    subprocess.run(command, cwd=folder, env=kept | variables, check=True)
    made = folder.glob("_build/scorecard.json"), folder.glob("_build/chapters/*.json")
    return {path.name: path.read_bytes() for paths in made for path in paths}


def main(words: list[str]) -> int:
    """Compare the two; the exit status."""
    make = ["make", *(words or WORDS)]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        ordinary = scorecards(clone(place / "ordinary"), make)
        home = place / "home"
        plotting = home / ".config" / "matplotlib" / "matplotlibrc"
        plotting.parent.mkdir(parents=True)
        plotting.write_text(PLOTTING)
        home.chmod(0o500)
        there = clone(place / "Büro mit Platz" / "book", "core.autocrlf=true")
        settings = {"LC_ALL": "C", "MATPLOTLIBRC": str(plotting)}
        hostile = scorecards(there, [*bound(), *make], HOME=str(home), **settings)
        assert sorted(home.iterdir()) == [home / ".config"], "the home was written"
        home.chmod(0o700)
    same = ordinary == hostile
    sizes = ", ".join(f"{name} of {len(card)} bytes" for name, card in ordinary.items())
    print(f"{sizes or 'no scorecard'}: {'equal' if same else 'NOT equal'}")
    return 0 if same and ordinary else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
