"""Variance-preserving schedules of discrete-time models: a table of ᾱ, interpolated in a quantity chosen by name."""

# ruff: noqa: ARG005  (the quantities share the signature (xp, q); some need no namespace)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import pi
from typing import Any, NamedTuple

import numpy as np

from diffusion.names import resolve
from diffusion.process.schedule import check_times
from diffusion.process.vp import VP, half_log_snr_of_integral, integral_of_half_log_snr
from expint.arguments import number
from expint.arrays import real_values
from expint.backend import Array, Namespace, asarray_like, is_array

__all__ = [
    "INTERPOLATIONS",
    "VPTable",
    "from_alphas_cumprod",
    "from_betas",
    "piecewise_linear",
    "zero_terminal_snr",
]


_RIGHT_ANGLE = 0.5 * pi * (1.0 - 1e-15)  # arctan ρ where α = 0


class Interpolation(NamedTuple):
    """A quantity q that grows with B = −2 log α: q(λ), its inverse λ(q), and dλ/dq."""

    of_half_log_snr: Callable[[Namespace, Any], Any]
    half_log_snr: Callable[[Namespace, Any], Any]
    rate: Callable[[Namespace, Any], Any]


INTERPOLATIONS: dict[str, Interpolation] = {
    "log-alpha": Interpolation(integral_of_half_log_snr, half_log_snr_of_integral, lambda xp, q: 0.5 / xp.expm1(-q)),
    "log-rho": Interpolation(lambda xp, lam: -lam, lambda xp, q: -q, lambda xp, q: 0.0 * q - 1.0),
    "rho": Interpolation(lambda xp, lam: xp.exp(-lam), lambda xp, q: -xp.log(q), lambda xp, q: -1.0 / q),
    "variance": Interpolation(
        lambda xp, lam: 1.0 / (1.0 + xp.exp(2.0 * lam)),
        lambda xp, q: 0.5 * (xp.log1p(-q) - xp.log(q)),
        lambda xp, q: -0.5 / (q * (1.0 - q)),
    ),
    "angle": Interpolation(
        lambda xp, lam: xp.atan(xp.exp(-lam)),
        lambda xp, q: xp.where(q < _RIGHT_ANGLE, -xp.log(xp.tan(q)), -float("inf") + 0.0 * q),
        lambda xp, q: -2.0 / xp.sin(2.0 * q),
    ),
}


