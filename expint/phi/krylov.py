"""The exponential of a large matrix applied to a vector, by Krylov spaces and substeps."""

from __future__ import annotations

import math

import numpy as np

from expint.arguments import integer
from expint.backend import Array, array_namespace, asarray_like, device, is_complex
from expint.phi.augmented import Accuracy, Augmented, check_rounding, norm, on_host
from expint.phi.failure import ActionFailure
from expint.phi.small_flow import Reached, SmallFlow

__all__ = ["Krylov"]

_FULL_BELOW = 1024
"""Below this length vectors are orthogonalised against all others, which costs little compared with the calls."""

_FIRST, _GROWTH = 8, 1.4
"""Sizes of the basis at which its accuracy is looked at."""

_MOST_GROWTH = 100.0
"""Growth by e to more than this is as good as any."""

_REACH = 4.0
"""A space of dimension m is not expected to reach beyond a time x with ‖xH‖ = _REACH m²."""


class Krylov:
    r"""e^{M} applied to a vector by Krylov spaces of the augmented matrix M.

    Basis vectors are orthogonalised against the last ``orthogonalise`` ones only. This needs no more than two for
    symmetric and skew-symmetric matrices (Lanczos). For others the relation A V_m = V_m H_m + h v_{m+1} e_m^T, which is
    all that is used, holds as well. With it the error is

    .. math:: h \int_0^x e^{(x-s)A} v_{m+1} \; e_m^T e^{sH_m} e_1 \, ds,

    whose leading term is added to the result. What is believed of the error is h ∫ \|e_m^T e^{sH_m} e_1\| ds, in which
    nothing cancels, times the growth until the end that the numerical range of H_m knows of. A space that does not
    reach the end is used for as long a substep as it allows; no product with A is thrown away.

    Parameters
    ----------
    basis
        The largest dimension, at least 8.
    orthogonalise
        How many vectors back; None for 2, or all where vectors are short.

    References
    ----------
    Y. Saad, SIAM J. Numer. Anal. 29 (1992) 209–228; S. Gaudreault, G. Rainwater and M. Tokman, J. Comput. Phys. 372
    (2018) 236–255.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.phi import Krylov, phi_action
    >>> diagonal, y = np.linspace(-50.0, 0.0, 6), np.ones(6)
    >>> found = phi_action(lambda u: diagonal * u, {(1, 1.0): y}, propagate=Krylov(basis=6))
    >>> bool(np.allclose(diagonal * found, np.exp(diagonal) - 1.0))
    True
    """

    def __init__(self, basis: int = 100, orthogonalise: int | None = None) -> None:
        self.basis = integer("basis", basis)
        self.orthogonalise = None if orthogonalise is None else integer("orthogonalise", orthogonalise)
        self._room: Array | None = None

    def __call__(self, system: Augmented, u: Array, accuracy: Accuracy) -> Array:
        """Return u(1) for u(0) = ``u``.

        Raises
        ------
        ActionFailure
            If the accuracy cannot be reached.
        """
        x = rounding = 0.0
        largest = norm(u)
        while x < 1.0:
            system.check_budget(accuracy, x)
            x, u, added = self._substep(system, u, x, accuracy)
            rounding, largest = max(rounding, added), max(largest, norm(u))
        check_rounding(rounding, largest, accuracy, u)
        return u

    def _substep(self, system: Augmented, u: Array, x: float, accuracy: Accuracy) -> tuple[float, Array, float]:
        """Return the time reached, u there, and the rounding error that came in."""
        start = system.vector(u, x)
        beta = norm(start)
        if beta == 0.0:
            return 1.0, u, 0.0
        if not math.isfinite(beta):
            raise ActionFailure("expected finite vectors, received inf or nan; a smaller step may avoid them")
        space = _Space(system, self._vectors(start), start, beta, self.orthogonalise)
        remaining, look = 1.0 - x, _FIRST
        while True:
            space.extend()
            last = space.m == self.basis or space.closed
            if space.m >= look or last:
                look = max(look + 1, int(_GROWTH * look))
                reach = _REACH * space.m**2 / max(space.size * abs(system.span), 1e-300)
                if last or remaining <= reach:
                    longest = remaining if space.closed else min(remaining, reach)
                    found = space.follow(longest, remaining, u, accuracy, last)
                    if found is not None:
                        dx, c = found.time, found.column
                        return 1.0 if dx == remaining else x + dx, space.combine(found), space.rounding(c)

    def _vectors(self, like: Array) -> Array:
        """Return room for the basis, kept from one action to the next."""
        shape = (self.basis + 1, like.shape[0])
        kept = self._room
        if kept is None or tuple(kept.shape) != shape or kept.dtype != like.dtype:
            kept = self._room = array_namespace(like).empty(shape, dtype=like.dtype, device=device(like))
        return kept


