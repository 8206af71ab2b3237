"""What a noise schedule is: the process x = α(t) x₀ + σ(t) ε and the exact inverse of its log-SNR.

With ρ = σ/α and λ = log(α/σ) ("half_log_snr", half the logarithm of the signal-to-noise ratio), sampling runs from
``t_start`` (noise) down to ``t_end``. Every quantity is computed without cancellation, also where σ ≪ α.
"""

# ruff: noqa: ARG002  (the formulas share the signature (xp, t); some need no namespace)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import inf, log, pi
from typing import Any

import numpy as np

from diffusion.process.pointwise import pointwise
from expint.arguments import number
from expint.backend import Array, Namespace, array_namespace
from expint.run import sum_of_each

__all__ = ["NoiseSchedule"]


class NoiseSchedule(ABC):
    """The process x = α(t) x₀ + σ(t) ε, ε standard normal, with λ = log(α/σ) strictly decreasing in t.

    The methods are pure functions of t (or λ): a Python float gives a float, an array of any namespace an array of its
    shape, a tensor stays in its graph; whole numbers are taken as floating-point ones. They do not refuse times outside
    [t_end, t_start]; the grid check does. A subclass gives the formulas ``_alpha``, ``_sigma``, ``_half_log_snr``,
    ``_rate`` (of t) and ``_time`` (of λ). They hold at `t_clean` too, where σ = 0 and λ = ∞, for a run may end there.

    A network receives `network_time` of t: t itself, unless the schedule says otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> schedule = diffusion.VP.cosine()
    >>> isinstance(schedule, diffusion.NoiseSchedule)
    True
    >>> t = np.array([0.2, 0.8])
    >>> np.allclose(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, 1.0)
    True
    >>> np.allclose(schedule.half_log_snr(t), np.log(schedule.alpha(t) / schedule.sigma(t)))
    True
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
        return -0.5 * sum_of_each((flat / scale) ** 2) - flat.shape[1] * (0.5 * log(2.0 * pi) + log(scale))

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
