"""What a run to a tolerance is asked to keep, and how it fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from expint.backend import Array, array_namespace, to_numpy
from expint.run.control import Controller
from expint.solution import Status

__all__ = ["AdaptiveFailure", "ErrorNorm", "StepControl"]


@dataclass(frozen=True)
class ErrorNorm:
    r"""The error in units of the tolerance, ‖e_i / (atol + rtol max(|y_i|, |y_i'|))‖.

    Parameters
    ----------
    rtol, atol
        Relative and absolute tolerance; atol a number or an array that broadcasts to the state.
    norm
        The norm of the scaled vector, the root mean square by default. A state spread over processes needs only a norm
        that sums over all of them.
    """

    rtol: float
    atol: float | Array
    norm: Callable[[Array], float] | None = None

    def __call__(self, error: Array, before: Array, after: Array) -> float:
        """Return the norm of ``error`` for a step from ``before`` to ``after``; inf where it is not finite."""
        larger = array_namespace(error).maximum(self.scale(before), self.scale(after))
        return self.size(error, larger)

    def scale(self, y: Array) -> Array:
        """Return the tolerance of each component of the state ``y``."""
        scale = abs(y) * self.rtol
        scale += self.atol
        return scale

    def size(self, error: Array, scale: Array) -> float:
        """Return the norm of ``error`` in units of ``scale``; inf where it is not finite."""
        scaled = error / scale
        if self.norm is not None:
            value = float(self.norm(abs(scaled)))
        elif isinstance(scaled, np.ndarray):  # without asking for the namespace, which takes longer than the sum
            value = math.sqrt(np.vdot(scaled, scaled).real / scaled.size)
        else:
            xp = array_namespace(scaled)
            value = math.sqrt(float(to_numpy(xp.mean(xp.abs(scaled) ** 2))))
        return value if math.isfinite(value) else math.inf


@dataclass(frozen=True)
class StepControl:
    """Everything that decides about step sizes.

    Attributes
    ----------
    error
        The error norm.
    controller
        The controller, or None for that of the loop.
    first
        The first step, or None to choose it.
    largest
        The largest step.
    most
        The most steps, accepted and rejected together.
    doubling
        Whether errors are estimated by step doubling instead of by the method itself.
    """

    error: ErrorNorm
    controller: Controller | None = None
    first: float | None = None
    largest: float = math.inf
    most: int = 1_000_000
    doubling: bool = False


class AdaptiveFailure(Exception):
    """The run cannot go on: a status and a sentence."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
