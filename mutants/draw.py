"""Which mutants there are, and a random sample of them.

A place in the source often has many mutants of one kind, such as an addition, for
which eleven other operators can stand. Places are drawn, each with one of its mutants,
so that no kind of operator outweighs the others. Left out is what says nothing of the
tests: annotations, decorators (which compile, or check shapes), and operators on bits,
which fail of the type of nearly all numbers here.
"""

import ast
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.util import read_python_source

SEED = 20261127
ARITHMETIC = "Add|Sub|Mul|Div"
ORDER = "Lt|LtE|Gt|GtE|Eq|NotEq"
USED = re.compile(
    rf"""core/(
      AddNot | NumberReplacer | ExceptionReplacer | ZeroIterationForLoop
    | Replace(AndWithOr | OrWithAnd | TrueWithFalse | FalseWithTrue)
    | Replace(BreakWithContinue | ContinueWithBreak)
    | ReplaceBinaryOperator_({ARITHMETIC}|FloorDiv|Mod|Pow)_({ARITHMETIC})
    | ReplaceComparisonOperator_({ORDER})_({ORDER})
    | ReplaceComparisonOperator_(Is_IsNot | IsNot_Is)
    | ReplaceUnaryOperator_(USub_UAdd | Delete_USub | Delete_Not)
    )""",
    re.VERBOSE,
)

Position = tuple[int, int]


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        file: relative to the root of the checkout.
        operator: cosmic-ray's name of it.
        occurrence: which of the places of the file where the operator can act.
        line: from 1.
        before, after: that line, stripped.
    """

    file: str
    operator: str
    occurrence: int
    line: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        """The source of the file with the fault."""
        mutated = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        if mutated is None:
            raise ValueError(f"{self.file} has no {self.operator} {self.occurrence}")
        return mutated


def kind(operator: str) -> str:
    """What an operator acts on: replacements of one thing are of one kind."""
    return re.sub(r"(?<=Operator)_\w+", "", operator)


def left_out(source: str) -> list[tuple[Position, Position]]:
    """Where annotations are."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr):
                begin = part.lineno, part.col_offset
                found.append((begin, (part.end_lineno or 0, part.end_col_offset or 0)))
    return found


def places(path: Path) -> Iterator[list[tuple[str, int, int]]]:
    """Of each place of a file its mutants: operator, occurrence, line."""
    skipped = left_out(read_python_source(path))
    found: defaultdict[tuple, list[tuple[str, int, int]]] = defaultdict(list)
    tree = get_ast_from_path(path)
    for name in filter(USED.fullmatch, sorted(operator_names())):
        operator = get_operator(name)()
        positions = [
            where
            for node in ast_nodes(tree)
            for where in operator.mutation_positions(node)
        ]
        for occurrence, (begin, end) in enumerate(positions):
            if not any(first <= begin and end <= last for first, last in skipped):
                where = (kind(name), begin, end)
                found[where].append((name, occurrence, begin[0]))
    yield from (found[where] for where in sorted(found))


def drawn(root: Path, folders: list[str], count: int, seed: int = SEED) -> list[Mutant]:
    """A sample of the mutants of some folders; a longer one begins with a shorter one.

    Args:
        root: of the checkout.
        folders: relative to it.
        count: how many places, each with one mutant.
        seed: of the sample.
    """
    files = sorted(path for name in folders for path in (root / name).rglob("*.py"))
    every = [(path, mutants) for path in files for mutants in places(path)]
    rng = random.Random(seed)
    rng.shuffle(every)
    return [_mutant(root, path, *rng.choice(m)) for path, m in every[:count]]


def _mutant(
    root: Path, path: Path, operator: str, occurrence: int, line: int
) -> Mutant:
    name, source = path.relative_to(root).as_posix(), read_python_source(path)
    bare = Mutant(name, operator, occurrence, line, "", "")
    before, after = source.splitlines(), bare.apply(source).splitlines()
    changed = next(
        (
            k
            for k, pair in enumerate(zip(before, after, strict=False))
            if pair[0] != pair[1]
        ),
        line - 1,
    )
    told = before[changed].strip(), after[changed].strip()
    return Mutant(name, operator, occurrence, changed + 1, *told)
