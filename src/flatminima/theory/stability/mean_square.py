"""When SGD is stable in mean square at a minimum of every example's loss.

Near such a minimum an update is z' = (I - lr H_B) z, H_B the mean Hessian of a batch.
The batch holds b of n examples, drawn without replacement and independently of all
earlier ones. The second moment S = E[z z^T] then moves by the linear map

    S' = (I - lr H) S (I - lr H) + lr^2 c [mean_i H_i S H_i - H S H],
    c  = (n - b) / (b (n - 1)),

which is the spectral condition on (I - lr H) x (I - lr H) + lr^2 c [mean_i H_i x H_i -
H x H] (Wu, Ma and E 2018; Ma and Ying 2021), as an operator on symmetric matrices: no
matrix of D^2 rows is formed. The map is self-adjoint in the inner product Tr(S T) and
keeps positive matrices positive, so its spectral radius is its largest eigenvalue.

Write it as S - lr A(S) + lr^2 B(S), with A(S) = H S + S H and
B(S) = (1 - c) H S H + c mean_i H_i S H_i. All eigenvalues are at most 1 if and only if
lr B <= A, so the exact threshold is one over the largest eigenvalue of
A^-1/2 B A^-1/2. Mulayoff and Michaeli (2024) have the same number as a closed form.
What moves within the null space of H never comes back and never grows; it is left out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from flatminima.theory.stability.checks import above_zero, batch_within

RANK_TOLERANCE = 1e-10
"""Eigenvalues of H below this share of the largest count as 0."""

LEAK_TOLERANCE = 1e-6
"""Share of a factor's length that may lie outside the range of H."""

DENSE = 12
"""Entries of a symmetric matrix up to which its operator is written out."""


@dataclass(frozen=True)
class Minimum:
    """The Hessians of the examples at a minimum, in the eigenbasis of their mean.

    H_i = factors_i^T diag(signs_i) factors_i on the range of H, of dimension r.

    Attributes:
        eigenvalues: those of H above 0, ascending, shape (r,).
        basis: their eigenvectors, one a column, shape (D, r).
        factors: shape (n, k, r).
        signs: 1 or -1 for every factor, shape (n, k).
        leaks: whether some H_i is not 0 on the null space of H. Noise then enters
            directions without any pull, and no learning rate is stable.
    """

    eigenvalues: Float[np.ndarray, " r"]
    basis: Float[np.ndarray, "D r"]
    factors: Float[np.ndarray, "n k r"]
    signs: Float[np.ndarray, "n k"]
    leaks: bool

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.factors)

    @property
    def lambda_max(self) -> float:
        """Largest eigenvalue of H."""
        return float(self.eigenvalues[-1])

    def spread(self, s: Float[np.ndarray, "r r"]) -> Float[np.ndarray, "r r"]:
        """mean_i H_i S H_i, in O(n k r^2 + n k^2 r)."""
        flat = self.factors.reshape(-1, self.factors.shape[-1])
        half = (flat @ s).reshape(self.factors.shape)
        inner = np.einsum("nar,nbr->nab", half, self.factors)
        inner *= self.signs[:, :, None] * self.signs[:, None, :]
        left = np.einsum("nab,nbr->nar", inner, self.factors).reshape(flat.shape)
        found = flat.T @ left / self.n
        return (found + found.T) / 2


