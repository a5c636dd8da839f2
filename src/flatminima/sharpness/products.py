"""Products of a torch model's Hessian and Gauss-Newton matrix with vectors.

Both are scipy `LinearOperator`s, so that scipy's solvers take them. They keep the graph
of the gradient: a product is one more backward pass through it, and many products at
once are one vectorised pass. No matrix of D x D is formed.

The Hessian is that of L = (1/n) sum l(f_i, y_i), the mean over examples. The
Gauss-Newton matrix is G = (1/n) sum J_i^T H_i J_i, with J_i the Jacobian of the outputs
of example i and H_i the Hessian of its loss over its outputs (Schraudolph 2002). They
differ by (1/n) sum_ic (dl/df_ic) Hess f_ic, which vanishes where the loss is
interpolated. Double backward follows Pearlmutter, "Fast exact multiplication by the
Hessian", Neural Computation 6 (1994).
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from flatminima.checks import at_least
from flatminima.sharpness.landscape import (
    Criterion,
    Landscape,
    cross_entropy,
    logistic,
    squared,
)
from flatminima.sharpness.per_example import check_apart

AT_ONCE = 64
"""Vectors that one vectorised pass takes, unless told otherwise."""


class Products(LinearOperator):
    """A symmetric matrix known by its products.

    Attributes:
        count: products so far, each with one vector.
        at_once: vectors that one vectorised pass takes, which bounds memory.
    """

    def __init__(
        self, size: int, rows: Callable[[Tensor], Tensor], at_once: int = AT_ONCE
    ) -> None:
        """Keep a function from vectors (m, D) to their products (m, D)."""
        at_least("at_once", at_once, 1)
        super().__init__(dtype=np.dtype(np.float64), shape=(size, size))
        self._rows = rows
        self.at_once = at_once
        self.count = 0

    def _matmat(self, columns: Float[np.ndarray, "D m"]) -> Float[np.ndarray, "D m"]:
        vectors = torch.from_numpy(np.ascontiguousarray(columns.T, dtype=np.float64))
        self.count += len(vectors)
        parts = [self._rows(part) for part in vectors.split(self.at_once)]
        return torch.cat(parts).numpy().T

    def _matvec(self, vector: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return self._matmat(vector.reshape(-1, 1)).reshape(vector.shape)

    def _adjoint(self) -> "Products":
        return self

    _transpose = _adjoint


def hessian(
    at: Landscape, *, examples: int | None = None, at_once: int = AT_ONCE
) -> Products:
    """Hess L as an operator.

    Args:
        at: model, data and point.
        examples: whose graph is held at a time; all by default. Fewer take less
            memory, but the graph is built anew for every pass.
        at_once: vectors a pass.
    """

    def build(part: Landscape) -> Callable[[Tensor], Tensor]:
        theta = part.theta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(
            part.loss(theta), theta, create_graph=True, materialize_grads=True
        )
        return lambda vectors: backward(gradient, theta, vectors)

    return Products(at.size, in_parts(at, examples, build), at_once)


def gauss_newton(
    at: Landscape, *, examples: int | None = None, at_once: int = AT_ONCE
) -> Products:
    """G = (1/n) sum J_i^T H_i J_i as an operator; arguments as for `hessian`.

    Forward derivatives J v are the backward pass of u -> J^T u.
    """

    def build(part: Landscape) -> Callable[[Tensor], Tensor]:
        theta = part.theta.detach().requires_grad_()
        f = part.outputs(theta)
        inner = output_hessian(part.criterion, f.detach(), part.y) / part.n
        dual = torch.zeros_like(f, requires_grad=True)
        (pulled,) = torch.autograd.grad(
            f, theta, dual, create_graph=True, materialize_grads=True
        )

        def rows(vectors: Tensor) -> Tensor:
            forward = backward(pulled, dual, vectors)
            outer = torch.einsum("nab,mnb->mna", inner, forward)
            return backward(f, theta, outer)

        return rows

    return Products(at.size, in_parts(at, examples, build), at_once)


def in_parts(
    at: Landscape,
    examples: int | None,
    build: Callable[[Landscape], Callable[[Tensor], Tensor]],
) -> Callable[[Tensor], Tensor]:
    """Products summed over parts of the data, weighted by their shares.

    Raises:
        ValueError: if an output depends on more than its own example.
    """
    if examples is not None:
        at_least("examples", examples, 1)
    if examples is None or examples >= at.n:
        return build(at)
    check_apart(at.subset(slice(0, max(2, examples))))

    def rows(vectors: Tensor) -> Tensor:
        total = torch.zeros_like(vectors)
        for part in parts(at, examples):
            total += build(part)(vectors) * (part.n / at.n)
        return total

    return rows


def parts(at: Landscape, examples: int) -> Iterator[Landscape]:
    """The landscapes of consecutive parts of the data."""
    for start in range(0, at.n, examples):
        yield at.subset(slice(start, start + examples))


def backward(
    outputs: Tensor, inputs: Tensor, cotangents: Float[Tensor, "m ..."]
) -> Float[Tensor, "m ..."]:
    """J^T u for every u at once, and 0 where nothing depends on the inputs."""
    if not outputs.requires_grad:
        return torch.zeros(len(cotangents), *inputs.shape, dtype=inputs.dtype)
    many = len(cotangents) > 1  # one alone is quicker without a batch
    (pulled,) = torch.autograd.grad(
        outputs,
        inputs,
        cotangents if many else cotangents[0],
        retain_graph=True,
        is_grads_batched=many,
        materialize_grads=True,
    )
    return pulled if many else pulled[None]


def output_hessian(
    criterion: Criterion, f: Float[Tensor, "n k"], y: Tensor
) -> Float[Tensor, "n k k"]:
    """H_i, the Hessian of the loss of an example over its outputs.

    2 I for the squared loss, which has no 1/2; diag(p) - p p^T for the cross entropy
    of softmax p; s (1 - s) for the logistic loss, s = sigmoid(f); automatic
    differentiation for any other.
    """
    n, k = f.shape
    if criterion is squared:
        return 2 * torch.eye(k, dtype=f.dtype).expand(n, k, k)
    if criterion is cross_entropy:
        p = f.softmax(dim=1)
        return torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    if criterion is logistic:
        s = f.sigmoid()
        return (s * (1 - s))[:, :, None]

    def one(outputs: Tensor, target: Tensor) -> Tensor:
        return criterion(outputs[None], target[None]).sum()

    return torch.func.vmap(torch.func.hessian(one))(f, y)


def output_factor(
    criterion: Criterion, f: Float[Tensor, "n k"], y: Tensor
) -> tuple[Float[Tensor, "n k r"], Float[Tensor, "n r"]]:
    """S_i and signs with H_i = S_i diag(signs_i) S_i^T.

    sqrt(2) I for the squared loss; diag(sqrt p) - p sqrt(p)^T for the cross entropy;
    sqrt(s (1 - s)) for the logistic loss; an eigendecomposition for any other, whose
    H_i may have negative eigenvalues, and so negative signs.
    """
    n, k = f.shape
    ones = torch.ones(n, k, dtype=f.dtype)
    if criterion is cross_entropy:
        p = f.softmax(dim=1)
        root = p.sqrt()
        return torch.diag_embed(root) - p[:, :, None] * root[:, None, :], ones
    inner = output_hessian(criterion, f, y)
    if criterion in (squared, logistic):
        return inner.sqrt(), ones  # diagonal
    values, vectors = torch.linalg.eigh(inner)
    rounding = values.abs().amax(dim=1, keepdim=True) * k * torch.finfo(f.dtype).eps
    values = torch.where(values.abs() > rounding, values, 0.0)
    return vectors * values.abs().sqrt()[:, None, :], values.sign()
