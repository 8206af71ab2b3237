r"""Plans of two states: made of any one-step plan, and run backwards, the states before from the states after.

With E the point to which one step leads from y_n, forwards to t_{n+1} or backwards to t_{n-1},

.. math:: y_{n+1} = E(y_n; t_{n+1}) + g_n \, (y_{n-1} - E(y_n; t_{n-1})),

which is solved for y_{n-1} as it stands: all evaluations are made from y_n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, TypeVar

from expint.lower.memory import PLAIN, Layout

__all__ = ["PAIR", "from_one_state", "from_pair", "reversed_plan", "two_sided"]

AnyPlan = TypeVar("AnyPlan", bound=Any)
"""A plan: this file takes plans apart and makes none of another class."""

PAIR = Layout(states=2)
"""That of plans that look at two states and at no noise, constant or first state."""


def two_sided(forward: AnyPlan, backward: AnyPlan, weights: Sequence[float]) -> AnyPlan:
    r"""Return the plan of two states whose steps are those of a one-step plan, and go back to the state before as well.

    .. math:: y_{n+1} = E(y_n; t_{n+1}) + g_n \, (y_{n-1} - E(y_n; t_{n-1}))

    Parameters
    ----------
    forward
        The plan of a one-step method: E(y_n; t_{n+1}). Its first step is kept.
    backward
        The plan of a one-step method over the same times the other way round: E(y_n; t_{n-1}). Steps at its beginning
        to which none of the forward plan corresponds are not looked at.
    weights
        g_n for every step but the first. Where it is 0 the step is that of the one-step plan.

    Raises
    ------
    ValueError
        If a plan looks at more than one state, or at values of N from before the step.

    Notes
    -----
    The exponential Euler method costs one evaluation a step, one of s stages 2s − 1. Zhang, Lewis and Kleijn, *Exact
    diffusion inversion via bi-directional integration approximation*, 2023, with g constant.

    Examples
    --------
    The midpoint rule out of two of Euler's steps:

    >>> import expint
    >>> from expint.lower import two_sided
    >>> zero, euler, times = expint.operators.Scalar(0.0), expint.Adams(1), [0.0, 0.5, 1.0]
    >>> there, back = expint.lower(euler, zero, times), expint.lower(euler, zero, times[::-1])
    >>> [row.weights for _, row in two_sided(there, back, [1.0]).rows][-1]
    (0.0, 1.0, 1.0)
    """
    start, first, *others = forward.steps
    for plan in (forward, backward):
        _check_one_step(plan)
    steps = [_of_pairs(start), _of_pairs(first)]
    before = backward.steps[::-1]  # the last leads from the second state to the first
    for step, back, weight in zip(others, before, weights, strict=False):
        steps.append(_of_pairs(step) if weight == 0.0 else _both_ways(step, back, weight))
    depth = max(1, *(len(PAIR.parts(row.weights).values) for step in steps for row in step.rows))
    return replace(forward, steps=tuple(steps), depth=depth, layout=PAIR)


def reversed_plan(plan: AnyPlan) -> AnyPlan:
    r"""Return the plan that runs from the last two states of ``plan`` back to its first.

    A step that looks at two states, at the older one by its last row only, and at the values N of this step,

    .. math:: y_{n+1} = a \, y_n + b \, y_{n-1} + \sum_j c_j \, N_j,

    is solved for the older one: y_{n-1} = (y_{n+1} - a y_n - Σ_j c_j N_j)/b. So N is evaluated where it was, and what
    comes back differs from what went in by rounding only. Run it by
    ``over_plan(reversed_plan(plan), nonlinear, last, earlier=[last_but_one])``; the states it yields begin with the
    last but one. The first step of ``plan``, which makes y_1 from y_0, is not needed.

    Raises
    ------
    ValueError
        If a step is not of this form, or the plan has fewer than two steps.
    """
    first, *others = plan.steps
    if plan.layout.states != 2 or len(others) < 2:
        raise ValueError(
            f"expected a plan of two steps or more of a method of two states, received {len(others)} steps of "
            f"{plan.layout.states} states; lower a reversible method"
        )
    given = plan.layout.arrange((None, 1.0), ())  # the last but one is given beside the last
    last = others[-1].rows[-1]
    steps = [first._replace(times=others[-2].times[-1:], rows=(last._replace(weights=given, evaluate=True),))]
    before = [first, *others[:-2]]
    for step, reached in zip(others[:0:-1], before[::-1]):
        made = last._replace(weights=_solved(plan, step), evaluate=reached is not first)
        steps.append(step._replace(times=(*step.times[:-1], reached.times[-1]), rows=(*step.rows[:-1], made)))
    return replace(plan, steps=tuple(steps))


def from_pair(plan: AnyPlan) -> AnyPlan:
    """Return a ``plan`` of two states begun with y_0 and y_1, which is given as the state before: see ``over_plan``.

    Its first step is left out, and y_1 is the first state that it yields.
    """
    first, second, *others = plan.steps
    row = first.rows[-1]._replace(weights=PAIR.arrange((None, 1.0), ()), evaluate=True)
    return replace(plan, steps=(first._replace(times=second.times[-1:], rows=(row,)), *others))


def from_one_state(pairs: AnyPlan, one_step: AnyPlan) -> AnyPlan:
    """Return a plan of two states that makes its second state by the first step of another, one-step plan.

    Parameters
    ----------
    pairs
        A plan that begins with two states, such as a reversed one.
    one_step
        A plan whose first step leads from the state that is known to the other one.
    """
    start, first = (_of_pairs(step) for step in one_step.steps[:2])
    row = first.rows[-1]._replace(evaluate=True)
    made = first._replace(times=(*first.times[:-1], pairs.steps[0].times[-1]), rows=(*first.rows[:-1], row))
    depth = max(pairs.depth, *(len(PAIR.parts(row.weights).values) for row in made.rows))
    return replace(pairs, steps=(start, made, *pairs.steps[1:]), depth=depth)


def _check_one_step(plan: Any) -> None:
    for step in plan.steps[1:]:
        known = 1  # N at the start of the step
        for row in step.rows:
            if plan.layout != PLAIN or len(plan.layout.parts(row.weights).values) > known:
                raise ValueError(
                    "expected the plan of a one-step method, received one whose rows look at other states or at "
                    f"values of N from before the step, {step!r}; take a method without history"
                )
            known += row.evaluate


def _of_pairs(step: Any) -> Any:
    """Return a step of a one-step plan as one of two states."""
    return step._replace(rows=tuple(row._replace(weights=_alone(row)) for row in step.rows))


def _alone(row: Any) -> tuple[Any, ...]:
    parts = PLAIN.parts(row.weights)
    return PAIR.arrange((*parts.states, None), parts.values)


def _both_ways(step: Any, back: Any, weight: float) -> Any:
    """Return the step of two states out of the ``step`` forwards and that ``back``, both from the same state."""
    *inner, last = step.rows
    *inner_back, last_back = back.rows
    own = len(inner)  # values of the stages forwards lie between those backwards and N at the start
    rows = [row._replace(weights=_alone(row)) for row in inner]
    for known, row in enumerate(inner_back):
        (of_state,), values = PLAIN.parts(row.weights).states, _apart(PLAIN.parts(row.weights).values, known, own)
        rows.append(row._replace(weights=PAIR.arrange((of_state, None), values)))
    one, other = PLAIN.parts(last.weights), PLAIN.parts(last_back.weights)
    ahead = (None,) * len(inner_back) + one.values
    behind = _apart(other.values, len(inner_back), own)
    both = [_minus(a, b, weight) for a, b in zip_longest(ahead, behind)]
    state = _minus(one.states[0], other.states[0], weight)
    rows.append(last._replace(weights=PAIR.arrange((state, weight), both)))
    return step._replace(times=(*step.times[:-1], *back.times[:-1], step.times[-1]), rows=tuple(rows))


def _apart(values: tuple[Any, ...], known: int, between: int) -> tuple[Any, ...]:
    """Return the weights of ``known`` values, then of ``between`` others that count nothing, then of the rest."""
    return (*values[:known], *(None,) * between, *values[known:]) if len(values) > known else values


def _minus(a: Any, b: Any, factor: float) -> Any:
    """Return a − factor · b; None stands for zero."""
    if b is None:
        return a
    return -factor * b if a is None else a - factor * b


def _solved(plan: Any, step: Any) -> tuple[Any, ...]:
    """Return the weights of y_{n-1}, of the states y_n, y_{n+1} and of the values of N."""
    *inner, last = step.rows
    layout: Layout = plan.layout
    (a, b), _, _, values = layout.parts(last.weights)
    known = 1 + sum(row.evaluate for row in inner)
    older = any(value is not None for value in values[known:])
    looks = any(layout.parts(row.weights).states[1] is not None for row in inner)
    accepted = any(row.accept for row in inner)
    if b is None or older or looks or accepted:
        why = "leaves y_{n-1} out, as at a breakpoint of the network" if b is None else "has other rows"
        raise ValueError(
            "expected steps y_{n+1} = a y_n + b y_{n-1} + Σ c_j N_j with b other than 0 and N of this step, received "
            f"one to t = {step.times[-1]:.6g} that {why}; lower a reversible method"
        )
    solved: list[Any] = [None if value is None else -value / b for value in values]
    return layout.arrange((None if a is None else -a / b, 1 / b), solved)
