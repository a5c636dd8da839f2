"""Where the repository's measured files are: in a checkout, or inside a package.

They lie outside of `src`. `setup.py` copies them into what is installed.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def kept(folder: str, package: Path = PACKAGE) -> Path:
    """A folder of the repository, or its copy inside an installed package.

    Args:
        folder: from the root of the repository, such as "results".
        package: the folder of `flatminima`.

    Raises:
        FileNotFoundError: if there is neither a copy nor a checkout, so that what was
            lost does not pass for empty.
    """
    copy = package / "kept" / folder
    if copy.is_dir():
        return copy
    source, root = package.parents[0], package.parents[1]
    if source.name == "src" and (root / "pyproject.toml").is_file():
        return root / folder
    raise FileNotFoundError(
        f"flatminima is installed in {package} without its files of {folder}/: "
        "install it again from its repository, or work in a checkout"
    )
