"""Gaussian mixtures: the exact denoiser in closed form, for any schedule."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, prod
from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.process.pointwise import in_double
from diffusion.process.prediction import Kind, basis, prediction_name
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp import VP
from expint.arrays import real_values
from expint.backend import Array, array_namespace, asarray_like, is_array

__all__ = ["MixtureNetwork", "gaussian_mixture"]


@dataclass(frozen=True, eq=False)
class MixtureNetwork:
    """The exact output p E[x₀|x] + q E[ε|x] for x = α x₀ + σ ε, x₀ ~ Σ_k w_k N(μ_k, C_k).

    With C_k = Q Λ Qᵀ, v = α² Λ + σ² and z = Qᵀ(x − α μ_k), the component k has E[x₀|x] = μ_k + Q (α Λ/v) z and
    E[ε|x] = Q (σ/v) z; it is responsible for x in proportion to w_k |v|^{−1/2} exp(−Σ z²/2v). Nothing is divided by σ,
    so both hold to rounding as σ → 0 (if Λ > 0) and as α → 0. Computed in float64, returned in the precision of x.

    Parameters
    ----------
    weights, means
        (K,), positive, of sum 1; and (K, d).
    scales, axes
        Λ (K, d), not negative, and Q (K, d, d), its columns the eigenvectors.
    schedule
        α(t) and σ(t).
    predicts
        The kind of output.
    """

    weights: np.ndarray
    means: np.ndarray
    scales: np.ndarray
    axes: np.ndarray
    schedule: NoiseSchedule
    predicts: Kind

    def __call__(self, x: Array, t: Array) -> Array:
        """Return the output, of the shape and dtype of x (B, …) with d elements per sample, told the times t (B,)."""
        xp = array_namespace(x)
        logits, z, variance, alpha, sigma = self._components(x, self.schedule.time_of_network(in_double(t)))
        responsible = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
        responsible = (responsible / xp.sum(responsible, axis=1, keepdims=True))[:, :, None]
        p, q = basis(self.predicts, alpha, sigma, self.schedule.sigma_data)
        gain = (p * alpha * asarray_like(self.scales, z) + q * sigma) / variance
        axes, means = asarray_like(self.axes.swapaxes(1, 2), z), asarray_like(self.means, z)
        each = p * means + xp.matmul((gain * z)[:, :, None, :], axes)[:, :, 0, :]
        return xp.astype(xp.reshape(xp.sum(responsible * each, axis=1), x.shape), x.dtype)

    def divergence(self, x: Array, t: Array) -> Array:
        """Return Σ_i ∂(output)_i/∂x_i, (B,), in float64, told the times t (B,).

        With r_k the responsibilities, o_k the outputs and s_k the scores of the components, G_k = ∂o_k/∂x and ō the
        output, it is Σ_k r_k (tr G_k + (o_k − ō)·s_k).
        """
        xp = array_namespace(x)
        logits, z, variance, alpha, sigma = self._components(x, self.schedule.time_of_network(in_double(t)))
        responsible = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
        responsible = responsible / xp.sum(responsible, axis=1, keepdims=True)
        p, q = basis(self.predicts, alpha, sigma, self.schedule.sigma_data)
        gain = (p * alpha * asarray_like(self.scales, z) + q * sigma) / variance
        axes, means = asarray_like(self.axes.swapaxes(1, 2), z), asarray_like(self.means, z)
        each = p * means + xp.matmul((gain * z)[:, :, None, :], axes)[:, :, 0, :]
        scores = -xp.matmul((z / variance)[:, :, None, :], axes)[:, :, 0, :]
        off = each - xp.sum(responsible[:, :, None] * each, axis=1, keepdims=True)
        return xp.sum(responsible * xp.sum(gain + off * scores, axis=2), axis=1)

    def log_density(self, x: Array, t: Array) -> Array:
        """Return log p_t(x), shape (B,), in float64, at times of the schedule, σ(t) > 0 or covariances of full rank."""
        xp = array_namespace(x)
        logits, *_ = self._components(x, t)
        top = xp.max(logits, axis=1, keepdims=True)
        mixed = xp.log(xp.sum(xp.exp(logits - top), axis=1)) + top[:, 0]
        return mixed - 0.5 * log(2 * pi) * self.means.shape[1]

    def _components(self, x: Array, t: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Return log-responsibilities (B, K) up to a constant, z and v (B, K, d), α and σ (B, 1, 1)."""
        xp = array_namespace(x)
        size = self.means.shape[1]
        if prod(x.shape[1:]) != size or x.ndim < 2:
            raise ValueError(
                f"expected states of {size} elements in each sample, such as (B, {size}); received {tuple(x.shape)}; "
                "reshape them to fit the mixture"
            )
        flat = xp.astype(xp.reshape(x, (x.shape[0], 1, size)), xp.float64)
        time = in_double(t) if is_array(t) else asarray_like(np.asarray(float(t)), flat)
        time = xp.reshape(time, (-1, 1, 1))
        alpha, sigma = self.schedule.alpha(time), self.schedule.sigma(time)
        centred = flat - alpha * asarray_like(self.means, flat)
        z = xp.matmul(centred[:, :, None, :], asarray_like(self.axes, flat))[:, :, 0, :]
        variance = alpha**2 * asarray_like(self.scales, flat) + sigma**2
        logits = asarray_like(np.log(self.weights), flat) - 0.5 * xp.sum(z**2 / variance + xp.log(variance), axis=2)
        return logits, z, variance, alpha, sigma


