"""The policy that chooses steps for many trajectories at once: that of ``StepPolicy``, in arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from expint.run.control.controller import AHEAD, EARLIER, NEWEST, PIECES, SAME, Controller
from expint.run.control.steps import HOLD

__all__ = ["EachPolicy", "EachSteps", "on_ladders"]


class EachSteps(NamedTuple):
    """What is remembered of each trajectory from step to step, in arrays of shape (b,); see ``Steps``.

    Attributes
    ----------
    h, previous
        The length of the next step, and that of the last accepted one, 0 before the first.
    newest, earlier, earliest
        The errors of the last three accepted steps.
    """

    h: np.ndarray
    previous: np.ndarray
    newest: np.ndarray
    earlier: np.ndarray
    earliest: np.ndarray


@dataclass(frozen=True)
class EachPolicy:
    """Chooses the steps of each trajectory; see ``StepPolicy``, of which this is the vectorised form.

    A test holds the two equal, trajectory by trajectory.

    Attributes
    ----------
    controller, order, rungs, largest
        As in ``StepPolicy``.
    span, at_rest
        As there, for each trajectory.
    """

    controller: Controller
    order: int
    span: np.ndarray
    rungs: int
    largest: float
    at_rest: np.ndarray

    def begin(self, which: np.ndarray, first: np.ndarray | None, choose: Callable[[float], np.ndarray]) -> EachSteps:
        """Return the state of the trajectories ``which`` before their first steps."""
        h = np.minimum(choose(self.order + 1.0), self.at_rest[which]) if first is None else first
        one = np.ones(len(h))
        return EachSteps(h, 0.0 * one, one, one, one)

    def prepare(self, which: np.ndarray, state: EachSteps) -> EachSteps:
        """Return the state with steps on the ladder, at most the largest."""
        return state._replace(h=np.minimum(on_ladders(state.h, self.span[which], self.rungs), self.largest))

    def approach(self, state: EachSteps, t: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the length of the next step of each on the way to ``stop``, and whether it ends there."""
        h, reach = state.h, np.abs(stop - t)
        pieces = np.maximum(1.0, np.ceil(reach / h * (1 - 1e-10)))
        trial = reach / pieces
        rounding = SAME * np.spacing(np.maximum(np.abs(t), np.abs(stop)))
        trial = np.where(np.abs(trial - state.previous) <= np.minimum(rounding, 1e-9 * trial), state.previous, trial)
        far = h * PIECES < reach
        return np.where(far, h, trial), ~far & (pieces == 1)

    def rejected(self, state: EachSteps, h: np.ndarray, error: np.ndarray) -> EachSteps:
        """Return the state with shorter steps."""
        control = self.controller
        with np.errstate(all="ignore"):
            factor = control.safety * np.maximum(error, 1.0) ** (-1 / (self.order + 1))
        factor = np.where(np.isfinite(error), np.minimum(0.9, np.maximum(control.smallest, factor)), control.smallest)
        return state._replace(h=h * factor)

    def accepted(self, state: EachSteps, h: np.ndarray, error: np.ndarray) -> EachSteps:
        """Return the state with the steps that the controller advises, or the same steps."""
        errors, wanted = (error, state.newest, state.earlier), state.h
        factor = self._factor(errors)
        if 2.0 ** (1 / self.rungs) > HOLD[1]:  # small factors are lost between the rungs
            factor = np.where(h == state.previous, np.maximum(factor, self._settled(np.maximum(*errors[:2]))), factor)
        grown = h * factor
        held = np.where((factor >= HOLD[0]) & (factor <= HOLD[1]), wanted, grown)
        wanted = np.where(h < wanted, np.maximum(grown, wanted), held)
        return EachSteps(wanted, h, *errors)

    def watchful(self, which: np.ndarray, state: EachSteps) -> EachSteps:
        """Return the state with steps no longer than is good while N rests."""
        return state._replace(h=np.minimum(state.h, self.at_rest[which]))

    def _factor(self, errors: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return ``Controller.factor`` of each."""
        control, product = self.controller, np.ones(len(errors[0]))
        for beta, error, least in zip(control.beta, errors, (NEWEST, EARLIER, EARLIER)):
            if beta:
                product = product * np.maximum(error, least) ** -beta
        factor = control.safety * product ** (1 / (self.order + 1))
        return np.minimum(np.maximum(factor, control.smallest), control.largest)

    def _settled(self, error: np.ndarray) -> np.ndarray:
        """Return ``Controller.settled`` of each."""
        control = self.controller
        factor = control.safety ** (1 / math.fsum(control.beta)) * np.maximum(AHEAD * error, NEWEST) ** (
            -1 / (self.order + 1)
        )
        return np.minimum(np.maximum(factor, control.smallest), control.largest)


def on_ladders(h: np.ndarray, unit: np.ndarray, rungs: int) -> np.ndarray:
    """Return for each the largest step unit · 2^{j/rungs}, j an integer, that is not larger than ``h``."""
    return unit * 2.0 ** (np.floor(rungs * np.log2(h / unit) + 1e-9) / rungs)
