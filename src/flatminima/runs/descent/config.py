"""What a descent on a model of implicit bias is: one frozen, validated record."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.data.regression import NUM_TEST_POINTS
from flatminima.runs.kind import refuse_unused

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]

DATA = {
    "squares": ("gaussian", "signs", "published"),
    "product": ("gaussian", "signs", "published"),
    "matrix": ("gaussian", "commuting"),
    "relu_1d": ("points",),
}
"""Data of every model, its usual one first."""

LACKS = {
    "squares": ("width", "init_scale"),
    "product": ("width", "init_scale"),
    "matrix": ("init_scale",),
    "relu_1d": ("n", "d", "complexity", "alpha"),
}
"""Fields that a model takes no notice of."""

NUM_POINTS = 12
"""Examples of "points"."""


class DescentConfig(BaseModel):
    """One run of descent or SAM. Equal configs give equal bits on one machine.

    The loss of a batch is the mean over its examples of `factor` (f - y)^2.

    Values out of range raise `pydantic.ValidationError` (a ValueError). So does a value
    that the model or the rule takes no notice of, unless it is the default.

    Attributes:
        model: "squares" (beta = u^2 - v^2) and "product" (beta = u v) of
            `models.diagonal`, "matrix" of `models.matrix`, "relu_1d" of
            `models.relu_1d`.
        data: "gaussian", "signs" or "published" for diagonal networks, see
            `data.regression`; "gaussian" or "commuting" measurements of a matrix;
            "points" for the network on the line.
        n: examples, or measurements.
        d: inputs, or rows of the matrix.
        complexity: entries of the target that are not 0, or its rank.
        width: columns of U and V, or hidden units.
        alpha: scale of the start of diagonal networks and of factorisations.
        init_scale: factor on the start of the network on the line.
        factor: c of the loss; 1/2 by default.
        batch: "full", or examples a step, drawn with replacement.
        group: "batch" if the examples of a step climb together, or the number of
            those that do (m of m-SAM).
        lr: learning rate.
        rho: length of the ascent, or the factor on the gradient in it; 0 for none.
        normalised: whether the ascent has length rho; else it is rho times the
            gradient.
        direction: "up" for SAM, "down" for the ordinary extragradient step.
        ascent: along the "gradient"; along a "random" direction of equal length; or
            "quadratic", to a stationary point of the loss to second order in the ball
            of radius rho.
        ascent_steps: parts of the ascent, each 1/ascent_steps of rho, the gradient
            taken anew for each; or iterations of the quadratic one.
        differentiate: whether the gradient is taken through the ascent step, as it is
            not in SAM.
        label_noise: by which every label of a step is moved up or down, afresh.
        stop_loss: training loss at which a run with a full batch stops; 0 for never.
        num_steps: updates at most.
        num_checkpoints: times at which everything is measured: step 0, then evenly in
            the logarithm of the step.
        measure_at: further steps at which to measure.
        data_seed: draws the data.
        init_seed: draws the start, where it is random, batches and noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.descent.train"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.implicit_bias"
    """The module that compares it with the sources' own runs."""

    model: Literal["squares", "product", "matrix", "relu_1d"]
    data: Literal["gaussian", "signs", "published", "commuting", "points"] = "gaussian"
    n: Count = 20
    d: Count = 30
    complexity: Count = 3
    width: Count = 100
    alpha: Positive = 0.1
    init_scale: Positive = 1.0
    factor: Positive = 0.5
    batch: Literal["full"] | Count = "full"
    group: Literal["batch"] | Count = "batch"
    lr: Positive = 0.01
    rho: NonNegative = 0.0
    normalised: bool = True
    direction: Literal["up", "down"] = "up"
    ascent: Literal["gradient", "random", "quadratic"] = "gradient"
    ascent_steps: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    differentiate: bool = False
    label_noise: NonNegative = 0.0
    stop_loss: NonNegative = 0.0
    num_steps: Count = 10_000
    num_checkpoints: Annotated[int, Field(ge=2, le=1000, strict=True)] = 8
    measure_at: tuple[Count, ...] = ()
    data_seed: Seed = 0
    init_seed: Seed = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.data not in DATA[self.model]:
            allowed = " or ".join(map(repr, DATA[self.model]))
            raise ValueError(
                f"data = {self.data!r} with model = {self.model!r}: must be {allowed}"
            )
        for name in LACKS[self.model]:
            refuse_unused(self, name, f"model = {self.model!r} lacks it")
        if self.model != "relu_1d" and self.complexity > self.d:
            raise ValueError(
                f"complexity = {self.complexity}: must be at most d = {self.d}"
            )
        self._possible_batch()
        self._possible_ascent()
        return self

    def _possible_batch(self) -> None:
        if self.batch != "full" and self.batch >= self.examples:
            raise ValueError(
                f"batch = {self.batch}: must be below n = {self.examples} "
                '("full" is all examples)'
            )
        if self.group != "batch" and (
            self.group >= self.batch_size or self.batch_size % self.group
        ):
            raise ValueError(
                f"group = {self.group}: must divide the {self.batch_size} examples of "
                'a step and be below them ("batch" is all of these)'
            )
        if self.batch != "full" or self.ascent == "random":
            refuse_unused(
                self, "stop_loss", "only a full batch knows the loss where it is"
            )

    def _possible_ascent(self) -> None:
        if self.rho == 0:
            for name in (
                *("normalised", "direction", "ascent", "ascent_steps"),
                *("differentiate", "group"),
            ):
                refuse_unused(self, name, "rho = 0 makes no ascent")
        if self.ascent == "random":
            for name in ("normalised", "direction", "ascent_steps", "group"):
                refuse_unused(self, name, "a random ascent takes no notice of it")
            refuse_unused(self, "differentiate", "a random ascent has no derivative")
        if self.ascent == "quadratic":
            for name in ("normalised", "direction", "differentiate"):
                refuse_unused(self, name, "a quadratic ascent has length rho, upwards")
        if self.ascent_steps > 1:
            refuse_unused(self, "differentiate", "the ascent is made in several steps")

    @property
    def examples(self) -> int:
        """Examples of the training set."""
        return NUM_POINTS if self.model == "relu_1d" else self.n

    @property
    def batch_size(self) -> int:
        """Examples of a step."""
        return self.examples if self.batch == "full" else self.batch

    @property
    def group_size(self) -> int:
        """Examples that climb together."""
        return self.batch_size if self.group == "batch" else self.group

    @property
    def draws(self) -> int:
        """Random numbers of a step, beside those of a random direction."""
        random = self.batch != "full" or self.label_noise > 0
        return self.batch_size if random else 0

    @property
    def rule(self) -> str:
        """Name of the rule, such as "n-SAM", and what it has that the usual has not."""
        full = self.batch == "full"
        if self.rho == 0:
            name = "GD" if full else "SGD"
        elif self.direction == "down":
            name = "extragradient"
        elif self.group_size == 1:
            name = "1-SAM"
        else:
            name = "n-SAM" if full and self.group == "batch" else "m-SAM"
        if self.label_noise > 0:
            name = f"label-noise {name}"
        more = [
            (self.ascent != "gradient", self.ascent),
            (self.rho > 0 and self.group_size == 1 and full, "full batch"),
            (not self.normalised, "not normalised"),
            (self.ascent_steps > 1, f"{self.ascent_steps} steps"),
            (self.differentiate, "differentiated"),
        ]
        return ", ".join([name, *(word for given, word in more if given)])

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: all but measure_at, and `test_points`."""
        tests = NUM_TEST_POINTS if self.model in ("squares", "product") else 0
        fields = self.model_dump(exclude={"measure_at"})
        return fields | {"n": self.examples, "test_points": tests}

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))
