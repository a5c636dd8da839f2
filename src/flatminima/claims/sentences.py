"""Sentences that say what was found, each bound to the verdicts it was written for.

They lie in `studies/<chapter>/found.yml`, and what is said of a source's conclusions in
`conclusions-<section>.yml` beside it. A number that was measured is never typed: a
placeholder such as ``{s2-sam-fails}`` stands for it, see `Placeholder`.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from flatminima.claims.report import Word

MIME = "application/vnd.flatminima.found+json"
TITLE = "What we found"
WORDS = get_args(Word)
SETTING = "setting"
SEEDS = "seeds"
VIEWS = ("abs", "rest", "exp", "percent", "points", "plain", "count", "one-in", SEEDS)
ENDS = ("effect", "low", "high", "n")
MATH = re.compile(r"(\$[^$]+\$)")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LINK = re.compile(r"\]\([^)]*\)")
PLACE = r"(?:[A-Z]\.?)?\d+(?:\.\d+)*[a-z]?"
CONCLUSIONS = re.compile(r"conclusions-([\w-]+)\.yml")
NAMES = re.compile(
    r"\d-(?:[A-Z][\w-]*|layers?\b)"
    r"|\b(?:Figure|Theorem|Definition|Proposition|Lemma|Section|Table|Equation|"
    r"Question)s? "
    rf"{PLACE}(?:(?:, | and | to ){PLACE})*"
)
"""Names that have a digit: 1-SAM, 2-MLP, 3-layer, Figures 4a and 4b."""


class Placeholder(NamedTuple):
    """What stands between braces: ``{claim}`` or ``{claim.part.part}``.

    Attributes:
        claim: whose verdict gives the number; or `SETTING`, of which the only part
            is the name of a keyword argument that the chapter passes.
        parts: any number of `VIEWS`, and at the end at most one of `ENDS`.
    """

    claim: str
    parts: tuple[str, ...]

    @property
    def views(self) -> tuple[str, ...]:
        """The parts that say how the number is shown."""
        return tuple(part for part in self.parts if part not in ENDS)

    @property
    def end(self) -> str:
        """The one number that is shown; empty for the effect with its interval."""
        return self.parts[-1] if self.parts and self.parts[-1] in ENDS else ""


Model = TypeVar("Model", bound=BaseModel)


def _words(value: Any) -> Any:
    """ "holds or partly" as a tuple of words."""
    return tuple(value.split(" or ")) if isinstance(value, str) else value


class Sentence(BaseModel):
    """A sentence and the verdicts that it was written for.

    Attributes:
        says: the sentence, with placeholders; emphasis, code, links and formulas as
            in Markdown.
        written_for: for each claim that the sentence rests on, the words with which
            it stands; `for` in the file, where "holds or partly" has two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: Annotated[str, Field(min_length=1)]
    written_for: Annotated[
        dict[str, Annotated[tuple[str, ...], BeforeValidator(_words)]],
        Field(alias="for", min_length=1),
    ]

    @field_validator("written_for")
    @classmethod
    def _known_words(cls, value: dict[str, tuple[str, ...]]) -> Any:
        for claim, words in value.items():
            for word in words:
                if word not in WORDS:
                    raise ValueError(
                        f"{claim}: {word!r} is none of {', '.join(WORDS)}; two are "
                        "joined by ' or '"
                    )
            if "fails" in words and {"holds", "partly"} & set(words):
                raise ValueError(
                    f"{claim}: no sentence stands both for {' and for '.join(words)}"
                )
        return value

    @model_validator(mode="after")
    def _sound(self) -> "Sentence":
        for found in self.placeholders():
            _check_parts(found)
            if found.claim != SETTING and found.claim not in self.written_for:
                raise ValueError(f"{{{found.claim}}} is shown but not in `for`")
        if typed := typed_numbers(self.says):
            raise ValueError(
                f"{typed[0]!r} is typed; a measured number is a placeholder such as "
                "{claim}, another one {setting.name}"
            )
        return self

    def placeholders(self) -> list[Placeholder]:
        """Its placeholders, in order."""
        return [part for part in split(self.says) if isinstance(part, Placeholder)]

    @property
    def opening(self) -> str:
        """Its first words, to find it by."""
        words = self.says.split()
        return " ".join(words[:7]) + " …" * (len(words) > 7)


class Conclusion(Sentence):
    """A conclusion of a source, or an advice, and what was found of it.

    Attributes:
        short: its name, a few words.
        place: where the source has it; empty for an advice of ours.
        concludes: what it says, in our words.
        needs: the claims that decide it, each with the verdict that it must have for
            the conclusion to be right. All of them are in `for`, too.
        stops: where what was found ends.
    """

    short: Annotated[str, Field(min_length=1, max_length=48)]
    place: str = ""
    concludes: Annotated[str, Field(min_length=1)]
    needs: Annotated[dict[str, Literal["holds", "fails"]], Field(min_length=1)]
    stops: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _bound(self) -> "Conclusion":
        for claim in self.needs:
            if claim not in self.written_for:
                raise ValueError(f"needs {claim}, which is not in `for`")
        for name in ("short", "concludes", "stops"):
            text = getattr(self, name)
            if typed := typed_numbers(text):
                raise ValueError(
                    f"{name}: {typed[0]!r} is typed; only `says` has numbers"
                )
            if PLACEHOLDER.search(MATH.sub("", text)):
                raise ValueError(
                    f"{name}: has a placeholder; only `says` may have them"
                )
        return self


