r"""How stochastic a run is: the strength τ of the sampling SDE, spent step by step.

The probability-flow ODE and, for every τ(λ) ≥ 0, the SDE

.. math:: dx = dx_{\text{flow}} - \tau^2 \sigma\, ε\, dλ + \sqrt{2}\, \tau\, σ\, dW_λ

have the same marginals: what the noise adds, the drift along the score takes away. τ = 0 is the flow, τ = 1 the reverse
of the process itself. Steps see τ through what they spend of it, ∫ τ² dλ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1, inf, isfinite, isinf, isnan, log, log1p
from typing import Any

import numpy as np

from expint.arguments import function, number, seen

__all__ = ["Constant", "Eta", "ExtendedReverse", "Fresh", "Strength", "Varying", "strength"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class Strength(ABC):
    """A rule that says how much of ∫ τ² dλ a step from λ to λ + h spends.

    Examples
    --------
    >>> import diffusion
    >>> strength: diffusion.Strength = diffusion.Eta(1.0)
    >>> strength.spent(0.0, 1.0) > strength.spent(0.0, 0.5) > 0.0
    True
    >>> diffusion.sampler("ddim", stochasticity=strength)
    Sampler('ddim': adams1 in the data gauge, grid t^(1/2), with noise)
    """

    @abstractmethod
    def spent(self, start: float, end: float) -> float:
        """Return ∫ τ² dλ over a step between two values of λ, ``start`` < ``end``; inf forgets the state."""


@dataclass(frozen=True)
class Constant(Strength):
    """One strength τ ≥ 0 for all steps; inf makes the state anew at every step, as consistency models do.

    Raises
    ------
    TypeError, ValueError
        If τ is no number, negative or nan.
    """

    tau: float

    def __post_init__(self) -> None:
        tau = number("the strength τ", self.tau, least=0.0, finite=False)
        if isnan(tau):
            raise ValueError("expected the strength τ ≥ 0, received nan; 0 is no noise, 1 the reverse of the process")
        object.__setattr__(self, "tau", tau)

    def spent(self, start: float, end: float) -> float:
        """Return τ² h."""
        return self.tau**2 * (end - start) if self.tau else 0.0


@dataclass(frozen=True)
class Varying(Strength):
    """A strength τ(λ) that changes along the run; each step has the root of the mean of its square.

    In the data gauge the linear part and the noise of a step are exact so, whatever τ is; the interpolated predictions
    are integrated as if τ were constant over the step, to order 2.

    Parameters
    ----------
    tau
        A function of λ, a number for a number; integrated by 16 Gauss–Legendre nodes a step.
    """

    tau: Callable[[float], float]

    def __post_init__(self) -> None:
        function("stochasticity", self.tau, "λ ↦ τ")

    def spent(self, start: float, end: float) -> float:
        """Return ∫ τ(λ)² dλ by quadrature.

        Raises
        ------
        ValueError
            If τ is negative or not finite somewhere, or the step begins at λ = −∞.
        """
        if isinf(start):
            raise ValueError(
                "expected a strength that is a number for a run from pure noise, received a function of λ, which is "
                "-inf there; take a number, or a grid that starts at α > 0"
            )
        half = (end - start) / 2
        values = [float(self.tau(start + half * (1.0 + node))) for node in _NODES.tolist()]
        for node, value in zip(_NODES.tolist(), values):
            if not (isfinite(value) and value >= 0.0):
                raise ValueError(
                    f"expected τ(λ) to be finite and not negative, received {value!r} at λ = "
                    f"{start + half * (1.0 + node):.6g}; let the function return 0 where there is to be no noise"
                )
        return half * sum(weight * value**2 for weight, value in zip(_WEIGHTS.tolist(), values))


@dataclass(frozen=True)
class Eta(Strength):
    r"""The η of DDIM and of ancestral sampling: a share η of the noise of the process comes anew in every step.

    A step from σ_s/α_s = ρ_s to ρ has noise of variance :math:`η^2 ρ^2 (1 - e^{-2h})` in x/α. That is what the SDE with
    :math:`e^{-2 \int τ^2} = 1 - η^2 (1 - e^{-2h})` has, so that the step is its exponential Euler step. η = 1 is τ = 1:
    DDPM.

    Raises
    ------
    TypeError, ValueError
        If η does not lie in [0, 1].

    Examples
    --------
    >>> import diffusion
    >>> diffusion.sampler("ddim", stochasticity=diffusion.Eta(1.0)).name
    'ddim'
    """

    eta: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "eta", float(number("eta", self.eta, least=0.0, most=1.0)))

    def spent(self, start: float, end: float) -> float:
        """Return −log(1 − η² (1 − e^{−2h})) / 2."""
        if self.eta == 1.0:
            return end - start
        return -log1p(self.eta**2 * expm1(-2.0 * (end - start))) / 2


@dataclass(frozen=True)
class Fresh(Strength):
    """Every step makes new noise: τ → ∞. The state is left through the prediction of the data only."""

    def spent(self, start: float, end: float) -> float:
        """Return inf."""
        del start, end
        return inf


@dataclass(frozen=True)
class ExtendedReverse(Strength):
    r"""The noise scale ψ(ρ) of ER-SDE: the state of x/α is kept by the factor ψ(ρ)/ψ(ρ_s) in a step.

    1 + τ² = dlog ψ/dlog ρ. ψ = ρ is the flow, ρ² the reverse process; the default is the recommended
    :math:`ρ (e^{ρ^{0.3}} + 10)` of the source.

    Parameters
    ----------
    power, constant
        0.3 and 10, both positive.

    Examples
    --------
    >>> import diffusion
    >>> rule = diffusion.ExtendedReverse()
    >>> bool(rule.spent(0.0, 1.0) > 0), diffusion.ExtendedReverse(power=0.5).power
    (True, 0.5)
    """

    power: float = 0.3
    constant: float = 10.0

    def __post_init__(self) -> None:
        for name in ("power", "constant"):
            object.__setattr__(self, name, number(name, getattr(self, name), above=0.0))

    def spent(self, start: float, end: float) -> float:
        """Return log ψ(ρ_s) − log ψ(ρ) − h."""
        return self._log(exp(-start)) - self._log(exp(-end)) if isfinite(start) else inf

    def rate(self, rho: np.ndarray) -> np.ndarray:
        """Return dlog ψ/dlog ρ = 1 + τ²."""
        grown = rho**self.power
        return np.asarray(1.0 + self.power * grown / (1.0 + self.constant * np.exp(-grown)))

    def _log(self, rho: float) -> float:
        """Return log(e^{ρ^p} + c)."""
        grown = rho**self.power
        return (
            grown + log1p(self.constant * exp(-grown))
            if grown > log(self.constant)
            else log(exp(grown) + self.constant)
        )


def strength(given: Any) -> Strength | None:
    """Return the strength that a caller means: a number τ, a function of λ or a `Strength`; None where it is 0.

    Raises
    ------
    TypeError, ValueError
        If it is neither, negative or nan.
    """
    if given is None or isinstance(given, Strength):
        return None if given in (Constant(0.0), Eta(0.0)) else given
    if callable(given) and not hasattr(given, "__float__"):
        return Varying(given)
    if isinstance(given, bool) or not hasattr(given, "__float__"):
        raise TypeError(
            f"expected stochasticity= a number τ ≥ 0 or a function of λ, received {seen(given)}; 0 is no noise"
        )
    return strength(Constant(given))
