"""What pyproject.toml cannot say: a wheel has copies of files from outside of `src`.

In a checkout, the engine reads them where they are; see `flatminima.results.kept`.
"""

from collections.abc import Iterator
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

KEPT = ("results/*.jsonl", "results/devices/*.json", "benchmarks/results/*.json")


class BuildWithKept(build_py):
    """`build_py`, and the files of `KEPT` inside the package."""

    def run(self) -> None:
        """Build, then copy; an editable installation copies nothing."""
        super().run()
        for target, source in self._kept():
            self.mkpath(str(Path(target).parent))
            self.copy_file(source, target, preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """The files that are built."""
        targets = [target for target, _ in self._kept()]
        return [*super().get_outputs(include_bytecode), *targets]

    def get_source_files(self) -> list[str]:
        """The files that a source distribution needs."""
        sources = [str(path) for pattern in KEPT for path in Path().glob(pattern)]
        return [*super().get_source_files(), *sorted(sources)]

    def get_output_mapping(self) -> dict[str, str]:
        """Which source each built file comes from."""
        return super().get_output_mapping() | dict(self._kept())

    def _kept(self) -> Iterator[tuple[str, str]]:
        if not self.editable_mode:
            home = Path(self.build_lib, "flatminima", "kept")
            for pattern in KEPT:
                for path in sorted(Path().glob(pattern)):
                    yield str(home / path), str(path)


setup(cmdclass={"build_py": BuildWithKept})
