r"""New schemes from given ones: parts of a step, dense output, composition, collocation and adjoints; all exact.

A step of length θh seen from one of length h has z replaced by θz, so with z the argument of the long step every
coefficient f(z) of the short one becomes θ f(θz). φ-sums are closed under this and under products with e^{cz}.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from expint.arguments import instance
from expint.derive.algebra.exact_lists import exact_list, indices
from expint.derive.algebra.lagrange import collocation_weights
from expint.derive.algebra.phisum import Exact, PhiSum, exact, phi
from expint.derive.kinds.stage import BY_NAME
from expint.derive.kinds.tableau import Tableau
from expint.derive.orders.scheme import Scheme, scheme_of_tableau

__all__ = ["adjoint", "collocation", "compose", "dense_weights", "part_of_step"]


def dense_weights(tableau: Tableau, theta: object, stages: Sequence[int] | None = None) -> tuple[PhiSum, ...]:
    r"""Return the weights of y(t_n + θh) ≈ e^{θz} y_n + h Σ_i b_i(θ; z) N_i by collocation.

    The polynomial through N at the chosen stages is integrated exactly against the exponential up to θ, so that the
    interpolant follows e^{tL}. ``part_of_step`` makes these weights a method, whose order ``check_orders`` proves.

    Parameters
    ----------
    tableau
        The method.
    theta
        Where, in units of the step: an exact number, or a sympy symbol for all places at once.
    stages
        The stages to interpolate, counted from 0, at different nodes. By default the first one and the last one at
        every node that has a weight, which are the better ones, and N(y_{n+1}) in a method that is FSAL.

    Raises
    ------
    ValueError
        If two of the stages share a node.

    Examples
    --------
    >>> import expint
    >>> from expint.derive import dense_weights
    >>> [str(weight) for weight in dense_weights(expint.method("etd1"), 1)]
    ['φ₁']
    """
    instance("tableau", tableau, Tableau, "a tableau", BY_NAME)
    if stages is None:
        used = [0, *(i for i, weight in enumerate(tableau.b) if weight and i)]
        used += [tableau.stages - 1] if tableau.is_fsal else []
        stages = sorted({tableau.c[i]: i for i in used}.values())
    else:
        stages = indices("stages", stages, tableau.stages - 1)
    nodes = [tableau.c[i] for i in stages]
    if len(set(nodes)) < len(nodes):
        raise ValueError(
            f"{tableau.name}: expected stages at different nodes, received c = ({', '.join(map(str, nodes))}) of the "
            f"stages {tuple(stages)}; leave out one of those that share a node"
        )
    weights = dict(zip(stages, collocation_weights(nodes, exact(theta))))
    return tuple(weights.get(i, PhiSum()) for i in range(tableau.stages))


def part_of_step(tableau: Tableau, weights: Sequence[PhiSum], theta: object) -> Tableau:
    """Return the method that ends at θ with the stages of a tableau and ``weights``, as a step of its own length.

    Raises
    ------
    ValueError
        If θ is 0, or the weights do not sum to θ at L = 0.
    """
    part = exact(theta)
    if part == 0:
        raise ValueError(f"{tableau.name}: expected a part θ other than 0 of a step, received 0")

    def seen(entry: PhiSum) -> PhiSum:
        return entry.scaled(1 / part) / part

    return Tableau(
        name=f"{tableau.name} up to {part}",
        c=tuple(exact(node / part) for node in tableau.c),
        a=tuple(tuple(seen(entry) for entry in row) for row in tableau.a),
        b=tuple(seen(weight) for weight in weights),
        reference=tableau.reference,
    )


def compose(first: Tableau, second: Tableau, theta: object = Fraction(1, 2)) -> Tableau:
    """Return the method that makes a step of length θh by the first and one of length (1 - θ)h by the second.

    Raises
    ------
    ValueError
        If θ is 0 or 1.
    TypeError
        If one of the methods is no tableau.

    Examples
    --------
    >>> import expint
    >>> from expint.derive import compose
    >>> euler = expint.method("etd1")
    >>> compose(euler, euler).c
    (Fraction(0, 1), Fraction(1, 2))
    """
    for name, method in (("first", first), ("second", second)):
        instance(name, method, Tableau, "a tableau", BY_NAME)
    part = exact(theta)
    rest = exact(1 - part)
    if part == 0 or rest == 0:
        raise ValueError(f"expected a part θ of the step other than 0 and 1, received {part}")

    def before(c: Exact) -> tuple[PhiSum, ...]:
        return tuple(weight.scaled(part) * part * phi(0, exact(c * rest)) for weight in first.b)

    def after(row: Sequence[PhiSum]) -> tuple[PhiSum, ...]:
        return tuple(entry.scaled(rest) * rest for entry in row)

    return Tableau(
        name=f"{first.name} + {second.name}",
        c=(*(exact(c * part) for c in first.c), *(exact(part + c * rest) for c in second.c)),
        a=(
            *(tuple(entry.scaled(part) * part for entry in row) for row in first.a),
            *(before(c) + after(row) for c, row in zip(second.c, second.a)),
        ),
        b=before(Fraction(1)) + after(second.b),
        reference=first.reference,
    )


def collocation(nodes: Sequence[Exact]) -> Scheme:
    """Return the implicit exponential collocation method on different exact nodes; the order is at least their number.

    Hochbruck and Ostermann (2005, APNUM). It is a ``Scheme``, for proofs: there is no solver for its stages here.

    Raises
    ------
    ValueError
        If there are no nodes.

    Examples
    --------
    >>> from expint.derive import check_orders, collocation
    >>> check_orders(collocation([0, 1])).stiff_order
    2
    """
    c = tuple(exact_list("nodes", nodes))
    if not c:
        raise ValueError("expected at least one node, received none")
    return Scheme(c, tuple(tuple(collocation_weights(c, node)) for node in c), tuple(collocation_weights(c)))


def adjoint(method: Tableau | Scheme) -> Scheme:
    r"""Return the adjoint method Φ*_h = Φ_{-h}^{-1}, which of an explicit method is implicit.

    With the stages in reverse order, i' = s + 1 - i,

    .. math::

        c^*_i = 1 - c_{i'}, \qquad b^*_i(z) = e^{z} b_{i'}(-z), \qquad
        a^*_{ij}(z) = e^{c^*_i z} b_{j'}(-z) - a_{i'j'}(-z).

    Examples
    --------
    >>> import expint
    >>> from expint.derive import adjoint
    >>> type(adjoint(expint.method("etdrk4"))).__name__
    'Scheme'
    """
    instance("method", method, Tableau | Scheme, "a tableau or a scheme", BY_NAME)
    scheme = scheme_of_tableau(method, method.b) if isinstance(method, Tableau) else method
    s = len(scheme.c)
    rows = [row or () for row in scheme.a]
    a = [[(*row, *[PhiSum()] * (s - len(row)))[j].scaled(-1) for j in range(s)] for row in rows]
    b = [weight.scaled(-1) for weight in scheme.b]
    c = tuple(exact(1 - node) for node in reversed(scheme.c))
    back = range(s - 1, -1, -1)
    return Scheme(
        c,
        tuple(tuple(phi(0, exact(1 - scheme.c[i])) * b[j] - a[i][j] for j in back) for i in back),
        tuple(phi(0) * b[j] for j in back),
    )
