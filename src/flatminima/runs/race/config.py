"""What a racer is: an instance with a certificate, a method, and its setting."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.runs.kind import refuse_unused

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]

Instance = Literal["sparse", "weighted", "matrix", "cubic", "bias", "no_bias"]

LACKS = {
    "sparse": ("width",),
    "weighted": ("width",),
    "matrix": (),
    "cubic": ("width",),
    "bias": ("complexity", "alpha"),
    "no_bias": ("complexity", "alpha"),
}
"""Fields that an instance takes no notice of."""


class RaceConfig(BaseModel):
    """What all racers share. The loss is (1/2n) sum_i (f_i - y_i)^2.

    Values out of range raise `pydantic.ValidationError` (a ValueError). So does a value
    that the instance or the method takes no notice of, unless it is the default.

    Attributes:
        instance: "sparse", f = <u^2 - v^2, z> with signs z; "weighted", the same with
            Gaussian z; "matrix", f = <U V^T, A>; "cubic", f = <u v w, z>; "bias" and
            "no_bias", two-layer ReLU networks on xor. See `problem`.
        n: examples.
        d: inputs, or rows of the matrix.
        complexity: entries of the target that are not 0, or its rank.
        width: columns of the factors, or hidden units.
        alpha: scale of the Gaussian start.
        budget: full gradients that may be spent, each n gradients of one example.
        num_checkpoints: at which the trace is measured: the start, then evenly in the
            logarithm of what was spent.
        data_seed: draws the data.
        init_seed: draws the start, batches, noise and probes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    source: ClassVar[str] = "flatminima.sources.race"
    """The module that compares it with the source's own runs."""

    instance: Instance
    n: Count = 20
    d: Count = 40
    complexity: Count = 3
    width: Count = 50
    alpha: Positive = 1.0
    budget: Annotated[int, Field(ge=20, strict=True)] = 10_000
    num_checkpoints: Annotated[int, Field(ge=2, le=1000, strict=True)] = 40
    data_seed: Seed = 0
    init_seed: Seed = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in LACKS[self.instance]:
            refuse_unused(self, name, f"instance = {self.instance!r} lacks it")
        if self.instance in ("bias", "no_bias"):
            if self.d < 2 or (self.d < 60 and self.n > 2**self.d):
                raise ValueError(
                    f"n = {self.n}, d = {self.d}: xor has 2^d points, and d >= 2"
                )
        elif self.complexity > self.d:
            raise ValueError(
                f"complexity = {self.complexity}: must be at most d = {self.d}"
            )
        if self.instance == "no_bias" and (self.d > 5 or self.n > 20):
            raise ValueError(
                f"n = {self.n}, d = {self.d} with instance = 'no_bias': must be at "
                "most 20 and 5, for which all cones are enumerated"
            )
        return self

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same race on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows, and `test_points`: none are held out."""
        return self.model_dump() | {"test_points": 0}


Method = Literal[
    "gd", "1-sam", "m-sam", "n-sam", "label-noise", "penalty", "hutchinson"
]

NAMES = {
    "gd": "GD",
    "1-sam": "1-SAM",
    "m-sam": "m-SAM",
    "n-sam": "n-SAM",
    "label-noise": "label-noise SGD",
    "penalty": "trace penalty",
    "hutchinson": "Hutchinson penalty",
    "flow": "flow",
    "spectral": "spectral descent",
}
"""What tables call a method."""

GROUP = 5
"""Examples of a step of m-SAM."""


class DescentRace(RaceConfig):
    """A method that descends the loss, and the trace on the side.

    Attributes:
        method: "gd"; "1-sam", "m-sam" and "n-sam", whose steps take 1, `GROUP` and n
            examples that ascend together; "label-noise", one example whose label moves
            by +-strength; "penalty", L + strength Tr; "hutchinson", the same with one
            probe of the trace a step.
        lr: learning rate.
        strength: rho, noise, or factor of the trace; 0 for "gd".
    """

    engine: ClassVar[str] = "flatminima.runs.race.train"

    method: Method
    lr: Positive = 0.01
    strength: NonNegative = 0.0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.method == "gd") != (self.strength == 0):
            raise ValueError(
                f"strength = {self.strength} with method = {self.method!r}: must be 0 "
                "for 'gd' and above 0 for the others"
            )
        return self

    @property
    def batch(self) -> int:
        """Examples of a step."""
        sizes = {"1-sam": 1, "label-noise": 1, "m-sam": min(GROUP, self.n)}
        return sizes.get(self.method, self.n)

    @property
    def gradients(self) -> int:
        """Gradients that a step takes of each of its examples.

        SAM's ascent is a second one. The gradient of the trace, or of a probe of it,
        is a product with second derivatives and counts as two beside that of the loss.
        """
        return {"gd": 1, "label-noise": 1, "penalty": 3, "hutchinson": 3}.get(
            self.method, 2
        )

    @property
    def num_steps(self) -> int:
        """Steps that the budget has room for."""
        return max(1, self.budget * self.n // (self.batch * self.gradients))

    @property
    def rule(self) -> str:
        """Name of the method."""
        return NAMES[self.method]


class WalkRace(RaceConfig):
    """A method that stays on {f = y}.

    Attributes:
        method: "flow", the sharpness-reduction flow with retraction; "spectral",
            `flows.spectral`.
        rtol: of the flow's steps.
        first: first move of the spectral descent, as a share of |theta|.
        memory: of the spectral descent.
        smoothing: of the kinks, in the gradient of a ReLU network.
    """

    engine: ClassVar[str] = "flatminima.runs.race.walk"

    method: Literal["flow", "spectral"]
    rtol: Positive = 0.1
    first: Positive = 0.01
    memory: Annotated[int, Field(ge=1, le=100, strict=True)] = 5
    smoothing: NonNegative = 0.1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name in UNUSED[self.method]:
            refuse_unused(self, name, f"method = {self.method!r} lacks it")
        if self.instance not in ("bias", "no_bias"):
            refuse_unused(self, "smoothing", f"{self.instance!r} has no kinks")
        return self

    @property
    def num_steps(self) -> int:
        """Full gradients at most."""
        return self.budget

    @property
    def rule(self) -> str:
        """Name of the method."""
        return NAMES[self.method]


UNUSED = {"flow": ("first", "memory"), "spectral": ("rtol",)}
"""Fields that a walk takes no notice of."""
