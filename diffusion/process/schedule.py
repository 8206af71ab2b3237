"""Noise schedules of closed form that are not variance preserving: EDM, VE, its powers, and flow matching."""

# ruff: noqa: ARG002  (the formulas share the signature (xp, t); some need no namespace)

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

from diffusion.names import resolve
from diffusion.process.noise_schedule import NoiseSchedule
from diffusion.process.pointwise import pointwise
from expint.arguments import number, plain_fields
from expint.backend import Array, Namespace

__all__ = ["EDM", "VE", "FlowMatching", "NoiseSchedule", "VEPower"]


class _UnitSignal(NoiseSchedule):
    """A schedule with α = 1, so that ρ = σ."""

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return xp.ones_like(t)

    def _log_alpha_rate(self, xp: Namespace, t: Any) -> Any:
        return xp.zeros_like(t)

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return self._sigma(xp, t)


@dataclass(frozen=True)
class EDM(_UnitSignal):
    """The process x = x₀ + σ ε with the noise level itself as time, and the time that networks receive: α = 1, σ = t.

    Parameters
    ----------
    sigma_min, sigma_max
        The range of noise levels; ``t_end`` and ``t_start``.
    sigma_data
        Standard deviation of the data, which the preconditioned network ("edm" prediction) assumes.

    Notes
    -----
    Karras, Aittala, Aila & Laine, *Elucidating the design space of diffusion-based generative models*, 2022.

    Examples
    --------
    >>> import diffusion
    >>> process = diffusion.EDM()
    >>> float(process.alpha(3.0)), float(process.sigma(3.0))
    (1.0, 3.0)
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        plain_fields(self)
        _check_range("sigma_min", self.sigma_min, "sigma_max", self.sigma_max)
        number("sigma_data", self.sigma_data, above=0.0)

    @property
    def t_start(self) -> float:
        """The largest noise level, ``sigma_max``."""
        return self.sigma_max

    @property
    def t_end(self) -> float:
        """The smallest noise level, ``sigma_min``."""
        return self.sigma_min

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return 1.0 * t

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return -xp.log(t)

    def _rate(self, xp: Namespace, t: Any) -> Any:
        return -1.0 / t

    def _time(self, xp: Namespace, lam: Any) -> Any:
        return xp.exp(-lam)


@dataclass(frozen=True)
class VE(_UnitSignal):
    """The variance-exploding process: α = 1, σ(t) = σ_min (σ_max/σ_min)^t for t in [0, 1].

    Notes
    -----
    Song et al., *Score-based generative modeling through stochastic differential equations*, 2021, appendix C. Since
    λ is linear in t, a grid uniform in t is uniform in λ. σ = 0 lies at t = −∞. Networks receive t; those of score_sde
    want log σ or σ, which `adapters.with_log_sigma` and `adapters.with_sigma` give them.

    Examples
    --------
    >>> import diffusion
    >>> process = diffusion.VE()
    >>> float(process.alpha(0.5)), bool(process.sigma(1.0) > process.sigma(0.0))
    (1.0, True)
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0
    t_start: float = 1.0
    t_end: float = 0.0

    def __post_init__(self) -> None:
        plain_fields(self)
        _check_range("sigma_min", self.sigma_min, "sigma_max", self.sigma_max)
        check_times(self.t_start, self.t_end, lowest=0.0)

    @property
    def _slope(self) -> float:
        return log(self.sigma_max / self.sigma_min)

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return self.sigma_min * xp.exp(self._slope * t)

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return -log(self.sigma_min) - self._slope * t

    def _rate(self, xp: Namespace, t: Any) -> Any:
        return -self._slope * xp.ones_like(t)

    def _time(self, xp: Namespace, lam: Any) -> Any:
        return -(lam + log(self.sigma_min)) / self._slope


@dataclass(frozen=True)
class VEPower(_UnitSignal):
    """The variance-exploding process dx = b^t dw: α = 1, σ(t)² = (b^{2t} − 1)/(2 log b), which is 0 at t = 0.

    Parameters
    ----------
    base
        b > 1.
    t_start, t_end
        The range of sampling.

    Raises
    ------
    ValueError
        If the base is 1 or less, or the times are negative or exchanged.

    Notes
    -----
    The process with diffusion coefficient σ^t of the tutorial to Song et al., *Score-based generative modeling through
    stochastic differential equations*, 2021, there with b = 25. Networks receive t.

    Examples
    --------
    >>> process = VEPower(25.0)
    >>> round(process.sigma(1.0), 4), round(process.time(process.half_log_snr(0.5)), 12)
    (9.8452, 0.5)
    """

    base: float = 25.0
    t_start: float = 1.0
    t_end: float = 1e-3

    def __post_init__(self) -> None:
        plain_fields(self)
        number("base", self.base, above=1.0)
        check_times(self.t_start, self.t_end, lowest=0.0)

    @property
    def _twice(self) -> float:
        return 2.0 * log(self.base)

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return xp.sqrt(xp.expm1(self._twice * t) / self._twice)

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return -0.5 * xp.log(xp.expm1(self._twice * t) / self._twice)

    def _rate(self, xp: Namespace, t: Any) -> Any:
        return 0.5 * self._twice / xp.expm1(-self._twice * t)

    def _time(self, xp: Namespace, lam: Any) -> Any:
        return xp.log1p(self._twice * xp.exp(-2.0 * lam)) / self._twice


