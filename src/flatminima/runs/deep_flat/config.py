"""What a run towards a flat deep network is: one frozen, validated record."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.runs.kind import refuse_unused
from flatminima.runs.mlp.config import Config, NonNegative

ONLY = {
    "architecture": "deep",
    "data": "xor",
    "label_noise": 0.0,
    "loss": "squared",
    "step_noise": 0.0,
    "output_scale": 1.0,
    "dtype": "float64",
}
"""What the fields of the network have to be."""

UNTOUCHED = ("rho", "weight_decay", "bias_rate", "phases")
"""Fields of the network that the penalty takes no notice of."""


class FlatConfig(BaseModel):
    """A deep ReLU network that is made flat otherwise than from a drawn start by SAM.

    Values out of range raise `pydantic.ValidationError` (a ValueError). So does a value
    that the run takes no notice of, unless it is the default.

    Attributes:
        net: network, data, seeds, number of updates and checkpoints, and the training
            rule where there is no penalty. Depth is at least 3 where the start is a
            construction. A penalty uses all examples in every update.
        start: "drawn", the initialisation of the network; or a flattest interpolator of
            `theory.constructions.deep_cells`: "points", one unit for each training
            point, wrong elsewhere; "quadrants", four, right everywhere.
        jitter: standard deviation of what is added to all weights of a construction.
        penalty: factor lambda of the trace: the update descends L + lambda Tr Hess L,
            its gradient exact within a linear region; 0 for the rule of the network.
        momentum: of the penalty's descent, v <- momentum v + gradient, w <- w - lr v.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.deep_flat.train"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.open_questions"
    """The module that compares it with the source's own runs."""

    net: Config
    start: Literal["drawn", "points", "quadrants"] = "drawn"
    jitter: NonNegative = 0.0
    penalty: NonNegative = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, only in ONLY.items():
            if (value := getattr(self.net, name)) != only:
                raise ValueError(f"net.{name} = {value!r}: must be {only!r}")
        if self.penalty > 0:
            for name in UNTOUCHED:
                refuse_unused(self.net, name, f"penalty = {self.penalty} takes none")
        else:
            refuse_unused(self, "momentum", "penalty = 0 leaves the network's rule")
        if self.start != "drawn":
            self._fits()
            return self
        refuse_unused(self, "jitter", "start = 'drawn' is no construction")
        if self.penalty == 0:
            raise ValueError(
                "penalty = 0.0 with start = 'drawn': must be above 0, since without "
                "it this is a run of `Config`"
            )
        return self

    def _fits(self) -> None:
        if self.net.depth < 3:
            raise ValueError(
                f"net.depth = {self.net.depth} with start = {self.start!r}: must be at "
                "least 3"
            )
        for name in ("init_scale", "middle_init_scale", "last_init_scale"):
            refuse_unused(self.net, name, "a construction has its own scale")
        if self.net.bias_input not in (0.0, 1.0):
            raise ValueError(
                f"net.bias_input = {self.net.bias_input}: must be 0 or 1 for a "
                "construction"
            )
        pairs = 2 * (self.net.d + (self.net.bias_input != 0))
        cells = self.net.n if self.start == "points" else 4
        needed = pairs * -(-cells // pairs)
        if self.net.width < needed:
            raise ValueError(
                f"net.width = {self.net.width} with start = {self.start!r}: must be at "
                f"least {needed}"
            )

    @property
    def num_steps(self) -> int:
        """Updates."""
        return self.net.num_steps

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: those of the network and the run's own."""
        return {**self.net.columns, **self.model_dump(exclude={"net"})}

    @property
    def rule(self) -> str:
        """Name of what drives it, such as "trace penalty"."""
        return "trace penalty" if self.penalty > 0 else self.net.rule

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        net = self.net.with_seeds(data_seed, init_seed)
        return type(self)(**(self.model_dump() | {"net": net}))
