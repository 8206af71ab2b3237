r"""The canonical form of a plan: every point as a combination of the first state and of what was evaluated before.

.. math:: x_i = c_i \, x_0 + \sum_{j<i} D_{ij} f_j, \qquad f_j = f(x_j, τ_j)

for the points i at which the plan evaluates, and for the last one, which it returns. Two plans are the same map,
whatever they evaluate, if and only if c, D and τ agree: methods, gauges and histories drop out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from expint.lower.memory import Layout

__all__ = ["Canonical", "canonical", "same_map"]

_ROUNDING = 1000 * float(np.finfo(float).eps)
"""Coefficients are the same if they differ by less, in units of the sizes of the products that they are sums of: some
hundred operations, and quadratures good to a few roundings."""


class Canonical(NamedTuple):
    """The canonical form of a plan with n evaluations.

    Attributes
    ----------
    c
        Of shape (n + 1,): the coefficients of the first state in the points, the last of them the result.
    D
        Of shape (n + 1, n): those of f_0, …, f_{n-1}; zero from the diagonal on.
    times
        Of shape (n,): the times τ_j that the function is told.
    sizes
        Of shape (n + 1, n + 1): the sums of the sizes of all products that c and D are sums of, the scale of their
        rounding.

    Notes
    -----
    Where weights are given for K bands of coordinates, c, D and sizes have a last axis of length K.
    """

    c: np.ndarray
    D: np.ndarray
    times: np.ndarray
    sizes: np.ndarray

    @property
    def influence(self) -> np.ndarray:
        """Of shape (n,) or (n, K): how much of an error of f_j arrives if no later value of f answers to it."""
        return np.abs(self.D[-1])


def canonical(
    rows: Sequence[tuple[float, Any]],
    layout: Layout,
    depth: int,
    outputs: Callable[[float], tuple[float, float]] | None = None,
) -> Canonical:
    """Return the canonical form of rows whose weights are numbers: they are run on unit vectors.

    Parameters
    ----------
    rows, layout, depth
        Those of a plan, each row with its time.
    outputs
        By the time of an evaluation (p, q): what is evaluated there is p x + q f. None: f itself.

    Raises
    ------
    ValueError
        If rows look at states before the first one.
    """
    times = [row.told(t) for t, row in rows if row.evaluate]
    rows = [(t, row._replace(weights=[_spread(w) for w in row.weights])) for t, row in rows]
    given = [(0.0, 1.0) if outputs is None else outputs(t) for t in times]
    points = _points(rows, layout, depth, given)
    sizes = _points(
        [(t, row._replace(weights=[None if w is None else abs(w) for w in row.weights])) for t, row in rows],
        layout,
        depth,
        [(abs(p), abs(q)) for p, q in given],
    )
    return Canonical(points[:, 0], points[:, 1:], np.array(times), sizes)


def _points(
    rows: Sequence[tuple[float, Any]], layout: Layout, depth: int, outputs: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Return the points over the basis x_0, f_0, f_1 and so on."""
    unit = np.eye(1 + len(outputs))
    memory, (accept, evaluate) = layout.start(unit[0]), layout.moves(depth)
    found: list[np.ndarray] = []
    point = unit[0]
    for _, row in rows:
        point = _combined(row.weights, memory)
        if row.accept:
            memory = accept(memory, point)
        if row.evaluate:
            of_point, of_output = outputs[len(found)]
            memory = evaluate(memory, of_point * point + of_output * unit[1 + len(found)])
            found.append(point)
    points = np.array(np.broadcast_arrays(*found, point))
    return points if points.ndim == 2 else points.transpose(0, 2, 1)  # bands last


def _spread(weight: Any) -> Any:
    """Return a weight ready to multiply points over the basis: None for zero, an axis for it beside the bands."""
    if weight is None or not np.any(weight):
        return None
    return np.asarray(weight)[..., None] if np.ndim(weight) else weight


def _combined(weights: Sequence[Any], memory: Sequence[Any]) -> np.ndarray:
    used = [(weight, column) for weight, column in zip(weights, memory) if weight is not None]
    if any(column is None for _, column in used):
        raise ValueError(
            "expected a plan that starts from one state, received one whose rows look at a state before it; give it a "
            "first step that looks at one state alone"
        )
    if not used:
        return np.zeros_like(memory[0])
    total: np.ndarray = sum(weight * column for weight, column in used)
    return total


def same_map(one: Canonical, other: Canonical) -> bool:
    """Whether two canonical forms are the same up to rounding."""
    if one.D.shape[:2] != other.D.shape[:2]:
        return False
    if one.D.ndim != other.D.ndim:  # one of them has the same weights in all bands
        one, other = (form if form.D.ndim == 3 else _with_bands(form) for form in (one, other))
    if not np.allclose(one.times, other.times, rtol=1e-12, atol=1e-14 * float(np.ptp(one.times))):
        return False
    own, its = (np.concatenate([form.c[:, None], form.D], axis=1) for form in (one, other))
    return bool(np.all(np.abs(own - its) <= _ROUNDING * np.maximum(one.sizes, other.sizes)))


def _with_bands(form: Canonical) -> Canonical:
    return Canonical(form.c[..., None], form.D[..., None], form.times, form.sizes[..., None])
