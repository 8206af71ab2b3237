"""What a run to a tolerance is asked to keep, and how it fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import truediv
from typing import Any

import numpy as np

from expint.arguments import number
from expint.backend import Array, all_finite, array_namespace, to_numpy
from expint.run.control import Controller
from expint.solution import Status

__all__ = [
    "ROUNDING",
    "TINY",
    "AdaptiveFailure",
    "ErrorNorm",
    "StepControl",
    "check_first_slope",
    "check_step",
    "larger_of",
    "too_many_steps",
]

ROUNDING = 16
"""The smallest step, in units in the last place of t."""

TINY = 1e-24
"""The smallest step, in units of the span; it counts near t = 0, where the last place of t is no bound."""

_SQUARES = (1e-30, 1e30)
"""Sums of squares beyond these are taken in units of the largest term: single precision ends at 1e±38."""

_FORGOTTEN = 10.0
"""So many times the tolerance at the end of a step that at its start counts at most, where it is to be forgotten."""

_SHORT = 16
"""The norm of so few numbers takes Python less time than NumPy, and overflows nowhere on the way."""


@dataclass(frozen=True)
class ErrorNorm:
    r"""The error e of a step from y to y' in units of the tolerance w_i = atol + rtol max(|y_i|, |y_i'|).

    By default it is

        max( sqrt(1/n Σ_i |e_i / w_i|²), ‖e‖₂ / ‖w‖₂ ).

    The first is what solvers of ordinary differential equations take; where a few of n components carry the state, as
    Fourier modes do, it alone lets each of them err by sqrt(n) times its tolerance. The second, the relative error of
    the state as a whole, is the same in every orthonormal basis if atol is zero.

    Parameters
    ----------
    rtol, atol
        Relative and absolute tolerance; each a number or an array that broadcasts to the state.
    norm
        A norm of the scaled vector with components |e_i| / w_i, which replaces both. A state spread over processes
        needs only a norm that sums over all of them.
    grows
        Whether the size of states is not known at the start, where they are zero: rtol times the root mean square of
        y and y' is then added to their atol, and w_i never falls along a run.
    forgets
        Whether y counts at most ten times as much as y' in w_i. Where L damps a mode within a step, the error of a
        Lawson method in what is left of it is not damped with it, and would be measured by what the mode was.
    """

    rtol: float | Array
    atol: float | Array
    norm: Callable[[Array], float] | None = None
    grows: bool = False
    forgets: bool = False

    @property
    def tightest(self) -> tuple[float, float]:
        """The smallest relative and the smallest absolute tolerance of any component."""
        return _least(self.rtol), _least(self.atol)

    def __call__(self, error: Array, before: Array, after: Array) -> float:
        """Return the norm of ``error`` for a step from ``before`` to ``after``; inf where it is not finite."""
        larger = larger_of(array_namespace(error), self.forgets and not self.grows)
        return self.size(error, larger(self.scale(before), self.scale(after)))

    def scale(self, y: Array) -> Array:
        """Return the tolerance of each component of the state ``y``."""
        size = abs(y)
        scale = size * self.rtol
        scale += self.atol
        return scale + self.rtol * _root_mean_square(size) if self.grows else scale

    def measures(self, like: Array) -> tuple[Callable[[Array], Array], Callable[[Array, Array], float]]:
        """Return ``scale`` and ``size`` for states like ``like``: what a run asks at every step is settled once."""
        if type(like) is not np.ndarray or self.norm is not None or self.grows or like.itemsize < 4:
            return self.scale, self.size
        rtol, atol = (np.asarray(own, like.real.dtype) for own in (self.rtol, self.atol))

        def scale(y: np.ndarray) -> np.ndarray:
            scale = abs(y)
            scale *= rtol  # an array of one number costs less than a number
            scale += atol
            return scale

        short = like.ndim == 1 and like.size <= _SHORT and like.dtype.kind == "f"
        return scale, _of_few if short else self.size

    def size(self, error: Array, scale: Array) -> float:
        """Return the norm of ``error`` in units of ``scale``; inf where it is not finite."""
        if self.norm is None and type(error) is np.ndarray and type(scale) is np.ndarray and error.itemsize >= 4:
            value = _of_arrays(error, scale)  # first of all: this is asked at every step
            return value if math.isfinite(value) else math.inf
        if hasattr(error, "detach"):  # steps are constants of a gradient
            error, scale = error.detach(), scale.detach()
        if self.norm is not None:
            value = number("the value of norm", self.norm(abs(error / scale)), finite=False)
            if value < 0:
                raise ValueError(f"expected norm to return a number ≥ 0, received {value}; take its absolute value")
        elif getattr(error.dtype, "itemsize", 8) < 4:  # squares leave half precision
            xp = array_namespace(error)
            value = _of_any(xp.astype(error, xp.float32), xp.astype(scale, xp.float32))
        elif isinstance(error, np.ndarray) and isinstance(scale, np.ndarray):
            value = _of_arrays(error, scale)
        else:
            value = _of_any(error, scale)
        return value if math.isfinite(value) else math.inf


def larger_of(xp: Any, forgets: bool) -> Callable[[Array, Array], Array]:
    """Return (tolerances at the start and at the end of a step) ↦ those of the step, for arrays of a namespace.

    Where the start is to be forgotten it counts at most ten times as much as the end; see ``ErrorNorm``.
    """
    if forgets:
        return lambda before, after: xp.maximum(xp.minimum(before, _FORGOTTEN * after), after)
    larger: Callable[[Array, Array], Array] = xp.maximum
    return larger


def _root_mean_square(size: Array) -> Array:
    """Return the root mean square of sizes, of which no square overflows or vanishes."""
    xp = array_namespace(size)
    unit = xp.max(size) + float(xp.finfo(size.dtype).smallest_normal)
    return unit * xp.sqrt(xp.mean((size / unit) ** 2))


def _least(tolerance: float | Array) -> float:
    if isinstance(tolerance, float):
        return tolerance
    return float(array_namespace(tolerance).min(tolerance))


def _of_arrays(error: np.ndarray, scale: np.ndarray) -> float:
    """Return the default norm for NumPy, in few calls: states are often so short that calls are what takes the time."""
    if error.dtype.kind == "c":
        error = abs(error)
    whole, square = float(np.vdot(error, error)), float(np.vdot(scale, scale))  # unlike dot, without a warning
    if not square < math.inf and not np.isfinite(scale).all():
        return math.inf  # the step led to no finite state
    scaled = error / scale
    mean = float(np.vdot(scaled, scaled)) / scaled.size
    if not _SQUARES[0] < square < _SQUARES[1]:
        if not math.isfinite(mean):
            return math.inf
        unit = scale.max()
        error, scale = error / unit, scale / unit
        whole, square = float(np.vdot(error, error)), float(np.vdot(scale, scale))
    return math.sqrt(max(mean, whole / square))


def _of_few(error: np.ndarray, scale: np.ndarray) -> float:
    """Return the default norm of a few real numbers, in Python's own arithmetic, where no square overflows."""
    numbers, units = error.tolist(), scale.tolist()
    whole = math.hypot(*units)
    if not whole < math.inf or 0.0 in units:
        value = _of_arrays(error, scale)
    else:
        scaled = math.hypot(*map(truediv, numbers, units))
        value = max(scaled / math.sqrt(len(units)), math.hypot(*numbers) / whole)
    return value if value < math.inf else math.inf  # nan, too