class _Space:
    """A Krylov space of M / T that grows: vectors V as rows, and the Hessenberg matrix H, with M V = T V H + ….

    Parameters
    ----------
    system
        M.
    vectors
        Room for the basis.
    start, beta
        The vector on which the exponential acts, and its norm.
    orthogonalise
        As in ``Krylov``.
    """

    def __init__(self, system: Augmented, vectors: Array, start: Array, beta: float, orthogonalise: int | None) -> None:
        self.system, self.vectors, self.beta, self.m, self.closed = system, vectors, beta, 0, False
        self.full = orthogonalise is None and start.shape[0] <= _FULL_BELOW
        self.back = vectors.shape[0] if self.full else orthogonalise or 2
        room, self.complex = vectors.shape[0], is_complex(start)
        self._h = np.zeros((room, room), dtype=np.complex128 if self.complex else np.float64)
        self._abscissa = 0, 0.0
        self._size, self.precision = 0.0, float(system.xp.finfo(start.dtype).eps)
        vectors[0, :] = start / beta

    def extend(self) -> None:
        """Add one vector."""
        j, first = self.m, max(0, self.m + 1 - self.back)
        new = self.system.apply_into(self.vectors[j, :], self.vectors[j + 1, :])
        window = self.vectors[first : j + 1, :]
        adjoint = self.system.xp.conj(window) if self.complex else window
        along = adjoint @ new
        new -= along @ window
        if self.full:  # once more, for what rounding took from orthogonality
            again = adjoint @ new
            new -= again @ window
            along = along + again
        length = norm(new)
        if not math.isfinite(length):
            raise ActionFailure(
                "expected L v to be finite, received inf or nan; look at the operator, or at its scaling by h"
            )
        self._h[first : j + 1, j] = on_host(along)
        self.m = j + 1
        self._size = max(self._size, float(np.sum(np.abs(self._h[first : j + 1, j]))) + length)
        whole = self.full and self.m == new.shape[0]  # what is left is rounding
        self.closed = whole or length <= 4 * self.precision * self._size
        if not self.closed:
            self._h[j + 1, j] = length
            new /= length

    @property
    def size(self) -> float:
        """The 1-norm of H."""
        return self._size

    def follow(self, longest: float, remaining: float, u: Array, accuracy: Accuracy, last: bool) -> Reached | None:
        """Return how far the space reaches, at most ``longest`` of the time that remains, and the coefficients there.

        None if it does not reach the end but may grow.
        """
        with np.errstate(all="ignore"):  # times far beyond the reach of the space overflow
            flow = SmallFlow(self.system.span * self._h[: self.m, : self.m], longest)
            if not last:
                found = flow.at_longest()
                return found if self._good(found, remaining, u, accuracy) else None
            longest_good = flow.longest_time(lambda reached: self._good(reached, remaining, u, accuracy))
        if longest_good is None:
            check_rounding(math.inf, 0.0, accuracy, u)
        return longest_good

    def combine(self, reached: Reached) -> Array:
        """Return β (V c + the leading term of the error) without the powers of x."""
        beyond = self.system.span * self._h[self.m, self.m - 1] * reached.integral
        coefficients = self.beta * (reached.column if self.closed else np.append(reached.column, beyond))
        return asarray_like(coefficients, self.vectors) @ self.vectors[: len(coefficients), : self.system.n]

    def rounding(self, c: np.ndarray) -> float:
        """Return the size of the rounding errors in what ``c`` combines."""
        return 2 * self.precision * self.beta * max(1.0, float(np.linalg.norm(c)))

    def growth(self, time: float) -> float:
        """Return a bound of ‖e^{xM}‖ on the space at the times x ≤ ``time``, from its numerical range.

        A basis that is orthogonalised in part has none, and its H_m grows where M does not: 1 is returned.
        """
        if not self.full:
            return 1.0
        if self._abscissa[0] < self.m:
            h = self.system.span * self._h[: self.m, : self.m]
            self._abscissa = self.m, float(np.linalg.eigvalsh((h + h.conj().T) / 2)[-1])
        return math.exp(min(max(self._abscissa[1] * time, 0.0), _MOST_GROWTH))

    def _good(self, reached: Reached, remaining: float, u: Array, accuracy: Accuracy) -> bool:
        """Whether u(x) is within the accuracy at the end, its share of it where x is a part of the time.

        Less than the rounding of the start is not asked for, which may exceed u at first and not in the end.
        """
        least = self.rounding(np.zeros(1))
        error = self.beta * abs(self.system.span * self._h[self.m, self.m - 1]) * reached.total
        rounding = self.rounding(reached.column)
        if not math.isfinite(rounding + error):
            return False

        def within(bound: float) -> bool:
            enough = math.isfinite(bound) and error <= max(reached.time * bound, least)
            return (
                enough and rounding <= max(bound, 2 * least) and self._is_kept(error, least, bound, reached, remaining)
            )

        known = norm(u)
        if within(accuracy.bound(known)):
            return True
        if self.beta <= 2 * max(known, accuracy.scale):
            return False
        result = norm(self.combine(reached)) - error - rounding  # larger than what is known before, perhaps
        return result > 0 and within(accuracy.bound(result))

    def _is_kept(self, error: float, least: float, bound: float, reached: Reached, remaining: float) -> bool:
        """Whether an error that is small here is small at the end."""
        return error * self.growth(remaining) <= max(reached.time * bound, least)
