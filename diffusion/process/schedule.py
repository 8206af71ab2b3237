"""Noise schedules: the process x = α(t) x₀ + σ(t) ε and the exact inverse of its log-SNR.

With ρ = σ/α and λ = log(α/σ) ("half_log_snr", half the logarithm of the signal-to-noise ratio), sampling runs from
``t_start`` (noise) down to ``t_end``. Every quantity is computed without cancellation, also where σ ≪ α.
"""

# ruff: noqa: ARG002  (the formulas share the signature (xp, t); some need no namespace)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, pi
from typing import Any

import numpy as np

from diffusion.names import resolve
from diffusion.process.pointwise import pointwise
from expint.arguments import number, plain_fields
from expint.backend import Array, Namespace, array_namespace

__all__ = ["EDM", "VE", "FlowMatching", "NoiseSchedule", "VEPower"]


class NoiseSchedule(ABC):
    """The process x = α(t) x₀ + σ(t) ε, ε standard normal, with λ = log(α/σ) strictly decreasing in t.

    The methods are pure functions of t (or λ): a Python float gives a float, an array of any namespace an array of its
    shape, a tensor stays in its graph; whole numbers are taken as floating-point ones. They do not refuse times outside
    [t_end, t_start]; the grid check does. A subclass gives the formulas ``_alpha``, ``_sigma``, ``_half_log_snr``,
    ``_rate`` (of t) and ``_time`` (of λ). They hold at `t_clean` too, where σ = 0 and λ = ∞, for a run may end there.

    A network receives `network_time` of t: t itself, unless the schedule says otherwise.
    """

    sigma_data: float = 0.5
    """Standard deviation of the data that EDM's preconditioned network assumes; only that prediction reads it."""

    @property
    def kinks(self) -> Sequence[float]:
        """The times at which λ is continuous and not smooth: none."""
        return ()

    @property
    def centred(self) -> NoiseSchedule:
        """The process in which runs are made: this one, or this one without the mean that it has."""
        return self

    @property
    @abstractmethod
    def t_start(self) -> float:
        """The time at which sampling starts: the noisiest."""

    @property
    @abstractmethod
    def t_end(self) -> float:
        """The time at which sampling ends."""

    @property
    def t_clean(self) -> float:
        """The time at which σ = 0 and x = x₀: `t_end` or before it, −∞ where σ > 0 at all times."""
        with np.errstate(all="ignore"):
            t = float(self._time(np, np.float64(inf)))
        if t <= self.t_end:
            return t
        return 0.0 if self.t_end > 0.0 else -inf

    def network_time(self, t: Array) -> Array:
        """Return the time that networks receive at the time t of the schedule: t."""
        return t

    def time_of_network(self, told: Array) -> Array:
        """Return the time of the schedule at which networks are told ``told``: the inverse of `network_time`."""
        return told

    def alpha(self, t: Array) -> Array:
        """Return the signal scale α(t)."""
        return _with_limits(self._alpha, t)

    def sigma(self, t: Array) -> Array:
        """Return the noise scale σ(t)."""
        return _with_limits(self._sigma, t)

    def rho(self, t: Array) -> Array:
        """Return the noise-to-signal ratio ρ(t) = σ/α = e^{−λ}."""
        return _with_limits(self._rho, t)

    def noise_scale(self, t: Array) -> Array:
        """Return the factor from standard normal noise to a state to start from at t: σ(t), or 1 where α² + σ² = 1."""
        return self.sigma(t)

    def half_log_snr(self, t: Array) -> Array:
        """Return λ(t) = log(α/σ)."""
        return _with_limits(self._half_log_snr, t)

    def half_log_snr_rate(self, t: Array) -> Array:
        """Return dλ/dt, which is negative; ρ′ = −ρ λ′."""
        return _with_limits(self._rate, t)

    def drift(self, t: Array) -> Array:
        """Return f(t) = d log α/dt of the forward process dx = f x dt + g dW.

        Raises
        ------
        TypeError
            If the schedule is of another's class that gives no ``_log_alpha_rate``.
        """
        return _with_limits(self._log_alpha_rate, t)

    def diffusion_squared(self, t: Array) -> Array:
        """Return g(t)² = −2 σ² dλ/dt of the forward process dx = f x dt + g dW."""
        return _with_limits(lambda xp, t: -2.0 * self._sigma(xp, t) ** 2 * self._rate(xp, t), t)

    def prior_log_density(self, x: Array, t: float | None = None) -> Array:
        """Return the log-density (B,) of states ``x`` (B, …) at the time t, by default `t_start`, made of noise alone.

        It is that from which sampling starts: normal, of mean 0 and standard deviation `noise_scale`.
        """
        xp = array_namespace(x)
        flat = xp.reshape(x, (x.shape[0], -1))
        scale = float(self.noise_scale(self.t_start if t is None else t))
        return -0.5 * xp.sum((flat / scale) ** 2, axis=1) - flat.shape[1] * (0.5 * log(2.0 * pi) + log(scale))

    def time(self, half_log_snr: Array) -> Array:
        """Return the t at which λ(t) is ``half_log_snr``: the exact inverse."""
        return _with_limits(self._time, half_log_snr)

    @abstractmethod
    def _alpha(self, xp: Namespace, t: Any) -> Any: ...

    @abstractmethod
    def _sigma(self, xp: Namespace, t: Any) -> Any: ...

    @abstractmethod
    def _half_log_snr(self, xp: Namespace, t: Any) -> Any: ...

    @abstractmethod
    def _rate(self, xp: Namespace, t: Any) -> Any: ...

    def _log_alpha_rate(self, xp: Namespace, t: Any) -> Any:
        raise TypeError(
            f"expected a schedule that says d log α/dt, received {type(self).__name__}; give it the method "
            "_log_alpha_rate(xp, t)"
        )

    @abstractmethod
    def _time(self, xp: Namespace, lam: Any) -> Any: ...

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return self._sigma(xp, t) / self._alpha(xp, t)


def _with_limits(formula: Any, value: Array) -> Array:
    """Return ``formula`` of ``value``, infinite where σ = 0 or α = 0 without a warning of NumPy's."""
    with np.errstate(divide="ignore", over="ignore"):
        if isinstance(value, (int, float)):
            value = number("t", value, finite=False)
            return float(formula(array_namespace(), np.float64(value)))  # Python's numbers would raise
        return pointwise(formula, value)


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
