"""What the tables of sums are made of: a rule for each kind of operator, and arithmetic that the rules share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from expint.operators.base import Operator
from expint.operators.iterated import IteratedOperator

__all__ = ["Commutators", "Rule", "combined", "no_sum", "options", "total"]

Commutators: TypeAlias = Sequence[tuple[int, int, float]]
"""The triples (i, j, β) of β [A_i, A_j]."""


class Rule(NamedTuple):
    """How operators of one kind add up; each function returns None where the sum is no operator of one kind.

    Attributes
    ----------
    combine
        (f, A, commutators) ↦ Σ f_i A_i + Σ β [A_i, A_j] for operators A_i of the kind.
    with_number
        (A, number) ↦ A + number · 1.
    with_symbol
        (A, symbol) ↦ A + elementwise multiplication by the symbol.
    """

    combine: Callable[[Sequence[float], Sequence[Any], Commutators], Operator | None]
    with_number: Callable[[Any, complex], Operator | None]
    with_symbol: Callable[[Any, np.ndarray], Operator | None]


def options(operators: Sequence[Operator]) -> dict[str, Any]:
    """Return the options of a sum of operators applied by iterations: the strictest of what was asked for."""
    iterated = [operator for operator in operators if isinstance(operator, IteratedOperator)]
    actions = {operator.action for operator in iterated}
    return {
        "action": actions.pop() if len(actions) == 1 else "auto",
        "tolerance": min((own.tolerance for own in iterated if own.tolerance is not None), default=None),
        "basis": max((own.basis for own in iterated), default=100),
    }


def no_sum(*_: Any) -> None:
    """Return None: no operator of one kind."""


def total(factors: Sequence[float], values: Sequence[Any]) -> Any:
    """Return Σ f_i v_i without those of factor 0."""
    used = [(factor, value) for factor, value in zip(factors, values) if factor] or [(0.0, values[0])]
    return reduce(_broadcast_sum, [factor * value for factor, value in used])


def combined(
    factors: Sequence[float],
    values: Sequence[np.ndarray],
    commutators: Commutators,
    multiply: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return Σ f_i v_i + Σ β [v_i, v_j]."""
    found: np.ndarray = total(factors, values)
    for i, j, beta in commutators:
        found = found + beta * (multiply(values[i], values[j]) - multiply(values[j], values[i]))
    return found


def _broadcast_sum(a: Any, b: Any) -> Any:
    try:
        return a + b
    except ValueError as error:
        raise ValueError(
            f"expected symbols that broadcast against each other, received shapes {a.shape} and {b.shape}"
        ) from error
