"""The loop over the slopes of a plan: few operations on whole states, whatever the order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

from expint.backend import Array, array_namespace, device
from expint.lower.plan import Plan
from expint.operators.scalar import Scalar
from expint.run.fixed import Accepted

__all__ = ["can_scatter", "scattered_states"]


def can_scatter(plan: Plan, y0: Array) -> bool:
    """Whether `scattered_states` can run the plan from ``y0``: numbers as weights, and a plain tensor without gradient.

    In half precision the sums would lose digits, and a tensor whose memory is laid out otherwise would lose time.
    """
    return (
        isinstance(plan.operator, Scalar)
        and hasattr(y0, "addcmul_")
        and y0.dtype.itemsize >= 4
        and y0.is_contiguous()
        and not y0.requires_grad
    )


def scattered_states(plan: Plan, nonlinear: Callable[[float, Array], Array], y0: Array) -> Iterator[Accepted]:
    """Run ``plan`` from the tensor ``y0`` as `accepted_states` does, with fewer operations.

    Where that loop gathers for each point the slopes that it is made of, this one scatters each slope, once it is
    there, to all the points that will use it: one operation, with the sums of those points in one tensor. A multistep
    step then costs three operations whatever its order: that one, the state's share, and clearing the sum that was
    used. No slope is kept, so that ``nonlinear`` may return the same memory again and again.
    """
    xp, scattered = array_namespace(y0), plan.scattered
    _, depth, width = scattered.weights.shape
    sums = xp.zeros((depth * width, *y0.shape), dtype=y0.dtype, device=device(y0))
    rings = xp.reshape(sums, (depth, width, *y0.shape)).unbind(0)
    slots = cycle([(ring.zero_, ring.unbind(0)) for ring in rings])
    t, y = scattered.start, xp.asarray(y0, copy=True)
    yield Accepted(t, y, 0)
    point, add_multiples = y, sums.addcmul_
    for done, (weights, group, (clear, parts)) in enumerate(zip(scattered.beside(y0), scattered.groups, slots), 1):
        add_multiples(weights, nonlinear(t, point))
        for (t, weight, accept), part in zip(group, parts):
            point = xp.asarray(part, copy=True) if weight is None else part.add(y, alpha=weight)
            if accept:
                y = point
                yield Accepted(t, y, done)
        clear()
