"""Whether a plan is stable: its growth for a linear, known denoiser, compared with the growth of the equation."""

from __future__ import annotations

import warnings

import numpy as np

import expint
from diffusion.keeping import kept_of_values
from diffusion.noise.affine import affine_states
from diffusion.process.prediction import Kind, basis
from diffusion.process.schedule import NoiseSchedule

__all__ = ["UnstableWarning", "growth", "warn_unstable"]

_TOO_LARGE = 4.0  # times; a coarse grid may be off by two

_SCALES = np.array([0.05, 0.2, 0.5, 1.0, 2.0])  # standard deviations, those of directions of real data


class UnstableWarning(UserWarning):
    """The states of a run grow far beyond those of the equation, whatever the network."""


def warn_unstable(plan: expint.Plan, kind: Kind, schedule: NoiseSchedule, name: str) -> None:
    """Warn if the ``plan`` of the sampler called ``name`` makes its states much too large.

    That is asked of plans from data to noise, and of those that draw noise.
    """
    if not isinstance(plan.operator, expint.operators.Scalar):
        return  # of weights that are made for one network
    factor = growth(plan, kind, schedule)
    if factor > _TOO_LARGE and plan.layout.noise:
        warnings.warn(
            f"expected a stochastic sampler that is stable on its grid, received {name!r}, whose {len(plan.steps) - 1} "
            f"steps there make samples up to {factor:.2g} times too large, as its predictions carry the noise of every "
            "step; take more steps, or a sampler that predicts the data, such as 'dpmpp-2m-sde'",
            UnstableWarning,
            stacklevel=3,
        )
    elif factor > _TOO_LARGE:
        warnings.warn(
            f"expected a sampler that is stable from data to noise, received {name!r}, whose {len(plan.steps) - 1} "
            f"steps there make latents up to {factor:.2g} times too large: it extrapolates from short steps to long "
            "ones; take more steps, or a sampler that is stable backwards, such as 'ddim', 'dpmpp-2m' or 'unipc3'",
            UnstableWarning,
            stacklevel=3,
        )


@kept_of_values(maxsize=128)
def growth(plan: expint.Plan, kind: Kind, schedule: NoiseSchedule) -> float:
    """Return how many times too large the last state of a ``plan`` is at most, for Gaussian data of several scales s.

    Their denoiser is linear: E[x₀|x] = α s² x/v and E[ε|x] = σ x/v, v = α² s² + σ²; the states of the equation grow as
    √v. The plan is run on one number for each s and source of randomness, the first state and columns of noise, which
    costs as many operations as it has rows. Its slopes are predictions of the ``kind``.
    """

    def scales(t: float) -> tuple[float, float, np.ndarray]:
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        return alpha, sigma, alpha**2 * _SCALES**2 + sigma**2

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        alpha, sigma, variance = scales(t)
        p, q = basis(kind, alpha, sigma, schedule.sigma_data)
        return (p * alpha * _SCALES**2 + q * sigma) / variance * x

    with np.errstate(over="ignore", invalid="ignore"):
        first = np.sqrt(scales(plan.steps[0].times[-1])[2])
        *_, (_, last) = affine_states(plan, slope, first[None], 1)
        found = np.sqrt(np.sum(last**2, axis=0) / scales(plan.steps[-1].times[-1])[2])
    return float(np.max(np.where(np.isnan(found), np.inf, found)))
