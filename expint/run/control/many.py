"""The policy that chooses steps in arrays: for many trajectories at once, and for one that JAX traces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from expint.backend import Array, array_namespace
from expint.run.control.controller import AHEAD, EARLIER, NEWEST, PIECES, SAME, Controller
from expint.run.control.steps import HOLD
from expint.run.tolerance import ROUNDING, TINY

__all__ = ["EachPolicy", "EachSteps", "on_ladders", "too_short", "ulp"]


class EachSteps(NamedTuple):
    """What is remembered of each trajectory from step to step, in arrays of shape (b,), or () of one; see ``Steps``.

    Attributes
    ----------
    h, previous
        The length of the next step, and that of the last accepted one, 0 before the first.
    newest, earlier, earliest
        The errors of the last three accepted steps.
    """

    h: Array
    previous: Array
    newest: Array
    earlier: Array
    earliest: Array


@dataclass(frozen=True)
class EachPolicy:
    """Chooses the steps of each trajectory; see ``StepPolicy``, of which this is the form in arrays.

    Nothing here asks whether an array is small, so that JAX can trace it. Tests hold the two equal, trajectory by
    trajectory and decision by decision.

    Attributes
    ----------
    controller, order, rungs, largest, growth
        As in ``StepPolicy``.
    span, at_rest
        As there, for each trajectory.
    """

    controller: Controller
    order: int
    span: Array
    rungs: int
    largest: float
    at_rest: Array
    growth: float = math.inf

    def begin(self, which: np.ndarray, first: Array | None, choose: Callable[[float], Array]) -> EachSteps:
        """Return the state of the trajectories ``which`` before their first steps."""
        if first is None:
            chosen = choose(self.order + 1.0)
            first = array_namespace(chosen).minimum(chosen, self.at_rest[which])
        one = array_namespace(first).ones_like(first)
        return EachSteps(first, 0.0 * one, one, one, one)

    def prepare(self, which: np.ndarray, state: EachSteps) -> EachSteps:
        """Return the state with steps on the ladder, at most the largest."""
        h = on_ladders(state.h, self.span[which], self.rungs)
        return state._replace(h=array_namespace(h).minimum(h, self.largest))

    def approach(self, state: EachSteps, t: Array, stop: Array) -> tuple[Array, Array]:
        """Return the length of the next step of each on the way to ``stop``, and whether it ends there."""
        xp, h, reach = array_namespace(state.h), state.h, abs(stop - t)
        pieces = xp.maximum(1.0, xp.ceil(reach / h * (1 - 1e-10)))
        trial = reach / pieces
        rounding = SAME * ulp(xp.maximum(abs(t), abs(stop)))
        trial = xp.where(abs(trial - state.previous) <= xp.minimum(rounding, 1e-9 * trial), state.previous, trial)
        far = h * PIECES < reach
        return xp.where(far, h, trial), ~far & (pieces == 1)

    def rejected(self, state: EachSteps, h: Array, error: Array) -> EachSteps:
        """Return the state with shorter steps."""
        control, xp = self.controller, array_namespace(h)
        with np.errstate(all="ignore"):
            factor = control.safety * xp.maximum(error, 1.0) ** (-1 / (self.order + 1))
        factor = xp.where(xp.isfinite(error), xp.minimum(0.9, xp.maximum(control.smallest, factor)), control.smallest)
        return state._replace(h=h * factor)

    def accepted(self, state: EachSteps, h: Array, error: Array) -> EachSteps:
        """Return the state with the steps that the controller advises, or the same steps."""
        errors, wanted, xp = (error, state.newest, state.earlier), state.h, array_namespace(h)
        factor = self._factor(errors)
        if 2.0 ** (1 / self.rungs) > HOLD[1]:  # small factors are lost between the rungs
            factor = xp.where(h == state.previous, xp.maximum(factor, self._settled(xp.maximum(*errors[:2]))), factor)
        factor = xp.minimum(factor, self.growth)
        grown = h * factor
        held = xp.where((factor >= HOLD[0]) & (factor <= HOLD[1]), wanted, grown)
        wanted = xp.where(h < wanted, xp.maximum(grown, wanted), held)  # a step shortened to land says little about h
        return EachSteps(wanted, h, *errors)

    def watchful(self, which: np.ndarray, state: EachSteps) -> EachSteps:
        """Return the state with steps no longer than is good while N rests."""
        return state._replace(h=array_namespace(state.h).minimum(state.h, self.at_rest[which]))

    def _factor(self, errors: tuple[Array, ...]) -> Array:
        """Return ``Controller.factor`` of each."""
        control, xp, product = self.controller, array_namespace(errors[0]), 1.0
        for beta, error, least in zip(control.beta, errors, (NEWEST, EARLIER, EARLIER)):
            if beta:
                product = product * xp.maximum(error, least) ** -beta
        return self._bounded(control.safety * product ** (1 / (self.order + 1)))

    def _settled(self, error: Array) -> Array:
        """Return ``Controller.settled`` of each."""
        control, least = self.controller, array_namespace(error).maximum(AHEAD * error, NEWEST)
        return self._bounded(control.safety ** (1 / sum(control.beta)) * least ** (-1 / (self.order + 1)))

    def _bounded(self, factor: Array) -> Array:
        xp, control = array_namespace(factor), self.controller
        return xp.minimum(xp.maximum(factor, control.smallest), control.largest)


def on_ladders(h: Array, unit: Array | float, rungs: int) -> Array:
    """Return for each the largest step unit · 2^{j/rungs}, j an integer, that is not larger than ``h``."""
    xp = array_namespace(h)
    return unit * 2.0 ** (xp.floor(rungs * xp.log2(h / unit) + 1e-9) / rungs)


def too_short(h: Array, t: Array, span: Array | float) -> Array:
    """Return which steps are too short to go on; see ``check_step``."""
    return ~((h >= ROUNDING * ulp(abs(t))) & (h >= TINY * span))


def ulp(x: Array) -> Array:
    """Return the unit in the last place of each of some numbers ≥ 0."""
    return array_namespace(x).nextafter(x, math.inf) - x
