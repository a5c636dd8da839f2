"""Any differentiable torch model, its trace differentiated by torch.func."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from flatminima.flows.factorisation import JacobianTangent
from flatminima.flows.model import Theta
from flatminima.sharpness.landscape import Landscape


@dataclass(frozen=True)
class AnyModel:
    """The outputs of a landscape, whatever its criterion.

    A model of k outputs has n k of them, each with its label. n in the loss is their
    number: L = (1/2nk) sum (f - y)^2.

    Attributes:
        landscape: model, inputs and labels; labels have as many entries as outputs.

    Raises:
        ValueError: if labels and outputs differ in number.
    """

    landscape: Landscape

    def __post_init__(self) -> None:
        outputs = self.landscape.outputs().numel()
        if self.landscape.y.numel() != outputs:
            raise ValueError(
                f"landscape: has {outputs} outputs and {self.landscape.y.numel()} "
                "labels; must have as many"
            )

    @property
    def y(self) -> Float[np.ndarray, " n"]:
        """Labels, flat."""
        return self.landscape.y.detach().double().reshape(-1).numpy()

    @property
    def start(self) -> Theta:
        """The landscape's own point."""
        return self.landscape.theta.detach().numpy().copy()

    def _outputs(self, theta: torch.Tensor) -> torch.Tensor:
        return self.landscape.outputs(theta).reshape(-1)

    def tangent(self, theta: Theta) -> JacobianTangent:
        """The model around theta, by reverse differentiation."""
        at = torch.from_numpy(np.asarray(theta, dtype=np.float64))
        f = self._outputs(at).detach().numpy()
        jacobian = torch.func.jacrev(self._outputs)(at)
        return JacobianTangent(f, jacobian.detach().numpy())

    def _trace(self, theta: torch.Tensor) -> torch.Tensor:
        jacobian = torch.func.jacrev(self._outputs)(theta)
        return jacobian.square().sum() / len(jacobian)

    def trace(self, theta: Theta) -> float:
        """(1/n) sum_i |grad f_i|^2."""
        return float(self._trace(torch.from_numpy(theta)))

    def trace_gradient(self, theta: Theta) -> Theta:
        """Its gradient, by autograd."""
        return torch.func.grad(self._trace)(torch.from_numpy(theta)).detach().numpy()
