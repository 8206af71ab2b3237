"""Variance-preserving schedules, α² + σ² = 1: linear, cosine and tabulated.

They are written through B(t) = −2 log α (the integral of β): α² = e^{−B}, σ² = −expm1(−B), ρ² = expm1(B).
"""

# ruff: noqa: ARG002, ARG005  (the formulas share the signature (xp, t); some need no namespace)

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

from diffusion.process.pointwise import pointwise
from diffusion.process.schedule import NoiseSchedule, check_times
from expint.arguments import number, plain_fields
from expint.backend import Array, Namespace

if TYPE_CHECKING:
    from diffusion.process.vp_table import VPTable

__all__ = ["VP", "VPCosine", "VPLinear"]


class VP(NoiseSchedule):
    """A variance-preserving process, α² + σ² = 1; build one with `linear`, `cosine` or a table of betas.

    Examples
    --------
    >>> import diffusion
    >>> process = diffusion.VP.linear()
    >>> round(float(process.alpha(0.5) ** 2 + process.sigma(0.5) ** 2), 12)
    1.0
    """

    def noise_scale(self, t: Array) -> Array:
        """Return 1: data of unit variance and noise are indistinguishable in scale at every time."""
        return pointwise(lambda xp, t: 0.0 * t + 1.0, t)

    def _log_alpha_rate(self, xp: Namespace, t: Any) -> Any:
        return self._sigma(xp, t) ** 2 * self._rate(xp, t)  # since α α′ = −σ σ′

    @staticmethod
    def linear(beta_min: float = 0.1, beta_max: float = 20.0, t_start: float = 1.0, t_end: float = 1e-3) -> VPLinear:
        """Return the schedule with β(t) = β_min + t (β_max − β_min): Song et al. 2021."""
        return VPLinear(beta_min, beta_max, t_start, t_end)

    @staticmethod
    def cosine(s: float = 0.008, t_start: float = 0.9946, t_end: float = 1e-3) -> VPCosine:
        """Return the schedule with α(t) = cos(π/2 (t+s)/(1+s)) / cos(π/2 s/(1+s)): Nichol & Dhariwal 2021.

        α vanishes at t = 1. The default start, 0.9946, is that of Lu et al., *DPM-Solver*, 2022: about the time at
        which the discrete-time model's β, clipped at 0.999, departs from the formula.
        """
        return VPCosine(s, t_start, t_end)

    @staticmethod
    def from_betas(
        betas: Sequence[float], interpolation: str = "log-alpha", t_start: float = 1.0, t_end: float | None = None
    ) -> VPTable:
        """Return the schedule of a discrete-time model with ᾱ_i = Π (1 − β_j); see `from_alphas_cumprod`.

        Raises
        ------
        ValueError
            If there are fewer than two, or one of them lies outside (0, 1).
        """
        from diffusion.process.vp_table import from_betas

        return from_betas(betas, interpolation, t_start, t_end)

    @staticmethod
    def from_alphas_cumprod(
        alphas_cumprod: Sequence[float],
        interpolation: str = "log-alpha",
        t_start: float = 1.0,
        t_end: float | None = None,
    ) -> VPTable:
        """Return the schedule with α(t_i)² = ᾱ_i at t_i = (i + 1)/N, i = 0 … N−1, and ``t_end`` = 1/N by default.

        ``interpolation`` names the quantity that is linear between (and beyond) the t_i: ``"log-alpha"`` (that of
        DPM-Solver), ``"log-rho"`` (k-diffusion's and diffusers' map from σ to timesteps), ``"rho"`` (diffusers' map
        from timesteps to σ), ``"variance"``, σ² (th_deis) or ``"angle"``, arctan(σ/α), the only one for tables that end
        in ᾱ = 0.

        Raises
        ------
        ValueError
            If there are fewer than two, they do not decrease strictly, or one of them lies outside (0, 1).
        """
        from diffusion.process.vp_table import from_alphas_cumprod

        return from_alphas_cumprod(alphas_cumprod, interpolation, t_start, t_end)

    @staticmethod
    def zero_terminal_snr(betas: Sequence[float], t_start: float = 1.0, t_end: float | None = None) -> VPTable:
        """Return the schedule of `from_betas` with α shifted and scaled to vanish at t = 1, unchanged at t_0.

        A run from t = 1 starts from pure noise, of which an ε-prediction tells nothing: the network has to predict the
        data or the velocity, and the sampler to use the data, as the DPM-Solver++ and UniPC do, or to be in a gauge
        that is finite there, such as ``"adams3-velocity"``. Between the t_i, arctan(σ/α) is linear.

        Raises
        ------
        ValueError
            If there are fewer than two betas, or one of them lies outside (0, 1).

        Notes
        -----
        Lin, Liu, Li & Yang, *Common diffusion noise schedules and sample steps are flawed*, 2023, algorithm 1.
        """
        from diffusion.process.vp_table import zero_terminal_snr

        return zero_terminal_snr(betas, t_start, t_end)


