"""Plans run backwards: the states before, from the states after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from expint.lower.plan import Plan, Row, Step

__all__ = ["reversed_plan"]


def reversed_plan(plan: Plan) -> Plan:
    r"""Return the plan that runs from the last two states of ``plan`` back to its first.

    A step that looks at two states and at N of the newer one,

    .. math:: y_{n+1} = a \, y_n + b \, y_{n-1} + c \, N_n,

    is solved for the older one: y_{n-1} = (y_{n+1} - a y_n - c N_n)/b. So N is evaluated where it was, and what comes
    back differs from what went in by rounding only. Run it by
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
    steps = [Step((others[-2].times[-1],), (Row(given, evaluate=True, accept=True),))]
    before = [first, *others[:-2]]
    for step, reached in zip(others[:0:-1], before[::-1]):
        weights = _solved(plan, step)
        steps.append(Step((reached.times[-1],), (Row(weights, evaluate=reached is not first, accept=True),)))
    return replace(plan, steps=tuple(steps), depth=1)


def _solved(plan: Plan, step: Step) -> tuple[Any, ...]:
    """Return the weights of y_{n-1}, of the states y_n, y_{n+1} and of N_n."""
    rows, layout = step.rows, plan.layout
    (a, b), _, _, values = layout.parts(rows[0].weights)
    if len(rows) != 1 or b is None or any(value is not None for value in values[1:]):
        raise ValueError(
            "expected steps y_{n+1} = a y_n + b y_{n-1} + c N_n with b other than 0, received rows of the weights "
            f"{[row.weights for row in rows]}; lower a reversible method"
        )
    return layout.arrange((None if a is None else -a / b, 1 / b), [-value / b for value in values if value is not None])
