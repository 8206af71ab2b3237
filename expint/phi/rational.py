"""The exponential of a large stiff matrix applied to a vector, by shift-and-invert Krylov spaces."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from expint.arguments import function, integer
from expint.backend import Array, asarray_like, is_complex
from expint.phi.augmented import Accuracy, Augmented, Matvec, check_rounding, norm, on_host
from expint.phi.dense import phi_matrices
from expint.phi.failure import ActionFailure
from expint.phi.rational_error import is_sectorial, residual_bound

__all__ = ["Rational"]

_SHIFT = 0.1
"""The shift γ as a part of the step."""

_LAG = 2
"""The error is measured by what the last two vectors changed, where M damps what it turns."""

_AMPLIFIED = 4.0
"""Where (I - γ M)^{-1} makes a vector longer than this there are growing modes, for which the step is halved."""

_SHORTEST = 2.0**-20
"""Substeps are not halved below this part of the step."""


class Rational:
    r"""e^{M} applied to a vector by Krylov spaces of (I - γ M)^{-1}.

    The dimension needed hardly depends on how stiff A is; each vector costs a solution of (I - γ A) x = b. Shifts are
    powers of four times one tenth of a unit of time, so that steps of about one size share a factorisation.

    Parameters
    ----------
    factor
        γ ↦ (b ↦ (I - γ A)^{-1} b).
    basis
        The largest dimension; where it does not suffice the step is halved.
    factorisations
        How many are kept.

    References
    ----------
    J. van den Eshof and M. Hochbruck, SIAM J. Sci. Comput. 27 (2006) 1438–1457.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.phi import Rational, phi_action
    >>> symbol = -np.linspace(0.0, 1e6, 50)  # a stand-in for a stiff matrix that can be solved with
    >>> solve = Rational(lambda gamma: lambda b: b / (1 - gamma * symbol))
    >>> found = phi_action(lambda v: symbol * v, {(0, 1.0): np.ones(50)}, propagate=solve)
    >>> bool(abs(found - np.exp(symbol)).max() < 1e-11)
    True
    """

    def __init__(self, factor: Callable[[float], Matvec], basis: int = 40, factorisations: int = 2) -> None:
        self.factor = function("factor", factor, "γ ↦ (b ↦ (I - γ A)^{-1} b)")
        self.basis, self.factorisations = integer("basis", basis), integer("factorisations", factorisations)
        self._solvers: OrderedDict[float, Matvec] = OrderedDict()

    def __call__(self, system: Augmented, u: Array, accuracy: Accuracy) -> Array:
        """Return u(1) for u(0) = ``u``.

        Raises
        ------
        ActionFailure
            If the accuracy cannot be reached.
        """
        x, dx, rounding, largest = 0.0, 1.0, 0.0, norm(u)
        while x < 1.0:
            system.check_budget(accuracy, x)
            rounding = max(rounding, 4 * float(system.xp.finfo(u.dtype).eps) * norm(system.vector(u, x)))
            end = self._substep(system, u, x, dx, accuracy)
            if end is None:
                dx /= 2
                if dx < _SHORTEST:
                    raise ActionFailure(
                        f"expected the action of φ-functions by solutions with I - γ L, received no progress after "
                        f"{x:.3g} of the step; take action='krylov', or a smaller step where L has growing modes"
                    )
            else:
                x, u, largest = x + dx, end, max(largest, norm(end))
        check_rounding(rounding, largest, accuracy, u)
        return u

    def _substep(self, system: Augmented, u: Array, x: float, dx: float, accuracy: Accuracy) -> Array | None:
        """Return u(x + dx), or None if the space does not suffice."""
        xp, start = system.xp, system.vector(u, x)
        beta = norm(start)
        if beta == 0.0:
            return u
        span = system.span * dx
        gamma = math.copysign(_SHIFT * 4.0 ** round(math.log(abs(span), 4)), span)
        solve, precision = self._solver(gamma), float(xp.finfo(start.dtype).eps)
        vectors, kind = [start / beta], np.complex128 if is_complex(start) else np.float64
        h = np.zeros((self.basis + 1, self.basis), dtype=kind)
        before: list[np.ndarray] = []
        for m in range(1, self.basis + 1):
            new = _solve_augmented(system, solve, gamma, vectors[-1])
            size = norm(new)
            if not math.isfinite(size):
                raise ActionFailure("expected (I - γ L)^{-1} v to be finite, received inf or nan; look at the operator")
            if size > _AMPLIFIED:
                return None
            basis = xp.stack(vectors)
            for _ in range(2):  # a second pass restores what rounding took from orthogonality
                along = xp.conj(basis) @ new
                new = new - along @ basis
                h[:m, m - 1] += on_host(along)
            length = norm(new)
            h[m, m - 1] = length
            closed = length <= 4 * precision * float(np.max(np.abs(h[:m, :m])))
            c = _exponential(h[:m, :m], span / gamma)
            if c is not None:
                with np.errstate(all="ignore"):
                    end = asarray_like(beta * c, start) @ basis[:, : system.n]
                change = beta * _change(c, before[-_LAG]) if len(before) >= _LAG else math.inf
                size = norm(end)
                if not math.isfinite(size):
                    return None  # growth that overflows
                right = size - (0.0 if closed else change)  # what may be wrong in it lets nothing more be wrong
                bound = dx * accuracy.bound(max(norm(u), right))
                allowed = max(bound, precision * beta)
                if closed or (
                    change <= allowed and _sure(system, h[: m + 1, :m], span, gamma, new / length, allowed / beta)
                ):
                    return end
                before.append(c)
            if closed:
                return None
            vectors.append(new / length)
        return None

    def _solver(self, gamma: float) -> Matvec:
        if gamma in self._solvers:
            self._solvers.move_to_end(gamma)
        else:
            while len(self._solvers) >= self.factorisations:
                self._solvers.popitem(last=False)  # before the next is made: factors are large
            self._solvers[gamma] = self.factor(gamma)
        return self._solvers[gamma]


def _change(c: np.ndarray, earlier: np.ndarray) -> float:
    return float(np.linalg.norm(c[: len(earlier)] - earlier) + np.linalg.norm(c[len(earlier) :]))


def _sure(system: Augmented, hessenberg: np.ndarray, span: float, gamma: float, vector: Array, allowed: float) -> bool:
    """Return whether a change that is small means a small error, or the residual says so."""
    if is_sectorial(hessenberg, span / gamma):
        return True
    beyond = norm(vector - gamma * system.apply(vector))
    return residual_bound(hessenberg, span / gamma, beyond) <= allowed


def _solve_augmented(system: Augmented, solve: Matvec, gamma: float, v: Array) -> Array:
    """Return (I - γ M / T)^{-1} v for the augmented matrix M."""
    system.products += 1
    if not system.p:
        return solve(v)
    ratio = gamma / system.span
    tail = on_host(v[system.n :]).copy()
    for k in range(1, system.p):
        tail[k] += ratio * tail[k - 1]
    beside = asarray_like(tail, v)
    return system.xp.concat([solve(v[: system.n] + ratio * (beside @ system.b)), beside])


def _exponential(inverse: np.ndarray, span: float) -> np.ndarray | None:
    """Return e^{s (I - K^{-1})} e_1 for the matrix K of (I - γ M)^{-1} in its Krylov space, None if it has none yet."""
    m = inverse.shape[0]
    try:
        projected = span * (np.eye(m) - np.linalg.inv(inverse))
    except np.linalg.LinAlgError:
        return None
    if not np.all(np.isfinite(projected)):
        return None
    c = phi_matrices(projected, 0)[0][:, 0]
    return c if np.all(np.isfinite(c)) else None
