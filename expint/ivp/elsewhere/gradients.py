"""Solves that torch differentiates: recorded as they go, or by the discrete adjoint of what they have done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from expint.arguments import choice, refuse_gradients, seen
from expint.arrays import affordable
from expint.backend import Array, array_namespace, device, is_jax, is_torch
from expint.derive.kinds.stage import kind_of_method
from expint.ivp.bound import Bound
from expint.ivp.checks import check_function, check_slopes, check_state, no_force
from expint.lower import Plan, lower
from expint.lower.memory import Layout
from expint.methods import method as find_method
from expint.operators import Dense, Diagonal, Scalar, TimeDependent, TimeScaled, as_operator
from expint.operators.learned import Learned
from expint.run.loops import Accepted, over_plan
from expint.solution import Solution

__all__ = ["WAYS", "Differentiated", "solve_differentiated"]

WAYS = ("through", "adjoint")

RECORDED: Any = object()
"""What ``solve_ivp`` is told in place of "through" where the method linearises."""

_NEEDS_ROWS = (
    "whose steps are no rows of weights that stay; take a method with a fixed L, such as 'krogstad4' or 'expint43', or "
    "gradient='through', which records the run"
)


def solve_differentiated(
    solve: Callable[..., Solution],
    nonlinear: Callable[..., Array] | None,
    t_span: Any,
    y0: Array,
    *,
    gradient: str,
    linear: Any = None,
    args: tuple[Any, ...] = (),
    **options: Any,
) -> Solution:
    """Solve by ``solve``; the arguments are those of ``solve_ivp``, and tensors among them may ask for gradients."""
    adjoint = choice("gradient", gradient, WAYS) == "adjoint"
    _check_state(y0)
    from expint.run.compiled import adjoint_torch as of_torch  # few runs need it

    learned, moving = of_torch.asks(linear), of_torch.asks(*_ends(t_span))
    plain = linear.detach() if learned else linear
    _check_operator(plain, y0)
    if not (adjoint or learned or moving):
        given = RECORDED if _linearises(linear, options) else None
        return solve(nonlinear, t_span, y0, linear=linear, args=args, gradient=given, **options)
    _refuse(
        options, "gradient='adjoint'" if adjoint else "an L that is learned" if learned else "times that are learned"
    )
    if nonlinear is not None:
        check_function(nonlinear, args, "nonlinear(t, y)")
    run = Differentiated(of_torch, nonlinear, t_span if moving else None, check_state(y0), args, linear, adjoint)
    given = [float(t.detach()) if hasattr(t, "detach") else t for t in _ends(t_span)] if moving else t_span
    fixed = options["step"] is not None or options["grid"] is not None
    if not adjoint and fixed:
        return solve(run.function(run.cut), given, run.y0, linear=plain, gradient=run, **options)
    with of_torch.unrecorded():
        options["land"] = options["land"] or options["t_eval"] is not None
        found = solve(run.function(run.cut), given, run.y0.detach(), linear=plain, gradient=run, **options)
    return run.differentiable(found)


def _linearises(linear: Any, options: dict[str, Any]) -> bool:
    """Return whether the method linearises; between its steps it would be lost how J changes: it lands on times."""
    method = options["method"]
    found = find_method(method) if isinstance(method, str) and method != "auto" else method
    if not (linear is None or options["jac"] is not None or kind_of_method(found) == "linearises"):
        return False
    _refuse({name: options[name] for name in ("events", "dense_output")}, "a method that linearises")
    options["land"] = options["land"] or options["t_eval"] is not None
    return True


def _ends(t_span: Any) -> Sequence[Any]:
    return list(t_span) if isinstance(t_span, list | tuple) or getattr(t_span, "ndim", 0) == 1 else [t_span]


def _check_state(y0: Any) -> None:
    xp = array_namespace(y0)
    if not is_torch(xp):
        remedy = "jax.grad and jax.jvp differentiate runs of fixed steps as they are" if is_jax(xp) else "torch.tensor"
        raise TypeError(f"expected y0 as a tensor of torch beside gradient=, received {seen(y0)}; {remedy}")


def _check_operator(linear: Any, y0: Array) -> None:
    """Refuse operators that hold what is learned, or that do not know how to go back."""
    if linear is None or isinstance(linear, TimeDependent | TimeScaled):
        return
    adjoint = getattr(as_operator(linear, y0), "adjoint", None)
    if adjoint is not None:
        adjoint()


def _refuse(options: dict[str, Any], why: str) -> None:
    """Refuse what would lose a gradient, or is not known on the way back."""
    for name in ("events", "save", "checkpoint", "jac"):
        if options.get(name) is not None:
            raise ValueError(
                f"expected no {name}= beside {why}, received {seen(options[name])}: its gradient would be lost; leave "
                "it out, or record the run: gradient='through' with L and times as constants"
            )
    for name in ("step", "grid", "t_eval", "first_step", "max_step", "rtol", "atol"):
        refuse_gradients(name, options.get(name))
    if options.get("dense_output"):
        raise ValueError(
            f"expected no dense_output beside {why}, received True: the gradient of sol(t) would be lost; ask for the "
            "states by t_eval="
        )


def _check_memory(y0: Array, plan: Plan) -> None:
    """Refuse a run of which the memory of so many steps does not fit into that of the machine."""
    if str(device(y0)) == "cpu":
        columns, kept = plan.layout.fixed + plan.depth, 2 * math.sqrt(2 * len(plan.steps))
        size = y0.element_size() * math.prod(y0.shape)
        affordable(f"{kept:.0f} of {len(plan.steps)} steps, kept for the adjoint,", kept * columns * size)


class Differentiated:
    """A run that is differentiated: what it is made of, and what it leaves behind.

    Parameters
    ----------
    of_torch
        What knows torch.
    nonlinear, args, linear
        As in ``solve_ivp``.
    moving
        The ends of the interval as tensors, None where no gradient by them is asked for.
    y0
        The first state.
    adjoint
        Whether the way back is the discrete adjoint; otherwise the run is recorded.
    """

    def __init__(
        self, of_torch: Any, nonlinear: Any, moving: Any, y0: Array, args: tuple[Any, ...], linear: Any, adjoint: bool
    ) -> None:
        self.of_torch, self.nonlinear, self.y0, self.args, self.adjoint = of_torch, nonlinear, y0, tuple(args), adjoint
        self.linear = linear if of_torch.asks(linear) else None
        self.places = [n for n, own in enumerate(self.args) if of_torch.asks(own)]
        self.ends: tuple[float, ...] = ()
        self.moved: Any = None
        if moving is not None:
            self.moved = of_torch.doubles(_ends(moving))
            self.ends = tuple(float(t.detach()) for t in self.moved)
        self.cut = (*(self.args[n] for n in self.places), *(self.moved or ()))
        self.plan: Plan | None = None
        self.frozen: Any = None
        self.marks: Any = None

    def function(self, cut: Sequence[Array]) -> Callable[[Any, Array], Array] | None:
        """Return N(t, y) with other tensors in place of those that are cut off."""
        if self.nonlinear is None:
            return None
        own, nonlinear, clock = list(self.args), self.nonlinear, self._clock(cut[len(self.places) :])
        for n, value in zip(self.places, cut):
            own[n] = value
        if clock is None:
            return lambda t, y: nonlinear(t, y, *own)
        return lambda t, y: nonlinear(clock(t), y, *own)

    def _clock(self, moved: Sequence[Array]) -> Callable[[float], Array] | None:
        """Return the times of the run as functions of its ends: they keep their proportions."""
        if not moved:
            return None
        (start, end), (first, last) = moved, self.ends
        stretch = (end - start) / (last - first)
        return lambda t: start + (t - first) * stretch

    def slope(self, cut: Sequence[Array]) -> Callable[[float, Array], Array]:
        """Return what the run evaluates, checked, of other tensors in place of those that are cut off."""
        return check_slopes(self.function(cut) or no_force, (), self.y0)

    def states(self, bound: Bound, times: np.ndarray) -> Iterator[Accepted]:
        """Run over given times, and leave behind what the way back needs."""
        if bound.lowered is None:
            raise ValueError(
                f"expected a method with a fixed L beside gradient=, received {bound.method.name}, {_NEEDS_ROWS}"
            )
        with self.of_torch.recorded():
            learned = self._learned(bound.operator, bound.method)
            self.plan = (
                bound.lowered(times)
                if learned is None
                else learned.lowered(lambda: lower(bound.method, learned, times, like=self.y0))
            )
        if not self.adjoint:
            return over_plan(self.plan, bound.slope, self.y0)
        from expint.run.compiled import Marks, marked_states

        self.marks = Marks()
        _check_memory(self.y0, self.plan)
        return marked_states(self.plan, bound.slope, self.y0.detach(), self.marks)

    def stepper(self, bound: Bound) -> Any:
        """Return the stepper of a run to a tolerance, which notes the steps that are accepted."""
        from expint.run.compiled import Freezing, Marks, can_freeze

        if not can_freeze(bound.stepper):
            raise ValueError(
                f"expected a method with a fixed L beside gradient=, received {bound.method.name}, {_NEEDS_ROWS}"
            )
        self.bound, self.marks = bound, Marks()
        self.frozen = Freezing(bound.stepper, self.marks)
        return self.frozen

    def differentiable(self, found: Solution) -> Solution:
        """Return the solution with states that carry gradients."""
        if self.plan is None:
            if not self.frozen.accepted:
                return found
            learned, frozen = self._learned(self.frozen.operator, self.bound.method), self.frozen
            self.plan = frozen.plan() if learned is None else learned.lowered(lambda: frozen.plan(learned))
        reached = [t for t, row in self.plan.rows if row.accept]
        by_time = {t: place for place, t in enumerate(reached)}
        places = [by_time[t] for t in found.t.tolist()]
        if not places:
            return found
        if not self.adjoint:
            states = [own.y for own in over_plan(self.plan, self.slope(self.cut), self.y0)]
            return replace(found, y=array_namespace(self.y0).stack([states[place] for place in places]))
        from expint.run.compiled import Tape

        tape = Tape(self.plan, self.slope, self.cut, marks=self.marks)
        roots = (self.nonlinear, *(own for n, own in enumerate(self.args) if n not in self.places))
        tape.held = self.of_torch.held(tape, roots, reached[0], self.y0)
        return replace(found, y=self.of_torch.differentiable(tape, self.y0, found.y, places))

    def _learned(self, operator: Any, method: Any) -> Learned | None:
        """Return L with weights that depend on what is learned, None where neither L nor times are."""
        if self.linear is None and self.moved is None:
            return None
        if not isinstance(operator, Scalar | Diagonal | Dense):
            raise TypeError(
                "expected a number, a symbol or a matrix as L where L or times are learned, received "
                f"{operator!r}: the derivatives of its φ-functions are not known; take one of these"
            )
        xp, stretch = array_namespace(self.y0), None
        numbers = self.linear
        if numbers is None:
            host = np.asarray(operator.values)
            kind = xp.complex128 if host.dtype.kind == "c" else xp.float64
            numbers = xp.asarray(host.copy(), dtype=kind, device=device(self.y0))
        if self.moved is not None:
            stretch = (self.moved[1] - self.moved[0]) / (self.ends[1] - self.ends[0])
        return Learned(operator, numbers, stretch, Layout.of(method).fixed)
