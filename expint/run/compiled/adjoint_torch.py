"""The way back through a plan for torch; see ``expint.run.compiled.adjoint``. Imported when tensors are met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, zip_longest
from typing import Any, NamedTuple

import torch

from expint.lower.memory import Memory
from expint.lower.plan import Row
from expint.operators import Diagonal, Scalar
from expint.run.compiled.adjoint import Tape
from expint.run.compiled.leaves import held_by, leaves_of

__all__ = ["asks", "differentiable", "doubles", "held", "recorded", "unrecorded"]

_ALIKE = 1e-3
"""What is made again may differ by so much, relatively: a device may add in another order."""

Tensors = Sequence[torch.Tensor]


def differentiable(
    tape: Tape, y: torch.Tensor, kept: torch.Tensor, places: Sequence[int], earlier: Tensors = ()
) -> torch.Tensor:
    """Return the states ``kept`` of a run, as torch differentiates them by ``y`` and by whatever else made them.

    Parameters
    ----------
    tape
        What the run left behind.
    y, earlier
        The first state, and those before it, as tensors that may ask for a gradient.
    kept
        The states, along a first axis.
    places
        Which of the accepted states of the plan they are.
    """
    learned = {id(w): w for _, row in tape.plan.rows for w in row.weights if getattr(w, "requires_grad", False)}
    weights = tuple(learned.values())
    back = _Back(tape, places, kept[-1, ...].clone(), 1 + len(earlier), tuple(learned))
    return _Run.apply(back, [kept], y, *earlier, *tape.cut, *tape.held, *weights)


class _Run(torch.autograd.Function):
    """What made the states of a run ↦ these states, which are known already."""

    @staticmethod
    def forward(ctx: Any, back: _Back, known: list[torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        """Return the states ``known``; what is needed on the way back is saved where hooks for saved tensors see it.

        The states leave their list, since what holds its own result is never freed.
        """
        ctx.back, ctx.count, marks = back, len(inputs), back.tape.marks
        tensors = {id(v): v for memory in marks.kept.values() for v in memory if isinstance(v, torch.Tensor)}
        ctx.places = {own: place for place, own in enumerate(tensors)}
        ctx.memories = {
            number: tuple(ctx.places[id(v)] if isinstance(v, torch.Tensor) else (v,) for v in memory)
            for number, memory in marks.kept.items()
        }
        marks.kept = {}
        ctx.save_for_backward(*inputs, *tensors.values())
        return known.pop()

    @staticmethod
    def backward(ctx: Any, pulled: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Pull the gradient back; it is not recorded itself."""
        if torch.is_grad_enabled():
            raise RuntimeError(
                "expected a first derivative of a run with gradient='adjoint', received create_graph=True, by which a "
                "second one would be lost; take gradient='through'"
            )
        saved = ctx.saved_tensors
        inputs, tensors = saved[: ctx.count], saved[ctx.count :]
        memories = {
            number: tuple(tensors[v] if isinstance(v, int) else v[0] for v in memory)
            for number, memory in ctx.memories.items()
        }
        found = ctx.back.run(memories, inputs, pulled)
        return None, None, *[own if asked else None for own, asked in zip(found, ctx.needs_input_grad[2:])]


class _Made(NamedTuple):
    """A row that was made again: its columns, its place among the accepted states, its point, and N there and when."""

    row: Row
    columns: Memory
    place: int
    point: torch.Tensor
    value: torch.Tensor | None
    told: float


