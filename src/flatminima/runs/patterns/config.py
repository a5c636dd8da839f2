"""What a walk along {f = y} is, with a certificate of where it stopped."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.runs.flow.descent import Rules
from flatminima.runs.kind import refuse_unused
from flatminima.runs.mlp.config import Config, Count, NonNegative, Positive

NAMES = {
    "none": "",
    "blind": "blind flow",
    "true": "blind flow, true trace enforced",
    "aware": "kink-aware flow",
}
"""What tables call a walk."""

AFTER = {"memoriser": "from a memoriser", "initialisation": "from initialisation"}


class PatternConfig(BaseModel):
    """A start on {f = y}, a walk from it, and what the pattern at its end allows.

    Equal configs give equal bits on one machine. Values out of range raise
    `pydantic.ValidationError` (a ValueError).

    Attributes:
        start: a training run of a two-layer ReLU network without a norm; it fixes the
            sizes, the data and the seeds.
        begin: where the walk begins: the "end" of the run, its "initialisation", or a
            flattest "memoriser" of its training set, whose further units have weights
            of zero. All are moved onto {f = y} first.
        noise: Gaussian perturbation of the memoriser, over its root mean square weight,
            layer by layer.
        walk: "none"; "blind" follows the gradient of automatic differentiation and
            accepts what lowers the trace with the pattern held; "true" follows it and
            accepts only what lowers the true trace; "aware" feels kinks before they
            come and accepts only what lowers the true trace.
        smoothing: relative width of the kinks that "aware" feels.
        max_iterations: of the walk.
        tolerance: stop at trace <= (1 + tolerance) times the bound.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.patterns.follow"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.patterns"
    """The module that compares it with the source's own runs."""

    start: Config
    begin: Literal["end", "initialisation", "memoriser"] = "end"
    noise: NonNegative = 0.0
    walk: Literal["none", "blind", "true", "aware"] = "none"
    smoothing: Positive = 0.02
    max_iterations: Count = 2000
    tolerance: Annotated[float, Field(ge=0, le=1)] = 1e-3

    @model_validator(mode="after")
    def _possible(self) -> Self:
        start = self.start
        if start.architecture not in ("bias", "no_bias"):
            raise ValueError(
                f"start.architecture = {start.architecture!r}: must be 'bias' or "
                "'no_bias', whose activation patterns are certified"
            )
        if start.loss != "squared" or start.output_scale != 1:
            raise ValueError(
                f"start.loss = {start.loss!r}, start.output_scale = "
                f"{start.output_scale}: must be 'squared' and 1"
            )
        if self.begin == "memoriser":
            if start.architecture != "bias" or start.width < start.n:
                raise ValueError(
                    f"begin = 'memoriser' with start.architecture = "
                    f"{start.architecture!r}, start.width = {start.width}: must be "
                    f"'bias' and at least n = {start.n}"
                )
        else:
            refuse_unused(self, "noise", f"begin = {self.begin!r} is not perturbed")
        if self.walk != "aware":
            refuse_unused(self, "smoothing", f"walk = {self.walk!r} smooths nothing")
        if self.walk == "none":
            for name in ("max_iterations", "tolerance"):
                refuse_unused(self, name, "walk = 'none' takes no step")
        return self

    @property
    def num_steps(self) -> int:
        """Updates of the training run."""
        return self.start.num_steps if self.begin == "end" else 1

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: those of the start and the walk's own."""
        return {**self.start.columns, **self.model_dump(exclude={"start"})}

    @property
    def rule(self) -> str:
        """Name of training and walk."""
        first = AFTER.get(self.begin, self.start.rule)
        return f"{NAMES[self.walk]}, {first}" if self.walk != "none" else first

    @property
    def rules(self) -> Rules:
        """What `flow.descent.descend` needs of a walk."""
        return Rules(
            kind="kink_aware" if self.walk == "aware" else "naive",
            control="own" if self.walk == "blind" else "true",
            smoothing=self.smoothing,
            max_iterations=self.max_iterations,
            tolerance=self.tolerance,
        )

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same walk on other data and from another start."""
        start = self.start.with_seeds(data_seed, init_seed)
        return type(self)(**(self.model_dump() | {"start": start}))
