"""Operators whose φ-functions are applied to vectors by iterations, never formed."""

from __future__ import annotations

import copy
import math
import numbers
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from expint.arguments import choice
from expint.backend import Array, array_namespace, is_jax, is_torch
from expint.derive.algebra.phisum import Terms
from expint.operators.base import USE, Operator, PhiTable, Use
from expint.operators.rotations import Rotation, Rotations
from expint.phi.action import Propagator, phi_action
from expint.phi.augmented import Accuracy, Matvec, norm
from expint.phi.chebyshev import Chebyshev
from expint.phi.krylov import Krylov

__all__ = ["Applier", "IteratedOperator", "PhiWeight", "Spectrum", "check_trailing"]

_EXACT = 1e4
"""Without a tolerance the action is computed to this many units of rounding: 2e-12 in double precision."""

_OVERSHOOT = 3.0
"""An interval may reach this far beyond zero, in units of 1/h, or a quarter of what is known to grow: Chebyshev series
pay for all growth that it allows."""

_WITHIN = 0.01
"""The part of the tolerance of an adaptive run that is left to the action."""


Applier: TypeAlias = Callable[[dict[tuple[int, float], Array], float, Accuracy], Array]
"""({(k, c): v}, h, accuracy) ↦ Σ φ_k(c h L) v for vectors v."""


class Spectrum(NamedTuple):
    """An interval that holds the spectrum of L, or of -iL where L is skew."""

    low: float
    high: float
    imaginary: bool

    def growth(self, step: float) -> float:
        """Return the largest real part, at least 0, of what may be an eigenvalue of hL."""
        return 0.0 if self.imaginary else max(self.low * step, self.high * step, 0.0)


class PhiWeight(NamedTuple):
    """The weight of one column: Σ r φ_k(c h L), not formed.

    Attributes
    ----------
    step
        h.
    terms
        The pairs ((k, c), r).
    """

    step: float
    terms: tuple[tuple[tuple[int, float], float], ...]


