"""The orders of a method, proved: which conditions hold, and the first ones that do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import sqrt
from typing import Any, NamedTuple

from expint.arguments import instance
from expint.derive.algebra.phisum import Exact, PhiSum, phi
from expint.derive.kinds.stage import BY_NAME, Method
from expint.derive.orders.classical import ElementaryWeights, classical_statement
from expint.derive.orders.linearised import LinearisedResiduals, linearised_classical_trees, linearised_stiff_trees
from expint.derive.orders.report import PROVED_UP_TO, Condition, OrderReport
from expint.derive.orders.scheme import UNKNOWN, Certified, Scheme, schemes_of
from expint.derive.orders.stiff import StiffResiduals, stiff_statement
from expint.derive.orders.trees import ColouredTree, StiffTree, coloured_trees, stiff_trees

__all__ = ["Condition", "OrderReport", "check_orders", "stiff_violations"]


class _Rules(NamedTuple):
    """Which conditions there are: those for any L, or those for L = J_n."""

    classical: Callable[[int], tuple[ColouredTree, ...]]
    stiff: Callable[[int], tuple[StiffTree, ...]]
    residuals: type[StiffResiduals]


_ANY_L = _Rules(coloured_trees, stiff_trees, StiffResiduals)
_JACOBIAN = _Rules(linearised_classical_trees, linearised_stiff_trees, LinearisedResiduals)


def check_orders(
    method: Method | Scheme, max_order: int = PROVED_UP_TO, history: Sequence[Exact] | None = None
) -> OrderReport:
    """Prove the orders of a method and of its embedded solution, up to ``max_order``.

    All decisions are exact. Coefficients may contain sympy symbols; a condition then holds if it holds identically.

    Parameters
    ----------
    method
        A tableau, a scheme, or any method whose recipe is exact for an exact history. Methods that linearise at every
        step are held to the conditions for L = J_n, which are fewer. Splittings and methods for A(t) are proved in
        words instead, up to one order above their own, whatever ``max_order`` is.
    max_order
        Up to which order to look.
    history
        For multistep methods the positions of the remembered values of N in units of the step, newest first; by default
        those of uniform steps, 0, -1, -2, …

    Raises
    ------
    ValueError
        If ``max_order`` is not a positive integer, or two nodes of ``history`` are the same.
    TypeError
        If the coefficients of the method are floats, or it is no method.

    Examples
    --------
    >>> import expint
    >>> report = check_orders(expint.method("krogstad4"))
    >>> report.order, report.stiff_order, report.weak_stiff_order
    (4, 3, 3)
    """
    if not isinstance(max_order, int) or max_order < 1:
        raise ValueError(f"expected max_order to be an integer ≥ 1, received {max_order!r}")
    nodes = () if history is None else tuple(history)
    for node in nodes:
        if nodes.count(node) > 1:
            raise ValueError(
                f"expected a history at different nodes, received {node} twice among {', '.join(map(str, nodes))}"
            )
    if not hasattr(method, "recipe"):
        instance("method", method, Scheme, "a method or a scheme", BY_NAME)
    if isinstance(method, Scheme):
        return _report("scheme", method, max_order, _ANY_L)
    schemes = schemes_of(method, history)
    if schemes is None:
        own: OrderReport = method.orders  # type: ignore[attr-defined]  # those without schemes know them
        return own
    rules, known = _rules(method), schemes.certified
    embedded = None
    if schemes.embedded is not None:
        embedded = _report(f"{method.name}, embedded", schemes.embedded, max_order, rules, known[1])
    report = _report(method.name, schemes.solution, max_order, rules, known[0])
    return replace(report, is_fsal=schemes.is_fsal, embedded=embedded)


def _rules(method: Any) -> _Rules:
    return _JACOBIAN if getattr(method, "linearises", False) else _ANY_L


def stiff_violations(tableau: Any, order: int, weak: bool) -> tuple[Condition, ...]:
    """Return the stiff conditions of one order that the solution of a tableau violates, in the strong or weak form."""
    scheme, rules = tableau.schemes().solution, _rules(tableau)
    rows = () if rules is _JACOBIAN else _row_sums(scheme)
    return _stiff(rules.residuals(scheme), rows, order, rules, weak)


def _report(name: str, scheme: Scheme, max_order: int, rules: _Rules, certified: Certified = UNKNOWN) -> OrderReport:
    residuals = rules.residuals(scheme)
    rows = _row_sums(scheme)
    row_sums = not rows and sum(scheme.b, PhiSum()) == phi(1)
    order, violated, constant = _classical(scheme, max_order, row_sums, rules, certified)
    required = () if rules is _JACOBIAN else rows  # linearised, a stage may leave a defect as small as h²
    stiff, violated_stiff = _strong(residuals, required, max_order, rules)
    # the weak form relaxes only the highest order, so it gains one order or none
    violated_weak = _stiff(residuals, required, stiff + 1, rules, weak=True) if violated_stiff else ()
    gains = bool(violated_stiff) and not violated_weak
    return OrderReport(
        name=name,
        order=order,
        stiff_order=stiff,
        weak_stiff_order=stiff + 1 if gains else stiff,
        row_sums=row_sums,
        is_fsal=False,
        error_constant=constant,
        violated=violated,
        violated_stiff=violated_stiff,
        violated_weak=violated_stiff if gains else violated_weak,
        max_order=max_order,
    )


def _row_sums(scheme: Scheme) -> tuple[Condition, ...]:
    """Return the stages with ψ_{1,i} = c_i φ_1(c_i z) - Σ_j a_ij ≠ 0; conditions of order 2."""
    defects = [PhiSum() if row is None else c * phi(1, c) - sum(row, PhiSum()) for c, row in zip(scheme.c, scheme.a)]
    return tuple(Condition(2, rf"\psi_{{1,{i + 1}}} = 0", defect) for i, defect in enumerate(defects) if defect)


def _classical(
    scheme: Scheme, max_order: int, row_sums: bool, rules: _Rules, certified: Certified
) -> tuple[int, tuple[Condition, ...], float | None]:
    """Return the classical order, the violated conditions of the next, and the error constant."""
    weights = ElementaryWeights(scheme, max_order)
    remembered = all(row is None for row in scheme.a)
    for order in range(certified.order + 1, max_order + 1):
        residuals = {tree: weights.residual(tree) for tree in rules.classical(order)}
        violated = {tree: residual for tree, residual in residuals.items() if _fails(residual, certified.slack)}
        if violated:
            conditions = {
                statement: Condition(order, statement, residual, tree)
                for tree, residual in reversed(violated.items())
                for statement in [classical_statement(tree, row_sums, remembered)]
            }
            constant = None
            if not any(hasattr(residual, "free_symbols") for residual in violated.values()):
                constant = sqrt(sum(float(residual / tree.symmetry) ** 2 for tree, residual in violated.items()))
            return order - 1, tuple(reversed(conditions.values())), constant
    return max_order, (), None


def _fails(residual: Exact, slack: Fraction) -> bool:
    return abs(residual) > slack if slack else bool(PhiSum({(0, 0): residual}))


def _strong(
    residuals: StiffResiduals, rows: tuple[Condition, ...], max_order: int, rules: _Rules
) -> tuple[int, tuple[Condition, ...]]:
    """Return the stiff order in the strong form, and the violated conditions of the next."""
    for order in range(1, max_order + 1):
        violated = _stiff(residuals, rows, order, rules, weak=False)
        if violated:
            return order - 1, violated
    return max_order, ()


def _stiff(
    residuals: StiffResiduals, rows: tuple[Condition, ...], order: int, rules: _Rules, weak: bool
) -> tuple[Condition, ...]:
    """Return the violated stiff conditions of one order; those on row sums and ψ_1 have no weak form."""
    weak = weak and order > 1
    found = [
        Condition(order, stiff_statement(tree, weak), residual, tree)
        for tree in rules.stiff(order)
        if (residual := residuals.residual(tree, weak))
    ]
    return (*found, *rows) if order == 2 else tuple(found)