def gaussian_mixture(
    weights: Any,
    means: Any,
    covariances: Any,
    schedule: NoiseSchedule | None = None,
    predicts: str = "data",
) -> Denoiser:
    """Return the exact denoiser of data distributed as a mixture of Gaussians with full covariances.

    Parameters
    ----------
    weights
        (K,), positive; normalised to sum 1.
    means
        (K, d).
    covariances
        (K, d, d), symmetric and positive semidefinite.
    schedule
        The process x = α(t) x₀ + σ(t) ε; ``VP.linear()`` by default.
    predicts
        The kind of output, such as ``"data"`` or ``"noise"``.

    Returns
    -------
    Denoiser
        For states (B, …) with d elements in each sample, NumPy arrays or tensors.

    Raises
    ------
    ValueError
        If shapes do not fit, weights are not positive, or a covariance is not symmetric positive semidefinite.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([0.5, 0.5], [[-2.0], [2.0]], [[[0.01]], [[0.01]]])
    >>> made = diffusion.sample(net, np.array([[-1.0], [1.0]]), steps=20)
    >>> np.round(made[:, 0]).tolist()
    [-2.0, 2.0]
    """
    w, mu, cov = real_values("weights", weights), real_values("means", means), real_values("covariances", covariances)
    if mu.ndim != 2 or w.shape != mu.shape[:1] or cov.shape != (*mu.shape, mu.shape[-1]):
        raise ValueError(
            f"expected weights (K,), means (K, d) and covariances (K, d, d); received {w.shape}, {mu.shape} and "
            f"{cov.shape}; give one row or matrix for each component"
        )
    if not (np.all(w > 0.0) and np.all(np.isfinite(w))):
        raise ValueError(f"expected positive finite weights; received {w.tolist()}; drop components of no weight")
    scales, axes = np.linalg.eigh(cov)
    if not np.allclose(cov, cov.swapaxes(1, 2), rtol=1e-10) or scales.min() < -1e-12 * scales.max():
        raise ValueError(
            f"expected symmetric positive semidefinite covariances; received a smallest eigenvalue {scales.min()!r}; "
            "symmetrise them, or pass A @ A.T"
        )
    schedule = VP.linear() if schedule is None else schedule
    kind = prediction_name(predicts)
    network = MixtureNetwork(w / w.sum(), mu, np.maximum(scales, 0.0), axes, schedule, kind)
    return Denoiser(network, predicts=kind, schedule=schedule)