class _VPFromIntegral(VP):
    """A VP schedule given by B(t) = ∫β, its inverse ``_integral_time`` and its derivative β(t)."""

    @abstractmethod
    def _integral(self, xp: Namespace, t: Any) -> Any: ...

    @abstractmethod
    def _integral_time(self, xp: Namespace, integral: Any) -> Any: ...

    @abstractmethod
    def _beta(self, xp: Namespace, t: Any) -> Any: ...

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return xp.exp(-0.5 * self._integral(xp, t))

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return xp.sqrt(-xp.expm1(-self._integral(xp, t)))

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return xp.sqrt(xp.expm1(self._integral(xp, t)))

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return half_log_snr_of_integral(xp, self._integral(xp, t))

    def _rate(self, xp: Namespace, t: Any) -> Any:
        return 0.5 * self._beta(xp, t) / xp.expm1(-self._integral(xp, t))

    def _time(self, xp: Namespace, lam: Any) -> Any:
        return self._integral_time(xp, integral_of_half_log_snr(xp, lam))


@dataclass(frozen=True)
class VPLinear(_VPFromIntegral):
    """VP with β(t) = β_min + t (β_max − β_min), so B(t) = β_min t + (β_max − β_min) t²/2.

    Notes
    -----
    Song et al., *Score-based generative modeling through stochastic differential equations*, 2021, appendix C.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    t_start: float = 1.0
    t_end: float = 1e-3

    def __post_init__(self) -> None:
        plain_fields(self)
        number("beta_min", self.beta_min, above=0.0)
        number("beta_max", self.beta_max, above=0.0)
        if self.beta_max < self.beta_min:
            raise ValueError(
                f"expected beta_min <= beta_max; received beta_min={self.beta_min!r}, beta_max={self.beta_max!r}; "
                "exchange them"
            )
        check_times(self.t_start, self.t_end, lowest=0.0)

    def _beta(self, xp: Namespace, t: Any) -> Any:
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def _integral(self, xp: Namespace, t: Any) -> Any:
        return t * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * t)

    def _integral_time(self, xp: Namespace, integral: Any) -> Any:
        root = xp.sqrt(self.beta_min**2 + 2.0 * (self.beta_max - self.beta_min) * integral)
        return 2.0 * integral / (self.beta_min + root)  # the root of the quadratic that does not cancel


@dataclass(frozen=True)
class VPCosine(VP):
    """VP with α(t) = cos(c (t + s)) / cos(c s), c = π / (2 (1 + s)).

    Written with sin(c (1 − t)) = cos(c (t + s)) and σ² = sin(c t) sin(c (t + 2s)) / cos²(c s); neither cancels.

    Notes
    -----
    Nichol & Dhariwal, *Improved denoising diffusion probabilistic models*, 2021, §3.2.
    """

    s: float = 0.008
    t_start: float = 0.9946
    t_end: float = 1e-3

    def __post_init__(self) -> None:
        plain_fields(self)
        if not 0.0 <= self.s < float("inf"):
            raise ValueError(f"expected s >= 0; received {self.s!r}; the usual offset is 0.008")
        check_times(self.t_start, self.t_end, lowest=0.0, highest=1.0)

    @property
    def _c(self) -> float:
        return 0.5 * pi / (1.0 + self.s)

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return xp.sin(self._c * (1.0 - t)) / cos(self._c * self.s)

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return xp.sqrt(self._sin_product(xp, t)) / cos(self._c * self.s)

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return xp.sqrt(self._sin_product(xp, t)) / xp.sin(self._c * (1.0 - t))

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return xp.log(xp.sin(self._c * (1.0 - t))) - 0.5 * xp.log(self._sin_product(xp, t))

    def _rate(self, xp: Namespace, t: Any) -> Any:
        c = self._c
        noise = 1.0 / xp.tan(c * t) + 1.0 / xp.tan(c * (t + 2.0 * self.s))
        return -c / xp.tan(c * (1.0 - t)) - 0.5 * c * noise

    def _time(self, xp: Namespace, lam: Any) -> Any:
        # With θ = c (t + s) and θ₀ = c s: cos θ = α cos θ₀ and sin(θ − θ₀) sin(θ + θ₀) = σ² cos² θ₀.
        c0, s0 = cos(self._c * self.s), sin(self._c * self.s)
        cos_theta = c0 / xp.sqrt(1.0 + xp.exp(-2.0 * lam))
        product = c0**2 / (1.0 + xp.exp(2.0 * lam))
        sin_theta = xp.sqrt(s0**2 + product)
        sin_difference = product / (sin_theta * c0 + cos_theta * s0)
        cos_difference = cos_theta * c0 + sin_theta * s0
        return xp.atan2(sin_difference, cos_difference) / self._c

    def _sin_product(self, xp: Namespace, t: Any) -> Any:
        return xp.sin(self._c * t) * xp.sin(self._c * (t + 2.0 * self.s))


def half_log_snr_of_integral(xp: Namespace, integral: Any) -> Any:
    """Return λ = −½ log(e^B − 1), B = ``integral`` > 0, without overflow or cancellation."""
    return -0.5 * (integral + xp.log(-xp.expm1(-integral)))


def integral_of_half_log_snr(xp: Namespace, lam: Any) -> Any:
    """Return B = log(1 + e^{−2λ}), without overflow or cancellation, also in its derivative."""
    return xp.logaddexp(-2.0 * lam, xp.zeros_like(lam))
