"""What a run had reached when its network raised, where the loop passes over the corrected states."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

import expint
from expint.backend import Array
from expint.lower import correction
from expint.run import Accepted

__all__ = ["Reached", "corrects", "put_right"]


def corrects(plan: expint.Plan) -> bool:
    """Whether a plan has corrected states that a run may pass over."""
    return any(correction(plan, index) is not None for index in range(len(plan.steps)))


@contextmanager
def put_right(reached: Sequence[Reached]) -> Iterator[None]:
    """Put what a run had ``reached``, if that is known, into the solution of what is raised in this context."""
    try:
        yield
    except BaseException as error:
        for run in reached:
            run.put_right(error)
        raise


class Reached:
    """The last values of a run without corrected states, of which the state is made that the whole run had reached.

    A predictor–corrector step predicts p, evaluates N there and corrects. Without corrected states p is accepted before
    N is evaluated (``expint.lower.without_corrected``), and that is no state of the run. Values are held, not copied,
    which costs no operation.

    Parameters
    ----------
    plan
        The plan with its corrected states.
    """

    def __init__(self, plan: expint.Plan) -> None:
        self.plan, self.calls = plan, 0
        self.values: deque[tuple[Array, int | None]] = deque(maxlen=plan.depth + 1)
        self.points: deque[Accepted] = deque(maxlen=2)

    def watching(self, slope: Callable[[float, Array], Array]) -> Callable[[float, Array], Array]:
        """Return the ``slope``, whose values are held."""

        def evaluate(t: float, x: Array) -> Array:
            value = slope(t, x)
            self.calls += 1
            self.values.appendleft((value, _version(value)))
            return value

        return evaluate

    def along(self, states: Iterator[Accepted]) -> Iterator[Accepted]:
        """Yield the ``states``, the last two of which are held."""
        for accepted in states:
            self.points.appendleft(accepted)
            yield accepted

    def put_right(self, error: BaseException) -> None:
        """Put the state that the run had reached into the solution that an exception holds."""
        solution: expint.Solution | None = getattr(error, "solution", None)
        if solution is None or not self.points:
            return
        known = self.calls - 1  # the step whose point has a value
        index, points = solution.stats.steps, list(self.points)
        if index > known and correction(self.plan, index) is not None:
            index, points = index - 1, points[1:]  # its correction waits for the value
        made = correction(self.plan, index)
        if not points or (index == solution.stats.steps and made is None):
            return
        if made is not None and not self._unchanged():
            error.add_note("the state kept is the predicted one: the network uses the memory of its values again")
            return
        y = points[0].y if made is None else self._corrected(points[0].y, *made)
        sentence = solution.message.replace(f"{solution.t[-1]:.6g}", f"{points[0].t:.6g}", 1)
        evaluations = points[0].evaluations + (made is not None)
        stats = replace(solution.stats, steps=index, nonlinear_evaluations=evaluations)
        error.solution = replace(solution, t=np.array([points[0].t]), y=y[None], message=sentence, stats=stats)  # type: ignore[attr-defined]  # nothing reached is lost

    def _unchanged(self) -> bool:
        """Whether the values held are still those that the network returned."""
        same = all(_version(value) == version for value, version in self.values)
        return same and len({value.data_ptr() for value, _ in self.values}) == len(self.values)

    def _corrected(self, point: Array, state: Any, slopes: Any) -> Array:
        y = state * point
        for weight, (value, _) in zip(slopes, self.values):
            if weight is not None:
                y = y + weight * value
        return y


def _version(value: Array) -> int | None:
    """Return how often a tensor was written to, None where that is not counted, as in torch's inference mode."""
    return None if value.is_inference() else int(value._version)
