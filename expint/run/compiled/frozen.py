"""Steps that a run to a tolerance has accepted, as a plan: their lengths and orders are constants from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from expint.backend import Array
from expint.lower.cache import StepCache
from expint.lower.lower import stage_times
from expint.lower.memory import PLAIN, Memory
from expint.lower.pair import AdamsCache, AdamsRows
from expint.lower.plan import Plan, Row, Step
from expint.operators.base import StoredOperator
from expint.run.compiled.adjoint import Marks
from expint.run.steppers.adams import AdamsPairs
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.fixed_linear import FixedLinear

__all__ = ["Freezing", "can_freeze"]


class _Accepted(NamedTuple):
    """A step that was accepted: where it starts, its length, where the values in memory lie, and its order."""

    t: float
    end: float
    h: float
    places: tuple[Any, ...]
    order: int


def can_freeze(stepper: Any) -> bool:
    """Whether the steps of a stepper are rows: those of methods with a fixed L, pairs with weights that are formed."""
    inner = stepper.inner if isinstance(stepper, Doubled) else stepper
    if isinstance(inner, AdamsPairs):
        return inner.pairs.method.mode == "PE" or isinstance(inner.pairs.operator, StoredOperator)
    return isinstance(inner, FixedLinear)


class Freezing:
    """A stepper that makes the steps of another one, and takes note of those that are accepted.

    Parameters
    ----------
    stepper
        A stepper for which `can_freeze` holds.
    marks
        Where the memory here and there is kept.
    """

    def __init__(self, stepper: Any, marks: Marks) -> None:
        self.stepper, self.marks, self.accepted = stepper, marks, list[_Accepted]()
        self.each = 2 if isinstance(stepper, Doubled) else 1  # steps of the plan

    def __getattr__(self, name: str) -> Any:
        """Return what is asked of the stepper."""
        return getattr(self.stepper, name)

    def start(self, t: float, y: Array, slope: Array | None) -> Any:
        """Return the memory at the start of a run."""
        self.first = t
        self.marks.note(0, PLAIN.start(y))
        memory = self.stepper.start(t, y, slope)
        self._note(memory)
        return memory

    def attempt(self, memory: Any, slope: Callable[..., Array], t: float, end: float, h: float, order: int) -> Any:
        """Return a step that takes note of itself when it is accepted."""
        made = self.stepper.attempt(memory, slope, t, end, h, order)
        return _Watched(made, self, _Accepted(t, end, h, memory[1], made.order))

    def take(self, step: _Accepted, memory: Any) -> None:
        """Take note of a step, and of the memory after it."""
        self.accepted.append(step)
        self._note(memory)

    def _note(self, memory: Any) -> None:
        self.marks.note(1 + self.each * len(self.accepted), self._columns(memory))

    def _columns(self, memory: Any) -> Memory:
        """Return the memory as the plan has it."""
        if not isinstance(self.stepper, AdamsPairs):
            columns: Memory = memory.columns
            return columns
        columns = memory[0].pack()
        return PLAIN.arrange(PLAIN.parts(columns).states, _apart(PLAIN.values(columns), self._gaps))

    @property
    def _inner(self) -> Any:
        return self.stepper.inner if isinstance(self.stepper, Doubled) else self.stepper

    @property
    def operator(self) -> Any:
        """L, as the run has it."""
        inner = self._inner
        return (inner.pairs if isinstance(inner, AdamsPairs) else inner.steps).operator

    @property
    def _gaps(self) -> int:
        """How many values of N lie between two that are remembered."""
        return int(self.stepper.pairs.method.mode == "PECE")

    def plan(self, operator: Any = None) -> Plan:
        """Return the steps as a plan, for an ``operator`` other than that of the run if one is given."""
        inner = self._inner
        pairs = isinstance(inner, AdamsPairs)
        cache = inner.pairs if pairs else inner.steps
        used = cache.operator if operator is None else operator
        if operator is not None:
            cache = (AdamsCache if pairs else StepCache)(cache.method, operator, cache.like)
        start = Step((self.first,), (StepCache(cache.method, used, cache.like).start(),))
        steps = [start, *(self._of_pairs(cache) if pairs else self._of_stages(cache))]
        last = steps[-1]
        steps[-1] = last._replace(rows=(*last.rows[:-1], last.rows[-1]._replace(evaluate=False)))
        depth = max(len(PLAIN.values(row.weights)) for step in steps for row in step.rows)
        return Plan(used, tuple(steps), max(1, depth))

    def _of_stages(self, cache: StepCache) -> Iterator[Step]:
        for t, end, h, places, _ in self.accepted:
            middle = t + h / 2
            for start, stop in ((t, end),) if self.each == 1 else ((t, middle), (middle, end)):
                lowered = cache.step(start, h / self.each, places)
                times = stage_times(start, h / self.each, stop, lowered.c)
                yield Step(tuple(float(at) for at in times), lowered.rows)

    def _of_pairs(self, pairs: AdamsCache) -> Iterator[Step]:
        for _, end, h, places, order in self.accepted:
            rows = pairs.rows(h, places, order)
            weights = PLAIN.arrange(PLAIN.parts(rows.predict).states, _apart(PLAIN.values(rows.predict), self._gaps))
            if rows.correct is None:
                yield Step((end,), (Row(weights, evaluate=True, accept=True),))
            else:
                correct = Row(_corrected(rows, self._gaps), evaluate=self._gaps == 1, accept=True)
                yield Step((end, end), (Row(weights, evaluate=True, accept=False), correct))


def _apart(values: Any, gaps: int) -> tuple[Any, ...]:
    """Return values with so many places between each two."""
    return tuple(chain.from_iterable((value, *(None,) * gaps) for value in values))


def _corrected(rows: AdamsRows, gaps: int) -> tuple[Any, ...]:
    """Return the weights of what is corrected: predicted + C (N − Σ f_j N_j), of N at the point predicted first."""
    foreseen, (states, *_, values) = rows.foreseen[rows.order].tolist(), PLAIN.parts(rows.predict)
    past = [w if f == 0.0 else w - f * rows.correct for w, f in zip(values, foreseen, strict=True)]
    return PLAIN.arrange(states, (rows.correct, *_apart(past, gaps)))


class _Watched:
    """A step that is not yet accepted, as another one, which takes note of itself when it is."""

    def __init__(self, made: Any, freezing: Freezing, step: _Accepted) -> None:
        self._made, self._freezing, self._step = made, freezing, step

    def __getattr__(self, name: str) -> Any:
        """Return what is asked of the step."""
        return getattr(self._made, name)

    def commit(self, found: Array | None) -> tuple[Any, Array | None]:
        """Return the memory after the step, and N at its end."""
        memory, ahead = self._made.commit(found)
        self._freezing.take(self._step, memory)
        return memory, ahead