@dataclass(frozen=True)
class FlowMatching(NoiseSchedule):
    """The straight path x = (1 − τ) x₀ + τ ε with shifted time τ(t) = m t / (1 + (m − 1) t), m = ``shift``.

    The default range stays away from τ = 1, where α = 0 and λ = −∞, and from τ = 0, where λ = +∞; samplers whose clock
    is finite there (the flow gauge) may be given ``t_start=1.0`` or ``t_end=0.0``.

    Parameters
    ----------
    shift
        m > 0; more than 1 spends more of a grid that is uniform in t at high noise. The process itself is the same.
    t_start, t_end
        The range of sampling, before the shift.
    tells
        Which time networks receive: "after" the shift, τ = σ, as Stable Diffusion 3, FLUX, Wan, AuraFlow and others
        are trained with it (some on 1000 τ: `adapters.with_scaled_time`), or "before" it, t.

    Raises
    ------
    ValueError
        If the shift is not positive, the times lie outside [0, 1] or are exchanged, or ``tells`` is another word.

    Notes
    -----
    Lipman et al., *Flow matching for generative modeling*, 2023; Liu, Gong & Liu, *Flow straight and fast*, 2023;
    the shift: Esser et al., *Scaling rectified flow transformers*, 2024, §5.3.2.

    Examples
    --------
    >>> import diffusion
    >>> process = diffusion.FlowMatching()
    >>> float(process.alpha(0.25)), float(process.sigma(0.25))
    (0.75, 0.25)
    """

    shift: float = 1.0
    t_start: float = 0.9999
    t_end: float = 1e-3
    tells: str = "after"

    def __post_init__(self) -> None:
        plain_fields(self)
        number("shift", self.shift, above=0.0)
        check_times(self.t_start, self.t_end, lowest=0.0, highest=1.0)
        object.__setattr__(self, "tells", resolve(self.tells, dict.fromkeys(("after", "before")), {}, "time to tell"))

    def network_time(self, t: Array) -> Array:
        """Return the time that networks are told at t: the shifted time τ = σ(t), or t, as ``tells`` says."""
        return self.sigma(t) if self.tells == "after" else t

    def time_of_network(self, told: Array) -> Array:
        """Return the t at which networks receive ``told``: τ / (m − (m − 1) τ), or ``told`` itself."""
        return pointwise(self._unshifted, told) if self.tells == "after" else told

    def _unshifted(self, xp: Namespace, tau: Any) -> Any:
        return tau / (self.shift - (self.shift - 1.0) * tau)

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return (1.0 - t) / (1.0 + (self.shift - 1.0) * t)

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return self.shift * t / (1.0 + (self.shift - 1.0) * t)

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return self.shift * t / (1.0 - t)

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return xp.log1p(-t) - xp.log(self.shift * t)

    def _rate(self, xp: Namespace, t: Any) -> Any:
        return -1.0 / (t * (1.0 - t))

    def _log_alpha_rate(self, xp: Namespace, t: Any) -> Any:
        return -self.shift / ((1.0 - t) * (1.0 + (self.shift - 1.0) * t))

    def _time(self, xp: Namespace, lam: Any) -> Any:
        return 1.0 / (1.0 + self.shift * xp.exp(lam))


def _check_range(low: str, low_value: float, high: str, high_value: float) -> None:
    if not 0.0 < low_value < high_value < float("inf"):
        raise ValueError(
            f"expected 0 < {low} < {high}; received {low}={low_value!r}, {high}={high_value!r}; "
            "exchange or correct them"
        )


def check_times(t_start: float, t_end: float, lowest: float, highest: float = float("inf")) -> None:
    if not lowest <= t_end < t_start <= highest:
        raise ValueError(
            f"expected {lowest} <= t_end < t_start <= {highest} (sampling runs from t_start down to t_end); "
            f"received t_start={t_start!r}, t_end={t_end!r}; exchange or correct them"
        )
