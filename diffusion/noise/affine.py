"""A plan run on coefficients: of the first state, and of every random column."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import expint
from expint.run import accepted_states

__all__ = ["affine_states"]


def affine_states(
    plan: expint.Plan, slope: Callable[[float, np.ndarray], np.ndarray], begun: np.ndarray, size: int
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (t, coefficients) of the states: those ``begun`` with, below them ``size`` for each column of each step.

    Parameters
    ----------
    plan
        The plan, with noise or without.
    slope
        What is evaluated, as a function of t and the coefficients (rows, …) of a point.
    begun
        The coefficients of the first state, (rows, …).
    size
        The number of elements of a sample that each column stands for with a unit matrix; 1 for elements on their own.
    """
    columns, steps, rows = plan.layout.noise, len(plan.steps) - 1, len(begun)
    whole = np.zeros((rows + size * columns * steps, *begun.shape[1:]))
    whole[:rows] = begun
    firsts = iter(range(rows, len(whole), size))

    def noise(end: float) -> list[np.ndarray]:
        del end
        return [_unit(whole, next(firsts), size) for _ in range(columns)]

    for state in accepted_states(plan, slope, whole, noise=noise if columns else None):
        yield state.t, state.y


def _unit(like: np.ndarray, first: int, size: int) -> np.ndarray:
    unit = np.zeros_like(like)
    unit[first : first + size] = np.eye(size) if size > 1 else 1.0
    return unit
