"""A plan by ``jax.lax.scan``: one compiled loop, whatever the number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from expint.backend import Array, asarray_like
from expint.lower.memory import Memory
from expint.lower.plan import Plan
from expint.run.compiled.stacked import Numbers, Piece, Program, filled, stacked

__all__ = ["over_program", "program_of", "time_dtype"]

Combine = Callable[[Sequence[Any], Sequence[Array]], Array]

_FEW = 2
"""So few steps of one pattern are written out; more become a loop."""


def program_of(plan: Plan, like: Array) -> tuple[Program, Numbers]:
    """Return a plan as a program and its numbers, as arrays of JAX in the precision of ``like``.

    Numbers take the precision of the state, as they would where they meet it. A weight of zero, where steps that share
    a pattern differ, is the number 0.
    """

    def of(weight: Any) -> Any:
        return jax.tree_util.tree_map(lambda own: _array(own, like), 0.0 if weight is None else weight)

    program, numbers = stacked(plan, _stack, of)
    kind = time_dtype(like.dtype)
    return program, numbers._replace(times=tuple(jnp.asarray(own, kind) for own in numbers.times))


def _array(weight: Any, like: Array) -> Array:
    return weight if isinstance(weight, jax.Array) else asarray_like(np.asarray(weight), like)


def time_dtype(dtype: Any) -> Any:
    """Return the dtype of times beside states of a dtype: real, of its precision, single at least.

    So that an N that multiplies by t keeps the precision of the state, as it does where t is a Python number.
    """
    real = jnp.finfo(dtype).dtype
    return real if jnp.finfo(real).bits >= 32 else jnp.dtype(jnp.float32)


def _stack(weights: Sequence[Any]) -> Any:
    return jax.tree_util.tree_map(lambda *own: jnp.stack(jnp.broadcast_arrays(*own)), *weights)


def over_program(
    program: Program,
    combiner: Callable[[], Combine],
    nonlinear: Callable[[Array, Array], Array],
    y: Array,
    numbers: Numbers,
    *,
    earlier: Sequence[Array] = (),
    noise: Array | None = None,
    every: bool = False,
    checkpoint: bool = False,
) -> Array:
    """Run a program from ``y`` as `over_plan` does, and return its last state, or with ``every`` all of them stacked.

    Parameters
    ----------
    program, numbers
        A plan; see `stacked`.
    combiner
        Returns what combines columns, as that of the operator does.
    nonlinear
        N(t, y), with t an array of shape ().
    y, earlier
        As in `over_plan`.
    noise
        The random columns of all steps but the first, (steps, columns, *y.shape), for plans that have some.
    every
        Whether all accepted states are returned, along a new first axis.
    checkpoint
        Whether a gradient keeps the memory of about √n of n steps alone, and makes the others anew.
    """
    memory: Memory = program.layout.start(y, earlier)
    found: list[Any] = []
    done = 0
    noise = None if noise is None else jnp.concatenate([jnp.zeros_like(noise[:1]), noise])  # the first draws none
    for piece, weights, which, times in zip(program.pieces, *numbers):
        drawn = None if noise is None else noise[done : done + piece.count]
        step = _step(piece, program, weights, combiner(), nonlinear)
        memory = filled(memory, piece.live, lambda: jnp.zeros_like(y))
        if piece.count <= _FEW:
            states = []
            for k in range(piece.count):
                given = (times[k], None if which is None else which[k], None if drawn is None else drawn[k])
                memory, state = step(memory, given)
                states.append(state)
            found.append(jnp.stack(states) if every else None)
        else:
            body = _body(step, piece.live, every)
            memory, states = _loop(body, memory, (times, which, drawn), piece.count, checkpoint)
            found.append(states)
        done += piece.count
    return jnp.concatenate(found) if every else memory[0]


def _step(piece: Piece, program: Program, weights: Any, combine: Combine, nonlinear: Callable[..., Array]) -> Any:
    """Return (memory, (times, which, noise)) ↦ (memory after the step, the state accepted)."""
    layout = program.layout
    accept, evaluate = layout.moves(program.depth)

    def step(memory: Memory, given: Any) -> tuple[Memory, Array]:
        times, which, noise = given
        own = weights if which is None else jax.tree_util.tree_map(lambda table: table[which], weights)
        memory = memory if noise is None else layout.draw(memory, list(noise))
        state = None
        for k, (row, of_row) in enumerate(zip(piece.rows, own)):
            point = combine(of_row, memory)
            if row.accept:
                memory, state = accept(memory, point), point
            if row.evaluate:
                memory = evaluate(memory, nonlinear(times[k], point).astype(point.dtype))
        return memory, state

    return step


def _body(step: Any, live: Sequence[bool], every: bool) -> Any:
    """Return the step of a loop: what it hands on has one form, and the state is handed out if ``every`` is wanted."""

    def body(memory: Memory, given: Any) -> tuple[Memory, Array | None]:
        memory, state = step(memory, given)
        return filled(memory, live, lambda: jnp.zeros_like(state)), state if every else None

    return body


def _loop(body: Any, carry: Any, xs: Any, count: int, checkpoint: bool) -> tuple[Any, Any]:
    """Return what ``lax.scan`` does; with ``checkpoint`` in blocks of about √n steps, whose ends a gradient keeps."""
    length = isqrt(count)
    if not checkpoint or length < 2:
        return jax.lax.scan(body, carry, xs, length=count)
    whole = count - count % length
    blocks = jax.tree_util.tree_map(lambda x: x[:whole].reshape(whole // length, length, *x.shape[1:]), xs)
    block = jax.checkpoint(lambda carry, own: jax.lax.scan(body, carry, own, length=length))
    carry, found = jax.lax.scan(block, carry, blocks, length=whole // length)
    found = jax.tree_util.tree_map(lambda y: y.reshape(whole, *y.shape[2:]), found)
    if whole == count:
        return carry, found
    carry, last = jax.lax.scan(body, carry, jax.tree_util.tree_map(lambda x: x[whole:], xs), length=count - whole)
    return carry, jax.tree_util.tree_map(lambda *own: jnp.concatenate(own), found, last)
