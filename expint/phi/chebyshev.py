"""The exponential of a large matrix with a known spectral interval applied to a vector, by Chebyshev polynomials."""

from __future__ import annotations

import math

import numpy as np

from expint.arguments import flag, number
from expint.backend import Array
from expint.phi.augmented import Accuracy, Augmented, check_rounding, norm
from expint.phi.failure import ActionFailure

__all__ = ["Chebyshev"]

_LONGEST = 5.0e4
"""Larger radii are divided into substeps, so that the coefficients stay few and the start of the series resolved."""

_LARGEST = 650.0
"""e to the power of more overflows."""

_LOOK = 5
"""Every so many terms their size is looked at."""

_GROWTH = 1e8
"""Polynomials may grow by this much (powers of the time make them grow a little) before the interval is disbelieved."""


class Chebyshev:
    r"""e^{M} applied to a vector by the Chebyshev series of the exponential on an interval that holds the spectrum.

    .. math:: e^{x} = e^{m} \Bigl( I_0(r) + 2 \sum_{k ≥ 1} I_k(r) \, T_k((x - m)/r) \Bigr), \quad x ∈ [m - r, m + r],

    and on an imaginary interval with J_k instead of I_k. No scalar products and three vectors of memory. The series
    ends where its terms, coefficients times vectors, have stayed below the tolerance.

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
        radius = abs(system.span) * (self.high - self.low) / 2
        substeps = max(1, math.ceil(radius / _LONGEST))
        for i in range(substeps):
            system.check_budget(accuracy, i / substeps)
            u = self._substep(system, u, i / substeps, 1.0 / substeps, accuracy)
        return u

    def _substep(self, system: Augmented, u: Array, x: float, dx: float, accuracy: Accuracy) -> Array:
        first = system.vector(u, x)
        beta, span = norm(first), system.span * dx
        if not math.isfinite(beta):
            raise ActionFailure("expected finite vectors, received inf or nan; a smaller step may avoid them")
        low, high = sorted((span * self.low, span * self.high))
        # The powers of the time are a Jordan block, for which a short interval would be too small; a longer one on the
        # right would let coefficients grow.
        radius = max((high - low) / 2, 2.0 + 2.0 * system.p)
        middle = 0.0 if self.imaginary else high - radius
        sign = 1.0 if self.imaginary else -1.0
        if not self.imaginary and high > _LARGEST:
            raise ActionFailure(
                f"expected e^(hL) that does not overflow, received eigenvalues of hL up to {high:.3g}; "
                "take a smaller step"
            )
        coefficients = _coefficients(middle, radius, self.imaginary)
        precision = float(system.xp.finfo(first.dtype).eps)

        def scaled(v: Array) -> Array:
            product = system.apply(v) * (span / radius)
            return product if self.imaginary else product - v * (middle / radius)

        second = scaled(first)
        total = coefficients[0] * first + coefficients[1] * second
        largest = abs(coefficients[0]) * beta
        for k, coefficient in enumerate(coefficients[2:], start=2):
            first, second = second, 2 * scaled(second) + sign * first
            total = total + coefficient * second
            if k % _LOOK:
                continue
            sizes = norm(first), norm(second)
            if not max(sizes) <= _GROWTH * k**2 * beta:
                raise ActionFailure(
                    f"expected the spectrum of L within the interval given, received growth outside it; "
                    f"[{self.low:.6g}, {self.high:.6g}]{' i' if self.imaginary else ''} is too small"
                )
            term = max(abs(coefficients[k - 1]) * sizes[0], abs(coefficient) * sizes[1])
            largest = max(largest, term)
            rest = term * (1.0 + radius / k)  # coefficients fall by e^{-k/r} or faster
            bound = accuracy.bound(max(norm(u), norm(total[: system.n])))
            if rest <= 0.1 * dx * bound and 4 * precision * largest <= bound and k > radius**0.5:
                return total[: system.n]
        if beta == 0.0:
            return u
        check_rounding(math.inf, 0.0, accuracy, u)
        return u


def _coefficients(middle: float, radius: float, imaginary: bool) -> list[float]:
    """Return the coefficients of the exponential, as many as matter in double precision."""
    most = int(1.2 * radius + 60) if imaginary else int(9 * math.sqrt(radius) + 40)
    k = np.arange(most)
    from scipy import special  # slow to import, and few solves need it

    values = special.jv(k, radius) if imaginary else special.ive(k, radius) * math.exp(middle + radius)
    return (np.where(k == 0, 1.0, 2.0) * values).tolist()  # Python's numbers leave single precision as it is