def from_factors(
    factors: Float[np.ndarray, "n k D"],
    signs: Float[np.ndarray, "n k"] | None = None,
) -> Minimum:
    """The minimum whose examples have the Hessians factors_i^T diag(signs_i) factors_i.

    A linear model with the loss (1/2) (x_i.theta - y_i)^2 has the one factor x_i. A
    network with the loss (f - y)^2 that fits its data has sqrt(2) grad f(x_i).

    Args:
        factors: k vectors an example, shape (n, k, D).
        signs: 1 or -1 each; all 1 if not given.

    Returns:
        The minimum, in the eigenbasis of the mean Hessian.

    Raises:
        ValueError: if the shapes do not fit, if a number is not finite, or if the mean
            Hessian has an eigenvalue below 0 or is 0: then the point is no minimum, or
            no learning rate is too large for it.
    """
    factors = np.asarray(factors, dtype=float)
    if factors.ndim != 3 or not factors.size:
        raise ValueError(f"factors of shape {factors.shape}: must be (n, k, D)")
    signs = np.ones(factors.shape[:2]) if signs is None else np.asarray(signs, float)
    if signs.shape != factors.shape[:2] or not np.isin(signs, (-1.0, 1.0)).all():
        raise ValueError(f"signs: must be 1 or -1, of shape {factors.shape[:2]}")
    if not np.isfinite(factors).all():
        raise ValueError("factors: must be finite")
    flat = factors.reshape(-1, factors.shape[-1])
    values, vectors = np.linalg.eigh(flat.T * signs.reshape(-1) @ flat / len(factors))
    cut = RANK_TOLERANCE * np.abs(values).max()
    if values[0] < -cut or values[-1] <= 0:
        raise ValueError(
            f"factors: their mean Hessian has eigenvalues from {values[0]:.3g} to "
            f"{values[-1]:.3g}; none may be below 0, and one must be above"
        )
    basis = vectors[:, values > cut]
    inside = factors @ basis
    outside = np.linalg.norm(flat) ** 2 - np.linalg.norm(inside) ** 2
    leaks = bool(outside > LEAK_TOLERANCE**2 * np.linalg.norm(flat) ** 2)
    return Minimum(values[values > cut], basis, inside, signs, leaks)


def from_hessians(hessians: Float[np.ndarray, "n D D"]) -> Minimum:
    """The minimum whose examples have these Hessians, which need not be positive.

    Args:
        hessians: symmetric, shape (n, D, D).

    Raises:
        ValueError: as for `from_factors`, and if a Hessian is not symmetric.
    """
    hessians = np.asarray(hessians, dtype=float)
    if hessians.ndim != 3 or not np.allclose(hessians, hessians.swapaxes(1, 2)):
        raise ValueError(
            f"hessians of shape {hessians.shape}: must be (n, D, D) and symmetric"
        )
    values, vectors = np.linalg.eigh(hessians)
    factors = np.sqrt(np.abs(values))[:, :, None] * vectors.swapaxes(1, 2)
    return from_factors(factors, np.where(values < 0, -1.0, 1.0))


def noise_share(n: int, batch: int) -> float:
    """c = (n - b) / (b (n - 1)): what sampling leaves of one example's variance.

    Args:
        n: examples.
        batch: b, how many are drawn without replacement.

    Raises:
        ValueError: if the batch is not from 1 to n.

    >>> noise_share(100, 1), noise_share(100, 100)
    (1.0, 0.0)
    """
    batch_within(batch, n)
    return 0.0 if batch == n else (n - batch) / (batch * (n - 1))


def operator(minimum: Minimum, lr: float, batch: int) -> LinearOperator:
    """One step of the second moment, on symmetric matrices packed as vectors.

    The packing keeps the inner product: the diagonal, then sqrt(2) times the upper
    triangle. So the operator is symmetric.

    Args:
        minimum: Hessians of the examples.
        lr: learning rate, above 0.
        batch: examples a step.

    Returns:
        An operator on vectors of r (r + 1) / 2 entries; see `pack` and `unpack`.

    Raises:
        ValueError: if the learning rate or the batch size is out of range.
    """
    above_zero("lr", lr)
    share = noise_share(minimum.n, batch)
    keep = 1 - lr * minimum.eigenvalues
    both = np.multiply.outer(keep, keep)
    pull = np.multiply.outer(minimum.eigenvalues, minimum.eigenvalues)

    def step(packed: np.ndarray) -> np.ndarray:
        s = unpack(np.ravel(packed))
        return pack((both - lr**2 * share * pull) * s + lr**2 * share * spread(s))

    spread = minimum.spread if share else np.zeros_like
    size = len(keep) * (len(keep) + 1) // 2
    return LinearOperator((size, size), matvec=step, dtype=np.float64)