class IteratedOperator(Operator):
    """An operator known by its products with vectors.

    Parameters
    ----------
    action
        How φ-functions are applied to vectors: a name in ``actions``, or "auto".
    tolerance
        The relative error of that; by default 1e4 roundings of the state for fixed steps, and one hundredth of the
        tolerance for adaptive ones.
    basis
        The largest dimension of a Krylov space: memory is (basis + a few) states.
    spectrum
        The interval in which the spectrum is known to lie.
    """

    actions: tuple[str, ...] = ("krylov", "chebyshev")

    @property
    def length(self) -> float:
        """The number of rows of L, inf where it is not known before there is a state."""
        return math.inf

    action: Any  # one of the names, which subclasses know

    def __init__(self, action: str, tolerance: float | None, basis: int, spectrum: Spectrum | None = None) -> None:
        choice("action", action, (*self.actions, "auto"))
        if action == "chebyshev" and spectrum is None:
            raise ValueError(
                "expected a symmetric or skew-symmetric operator with a known interval of its spectrum for "
                "action='chebyshev', received neither; declare them, or take action='krylov'"
            )
        if isinstance(basis, bool) or not isinstance(basis, int) or basis < 8:
            raise ValueError(f"expected basis, the largest dimension of a Krylov space, to be ≥ 8, received {basis!r}")
        if tolerance is not None and not (isinstance(tolerance, numbers.Real) and 0 < tolerance < 1):
            raise ValueError(
                f"expected a relative tolerance between 0 and 1 for the action of φ-functions, received {tolerance!r}"
            )
        self.tolerance: float | None = tolerance
        self.action, self.basis, self.spectrum = action, basis, spectrum
        self._run: tuple[float, float] | None = None

    @abstractmethod
    def matvec(self, like: Array) -> Matvec:
        """Return v ↦ L v for states like ``like``, flattened."""

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ L v for arrays like ``like``."""
        xp, matvec, shape = array_namespace(like), self.matvec(like), like.shape
        return lambda v: xp.reshape(matvec(xp.reshape(v, (-1,))), shape)

    def choice(self, step: float) -> str:
        """Return how φ-functions are applied in steps of length ``step``: ``action``, or what "auto" chooses.

        An interval is a bound, which may lie far beyond the spectrum. Chebyshev series are chosen where what it allows
        to grow is little, or nearly all known to do so. A Krylov space needs no bound.
        """
        if self.action != "auto":
            return self.action
        if self.spectrum is None:
            return "krylov"
        allowed, radius = self.spectrum.growth(step), abs(step) * (self.spectrum.high - self.spectrum.low) / 2
        terms = radius if self.spectrum.imaginary else 4 * math.sqrt(radius)
        if self.length <= self.basis < terms:
            return "krylov"  # it ends with all of the vectors that there are
        if allowed <= _OVERSHOOT:
            return "chebyshev"
        known = self.known_growth(step)
        return "chebyshev" if allowed - known <= max(_OVERSHOOT, 0.25 * known) else "krylov"

    def known_growth(self, step: float) -> float:
        """Return a number that the largest eigenvalue of a Hermitian hL, or 0, is known to reach."""
        del step
        return 0.0

    def damps(self, span: float) -> bool:
        """Whether some mode may decay by a factor e or more within a time of the signed length ``span``."""
        return self.spectrum is None or self.spectrum.growth(-span) >= 1.0

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes may rotate, where an interval is known that holds the spectrum."""
        del direction
        if self.spectrum is None:
            return None
        low, high, imaginary = self.spectrum
        return (Rotation(0.0, max(abs(low), abs(high)) if imaginary else 0.0),)

    def propagators(self, like: Array) -> dict[str, Propagator]:
        """Return the ways in which φ-functions can be applied, each with working memory of its own."""
        del like
        ways: dict[str, Propagator] = {"krylov": Krylov(self.basis)}
        if self.spectrum is not None:
            ways["chebyshev"] = Chebyshev(*self.spectrum)
        return ways

    def check_tolerance(self, y0: Array) -> None:
        """Refuse arrays that cannot be written to, half precision, and tolerances below the rounding of the state."""
        xp = array_namespace(y0)
        if is_jax(xp):
            raise TypeError(
                f"expected a state of NumPy or PyTorch for {self!r}, whose φ-functions are applied by iterations that "
                "write to arrays, received one of JAX; take an operator whose φ-functions are stored: Dense, Diagonal, "
                "BlockDiagonal, KroneckerSum with a basis of eigenvectors"
            )
        precision = float(xp.finfo(y0.dtype).eps)
        if precision > 1e-6:
            raise TypeError(
                f"expected a state of single or double precision, received {y0.dtype}: iterations lose their "
                "orthogonality in less; convert y0"
            )
        if self.tolerance is not None and self.tolerance < 16 * precision:
            raise ValueError(
                f"expected a tolerance of at least {16 * precision:.2g}, sixteen roundings of {y0.dtype}, received "
                f"{self.tolerance}"
            )

    def prepare(self, use: Use = USE) -> IteratedOperator:
        """Return the operator for a run to a tolerance, whose one hundredth it keeps unless it was given its own."""
        if use.tolerance is None:
            return self
        tied = copy.copy(self)
        tied._run = use.tolerance
        return tied

    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Any, ...]:
        """Return the φ-sums of the columns with the step, as numbers."""
        del like
        return tuple(
            PhiWeight(table.step, tuple(((k, float(c)), factor * float(r)) for (k, c), r in terms.items()))
            if terms
            else None
            for terms, factor in zip(columns, factors)
        )

    def combine(self, weights: Sequence[PhiWeight | None], columns: Sequence[Array]) -> Array:
        """Return Σ_j Σ_{k,c} r φ_k(c h L) columns_j by one action.

        Raises
        ------
        ActionFailure
            If the tolerance cannot be reached.
        """
        return self.combiner()(weights, columns)

    def combiner(self) -> Callable[[Sequence[PhiWeight | None], Sequence[Array]], Array]:
        """Return ``combine`` for one run, with working memory of its own."""
        made: list[Applier] = []

        def combine(weights: Sequence[PhiWeight | None], columns: Sequence[Array]) -> Array:
            like = columns[0]
            xp = array_namespace(like)
            if not made:
                made.append(self.applier(like))
            vectors: dict[tuple[int, float], Array] = {}
            step = 0.0
            for weight, column in zip(weights, columns):
                if weight is not None:
                    step, flat = weight.step, xp.reshape(column, (-1,))
                    for key, r in weight.terms:
                        vectors[key] = vectors[key] + r * flat if key in vectors else r * flat
            result = (
                self._differentiable(made[0], vectors, step, like)
                if is_torch(xp)
                else made[0](vectors, step, self.accuracy(like))
            )
            return xp.reshape(result, like.shape)

        return combine

    def _differentiable(
        self, apply: Applier, vectors: dict[tuple[int, float], Array], step: float, like: Array
    ) -> Array:
        """Apply φ-functions to vectors of torch, which pull gradients back by the adjoint of L."""
        from expint.phi.torch_rule import Action

        like = like.detach()
        accuracy = self.accuracy(like)
        pulls: list[Applier] = []

        def pull(gradients: dict[tuple[int, float], Array]) -> Array:
            if not pulls:
                pulls.append(self.adjoint().applier(like))
            return pulls[0](gradients, step, Accuracy(accuracy.relative))

        return Action.apply(lambda moved: apply(moved, step, accuracy), pull, tuple(vectors), *vectors.values())

    def adjoint(self) -> IteratedOperator:
        """Return L*, by which gradients are pulled back.

        Raises
        ------
        TypeError
            If it is not known.
        """
        raise TypeError(
            f"expected a linear operator whose adjoint is known to differentiate through, received {self!r}; take one "
            "expint.operators.Sparse or Dense, or run it under torch.no_grad()"
        )

    def applier(self, like: Array) -> Applier:
        """Return the function that applies φ-functions to flattened states like ``like``."""
        matvec, ways = self.matvec(like), self.propagators(like)
        return lambda vectors, step, accuracy: phi_action(
            matvec, vectors, step, accuracy=accuracy, propagate=ways[self.choice(step)]
        )

    def accuracy(self, state: Array) -> Accuracy:
        """Return the error allowed in what is added to ``state``."""
        scale = norm(state)
        scale = scale if math.isfinite(scale) else 0.0
        precision = float(array_namespace(state).finfo(state.dtype).eps)
        if self.tolerance is not None or self._run is None:
            return Accuracy(self.tolerance or _EXACT * precision, 0.0, scale)
        rtol, atol = self._run
        entries = math.prod(state.shape)
        return Accuracy(max(_WITHIN * rtol, 16 * precision), _WITHIN * atol * math.sqrt(entries), scale)


def check_trailing(n: int, y0: Array, what: str) -> None:
    """Refuse states no trailing axes of which have ``n`` entries together."""
    lengths = [math.prod(y0.shape[i:]) for i in range(y0.ndim)]
    if n not in lengths:
        raise ValueError(
            f"expected a state whose last axis has length {n}, or whose trailing axes multiply to it, as {what} acts "
            f"on them, received y0 of shape {tuple(y0.shape)}"
        )
