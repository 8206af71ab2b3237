r"""The sampling SDE in a gauge: its linear part, the factor of the prediction, and the variance of its noise.

In a gauge y = a x₀ + b ε the flow is y′ = L y + n f, with the prediction f = p x₀ + q ε. The SDE of strength τ adds the
drift −τ² b ε λ′ and noise of intensity 2 τ² b² λ′ (``diffusion.process.strength``), λ = log(a/b). With ε in terms of y
and f, ε = (p y − a f)/(p b − a q),

.. math::

    dy = \left[(L + τ^2 ℓ)\, y + (n + τ^2 m)\, f\right] ds + \sqrt{2 τ^2 b^2 |λ'|}\; dW, \qquad
    ℓ = \frac{-p\, b\, λ'}{p b - a q}, \quad m = \frac{a\, b\, λ'}{p b - a q},

and the noise of a step is Gaussian with variance :math:`\int e^{2 L_τ (s_1 - s)}\, 2 τ^2 b^2 |λ'|\, ds`. Where ℓ and m
are constants, as L and n are, φ-functions make steps of it.
"""

from __future__ import annotations

import cmath
import math
from fractions import Fraction
from typing import NamedTuple

from diffusion.process.gauge import Gauge
from diffusion.process.keeping import kept_of_values
from diffusion.process.prediction import formula
from expint.phi import phi_functions

__all__ = ["SDE", "sde"]

_PLACES = (0.3, 0.5, 0.8)  # within the range of every clock
_STEP = 1e-30
_ALL = 1000.0
"""So much of ∫ τ² dλ stands for all of it: e^{-1000} is 0 in double precision."""


class SDE(NamedTuple):
    """The SDE of any strength in one gauge.

    Attributes
    ----------
    gauge
        The gauge.
    linear, nonlinear
        L and n of the flow.
    of_linear, of_nonlinear
        ℓ and m, by which τ² changes them.
    growth
        κ where b² |λ′| is proportional to e^{2κs}; None where it is proportional to s.
    """

    gauge: Gauge
    linear: float
    nonlinear: float
    of_linear: float
    of_nonlinear: float
    growth: float | None

    def square(self, spent: float, step: float) -> float:
        """Return τ² of a step of length ``step`` in λ that spends ∫ τ² dλ.

        Raises
        ------
        ValueError
            If all is spent, and the gauge has no limit τ → ∞.
        """
        if spent > _ALL and self.of_linear >= 0.0:
            raise ValueError(
                f"expected a finite strength in the gauge {self.gauge.name!r}, received τ → ∞: where the noise is "
                "predicted its factor has no limit; take a sampler that uses the data, such as 'dpmpp-2m'"
            )
        return min(spent, _ALL) / step

    def constants(self, square: float) -> tuple[float, float]:
        """Return L and n for a strength of the given ``square`` τ²."""
        return self.linear + square * self.of_linear, self.nonlinear + square * self.of_nonlinear

    def variance(self, square: float, start: float, end: float) -> float:
        """Return the variance of the noise in y of a step from ``start`` to ``end`` in the clock of the gauge."""
        linear, h = self.constants(square)[0], end - start
        if self.growth is None:  # of an intensity proportional to s, L = 0: exact without a difference of squares
            return square * abs(h) * (self._intensity(start) + self._intensity(end))
        return 2 * square * self._intensity(end) * h * float(phi_functions(2 * (linear - self.growth) * h, 1)[1])

    def _intensity(self, s: float) -> float:
        """Return b² |λ′|."""
        return abs(_parts(self.gauge, s)[-1])


@kept_of_values(maxsize=64)
def sde(gauge: Gauge) -> SDE:
    """Return the SDE in a ``gauge``, its constants found by steps in the imaginary direction, as those of the gauge.

    Raises
    ------
    ValueError
        If they are no constants.
    """
    linear, nonlinear = gauge.constants
    found = [_parts(gauge, s) for s in _PLACES]
    constant = all(math.isclose(x, y, abs_tol=1e-12) for one in found for x, y in zip(one[:2], found[0][:2]))
    of_linear, of_nonlinear = (_rounded(value) for value in found[0][:2])
    rates = [abs(intensity) for *_, intensity in found]
    growths = [math.log(y / x) / (t - s) / 2 for x, y, s, t in zip(rates, rates[1:], _PLACES, _PLACES[1:])]
    growth = None
    if math.isclose(*growths, abs_tol=1e-12):
        growth = _rounded(growths[0])
    elif linear or of_linear or not math.isclose(rates[0] / _PLACES[0], rates[2] / _PLACES[2]):
        constant = False
    if not constant:
        raise ValueError(
            f"expected a gauge in which the SDE has constant coefficients, received {gauge.name!r}, where they change "
            "along a step; take a sampler in the gauge 'data', 'noise' or 'rho', such as 'dpmpp-2m'"
        )
    return SDE(gauge, linear, nonlinear, of_linear, of_nonlinear, growth)


def _parts(gauge: Gauge, s: float) -> tuple[float, float, float]:
    """Return ℓ, m and b² λ′ at a value of the clock."""
    sigma_data = float(gauge.sigma_data)
    pair = [complex(component(cmath, complex(s, _STEP), sigma_data)) for component in (gauge.a, gauge.b)]
    (a, b), (da, db) = (value.real for value in pair), (value.imag / _STEP for value in pair)
    p, q = formula(gauge.predicts, math, a, b, sigma_data)
    rate, determinant = da / a - db / b, p * b - a * q
    return -p * b * rate / determinant, a * b * rate / determinant, b * b * rate


def _rounded(value: float) -> float:
    """Return the simple fraction that ``value`` is but for rounding, or the value itself."""
    simple = float(Fraction(value).limit_denominator(1000))
    return simple if math.isclose(value, simple, rel_tol=1e-12, abs_tol=1e-12) else value