def _of_any(error: Array, scale: Array) -> float:
    """Return the default norm in one look at the device; in units of the largest no square leaves single precision."""
    xp = array_namespace(error)
    size, unit = xp.abs(error), xp.max(scale)
    terms = xp.reshape(xp.stack([size / scale, size / unit, scale / unit]), (3, -1))
    scaled, whole, square = to_numpy(xp.sum(terms * terms, axis=1))
    return math.sqrt(np.maximum(scaled / math.prod(scale.shape), whole / square))  # passes nan on


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
    looks
        Whether steps are bounded while N rests; see ``expint.run.control.rest``. Not where there is no N.
    strides
        Whether N may then be looked at inside long steps. Not where events are watched, whose zeros long steps hide.
    """

    error: ErrorNorm
    controller: Controller | None = None
    first: float | None = None
    largest: float = math.inf
    most: int = 1_000_000
    looks: bool = True
    strides: bool = True


class AdaptiveFailure(Exception):
    """The run cannot go on: a status and a sentence."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again, as a pool of processes does with what its workers raise."""
        return type(self), (self.status, *self.args), self.__dict__


def check_first_slope(slope: Array, t: float) -> None:
    """Raise AdaptiveFailure if N is not finite at the initial state."""
    if not all_finite(slope):
        raise AdaptiveFailure(
            Status.NON_FINITE,
            f"expected nonlinear to be finite at the initial state, received inf or nan at t = {t:.6g}; check y0",
        )


def check_step(trial: float, t: float, span: float, failure: Exception | None, error: float) -> None:
    """Raise AdaptiveFailure if the step is too small to go on.

    ``failure`` or ``error`` is what made it so small; ``error`` is nan where none was tried.
    """
    if trial >= ROUNDING * math.ulp(t) and trial >= TINY * span:
        return
    if failure is not None:
        raise AdaptiveFailure(Status.ACTION_FAILED, f"at t = {t:.6g}, with a step of {trial:.3g}: {failure}")
    if math.isnan(error):
        raise AdaptiveFailure(
            Status.STEP_TOO_SMALL,
            f"expected steps of at least {ROUNDING} units in the last place of t, received one of {trial:.3g} at "
            f"t = {t:.6g}; give a longer first_step, measure t from the start of the run, or look for a singularity "
            "there",
        )
    if not math.isfinite(error):
        raise AdaptiveFailure(
            Status.STEP_TOO_SMALL,
            f"expected finite values of nonlinear near t = {t:.6g}, received inf or nan in every step down to "
            f"{trial:.3g}; look for a singularity there, or for arguments at which nonlinear is not defined",
        )
    raise AdaptiveFailure(
        Status.STEP_TOO_SMALL,
        f"expected an error within the tolerance at t = {t:.6g}, received {error:.3g} times as much with a step of "
        f"{trial:.3g}, as small as the precision of t allows; loosen rtol and atol, or look for a singularity or a "
        "discontinuity of N there",
    )


def too_many_steps(end: float, most: int, t: float, h: float) -> AdaptiveFailure:
    """Return the failure of a run that has used up its steps."""
    return AdaptiveFailure(
        Status.TOO_MANY_STEPS,
        f"expected to reach t = {end:.6g} in {most} steps, received t = {t:.6g} with step {h:.3g}; "
        "loosen the tolerances, raise max_steps, or take a method of higher stiff order",
    )
