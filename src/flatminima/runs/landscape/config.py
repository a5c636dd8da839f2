"""What is looked at around trained networks: two frozen, validated records."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.runs.kind import refuse_unused
from flatminima.runs.nets.config import Count, NetConfig, Positive

Points = Annotated[int, Field(ge=3, le=201, strict=True)]

APART = 1_000_000
"""Between the `init_seed` of the first network of a pair and that of the second."""


class _AroundNets(BaseModel):
    """A network, and what is done at the end of its training."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    source: ClassVar[str] = "flatminima.sources.landscape"
    """The module that compares it with the source's own runs."""

    net: NetConfig

    @property
    def num_steps(self) -> int:
        """Updates of the network at most."""
        return self.net.num_steps

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: those of the network and its own."""
        return {**self.net.columns, **self.model_dump(exclude={"net"})}

    @property
    def rule(self) -> str:
        """Name of the training rule."""
        return self.net.rule

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same on other data and from another start."""
        net = self.net.with_seeds(data_seed, init_seed)
        return type(self)(**(self.model_dump() | {"net": net}))


class ViewConfig(_AroundNets):
    """A network is trained, and the landscape around its end is looked at.

    Attributes:
        net: the training run.
        begin: where it starts. "drawn": where the run itself does. "spoiled": at a
            network that was trained first on labels that are all redrawn at random, by
            the same rule but without decay and SAM. "lengthened": at its own drawn
            weights, each parameter scaled to the length that it has in the spoiled
            network, so that the two share their lengths and nothing else.
        spoil_steps: updates on the redrawn labels at most; the target loss of the run
            ends them, too.
        planes: filter-normalised planes through the end; plane k is drawn by seed k,
            the same for every network.
        points: of a grid, along either axis.
        span: half the width of a plane, in units of its directions.
        probes: random directions behind the trace and the mean curvatures.
        exact: whether the mean curvature that random planes should see is computed,
            too, from the whole diagonal of the Hessian.
    """

    engine: ClassVar[str] = "flatminima.runs.landscape.view"
    """The module that runs it; see `runs.kind.Engine`."""

    begin: Literal["drawn", "spoiled", "lengthened"] = "drawn"
    spoil_steps: Count = 2000
    planes: Annotated[int, Field(ge=1, le=100, strict=True)] = 2
    points: Points = 25
    span: Positive = 1.0
    probes: Annotated[int, Field(ge=2, le=10**5, strict=True)] = 64
    exact: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.begin == "drawn":
            refuse_unused(self, "spoil_steps", "begin = 'drawn' spoils nothing")
        elif self.net.label_shuffle > 0:
            raise ValueError(
                f"net.label_shuffle = {self.net.label_shuffle}: must be 0 for begin = "
                f"{self.begin!r}, whose first run redraws all labels"
            )
        return self


class PathConfig(_AroundNets):
    """Three networks are trained, and paths between their ends are looked at.

    The second network has another start and another order of examples; the third has
    the start of the first and that order. The data are the same.

    Attributes:
        net: the first training run, of an MLP without batch norm, whose statistics no
            path carries along.
        second: where the second network starts, "drawn" or "spoiled", as in
            `ViewConfig.begin`.
        spoil_steps: as in `ViewConfig`.
        points: on a path, both ends included.
        bends: inner control points of the curve.
        curve_steps: updates of the curve.
        curve_lr: its learning rate, of Adam.
        curve_batch: examples of an update, or "full".
    """

    engine: ClassVar[str] = "flatminima.runs.landscape.connect"
    """The module that runs it; see `runs.kind.Engine`."""

    second: Literal["drawn", "spoiled"] = "drawn"
    spoil_steps: Count = 2000
    points: Points = 41
    bends: Annotated[int, Field(ge=1, le=20, strict=True)] = 1
    curve_steps: Annotated[int, Field(ge=0, le=10**7, strict=True)] = 1000
    curve_lr: Positive = 0.01
    curve_batch: Literal["full"] | Count = 128

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.second == "drawn":
            refuse_unused(self, "spoil_steps", "second = 'drawn' spoils nothing")
        if self.net.net != "mlp":
            raise ValueError(
                f"net.net = {self.net.net!r}: must be 'mlp', whose units are matched"
            )
        if self.net.norm == "batch":
            raise ValueError(
                "net.norm = 'batch': must be another, since the statistics of the "
                "data are not on a path between two networks"
            )
        if self.net.batch == "full":
            raise ValueError(
                "net.batch = 'full': must be below net.n, since the third network "
                "differs from the first in the order of examples alone"
            )
        return self
