"""Whether an environment has the lowest versions that pyproject.toml allows.

A resolver that is asked for the lowest takes a higher one where the declared floor was
never released, was withdrawn, or does not go with another floor. Then the floor is not
true, and this says so:

    python -m tests.floors    in the environment, see `make lowest`
"""

import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def floors(project: dict) -> dict[str, str]:
    """The lowest version of every direct dependency, "" if none is declared."""
    lines = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        lines += extra
    found = {}
    for line in lines:
        wanted = Requirement(line)
        if wanted.name != project.get("name"):  # one of its own extras
            least = [s.version for s in wanted.specifier if s.operator in (">=", "==")]
            found[canonicalize_name(wanted.name)] = least[0] if least else ""
    return found


def floor_problems(project: dict, versions: Mapping[str, str]) -> list[str]:
    """Floors that are missing, and those that an environment does not have.

    Args:
        project: of pyproject.toml.
        versions: of what is installed, by canonical name.
    """
    problems = []
    for name, floor in floors(project).items():
        version = versions.get(name)
        if not floor:
            problems.append(f"{name}: no lowest version is declared")
        elif version is None:
            problems.append(f"{name}: not installed")
        # 2.4.0+cpu is a build of 2.4.0
        elif Version(Version(version).public) != Version(floor):
            problems.append(f"{name}: declared is {floor}, the lowest is {version}")
    return problems


def installed() -> dict[str, str]:
    """Versions in this environment, by canonical name."""
    return {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}


def main() -> int:
    """Print the versions, then the problems; 1 if there are any."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    versions = installed()
    print(f"python {'.'.join(map(str, sys.version_info[:3]))}")
    for name in sorted(floors(project)):
        print(f"{name} {versions.get(name, '(not installed)')}")
    problems = floor_problems(project, versions)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