class _Back:
    """Runs a plan backwards.

    Parameters
    ----------
    tape
        What the run left behind.
    places
        Which of the accepted states are returned.
    end
        The last of them.
    states
        How many of the inputs are states; those of ``tape.cut``, ``tape.held`` and the learned weights follow.
    learned
        The identities of the weights that ask for a gradient.
    """

    def __init__(
        self, tape: Tape, places: Sequence[int], end: torch.Tensor, states: int, learned: Sequence[int]
    ) -> None:
        self.tape, self.end, self.states = tape, end, states
        self.asked = {place: n for n, place in enumerate(places)}
        self.learned = {own: n for n, own in enumerate(learned)}
        own = getattr(tape.plan.operator, "plain", tape.plan.operator)  # of a learned one
        self.elementwise = isinstance(own, Scalar | Diagonal)
        accepted = (sum(row.accept for row in step.rows) for step in tape.plan.steps)
        self.before = [0, *accumulate(accepted)]

    def run(self, memories: dict[int, Memory], inputs: Tensors, pulled: torch.Tensor) -> list[torch.Tensor | None]:
        """Return the gradient by each of the ``inputs``, from that by the states."""
        tape, states = self.tape, self.states
        cut = [own.detach().requires_grad_(own.requires_grad) for own in inputs[states : states + len(tape.cut)]]
        with torch.enable_grad():
            self.slope, self.by = tape.slope(cut), [*cut, *tape.held]
        self.wanted = [own for own in self.by if own.requires_grad]
        self.known = {id(own) for own in self.wanted}
        self.of_weights: list[Any] = [None] * len(self.learned)
        self.weights = inputs[states + len(self.by) :]
        self.found: dict[int, Any] = {}
        last = self._last()
        starts = [number for number in sorted(memories) if number < last]
        layout, ends = tape.plan.layout, [*starts[1:], last]
        adjoint: Memory = layout.arrange(
            (None,) * layout.states, (), (None,) * layout.noise, (None,) * (layout.constant + layout.first)
        )
        with torch.no_grad():
            for start, end in reversed(list(zip(starts, ends))):
                made = list(self._again(start, end, memories))
                while made:
                    adjoint = self._before(made.pop(), adjoint, pulled)
        of_states = list(layout.parts(adjoint).states[:states])
        of_states[0] = _sum(of_states[0], layout.first_of(adjoint))
        return [*of_states, *(self.found.get(id(own)) for own in self.by), *self.of_weights]

    def _last(self) -> int:
        """Return the number of the step after the last state that is asked for."""
        last = max(self.asked)
        return next(number for number, before in enumerate(self.before) if before > last)

    def _again(self, start: int, end: int, memories: dict[int, Memory]) -> Iterator[_Made]:
        """Make the rows of the steps from ``start`` to ``end`` again, N with its graph."""
        plan, memory, last = self.tape.plan, memories[start], self._last()
        (accept, evaluate), combine = plan.layout.moves(plan.depth), plan.operator.combiner()
        for number, step in enumerate(plan.steps[start:end], start):
            place = self.before[number]
            if self.tape.noise is not None and number > start:
                memory = plan.layout.draw(memory, self.tape.noise(number))
            for t, row in zip(step.times, step.rows):
                columns, value, told = memory, None, row.told(t)
                point = combine(row.weights, columns)
                if row.accept:
                    memory = accept(memory, point)
                if row.evaluate and not (number == last - 1 and row is step.rows[-1]):
                    point = point.detach().requires_grad_()
                    with torch.enable_grad():
                        value = self.slope(told, point)
                    memory = evaluate(memory, value.detach())
                yield _Made(row, columns, place if row.accept else -1, point, value, told)
                place += row.accept
        self._check(memory, end, memories)

    def _check(self, memory: Memory, end: int, memories: dict[int, Memory]) -> None:
        """Raise an error if N is no longer what it was."""
        parts = self.tape.plan.layout.parts
        if end not in memories and self.before[end] - 1 != max(self.asked):
            return
        before = parts(memories[end]).states[0] if end in memories else self.end
        apart = torch.linalg.vector_norm(parts(memory).states[0] - before)
        size = torch.linalg.vector_norm(before)
        if not apart <= max(_ALIKE, 64 * torch.finfo(before.dtype).eps) * size:
            raise RuntimeError(
                f"expected N to return what it returned in the run, received states that differ by {apart:.3g} of "
                f"{size:.3g} on the way back: dropout, or parameters changed between the run and its gradient; make N "
                "a function of (t, y) alone (module.eval()), or take gradient='through'"
            )

    def _before(self, made: _Made, adjoint: Memory, pulled: torch.Tensor) -> Memory:
        """Return the adjoint of the columns before a row, from that of those after it."""
        row, layout = made.row, self.tape.plan.layout
        before_accept, before_evaluate = layout.moves_back()
        of_point = None
        if row.evaluate:
            of_value, adjoint = before_evaluate(adjoint)
            of_point = None if of_value is None else self._through(made, of_value)
        if row.accept:
            of_state, adjoint = before_accept(adjoint)
            of_point = _sum(of_point, of_state)
            if made.place in self.asked:
                of_point = _sum(of_point, pulled[self.asked[made.place]])
        if of_point is None:
            return adjoint
        adjoint = (self._elementwise if self.elementwise else self._by_torch)(made, of_point, adjoint)
        return layout.draw(adjoint, (None,) * layout.noise) if layout.noise else adjoint

    def _through(self, made: _Made, of_value: torch.Tensor) -> torch.Tensor | None:
        """Return the product of the transposed Jacobian of N with the adjoint of its value; keep those by the rest."""
        point, value = made.point, made.value
        if value is None or not value.requires_grad:
            return None
        unknown = [own for own in leaves_of(value) if own is not point and id(own) not in self.known]
        if unknown:
            raise RuntimeError(
                f"expected N to depend on tensors that were found before the run, received one of shape "
                f"{tuple(unknown[0].shape)} that it first looks at at t = {made.told:.6g}, whose gradient would "
                "be lost; give it by args=, or let a torch.nn.Module that N calls hold it"
            )
        of_value = of_value if value.is_complex() or not of_value.is_complex() else of_value.real
        of_point, *others = torch.autograd.grad(
            value, [point, *self.wanted], of_value, retain_graph=True, allow_unused=True
        )
        for own, gradient in zip(self.wanted, others):
            self.found[id(own)] = _added(self.found.get(id(own)), gradient)
        return of_point

    def _elementwise(self, made: _Made, of_point: torch.Tensor, adjoint: Memory) -> Memory:
        """Add to the adjoint of each column and of each weight its share, for weights that multiply elementwise."""
        terms: list[torch.Tensor | None] = list(adjoint)
        terms += [None] * (len(made.row.weights) - len(terms))
        for j, (w, column) in enumerate(zip(made.row.weights, made.columns)):
            if w is None:
                continue
            place = self.learned.get(id(w))
            if place is not None:
                own = _like(of_point * (column.conj() if column.is_complex() else column), w)
                own = own if own.shape == w.shape else own.sum_to_size(w.shape)
                self.of_weights[place] = _added(self.of_weights[place], own)
                w = self.weights[place].detach()
            terms[j] = _plus_multiple(terms[j], w, of_point, column)
        return tuple(terms)

    def _by_torch(self, made: _Made, of_point: torch.Tensor, adjoint: Memory) -> Memory:
        """Do the same for other weights: torch transposes what combines them, and differentiates by weights."""
        weights = made.row.weights
        places = [self.learned.get(id(w)) for w in weights]
        own = [
            w if place is None else self.weights[place].detach().requires_grad_() for w, place in zip(weights, places)
        ]
        held = [
            column.detach().requires_grad_() if w is not None and isinstance(column, torch.Tensor) else column
            for w, column in zip(weights, made.columns)
        ]
        asked = [v for v in [*own, *held] if getattr(v, "requires_grad", False)]
        with torch.enable_grad():
            again = self.tape.plan.operator.combiner()(own, held)
        found = dict(zip(map(id, asked), torch.autograd.grad(again, asked, of_point, allow_unused=True)))
        for w, place in zip(own, places):
            if place is not None:
                self.of_weights[place] = _added(self.of_weights[place], found[id(w)])
        return tuple(_sum(found.get(id(column)), before) for column, before in zip_longest(held, adjoint))


