"""Whether a plan is stable: its growth for a linear, known denoiser, compared with the growth of the equation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import prod

import numpy as np

import expint
from diffusion.noise.affine import affine_states
from diffusion.process.keeping import kept_of_values
from diffusion.process.prediction import Kind, basis
from diffusion.process.schedule import NoiseSchedule
from expint.backend import Array, array_namespace, is_jax, to_numpy
from expint.run import accepted_states

__all__ = ["UnstableWarning", "amplification", "growth", "warn_of_latents", "warn_unstable"]

_TOO_LARGE = 4.0  # times; a coarse grid may be off by two

_FAR_OFF = 5.0  # times, of latents as they are

_MANY = 64  # numbers

_SCALES = np.array([0.05, 0.2, 0.5, 1.0, 2.0])  # standard deviations, those of directions of real data


class UnstableWarning(UserWarning):
    """The states of a run from data to noise are far off the scale of those of the equation."""


def warn_unstable(plan: expint.Plan, kind: Kind, schedule: NoiseSchedule, name: str) -> bool:
    """Warn if the ``plan`` of the sampler called ``name`` makes its states much too large.

    That is asked of plans from data to noise, and of those that draw noise. Returns whether it warned.
    """
    if not isinstance(plan.operator, expint.operators.Scalar):
        return False  # of weights that are made for one network
    factor = growth(plan, kind, schedule)
    if factor <= _TOO_LARGE:
        return False
    if plan.layout.noise:
        warnings.warn(
            f"expected a stochastic sampler that is stable on its grid, received {name!r}, whose {len(plan.steps) - 1} "
            f"steps there make samples up to {factor:.2g} times too large, as its predictions carry the noise of every "
            "step; take more steps, or a sampler that predicts the data, such as 'dpmpp-2m-sde'",
            UnstableWarning,
            stacklevel=3,
        )
        return True
    why, remedy = _REVERSIBLE if plan.layout.states > 1 else _MULTISTEP
    warnings.warn(
        f"expected a sampler that is stable from data to noise, received {name!r}, whose {len(plan.steps) - 1} "
        f"steps there make latents up to {factor:.2g} times too large: {why}; take {remedy}",
        UnstableWarning,
        stacklevel=3,
    )
    return True


_MULTISTEP = (
    "it extrapolates from short steps to long ones",
    "more steps, or a sampler that is stable backwards, such as 'ddim', 'dpmpp-2m' or 'unipc3'",
)
_REVERSIBLE = (
    "differences between its two states grow by 1/γ a step",
    "γ nearer to 1, fewer steps, or an inverse up to the error of the method: diffusion.encode by 'ddim'",
)


def warn_of_latents(state: Array, data: Array, schedule: NoiseSchedule, times: np.ndarray, name: str) -> None:
    """Warn if the first ``state`` that ``data`` are encoded to is far off the scale that it should have.

    With s the scale of the data, that is √(α² s² + σ²). The grid of the sampler called ``name`` has the ``times``.
    Values that JAX traces are not known, and pass.
    """
    xp = array_namespace(state)
    try:
        with np.errstate(over="ignore"):
            sizes = [float(to_numpy(xp.mean(xp.astype(part, xp.float32) ** 2))) for part in (state, data)]
    except TypeError:
        if not is_jax(xp):
            raise
        return
    alpha, sigma = (scale(times[[0, -1]]) for scale in (schedule.alpha, schedule.sigma))
    of_data = max(sizes[1] - sigma[1] ** 2, 0.0) / alpha[1] ** 2
    found = float(np.sqrt(sizes[0] / (alpha[0] ** 2 * of_data + sigma[0] ** 2)))
    elements = prod(state.shape)
    small = found < 1.0 / _FAR_OFF and elements >= _MANY  # few numbers are small by chance
    if found > _FAR_OFF * (1.0 + 1.0 / np.sqrt(elements)) or small:
        warnings.warn(
            f"expected latents of the scale of noise, received {found:.2g} times that of {name!r} in {len(times) - 1} "
            "steps: the data are not like those of the network, or the sampler is not stable backwards; check the "
            "data, or take a sampler that is stable backwards, such as 'ddim', 'dpmpp-2m' or 'unipc3', or more steps",
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
    start, end = (np.sqrt(_scales(schedule, plan.steps[i].times[-1])[2]) for i in (0, -1))
    with np.errstate(over="ignore", invalid="ignore"):
        if plan.layout.noise:
            *_, (_, parts) = affine_states(plan, _linear(kind, schedule), start[None], 1)
            found = np.sqrt(np.sum(parts**2, axis=0)) / end
        else:
            *_, last = accepted_states(plan, _linear(kind, schedule), start)
            found = np.abs(last.y) / end
    return float(np.max(np.where(np.isnan(found), np.inf, found)))


@kept_of_values(maxsize=128)
def amplification(plan: expint.Plan, kind: Kind, schedule: NoiseSchedule) -> float:
    """Return how many times larger errors of two states are after a reversed ``plan`` than before, at most.

    For Gaussian data of several scales s it is a linear map from the pair (x_N, x_{N-1}) to (x_0, x_1); what is
    returned is the largest of its norms, each state measured by the standard deviation √v that it has. The plan begins
    with x_N, and x_{N-1} as the state earlier than it; see `growth`.
    """
    unit, none = np.ones_like(_SCALES), np.zeros_like(_SCALES)
    newest, earlier = np.stack([unit, none]), np.stack([none, unit])  # an error of either
    with np.errstate(over="ignore", invalid="ignore"):
        states = [
            (state.t, state.y) for state in accepted_states(plan, _linear(kind, schedule), newest, earlier=[earlier])
        ]
        of_start = np.sqrt(_scales(schedule, plan.steps[0].times[-1])[2])
        found = np.stack([y * of_start / np.sqrt(_scales(schedule, t)[2]) for t, y in states[-2:]])
    if not np.all(np.isfinite(found)):
        return float(np.inf)
    return float(np.linalg.norm(found.transpose(2, 0, 1), ord=2, axis=(1, 2)).max())


def _scales(schedule: NoiseSchedule, t: float) -> tuple[float, float, np.ndarray]:
    """Return α, σ and the variances v of states."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    return alpha, sigma, alpha**2 * _SCALES**2 + sigma**2


def _linear(kind: Kind, schedule: NoiseSchedule) -> Callable[[float, np.ndarray], np.ndarray]:
    """Return the predictions of a ``kind`` for Gaussian data of all scales, as a function of (t, x)."""

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        alpha, sigma, variance = _scales(schedule, t)
        p, q = basis(kind, alpha, sigma, schedule.sigma_data)
        return (p * alpha * _SCALES**2 + q * sigma) / variance * x

    return slope
