"""The mean-reverting process, whose state decays to a known picture."""

# ruff: noqa: ARG005  (the formulas share the signature (xp, t); some need no namespace)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import cos, factorial, isfinite, log, pi
from typing import Any, NamedTuple

import numpy as np

from diffusion.names import resolve
from diffusion.process.pointwise import pointwise
from diffusion.process.schedule import NoiseSchedule, check_times
from diffusion.process.vp import half_log_snr_of_integral, integral_of_half_log_snr
from diffusion.process.vp_table import piecewise_linear
from diffusion.process.with_mean import WithMean, check_mean
from expint.arguments import number
from expint.arrays import real_values
from expint.backend import Array, Namespace

__all__ = ["THETAS", "MeanReverting", "Theta"]


class Theta(NamedTuple):
    """The speed θ of a reversion up to a factor: θ(t), Θ(t) = ∫₀ᵗ θ and its inverse, as functions of (xp, t)."""

    rate: Callable[[Namespace, Any], Any]
    integral: Callable[[Namespace, Any], Any]
    time: Callable[[Namespace, Any], Any]
    kinks: tuple[float, ...] = ()


_FIRST = 1.0 / 200.0  # of the linear speed: θ(0)/θ(1), as β from 1e-4 to 2e-2
_S = 0.008
_C = 0.5 * pi / (1.0 + _S)


def _linear_time(xp: Namespace, integral: Any) -> Any:
    return 2.0 * integral / (_FIRST + xp.sqrt(_FIRST**2 + 2.0 * (1.0 - _FIRST) * integral))


def _cosine_rate(xp: Namespace, t: Any) -> Any:
    return xp.sin(_C * t) * xp.sin(_C * (t + 2.0 * _S)) / cos(_C * _S) ** 2


def _cosine_integral(xp: Namespace, t: Any) -> Any:
    # ∫ sin(ct) sin(ct + b) dt = ½ (t − sin(ct)/c) cos b + sin(ct)/c · sin(ct/2) sin(ct/2 + b), b = 2cs; none cancels
    x, b = _C * t, 2.0 * _C * _S
    turned = xp.sin(x) * xp.sin(0.5 * x) * xp.sin(0.5 * x + b)
    return (0.5 * _less_sine(xp, x) * cos(b) + turned) / (_C * cos(_C * _S) ** 2)


def _less_sine(xp: Namespace, x: Any) -> Any:
    """Return x − sin x without cancellation."""
    square, series = x * x, 0.0 * x
    for k in range(9, 0, -1):
        series = (series + (-1.0) ** (k + 1) / factorial(2 * k + 1)) * square
    return xp.where(x < 1.0, x * series, x - xp.sin(x))


def _cosine_time(xp: Namespace, integral: Any) -> Any:
    """Return t by Newton's method from above, where Θ is convex: each step is one, and the last has its derivative."""
    slope = _C**2 / cos(_C * _S) ** 2
    t = xp.minimum(xp.ones_like(integral), (0.75 * pi**2 / slope * integral) ** (1.0 / 3.0))
    t = xp.minimum(t, xp.sqrt(0.5 * pi**2 / (slope * _S) * integral))
    for _ in range(9):
        t = t - (_cosine_integral(xp, t) - integral) / xp.clip(_cosine_rate(xp, t), 1e-30, None)
    return t


THETAS: dict[str, Theta] = {
    "constant": Theta(lambda xp, t: 0.0 * t + 1.0, lambda xp, t: 1.0 * t, lambda xp, w: 1.0 * w),
    "linear": Theta(
        lambda xp, t: _FIRST + (1.0 - _FIRST) * t, lambda xp, t: t * (_FIRST + 0.5 * (1.0 - _FIRST) * t), _linear_time
    ),
    "cosine": Theta(_cosine_rate, _cosine_integral, _cosine_time),
}
"""The speeds by name, up to a factor."""