def _plus_multiple(before: torch.Tensor | None, w: Any, of_point: torch.Tensor, column: Any) -> torch.Tensor:
    """Return before + w* of_point, without an imaginary part where the column is real."""
    tensor = isinstance(w, torch.Tensor)
    if of_point.is_complex():
        term = _like(of_point * (w.conj() if tensor else w.conjugate()), column)
        return term if before is None else before + term
    if before is None:
        return w * of_point
    return torch.addcmul(before, of_point, w) if tensor else before.add(of_point, alpha=w)


def _like(gradient: torch.Tensor, column: Any) -> torch.Tensor:
    """Return the gradient by a column, whose imaginary part does not count where the column is real."""
    return gradient.real if gradient.is_complex() and not getattr(column, "is_complex", bool)() else gradient


def _added(total: torch.Tensor | None, one: torch.Tensor | None) -> torch.Tensor | None:
    """Add to a sum that is ours; None stands for zero."""
    if one is None:
        return total
    return one.clone() if total is None else total.add_(one)


def _sum(one: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor | None:
    """Return a sum; None stands for zero."""
    if one is None or other is None:
        return one if other is None else other
    return one + other


def held(tape: Tape, roots: Sequence[Any], t: float, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the leaves that N depends on beside ``tape.cut``: what ``roots`` hold, and what made N(t, y)."""
    if not torch.is_grad_enabled():
        return ()
    cut = [own.detach().requires_grad_(own.requires_grad) for own in tape.cut]
    with torch.enable_grad():
        value = tape.slope(cut)(t, y.detach())
    own = {id(v) for v in (*cut, *tape.cut)}
    leaves = {id(v): v for v in (*(v for root in roots for v in held_by(root)), *leaves_of(value))}
    return tuple(v for name, v in leaves.items() if name not in own)


def asks(*values: Any) -> bool:
    """Whether torch records, and one of the values asks for a gradient."""
    return torch.is_grad_enabled() and any(getattr(value, "requires_grad", False) for value in values)


def doubles(values: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    """Return numbers and tensors of one number as tensors of double precision, with their gradients."""
    return tuple(torch.as_tensor(value).to(torch.float64) for value in values)


unrecorded, recorded = torch.no_grad, torch.enable_grad
