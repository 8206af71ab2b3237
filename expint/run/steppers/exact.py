"""Steps of y' = Σ g_i(t) A_i y with operators that commute: exact, however long."""

from __future__ import annotations

from collections.abc import Sequence

from expint.backend import Array
from expint.derive.kinds.lie_group import LieGroupMethod, Motion
from expint.operators.addition.combination import combination
from expint.operators.base import Operator, Use
from expint.operators.over_time.time_integral import Integral
from expint.run.flow import flow
from expint.run.steppers.one_step import OneStep
from expint.run.steppers.protocol import Slope

__all__ = ["EXACT", "ExactSteps"]

EXACT = LieGroupMethod("exact", c=(), final=Motion(0, ()), order=1, remarks="Stands for e^{∫L} applied to the state.")
"""What a run without error calls its method."""


class ExactSteps(OneStep):
    """Multiplies the state by the exponential of Σ A_i ∫ g_i dt.

    Parameters
    ----------
    integrals, operators
        ∫ g_i and A_i.
    like
        A state.
    accuracy
        Relative and absolute tolerance of the run, for operators that are applied by iterations.
    """

    def __init__(
        self,
        integrals: Sequence[Integral],
        operators: Sequence[Operator],
        like: Array,
        accuracy: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(EXACT, like, has_nonlinear=False)
        self.integrals = tuple(integrals)
        self._parts = [own.prepare(Use(tolerance=accuracy)) for own in operators]
        self._accuracy, self.operator = accuracy, operators[0]

    def reach(self, slope: Slope, t: float, h: float, y: Array, first: Array | None = None) -> Array:
        """Return the state a time ``h`` after ``y`` at ``t``; there is no N."""
        del slope, first
        spans = [integral(t + h) - integral(t) for integral in self.integrals]
        used = [(span, part) for span, part in zip(spans, self._parts) if span]
        if not used:
            return y
        if len(used) == 1:
            return flow(used[0][1], used[0][0], y)
        whole = combination([span for span, _ in used], [part for _, part in used])
        return flow(whole.prepare(Use(tolerance=self._accuracy)), 1.0, y)
