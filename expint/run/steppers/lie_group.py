"""Steps of Magnus and commutator-free methods: states follow fields whose operators are made anew each time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from expint.arrays import random_like
from expint.backend import Array
from expint.derive.kinds.lie_group import LieGroupMethod, Motion
from expint.operators.addition.combination import combination, for_single_use
from expint.operators.base import Operator, StoredOperator, Use
from expint.phi.augmented import norm
from expint.run.flow import flow
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.one_step import OneStep
from expint.run.steppers.protocol import Slope, Trial

__all__ = ["DoubledLieGroup", "LieGroupSteps"]

_TRIED = 4
"""How many operators are made under the eyes of an earlier one."""

_CHANGED = 1e-10
"""Products with one operator agree to this, relatively, each time they are made."""

_KEPT = 12
"""Operators at so many times are kept: steps that are tried by doubling come back to the same times."""


_UNSEEN = 0.25
"""The part of the piece between an end of a step and the nearest node, in which A is taken to be what it is at the end.
Where A is smooth this adds half of its estimate to that of magnus2 and next to nothing to those of order 4."""


class _Field(NamedTuple):
    """Σ α_j F_j + h Σ β_ij [F_i, F_j] in numbers, nodes counted from 0; zeros are left out."""

    linear: tuple[tuple[int, float], ...]
    commutators: tuple[tuple[int, int, float], ...]


class LieGroupSteps(OneStep):
    """Makes the steps of one method for y' = A(t) y + N(t, y).

    Parameters
    ----------
    method
        The method.
    operator_at
        t ↦ A(t), checked against the state.
    has_nonlinear
        Whether the problem has an N.
    like, start
        The first state and time.
    accuracy
        Relative and absolute tolerance of the run, for operators that are applied by iterations.
    """

    def __init__(
        self,
        method: LieGroupMethod,
        operator_at: Callable[[float], Operator],
        has_nonlinear: bool,
        like: Array,
        start: float,
        accuracy: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(method, like, has_nonlinear)
        self.operators = 0
        self._operator_at, self._accuracy = operator_at, accuracy
        self._kept: OrderedDict[float, Operator] = OrderedDict()
        self._forces: OrderedDict[float, Array] = OrderedDict()
        self._nodes = [float(c) for c in method.c]
        self._points = [_in_numbers(motion) for motion in method.points]
        self._final = _in_numbers(method.final)
        self.operator = self.at(start)

    def pack(self, memory: Any) -> Any:
        """Return the memory in plain values, and the times and forces that are kept: these are not asked for again."""
        return tuple(memory), self.operators, list(self._kept), list(self._forces), list(self._forces.values())

    def unpack(self, packed: Any, y: Array) -> Any:
        """Return the memory, where the state is ``y``; operators that were kept are made again, uncounted."""
        memory, operators, kept, times, forces = packed
        self._kept = OrderedDict((t, self._prepared(self._operator_at(t))) for t in kept)
        self._forces = OrderedDict(zip(times, forces, strict=True))
        self.operators = operators
        return super().unpack(memory, y)

    def at(self, t: float) -> Operator:
        """Return A(t)."""
        if t in self._kept:
            self._kept.move_to_end(t)
            return self._kept[t]
        self.operators += 1
        self._kept[t] = self._prepared(self._made(t))
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[t]

    def _prepared(self, operator: Operator) -> Operator:
        return for_single_use(operator, self.like).prepare(Use(tolerance=self._accuracy, whole=True))

    def _made(self, t: float) -> Operator:
        """Return A(t), made; the first times, refuse it if that changes what was made for an earlier time."""
        earlier = next(iter(self._kept.items()), None) if self.operators <= _TRIED else None
        if earlier is None or isinstance(earlier[1], StoredOperator):
            return self._operator_at(t)
        probe, product = random_like(self.like), earlier[1].product(self.like)
        before = product(probe)
        made = self._operator_at(t)
        change = norm(product(probe) - before)
        if change > _CHANGED * norm(before):
            raise ValueError(
                f"expected an operator for every time that stays as it is, received one for t = {earlier[0]:.6g} whose "
                f"products changed when that for t = {t:.6g} was made (by {change / max(norm(before), 1e-300):.2g} of "
                "their size): they look at one variable. Let each hold its own time: "
                "TimeDependent(lambda t: MatrixFree(lambda v: a(t) * v, n)), without a time that is assigned outside"
            )
        return made

    def reach(self, slope: Slope, t: float, h: float, y: Array, first: Array | None = None) -> Array:
        """Return the state after a step, from the points Y_j where N depends on them."""
        times, forces = [t + c * h for c in self._nodes], list[Array]()
        reached = [y]
        if self.has_nonlinear:
            for j, time in enumerate(times):
                if self._points:
                    reached.append(self._move(self._points[j], reached, times, forces, h))
                known = first is not None and self._points and j == 0
                forces.append(first if known else self._force(slope, time, reached[-1]))
        return self._move(self._final, reached, times, forces, h)

    def _force(self, slope: Slope, t: float, y: Array) -> Array:
        """Return N(t, y), kept where it is a function of time: where the method has no points for it."""
        if self._points:
            return slope(t, y)
        if t not in self._forces:
            self._forces[t] = slope(t, y)
            if len(self._forces) > _KEPT:
                self._forces.popitem(last=False)
        return self._forces[t]

    def field(self, slope: Slope, t: float, y: Array) -> Array:
        """Return A(t) y, and b(t) with it where N is that."""
        product = self.at(t).product(y)(y)
        return product + self._force(slope, t, y) if self.has_nonlinear and not self._points else product

    def _move(
        self,
        motion: tuple[int, Sequence[_Field]],
        reached: Sequence[Array],
        times: Sequence[float],
        forces: Sequence[Array],
        h: float,
    ) -> Array:
        start, fields = motion
        y = reached[start]
        for field in fields:
            y = self._follow(field, times, forces, h, y)
        return y

    def _follow(self, field: _Field, times: Sequence[float], forces: Sequence[Array], h: float, y: Array) -> Array:
        """Return the state after following a field for a unit of time."""
        nodes = list(dict.fromkeys([j for j, _ in field.linear] + [i for c in field.commutators for i in c[:2]]))
        operators = [self.at(times[j]) for j in nodes]
        force = None
        if forces:
            terms = [a * forces[j] for j, a in field.linear]
            force = sum(terms[1:], start=terms[0])
            for i, j, b in field.commutators:
                products = self.at(times[i]).product(y)(forces[j]), self.at(times[j]).product(y)(forces[i])
                force = force + h * b * (products[0] - products[1])
        if len(nodes) == 1:
            ((_, a),) = field.linear
            return flow(operators[0], a * h, y, None if force is None else force / a)
        factors = dict(field.linear)
        commutators = [(nodes.index(i), nodes.index(j), h * b) for i, j, b in field.commutators]
        whole = combination([factors.get(j, 0.0) for j in nodes], operators, commutators)
        return flow(whole.prepare(Use(tolerance=self._accuracy)), h, y, force)


class DoubledLieGroup(Doubled):
    r"""Step doubling of a Lie-group method that looks at A at the ends of a step, too.

    The nodes of Gauss lie inside: a jump of A between an end and the nearest node leaves no trace in any of them. What
    the nodes of both halves foresee at an end t_e by a polynomial is compared with what is there: the error is taken to
    be larger by

    .. math:: |h| \tfrac14 c_1 |(A(t_e) - \textstyle\sum_j l_j(t_e) A(t_j)) y|

    with c_1 h the distance to the nearest node: O(h^{p+1}), as the estimate itself, where A is smooth.
    """

    def __init__(self, inner: LieGroupSteps) -> None:
        super().__init__(inner)
        self._steps = inner
        self._nodes = [float(c) for c in inner.method.c]
        places = [(shift + c) / 2 for shift in (0, 1) for c in self._nodes]
        self._ends = [
            (end, [_lagrange(places, j, end) for j in range(len(places))], min(abs(end - c) for c in places))
            for end in (0.0, 1.0)
            if end not in self._nodes
        ]

    def attempt(self, memory: Any, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return two steps of half the length, with the estimate of their error."""
        made, steps, y = super().attempt(memory, slope, t, end, h, order), self._steps, memory.y
        half = h / 2
        starts = ((t, half), (t + half, end - t - half))
        times = [start + c * length for start, length in starts for c in self._nodes]  # where A is known

        def error(k: int) -> Array | None:
            estimate = made.error(k)
            if estimate is None or not self._ends:
                return estimate
            total, inside = abs(estimate), [steps.field(slope, time, y) for time in times]
            for place, weights, share in self._ends:
                there = steps.field(slope, t if place == 0 else end, y)
                foreseen = sum(weight * value for weight, value in zip(weights, inside))
                total = total + abs(h) * _UNSEEN * share * abs(there - foreseen)
            return total

        def changes(found: Array | None) -> list[Array]:
            first = steps.field(slope, t, y)
            seen = [steps.field(slope, time, y) - first for time in (*times, end)]
            own = [] if found is None or memory.value is None else [h * (found - memory.value)]
            return [h * change for change in seen] + own

        return made._replace(error=error, changes=changes)


def _lagrange(places: Sequence[float], j: int, at: float) -> float:
    """Return the j-th Lagrange polynomial through ``places``."""
    return prod((at - other) / (places[j] - other) for i, other in enumerate(places) if i != j)


def _in_numbers(motion: Motion) -> tuple[int, tuple[_Field, ...]]:
    fields = (
        _Field(
            tuple((j, float(a)) for j, a in enumerate(exponent.linear) if a != 0),
            tuple((i - 1, j - 1, float(b)) for i, j, b in exponent.commutators),
        )
        for exponent in motion.exponents
    )
    return motion.start, tuple(fields)
