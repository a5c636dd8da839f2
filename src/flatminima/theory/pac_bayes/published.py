"""Two published statements that tie sharpness to the test loss, as they are printed."""

import math

from flatminima.theory.pac_bayes.numbers import check_sample


def displayed_line(
    gibbs_loss: float, loss: float, norm: float, sigma: float, m: int
) -> float:
    """The right side of the talk's line, "Sharpness as a Generalization Bound".

    E_v L_n(x + v) - L_n(x) + (|x| / 2 sigma) / sqrt(2 m), v ~ N(0, sigma^2 I).

    It is said to bound the generalisation gap. It does not: it has no confidence and
    no logarithm, asks for no bounded loss, and its last term is sqrt(KL / (4 m)) for
    KL = |x|^2 / (2 sigma^2), where McAllester's bound has sqrt(KL / (2 m)).

    Args:
        gibbs_loss: E_v L_n(x + v).
        loss: L_n(x).
        norm: |x|, at least 0.
        sigma: standard deviation of v, above 0.
        m: number of examples, at least 1.

    Raises:
        ValueError: if norm, sigma or m is out of range.

    >>> displayed_line(0.5, 0.0, 0.0, 1.0, 100)
    0.5
    """
    if not norm >= 0:
        raise ValueError(f"norm = {norm!r}: must be at least 0")
    if not sigma > 0:
        raise ValueError(f"sigma = {sigma!r}: must be above 0")
    check_sample(m, 0.5)
    return gibbs_loss - loss + norm / (2 * sigma) / math.sqrt(2 * m)


def foret_complexity(
    norm_over_rho: float, num_parameters: int, n: int, delta: float
) -> float:
    """h of Foret et al. 2021: what Theorem 2 adds to the worst loss in the ball.

    sqrt((k ln(1 + (|w| / rho)^2 (1 + sqrt(ln(n) / k))^2) + 4 ln(n / delta)
    + 8 ln(6 n + 3 k)) / (n - 1))

    The theorem writes its last logarithm as O~(1); the proof, in appendix A.1, ends
    with this one. It grows with |w| / rho, as the informal Theorem 1 says, and with k.

    Args:
        norm_over_rho: |w| / rho, at least 0.
        num_parameters: k, at least 1.
        n: number of examples, at least 2.
        delta: probability with which the bound may fail, above 0 and below 1.

    Raises:
        ValueError: if an argument is out of range.

    >>> round(foret_complexity(1.0, 1000, 50_000, 0.05), 3)
    0.138
    """
    _check_foret(num_parameters, n)
    check_sample(n, delta, "n")
    if not norm_over_rho >= 0:
        raise ValueError(f"norm_over_rho = {norm_over_rho!r}: must be at least 0")
    k = num_parameters
    stretched = norm_over_rho * (1 + math.sqrt(math.log(n) / k))
    inside = k * math.log1p(stretched**2) + 4 * math.log(n / delta)
    return math.sqrt((inside + 8 * math.log(6 * n + 3 * k)) / (n - 1))


def foret(
    worst_loss: float,
    norm: float,
    rho: float,
    num_parameters: int,
    n: int,
    delta: float,
) -> float:
    """L_D(w) <= max_{|e| <= rho} L_S(w + e) + h(|w| / rho).

    Theorem 2 of Foret et al. 2021, for a loss in [0, 1], with probability 1 - delta
    over the n examples, if L_D(w) <= E_e L_D(w + e): noise in the weights must not
    lower the test loss. The theorem asks this for e ~ N(0, rho I); its proof uses it
    for the much smaller `foret_sigma`.

    Args:
        worst_loss: max_{|e| <= rho} L_S(w + e), from 0 to 1. Since the maximum is at
            least L_S(w), that gives a number which the bound is never below.
        norm: |w|.
        rho: radius, above 0.
        num_parameters, n, delta: as in `foret_complexity`.

    Returns:
        The bound, which may be above 1: then it says nothing.

    Raises:
        ValueError: if an argument is out of range.
    """
    if not 0 <= worst_loss <= 1:
        raise ValueError(f"worst_loss = {worst_loss!r}: must be from 0 to 1")
    _radius(rho)
    return worst_loss + foret_complexity(norm / rho, num_parameters, n, delta)


def foret_sigma(rho: float, num_parameters: int, n: int) -> float:
    """Standard deviation of the noise in the proof of Foret's Theorem 2.

    rho / (sqrt(k) + sqrt(ln n)): noise of that size stays within the ball of radius
    rho with probability 1 - 1 / sqrt(n) (Laurent & Massart 2000, Lemma 1).

    Args:
        rho: radius, above 0.
        num_parameters: k, at least 1.
        n: number of examples, at least 2.

    Raises:
        ValueError: if an argument is out of range.
    """
    _radius(rho)
    _check_foret(num_parameters, n)
    return rho / (math.sqrt(num_parameters) + math.sqrt(math.log(n)))


def _check_foret(num_parameters: int, n: int) -> None:
    """Refuse networks without parameters, and fewer than two examples."""
    if not num_parameters >= 1:
        raise ValueError(f"num_parameters = {num_parameters!r}: must be at least 1")
    if not n >= 2:
        raise ValueError(f"n = {n!r}: must be at least 2")


def _radius(rho: float) -> None:
    if not rho > 0:
        raise ValueError(f"rho = {rho!r}: must be above 0")
