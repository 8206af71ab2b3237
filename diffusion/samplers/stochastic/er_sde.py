r"""The multistep methods of ER-SDE: the history interpolated in ρ = σ/α, behind the factor of the noise scale ψ(ρ).

With S = −log ψ(ρ), dS = (1 + τ²) dλ, the drift of x/α is dz = (x₀ − z) dS whatever τ(λ) is, so that

.. math:: z_t = \frac{ψ(ρ_t)}{ψ(ρ_s)} z_s + \int \frac{ψ(ρ_t)}{ψ(ρ)} x_0(ρ)\, dS

with a polynomial in ρ for x₀. Cui et al. 2023 sum the integrals from 200 points; here they are exact to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import ClassVar

import numpy as np

from diffusion.process.strength import ExtendedReverse
from expint.derive import Multistep, Stage, StepContext, WithoutEstimate, phi

__all__ = ["ExtendedAdams"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_WIDEST = 1.0  # panel in λ
_RECOMMENDED = ExtendedReverse()


@dataclass(frozen=True)
class ExtendedAdams(Multistep, WithoutEstimate):
    """The step of order ``q`` ≤ 3 for the strength of a noise scale; the first steps are of lower orders.

    Parameters
    ----------
    q
        How many values are interpolated.
    strength
        The noise scale.
    published
        Whether the quadratic term is centred at the start of the step, (ρ − ρ_s)² f[ρ_s, ρ_1, ρ_2] as published, which
        is of order 2; else it is that of the interpolation polynomial.
    """

    q: int
    strength: ExtendedReverse = _RECOMMENDED
    published: bool = False
    ramp: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"extended{self.q}" + "~" * self.published

    @property
    def order(self) -> int:
        """The order on the ODE of the drift."""
        return min(self.q, 2) if self.published else self.q

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the one stage of a step in λ: its weights are numbers, in units of ∫ (1 + τ²) dλ of the step."""
        lam = step.start + step.step * np.array(step.history[: self.q])
        rho, moments = np.exp(-lam), self._moments(step.start, step.start + step.step, np.exp(-lam))
        weights = np.zeros(len(rho))
        for k, moment in enumerate(moments):  # divided differences, in terms of the values
            for j in range(k + 1):
                weights[j] += moment / np.prod([rho[j] - rho[i] for i in range(k + 1) if i != j])
        past = tuple({(0, 0): weight} for weight in weights.tolist())
        return (Stage(Fraction(1), phi(0).terms, (), past, evaluate=True, accept=True, remember=True),)

    def _moments(self, start: float, end: float, rho: np.ndarray) -> list[float]:
        """Return the means of 1, (ρ − ρ_s), … over a step, weighted with ψ(ρ_t)/ψ(ρ) dS, times their sum over ∫ dS."""
        panels = max(1, ceil((end - start) / _WIDEST))
        edges = np.linspace(start, end, panels + 1)
        half = np.diff(edges)[:, None] / 2
        lam = (edges[:-1, None] + half * (1 + _NODES)).ravel()
        kept = np.array([self.strength.spent(at, end) + end - at for at in lam.tolist()])
        weights = (half * _WEIGHTS).ravel() * self.strength.rate(np.exp(-lam)) * np.exp(-kept)
        whole = end - start + self.strength.spent(start, end)
        weights *= -np.expm1(-whole) / (weights.sum() * whole)  # the sum is known
        basis, moments = np.ones_like(lam), []
        for k in range(len(rho)):
            moments.append(float(weights @ basis))
            basis = basis * (np.exp(-lam) - rho[0 if self.published else k])
        return moments