def growth(minimum: Minimum, lr: float, batch: int) -> float:
    """Spectral radius of `operator`: by what E|z|^2 grows a step, at last.

    SGD is stable in mean square if and only if it is at most 1. Where noise leaks into
    the null space of H nothing bounds it, and this is infinite.

    Args:
        minimum, lr, batch: as for `operator`.

    Raises:
        ValueError: as for `operator`.
    """
    found = _largest(operator(minimum, lr, batch))
    leaking = minimum.leaks and batch < minimum.n
    return np.inf if leaking else found


def threshold(minimum: Minimum, batch: int) -> float:
    """The exact largest learning rate at which SGD is stable in mean square.

    Args:
        minimum: Hessians of the examples.
        batch: examples a step.

    Returns:
        The learning rate at which `growth` is 1; 2 / lambda_max for a batch of all
        examples, and 0 where noise leaks into the null space of H.

    Raises:
        ValueError: if the batch size is out of range.
    """
    share = noise_share(minimum.n, batch)
    if minimum.leaks and share:
        return 0.0
    values = minimum.eigenvalues
    root = np.sqrt(np.add.outer(values, values))
    pull = np.multiply.outer(values, values)
    spread = minimum.spread if share else np.zeros_like

    def quotient(packed: np.ndarray) -> np.ndarray:
        s = unpack(np.ravel(packed)) / root
        return pack(((1 - share) * pull * s + share * spread(s)) / root)

    size = len(values) * (len(values) + 1) // 2
    found = LinearOperator((size, size), matvec=quotient, dtype=np.float64)
    return 1 / _largest(found)


def sufficient_threshold(minimum: Minimum, batch: int) -> float:
    """The learning rate up to which the condition of Wu, Ma and E (2018) holds.

    lambda_max((I - lr H)^2 + lr^2 c Sigma) <= 1, Sigma = mean_i H_i^2 - H^2, bounds
    E|z'|^2 by E|z|^2 at every step. That is sufficient for stability and not necessary:
    the square may grow from some z and still shrink in the long run. It is
    lr H_2 <= 2 H, H_2 = (1 - c) H^2 + c mean_i H_i^2.

    Args:
        minimum, batch: as for `threshold`.

    Returns:
        The learning rate, at most `threshold`; 0 where noise leaks.

    Raises:
        ValueError: if the batch size is out of range.
    """
    share = noise_share(minimum.n, batch)
    if minimum.leaks and share:
        return 0.0
    values = minimum.eigenvalues
    squares = (1 - share) * np.diag(values**2)
    squares += share * minimum.spread(np.eye(len(values)))
    root = np.sqrt(values)
    return float(2 / np.linalg.eigvalsh(squares / np.multiply.outer(root, root))[-1])


def pack(s: Float[np.ndarray, "r r"]) -> Float[np.ndarray, " packed"]:
    """A symmetric matrix as a vector of the same norm."""
    upper = np.triu_indices(len(s), 1)
    return np.concatenate([np.diag(s), np.sqrt(2) * s[upper]])


def unpack(packed: Float[np.ndarray, " packed"]) -> Float[np.ndarray, "r r"]:
    """The inverse of `pack`."""
    r = (int(np.sqrt(8 * len(packed) + 1)) - 1) // 2
    s = np.zeros((r, r))
    s[np.triu_indices(r, 1)] = packed[r:] / np.sqrt(2)
    s += s.T
    np.fill_diagonal(s, packed[:r])
    return s


def _largest(symmetric: LinearOperator) -> float:
    size = symmetric.shape[0]
    if size <= DENSE:
        return float(np.linalg.eigvalsh(symmetric @ np.eye(size))[-1])
    start = pack(np.eye((int(np.sqrt(8 * size + 1)) - 1) // 2))
    found = eigsh(symmetric, k=1, which="LA", v0=start, return_eigenvectors=False)
    return float(found[0])