class Section(BaseModel):
    """The conclusions of one source.

    Attributes:
        title: whose they are.
        conclusions: in the order of the page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    conclusions: Annotated[list[Conclusion], Field(min_length=1)]

    @model_validator(mode="after")
    def _told_apart(self) -> "Section":
        names = [one.short for one in self.conclusions]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two conclusions are named {name!r}")
        return self


class Texts(BaseModel):
    """All sentences of a chapter.

    Attributes:
        box: what the chapter found, two to five sentences.
        passages: sentences for the middle of the chapter, by name.
        sections: conclusions, by the name of their file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    box: Annotated[list[Sentence], Field(min_length=2, max_length=5)]
    passages: dict[str, Annotated[list[Sentence], Field(min_length=1)]] = {}
    sections: dict[str, Section] = {}

    def places(self) -> Iterator[tuple[str, Sentence]]:
        """Every sentence with where it stands: "box" or "passage NAME"."""
        for sentence in self.box:
            yield "box", sentence
        for name, sentences in self.passages.items():
            for sentence in sentences:
                yield f"passage {name}", sentence
        for name, section in self.sections.items():
            for one in section.conclusions:
                yield f"conclusion {name}, {one.short}", one


@cache
def load(chapter: str) -> Texts:
    """The sentences of a chapter.

    Args:
        chapter: its name, such as "scenario-2".

    Raises:
        ValueError: if the chapter has none, or if its file is not sound.
    """
    folder = chapter.replace("-", "_")
    study = files("flatminima").joinpath("studies", folder)
    if not study.joinpath("found.yml").is_file():
        raise ValueError(f"chapter {chapter!r} has no studies/{folder}/found.yml")
    return read(study)


def read(study: Traversable) -> Texts:
    """The sentences of a study: its `found.yml`, and the conclusions beside it.

    Args:
        study: its folder.

    Raises:
        ValueError: if a file is not sound; one line a flaw, each with its place.
    """
    texts = parse(study.joinpath("found.yml").read_text(encoding="utf8"))
    if texts.sections:
        raise ValueError("sections: lie in files of their own, conclusions-<name>.yml")
    beside = {
        found[1]: file
        for file in study.iterdir()
        if (found := CONCLUSIONS.fullmatch(file.name))
    }
    sections = {}
    for name, file in sorted(beside.items()):
        if name in texts.passages:
            raise ValueError(f"{file.name}: a passage is named {name}, too")
        try:
            sections[name] = _parse(Section, file.read_text(encoding="utf8"))
        except ValueError as error:
            lines = [f"{file.name}: {line}" for line in str(error).splitlines()]
            raise ValueError("\n".join(lines)) from error
    return texts.model_copy(update={"sections": sections})


def parse(text: str) -> Texts:
    """Read the text of a `found.yml`.

    Raises:
        ValueError: if it is not sound; one line a flaw, each with its place.
    """
    return _parse(Texts, text)


def _parse(model: type[Model], text: str) -> Model:
    try:
        return model.model_validate(yaml.load(text, _Loader))
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        lines = [_flaw(flaw) for flaw in error.errors()]
        raise ValueError("\n".join(lines)) from error


def split(says: str) -> list[str | Placeholder]:
    """A sentence as pieces of text and placeholders; formulas are left alone.

    >>> split("reaches {a.low} of $2^{d}$")
    ['reaches ', Placeholder(claim='a', parts=('low',)), ' of ', '$2^{d}$']
    """
    pieces: list[str | Placeholder] = []
    for part in MATH.split(says):
        if MATH.fullmatch(part):
            pieces.append(part)
            continue
        for number, piece in enumerate(PLACEHOLDER.split(part)):
            if number % 2:
                claim, *parts = piece.split(".")
                pieces.append(Placeholder(claim, tuple(parts)))
            elif piece:
                pieces.append(piece)
    return pieces


def typed_numbers(says: str) -> list[str]:
    """Numbers that a sentence types by hand; digits of `NAMES` are none.

    >>> typed_numbers("1-SAM reaches 1.03 times the bound of Figures 4a and 4b")
    ['1.03']
    """
    typed = []
    for piece in split(says):
        if isinstance(piece, str):
            if MATH.fullmatch(piece):
                typed += re.findall(r"\d+\.\d+", piece)
            else:
                plain = NAMES.sub("", LINK.sub("]", piece))
                typed += re.findall(r"[\w.,]*\d[\w.,]*", plain)
    return [number.rstrip(".,") for number in typed]


def _check_parts(found: Placeholder) -> None:
    shown = "{" + ".".join([found.claim, *found.parts]) + "}"
    if found.claim == SETTING:
        if len(found.parts) != 1 or not found.parts[0].isidentifier():
            raise ValueError(f"{shown}: write {{{SETTING}.name}}")
        return
    for number, part in enumerate(found.parts, 1):
        is_last = number == len(found.parts)
        if part not in VIEWS and not (part in ENDS and is_last):
            raise ValueError(
                f"{shown}: {part!r} is none of {', '.join(VIEWS)}, and at the end "
                f"{', '.join(ENDS)}"
            )


def _flaw(flaw: Any) -> str:
    """A flaw with its place, sentences counted from 1."""
    place = [
        f"sentence {part + 1}" if isinstance(part, int) else str(part)
        for part in flaw["loc"]
    ]
    message = flaw["msg"].removeprefix("Value error, ")
    return f"{', '.join(place)}: {message}" if place else message


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, of which PyYAML would keep the last."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                line = node.start_mark.line + 1
                raise ValueError(f"line {line}: {name} is given twice")
        return dict(super().construct_mapping(node, deep))
