"""The loop over the slopes of a plan: few operations on whole tensors, whatever the order of the method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, device
from expint.lower.memory import PLAIN
from expint.lower.plan import Plan
from expint.operators.scalar import Scalar
from expint.run.loops import Accepted

__all__ = ["Scattered", "can_scatter", "scatter", "scattered_states"]


class Following(NamedTuple):
    """A row without the weights of its slopes.

    Attributes
    ----------
    t, told
        Its time, and the one that is told where its point is evaluated.
    weight
        The weight of the state.
    accept
        Whether its point is accepted.
    """

    t: float
    told: float
    weight: Any
    accept: bool


@dataclass(frozen=True, eq=False)
class Scattered:
    """The rows of a plan, grouped by the evaluations that they follow.

    Attributes
    ----------
    start, told
        The time of the first row, y_0 itself, and the one that is told there.
    groups
        For each evaluation the rows between it and the next one; the point of the last of them is evaluated next.
    weights
        What each slope adds, (evaluations, depth, width): ``weights[e, g % depth, i]`` is the weight of slope e in row
        i of the group g, e ≤ g < e + depth. A ring of ``depth`` sums for each of the ``width`` rows of a group is
        enough, since no row looks at more slopes.
    """

    start: float
    told: float
    groups: tuple[tuple[Following, ...], ...]
    weights: np.ndarray
    _beside: dict[Any, Sequence[Array]] = field(default_factory=dict, init=False, repr=False)

    def beside(self, y: Array) -> Sequence[Array]:
        """Return for each slope its weights in the precision and on the device of ``y``, each shaped to multiply it.

        Their first axis counts the depth · width sums. They are brought there once.
        """
        key = (type(y), y.dtype, device(y), y.ndim)
        if key not in self._beside:
            evaluations, depth, width = self.weights.shape
            shape = (evaluations, depth * width, *(1,) * y.ndim)
            self._beside[key] = tuple(array_namespace(y).reshape(asarray_like(self.weights, y), shape))
        return self._beside[key]


_SCATTERED: WeakKeyDictionary[Plan, Scattered] = WeakKeyDictionary()


def scatter(plan: Plan) -> Scattered:
    """Return the numbers of a plan seen from its slopes; they are made once for each plan.

    Raises
    ------
    TypeError
        If the operator is not a ``Scalar``, whose weights alone are numbers.
    """
    if plan not in _SCATTERED:
        plan.require_numbers()
        _SCATTERED[plan] = _scatter(plan)
    return _SCATTERED[plan]


def _scatter(plan: Plan) -> Scattered:
    depth = plan.depth
    (start, first), *others = plan.rows
    groups: list[list[Following]] = [[]] if first.evaluate else []
    entries: dict[tuple[int, int, int], Any] = {}
    for t, row in others:
        group, place = len(groups) - 1, len(groups[-1])
        (state,), _, _, slopes = plan.layout.parts(row.weights)
        for age, weight in enumerate(slopes):
            if weight is not None:
                entries[group - age, group % depth, place] = weight
        groups[-1].append(Following(t, row.told(t), state, row.accept))
        if row.evaluate:
            groups.append([])
    width = max((len(group) for group in groups), default=0)
    numbers = np.array(list(entries.values()))
    weights = np.zeros((len(groups), depth, width), numbers.dtype)
    if entries:
        weights[tuple(np.transpose(list(entries)))] = numbers
    return Scattered(start, first.told(start), tuple(tuple(group) for group in groups), weights)


def can_scatter(plan: Plan, y0: Array) -> bool:
    """Whether `scattered_states` can run the plan from ``y0``: numbers as weights of one state, and a plain tensor.

    In half precision the sums would lose digits, and a tensor whose memory is laid out otherwise would lose time.
    """
    return (
        isinstance(plan.operator, Scalar)
        and plan.layout == PLAIN
        and hasattr(y0, "addcmul_")
        and y0.dtype.itemsize >= 4
        and y0.is_contiguous()
        and not y0.requires_grad
    )


def scattered_states(plan: Plan, nonlinear: Callable[[float, Array], Array], y0: Array) -> Iterator[Accepted]:
    """Run ``plan`` from the tensor ``y0`` as `over_plan` does, with fewer operations.

    Where that loop gathers for each point the slopes that it is made of, this one scatters each slope, once it is
    there, to all the points that will use it: one operation, with the sums of those points in one tensor. A multistep
    step then costs three operations whatever its order: that one, the state's share, and clearing the sum that was
    used. No slope is kept, so that ``nonlinear`` may return the same memory again and again.
    """
    xp, scattered = array_namespace(y0), scatter(plan)
    _, depth, width = scattered.weights.shape
    sums = xp.zeros((depth * width, *y0.shape), dtype=y0.dtype, device=device(y0))
    rings = xp.reshape(sums, (depth, width, *y0.shape)).unbind(0)
    slots = cycle([(ring.zero_, ring.unbind(0)) for ring in rings])
    told, y, every = scattered.told, xp.asarray(y0, copy=True), scattered.beside(y0)
    yield Accepted(scattered.start, y, 0)
    point, add_multiples = y, sums.addcmul_
    for done, (weights, group, (clear, parts)) in enumerate(zip(every, scattered.groups, slots), 1):
        add_multiples(weights, nonlinear(told, point))
        for (t, told, weight, accept), part in zip(group, parts):  # noqa: B007  (what is told at the last of them)
            point = xp.asarray(part, copy=True) if weight is None else part.add(y, alpha=weight)
            if accept:
                y = point
                yield Accepted(t, y, done)
        clear()
