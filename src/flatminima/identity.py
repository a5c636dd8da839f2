"""What a result depends on: source files, reached by imports, as one digest."""

import ast
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

WITHOUT_EFFECT = frozenset(
    {
        "flatminima.identity",
        "flatminima.kernels.machine_code",
        "flatminima.paths",
    }
)
"""Modules that runs import and that cannot change a bit of them: how keys are made,
where files lie, how machine code is kept. An edit of these invalidates no result."""

LIBRARIES = ("numba", "numpy", "scipy", "torch")
"""Libraries whose version is part of a result's identity."""


def module_file(module: str) -> Path | None:
    """Source file of a module, or None if there is no such module."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin)


def imported_modules(module: str) -> Iterator[str]:
    """Modules of the same top-level package that a module's source imports.

    Imports are read from the syntax tree wherever they stand, so one inside a
    function counts. A package counts as imported by its modules. Imports by
    computed name are not seen: whoever makes one names its target as a root.
    """
    package = module.split(".")[0]
    path = module_file(module)
    if path is None:
        return
    if "." in module:
        yield module.rpartition(".")[0]
    home = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            source = importlib.util.resolve_name(source, home)
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == package and module_file(name) is not None:
                yield name


def reachable(*roots: str) -> list[str]:
    """Root modules and everything of their package that they import, sorted.

    Those `WITHOUT_EFFECT` are left out, and what only they import.

    Raises:
        ModuleNotFoundError: if a root does not exist.
    """
    found: set[str] = set()
    waiting = list(roots)
    for root in roots:
        if module_file(root) is None:
            raise ModuleNotFoundError(f"no module {root!r}")
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += set(imported_modules(module)) - WITHOUT_EFFECT
    return sorted(found)


def source(path: Path) -> bytes:
    """A source file with plain line ends, whatever git or an editor made of them."""
    return path.read_bytes().replace(b"\r\n", b"\n")


@cache
def source_digest(*roots: str) -> str:
    """SHA-256 over the sources of all reachable modules, hexadecimal."""
    digest = hashlib.sha256()
    for module in reachable(*roots):
        path = module_file(module)
        assert path is not None
        digest.update(module.encode() + b"\0" + source(path) + b"\0")
    return digest.hexdigest()


@cache
def package_digest(*packages: str) -> str:
    """SHA-256 over every source file of some packages and theirs, hexadecimal."""
    digest = hashlib.sha256()
    for package in packages:
        path = module_file(package)
        if path is None:
            raise ModuleNotFoundError(f"no package {package!r}")
        for file in sorted(path.parent.rglob("*.py")):
            name = file.relative_to(path.parent).as_posix()
            digest.update(f"{package}/{name}\0".encode() + source(file) + b"\0")
    return digest.hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that a result depends on."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
