"""The interface of th_deis, the code of the DEIS paper, on our samplers: exact coefficients, and no jax.

.. code-block:: python

    from diffusion.adapters import th_deis as deis

    sde = deis.VPSDE(*deis.get_linear_alpha_fns(0.1, 20.0), sampling_eps=1e-3, sampling_T=1.0)
    sampler_fn = deis.get_sampler(sde, eps_fn, "t", 2.0, 10, method="t_ab", ab_order=3)
    x = sampler_fn(noise)

What it calls alpha is α² here.
"""

from __future__ import annotations

# ruff: noqa: ARG002  (the formulas share the signature (xp, t))
from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np

from diffusion import grids
from diffusion.adapters.networks import with_index
from diffusion.denoiser import Denoiser
from diffusion.process.schedule import NoiseSchedule, check_times
from diffusion.process.vp import VP
from diffusion.sample import sample
from expint.arguments import choice, flag, function, instance, integer, number
from expint.arrays import real_values
from expint.backend import Array

__all__ = ["SDE", "VPSDE", "DiscreteVPSDE", "get_cos_alpha_fns", "get_linear_alpha_fns", "get_sampler"]

_RUNGE_KUTTA = {
    "1euler": "deis-rhoab0",
    "2heun": "deis-rho-heun",
    "3kutta": "deis-rho-kutta3",
    "3ral": "deis-rho-ralston3",
    "3heun": "deis-rho-heun3",
    "3vdh": "deis-rho-vdh3",
    "3ssprk": "deis-rho-ssprk3",
    "4rk": "deis-rho-rk4",
}
_MULTISTEP = {"t_ab": "deis-tab", "rho_ab": "deis-rhoab"}
_PHASES = {"t": "t", "rho": "rho", "log": "lambda"}
_CLIP = 1e-7  # of α² of a table, and of 1 − α²
_STEP = 1e-4  # of a difference for the derivative, of the range

AlphaFunction = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class SDE:
    """What `VPSDE` and `DiscreteVPSDE` make: a process, and the time that networks are told.

    Attributes
    ----------
    schedule
        The process, as ``diffusion.sample`` takes it.
    count
        The number of times of a table, whose i-th is (i + 1)/count in the schedule and i to networks; None for
        continuous time.
    """

    schedule: NoiseSchedule
    count: int | None = None

    def times(self, own: np.ndarray) -> np.ndarray:
        """Return the times of the schedule at times of th_deis."""
        return own if self.count is None else (own + 1.0) / self.count


def get_linear_alpha_fns(beta_0: float, beta_1: float) -> tuple[AlphaFunction, AlphaFunction]:
    """Return (t ↦ α², α² ↦ t) of the process with β(t) = β₀ + t (β₁ − β₀)."""
    schedule = VP.linear(number("beta_0", beta_0), number("beta_1", beta_1))
    return _SquaredAlpha(schedule), _TimeOfSquaredAlpha(schedule)


def get_cos_alpha_fns() -> tuple[AlphaFunction, AlphaFunction]:
    """Return (t ↦ α², α² ↦ t) with α² = cos²(π/2 (t + 0.008)/1.008), which is not quite 1 at t = 0."""
    return _cosine, _time_of_cosine


def VPSDE(
    t2alpha_fn: AlphaFunction,
    alpha2t_fn: AlphaFunction,
    sampling_eps: float,
    sampling_T: float,
) -> SDE:
    """Return the variance-preserving process with these functions t ↦ α² and α² ↦ t, between two times.

    The functions are those of `get_linear_alpha_fns` or `get_cos_alpha_fns`, or your own of NumPy arrays, smooth, in
    double precision; the derivative of those is taken by differences, to some eleven digits.

    Raises
    ------
    TypeError, ValueError
        If the functions are none, return another precision, or are not inverse to each other; if the times are
        exchanged.
    """
    function("t2alpha_fn", t2alpha_fn, "t ↦ α²")
    function("alpha2t_fn", alpha2t_fn, "α² ↦ t")
    eps, end = number("sampling_eps", sampling_eps), number("sampling_T", sampling_T)
    check_times(end, eps, lowest=0.0)
    if isinstance(t2alpha_fn, _SquaredAlpha):
        own: Any = t2alpha_fn.schedule
        return SDE(VP.linear(own.beta_min, own.beta_max, end, eps))
    if t2alpha_fn is _cosine:
        return SDE(_Cosine(end, eps))
    at = np.linspace(eps, end, 7)
    with np.errstate(all="ignore"):
        alpha = t2alpha_fn(at)
    if getattr(alpha, "dtype", None) != np.float64 or not isinstance(alpha, np.ndarray):
        raise TypeError(
            f"expected t2alpha_fn to return an array of NumPy in double precision, received {type(alpha).__name__} of "
            f"{getattr(alpha, 'dtype', 'no dtype')}; write it by np.exp and the like"
        )
    with np.errstate(all="ignore"):
        back = real_values("what alpha2t_fn returns", alpha2t_fn(alpha))
    if back.shape != at.shape or not np.allclose(back, at, rtol=1e-6, atol=1e-6):
        raise ValueError(
            f"expected alpha2t_fn to be the inverse of t2alpha_fn, received {back} for the times {at}; correct it"
        )
    return SDE(_OfFunctions(t2alpha_fn, alpha2t_fn, end, eps))


