r"""Gauss–Newton for the mean logarithm of errors, without gradients of the network.

.. math:: F(p) = (1-\theta) \, \mathrm{mean}_k \tfrac12 \log(e_k^2 + \delta^2) + \theta \log \mathrm{mean}_k e_k,
          \qquad e_k = |r_k(p)|

is lowered by weighted least squares: with w_k = (1-θ)/(B (e_k² + δ²)) + θ/(e_k Σe) the gradient of F is that of
½ Σ w_k |r_k|². Both terms are concave in e², so that the weighted sum of squares lies above F and touches it. The
derivatives of r are differences, one run each, from the first point on that the parameter moves; what is summed over
the starts are the small normal matrices. Levenberg's and Marquardt's damping keeps every step downhill.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

__all__ = ["Iterate", "Problem", "Robust", "minimise"]

_DAMPING = 1e-2
_LEAST_DAMPING = 1e-7
_TRIALS = 10
_BLUNT = 1e-3
_BLUR = 0.2


@dataclass(frozen=True)
class Robust:
    """F of the errors, and the weights of the squares that stand for it.

    Parameters
    ----------
    floor
        δ: errors below it count as equal.
    tail
        θ: 0 looks at every start alike, 1 at the mean error and so at the worst starts.
    """

    floor: float
    tail: float = 0.1

    def value(self, errors: np.ndarray) -> float:
        """Return F."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            each = 0.5 * np.mean(np.log(errors**2 + self.floor**2))
            return float((1.0 - self.tail) * each + self.tail * np.log(np.mean(errors) + self.floor))

    def weights(self, errors: np.ndarray) -> np.ndarray:
        """Return w."""
        count, squares = len(errors), errors**2 + self.floor**2
        mean = np.mean(errors) + self.floor
        return ((1.0 - self.tail) / squares + self.tail / (np.sqrt(squares) * mean)) / count


class Problem(Protocol):
    """What is minimised: errors of starts as functions of parameters."""

    def errors(self, parameters: np.ndarray) -> np.ndarray | None:
        """Return the error of every start, None where the parameters make no run."""

    def normal(self, parameters: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Σ w JᵀJ and Σ w Jᵀr."""


class Iterate(NamedTuple):
    """One accepted step: the parameters and the errors."""

    parameters: np.ndarray
    errors: np.ndarray


def minimise(
    problem: Problem,
    parameters: np.ndarray,
    measure: Robust,
    *,
    iterations: int,
    tolerance: float = 1e-3,
) -> Iterator[Iterate]:
    """Yield ever better parameters; it ends where three steps together gain less than ``tolerance``, or none does.

    In every step δ is no smaller than a part of the median error: the logarithm of an error near 0 would hold it there.
    Nothing is yielded where the first errors are not finite.
    """
    errors = problem.errors(parameters)
    if errors is None or not np.all(np.isfinite(errors)):
        return
    best = Iterate(parameters, errors)
    damping, gains = _DAMPING, [np.inf] * 3
    for _ in range(iterations):
        blurred = replace(measure, floor=max(measure.floor, _BLUR * float(np.median(best.errors))))
        found = _step(problem, best, blurred, damping)
        if found is None:
            return
        new, damping = found
        gains = [*gains[1:], blurred.value(best.errors) - blurred.value(new.errors)]
        best = new
        yield best
        if sum(gains) < tolerance:
            return


def _step(problem: Problem, best: Iterate, measure: Robust, damping: float) -> tuple[Iterate, float] | None:
    """Return the next iterate and its damping, or None where no damping gives a better one."""
    before = measure.value(best.errors)
    matrix, gradient = problem.normal(best.parameters, measure.weights(best.errors))
    scale = np.sqrt(np.diag(matrix))
    scale = np.maximum(scale, _BLUNT * scale.max())  # what moves next to nothing is not to run away
    matrix, gradient = matrix / np.outer(scale, scale), gradient / scale
    for _ in range(_TRIALS):
        step = np.linalg.lstsq(matrix + damping * np.eye(len(scale)), -gradient, rcond=None)[0] / scale
        trial = best.parameters + step
        errors = problem.errors(trial)
        if errors is not None and measure.value(errors) < before:
            return Iterate(trial, errors), max(damping / 3.0, _LEAST_DAMPING)
        damping *= 4.0
    return None
