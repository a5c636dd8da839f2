"""Status: seconds, dates, versions and hardware of one build."""

from __future__ import annotations

import html
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flatminima_book.execute import Outcome
from flatminima_book.notebooks import Chapter
from flatminima_book.project import Project

Status = dict[str, Any]
PLACE = "<!-- status of this build -->"
HEAD = ("Chapter", "Seconds", "Core-seconds", "Budget", "Finished (UTC)")
FRAGMENT = f"```{{raw}} html\n{PLACE}\n```\n"


def read_status(project: Project) -> Status:
    """Read the previous build's status, empty when there is none that can be read."""
    path = project.build / "status.json"
    try:
        status = json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return status if _is_one(status) else {}


def _is_one(status: Any) -> bool:
    """Whether something read is a status, and not that of another version."""
    if not isinstance(status, dict) or not isinstance(status.get("chapters"), dict):
        return False
    return all(
        isinstance(entry, dict)
        and isinstance(entry.get("seconds"), int | float)
        and isinstance(entry.get("failed"), bool)
        for entry in status["chapters"].values()
    )


def known_seconds(status: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of each chapter in an earlier build."""
    chapters = status.get("chapters", {})
    return {name: float(entry["seconds"]) for name, entry in chapters.items()}


def machine() -> dict[str, Any]:
    """What this build runs on."""
    import os

    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def cpu_name(info: Path = Path("/proc/cpuinfo")) -> str:
    """Name of the processor, as far as the system tells."""
    if info.is_file():
        for line in info.read_text("utf8", "replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def package_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions; packages that are absent are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def is_ready(project: Project, name: str, status: Status) -> bool:
    """Whether a chapter was executed to its end, now or in an earlier build."""
    entry = status["chapters"].get(name, {"failed": True})
    return not entry["failed"] and project.notebook(name).is_file()


def new_status(
    project: Project,
    chapters: Sequence[Chapter],
    outcomes: Mapping[str, Outcome],
    costs: Mapping[str, float],
) -> Status:
    """The status of this build, with what earlier ones know of other chapters."""
    entries = read_status(project).get("chapters", {}) | {
        name: {
            "seconds": round(outcome.seconds, 2),
            "core_seconds": _core_seconds(costs, name),
            "budget": project.budget.allowed(name) if project.budget else None,
            "date": outcome.finished,
            "failed": outcome.failure is not None,
        }
        for name, outcome in outcomes.items()
    }
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return {
        "date": now.removesuffix("+00:00"),
        "machine": machine(),
        "packages": package_versions(project.packages),
        "chapters": {c.name: entries[c.name] for c in chapters if c.name in entries},
        "sphinx_seconds": 0.0,
        "total_seconds": 0.0,
    }


def _core_seconds(costs: Mapping[str, float], name: str) -> float | None:
    return round(costs[name], 2) if name in costs else None


def status_html(status: Mapping[str, Any]) -> str:
    """The tables that replace the placeholder on the status page."""
    chapters = [
        (
            name,
            f"{entry['seconds']:.1f}",
            _figure(entry.get("core_seconds"), ".1f"),
            _figure(entry.get("budget"), "g"),
            entry["date"],
        )
        for name, entry in status["chapters"].items()
    ]
    costs = [e.get("core_seconds") or 0.0 for e in status["chapters"].values()]
    total = (f"{status['total_seconds']:.1f}", f"{sum(costs):.1f}", "", status["date"])
    chapters.append(("Sphinx", f"{status['sphinx_seconds']:.1f}", "", "", ""))
    chapters.append(("whole build", *total))
    facts = [*status["machine"].items(), *status["packages"].items()]
    return _table(HEAD, chapters) + _table(("What", "Version"), facts)


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    def line(tag: str, cells: Any) -> str:
        text = "".join(f"<{tag}>{html.escape(str(c))}</{tag}>" for c in cells)
        return f"<tr>{text}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        '<div class="pst-scrollable-table-container"><table class="table">'
        f"<thead>{line('th', head)}</thead><tbody>{body}</tbody></table></div>"
    )


def fill_page(page: Path, status: Mapping[str, Any]) -> None:
    """Put the tables into the built page, if the book has one."""
    if page.is_file():
        text = page.read_text("utf8")
        page.write_text(text.replace(PLACE, status_html(status)), "utf8")
