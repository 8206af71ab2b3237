"""Interpolation polynomials in any polynomial clock, and their exact integrals against the exponential."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from math import factorial
from numbers import Real
from typing import Any

from expint.arguments import listed
from expint.derive.algebra.exact_lists import exact_list
from expint.derive.algebra.phisum import Exact, PhiSum, exact

__all__ = ["adams_weights", "collocation_weights", "lagrange_coefficients"]


def lagrange_coefficients(nodes: Sequence[Any]) -> list[list[Any]]:
    r"""Return for each Lagrange polynomial ℓ_j of ``nodes`` its monomial coefficients, lowest first.

    The arithmetic is that of the nodes: exact for Fractions and sympy expressions, floating for floats.

    Raises
    ------
    ValueError
        If a node occurs twice.
    TypeError
        If a node is no real number and no sympy expression, or the nodes are no sequence.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from expint.derive import lagrange_coefficients
    >>> [[str(c) for c in row] for row in lagrange_coefficients([Fraction(0), Fraction(1)])]
    [['1', '-1'], ['0', '1']]
    """
    nodes = nodes if isinstance(nodes, list | tuple) else listed("nodes", nodes, "numbers", least=0)
    for node in nodes:
        if not isinstance(node, Real):
            exact(node)
    result = []
    for j, own in enumerate(nodes):
        one = own * 0 + 1  # of the arithmetic of the nodes
        coefficients, denominator = [one], one
        for i, other in enumerate(nodes):
            if i != j and own == other:
                raise ValueError(f"expected different nodes, received {own} twice among {', '.join(map(str, nodes))}")
            if i != j:
                shifted, lowered = [0, *coefficients], [-other * a for a in coefficients] + [0]
                coefficients = [a + b for a, b in zip(shifted, lowered)]
                denominator = denominator * (own - other)
        result.append([a / denominator for a in coefficients])
    return result


def collocation_weights(nodes: Sequence[Any], end: Any = 1) -> list[PhiSum]:
    r"""Return the exact weights w_j = ∫_0^c e^{(c-θ)z} ℓ_j(θ) dθ for exact ``nodes``, c = ``end``.

    With ℓ_j(θ) = Σ_m a_m θ^m each is Σ_m a_m m! c^{m+1} φ_{m+1}(cz).

    Raises
    ------
    ValueError
        If a node occurs twice.
    TypeError
        If a number is a float, or no number.

    Examples
    --------
    >>> from expint.derive import collocation_weights
    >>> [str(weight) for weight in collocation_weights([0, 1])]
    ['φ₁ - φ₂', 'φ₂']
    """
    c = exact(end)
    return [_integral(row, c) for row in lagrange_coefficients(exact_list("nodes", nodes))]


def adams_weights(nodes: Sequence[Exact], clock: Sequence[Exact] = (0, 1), end: Exact = 1) -> tuple[PhiSum, ...]:
    r"""Return the exact weights of y_n + h ∫_0^c e^{(c-θ)z} p(χ(θ)) dθ, where p interpolates values of N in a clock χ.

    .. math:: w_j(z) = \int_0^c e^{(c-\theta) z} \, \ell_j(\chi(\theta)) \, d\theta

    With nodes 0, -1, … these are exponential Adams–Bashforth, with 1 among them Adams–Moulton, on any grid.

    Parameters
    ----------
    nodes
        The positions θ_j of the values of N in units of the step, exact numbers or sympy expressions.
    clock
        The coefficients of the polynomial χ, lowest first; by default χ(θ) = θ, time.
    end
        Where the integral ends, c; by default at the end of the step.

    Raises
    ------
    ValueError
        If there are no nodes, or the clock shows the same at two of them.
    TypeError
        If a number is a float.

    Examples
    --------
    >>> adams_weights((0, -1))
    (PhiSum(φ₁ + φ₂), PhiSum(-φ₂))
    """
    places, chi, c = exact_list("nodes", nodes), exact_list("clock", clock), exact(end)
    if not places:
        raise ValueError("expected at least one node, received none")
    values = [_horner(chi, place) for place in places]
    return tuple(_integral(_horner_polynomial(row, chi), c) for row in lagrange_coefficients(values))


def _integral(polynomial: Sequence[Any], end: Any) -> PhiSum:
    """Return ∫_0^c e^{(c-θ)z} p(θ) dθ for the coefficients of p, lowest first."""
    return PhiSum({(m + 1, end): a * factorial(m) * end ** (m + 1) for m, a in enumerate(polynomial)})


def _horner(polynomial: Sequence[Any], x: Any) -> Any:
    value = Fraction(0)
    for coefficient in reversed(polynomial):
        value = value * x + coefficient
    return value


def _horner_polynomial(polynomial: Sequence[Any], inner: Sequence[Any]) -> list[Any]:
    """Return the coefficients of polynomial(inner(θ)), lowest first."""
    result: list[Any] = [Fraction(0)]
    for coefficient in reversed(polynomial):
        product: list[Any] = [Fraction(0)] * (len(result) + len(inner) - 1)
        for (i, a), (j, b) in itertools.product(enumerate(result), enumerate(inner)):
            product[i + j] = product[i + j] + a * b
        result = [product[0] + coefficient, *product[1:]]
    return result
