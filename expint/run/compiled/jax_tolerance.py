"""Runs to a tolerance that JAX compiles: ``to_tolerance`` as ``lax.while_loop``, its steps frozen for gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from expint.backend import Array
from expint.derive import Method
from expint.lower.memory import PLAIN
from expint.operators.base import Operator
from expint.run.batch.lengths import chosen, guessed
from expint.run.compiled.jax_cache import TracedCache
from expint.run.compiled.jax_runs import slope_of
from expint.run.compiled.jax_scan import time_dtype
from expint.run.compiled.jax_weights import Weigher
from expint.run.control.many import EachPolicy, EachSteps, too_short
from expint.run.control.rest import AWAKE, FAINT, QUIET
from expint.run.control.steps import StepPolicy
from expint.run.steppers.fixed_linear import FixedLinear
from expint.run.stepsize import FIRST
from expint.run.tolerance import StepControl, larger_of
from expint.solution import Status

__all__ = ["Reached", "RunsToTolerance", "traced"]

_ONE: Any = ...
"""The number of the only trajectory, which ``EachPolicy`` is asked for."""


class Reached(NamedTuple):
    """Where a run to a tolerance ended; arrays, so that JAX takes it for a structure of them.

    Attributes
    ----------
    y, t
        The last state and its time.
    status
        That of ``Status``, as an integer: 0 where t is the end of the run.
    steps, rejected, evaluations
        What it cost.
    """

    y: Array
    t: Array
    status: Array
    steps: Array
    rejected: Array
    evaluations: Array


class _Carry(NamedTuple):
    """What goes from step to step."""

    t: Array
    y: Array
    value: Array
    state: EachSteps
    rests: Array
    status: Array
    steps: Array
    rejected: Array
    held: tuple[Array, Any]
    kept: tuple[Array, Array, Array] | None


class RunsToTolerance:
    """The runs of one problem to one tolerance.

    Parameters
    ----------
    nonlinear
        N(t, y, *args).
    method, operator
        A one-step method with an error estimate, and an elementwise L.
    span
        (t_0, t_end).
    control
        Tolerances and bounds. An ``atol`` of None in its norm is rtol times the root mean square of y_0.
    forward
        Whether derivatives are taken forwards, through the loop itself; else backwards, by a rule of its own.
    """

    def __init__(
        self,
        nonlinear: Callable[..., Array],
        method: Method,
        operator: Operator,
        span: tuple[float, float],
        control: StepControl,
        forward: bool,
    ) -> None:
        self._nonlinear, self._span, self._control, self._forward = nonlinear, span, control, forward
        self._cache = TracedCache(method, operator)
        self._stepper = FixedLinear(self._cache)  # type: ignore[arg-type]  # what a step asks of it is there
        plain: StepPolicy = self._stepper.policy(control, span[1] - span[0])
        self._policy, self._order = traced(plain), plain.order
        self._linear = operator.values  # type: ignore[attr-defined]  # elementwise
        self._euler = Weigher([({(0, 1): 1}, {(1, 1): 1})], PLAIN.fixed)
        self.run = jax.jit(self._run)

    def _run(self, y: Array, args: Any, rtol: Any, atol: Any) -> Reached:
        kind = time_dtype(y.dtype)
        start = jnp.asarray(self._span[0], kind)
        atol = rtol * _root_mean_square(y) if atol is None else jnp.asarray(atol)
        least = float(jnp.finfo(y.dtype).smallest_normal)
        tolerance = jax.lax.stop_gradient((jnp.asarray(rtol), jnp.maximum(atol, least)))
        slope, held = jax.closure_convert(lambda t, y, args: slope_of(self._nonlinear, args, y)(t, y), start, y, args)
        if self._forward:
            return self._reached(self._loop(slope, y, (args, held), tolerance, None))
        return _by_rule(partial(self._forwards, slope), partial(self._backwards, slope), y, (args, held), tolerance)

    def _forwards(self, slope: Any, y: Array, given: Any, tolerance: Any, keep: bool) -> tuple[Reached, Any]:
        """Return where the run ends, and its steps if they are to be kept."""
        kept = None
        if keep:
            times = jnp.zeros(self._control.most, time_dtype(y.dtype))
            kept = (times, times, jnp.zeros((self._control.most, *y.shape), y.dtype))
        carry = self._loop(slope, y, given, tolerance, kept)
        return self._reached(carry), (carry.steps, carry.kept)

    def _backwards(self, slope: Any, given: Any, kept: Any, adjoint: Array) -> tuple[Array, Any]:
        """Return the adjoints of the first state and of what N holds: each step transposed, its length a constant."""
        steps, (times, lengths, states) = kept

        def step(y: Array, given: Any, t: Array, h: Array) -> Array:
            weights = self._cache.weights(h, self._linear, y.dtype)
            return self._attempt(slope, given, weights, t, t + h, h, y, slope(t, y, given[0], *given[1])).y

        leaves, tree = jax.tree_util.tree_flatten(given)
        places = [place for place, leaf in enumerate(leaves) if _differentiable(leaf)]

        def with_leaves(own: list[Array]) -> Any:
            every = list(leaves)
            for place, leaf in zip(places, own):
                every[place] = leaf
            return jax.tree_util.tree_unflatten(tree, every)

        def back(carry: Any) -> Any:
            n, adjoint, found = carry
            t, h, y = times[n], lengths[n], states[n]
            _, transposed = jax.vjp(lambda y, own: step(y, with_leaves(own), t, h), y, [leaves[k] for k in places])
            adjoint, more = transposed(adjoint)
            return n - 1, adjoint, [own + new for own, new in zip(found, more)]

        nothing = [jnp.zeros_like(leaves[place]) for place in places]
        _, adjoint, found = jax.lax.while_loop(lambda carry: carry[0] >= 0, back, (steps - 1, adjoint, nothing))
        known = dict(zip(places, found))
        every = [known[place] if place in known else _no_adjoint(leaf) for place, leaf in enumerate(leaves)]
        return adjoint, jax.tree_util.tree_unflatten(tree, every)

    def _attempt(
        self, slope: Any, given: Any, weights: Any, t: Array, end: Array, h: Array, y: Array, value: Array
    ) -> Any:
        """Return a step of the stepper itself, with weights that are traced."""
        args, held = given
        self._cache.give(weights)
        memory = self._stepper.start(0.0, y, value)
        return self._stepper.attempt(memory, lambda t, y: slope(t, y, args, *held), t, end, h, self._order)

    def _loop(self, slope: Any, y: Array, given: Any, tolerance: Any, kept: Any) -> _Carry:
        start, last = self._span
        kind = time_dtype(y.dtype)
        t = jnp.asarray(start, kind)
        value = slope(t, y, given[0], *given[1])
        state = self._policy.begin(_ONE, None, partial(self._first, slope, given, t, y, value, tolerance))
        nothing = jnp.asarray(0, jnp.int32)
        status = jnp.where(jnp.all(jnp.isfinite(value)), 0, int(Status.NON_FINITE)).astype(jnp.int32)
        h = jnp.zeros((), kind)
        shapes = jax.eval_shape(lambda h: self._cache.weights(h, self._linear, y.dtype), h)
        held = (h, jax.tree_util.tree_map(lambda own: jnp.zeros(own.shape, own.dtype), shapes))  # of no step
        rests = jnp.asarray(False)
        begun = _Carry(t, y, value, state, rests, status, nothing, nothing, held, kept)
        turn = partial(self._turn, slope, given, tolerance)
        return jax.lax.while_loop(lambda carry: (carry.t != last) & (carry.status == 0), turn, begun)

    def _turn(self, slope: Any, given: Any, tolerance: Any, carry: _Carry) -> _Carry:
        """Return what goes to the next step: an attempt, and what the policy makes of it; see ``to_tolerance``."""
        t, y, value, state, rests = carry[:5]
        last, direction = self._span[1], math.copysign(1.0, self._span[1] - self._span[0])
        state = self._policy.prepare(_ONE, state)
        h, lands = self._policy.approach(state, t, last)
        end, signed = jnp.where(lands, last, t + direction * h).astype(t.dtype), direction * h
        held = jax.lax.cond(
            signed == carry.held[0],
            lambda: carry.held,
            lambda: (signed, self._cache.weights(signed, self._linear, y.dtype)),
        )
        made = self._attempt(slope, given, held[1], t, end, signed, y, value)
        found = made.finish()
        error, change = jax.lax.stop_gradient(self._judged(made, found, y, tolerance, rests))
        good = error <= 1.0
        after = made.commit(found)[0]
        state = _either(good, self._policy.accepted(state, h, error), self._policy.rejected(state, h, error))
        calm = jnp.where(good, change <= QUIET, rests)
        state = _either(good & calm, self._policy.watchful(_ONE, state), state)
        tried = carry.steps + carry.rejected + 1
        small = ~lands & too_short(h, t, abs(self._span[1] - self._span[0]))
        unfinished = (tried >= self._control.most) & ~(good & (end == last))
        status = jnp.where(unfinished, int(Status.TOO_MANY_STEPS), 0)
        status = jnp.where(small, int(Status.STEP_TOO_SMALL), status).astype(jnp.int32)
        good = good & ~small
        kept = carry.kept
        if kept is not None:
            at, put = carry.steps, (t, signed, y)
            kept = tuple(own.at[at].set(jnp.where(good, new, own[at])) for own, new in zip(kept, put))
        y, value = _either(good, (made.y, after.slopes[0]), (y, value))
        counts = (carry.steps + good, carry.rejected + ~good)
        return _Carry(jnp.where(good, end, t), y, value, state, calm, status, *counts, held, kept)

    def _judged(self, made: Any, found: Array | None, y: Array, tolerance: Any, rests: Array) -> tuple[Array, Array]:
        """Return the error in units of what is allowed, and how much N changes; see ``_Judge``."""
        larger = larger_of(jnp, self._control.error.forgets)(_scale(y, tolerance), _scale(made.y, tolerance))
        error = self._size(made.error(self._order), larger)
        ahead = made.commit(found)[0].slopes[0]
        error = jnp.where(jnp.all(jnp.isfinite(ahead)), error, jnp.inf)
        sizes = [self._size(own, larger) for own in made.changes(found)] if self._control.looks else []
        change = jnp.max(jnp.stack(sizes)) if sizes else jnp.asarray(jnp.inf, error.dtype)
        looks = error <= jnp.where(rests, 1.0, FAINT)
        change = jnp.where(looks, change, jnp.inf)
        woken = looks & rests & (change > AWAKE)
        return jnp.where(woken, change / AWAKE, error), change

    def _size(self, error: Array, scale: Array) -> Array:
        """Return the norm of an error in units of the tolerance; inf where it is not finite."""
        norm = self._control.error.norm
        size = _norm(error, scale) if norm is None else norm(jnp.abs(error / scale))
        return jnp.where(jnp.isfinite(size), size, jnp.inf)

    def _first(self, slope: Any, given: Any, t: Array, y: Array, value: Array, tolerance: Any, power: float) -> Array:
        """Return the first step, of length |h|, a constant of gradients; see ``first_step``."""
        (start, end), control = self._span, self._control
        if control.first is not None:
            return jnp.asarray(min(control.first, abs(end - start)), t.dtype)
        span, most, direction = abs(end - start), control.largest, math.copysign(1.0, end - start)
        scale, least = _scale(y, tolerance), min(FIRST * math.ulp(max(abs(start), abs(end))), span)
        size, rate = self._size(y, scale), self._size(value, scale)
        guess = guessed(size, rate, span, most, least)
        (weights,) = self._euler(direction * guess, self._linear, y.dtype)
        there = self._cache.operator.combiner()(weights, PLAIN.arrange((y,), (value,)))
        ahead = slope((t + direction * guess).astype(t.dtype), there, given[0], *given[1])
        change = self._size(ahead - value, scale) / guess
        return jax.lax.stop_gradient(chosen(guess, rate, change, span, most, least, power)).astype(t.dtype)

    def _reached(self, carry: _Carry) -> Reached:
        attempts = carry.steps + carry.rejected
        evaluations = 1 + (self._control.first is None) + attempts * self._cache.evaluations
        return Reached(carry.y, carry.t, carry.status, carry.steps, carry.rejected, evaluations)


def _by_rule(forwards: Any, backwards: Any, y: Array, given: Any, tolerance: Any) -> Reached:
    """Return where a run ends, with the rule by which JAX differentiates it backwards."""

    @jax.custom_vjp
    def solved(y: Array, given: Any, tolerance: Any) -> Reached:
        return forwards(y, given, tolerance, False)[0]

    def begin(y: Array, given: Any, tolerance: Any) -> Any:
        reached, kept = forwards(y, given, tolerance, True)
        return reached, (given, tolerance, kept)

    def back(known: Any, adjoint: Any) -> Any:
        given, tolerance, kept = known
        return (*backwards(given, kept, adjoint.y), jax.tree_util.tree_map(jnp.zeros_like, tolerance))

    solved.defvjp(begin, back)
    return solved(y, given, tolerance)


def traced(plain: StepPolicy) -> EachPolicy:
    """Return the decisions of a policy in arrays of JAX, which cannot be asked whether they are small."""
    span, at_rest = jnp.asarray(plain.span), jnp.asarray(plain.at_rest)
    return EachPolicy(plain.controller, plain.order, span, plain.rungs, plain.largest, at_rest, plain.growth)


def _differentiable(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def _no_adjoint(leaf: Any) -> Any:
    """Return the adjoint of an integer: none."""
    return np.zeros(jnp.shape(leaf), jax.dtypes.float0)


def _either(good: Array, first: Any, second: Any) -> Any:
    return jax.tree_util.tree_map(lambda own, other: jnp.where(good, own, other), first, second)


def _root_mean_square(y: Array) -> Array:
    return jnp.sqrt(jnp.mean(jnp.abs(y) ** 2))


def _scale(y: Array, tolerance: tuple[Array, Array]) -> Array:
    """Return the tolerance of each component; see ``ErrorNorm.scale``."""
    rtol, atol = tolerance
    return jnp.abs(y) * rtol + atol


def _norm(error: Array, scale: Array) -> Array:
    """Return the norm that ``ErrorNorm`` takes by default; in units of the largest no square overflows."""
    size, unit = jnp.abs(error), jnp.max(scale)
    whole = jnp.sum((size / unit) ** 2) / jnp.sum((scale / unit) ** 2)
    return jnp.sqrt(jnp.maximum(jnp.mean((size / scale) ** 2), whole))
