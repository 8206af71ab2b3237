r"""Solve order conditions for coefficients: the methods within an ansatz, or the conditions that contradict each other.

An ansatz leaves coefficients of φ_k(cz) open, as in a_32 = x φ_2(c_3 z) + y φ_3(c_3 z). Every stiff condition is a sum
of products φ_{k_1}(c_1 z_1) φ_{k_2}(c_2 z_2) … that are linearly independent, so it is equivalent to polynomial
equations for x, y, …, one for each product. They are solved order by order, linear ones first; what is left goes to
Gröbner bases. Free nodes and parameters are generic: a condition that holds for special values only does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from expint.arguments import checked, instance, listed, seen
from expint.derive.algebra.algebraic import Algebraic
from expint.derive.algebra.exact_lists import functions_list, indices
from expint.derive.algebra.phisum import Exact, PhiSum
from expint.derive.algebra.printing import latex_number
from expint.derive.kinds.tableau import REST, Tableau
from expint.derive.orders.conditions import Condition, stiff_violations
from expint.derive.search.open_coefficients import ansatz

__all__ = ["Family", "solve_conditions", "solve_weights"]

Equation = Any
"""A sympy expression that should be zero."""


@dataclass(frozen=True)
class Family:
    """What the stiff order conditions leave of an ansatz.

    Attributes
    ----------
    order
        The stiff order asked for.
    weak
        Whether in the weak form.
    members
        The solutions, tableaux in which the remaining symbols are free; none if the conditions contradict each other.
    contradiction
        Conditions that cannot hold together within the ansatz, of which none can be spared; empty if there are members.
    """

    order: int
    weak: bool
    members: tuple[Tableau, ...]
    contradiction: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.members)

    @property
    def free(self) -> tuple[tuple[Any, ...], ...]:
        """The free symbols of each member."""
        return tuple(tuple(sorted(_symbols(member), key=str)) for member in self.members)

    def markdown(self) -> str:
        """Return the family, or the proof that it is empty, as Markdown."""
        wanted = f"stiff order {self.order}{' in the weak form' if self.weak else ''}"
        if not self.members:
            lines = "\n".join(f"- order {condition.order}: ${condition.latex()}$" for condition in self.contradiction)
            return f"No member has {wanted}: within the ansatz these conditions contradict each other.\n\n{lines}"
        parts = [f"{len(self.members)} solution{'s' * (len(self.members) > 1)} of {wanted}."]
        for member, symbols in zip(self.members, self.free):
            free = ", ".join(f"${latex_number(symbol)}$" for symbol in symbols)
            parts.append(f"{f'Free: {free}.' if free else 'Nothing is free.'}\n\n$$\n{member.latex()}\n$$")
        return "\n\n".join(parts)

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        return self.markdown()


def _order(name: str, order: Any) -> int:
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"expected the stiff {name} to be an integer ≥ 1, received {seen(order)}")
    return order


@checked(order=_order)
def solve_conditions(
    tableau: Tableau, order: int, *, weak: bool = True, parameters: Sequence[Any] = (), extra: Sequence[Equation] = ()
) -> Family:
    """Return all tableaux within an ansatz that have a stiff order.

    Parameters
    ----------
    tableau
        The ansatz: a tableau, or a ``Rosenbrock``, whose coefficients hold sympy symbols; ``open_tableau`` makes one
        for given nodes. All symbols in a and b are unknowns, except those that occur in the nodes or among
        ``parameters``.
    order
        The stiff order wanted, at least 1.
    weak
        Whether the conditions of the highest order are taken in the weak form.
    parameters
        Symbols that stay free.
    extra
        Further expressions in the unknowns that should be zero.

    Returns
    -------
    Family
        The solutions, or the conditions that contradict each other.

    Raises
    ------
    ValueError
        If the order is not a positive integer.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from expint.derive import REST, Tableau, ansatz, solve_conditions
    >>> weights = (REST, ansatz("b2", [(1, 1), (2, 1)]))
    >>> two = Tableau(name="two stages", c=(0, Fraction(1, 2)), a=((), (REST,)), b=weights)
    >>> [str(weight) for weight in solve_conditions(two, 2, weak=False).members[0].b]
    ['φ₁ - 2φ₂', '2φ₂']
    """
    _check_tableau(tableau, "a tableau with open coefficients")
    parameters = symbols("parameters", parameters)
    extra = symbols("extra", extra)
    fixed = {*parameters, *(symbol for node in tableau.c for symbol in getattr(node, "free_symbols", ()))}
    unknowns = sorted(_symbols(tableau) - fixed, key=str)
    members, blocking = _solve(tableau, order, weak, unknowns, extra)
    return Family(order, weak, tuple(members), () if members else blocking)


@checked(order=_order)
def solve_weights(
    tableau: Tableau,
    order: int,
    functions: Iterable[tuple[int, Exact]],
    *,
    stages: Sequence[int] | None = None,
    new_slope: bool = False,
    weak: bool = True,
) -> Family:
    """Return all weights that give the stages of a tableau a solution of a stiff order: embedded solutions.

    Parameters
    ----------
    tableau
        The method whose stages are used.
    order, weak
        As in ``solve_conditions``.
    functions
        The pairs (k, c) of the φ_k(cz) that each weight may hold.
    stages
        The stages that get a weight in addition to the first one, counted from 0; by default all.
    new_slope
        Whether N(y_{n+1}) is one stage more, the last one.

    Returns
    -------
    Family
        Tableaux with the stages of the method and the weights as b, or the conditions that contradict each other.

    Examples
    --------
    >>> import expint
    >>> from expint.derive import solve_weights
    >>> family = solve_weights(expint.method("etdrk4"), 2, [(1, 1), (2, 1)], stages=[3], weak=False)
    >>> [str(weight) for weight in family.members[0].b]
    ['φ₁ - φ₂', '0', '0', 'φ₂']
    """
    _check_tableau(tableau, "a tableau whose stages are used")
    c, a = tableau.c, tableau.a
    if new_slope:
        c, a = (*c, Fraction(1)), (*a, tableau.b)
    used = range(1, len(c)) if stages is None else indices("stages", stages, len(c) - 1)
    functions = functions_list("functions", functions)
    open_weights = [ansatz(f"w{i + 1}", functions) if i in used else PhiSum() for i in range(1, len(c))]
    return solve_conditions(
        type(tableau)(name=f"{tableau.name}, weights", c=c, a=a, b=(REST, *open_weights)), order, weak=weak
    )


def symbols(name: str, values: Any) -> list[Any]:
    """Return sympy expressions; raise TypeError unless they form a sequence."""
    entries = listed(name, values, "sympy expressions", least=0)
    for entry in entries:
        if not hasattr(entry, "free_symbols"):
            raise TypeError(f"expected {name} as sympy expressions, received {seen(entry)} among them")
    return entries


def _check_tableau(tableau: Tableau, what: str) -> None:
    instance("tableau", tableau, Tableau, what)
    numbers = (*tableau.c, *(r for row in (*tableau.a, tableau.b) for entry in row for _, r in entry))
    if any(isinstance(number, Algebraic) for number in numbers):
        raise TypeError(f"{tableau.name}: expected rational coefficients beside unknowns, received roots; round them")


def _solve(
    tableau: Tableau, order: int, weak: bool, unknowns: Sequence[Any], extra: Sequence[Equation]
) -> tuple[list[Tableau], tuple[Condition, ...]]:
    """Return the members, and if there are none a smallest set of conditions that excludes them."""
    branches: list[tuple[Tableau, dict[Any, Any]]] = [(tableau, {})]
    given = [Condition(0, f"{latex_number(equation)} = 0", equation) for equation in extra]
    passed: list[Condition] = given
    for current in range(1, order + 1):
        wanted = [*stiff_violations(tableau, current, weak and current == order)]
        following = []
        for branch, _ in branches:
            violated = [*stiff_violations(branch, current, weak and current == order)]
            if current == 1:
                violated += given
            following += [(branch.subs(found), found) for found in _solutions(violated, unknowns)]
        passed = [*passed, *wanted]
        if not following:
            return [], _minimal(passed, unknowns)
        branches = following
    return [branch for branch, _ in branches], ()


def _minimal(conditions: Sequence[Condition], unknowns: Sequence[Any]) -> tuple[Condition, ...]:
    """Return conditions without solution of which none can be left out."""
    needed = list(conditions)
    for condition in reversed(conditions):
        fewer = [other for other in needed if other is not condition]
        if not any(True for _ in _solutions(fewer, unknowns)):
            needed = fewer
    return tuple(needed)


def _solutions(conditions: Iterable[Condition], unknowns: Sequence[Any]) -> Iterator[dict[Any, Any]]:
    """Yield the solutions of conditions for the unknowns, free ones left out."""
    import sympy

    equations = [_numerator(value) for condition in conditions for value in _values(condition)]
    found: dict[Any, Any] = {}
    while equations := [equation for equation in equations if equation != 0]:
        if any(not equation.free_symbols & set(unknowns) for equation in equations):
            return
        linear = [equation for equation in equations if sympy.Poly(equation, *unknowns).total_degree() == 1]
        if not linear:
            break
        (values,) = sympy.linsolve(linear, *unknowns) or (None,)
        if values is None:
            return
        step = {symbol: value for symbol, value in zip(unknowns, values) if symbol != value}
        found = {symbol: sympy.cancel(value.subs(step)) for symbol, value in found.items()} | step
        equations = [_numerator(equation.subs(step)) for equation in equations]
    if not equations:
        yield found
        return
    open_unknowns = [symbol for symbol in unknowns if any(symbol in equation.free_symbols for equation in equations)]
    basis = sympy.groebner(equations, *open_unknowns, order="grevlex")
    if list(basis.exprs) == [1]:
        return
    for values in sympy.solve(list(basis.exprs), open_unknowns, dict=True):
        yield {symbol: sympy.cancel(value.subs(values)) for symbol, value in found.items()} | values


def _values(condition: Condition) -> Iterable[Any]:
    """Return the residual of a condition."""
    residual = condition.residual
    if isinstance(residual, PhiSum):
        return residual.terms.values()
    return residual.values() if isinstance(residual, dict) else (residual,)


def _numerator(value: Any) -> Equation:
    """Return the numerator of an exact value, expanded."""
    import sympy

    expression = sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value
    return sympy.expand(sympy.fraction(sympy.cancel(sympy.together(expression)))[0])


def _symbols(tableau: Tableau) -> set[Any]:
    """Return the symbols in a and b."""
    return {
        symbol
        for row in (*tableau.a, tableau.b)
        for entry in row
        for _, r in entry
        for symbol in getattr(r, "free_symbols", ())
    }
