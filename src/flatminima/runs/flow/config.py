"""What a flow is: one frozen, validated record."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.runs.flow.descent import Rules
from flatminima.runs.flow.manifold import check_radius
from flatminima.runs.mlp.config import Config, Count, NonNegative, Positive


class FlowConfig(BaseModel):
    """A flow from the end of a training run, or from its initialisation.

    Equal configs give equal bits on one machine. Values out of range raise
    `pydantic.ValidationError` (a ValueError).

    Attributes:
        start: the run; it fixes the architecture, the sizes and the seeds.
        trained: start where the run ends (by SGD or 1-SAM, say); else at its
            initialisation. Either is retracted first.
        kind, control, smoothing, halvings, max_iterations, tolerance,
            gradient_tolerance: as in `descent.Rules`. The smoothing and the
            halvings have no effect on the naive flow.
        radius: norm at which the flow holds the first layer of Sim-LN; 0 lets it
            move. The run has a radius of its own.
        measure_every: iterations between two measurements of the test accuracy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.flow.run"
    """The module whose `proceed` runs it and whose `modules` says what it uses."""

    start: Config
    kind: Literal["naive", "kink_aware"]
    trained: bool = True
    control: Literal["true", "own"] = "true"
    smoothing: Positive = 0.02
    halvings: Annotated[int, Field(ge=0, le=100, strict=True)] = 6
    radius: NonNegative = 0.0
    max_iterations: Count = 500
    tolerance: NonNegative = 1e-4
    gradient_tolerance: NonNegative = 1e-6
    measure_every: Count = 50

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_radius(self.radius, invariant=self.start.architecture == "sim_ln")
        return self

    @property
    def num_steps(self) -> int:
        """Iterations at most."""
        return self.max_iterations

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: those of the start and the flow's own."""
        own = self.model_dump(exclude={"start"})
        return {**self.start.columns, **own, "num_steps": self.num_steps}

    @property
    def rule(self) -> str:
        """Name of the flow, such as "naive flow"."""
        kind = {"naive": "naive", "kink_aware": "kink-aware"}[self.kind]
        return f"{kind} flow"

    @property
    def rules(self) -> Rules:
        """What `descent.descend` needs."""
        return Rules(
            kind=self.kind,
            control=self.control,
            smoothing=self.smoothing,
            halvings=self.halvings,
            max_iterations=self.max_iterations,
            tolerance=self.tolerance,
            gradient_tolerance=self.gradient_tolerance,
        )

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same flow on other data and from another start."""
        start = self.start.with_seeds(data_seed, init_seed)
        return type(self)(**(self.model_dump() | {"start": start}))
