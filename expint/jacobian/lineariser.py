r"""The right-hand side near one point: y' = F + J (y - y_n) + (t - t_n) ∂_t f + R, with the operator J of each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from operator import matmul
from typing import Any

from expint.backend import Array, array_namespace, device, is_array, is_jax, is_sparse, to_numpy
from expint.jacobian.autodiff import Autodiff
from expint.jacobian.coordinates import Coordinates
from expint.jacobian.given import Given, Product
from expint.jacobian.linear_part import LinearPart
from expint.jacobian.source import Before, Computed, Place, Source, refuse_recorded
from expint.operators import Dense, Operator
from expint.operators.base import StoredOperator, Use
from expint.operators.learned import Learned
from expint.solution import Stats

__all__ = ["JacobianFailure", "Linearisation", "Lineariser"]

_DENSE = 64
"""The largest number of unknowns for which "auto" forms matrices: φ-functions of larger ones cost more than actions."""


class JacobianFailure(ArithmeticError):
    """The Jacobian is not finite at a state that was reached."""


@dataclass(frozen=True)
class Linearisation:
    """A right-hand side Ly + N(t, y) linearised at (t_n, y_n), on vectors.

    Attributes
    ----------
    t, x, value
        t_n, y_n and N(t_n, y_n).
    rhs
        f(t_n, y_n), the whole right-hand side.
    in_time
        ∂f/∂t(t_n, y_n), None where it vanishes.
    operator
        J = L + ∂N/∂y(t_n, y_n).
    derivative
        v ↦ ∂N/∂y v.
    told
        What the next linearisation uses of this one.

    Examples
    --------
    >>> import numpy as np, expint
    >>> from expint.jacobian import Differences, Lineariser
    >>> linearise = Lineariser(Differences(), lambda t, y: -(y**3), None, 0.0, np.ones(2), None, expint.Stats())
    >>> at = linearise(0.0, np.ones(2), -np.ones(2), step=0.1)
    >>> at.rhs, at.derivative(np.ones(2)).round(6)
    (array([-1., -1.]), array([-3., -3.]))
    """

    t: float
    x: Array
    value: Array
    rhs: Array
    in_time: Array | None
    operator: Operator
    derivative: Callable[[Array], Array]
    told: Before | None = None

    @cached_property
    def evaluate(self) -> Callable[[int, float], Any] | None:
        """What computes φ-functions of multiples of J, where they are formed: the multiples share doublings."""
        return self.operator.evaluator() if isinstance(self.operator, StoredOperator) else None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "evaluate"}  # it remembers for one run

    def remainder(self, t: float, x: Array, value: Array) -> Array:
        """Return R = f(t, y) - F - J (y - y_n) - (t - t_n) ∂f/∂t, in which L cancels, for N(t, y) = ``value``."""
        left = value - self.value - self.derivative(x - self.x)
        return left if self.in_time is None else left - (t - self.t) * self.in_time


class Lineariser:
    """Linearises Ly + N(t, y).

    Parameters
    ----------
    source
        Where derivatives come from.
    nonlinear
        N(t, y) on states.
    linear
        L, or None for 0.
    t0, y0
        The first time and state.
    tolerance
        (rtol, smallest atol) of an adaptive run, None for fixed steps.
    stats
        Where evaluations are counted that are made for derivatives.
    recorded
        Whether torch records the run: J is then a function of the state, too.

    Attributes
    ----------
    coordinates
        How states become the vectors on which J acts.
    form
        "dense", "sparse" or "action": what J is.

    Raises
    ------
    ValueError, TypeError
        If the source cannot serve such states, or a given Jacobian does not fit them.

    Examples
    --------
    >>> import numpy as np, expint
    >>> from expint.jacobian import Differences, Lineariser
    >>> stats = expint.Stats()
    >>> linearise = Lineariser(Differences(), lambda t, y: -(y**3), None, 0.0, np.ones(2), None, stats)
    >>> at = linearise(0.0, np.ones(2), -np.ones(2), step=0.1)
    >>> linearise.form, at.derivative(np.ones(2)).round(6), stats.jacobian_evaluations
    ('dense', array([-3., -3.]), 1)
    """

    def __init__(
        self,
        source: Source,
        nonlinear: Callable[[Any, Array], Array],
        linear: Operator | None,
        t0: float,
        y0: Array,
        tolerance: tuple[float, float] | None,
        stats: Stats,
        recorded: bool = False,
    ) -> None:
        source.check(y0)
        self._refuse = _pass if recorded else refuse_recorded
        self._refuse(y0)
        real = source.is_real(t0, y0) if isinstance(source, Given) else True
        self.source, self.coordinates, self.stats = source, Coordinates(y0, real), stats
        self._nonlinear, self._tolerance, self._newest = nonlinear, tolerance, dict[str, Any]()
        self._linear = LinearPart(linear, y0, self.coordinates)
        self.form, self._recorded = self._choose(t0, y0), recorded
        if recorded and not (self.form == "dense" and isinstance(source, Autodiff)):
            raise TypeError(
                "expected Jacobians by automatic differentiation, formed as matrices, where a run that linearises is "
                f"recorded, received {source.label}, {self.form}; take jac=expint.jacobian.Autodiff(form='dense')"
            )
        if self.form == "action" and is_jax(array_namespace(y0)):
            raise TypeError(
                f"expected a state of NumPy or torch for Krylov spaces of a Jacobian, received {type(y0).__name__}, "
                'whose entries cannot be set; form the Jacobian, jac=expint.jacobian.Autodiff(form="dense"), or '
                "convert the state"
            )

    def _choose(self, t0: float, y0: Array) -> str:
        source = self.source
        if isinstance(source, Product):
            return "action"
        example = source.matrix(t0, y0) if isinstance(source, Given) else None
        if hasattr(example, "matvec"):
            return "action"
        if source.form == "dense" or (source.form == "auto" and self.coordinates.n <= _DENSE):
            return "dense"
        known = is_sparse(example) or (
            isinstance(source, Computed) and source.sparse and self._linear.sparse is not None
        )
        return "sparse" if known else "action"

    @property
    def sentence(self) -> str:
        """Where J comes from and what it is, for the message of a solution."""
        n = self.coordinates.n
        kind = {"dense": f"a dense matrix of {n} × {n}", "sparse": f"a sparse matrix of {n} × {n}"}
        used = kind.get(self.form, f"applied to vectors of length {n} by Krylov spaces")
        return f"The Jacobian came from {self.source.label}, {used}."

    def __call__(self, t: float, y: Array, value: Array, step: float, before: Before | None = None) -> Linearisation:
        """Return the linearisation at (t, y), where N is ``value``; a step of length ``step`` begins there.

        ``before`` is what it uses of the linearisation before.

        Raises
        ------
        JacobianFailure
            If J is not finite.
        ValueError, TypeError
            If a given Jacobian does not fit the state, or a gradient is to be recorded.
        """
        self._refuse(value)
        flat, stats = self.coordinates.flat, self.stats
        stats.jacobian_evaluations += not (isinstance(self.source, Given) and self.source.constant)
        place = Place(self._function, t, flat(y), flat(value), step, self.coordinates, before)
        slope = self._linear.add_product(place.x, place.value)
        operator, derivative, told = self._operator(place, y)
        operator = operator.prepare(Use(tolerance=self._tolerance))
        in_time = self.source.time_derivative(place)
        self._refuse(in_time)
        return Linearisation(t, place.x, place.value, slope, in_time, operator, derivative, told)

    def told_apart(self, t: float, y: Array, value: Array, v: Array) -> Any:
        """Return what tells the source from another, uncounted: of given Jacobians J v at (t, y), else where it looks.

        Raises
        ------
        JacobianFailure, ValueError, TypeError
            As where it is called.
        """
        if not isinstance(self.source, Given | Product):
            return self.source.label
        before, flat = replace(self.stats), self.coordinates.flat
        place = Place(self._function, t, flat(y), flat(value), 1.0, self.coordinates)
        operator, _, _ = self._operator(place, y)
        product = operator.product(place.x)(flat(v))
        vars(self.stats).update(vars(before))
        return product

    def _function(self, t: Any, x: Array) -> Array:
        self.stats.nonlinear_evaluations += 1
        return self.coordinates.flat(self._nonlinear(t, self.coordinates.back(x)))

    def _operator(self, place: Place, y: Array) -> tuple[Operator, Callable[[Array], Array], Before | None]:
        """Return J, v ↦ ∂N/∂y v, and what they tell the place after this one."""
        source, linear = self.source, self._linear
        if isinstance(source, Given):
            whole = source.matrix(place.t, y)
            if hasattr(whole, "matvec") and not source.constant:
                own = _AsOf(source, place.t, y, self._newest, self.stats)
                self._newest.update(operator=whole, place=own)
                whole = own
            operator, product = self._of_matrix(whole, place, None)
            return operator, linear.subtracted(product), None
        if isinstance(source, Product):
            product = self._counted(source.product(place))
            return _matrix_free(product, self.coordinates.n), linear.subtracted(product), None
        assert isinstance(source, Computed)
        if self.form == "action":
            product = self._counted(source.product(place))
            return _matrix_free(linear.added(product), self.coordinates.n), product, None
        matrix = source.matrix(place)
        return *self._of_matrix(matrix, place, linear), source.told(place, matrix)

    def _of_matrix(
        self, matrix: Any, place: Place, linear: LinearPart | None
    ) -> tuple[Operator, Callable[[Array], Array]]:
        """Return the operator of a matrix, and its product with vectors; ``linear`` is added to the operator only."""
        if hasattr(matrix, "matvec"):
            product = self._counted(matrix.matvec)
            return _matrix_free(product, self.coordinates.n), product
        self._refuse(matrix)
        _check_finite(matrix, place.t)
        if self._recorded:
            xp = array_namespace(place.x)
            known = 0.0 if linear is None else xp.asarray(linear.dense, dtype=place.x.dtype, device=device(place.x))
            whole = matrix + known
            return Learned(Dense(to_numpy(whole)), whole), partial(matmul, matrix)
        if self.form == "sparse":
            from expint.operators.sparse import Sparse

            own = Sparse(matrix)
            product = own.product(place.x)
            return (own if linear is None else Sparse(linear.sparse + own.matrix)), product
        if is_sparse(matrix):
            matrix = matrix.toarray()
        beside = array_namespace(place.x).asarray(matrix, dtype=place.x.dtype, device=device(place.x))
        if self.form == "action":
            product = self._counted(partial(matmul, beside))
            return _matrix_free(product, self.coordinates.n), product
        host = to_numpy(matrix)
        return Dense(host if linear is None else linear.dense + host), partial(
            matmul, beside
        )  # unlike closures kept by pickle

    def _counted(self, product: Callable[[Array], Array]) -> Callable[[Array], Array]:
        def counted(v: Array) -> Array:
            self.stats.jacobian_products += 1
            along = product(v)
            refuse_recorded(along)
            return along

        return counted


@dataclass(frozen=True)
class _AsOf:
    """What ``jac`` returned at (t, y): it may be changed by the next call, so that it is asked again after that."""

    source: Given
    t: float
    y: Array
    newest: dict[str, Any]
    stats: Stats

    def matvec(self, v: Array) -> Array:
        """Return the product as of (t, y)."""
        if self.newest["place"] is not self:
            self.stats.jacobian_evaluations += 1
            self.newest.update(operator=self.source.matrix(self.t, self.y), place=self)
        return self.newest["operator"].matvec(v)


def _pass(array: Array | None) -> None:
    """Let a tensor pass whose gradient is recorded."""
    del array


def _matrix_free(product: Callable[[Array], Array], n: int) -> Operator:
    from expint.operators.matrix_free import MatrixFree  # with SciPy's sparse algebra, which small systems never need

    return MatrixFree(product, n)


def _check_finite(matrix: Any, t: float) -> None:
    entries = matrix.data if is_sparse(matrix) and not is_array(matrix) else matrix
    xp = array_namespace(entries)
    if not bool(xp.all(xp.isfinite(entries))):
        raise JacobianFailure(
            f"expected a finite Jacobian, received inf or nan in it at t = {t:.6g}; check jac, or the arguments at "
            "which nonlinear is differentiated"
        )
