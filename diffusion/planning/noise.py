r"""Steps of the sampling SDE: those of a deterministic method, and noise whose covariance is exact.

In a gauge the SDE is dy = (L y + n f) ds + noise, with L and n of the strength of the step (``diffusion.process.sde``).
Any method for y′ = L y + n f makes its points; to each point at s_n + c h comes the noise that has gathered there,

.. math:: ξ(c) = \int_{s_n}^{s_n + c h} e^{L (s_n + c h - s)} g\, dW,

Gaussian, and of points c < d of one step :math:`ξ(d) = e^{L (d - c) h} ξ(c)` and something independent. So a step has
a column of noise for each different c, and the noise of several stages, or of a prediction and its correction, is one
path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import exp, isclose, sqrt
from typing import Any, Protocol

import numpy as np

import expint
from diffusion.samplers.ends import MethodsByStep
from expint.derive import Method, Stage, StepContext, Terms, WithoutEstimate
from expint.lower import Layout, Row, Step

__all__ = ["Equation", "lowered_with_noise", "with_columns"]


class Equation(Protocol):
    """dy = (L y + n f) ds + noise, with constants of a step's strength; see ``diffusion.process.sde.SDE``."""

    def constants(self, square: float, /) -> tuple[float, float]:
        """Return L and n for a strength of the given ``square`` τ²."""

    def variance(self, square: float, start: float, end: float, /) -> float:
        """Return the variance of the noise in y of a step between two values of the clock."""


@dataclass(frozen=True)
class InSDE(WithoutEstimate):
    """A ``method`` on a step of y′ = L y + n f, for the operator 1: φ_k(c h) becomes φ_k(c h L), and h becomes h n."""

    method: Any
    linear: float
    nonlinear: float

    @property
    def name(self) -> str:
        """The name of the method."""
        return str(self.method.name)

    @property
    def order(self) -> int:
        """The order of the method."""
        return int(self.method.order)

    @property
    def history(self) -> int:
        """How many remembered slopes a step looks at."""
        return int(self.method.history)

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of the method with L and n in their φ-sums."""
        return tuple(
            replace(
                stage,
                state=self._with(stage.state, 1.0),
                stages=tuple(self._with(terms, self.nonlinear) for terms in stage.stages),
                past=tuple(self._with(terms, self.nonlinear) for terms in stage.past),
            )
            for stage in self.method.recipe(step)
        )

    def _with(self, terms: Terms, factor: float) -> Terms:
        changed: dict[Any, Any] = {}
        for (k, c), r in terms.items():
            key = (k, float(c) * self.linear)
            changed[key] = changed.get(key, 0.0) + factor * float(r)
        return changed


def lowered_with_noise(
    equation: Equation, s: np.ndarray, methods: Sequence[Method], known: Sequence[int], squares: Sequence[float]
) -> expint.Plan:
    """Return the plan of an SDE in its gauge, for predictions f and standard normal columns of noise.

    Parameters
    ----------
    equation
        The SDE of the gauge.
    s
        The values of its clock between which the steps lie.
    methods, known
        The method of each step, and how many slopes it may look at.
    squares
        τ² of each step.

    Raises
    ------
    ValueError
        If a method evaluates outside its step, where no noise has gathered.
    """
    constants = [equation.constants(square) for square in squares]
    inside = tuple(InSDE(method, *own) for method, own in zip(methods, constants, strict=True))
    plan = expint.lower(MethodsByStep(tuple(s[:-1].tolist()), inside, tuple(known)), expint.operators.Scalar(1.0), s)
    gathered = [partial(_gathered, equation, square) for square in squares]
    return with_columns(plan, s, [method.name for method in methods], gathered)


def with_columns(
    plan: expint.Plan, s: np.ndarray, names: Sequence[str], gathered: Sequence[Callable[..., Sequence[tuple[Any, ...]]]]
) -> expint.Plan:
    """Return the ``plan`` with standard normal columns, whose weights at the places of a step are what has gathered.

    Parameters
    ----------
    plan
        Without noise.
    s
        The values of its clock between which the steps lie.
    names
        Of the method of each step.
    gathered
        For each step gathered(start, places): the weights of the noise at each place of it.

    Raises
    ------
    ValueError
        If a method evaluates outside its step, where no noise has gathered.
    """
    nodes = [_nodes(step, start, name) for step, start, name in zip(plan.steps[1:], s.tolist(), names)]
    layout = plan.layout._replace(noise=max(map(len, nodes)))
    first = plan.steps[0]._replace(rows=(_with_noise(plan.steps[0].rows[0], (), plan.layout, layout),))
    steps = [first]
    for step, places, start, weights in zip(plan.steps[1:], nodes, s.tolist()[:-1], gathered, strict=True):
        found = weights(start, places)
        rows = [
            _with_noise(row, found[_place(at, places)] if at != start else (), plan.layout, layout)
            for at, row in zip(step.times, step.rows)
        ]
        steps.append(Step(step.times, tuple(rows)))
    return replace(plan, steps=tuple(steps), layout=layout)


def _nodes(step: Step, start: float, name: str) -> list[float]:
    """Return the different places of the points of a step after its start, in order."""
    end = step.times[-1]
    places: list[float] = []
    for at in sorted(step.times, key=lambda at: abs(at - start)):
        if (at - start) * (end - start) < 0 or abs(at - start) > abs(end - start):
            raise ValueError(
                f"expected a method whose points lie in its step, for noise to gather there, received {name} "
                f"with one at {(at - start) / (end - start):.3g} of the step; take another method"
            )
        if at != start and not (places and isclose(at, places[-1], rel_tol=1e-14)):
            places.append(at)
    return places


def _place(at: float, places: Sequence[float]) -> int:
    return min(range(len(places)), key=lambda j: abs(places[j] - at))


def _gathered(equation: Equation, square: float, start: float, places: Sequence[float]) -> list[tuple[float, ...]]:
    """Return for each place the weights of the noise that has gathered there."""
    linear = equation.constants(square)[0]
    sizes = [sqrt(equation.variance(square, a, b)) for a, b in pairwise([start, *places])]
    return [
        tuple(size * exp(linear * (at - since)) for size, since in zip(sizes, places[: k + 1]))
        for k, at in enumerate(places)
    ]


def _with_noise(row: Row, weights: Sequence[Any], plain: Layout, layout: Layout) -> Row:
    """Return the row with ``weights`` of the first columns of noise."""
    states, _, constant, values = plain.parts(row.weights)
    noise = [*weights, *[None] * (layout.noise - len(weights))]
    return row._replace(weights=layout.arrange(states, values, noise, constant))
