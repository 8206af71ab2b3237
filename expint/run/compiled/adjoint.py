r"""The discrete adjoint of a plan: the transposed plan, run from its end to its beginning.

A row makes the point x_i = Σ_j a_ij x_j + Σ_j b_ij f_j of states and of values f_j = N(t_j, x_j). With x̄ for the
gradient of what is asked by x, all of it goes back by

.. math::

    \bar x_j \mathrel{+}= \sum_i a_{ij}^* \bar x_i, \qquad \bar f_j \mathrel{+}= \sum_i b_{ij}^* \bar x_i, \qquad
    \bar x_j \mathrel{+}= (\partial N / \partial x)_j^* \, \bar f_j:

the same weights, and one product with the transposed Jacobian for each evaluation. It is the gradient of the numbers
that the run has returned, not of the equation. The points are made again, piece by piece, from the memory of the run at
some of its steps: about the square root of their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from expint.backend import Array
from expint.lower.memory import Memory
from expint.lower.plan import Plan
from expint.run.loops import Accepted

__all__ = ["Marks", "Tape", "marked_states"]

Noise = Callable[[int], Sequence[Array | None]]
"""The random columns of a step by its number: they are drawn again on the way back."""


class Marks:
    """The memory of a run at the beginning of some of its steps: of about √n out of n, of which nobody knows n.

    Parameters
    ----------
    every
        After how many steps the memory is kept; None leaves that to the number of steps.
    """

    def __init__(self, every: int | None = None) -> None:
        self.every, self._given, self.kept = every or 1, every is not None, dict[int, Memory]()

    def note(self, number: int, memory: Memory) -> None:
        """Keep the memory with which step ``number`` begins, where it is due."""
        if number % self.every:
            return
        self.kept[number] = memory
        if not self._given and len(self.kept) > 2 * self.every:
            self.every *= 2
            self.kept = {own: kept for own, kept in self.kept.items() if own % self.every == 0}


@dataclass
class Tape:
    """What a run leaves behind for its gradient.

    Attributes
    ----------
    plan
        The plan that was run.
    slope
        What it evaluated: from the tensors that stand for ``cut``, the function N(t, y).
    cut
        Tensors that N takes and that are given to it, so that the way back ends there.
    held
        Leaves that N holds: its parameters.
    marks
        The memory here and there.
    noise
        The random columns of a step by its number.
    """

    plan: Plan
    slope: Callable[[Sequence[Array]], Callable[[float, Array], Array]]
    cut: tuple[Array, ...] = ()
    held: tuple[Array, ...] = ()
    marks: Marks = field(default_factory=Marks)
    noise: Noise | None = None


def marked_states(
    plan: Plan,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    marks: Marks,
    *,
    earlier: Sequence[Array] = (),
    noise: Noise | None = None,
) -> Iterator[Accepted]:
    """Run ``plan`` from ``y`` as ``expint.run.over_plan`` does, and take note of its memory in ``marks``."""
    memory, (accept, evaluate) = plan.layout.start(y, earlier), plan.layout.moves(plan.depth)
    combine, newest, evaluations = plan.operator.combiner(), None, 0
    for number, step in enumerate(plan.steps):
        at_start = newest
        if noise is not None and number:
            memory = plan.layout.draw(memory, noise(number))
        marks.note(number, memory)
        for t, row in zip(step.times, step.rows):
            point = combine(row.weights, memory)
            if row.accept:
                memory = accept(memory, point)
                yield Accepted(t, point, evaluations, 0, at_start)
            if row.evaluate:
                newest = nonlinear(row.told(t), point)
                memory = evaluate(memory, newest)
                evaluations += 1
