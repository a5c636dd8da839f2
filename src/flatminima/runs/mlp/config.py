"""What a training run is: one frozen, validated record."""

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.data.load import num_test_points
from flatminima.data.xor import check_xor_size
from flatminima.models.base import load
from flatminima.runs.kind import refuse_unused

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Architecture = Literal["no_bias", "bias", "sim_ln", "softplus", "sim_bn", "deep"]

NEEDS = {
    "depth": "depth",
    "middle_init_scale": "depth",
    "eps": "eps",
    "gamma_init": "gamma_init",
    "bias_input": "bias_input",
    "bias_rate": "bias_input",
    "bias_init_scale": "bias_input",
}
"""Fields that only some architectures take, and the constant of `Model` that says
which."""


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
    """One training run. Equal configs give equal bits on one machine.

    Values out of range raise `pydantic.ValidationError` (a ValueError) that
    names the argument, the value and what is allowed. So does a value that the
    architecture or the rule takes no notice of, unless it is the default.

    Attributes:
        architecture: a module of `flatminima.models`.
        depth: layers of weights of "deep".
        data: "xor" for P_xor with distinct training points, or "ball" for the
            regression data of the source's figure 7.
        d: input dimension.
        n: number of training points.
        label_noise: share of the training labels that are flipped, for "xor".
        width: number of hidden units.
        loss: "squared" or "logistic".
        label_smoothing: weight of the other class in the logistic loss.
        batch: "one" example a step, a number of examples that divides n, or "full".
            All but "full" are reshuffled every epoch.
        step_noise: sigma of label noise SGD: in every step, and for every example of
            it, the label is moved by sigma up or down, drawn afresh (Blanc et al.
            2020). For the squared loss.
        lr: learning rate, eta in the source.
        rho: radius of SAM's normalised ascent step; 0 for none.
        weight_decay: added to the gradient as weight_decay * theta, as in torch.
        num_steps: number of parameter updates.
        phases: later learning rates and radii, in order of their start.
        num_checkpoints: times at which everything is measured: step 0, then
            evenly in the logarithm of the step, the last step included.
        measure_at: further steps at which to measure, those up to num_steps.
        init_scale: factor on the initial first layer, its bias included.
        middle_init_scale: factor on the initial square layers of "deep".
        last_init_scale: factor on the initial last layer.
        bias_init_scale: factor on the initial bias, beside init_scale.
        bias_rate: factor on the gradient of the bias in every update, but not in
            the ascent step nor in the decay.
        output_scale: factor alpha on the output: alpha f is trained and measured.
        ascent: what the second pass of SAM sees: the "usual" network, or one whose
            activation pattern is "frozen" where it was before the step. A rule
            without ascent has rho = 0.
        radius: norm at which the first layer is held during training; 0 lets it
            move freely.
        eps: floor of the norm in Sim-LN.
        gamma_init: where the scales of Sim-BN start.
        bias_input: the constant input of the first layer's bias; 1 in the source, and
            0 leaves a bias that has no effect.
        dtype: precision of training; all measures are taken in float64.
        data_seed: draws the training and test sets and the flipped labels.
        init_seed: draws the initialisation and the order of the examples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.mlp.train"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.wen_li_ma"
    """The module that compares it with the source's own runs."""

    architecture: Architecture
    depth: Annotated[int, Field(ge=2, le=10, strict=True)] = 3
    data: Literal["xor", "ball"] = "xor"
    d: Annotated[int, Field(ge=2, le=1000, strict=True)] = 30
    n: Count = 100
    label_noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    width: Count = 500
    loss: Literal["squared", "logistic"] = "squared"
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    batch: Literal["one", "full"] | Annotated[int, Field(ge=2, strict=True)] = "one"
    step_noise: NonNegative = 0.0
    lr: Positive = 0.01
    rho: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    num_steps: Count = 100_000
    phases: tuple[Phase, ...] = ()
    num_checkpoints: Annotated[int, Field(ge=2, le=1000, strict=True)] = 14
    measure_at: tuple[Count, ...] = ()
    init_scale: Positive = 1.0
    middle_init_scale: Positive = 1.0
    last_init_scale: Positive = 1.0
    bias_init_scale: NonNegative = 1.0
    bias_rate: NonNegative = 1.0
    output_scale: Positive = 1.0
    ascent: Literal["usual", "frozen"] = "usual"
    radius: NonNegative = 0.0
    eps: Positive = 1e-4
    gamma_init: Positive = 1.0
    bias_input: NonNegative = 1.0
    dtype: Literal["float32", "float64"] = "float64"
    data_seed: Seed = 0
    init_seed: Seed = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self._possible_data()
        if (self.loss == "logistic") != (self.label_smoothing > 0):
            raise ValueError(
                f"label_smoothing = {self.label_smoothing} with loss = {self.loss!r}: "
                "must be above 0 for the logistic loss, which has no minimiser "
                "without, and 0 for the squared loss"
            )
        if isinstance(self.batch, int) and (
            self.batch >= self.n or self.n % self.batch != 0
        ):
            raise ValueError(
                f"batch = {self.batch}: must divide n = {self.n} and be below it "
                '("full" is all examples)'
            )
        if self.step_noise > 0 and self.loss != "squared":
            raise ValueError(
                f"step_noise = {self.step_noise}: must be 0 for loss = {self.loss!r}, "
                "whose labels are -1 and 1"
            )
        self._possible_network()
        if not self.can_be_projected and (self.radius > 0 or self.batch != "one"):
            raise ValueError(
                f"radius = {self.radius}, batch = {self.batch!r}: must be 0 and "
                f"'one' for architecture = {self.architecture!r}"
            )
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

    def _possible_network(self) -> None:
        """Refuse what would change nothing: equal runs have equal configs."""
        architecture = load(self.architecture)
        for name, constant in NEEDS.items():
            if constant not in architecture.Model._fields:
                refuse_unused(
                    self, name, f"architecture = {self.architecture!r} lacks it"
                )
        if self.bias_input == 0:
            for name in ("bias_rate", "bias_init_scale"):
                refuse_unused(self, name, "bias_input = 0 leaves no bias")
        if self.depth == 2:
            refuse_unused(self, "middle_init_scale", "depth = 2 leaves no square layer")
        if not self.climbs:
            refuse_unused(self, "ascent", "rho = 0 takes no ascent step")
        elif not hasattr(architecture, "frozen_head"):
            refuse_unused(
                self,
                "ascent",
                f"architecture = {self.architecture!r} has no pattern to hold",
            )
        if self.radius > 0:
            refuse_unused(
                self, "bias_rate", f"radius = {self.radius} holds the first layer"
            )

    def _possible_data(self) -> None:
        if self.data == "xor":
            check_xor_size(self.n, self.d)
            if self.label_noise > 0 and round(self.label_noise * self.n) == 0:
                raise ValueError(
                    f"label_noise = {self.label_noise}: flips none of n = {self.n} "
                    "labels; must be 0 or flip at least one"
                )
            return
        if self.label_noise > 0:
            raise ValueError(
                f"label_noise = {self.label_noise}: must be 0 for data = 'ball', "
                "whose labels are no classes"
            )
        if self.loss == "logistic":
            raise ValueError(
                "loss = 'logistic': must be 'squared' for data = 'ball', whose labels "
                "are no classes"
            )

    @property
    def can_be_projected(self) -> bool:
        """Whether the first layer can be held at a norm: two layers, no Sim-BN."""
        return self.architecture not in ("sim_bn", "deep")

    @property
    def batch_size(self) -> int:
        """Examples in a step."""
        if self.batch == "full":
            return self.n
        return 1 if self.batch == "one" else self.batch

    def rates(self, step: int) -> tuple[float, float, int]:
        """What the update after `step` uses: (lr, rho, step at which they change)."""
        lr, rho, until = self.lr, self.rho, self.num_steps
        for phase in self.phases:
            if phase.start > step:
                return lr, rho, phase.start
            lr, rho = phase.lr, phase.rho
        return lr, rho, until

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: all but measure_at and phases.

        And `test_points`, the number of held-out points.
        """
        points = num_test_points(self.data, self.n, self.d)
        return self.model_dump(exclude={"measure_at", "phases"}) | {
            "test_points": points
        }

    @property
    def climbs(self) -> bool:
        """Whether any phase takes an ascent step."""
        return any(rho > 0 for rho in (self.rho, *(p.rho for p in self.phases)))

    @property
    def rule(self) -> str:
        """Name of the training rule, such as "GD + wd", "1-SAM" or "10-SAM"."""
        size = {"one": "1", "full": "n"}.get(str(self.batch), str(self.batch))
        sam = self.climbs
        name = f"{size}-SAM" if sam else "GD" if self.batch == "full" else "SGD"
        if self.step_noise > 0:
            name = f"label noise {name}"
        decay = " + wd" if self.weight_decay > 0 else ""
        mini = f", batch {size}" if isinstance(self.batch, int) and not sam else ""
        held = ", frozen pattern" if self.ascent == "frozen" else ""
        projected = ", projected" if self.radius > 0 else ""
        return name + decay + mini + held + projected

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))