def DiscreteVPSDE(discrete_alpha: Any) -> SDE:
    """Return the process of a table of α², linear between its entries; networks are told the index, whole or not.

    Parameters
    ----------
    discrete_alpha
        ``alphas_cumprod``: decreasing; clipped to 1e-7 … 1 − 1e-7.

    Raises
    ------
    ValueError
        If the table does not decrease, or has fewer than two entries.
    """
    table = np.clip(real_values("discrete_alpha", discrete_alpha, ndim=1), _CLIP, 1.0 - _CLIP)
    return SDE(VP.from_alphas_cumprod(table.tolist(), "variance"), table.size)


def get_sampler(
    sde: SDE,
    eps_fn: Callable[[Array, Array], Array],
    ts_phase: str,
    ts_order: float,
    num_step: int,
    method: str = "rho_rk",
    ab_order: int = 3,
    rk_method: str = "3kutta",
    *,
    exact: bool = True,
) -> Callable[[Array], Array]:
    """Return the function from the first state, standard normal noise, to the last.

    Parameters
    ----------
    sde
        A `VPSDE` or `DiscreteVPSDE`.
    eps_fn
        The network (x, t) ↦ noise, with one time t for the batch, an array of no axis like x.
    ts_phase, ts_order
        The variable, "t", "rho" or "log" (of ρ), and the exponent k: times are uniform in its k-th root; k = 1 for
        "log".
    num_step
        The number of steps.
    method
        "t_ab", "rho_ab", "rho_rk", or "ipndm", whose times are uniform in t whatever the phase.
    ab_order
        The number of past slopes of "t_ab" and "rho_ab".
    rk_method
        The method of "rho_rk": "1euler", "2heun", "3kutta", "3ral", "3heun", "3vdh", "3ssprk" or "4rk".
    exact
        Whether coefficients are exact; if not they are the sums of ten thousand terms that th_deis makes.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, an order does not suit, or ``exact=False`` is asked of methods that integrate nothing.

    Notes
    -----
    Zhang & Chen, *Fast sampling of diffusion models with exponential integrator*, 2023.
    """
    instance("sde", sde, SDE, "a process of th_deis.VPSDE or DiscreteVPSDE")
    function("eps_fn", eps_fn, "(x, t)")
    choice("ts_phase", ts_phase, _PHASES)
    order = number("ts_order", ts_order, above=0.0)
    steps = integer("num_step", num_step)
    exact, ab_order = flag("exact", exact), integer("ab_order", ab_order, least=0)
    name = _name(choice("method", str(method).lower(), (*_MULTISTEP, "rho_rk", "ipndm")), ab_order, rk_method, exact)
    if ts_phase == "log" and order != 1.0:
        raise ValueError(f"expected ts_order=1 with ts_phase='log', received {order:g}; the logarithm may be negative")
    phase, order = ("t", 1.0) if method.lower() == "ipndm" else (ts_phase, order)
    times = _times(sde, steps, phase, order)
    network = _Eps(eps_fn) if sde.count is None else with_index(_Eps(eps_fn), sde.count)
    denoiser = Denoiser(network, "noise", sde.schedule)

    def sampler_fn(xT: Array) -> Array:
        return sample(denoiser, xT, sampler=name, grid=times, start="state")

    return sampler_fn


