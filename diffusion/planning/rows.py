"""From rows as arrays of weights to a plan: which columns they need, and which points are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

import expint
from expint.lower import Layout, Row, Step

__all__ = ["Rows", "plan_rows", "used"]


class Rows(NamedTuple):
    """The points x_{i+1} = c_i x_0 + Σ_{j≤i} A_ij x_j + Σ_{j≤i} D_ij f(x_j, τ_j), i = 0 … n − 1.

    Attributes
    ----------
    nodes
        Where the points x_0 … x_n lie, (n + 1,).
    times
        The times τ_0 … τ_{n−1}, (n,).
    accepted
        Which of x_1 … x_n are states, (n,); A has no weights of others.
    c, A, D
        The weights, (n,) and (n, n), with a last axis of length K for weights per band.
    """

    nodes: np.ndarray
    times: np.ndarray
    accepted: np.ndarray
    c: np.ndarray
    A: np.ndarray
    D: np.ndarray


def used(weights: np.ndarray) -> np.ndarray:
    """Return where weights (n, n), or (n, n, K), are not zero, in any band."""
    return np.asarray(np.any(weights != 0.0, axis=-1) if weights.ndim == 3 else weights != 0.0)


def plan_rows(rows: Rows, operator: Any, outputs: Any) -> expint.Plan:
    """Return the plan of the ``rows``. Points whose f no row uses are not evaluated.

    Parameters
    ----------
    rows
        The rows.
    operator, outputs
        As of the plan.
    """
    n, called = len(rows.c), np.asarray(used(rows.D).any(axis=0))
    states = [0, *(1 + np.flatnonzero(rows.accepted)).tolist()]  # the points that are states, in order
    if not np.any(rows.c[1:]):  # then only the first row looks at x_0, which is its newest state
        of_start, c = rows.A.copy(), np.zeros_like(rows.c)
        of_start[0, 0] = of_start[0, 0] + rows.c[0]
        rows = rows._replace(c=c, A=of_start)
    first = bool(np.any(rows.c))
    layout = Layout(states=_oldest(states, used(rows.A)), first=first)
    whole = layout.arrange((1.0, *(None,) * (layout.states - 1)), (), (), (None,) * first)
    steps = [Step((float(rows.nodes[0]),), (Row(whole, bool(called[0]), True, _told(rows, 0)),))]
    at: list[float] = []
    made: list[Row] = []
    for i in range(n):
        evaluate = i + 1 < n and bool(called[i + 1])
        row = Row(_weights(rows, i, states, called, layout), evaluate, bool(rows.accepted[i]))
        made.append(row._replace(time=_told(rows, i + 1)) if evaluate else row)
        at.append(float(rows.nodes[i + 1]))
        if rows.accepted[i]:
            steps.append(Step(tuple(at), tuple(made)))
            at, made = [], []
    depth = max(1, *(len(row.weights) - layout.fixed for step in steps for row in step.rows))
    return expint.Plan(operator, tuple(steps), depth, layout, outputs)


def _weights(rows: Rows, i: int, states: Sequence[int], called: np.ndarray, layout: Layout) -> tuple[Any, ...]:
    """Return the weights of row i in the order of the columns."""
    newest = [j for j in states if j <= i][::-1][: layout.states]
    of_states = [_weight(rows.A[i, j]) for j in newest] + [None] * (layout.states - len(newest))
    values = [_weight(rows.D[i, j]) for j in range(i, -1, -1) if called[j]]
    while values and values[-1] is None:
        values.pop()
    weights = layout.arrange(of_states, values, (), [_weight(rows.c[i])] * layout.first)
    return weights if any(weight is not None for weight in weights) else (0.0, *weights[1:])


def _oldest(states: Sequence[int], looks: np.ndarray) -> int:
    """Return how many states have to be kept for all rows."""
    place = {point: n for n, point in enumerate(states)}
    ages = [sum(state <= i for state in states) - place[j] for i, j in np.argwhere(looks).tolist()]
    return max(1, *ages) if ages else 1


def _weight(value: Any) -> Any:
    """Return a weight as rows have it: None for zero, a number, or an array of one for each band."""
    if not np.any(value):
        return None
    if not np.ndim(value):
        return float(value)
    return float(value[0]) if np.all(value == value[0]) else np.array(value)


def _told(rows: Rows, point: int) -> float | None:
    told, node = float(rows.times[point]), float(rows.nodes[point])
    return None if told == node or not isfinite(node) else told
