"""One-step methods that are a function from state to state: tried by doubling, or run over given times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from expint.backend import Array
from expint.derive.lie_group import LieGroupMethod
from expint.lower.lower import same_step
from expint.operators.base import Operator
from expint.run.fixed import Accepted
from expint.run.trial import Slope, Trial, trusted_order

__all__ = ["Stepper", "stepped_states"]


class Stepper(ABC):
    """Makes the steps of a one-step method whose operators are made anew each time.

    Parameters
    ----------
    method
        The method.
    like
        A state.
    forced
        Whether there is an N at all.

    Attributes
    ----------
    operator
        L at the start.
    operators
        How often L(t) was evaluated.
    """

    START: tuple[float | None, ...] = (0.0,)
    operator: Operator
    operators: int = 0

    def __init__(self, method: LieGroupMethod, like: Array, forced: bool) -> None:
        self.method, self.like, self.forced = method, like, forced

    @abstractmethod
    def advance(self, slope: Slope, t: float, h: float, y: Array, first: Array | None = None) -> Array:
        """Return the state after a step.

        Parameters
        ----------
        slope
            N(t, y).
        t, h, y
            Where the step starts, its length, and the state there.
        first
            N(t, y) itself, if it is known.

        Raises
        ------
        ActionFailure
            If an exponential cannot be applied.
        """

    def attempt(
        self,
        steps: Stepper,
        combine: Callable[..., Array],
        slope: Slope,
        t: float,
        end: float,
        h: float,
        y: Array,
        slopes: tuple[Array, ...],
        memory: tuple[float | None, ...],
    ) -> Trial:
        """Return two steps of half the length, compared with a whole one; see ``expint.run.trial.doubled``."""
        del steps, combine, memory
        half, order = h / 2, trusted_order(self.method) if self.forced else self.method.order
        single = self.advance(slope, t, h, y, slopes[0])
        middle = self.advance(slope, t, half, y, slopes[0])
        point = self.advance(slope, t + half, end - t - half, middle)
        return Trial(point, (), self.START, (point - single) / (2**order - 1), order, pending=True)


def stepped_states(steps: Stepper, nonlinear: Slope, y0: Array, times: Sequence[float]) -> Iterator[Accepted]:
    """Run over given ``times`` and yield every state, the first of them y_0.

    Parameters
    ----------
    steps
        The steps.
    nonlinear
        N(t, y); it is evaluated where there is one.
    y0
        The first state.
    times
        The step boundaries.

    Raises
    ------
    ActionFailure
        If an exponential cannot be applied.
    """
    evaluations, y, h = 0, y0, 0.0

    def slope(t: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return nonlinear(t, y)

    first = slope(times[0], y0) if steps.method.points and steps.forced else None
    yield Accepted(times[0], y0, evaluations, ahead=first)
    for start, end in pairwise(times):
        h = same_step(h, start, end)
        y = steps.advance(slope, start, h, y, first)
        before = first
        if first is not None and end != times[-1]:
            first = slope(end, y)
        yield Accepted(end, y, evaluations, slope=before, ahead=first if end != times[-1] else None)