@dataclass(frozen=True)
class VPTable(VP):
    """VP with λ known at t_i = (i + 1)/N and a named quantity linear in t between the t_i, and beyond them.

    Parameters
    ----------
    half_log_snrs
        λ(t_0) … λ(t_{N−1}), strictly decreasing; the last may be −∞.
    interpolation
        The quantity: ``"log-alpha"``, ``"log-rho"``, ``"rho"``, ``"variance"``, σ², or ``"angle"``, arctan ρ, which
        alone of them serves where α = 0.
    t_start, t_end
        The range of sampling.

    Notes
    -----
    λ is continuous and only piecewise smooth: its rate jumps at the t_i. Below t_0 log α falls linearly to 0 at t = 0,
    where σ = 0, whatever the interpolation: prolonged, the other quantities and mostly log α itself get there at no
    time or change sign before.
    """

    half_log_snrs: tuple[float, ...]
    interpolation: str = "log-alpha"
    t_start: float = 1.0
    t_end: float = 1e-3
    _values: np.ndarray = field(init=False, repr=False, compare=False)
    _least: float = field(init=False, repr=False, compare=False)

    _never_changes = True

    def __repr__(self) -> str:
        lam = self.half_log_snrs
        said = f"VPTable({len(lam)} values of λ from {lam[0]:.4g} to {lam[-1]:.4g}, {self.interpolation!r}"
        return f"{said}, t_start={self.t_start!r}, t_end={self.t_end!r})"

    def __post_init__(self) -> None:
        table = real_values("half_log_snrs", self.half_log_snrs, ndim=1)
        object.__setattr__(self, "half_log_snrs", tuple(table.tolist()))
        resolve(self.interpolation, INTERPOLATIONS, {}, "interpolation")
        if len(self.half_log_snrs) < 2 or any(not b < a for a, b in pairwise(self.half_log_snrs)):
            raise ValueError(
                f"expected at least two strictly decreasing half-log-SNRs; received {len(self.half_log_snrs)} values; "
                "check the table of alphas"
            )
        if not np.isfinite(self.half_log_snrs[-1]) and self.interpolation != "angle":
            raise ValueError(
                f"expected interpolation='angle' for a table that ends in α = 0, received {self.interpolation!r}, "
                "which is infinite there"
            )
        for name in ("t_start", "t_end"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        check_times(self.t_start, self.t_end, lowest=0.0)
        values = self._quantity.of_half_log_snr(np, np.array(self.half_log_snrs))
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_least", float(integral_of_half_log_snr(np, np.float64(self.half_log_snrs[0]))))

    def __hash__(self) -> int:
        """Hash by a few entries: a table keys caches that are asked in every step."""
        few = (self.half_log_snrs[0], self.half_log_snrs[-1], len(self.half_log_snrs))
        return hash((few, self.interpolation, self.t_start, self.t_end))

    @property
    def kinks(self) -> Sequence[float]:
        """The times of the table, at which the rate of λ jumps."""
        return self._times[:-1].tolist()

    @property
    def _quantity(self) -> Interpolation:
        return INTERPOLATIONS[self.interpolation]

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return xp.exp(-0.5 * integral_of_half_log_snr(xp, self._half_log_snr(xp, t)))

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return xp.sqrt(-xp.expm1(-integral_of_half_log_snr(xp, self._half_log_snr(xp, t))))

    def _rho(self, xp: Namespace, t: Any) -> Any:
        return xp.exp(-self._half_log_snr(xp, t))

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        point = _array(xp, t)
        first, least = self._first
        value, _ = piecewise_linear(xp, xp.clip(point, first, None), self._times, self._values)
        below = half_log_snr_of_integral(xp, xp.clip(point, None, first) * (least / first))
        return xp.where(point < first, below, self._quantity.half_log_snr(xp, value))

    def _rate(self, xp: Namespace, t: Any) -> Any:
        point = _array(xp, t)
        first, least = self._first
        value, slope = piecewise_linear(xp, xp.clip(point, first, None), self._times, self._values)
        below = least / first * 0.5 / xp.expm1(-xp.clip(point, None, first) * (least / first))
        return xp.where(point < first, below, slope * self._quantity.rate(xp, value))

    def _time(self, xp: Namespace, lam: Any) -> Any:
        point = _array(xp, lam)
        first, least = self._first
        inside = xp.clip(point, None, self.half_log_snrs[0])
        value, _ = piecewise_linear(xp, self._quantity.of_half_log_snr(xp, inside), self._values, self._times)
        below = integral_of_half_log_snr(xp, xp.clip(point, self.half_log_snrs[0], None)) * (first / least)
        return xp.where(point > self.half_log_snrs[0], below, value)

    @property
    def _first(self) -> tuple[float, float]:
        """t_0 and B = −2 log α there."""
        return 1.0 / len(self.half_log_snrs), self._least

    @property
    def _times(self) -> np.ndarray:
        return np.arange(1, len(self.half_log_snrs) + 1) / len(self.half_log_snrs)


def from_betas(betas: Sequence[float], interpolation: str, t_start: float, t_end: float | None) -> VPTable:
    """Return the table with ᾱ_i = Π_{j ≤ i} (1 − β_j); see `VP.from_betas`."""
    column = _column("betas", betas, last=1.0)
    with np.errstate(divide="ignore"):
        return _from_integrals(-np.cumsum(np.log1p(-column)), interpolation, t_start, t_end)


def from_alphas_cumprod(
    alphas_cumprod: Sequence[float], interpolation: str, t_start: float, t_end: float | None
) -> VPTable:
    """Return the table with α(t_i)² = ᾱ_i; see `VP.from_alphas_cumprod`."""
    values = _column("alphas_cumprod", alphas_cumprod, last=0.0)
    if not np.all(np.diff(values) < 0.0):
        raise ValueError(
            "expected alphas_cumprod to decrease strictly; received a table that does not; "
            "order it from the cleanest to the noisiest time and drop repeated entries"
        )
    with np.errstate(divide="ignore"):
        return _from_integrals(-np.log(values), interpolation, t_start, t_end)


def zero_terminal_snr(betas: Sequence[float], t_start: float, t_end: float | None) -> VPTable:
    """Return the table with α rescaled to vanish at its end; see `VP.zero_terminal_snr`."""
    integrals = -np.cumsum(np.log1p(-_column("betas", betas)))
    shifted = -np.exp(0.5 * (integrals - integrals[-1]))  # −α_N/α_i: α_i is multiplied by 1 − α_N/α_i, up to a constant
    with np.errstate(divide="ignore"):
        factor = np.log1p(shifted) - np.log1p(shifted[0])
    return _from_integrals(integrals - 2.0 * factor, "angle", t_start, t_end)


def _from_integrals(integrals: np.ndarray, interpolation: str, t_start: float, t_end: float | None) -> VPTable:
    lam = half_log_snr_of_integral(np, integrals)
    return VPTable(tuple(lam.tolist()), interpolation, t_start, 1.0 / lam.size if t_end is None else t_end)


def piecewise_linear(xp: Namespace, at: Any, knots: np.ndarray, values: np.ndarray) -> tuple[Array, Array]:
    """Return the value and the slope at ``at`` of the line through (knots, values), its end pieces prolonged."""
    point = _array(xp, at)
    flat = xp.reshape(point, (-1,))
    inner = asarray_like(knots[1:-1], point)  # n inner knots separate the n + 1 pieces
    piece = xp.searchsorted(inner, flat, side="right")

    def of_piece(column: np.ndarray) -> Array:
        return xp.reshape(xp.take(asarray_like(column, point), piece, axis=0), point.shape)

    slope = of_piece(np.diff(values) / np.diff(knots))
    return of_piece(values[:-1]) + slope * (point - of_piece(knots[:-1])), slope


def _array(xp: Namespace, value: Any) -> Array:
    return value if is_array(value) else xp.asarray(value, dtype=xp.float64)


def _column(name: str, values: Sequence[float], last: float | None = None) -> np.ndarray:
    column = real_values(name, values)
    inside = (column > 0.0) & (column < 1.0)
    if last is not None and column.ndim == 1 and column.size:
        inside[-1] |= column[-1] == last
    if column.ndim != 1 or column.size < 2 or not np.all(inside):
        exception = "" if last is None else f" ({last:g} for the last where α vanishes)"
        raise ValueError(
            f"expected {name}: at least two numbers strictly between 0 and 1{exception}; received shape {column.shape} "
            f"with values from {column.min(initial=1)!r} to {column.max(initial=0)!r}; clip or drop the offending ones"
        )
    return column
