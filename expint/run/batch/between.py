"""States of many trajectories at times that are no steps: the rule of ``DenseOutput`` inside one step, in arrays."""

from __future__ import annotations

from math import factorial
from typing import NamedTuple

import numpy as np

from expint.backend import Array, array_namespace
from expint.derive.algebra.lagrange import lagrange_coefficients
from expint.run.batch.linear import EachLinear
from expint.run.batch.rows import Rows
from expint.run.batch.trees import beside, picked, put
from expint.run.dense.bootstrapped import lobatto, widest
from expint.run.steppers.batched import Batched

__all__ = ["Inside", "states_inside"]


class Inside(NamedTuple):
    """Steps that are looked into, one for each entry.

    Attributes
    ----------
    which
        The trajectories that made them.
    t, h
        Where they start, and their lengths, with sign.
    y, slope, y_end, slope_end
        The states at their ends, and N there.
    """

    which: np.ndarray
    t: np.ndarray
    h: np.ndarray
    y: Array
    slope: Array
    y_end: Array
    slope_end: Array


class _Known(NamedTuple):
    """What is interpolated in each step: values of N at nodes in units of the step, the same for all."""

    nodes: tuple[float, ...]
    values: tuple[Array, ...]


def states_inside(stepper: Batched, rows: Rows, steps: Inside, at: np.ndarray, theta: np.ndarray) -> Array:
    """Return the states at the parts ``theta`` of the steps ``at``, by number.

    N is evaluated inside each step as in ``DenseOutput``: once for all times that lie in it.
    """
    known = _refined_all(stepper, rows, steps)
    damped = stepper.linear.damps(steps.which, steps.h) & (stepper.method.order > 1)
    found = None
    for chosen in (damped, ~damped):
        own = np.flatnonzero(chosen)
        if not len(own):
            continue
        mine, nodes = picked(steps, own), _Known(known.nodes, picked(known.values, own))
        if damped[own[0]]:
            nodes = _refined(stepper.linear, rows, mine, nodes, (widest(nodes.nodes),), nodes)
        wanted = np.flatnonzero(chosen[at])
        place = np.searchsorted(own, at[wanted])
        states = _joined(stepper.linear, mine, nodes, place, theta[wanted])
        if found is None:
            found = array_namespace(states).zeros_like(picked(steps.y, at))
        found = put(found, wanted, states)
    return found


def _refined_all(stepper: Batched, rows: Rows, steps: Inside) -> _Known:
    """Return what is interpolated in all steps before it is known where L damps."""
    order = stepper.method.order
    known = before = _Known((0.0, 1.0)[:order], (steps.slope, steps.slope_end)[:order])
    for count in range(1, order - 1):
        known = _refined(stepper.linear, rows, steps, known, lobatto(count), before)
    return known


def _refined(
    linear: EachLinear, rows: Rows, steps: Inside, known: _Known, nodes: tuple[float, ...], before: _Known
) -> _Known:
    """Return ``before`` with values of N at further ``nodes``, where the flow through what is ``known`` leads."""
    one = np.ones(len(steps.h))
    left, values = steps.y_end - _along(linear, steps, known, one), []
    for node in nodes:
        y = _along(linear, steps, known, node * one) + node * left
        low, high = np.minimum(steps.t, steps.t + steps.h), np.maximum(steps.t, steps.t + steps.h)
        values.append(rows(steps.which, np.clip(steps.t + node * steps.h, low, high), y))
    return _Known((*before.nodes, *nodes), (*before.values, *values))


def _along(linear: EachLinear, steps: Inside, known: _Known, theta: np.ndarray) -> Array:
    """Return the exact flow of the interpolated problem over a part ``theta`` of each step; see ``DenseOutput``."""
    q, times, like = len(known.nodes), linear.times, steps.y
    phi = linear.phi(q, theta * steps.h, steps.which)
    total = times(linear.cast(phi[0], like), like)
    for numbers, value in zip(lagrange_coefficients(known.nodes), known.values):
        weight = np.zeros_like(phi[0])
        for m, number in enumerate(numbers):
            weight = weight + beside(float(number) * factorial(m) * theta ** (m + 1) * steps.h, weight) * phi[m + 1]
        total = total + times(linear.cast(weight, like), value)
    return total


def _joined(linear: EachLinear, steps: Inside, known: _Known, at: np.ndarray, theta: np.ndarray) -> Array:
    """Return the states inside, joined to those at the ends of the steps."""
    lacks = steps.y_end - _along(linear, steps, known, np.ones(len(steps.h)))
    mine = picked(steps, at)
    values = tuple(picked(own, at) for own in known.values)
    share = array_namespace(lacks).asarray(beside(theta, lacks), dtype=abs(lacks).dtype, device=lacks.device)
    return _along(linear, mine, _Known(known.nodes, values), theta) + share * picked(lacks, at)