@lru_cache(maxsize=64)
def _of_table(thetas: tuple[float, ...]) -> Theta:
    """Return the speed θ_i on ((i − 1)/N, i/N]."""
    knots = np.arange(len(thetas) + 1) / len(thetas)
    values = np.concatenate([[0.0], np.cumsum(thetas)]) / len(thetas)
    return Theta(
        lambda xp, t: piecewise_linear(xp, t, knots, values)[1],
        lambda xp, t: piecewise_linear(xp, t, knots, values)[0],
        lambda xp, w: piecewise_linear(xp, w, values, knots)[0],
        tuple(knots[1:-1].tolist()),
    )


@dataclass(frozen=True, eq=False)
class MeanReverting(WithMean):
    """The process dx = θ(t) (m − x) dt + g dw, g² = 2 σ_∞² θ, which ends at a known picture m but for noise.

    With Θ(t) = ∫₀ᵗ θ its state is x = α x₀ + (1 − α) m + σ ε, α = e^{−Θ}, σ = σ_∞ √(1 − e^{−2Θ}). A run from noise
    starts at m + σ_∞ ε. The network is given x, and every kind of prediction is that of x₀ and ε. Every sampler runs
    it: less (1 − α) m it is a variance-preserving process with scaled noise.

    Parameters
    ----------
    theta
        θ: "constant", "linear" (from 1/200 of its end on) or "cosine" (1 − cos²(π/2 (t+s)/(1+s)) / cos²(π/2 s/(1+s)),
        s = 0.008), a number, or a table θ_1 … θ_N, θ_i between (i − 1)/N and i/N.
    sigma_inf
        σ_∞ > 0, the standard deviation of the noise at the end.
    mean
        m: of the shape of the states, (B, …), of one of them, (…), or a number; None is 0.
    decay
        α(1), to which θ is scaled. None: 0.01 for a θ by name; a number or a table is taken as it is.
    t_start, t_end
        The range of sampling, within [0, 1].

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a θ is not positive, Θ up to ``t_start`` leaves α = 0 or makes no noise, or the times lie outside [0, 1].
        In a run, if m has another shape than the states, or if Θ at the start of a run from noise leaves α > 1/2.

    Notes
    -----
    Luo, Gustafsson, Zhao, Sjölund & Schön, *Image restoration with mean-reverting stochastic differential equations*,
    2023; its samplers in closed form: Li et al., *MRS: a fast sampler for mean reverting diffusion based on ODE and SDE
    solvers*, 2025. These work with a table: N = 100 values of θ by name, times their dt, and networks are told i = N t,
    which `adapters.with_scaled_time` gives them.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> process = MeanReverting("cosine", sigma_inf=0.2, mean=np.array([[1.0], [3.0]]))
    >>> exact = diffusion.Denoiser(lambda x, t: 0 * x + 2.0, predicts="data", schedule=process)  # the data are 2
    >>> restored = diffusion.sample(exact, np.array([[0.5], [-1.0]]), steps=4)
    >>> bool(np.allclose(restored, 2.0, atol=1e-3))
    True
    """

    theta: str | float | Sequence[float] = "cosine"
    sigma_inf: float = 1.0
    mean: Any = field(default=None, repr=False)
    decay: float | None = None
    t_start: float = 1.0
    t_end: float = 1e-3

    def __post_init__(self) -> None:
        object.__setattr__(self, "theta", _named_or_table(self.theta))
        object.__setattr__(self, "sigma_inf", number("sigma_inf", self.sigma_inf, above=0.0))
        for name in ("t_start", "t_end"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        check_times(self.t_start, self.t_end, lowest=0.0, highest=1.0)
        if self.decay is not None:
            object.__setattr__(self, "decay", number("decay", self.decay, above=0.0, below=1.0))
        if self.mean is not None:
            check_mean(self.mean)
        alpha, sigma = self.alpha(self.t_start), self.sigma(self.t_start)
        if not (alpha > 1e-150 and sigma > 0.0 and isfinite(self.half_log_snr(self.t_start))):
            raise ValueError(
                f"expected θ whose integral up to t_start = {self.t_start:g} leaves something of the data and makes "
                f"noise; received one that leaves α = {alpha:g} and σ = {sigma:g}; scale it, for example by decay=0.01"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MeanReverting) and self._numbers == other._numbers and self.mean is other.mean

    def __hash__(self) -> int:
        return hash(self._numbers)

    @property
    def _numbers(self) -> tuple[Any, ...]:
        return type(self), self.theta, self.sigma_inf, self.decay, self.t_start, self.t_end

    @property
    def centred(self) -> NoiseSchedule:
        """The process for m = 0."""
        return self if self.mean is None else replace(self, mean=None)

    @property
    def kinks(self) -> Sequence[float]:
        """The times at which θ jumps: those of a table."""
        return self._speed.kinks

    def mean_scale(self, t: Array) -> Array:
        """Return 1 − α(t), the share of m."""
        return pointwise(lambda xp, t: -xp.expm1(-self._integral(xp, t)), t)

    def noise_scale(self, t: Array) -> Array:
        """Return σ_∞, the standard deviation of the noise from which a run starts.

        Raises
        ------
        ValueError
            If the state at ``t`` is not yet m and noise: if α > 1/2.
        """
        alpha = float(np.max(np.asarray(self.alpha(t))))
        if alpha > 0.5:
            raise ValueError(
                f"expected a start from noise where θ has integrated to Θ = −log α > log 2, received t = {t} with "
                f"α = {alpha:.3g} of the data left; start later, take a larger θ or decay, or start='state'"
            )
        return pointwise(lambda xp, t: 0.0 * t + self.sigma_inf, t)

    @property
    def _speed(self) -> Theta:
        return THETAS[self.theta] if isinstance(self.theta, str) else _of_table(self.theta)

    @property
    def _factor(self) -> float:
        """What θ is multiplied by."""
        decay = 0.01 if self.decay is None and isinstance(self.theta, str) else self.decay
        return 1.0 if decay is None else -log(decay) / float(self._speed.integral(np, np.float64(1.0)))

    def _integral(self, xp: Namespace, t: Any) -> Any:
        return self._factor * self._speed.integral(xp, xp.asarray(t) if isinstance(t, float) else t)

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return xp.exp(-self._integral(xp, t))

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return self.sigma_inf * xp.sqrt(-xp.expm1(-2.0 * self._integral(xp, t)))

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return self.sigma_inf * xp.sqrt(xp.expm1(2.0 * self._integral(xp, t)))

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return half_log_snr_of_integral(xp, 2.0 * self._integral(xp, t)) - log(self.sigma_inf)

    def _rate(self, xp: Namespace, t: Any) -> Any:
        rate = xp.clip(self._speed.rate(xp, t), 1e-30, None)  # θ(0) may be 0, where λ falls from infinity all the same
        return self._factor * rate / xp.expm1(-2.0 * self._integral(xp, t))

    def _time(self, xp: Namespace, lam: Any) -> Any:
        integral = 0.5 * integral_of_half_log_snr(xp, lam + log(self.sigma_inf))
        return self._speed.time(xp, integral / self._factor)


def _named_or_table(theta: Any) -> str | tuple[float, ...]:
    """Return the name of a speed, or a table of it; a number is a table of one."""
    if isinstance(theta, str):
        return resolve(theta, THETAS, {}, "theta")
    table = real_values("theta", theta)
    if table.ndim > 1 or table.size == 0 or not (np.isfinite(table).all() and (table > 0.0).all()):
        raise ValueError(
            f"expected theta as a name, a positive number or a table of them, received {theta!r:.80}; leave out times "
            "at which nothing happens"
        )
    return tuple(table.reshape(-1).tolist())
