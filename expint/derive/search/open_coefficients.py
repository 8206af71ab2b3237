"""Open coefficients: sums of φ-functions with unknown factors, for ``solve_conditions`` to find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from expint.arguments import text
from expint.derive.algebra.exact_lists import exact_list, functions_list, indices
from expint.derive.algebra.phisum import Exact, PhiSum
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["ansatz", "open_tableau"]


def ansatz(name: str, functions: Iterable[tuple[int, Exact]]) -> PhiSum:
    """Return Σ_m x_m φ_k(cz) over the pairs (k, c) in ``functions``; the unknowns are called ``name_0``, ``name_1``.

    Examples
    --------
    >>> from expint.derive import ansatz
    >>> print(ansatz("b", [(1, 1), (2, 1)]))
    (b_0)φ₁ + (b_1)φ₂
    """
    import sympy

    given = functions_list("functions", functions)
    return PhiSum({key: sympy.Symbol(f"{text('name', name)}_{m}") for m, key in enumerate(given)})


def open_tableau(
    nodes: Sequence[Exact], stages: Sequence[int] = (2,), weights: Sequence[int] = (2, 3), name: str = "ansatz"
) -> Tableau:
    r"""Return the explicit tableau on given nodes with all coefficients open; the row sums give the first column.

    .. math:: a_{ij} = \sum_k x_{ijk} \varphi_k(c_i z), \qquad b_i = \sum_k y_{ik} \varphi_k(z)

    Parameters
    ----------
    nodes
        The nodes, the first of them 0; exact numbers, or sympy symbols for a family.
    stages, weights
        The indices k of the φ-functions in the stages and in the weights.
    name
        The name of the tableau.

    Raises
    ------
    ValueError
        If the first node is not 0.
    TypeError
        If a node is a float.

    Examples
    --------
    >>> from expint.derive import solve_conditions
    >>> solve_conditions(open_tableau((0, 1), weights=(1, 2)), 2, weak=False).members[0].b
    (PhiSum(φ₁ - φ₂), PhiSum(φ₂))
    """
    c = exact_list("nodes", nodes)
    stages, weights = indices("stages", stages, 170), indices("weights", weights, 170)
    rows: list[tuple[object, ...]] = [()]
    for i, node in enumerate(c[1:], start=2):
        rows.append((REST, *(ansatz(f"a{i}{j}", [(k, node) for k in stages]) for j in range(2, i))))
    b = (REST, *(ansatz(f"b{i}", [(k, 1) for k in weights]) for i in range(2, len(c) + 1)))
    return Tableau(name=name, c=tuple(c), a=tuple(rows), b=b)
