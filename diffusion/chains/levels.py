r"""Noise levels of a state: which there are, and how likely each is for a state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, prod
from typing import Any

import numpy as np

from diffusion import grids
from diffusion.denoiser import Denoiser
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import function, instance, integer, number
from expint.backend import Array, to_numpy

__all__ = ["Logits", "checked_levels", "logits_of", "noise_levels"]

Logits = Callable[[Array], Any]
"""By states y = x/α (B, …) the unnormalised log-probabilities of the levels, (B, K)."""


def noise_levels(schedule: NoiseSchedule, count: int, low: float, high: float) -> np.ndarray:
    """Return the decreasing times at which ρ = σ/α is ``high`` … ``low``, ``count`` of them, even in log ρ.

    Raises
    ------
    TypeError, ValueError
        If the range is not 0 < low < high, it lies outside the schedule, or there are fewer than two levels.

    Examples
    --------
    >>> import diffusion
    >>> noise_levels(diffusion.EDM(), 3, 0.1, 10.0).round(6).tolist()
    [10.0, 1.0, 0.1]
    """
    instance("schedule", schedule, NoiseSchedule, "a NoiseSchedule", "pass VP.linear() or another")
    integer("count", count, least=2, most=1_000_000)
    number("low", low, above=0.0)
    number("high", high, above=low)
    times = schedule.time(-np.linspace(log(high), log(low), count))
    return grids.check(times, schedule)


def checked_levels(times: Sequence[float] | np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    """Return the times of the levels, decreasing, with 0 < ρ < ∞ at each."""
    found = grids.check(times, schedule)
    alpha, sigma = np.asarray(schedule.alpha(found)), np.asarray(schedule.sigma(found))
    if np.any(alpha == 0.0) or np.any(sigma == 0.0):
        raise ValueError(
            f"expected noise levels with data and noise in each, received times from {found[0]:.6g} to "
            f"{found[-1]:.6g} with α or σ = 0 at an end; take diffusion.chains.noise_levels(schedule, count, low, high)"
        )
    return found


def logits_of(denoiser: Denoiser, times: np.ndarray, given: Logits | None) -> Logits:
    r"""Return how likely the levels are for states: as ``given``, or by the density that the network knows.

    .. math:: p(k | y) ∝ p_k(y) = α_k^d \, p(α_k y; t_k).
    """
    if given is not None:
        return function("level_logits", given, "(y)", "pass a classifier of noise levels")
    density = getattr(denoiser.network, "log_density", None)
    if density is None:
        raise ValueError(
            f"expected level_logits= for {denoiser!r}, whose network does not know its log_density, received none; "
            "give a classifier that returns log-probabilities (B, K) of the levels for states y = x/α"
        )
    alphas = np.asarray(denoiser.schedule.alpha(times), dtype=float).tolist()

    def exact(y: Array) -> np.ndarray:
        size = prod(y.shape[1:])
        each = [to_numpy(density(alpha * y, t)) + size * log(alpha) for alpha, t in zip(alphas, times.tolist())]
        return np.stack(each, axis=1)

    return exact
