"""Plans without the corrected states that no later row reads: one point a step instead of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from expint.lower.memory import PLAIN, Parts
from expint.lower.plan import Plan, Step

__all__ = ["correction", "without_corrected"]


@lru_cache(maxsize=128)
def without_corrected(plan: Plan) -> Plan:
    """Return the plan whose steps accept the predicted point where N is evaluated there and nowhere else.

    A step that predicts, evaluates and corrects makes two points,

        p = b y + Σ_j b_j N_j        and, with N(p) among the slopes,        y' = c y + Σ_j c_j N_j .

    Without y, y' = (c/b) (p − Σ_j b_j N_j) + Σ_j c_j N_j. Put into the rows of the next step, this makes p the only
    point of its step; the evaluations stay the same, and so does the last state, which is computed as it was. The
    states accepted before it are those predicted. Scalar operators only. Noise stays where it is: steps are left as
    they are unless the same noise comes to both points, so that c/b of that in p is that in y'.
    """
    if plan.layout._replace(noise=0) != PLAIN:
        return plan
    first, *others = plan.steps
    steps, state = [first], 1.0
    slopes: Sequence[Any] = ()  # y = state · (the state of the new plan) + Σ_j slopes_j N_j
    for step in others:
        rows, parts = [], [plan.layout.parts(row.weights) for row in step.rows]
        for row, own in zip(step.rows, parts):
            (factor,), values = own.states, _plus_multiple(own.states[0], slopes, own.values)
            of_state = None if factor is None else factor * state
            rows.append(row._replace(weights=plan.layout.arrange((of_state,), values, own.noise)))
            slopes = (None, *slopes) if row.evaluate and slopes else slopes
        if step is not others[-1] and _corrects(step, parts):
            state, slopes = _correction(*parts)
            steps.append(Step(step.times[:1], (rows[0]._replace(accept=True),)))
        else:
            state, slopes = 1.0, ()
            steps.append(step._replace(rows=tuple(rows)))
    depth = max(len(plan.layout.parts(row.weights).values) for step in steps for row in step.rows)
    return replace(plan, steps=tuple(steps), depth=depth)


def correction(plan: Plan, index: int) -> tuple[Any, Sequence[Any]] | None:
    """Return (a, b) of the state y = a p + Σ_j b_j N_j that a step accepts, and does not without corrected states.

    N_0 is N(p), N_1 the value before it; None among the b stands for zero. None for a step that is the same in both.
    """
    step, layout = plan.steps[index], plan.layout
    if layout != PLAIN or index in (0, len(plan.steps) - 1) or len(step.rows) != 2:
        return None
    parts = [layout.parts(row.weights) for row in step.rows]
    return _correction(*parts) if _corrects(step, parts) else None


def _correction(predicted: Parts, corrected: Parts) -> tuple[Any, Sequence[Any]]:
    state = corrected.states[0] / predicted.states[0]
    return state, _plus_multiple(-state, (None, *predicted.values), corrected.values)


def _corrects(step: Step, parts: Sequence[Parts]) -> bool:
    """Whether the step predicts, evaluates N there, and corrects."""
    if [(row.evaluate, row.accept) for row in step.rows] != [(True, False), (False, True)]:
        return False
    if not all(own.states[0] for own in parts):
        return False
    predicted, corrected = parts
    ratio = corrected.states[0] / predicted.states[0]
    return all(
        abs((b or 0.0) - ratio * (a or 0.0)) <= 1e-14 * abs(b or 0.0) for a, b in zip(predicted.noise, corrected.noise)
    )


def _plus_multiple(factor: Any, slopes: Sequence[Any], others: Sequence[Any]) -> tuple[Any, ...]:
    """Return factor · slopes + others; None stands for zero."""
    if factor is None:
        return tuple(others)
    scaled = (None if w is None else factor * w for w in slopes)
    return tuple(b if a is None else a if b is None else a + b for a, b in zip_longest(scaled, others))
