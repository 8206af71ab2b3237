"""One step tried: where it leads, and by how much it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from expint.backend import Array
from expint.derive.stage import Method
from expint.lower.cache import LoweredStep, StepCache
from expint.operators.base import Operator

__all__ = ["Attempt", "Steps", "Trial", "doubled", "embedded", "make_stages", "trusted_order"]

Slope = Callable[[float, Array], Array]


class Steps(Protocol):
    """What a run asks of the steps that it makes: ``StepCache``, or steps whose operator is made anew each time."""

    START: tuple[float | None, ...]

    @property
    def method(self) -> Method:
        """The method."""

    @property
    def operator(self) -> Operator:
        """The operator that stays the same along the run."""

    @property
    def like(self) -> Array | None:
        """A state."""


class Trial(NamedTuple):
    """A step that is not yet accepted.

    Attributes
    ----------
    y
        y_{n+1}.
    slopes
        The slopes in memory, newest first, N(y_{n+1}) among them unless ``pending``.
    memory
        Where they lie, seen from the end of the step; see ``StepCache``.
    error, order
        The estimate of the local error and its order p; the estimate is O(h^{p+1}). None without estimate.
    pending
        Whether N(y_{n+1}) is to be evaluated once the step is accepted.
    """

    y: Array
    slopes: tuple[Array, ...]
    memory: tuple[float | None, ...]
    error: Array | None
    order: int
    pending: bool


Attempt = Callable[..., Trial]


def embedded(
    steps: StepCache,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    end: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
    memory: tuple[float | None, ...],
) -> Trial:
    """Return one step, from ``t`` to ``end``, with the error estimate of its method, None if it has none."""
    step = steps.step(t, h, memory)
    point, columns = make_stages(step, combine, slope, t, h, y, slopes)
    pending = step.rows[-1].evaluate
    if step.error is None:
        return Trial(point, columns, step.memory, None, 0, pending)
    if step.error.at_end:
        columns, pending = (slope(end, point), *columns), False
    error = combine(step.error.weights, (y, *columns))
    return Trial(point, columns, step.memory, error, step.error.order, pending)


def doubled(
    steps: StepCache,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    end: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
    memory: tuple[float | None, ...],
) -> Trial:
    r"""Return two steps of length h/2, compared with one of length h (Richardson): for one-step methods.

    The error of the two is (y'' - y')/(2^q - 1) for a method of order q; a method with s stages costs 3s - 1
    evaluations.
    """
    del end
    order = trusted_order(steps.method)
    whole, half = steps.step(t, h, memory), steps.step(t, h / 2, memory)
    single, _ = make_stages(whole, combine, slope, t, h, y, slopes)
    middle, _ = make_stages(half, combine, slope, t, h / 2, y, slopes)
    point, columns = make_stages(half, combine, slope, t + h / 2, h / 2, middle, (slope(t + h / 2, middle),))
    return Trial(point, columns, half.memory, (point - single) / (2**order - 1), order, half.rows[-1].evaluate)


def trusted_order(method: Any) -> int:
    """Return the order on which step doubling relies: that on stiff problems, at least 1."""
    return max(1, min(method.order, getattr(method, "weak_stiff_order", method.order)))


def make_stages(
    step: LoweredStep,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
) -> tuple[Array, tuple[Array, ...]]:
    """Return y_{n+1} and the slopes in memory after all stages, N(y_{n+1}) not yet evaluated."""
    point = y
    for c, row in zip(step.c, step.rows):
        point = combine(row.weights, (y, *slopes))
        if row.evaluate and not row.accept:
            slopes = (slope(t + c * h, point), *slopes)
    return point, slopes
