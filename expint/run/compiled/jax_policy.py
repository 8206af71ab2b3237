"""The policy of one-step methods in arrays of JAX, which cannot be asked whether they are small."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from expint.backend import Array
from expint.run.control.steps import StepPolicy

__all__ = ["TracedPolicy", "TracedSteps", "approach_traced", "largest_rung"]

_NEWEST, _EARLIER, _AHEAD = 1e-10, 1e-6, 10.0
_HOLD = (0.9, 1.2)
_PIECES, _SAME = 8, 4


class TracedSteps(NamedTuple):
    """What is remembered from step to step, as ``Steps``."""

    h: Array
    previous: Array
    errors: tuple[Array, Array, Array]


@dataclass(frozen=True)
class TracedPolicy:
    """The decisions of a ``StepPolicy`` in arrays; a test holds them equal, decision by decision.

    Parameters
    ----------
    plain
        The policy.
    """

    plain: StepPolicy

    def begin(self, h: Array) -> TracedSteps:
        """Return the state before the first step, of length ``h`` at most."""
        one = jnp.ones_like(h)
        return TracedSteps(jnp.minimum(h, self.plain.at_rest), 0 * one, (one, one, one))

    def prepare(self, state: TracedSteps) -> TracedSteps:
        """Return the state with a step on the ladder, at most the largest."""
        h = largest_rung(state.h, self.plain.span, self.plain.rungs)
        return state._replace(h=jnp.minimum(h, self.plain.largest))

    def rejected(self, state: TracedSteps, h: Array, error: Array) -> TracedSteps:
        """Return the state with a shorter step."""
        own = self.plain.controller
        factor = own.safety * jnp.maximum(error, 1.0) ** (-1 / (self.plain.order + 1))
        factor = jnp.minimum(0.9, jnp.maximum(own.smallest, factor))
        return state._replace(h=h * jnp.where(jnp.isfinite(error), factor, own.smallest))

    def accepted(self, state: TracedSteps, h: Array, error: Array) -> TracedSteps:
        """Return the state with the step that the controller advises, or the same step."""
        errors, factor = (error, *state.errors[:2]), self._factor((error, *state.errors[:2]))
        if 2.0 ** (1 / self.plain.rungs) > _HOLD[1]:  # small factors are lost between the rungs
            settled = jnp.maximum(factor, self._settled(jnp.maximum(errors[0], errors[1])))
            factor = jnp.where(h == state.previous, settled, factor)
        factor = jnp.minimum(factor, self.plain.growth)
        holds = (factor >= _HOLD[0]) & (factor <= _HOLD[1])
        wanted = jnp.where(holds, state.h, h * factor)
        shortened = jnp.maximum(h * factor, state.h)  # a step shortened to land says little about h
        return TracedSteps(jnp.where(h < state.h, shortened, wanted), h, errors)

    def watchful(self, state: TracedSteps) -> TracedSteps:
        """Return the state with a step no longer than is good while N rests."""
        return state._replace(h=jnp.minimum(state.h, self.plain.at_rest))

    def _factor(self, errors: tuple[Array, ...]) -> Array:
        """Return the factor for the next step after an accepted one; see ``Controller.factor``."""
        own, product = self.plain.controller, jnp.ones(())
        for beta, error, least in zip(own.beta, errors, (_NEWEST, _EARLIER, _EARLIER)):
            product = product * jnp.maximum(error, least) ** -beta if beta else product
        return jnp.clip(own.safety * product ** (1 / (self.plain.order + 1)), own.smallest, own.largest)

    def _settled(self, error: Array) -> Array:
        """Return the factor after steps of one length with one error; see ``Controller.settled``."""
        own = self.plain.controller
        shrunk = jnp.maximum(_AHEAD * error, _NEWEST) ** (-1 / (self.plain.order + 1))
        return jnp.clip(own.safety ** (1 / sum(own.beta)) * shrunk, own.smallest, own.largest)


def largest_rung(h: Array, unit: float, rungs: int) -> Array:
    """Return the largest step unit · 2^{j/rungs}, j an integer, that is not larger than ``h``."""
    return unit * 2.0 ** (jnp.floor(rungs * jnp.log2(h / unit) + 1e-9) / rungs)


def approach_traced(h: Array, t: Array, stop: float, previous: Array) -> tuple[Array, Array]:
    """Return the length of the next step on the way to ``stop``, and whether it ends there; see ``approach``."""
    reach = jnp.abs(stop - t)
    pieces = jnp.maximum(1.0, jnp.ceil(reach / h * (1 - 1e-10)))
    trial = reach / pieces
    rounding = _SAME * jnp.finfo(t.dtype).eps * jnp.maximum(jnp.abs(t), abs(stop))
    trial = jnp.where(jnp.abs(trial - previous) <= jnp.minimum(rounding, 1e-9 * trial), previous, trial)
    far = h * _PIECES < reach
    return jnp.where(far, h, trial), ~far & (pieces == 1)


def smallest_step(t: Any, span: float) -> Array:
    """Return the smallest step from ``t`` on; see ``check_step``."""
    return jnp.maximum(16 * jnp.finfo(jnp.result_type(t)).eps * jnp.abs(t), 1e-24 * span)


def rounding_of(start: float, end: float) -> float:
    """Return the shortest first step that is chosen; see ``first_step``."""
    return min(64 * math.ulp(max(abs(start), abs(end))), abs(end - start))
