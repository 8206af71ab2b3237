"""The exponential of a large matrix with a known spectral interval applied to a vector, by Chebyshev polynomials."""

from __future__ import annotations

import math

import numpy as np

from expint.arguments import flag, number
from expint.backend import Array
from expint.phi.augmented import Accuracy, Augmented, Matvec, check_rounding, norm
from expint.phi.failure import ActionFailure

__all__ = ["Chebyshev"]

_LONGEST = 5.0e4
"""Larger radii are divided into substeps, so that the coefficients stay few and the start of the series resolved."""

_GROWN = 3.0
"""In one substep the interval allows e^M to grow by e to this power: so much may cancel, and no more."""

_AHEAD = 30.0
"""Errors are kept smaller by e to the growth that is still ahead, up to this: by then they are at rounding."""

_LOOK = 5
"""The number of terms between two looks at their size."""

_GROWTH = 1e8
"""Polynomials may grow by this much (powers of the time make them grow a little) before the interval is disbelieved."""


class Chebyshev:
    r"""e^{M} applied to a vector by the Chebyshev series of the exponential on an interval that holds the spectrum.

    .. math:: e^{x} = e^{m} \Bigl( I_0(r) + 2 \sum_{k ≥ 1} I_k(r) \, T_k((x - m)/r) \Bigr), \quad x ∈ [m - r, m + r],

    and on an imaginary interval with J_k instead of I_k. No scalar products and three vectors of memory. The series
    ends where its terms, coefficients times vectors, have stayed below the tolerance.

    The coefficients are as large as e^M is allowed to be, e^{m + r}. Where e^M is not, on an interval that reaches far
    to the right of the spectrum, terms of that size would cancel, and only their rounding errors be left. The time is
    therefore divided until m + r ≤ 3. The result is right on every interval that holds the spectrum, and its cost grows
    with what lies beyond zero.

    Parameters
    ----------
    low, high
        The interval of the spectrum of A, or of -iA if ``imaginary``.
    imaginary
        Whether the spectrum is imaginary (skew A).

    References
    ----------
    H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81 (1984) 3967–3971; L. Bergamaschi and M. Vianello, Numer. Linear
    Algebra Appl. 7 (2000) 27–45.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.phi import Chebyshev, phi_action
    >>> diagonal, y = np.linspace(-50.0, 0.0, 6), np.ones(6)
    >>> found = phi_action(lambda u: diagonal * u, {(0, 1.0): y}, propagate=Chebyshev(-50.0, 0.0))
    >>> bool(np.allclose(found, np.exp(diagonal)))
    True
    """

    def __init__(self, low: float, high: float, imaginary: bool = False) -> None:
        low, high = number("low", low), number("high", high)
        if low > high:
            raise ValueError(f"expected an interval from low to high, received [{low}, {high}]; exchange them")
        self.low, self.high, self.imaginary = (
            min(low, 0.0),
            max(high, 0.0),
            flag("imaginary", imaginary),
        )  # the powers of x have spectrum 0
        if imaginary:
            self.high = max(self.high, -self.low)
            self.low = -self.high

    def __call__(self, system: Augmented, u: Array, accuracy: Accuracy) -> Array:
        """Return u(1) for u(0) = ``u``.

        Raises
        ------
        ActionFailure
            If the accuracy cannot be reached, or the spectrum lies outside the interval.
        """
        radius, growth = abs(system.span) * (self.high - self.low) / 2, self._growth(system.span)
        substeps = max(1, math.ceil(radius / _LONGEST), math.ceil(growth / _GROWN))
        if substeps * math.sqrt(radius / substeps) > accuracy.products:
            raise ActionFailure(
                f"expected an interval of the spectrum that takes fewer than {accuracy.products} products with L, "
                f"received {self!r} and a step by which it may grow by e^{growth:.3g} and turn or decay by "
                f"{radius:.3g}; narrow the interval where L grows less, take action='krylov', or smaller steps"
            )
        for i in range(substeps):
            system.check_budget(accuracy, i / substeps)
            u = self._substep(system, u, i / substeps, 1.0 / substeps, accuracy)
        return u

    def _growth(self, span: float) -> float:
        """Return the largest real part that the interval allows an eigenvalue of ``span`` A."""
        return 0.0 if self.imaginary else max(span * self.low, span * self.high)

    def _substep(self, system: Augmented, u: Array, x: float, dx: float, accuracy: Accuracy) -> Array:
        """Return u(x + dx).

        The size to which the error is relative is that of u(x), or of the result without what may be wrong in it.
        """
        first = system.vector(u, x)
        beta, size, span = norm(first), norm(u), system.span * dx
        if not math.isfinite(beta):
            raise ActionFailure("expected finite vectors, received inf or nan; a smaller step may avoid them")
        scaled, coefficients, sign = self._series(system, span)
        precision = float(system.xp.finfo(first.dtype).eps)
        ahead = math.exp(-min(self._growth(system.span) * (1.0 - x - dx), _AHEAD))
        second = scaled(first)
        total = coefficients[0] * first + coefficients[1] * second
        largest, before = abs(coefficients[0]) * beta, math.inf
        for k, coefficient in enumerate(coefficients[2:], start=2):
            first, second = second, 2 * scaled(second) + sign * first
            total = total + coefficient * second
            if k % _LOOK:
                continue
            sizes = norm(first), norm(second)
            if not max(sizes) <= _GROWTH * k**2 * beta:
                raise ActionFailure(
                    f"expected the spectrum of L within the interval given, received growth outside it; {self!r} is "
                    "too small"
                )
            term = max(abs(coefficients[k - 1]) * sizes[0], abs(coefficient) * sizes[1])
            largest, rounding = max(largest, term), 4 * precision * max(largest, term)
            falls = (term / before) ** (1 / _LOOK) if before else 0.0  # of terms that are measured: T_k may grow
            rest, before = term / (1.0 - falls) if falls < 1.0 else math.inf, term
            bound = accuracy.bound(max(size, norm(total[: system.n]) - rest - rounding))
            close = rest <= max(0.1 * dx * bound * ahead, precision * largest)
            if close and rounding <= bound and k > self._least(abs(span)):
                return total[: system.n]
        if beta == 0.0:
            return u
        check_rounding(math.inf, 0.0, accuracy, u)
        return u

    def _series(self, system: Augmented, span: float) -> tuple[Matvec, list[float], float]:
        """Return v ↦ X v for the matrix X = (``span`` M - m)/r, the coefficients, and ∓1 of its recurrence."""
        low, high = sorted((span * self.low, span * self.high))
        # The powers of the time are a Jordan block, for which a short interval would be too small; a longer one on the
        # right would let coefficients grow.
        radius = max((high - low) / 2, 2.0 + 2.0 * system.p)
        middle = 0.0 if self.imaginary else high - radius

        def scaled(v: Array) -> Array:
            product = system.apply(v) * (span / radius)
            return product if self.imaginary else product - v * (middle / radius)

        return scaled, _coefficients(middle, radius, self.imaginary), 1.0 if self.imaginary else -1.0

    def _least(self, span: float) -> float:
        """Return how many terms there are at least: J_k(r) falls from k = r on, I_k(r) from k = √r on."""
        radius = span * (self.high - self.low) / 2
        return radius if self.imaginary else math.sqrt(radius)

    def __repr__(self) -> str:
        return f"[{self.low:.6g}, {self.high:.6g}]{' i' if self.imaginary else ''}"


def _coefficients(middle: float, radius: float, imaginary: bool) -> list[float]:
    """Return the coefficients of the exponential, as many as matter in double precision."""
    most = int(1.2 * radius + 60) if imaginary else int(9 * math.sqrt(radius) + 40)
    k = np.arange(most)
    from scipy import special  # slow to import, and few solves need it

    values = special.jv(k, radius) if imaginary else special.ive(k, radius) * math.exp(middle + radius)
    return (np.where(k == 0, 1.0, 2.0) * values).tolist()  # Python's numbers leave single precision as it is
