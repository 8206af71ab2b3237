"""How long the first steps of many trajectories are: ``expint.run.stepsize`` in arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from expint.backend import Array, array_namespace
from expint.run.batch.norm import EachNorm
from expint.run.batch.trees import merged, picked
from expint.run.control.many import on_ladders, ulp
from expint.run.stepsize import FIRST, GLANCE

__all__ = ["chosen", "first_steps", "guessed"]


def guessed(size: Array, rate: Array, span: Array | float, largest: float, least: Array | float) -> Array:
    """Return the steps after which N is looked at a second time; see ``first_step``, in whose words these are."""
    xp = array_namespace(rate)
    guess = xp.where((rate * span > 1e-10) & (size > 1e-10), 0.01 * size / rate, 1e-6 * span)
    guess = xp.where(rate * span < 1.0, xp.minimum(guess, GLANCE * span), guess)
    guess = xp.maximum(xp.minimum(xp.minimum(guess, span), largest), least)
    return on_ladders(guess, span, 1)


def chosen(
    guess: Array,
    rate: Array,
    change: Array,
    span: Array | float,
    largest: float,
    least: Array | float,
    power: float,
    target: float = 0.01,
) -> Array:
    """Return the first steps from the size ``rate`` of N and its ``change`` in a unit of time; see ``first_step``."""
    xp = array_namespace(rate)
    time = xp.maximum(rate / change, xp.sqrt(target / change))
    wanted = time * (target / (xp.maximum(rate, change * time) * time)) ** (1 / power)
    wanted = xp.where(change * span > 1e-15 * rate + 1e-15 / span, wanted, span)
    wanted = xp.minimum(xp.minimum(xp.maximum(xp.minimum(100 * guess, wanted), least), span), largest)
    return xp.where(xp.isfinite(rate) & xp.isfinite(change), wanted, xp.maximum(guess * 1e-3, least))


def first_steps(
    which: np.ndarray,
    euler: Callable[[np.ndarray], Array],
    value: Callable[[np.ndarray, np.ndarray, Array], Array],
    y: Array,
    slope: Array,
    t: np.ndarray,
    end: np.ndarray,
    norm: EachNorm,
    largest: float,
    power: float,
    target: float = 0.01,
) -> np.ndarray:
    """Return a first step for each of the trajectories ``which``; see ``first_step``, whose steps these are.

    Parameters
    ----------
    which
        The numbers of the trajectories.
    euler
        By the length of a short step of each, the states after it by the exponential Euler method.
    value
        N of some trajectories, at times and states.
    y, slope, t, end
        The states at the start, N there, and the ends of the runs.
    norm, largest
        What the runs are asked to keep, and their longest step.
    power, target
        As in ``first_step``.
    """
    span, scale, ahead = np.abs(end - t), norm.scale(which, t, y), np.copysign(1.0, end - t)
    still = np.zeros(len(which), dtype=bool)
    glance = np.minimum(GLANCE * span, largest)
    if norm.grows[which].any():
        short = euler(ahead * glance)
        still = norm.grows[which] & (norm.size(short, scale) <= 1.0)  # nothing moves yet
        scale = merged(~norm.grows[which], scale, norm.scale(which, t + ahead * glance, short))
    least = np.minimum(FIRST * ulp(np.maximum(np.abs(t), np.abs(end))), span)
    size, rate = norm.size(y, scale), norm.size(slope, scale)
    with np.errstate(all="ignore"):
        guess = guessed(size, rate, span, largest, least)
        there = t + ahead * guess
        moved = euler(there - t)
        change = _changes(which, still, value, there, moved, slope, scale, norm) / np.abs(there - t)
        wanted = chosen(guess, rate, change, span, largest, least, power, target)
    return np.where(still, glance, wanted)


def _changes(
    which: np.ndarray,
    still: np.ndarray,
    value: Callable[[np.ndarray, np.ndarray, Array], Array],
    t: np.ndarray,
    y: Array,
    slope: Array,
    scale: Array,
    norm: EachNorm,
) -> np.ndarray:
    """Return how far N at the states ``y`` is from ``slope``, but for those where nothing moves yet: 0."""
    at, found = np.flatnonzero(~still), np.zeros(len(which))
    if len(at):
        own, times, states, slopes, scales = picked((which, t, y, slope, scale), at)
        found[at] = norm.size(value(own, times, states) - slopes, scales)
    return found