def _name(method: str, ab_order: int, rk_method: str, exact: bool) -> str:
    """Return our name of the sampler."""
    if method in _MULTISTEP:
        order = integer("ab_order", ab_order, least=0, most=8 if exact else 3)
        return f"{_MULTISTEP[method]}{order}{'' if exact else '@th-deis'}"
    if not exact:
        raise ValueError(f"expected exact=False with 't_ab' or 'rho_ab', received {method!r}, which has no sums")
    return "ipndm" if method == "ipndm" else _RUNGE_KUTTA[choice("rk_method", rk_method, _RUNGE_KUTTA)]


def _times(sde: SDE, steps: int, phase: str, order: float) -> np.ndarray:
    if phase == "t" and sde.count is not None:  # a power of the index, which the time is not
        return sde.times(np.linspace((sde.count - 1.0) ** (1.0 / order), 0.0, steps + 1) ** order)
    return grids.power(steps, order, _PHASES[phase], schedule=sde.schedule)


@dataclass(frozen=True, eq=False)
class _Eps:
    """The network, told one time for the batch."""

    eps_fn: Callable[[Array, Array], Array]

    def __call__(self, x: Array, t: Array) -> Array:
        """Return the noise."""
        return self.eps_fn(x, t[0])


@dataclass(frozen=True)
class _SquaredAlpha:
    schedule: NoiseSchedule

    def __call__(self, t: Any) -> Any:
        """Return α²."""
        return self.schedule.alpha(t) ** 2


@dataclass(frozen=True)
class _TimeOfSquaredAlpha:
    schedule: NoiseSchedule

    def __call__(self, alpha: Any) -> Any:
        """Return t."""
        return self.schedule.time(0.5 * np.log(alpha / (1.0 - alpha)))


def _cosine(t: Any) -> Any:
    return _Cosine().alpha(t) ** 2


def _time_of_cosine(alpha: Any) -> Any:
    return _Cosine().time(0.5 * np.log(alpha / (1.0 - alpha)))


@dataclass(frozen=True)
class _Cosine(VP):
    """The process with α = cos u, σ = sin u, u = π/2 (t + 0.008)/1.008."""

    t_start: float = 0.9946
    t_end: float = 1e-3

    @staticmethod
    def _angle(t: Any) -> Any:
        return 0.5 * pi * (t + 0.008) / 1.008

    def _alpha(self, xp: Any, t: Any) -> Any:
        return xp.cos(self._angle(t))

    def _sigma(self, xp: Any, t: Any) -> Any:
        return xp.sin(self._angle(t))

    def _half_log_snr(self, xp: Any, t: Any) -> Any:
        return -xp.log(xp.tan(self._angle(t)))

    def _rate(self, xp: Any, t: Any) -> Any:
        return -pi / 1.008 / xp.sin(2.0 * self._angle(t))

    def _time(self, xp: Any, lam: Any) -> Any:
        return 1.008 * 2.0 / pi * xp.atan(xp.exp(-lam)) - 0.008


@dataclass(frozen=True, eq=False)
class _OfFunctions(VP):
    """The process of two functions of NumPy arrays."""

    t2alpha: AlphaFunction
    alpha2t: AlphaFunction
    t_start: float = 1.0
    t_end: float = 1e-3

    def _alpha(self, xp: Any, t: Any) -> Any:
        return np.sqrt(self.t2alpha(t))

    def _sigma(self, xp: Any, t: Any) -> Any:
        return np.sqrt(1.0 - self.t2alpha(t))

    def _half_log_snr(self, xp: Any, t: Any) -> Any:
        squared = self.t2alpha(t)
        return 0.5 * np.log(squared / (1.0 - squared))

    def _rate(self, xp: Any, t: Any) -> Any:
        h = np.minimum(_STEP * (self.t_start - self.t_end), 0.25 * np.abs(t))
        a, b, c, d = (np.log(self.t2alpha(t + k * h)) for k in (-2, -1, 1, 2))
        return (a - 8.0 * b + 8.0 * c - d) / (24.0 * h * (1.0 - self.t2alpha(t)))

    def _time(self, xp: Any, lam: Any) -> Any:
        return self.alpha2t(1.0 / (1.0 + np.exp(-2.0 * lam)))
