"""The exact denoiser of a finite data set: a model on real data whose score and density are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi
from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.models.store import digit_images
from diffusion.process.pointwise import in_double
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp import VP
from expint.arrays import real_values
from expint.backend import Array, array_namespace, asarray_like, is_array

__all__ = ["IdealNetwork", "ideal", "ideal_digits"]

SMALLEST_VARIANCE = 1e-200
"""Stands for σ² = 0: no two data points are then close enough to share weight, and nothing overflows."""


@dataclass(frozen=True, eq=False)
class IdealNetwork:
    """The posterior mean E[x₀ | x] for x = α x₀ + σ ε with x₀ drawn uniformly from the rows of ``data``.

        x₀(x, t) = Σ_i w_i d_i,    w = softmax_i( −|x − α d_i|² / 2σ² )

    The density of x is a mixture of Gaussians, so that ∇ log p_t(x) = (α x₀(x, t) − x)/σ² exactly. As σ → 0 the
    result is the nearest data point, as α → 0 their mean. Everything is computed in float64 and returned in the
    precision of x: the exponents carry a factor 1/σ², which single precision would not survive.

    Parameters
    ----------
    data : ndarray
        (n, *shape), float64: the data points.
    schedule : NoiseSchedule
        α(t) and σ(t).

    Raises
    ------
    ValueError
        If the data are empty, have no sample axis or are not finite.
    """

    data: np.ndarray
    schedule: NoiseSchedule

    def __post_init__(self) -> None:
        if self.data.ndim < 2 or self.data.size == 0 or not np.isfinite(self.data).all():
            raise ValueError(
                f"expected data of shape (n, *shape), n >= 1, finite; received shape {self.data.shape}; "
                "give one data point per row and remove those with NaN or infinity"
            )

    def __call__(self, x: Array, t: Array) -> Array:
        """Posterior mean (B, *shape) for x (B, *shape), told the time t, a number or (B,), in the dtype of x.

        Raises
        ------
        TypeError
            If x is not an array of real floating type.
        ValueError
            If the shape of x or t does not fit the data.
        """
        self._check(x, t)
        points, exponents, _, _ = self._exponents(x, self.schedule.time_of_network(in_double(t)))
        xp = array_namespace(x)
        weights = xp.exp(exponents - xp.max(exponents, axis=1, keepdims=True))
        weights = weights / xp.sum(weights, axis=1, keepdims=True)
        return xp.astype(xp.reshape(xp.matmul(weights, points), x.shape), x.dtype)

    def log_density(self, x: Array, t: Array) -> Array:
        """Return log p_t(x), shape (B,), float64, for x (B, *shape) and a time of the schedule, () or (B,), σ(t) > 0.

        Raises
        ------
        TypeError, ValueError
            As a call does.
        """
        self._check(x, t)
        points, exponents, alpha, variance = self._exponents(x, t)
        xp = array_namespace(x)
        count, size = points.shape
        nearest = xp.argmax(exponents, axis=1)
        mass = xp.sum(xp.exp(exponents - xp.max(exponents, axis=1, keepdims=True)), axis=1)
        # the distance to the nearest point is taken by difference: |x|² and its inner products would cancel
        residual = xp.astype(xp.reshape(x, (x.shape[0], -1)), xp.float64) - alpha * xp.take(points, nearest, axis=0)
        normal = -0.5 * xp.sum(residual**2, axis=1) / variance[:, 0] - 0.5 * size * xp.log(2 * pi * variance[:, 0])
        return normal + xp.log(mass) - log(count)

    def _exponents(self, x: Array, t: Array) -> tuple[Array, Array, Array, Array]:
        """Return the points d_i (n, D), (|x|² − |x − α d_i|²)/2σ² (B, n), α (B, 1) and σ² (B, 1)."""
        xp = array_namespace(x)
        flat = xp.astype(xp.reshape(x, (x.shape[0], -1)), xp.float64)
        points = asarray_like(self.data.reshape(len(self.data), -1), flat)
        time = in_double(t) if is_array(t) else asarray_like(np.asarray(float(t)), flat)
        time = xp.broadcast_to(xp.reshape(time, (-1, 1)), (x.shape[0], 1))
        alpha, variance = self.schedule.alpha(time), self.schedule.sigma(time) ** 2 + SMALLEST_VARIANCE
        overlap = alpha * (xp.matmul(flat, points.T) - 0.5 * alpha * xp.sum(points**2, axis=1))
        return points, overlap / variance, alpha, variance

    def _check(self, x: Any, t: Any) -> None:
        if not is_array(x) or not array_namespace(x).isdtype(x.dtype, "real floating"):
            kind = getattr(x, "dtype", type(x).__name__)
            raise TypeError(
                f"expected x as an array of real floating type; received {kind}; convert it, say to float32"
            )
        if tuple(x.shape[1:]) != self.data.shape[1:] or x.ndim != self.data.ndim:
            expected = ", ".join(["B", *map(str, self.data.shape[1:])])
            raise ValueError(
                f"expected x of shape ({expected}); received {tuple(x.shape)}; add or remove axes to fit the data"
            )
        if is_array(t) and tuple(t.shape) not in ((), (1,), (x.shape[0],)):
            raise ValueError(
                f"expected t as a number or of shape ({x.shape[0]},), one time for each sample; "
                f"received shape {tuple(t.shape)}; pass one time or one for each sample"
            )


def ideal(data: Array, schedule: NoiseSchedule) -> Denoiser:
    """Return the exact denoiser of a data set: the posterior mean over its points, `IdealNetwork`.

    Parameters
    ----------
    data : array
        (n, *shape), any namespace: the data points; samples then have shape (B, *shape).
    schedule : NoiseSchedule
        The process x = α(t) x₀ + σ(t) ε.

    Raises
    ------
    ValueError
        If the data are empty, have no sample axis or are not finite.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.ideal(np.array([[-1.0], [1.0]]), diffusion.VP.linear())
    >>> np.round(diffusion.sample(net, np.array([[-0.8], [0.9]]), steps=20)[:, 0], 2).tolist()
    [-1.0, 1.0]
    """
    network = IdealNetwork(real_values("data", data), schedule)
    return Denoiser(network, predicts="data", schedule=schedule)


def ideal_digits() -> Denoiser:
    """Return the exact denoiser of the 1797 real digits, shape (B, 1, 8, 8), for the schedule VP.linear(0.1, 20).

    It takes NumPy arrays and tensors. Sampling with it ends on the data: it generates nothing new, but its score is
    known exactly.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.models.ideal_digits().predicts
    'data'
    """
    return ideal(digit_images().images, VP.linear(0.1, 20.0))
