"""Lowered steps, kept by step size: every cache of numbers in the library lives here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.derive.algebra.phisum import Terms
from expint.derive.algebra.spread import lookback
from expint.derive.kinds.stage import Method, Stage, StepContext
from expint.derive.orders.forcing import by_halves, follows_flow
from expint.lower.damped import LowerStage, lower_damped, lower_lacking, may_damp
from expint.lower.memory import PLAIN, Layout
from expint.lower.plan import Row
from expint.operators.base import Operator, StoredOperator
from expint.operators.columns import Columns

__all__ = ["ErrorRow", "LoweredStep", "PhiTables", "StepCache", "columns_of", "weigh"]

Evaluate = Callable[[int, float], Sequence[Any]]
"""p, s ↦ [φ_0(s L), …, φ_p(s L)]."""


class ErrorRow(NamedTuple):
    """The weights of an error estimate, its order, and whether it looks at N(y_{n+1})."""

    weights: tuple[Any, ...]
    order: int
    at_end: bool


class LoweredStep(NamedTuple):
    """The numbers of one step of one length.

    Attributes
    ----------
    c
        Where the point of each row lies, in units of the step.
    rows
        The rows.
    error
        What gives the error estimate, or None.
    memory
        Where the slopes in memory lie once the step is done, seen from its end; see ``StepCache``.
    """

    c: tuple[float, ...]
    rows: tuple[Row, ...]
    error: ErrorRow | None
    memory: tuple[float | None, ...]


class StepCache:
    """Lowers the steps of one method for one operator; steps of one length and history share their numbers.

    Parameters
    ----------
    method, operator, like
        As in ``lower``.
    size
        How many step sizes are kept; the one used longest ago is dropped.
    alone
        Whether the numbers of a step size depend on nothing but it, to the last bit: none is then found from another.

    Notes
    -----
    The memory of a run is described by the positions t_j - t_n of its slopes, newest first, None for slopes that later
    steps do not look at. The cache is owned by one run and holds its operator, so that no entry outlives what it was
    computed from.
    """

    START: tuple[float | None, ...] = (0.0,)
    """The memory after N(y_0)."""

    def __init__(
        self, method: Method, operator: Operator, like: Array | None, size: int = 32, alone: bool = False
    ) -> None:
        self.method, self.operator, self.like, self.size = method, operator, like, size
        self.layout = Layout.of(method)
        alike = getattr(method, "steps_alike", False)
        self._always = method.recipe(_context(0.0, 1.0, self.START)) if alike else None
        shared = isinstance(operator, StoredOperator) and not alone
        self._evaluate = operator.evaluator() if shared else None  # type: ignore[attr-defined]  # stored ones evaluate
        self._tables: OrderedDict[float, PhiTables] = OrderedDict()
        self._steps: OrderedDict[Any, tuple[Any, Any]] = OrderedDict()

    def step(self, start: float, h: float, memory: tuple[float | None, ...]) -> LoweredStep:
        """Return the step of length ``h`` from ``start`` with slopes in memory as described by ``memory``."""
        recipe = self._always
        if recipe is None:
            recipe = self.method.recipe(_context(start, h, memory))
        key = (h, id(recipe), memory)
        known = self._steps.get(key)
        if known is None:
            lowered = self._lower(_context(start, h, memory), recipe, memory)
            known = self._steps[key] = (recipe, lowered)  # holding the recipe keeps its id unique
            _trim(self._steps, 4 * self.size)
        else:
            self._steps.move_to_end(key)
        return known[1]

    def _lower(self, context: StepContext, recipe: Sequence[Stage], memory: tuple[float | None, ...]) -> LoweredStep:
        h = context.step
        tables, estimate = self._tables_of(h), self.method.error(context)
        slots = tuple(at is not None for at in memory)
        tables.announce(recipe if estimate is None else (*recipe, estimate.stage), slots, self.layout)
        rows = tuple(lower_stage(stage, self.operator, h, slots, self.like, tables, self.layout) for stage in recipe)
        error = None
        if estimate is not None:
            weights = lower_stage(estimate.stage, self.operator, h, slots, self.like, tables, self.layout).weights
            if estimate.damped is not None and may_damp(self.operator, h):
                make = self._lowering(h, slots)
                weights = lower_damped(self.operator, h, estimate.stage, estimate.damped, make, self.like)
            evaluated = sum(stage.evaluate for stage in recipe)
            at_end = recipe[-1].evaluate and len(estimate.stage.stages) == evaluated
            error = ErrorRow(weights, estimate.order, at_end)
        c = tuple(float(stage.c) for stage in recipe)
        return LoweredStep(c, rows, error, _advance(memory, recipe, h, self.method.history))

    def lacking(self, h: float, order: int, memory: tuple[float | None, ...]) -> tuple[Any, ...] | None:
        """Return the weights of what step doubling lacks in a step of length ``h``, None where it lacks nothing.

        They stand beside the values of N that the second half has seen; see ``by_halves``.
        """
        if not follows_flow(self.method) or not may_damp(self.operator, h):
            return None
        key = (h, "lacking", memory)
        if key not in self._steps:
            make = self._lowering(h, tuple(at is not None for at in memory))
            stages = by_halves(self.method, order)  # type: ignore[arg-type]  # methods are frozen
            weights = lower_lacking(self.operator, h, stages, make, self.like)
            self._steps[key] = (self.method, weights)
            _trim(self._steps, 4 * self.size)
        return self._steps[key][1]

    def _lowering(self, h: float, slots: tuple[bool, ...]) -> LowerStage:
        """Return what lowers a stage of a step of length ``h``."""
        tables = self._tables_of(h)

        def make(stage: Stage, like: Array | None) -> Sequence[Any]:
            return lower_stage(stage, self.operator, h, slots, like, tables, self.layout).weights

        return make

    def start(self) -> Row:
        """Return the row of y_0 itself, where N is evaluated for the first time."""
        if self.layout == PLAIN and isinstance(self.operator, StoredOperator) and self.operator.elementwise:
            return Row(PLAIN.arrange((1.0,), ()), evaluate=True, accept=True)  # what the numbers below amount to
        return lower_stage(_START, self.operator, 0.0, (), self.like, PhiTables(self.operator, 0.0), self.layout)

    def _tables_of(self, h: float) -> PhiTables:
        if h in self._tables:
            self._tables.move_to_end(h)
        else:
            history = self.method.history
            least = history + 1 if history > 1 else 0
            self._tables[h] = PhiTables(self.operator, h, least, self._evaluate)
            _trim(self._tables, self.size)
        return self._tables[h]


def _context(start: float, h: float, memory: tuple[float | None, ...]) -> StepContext:
    return StepContext(start, h, tuple([at / h for at in memory if at is not None]))


class PhiTables:
    """φ_k(c h L) of one operator at one step size, each argument computed once, as far as it is asked for.

    Parameters
    ----------
    operator, step
        L and h.
    least
        The indices up to this one are computed together at once: a multistep method asks for one more with each step.
    evaluate
        What computes φ_0, …, φ_p of a multiple of L; by default that of the operator.
    """

    def __init__(self, operator: Any, step: float, least: int = 0, evaluate: Evaluate | None = None) -> None:
        self.operator, self.step, self.least, self.evaluate = operator, step, least, evaluate
        self._announced: Sequence[Columns] = ()
        self._values: dict[float, np.ndarray] = {}

    def announce(self, stages: Sequence[Stage], slots: tuple[bool, ...], layout: Layout = PLAIN) -> None:
        """Take note of what the stages of a step will need, so that it is computed in one go once some is required."""
        self._announced = [columns_of(stage, slots, layout) for stage in stages]

    def require(self, highest: Mapping[float, int]) -> None:
        """Compute φ_0, …, φ_k of c h L for each c and its highest index k: for each c all indices at once."""
        if all(k < len(self._values.get(c, ())) for c, k in highest.items()):
            return
        if self.evaluate is None:
            stored = isinstance(self.operator, StoredOperator)
            self.evaluate = self.operator.evaluator() if stored else self.operator.phi
        needed = dict(highest)
        for columns in self._announced:
            for c, k in columns.highest.items():
                needed[c] = max(needed.get(c, 0), k)
        for c in sorted(needed, key=abs, reverse=True):  # on the way to c some find c/2
            k = max(needed[c], self.least)
            if k >= len(self._values.get(c, ())):
                self._values[c] = np.array(self.evaluate(k, c * self.step))

    def values(self, c: float) -> np.ndarray:
        """Return φ_k(c h L), as far as they were required, as one array whose first axis counts k."""
        return self._values[c]


_START = Stage(c=0, state={(0, 0): 1}, stages=(), past=(), evaluate=True, accept=True, remember=True)


def lower_stage(
    stage: Stage,
    operator: Operator,
    h: float,
    slots: tuple[bool, ...],
    like: Array | None,
    tables: PhiTables,
    layout: Layout = PLAIN,
) -> Row:
    """Return the row of one stage in a step whose memory holds remembered slopes where ``slots`` is true."""
    columns = columns_of(stage, slots, layout)
    factors = layout.factors(1.0, h, len(columns))
    return Row(weigh(operator, columns, factors, tables, like), stage.evaluate, stage.accept)


def weigh(
    operator: Operator, columns: Sequence[Terms], factors: Sequence[float], tables: PhiTables, like: Array | None
) -> tuple[Any, ...]:
    """Return the weights of one row: the tables compute what the operator reads, then it reads them."""
    known = columns if isinstance(columns, Columns) else Columns(columns)
    tables.require(operator.needs(known))
    return operator.row(known, factors, tables, like)


_COLUMNS: OrderedDict[tuple[int, tuple[bool, ...], Layout], tuple[Stage, Columns]] = OrderedDict()
"""The columns of stages in numbers; holding the stage keeps its id unique."""

_KEPT = 1024
"""So many stages are kept; methods whose steps change their recipe bring new ones all along a run."""


def columns_of(stage: Stage, slots: tuple[bool, ...], layout: Layout) -> Columns:
    """Return the φ-sums of one stage, column by column as they lie in memory; a stage seen again is not read again."""
    key = (id(stage), slots, layout)
    known = _COLUMNS.get(key)
    if known is None:
        past = iter(stage.past)
        values = [*stage.stages, *(next(past, {}) if remembered else {} for remembered in slots)]
        while values and not values[-1]:
            values.pop()
        earlier = (*stage.earlier, *[{}] * (layout.states - 1 - len(stage.earlier)))
        noise = (*stage.noise, *[{}] * (layout.noise - len(stage.noise)))
        sums = layout.arrange((stage.state, *earlier), values, noise)
        known = _COLUMNS[key] = (stage, Columns(sums))  # another thread may drop it again
        _trim(_COLUMNS, _KEPT)
    return known[1]


def _advance(
    memory: tuple[float | None, ...], recipe: Sequence[Stage], h: float, history: int
) -> tuple[float | None, ...]:
    """Return where the slopes lie, seen from the end of the step, up to the last that the method may look at."""
    pushed = [(float(stage.c) - 1.0) * h if stage.remember else None for stage in recipe if stage.evaluate]
    moved = pushed[::-1] + [None if at is None else at - h for at in memory]
    remembered = [slot for slot, at in enumerate(moved) if at is not None]
    last = remembered[lookback([at for at in moved if at is not None], history) - 1]
    return tuple(moved[: last + 1])


def _trim(entries: OrderedDict[Any, Any], size: int) -> None:
    while len(entries) > size:
        entries.popitem(last=False)
