"""What a cell is: several methods on one network, one data set and one start."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.data.teachers import check
from flatminima.runs.kind import refuse_unused

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Architecture = Literal["no_bias", "bias", "sim_ln", "softplus", "sim_bn", "deep"]

TWO_LAYER = ("no_bias", "bias", "sim_ln", "softplus")


class Arm(BaseModel):
    """One method. All lengths are in units in which widths and models compare.

    Attributes:
        name: what tables call it.
        certified: the flattest interpolating network by the convex programme, without
            training; the other fields then keep their defaults.
        batch: "one" example a step, reshuffled every epoch, or "full".
        kick: 2 lr E ||grad f||^2 at the usual start, the mean over the examples. A step
            of one example at 1 removes its error; above 2 it grows.
        rise: rho sqrt(E ||grad f||^2) at the usual start: what the ascent of SAM does
            to an output there, to first order.
        step_noise: by which label-noise SGD moves a label up or down at every step.
        shrink: weight_decay lr num_steps: by e^-shrink the decay alone would scale
            the weights.
        start: factor on the initial layers; of Sim-LN and Sim-BN on those
            after the normalisation only, since the others' scale changes no output.
        num_steps: updates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    name: str
    certified: bool = False
    batch: Literal["one", "full"] = "one"
    kick: Annotated[float, Field(gt=0, lt=20)] = 0.5
    rise: NonNegative = 0.0
    step_noise: NonNegative = 0.0
    shrink: NonNegative = 0.0
    start: Positive = 1.0
    num_steps: Count = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.certified:
            for name in set(type(self).model_fields) - {"name", "certified"}:
                refuse_unused(self, name, "a certificate is not trained")
        if self.batch == "full":
            for name in ("rise", "step_noise"):
                refuse_unused(self, name, "a full batch takes plain steps")
        if self.shrink >= self.num_steps:
            raise ValueError(
                f"shrink = {self.shrink}: must be below num_steps = {self.num_steps}"
            )
        return self


class CellConfig(BaseModel):
    """Some methods, one after the other, from the same data and start.

    The loss is (1/n) sum_i (f_i - y_i)^2, without 1/2. A row of the history is the end
    of an arm, and its `step` counts the updates of all arms up to there. An arm that
    meets NaN or inf is a result of its own, and the next one begins.

    Values out of range raise `pydantic.ValidationError` (a ValueError).

    Attributes:
        architecture: a module of `flatminima.models`; "deep" has three layers.
        width: hidden units.
        data: of `data.teachers.TEACHERS`.
        noisy: whether training labels have noise.
        n, d: examples and inputs.
        test_points: fresh points with clean labels.
        arms: the methods, in their order, of different names.
        data_seed: draws the data.
        init_seed: draws the start, the order of the examples and the noise of steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.cells.train"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.cells"
    """The module that compares it with the source's own runs."""

    architecture: Architecture
    width: Count = 100
    data: str = "xor"
    noisy: bool = False
    n: Count = 60
    d: Count = 20
    test_points: Annotated[int, Field(ge=2, strict=True)] = 2000
    arms: tuple[Arm, ...]
    data_seed: Seed = 0
    init_seed: Seed = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check(self.data, self.n, self.d, noisy=self.noisy, test_points=self.test_points)
        names = [arm.name for arm in self.arms]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"arms are named {names}: needed are different names")
        if self.architecture not in ("no_bias", "bias") and any(
            arm.certified for arm in self.arms
        ):
            raise ValueError(
                f"architecture = {self.architecture!r}: a certificate is known for "
                "'no_bias' and 'bias' only"
            )
        return self

    @property
    def num_steps(self) -> int:
        """Updates of all arms."""
        return sum(arm.num_steps for arm in self.arms)

    @property
    def rule(self) -> str:
        """How many methods it has."""
        return f"{len(self.arms)} methods"

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: all but the arms' settings."""
        return self.model_dump(exclude={"arms"})

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same cell on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))
