"""What a training run is: one frozen, validated record."""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.data import check_xor_size

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]


class Phase(BaseModel):
    """A change of hyper-parameters in the middle of a run.

    Attributes:
        start: updates done when it begins.
        lr, rho: from then on, in place of the config's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Count
    lr: Positive
    rho: NonNegative


class Config(BaseModel):
    """One training run on P_xor. Equal configs give equal bits on one machine.

    Values out of range raise `pydantic.ValidationError` (a ValueError) that
    names the argument, the value and what is allowed.

    Attributes:
        architecture: a module of `flatminima.models`.
        d: input dimension.
        n: number of distinct training points.
        width: number of hidden units.
        batch: "one" example a step, reshuffled every epoch, or "full".
        lr: learning rate, eta in the source.
        rho: radius of SAM's normalised ascent step; 0 for none.
        weight_decay: added to the gradient as weight_decay * theta, as in torch.
        num_steps: number of parameter updates.
        phases: later learning rates and radii, in order of their start.
        num_checkpoints: times at which everything is measured: step 0, then
            evenly in the logarithm of the step, the last step included.
        measure_at: further steps at which to measure, those up to num_steps.
        init_scale: factor on the initial first layer.
        radius: norm at which the first layer is held during training; 0 lets it
            move freely.
        eps: floor of the norm in Sim-LN; no effect elsewhere.
        dtype: precision of training; all measures are taken in float64.
        data_seed: draws the training and test sets.
        init_seed: draws the initialisation and the order of the examples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.train"
    """The module whose `proceed` runs it and whose `modules` says what it uses."""

    architecture: Literal["no_bias", "bias", "sim_ln"]
    d: Annotated[int, Field(ge=2, le=1000, strict=True)] = 30
    n: Count = 100
    width: Count = 500
    batch: Literal["one", "full"] = "one"
    lr: Positive = 0.01
    rho: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    num_steps: Count = 100_000
    phases: tuple[Phase, ...] = ()
    num_checkpoints: Annotated[int, Field(ge=2, le=1000, strict=True)] = 14
    measure_at: tuple[Count, ...] = ()
    init_scale: Positive = 1.0
    radius: NonNegative = 0.0
    eps: Positive = 1e-4
    dtype: Literal["float32", "float64"] = "float64"
    data_seed: Seed = 0
    init_seed: Seed = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_xor_size(self.n, self.d)
        for lr in (self.lr, *(phase.lr for phase in self.phases)):
            if lr * self.weight_decay >= 1:
                product = lr * self.weight_decay
                raise ValueError(f"lr * weight_decay = {product}: must be below 1")
        starts = [0, *(phase.start for phase in self.phases), self.num_steps]
        if any(early >= late for early, late in pairwise(starts)):
            raise ValueError(
                f"phases start at {starts[1:-1]}: must ascend and stay below "
                f"num_steps = {self.num_steps}"
            )
        return self

    def rates(self, step: int) -> tuple[float, float, int]:
        """What the update after `step` uses: (lr, rho, step at which they change)."""
        lr, rho, until = self.lr, self.rho, self.num_steps
        for phase in self.phases:
            if phase.start > step:
                return lr, rho, phase.start
            lr, rho = phase.lr, phase.rho
        return lr, rho, until

    @property
    def rule(self) -> str:
        """Name of the training rule, such as "GD + wd" or "1-SAM"."""
        if any(rho > 0 for rho in (self.rho, *(p.rho for p in self.phases))):
            name = "1-SAM" if self.batch == "one" else "n-SAM"
        else:
            name = "SGD" if self.batch == "one" else "GD"
        decay = " + wd" if self.weight_decay > 0 else ""
        return name + decay + (", projected" if self.radius > 0 else "")

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))
