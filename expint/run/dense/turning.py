"""States between the steps of methods that follow N in the frame that L turns, as those of Lawson do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, stack
from expint.lower.damped import may_damp
from expint.operators.base import Operator
from expint.run.dense.bootstrapped import Known
from expint.run.dense.collocated import DenseOutput
from expint.run.dense.continuous import Counted, Reached
from expint.run.dense.stepped import Stepped
from expint.run.flow import flow

__all__ = ["Turning", "TurningOutput"]

_MOST_PIECES = 64
"""Into so many pieces at most a step is divided for a copy, which is to need N no more."""


class TurningOutput(DenseOutput):
    r"""The continuous solution of a run of a Lawson method, callable at any time in its span.

    Such a method sees N in the frame that L turns. So, in place of N, the polynomial p on a step interpolates
    e^{-(t - t_n) L} N, which may be smooth over many turns of L:

    .. math:: y(t_n + \theta h) = e^{\theta z} \left( y_n + h \int_0^\theta p(s) \, ds \right) + \theta d,
        \qquad z = hL.

    The values, and what they cost, are those of ``DenseOutput``. In that frame modes that L damps grow; where one
    decays by a factor e or more within a step of a one-step method, states inside are those of a shorter step, at its
    cost, and between the steps of multistep methods N itself is interpolated. A copy divides such steps, so as to need
    N no more, unless they are very long.

    Parameters
    ----------
    reached
        The states, in order.
    of
        What interpolates.
    """

    def __init__(self, reached: Sequence[Reached], of: Turning) -> None:
        times, states = [own.t for own in reached], [own.y for own in reached]
        values = [own.value for own in reached if own.value is not None]
        super().__init__(of.operator, times, states, values, of.order, of.slope, of.stepper is not None)
        self._of, self._turned = of, dict[int, bool]()
        self._shorter = None if of.stepper is None else Stepped(of.stepper, of.slope).through(reached)

    def _turns(self, n: int) -> bool:
        """Whether the step from the n-th time is one in whose frame nothing grows."""
        if n not in self._turned:
            self._turned[n] = not may_damp(self.operator, self.times[n + 1] - self.times[n])
        return self._turned[n]

    def _follow(self, places: Sequence[tuple[int, float]]) -> Array:
        """Return the states of shorter steps where modes decay, and those of the rule elsewhere."""
        if self._shorter is None or all(self._turns(n) for n, _ in places):
            return super()._follow(places)
        turned = [place for place in places if self._turns(place[0])]
        own = iter(super()._follow(turned) if turned else ())
        shorter = iter(self._shorter.made([place for place in places if not self._turns(place[0])]))
        return stack([next(own if self._turns(n) else shorter) for n, _ in places])

    def _before(self, n: int) -> Known:
        known = super()._before(n)
        h = self.times[n + 1] - self.times[n]
        return Known(known.nodes, tuple(self._back(n, c * h, value) for c, value in zip(known.nodes, known.values)))

    def _seen(self, n: int, t: float, y: Array) -> Array:
        return self._back(n, t - self.times[n], super()._seen(n, t, y))

    def _back(self, n: int, ahead: float, value: Array) -> Array:
        """Return a value of N turned back to the n-th time, from where it is ``ahead``."""
        return value if ahead == 0.0 or not self._turns(n) else flow(self.operator, -ahead, value)

    def _damps(self, n: int) -> bool:
        del n
        return False  # those steps are looked at otherwise

    def _moments(self, places: Sequence[tuple[int, float]], count: int) -> np.ndarray:
        """Return those of the moving frame, θ^{m+1}/(m+1) φ_0(θz), in the steps in which the values are turned back."""
        moments, powers = super()._moments(places, count), np.arange(1, count + 1)
        for i, (n, theta) in enumerate(places):
            if self._turns(n):
                moments[i] = 0.0
                moments[i, :, 0] = theta**powers / powers
        return moments

    def _divided(self) -> TurningOutput:
        """Return this solution with steps so short that nothing decays much in them, where that makes not too many."""
        reached = list[Reached]()
        for n, (start, end) in enumerate(pairwise(self.times)):
            pieces = 1
            while may_damp(self.operator, (end - start) / pieces) and pieces < _MOST_PIECES:
                pieces *= 2
            times = [start + (end - start) * j / pieces for j in range(pieces)]
            states = self(times)
            reached.append(Reached(start, self.states[n], self._slope_at(n)))
            inside = [(t, states[j, ...]) for j, t in enumerate(times) if j]
            reached.extend(Reached(t, y, self._asked(t, y)) for t, y in inside)
        last = len(self.times) - 1
        reached.append(Reached(self.times[last], self.states[last], self._slope_at(last) if self.order > 1 else None))
        return self._of.through(reached)

    def __getstate__(self) -> dict[str, Any]:
        kept = self if self._shorter is None or self._slope is None else self._divided()
        state = super(TurningOutput, kept).__getstate__()
        if all(kept._turns(n) for n in range(len(kept.times) - 1)):
            state |= {"_of": None, "_shorter": None}
        return state


class Turning(NamedTuple):
    """Interpolates values of N in the frame that L turns: see ``TurningOutput``.

    Attributes
    ----------
    operator, order, slope
        As in ``DenseOutput``.
    stepper
        Makes the steps of a one-step method; None for multistep methods.
    """

    operator: Operator
    order: int
    slope: Counted
    stepper: Any

    @property
    def points(self) -> int:
        """How many states the newest step needs; see ``Collocated``."""
        return 2 if self.stepper is not None else 2 * self.order + 1

    def through(self, reached: Sequence[Reached]) -> TurningOutput:
        """Return the continuous solution through two states or more."""
        return TurningOutput(reached, self)
