"""PAC-Bayes bounds as functions of numbers.

A posterior Q over parameters is fitted to m independent examples, a prior P is fixed
before they are seen, and the loss of an example lies in [0, 1]. With probability
1 - delta over the examples, for all Q at once (Maurer 2004, Theorem 5),

    kl(E_Q L_n || E_Q L_D) <= (KL(Q || P) + ln(2 sqrt(m) / delta)) / m,

where kl is the divergence of two coins. Solved for E_Q L_D this is `maurer`; with
Pinsker's kl(q || p) >= 2 (p - q)^2 it is McAllester's form, `mcallester`. Both bound
the mean loss of a draw from Q, not the loss of its centre.
"""

import math

from scipy.optimize import brentq
from scipy.special import entr, rel_entr

PRECISION = 1e-13
"""To which an inverse divergence is found."""


def binary_kl(q: float, p: float) -> float:
    """kl(q || p) = q ln(q / p) + (1 - q) ln((1 - q) / (1 - p)), in nats.

    Args:
        q, p: probabilities of heads of two coins.

    Returns:
        The divergence; infinite where p is 0 or 1 and q is not.

    Raises:
        ValueError: if one is no probability.

    >>> round(binary_kl(0.25, 0.5), 6), binary_kl(0.5, 1.0)
    (0.130812, inf)
    """
    _probability("q", q)
    _probability("p", p)
    return float(rel_entr(q, p) + rel_entr(1 - q, 1 - p))


def kl_inverse(q: float, c: float) -> float:
    """The largest p with kl(q || p) <= c.

    At q = 0 it is 1 - exp(-c). Elsewhere a root between q and the p at which
    (1 - q) ln(1 / (1 - p)) alone makes up for c and the entropy of q.

    Args:
        q: a mean loss, from 0 to 1.
        c: in nats, at least 0.

    Returns:
        A probability, at least q and at most 1.

    Raises:
        ValueError: if q is no probability or c is negative or not a number.

    >>> round(kl_inverse(0.1, 0.0), 12), round(kl_inverse(0.0, 1.0), 6)
    (0.1, 0.632121)
    """
    _probability("q", q)
    if not c >= 0:
        raise ValueError(f"c = {c!r}: must be at least 0")
    if q == 1 or math.isinf(c):
        return 1.0
    if c == 0:
        return float(q)
    entropy = float(entr(q) + entr(1 - q))
    high = -math.expm1(-(c + entropy) / (1 - q))
    if q == 0 or high >= 1:
        return high
    if binary_kl(q, high) <= c:  # c within rounding of 0
        return high
    return float(brentq(lambda p: binary_kl(q, p) - c, q, high, xtol=PRECISION))


def complexity(kl: float, m: int, delta: float) -> float:
    """(KL + ln(2 sqrt(m) / delta)) / m, what a bound allows for.

    Maurer states it for m >= 8. It rests on sum_k binom(m, k) (k/m)^k (1 - k/m)^(m-k)
    <= 2 sqrt(m), which holds from m = 1 on.

    Args:
        kl: KL(Q || P) in nats, at least 0; infinite is allowed.
        m: number of examples, at least 1.
        delta: probability with which the bound may fail, above 0 and below 1.

    Raises:
        ValueError: if one is out of range.
    """
    if not kl >= 0:
        raise ValueError(f"kl = {kl!r}: must be at least 0")
    check_sample(m, delta)
    return (kl + math.log(2 * math.sqrt(m) / delta)) / m


def mcallester(empirical: float, kl: float, m: int, delta: float) -> float:
    """E_Q L_D <= E_Q L_n + sqrt((KL + ln(2 sqrt(m) / delta)) / (2 m)).

    McAllester 1999 with the constant of Maurer 2004.

    Args:
        empirical: E_Q L_n, from 0 to 1.
        kl, m, delta: as in `complexity`.

    Returns:
        The bound, which may be above 1: then it says nothing.

    Raises:
        ValueError: if an argument is out of range.

    >>> round(mcallester(0.1, 5.0, 1000, 0.05), 4)
    0.1779
    """
    _probability("empirical", empirical)
    return empirical + math.sqrt(complexity(kl, m, delta) / 2)


def maurer(empirical: float, kl: float, m: int, delta: float) -> float:
    """The largest E_Q L_D that kl(E_Q L_n || E_Q L_D) <= `complexity` leaves.

    Seeger 2002 and Maurer 2004, Theorem 5. Never above `mcallester`, nor above 1.

    Args:
        empirical: E_Q L_n, from 0 to 1.
        kl, m, delta: as in `complexity`.

    Raises:
        ValueError: if an argument is out of range.

    >>> round(maurer(0.1, 5.0, 1000, 0.05), 4)
    0.1531
    """
    return kl_inverse(empirical, complexity(kl, m, delta))


def isotropic_kl(distance: float, sigma: float) -> float:
    """KL(N(x, sigma^2 I) || N(x0, sigma^2 I)) = |x - x0|^2 / (2 sigma^2).

    Args:
        distance: |x - x0|, at least 0.
        sigma: common standard deviation, above 0.

    Raises:
        ValueError: if one is out of range.
    """
    if not distance >= 0:
        raise ValueError(f"distance = {distance!r}: must be at least 0")
    if not sigma > 0:
        raise ValueError(f"sigma = {sigma!r}: must be above 0")
    return (distance / sigma) ** 2 / 2


def sampled(mean: float, draws: int, delta: float) -> float:
    """A mean loss of Q, from draws, with the confidence that it needs.

    E_Q L_n is known only by the mean of L_n over independent draws from Q. With
    probability 1 - delta over these, kl(mean || E_Q L_n) <= ln(2 / delta) / draws
    (Langford & Caruana 2002, Theorem 2.5), so the inverse is an upper bound of it.
    The failure adds to that of the bound it enters.

    Args:
        mean: of L_n over the draws, from 0 to 1.
        draws: number of them, at least 1.
        delta: probability with which it may fail, above 0 and below 1.

    Raises:
        ValueError: if one is out of range.

    >>> round(sampled(0.03, 150_000, 0.01), 5)
    0.03146
    """
    check_sample(draws, delta, "draws")
    return kl_inverse(mean, math.log(2 / delta) / draws)


def check_sample(m: int, delta: float, name: str = "m") -> None:
    """Refuse a number of examples below 1 and a probability outside of (0, 1).

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if not m >= 1:
        raise ValueError(f"{name} = {m!r}: must be at least 1")
    if not 0 < delta < 1:
        raise ValueError(f"delta = {delta!r}: must be above 0 and below 1")


def _probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} = {value!r}: must be from 0 to 1")
