r"""Rosenbrock: methods that linearise at every step, L = J_n = ∂f/∂y(t_n, y_n), as exact data.

With F = f(t_n, y_n), N_n(t, y) = f(t, y) - J_n y - (t - t_n) ∂f/∂t and R_j = N_n(t_n + c_j h, Y_j) - N_n(t_n, y_n),

.. math::

    Y_i = y_n + h \, a_i(z) F + h^2 a_i^{[1]}(z) \partial_t f + h \sum_{j<i} a_{ij}(z) R_j, \qquad
    y_{n+1} = y_n + h \varphi_1(z) F + h^2 \varphi_2(z) \partial_t f + h \sum_j b_j(z) R_j, \qquad z = h J_n.

Here a_i = Σ_j a_ij is the row sum and a^{[1]}(z) = (a(z) - a(0))/z. Exponential Rosenbrock methods have
a_i = c_i φ_1(c_i z), as an exponential Runge–Kutta method for L = J_n has; in EPIRK methods a_i is free. In terms of
N_n the coefficient of y_n is 1 + z a_i(z): the data are those of a tableau, only the order conditions differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.stage import Stage
from expint.derive.kinds.tableau import Tableau

__all__ = ["Linearised", "Rosenbrock", "increment"]


class Linearised:
    """A method that needs L to be the Jacobian of the whole right-hand side at every step.

    Examples
    --------
    >>> import expint
    >>> [isinstance(expint.method(name), expint.derive.Linearised) for name in ("exprb43", "etdrk4")]
    [True, False]
    """

    kind = "linearises"
    linearises = True


@dataclass(frozen=True, eq=False, repr=False)
class Rosenbrock(Tableau, Linearised):
    """An explicit exponential Rosenbrock or EPIRK method; the fields are those of ``Tableau``.

    The weights of the R_j are the entries after the first, in ``a``, ``b`` and ``embedded``. A first entry ``REST``
    makes a_i = c_i φ_1(c_i z); for other a_i it is a_i(z) minus the other entries.

    Raises
    ------
    ValueError
        As ``Tableau``, and if a linear problem would not be solved exactly (Σ_i b_i ≠ φ_1) or a row sum holds constants
        or exponentials, so that z a_i(z) is not bounded by φ-functions.

    Examples
    --------
    >>> from expint.derive import Rosenbrock, phi
    >>> euler = Rosenbrock("exponential Rosenbrock–Euler", (0,), ((),), (phi(1),))
    >>> euler.order
    2
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for label, weights in (("b", self.b), ("embedded", self.embedded)):
            if weights is not None and sum(weights, PhiSum()) != phi(1):
                raise ValueError(
                    f"{self.name}: expected {label} to sum to φ₁, received {sum(weights, PhiSum())}; a method that "
                    "linearises solves linear problems exactly"
                )
        for i, total in enumerate(self.row_sums):
            if any(k == 0 for (k, _), _ in total):
                raise ValueError(f"{self.name}: expected row {i + 1} of a to sum to φ_k with k ≥ 1, received {total}")

    @cached_property
    def row_sums(self) -> tuple[PhiSum, ...]:
        """The functions a_i that multiply h F in the stages."""
        return tuple(sum(row, PhiSum()) for row in self.a)

    @cached_property
    def time_weights(self) -> tuple[PhiSum, ...]:
        """The weights of h² ∂f/∂t(t_n, y_n) in the points of the recipe: stages 2 … s, then the step."""
        return tuple(total.raised(1) for total in (*self.row_sums[1:], phi(1)))

    @cached_property
    def _recipe(self) -> tuple[Stage, ...]:
        exponential = super()._recipe
        states = [1 + total.times_z() for total in (*self.row_sums[1:], phi(1))]
        return tuple(
            Stage(stage.c, state.terms, stage.stages, stage.past, stage.evaluate, stage.accept, stage.remember)
            for stage, state in zip(exponential, states, strict=True)
        )


def increment(stage: Stage) -> Stage:
    r"""Return the stage for what is added to y_n, so that what cancels is never computed.

    A method that linearises writes a point as (1 + z a(z)) y_n + h Σ_j w_j(z) N_j with Σ_j w_j = a. With
    F = J_n y_n + N_n and R_j = N_j - N_n the same point is

    .. math:: y_n + h \, a(z) F + h^2 a^{[1]}(z) \, \partial_t f + h \sum_{j} w_j(z) R_j.

    Nothing of the size of J_n y_n, which may be large, comes in. The slopes ``stages`` are the R of this step, newest
    first; ``past`` are F, h ∂_t f and the R of remembered points, newest first. All are multiplied by h.
    """
    weights = [PhiSum(terms) for terms in (*stage.stages, *stage.past)]
    total = sum(weights, PhiSum())
    past = (total.terms, total.raised(1).terms, *stage.past[1:])
    return Stage(stage.c, {}, stage.stages, past, stage.evaluate, stage.accept, stage.remember)
