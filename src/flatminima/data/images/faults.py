"""What is wrong with a file of data, and what to do."""

from pathlib import Path


class DataFault(ValueError):
    """A file of data that cannot be used.

    Attributes:
        path: the file or folder.
    """

    def __init__(self, path: Path, reason: str):
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[type["DataFault"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)
