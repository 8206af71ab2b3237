"""Runs of a sampler whose gradient is computed by the discrete adjoint of its plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import expint
from expint.arguments import choice, seen
from expint.backend import Array, array_namespace, is_jax, is_torch
from expint.run import run_states
from expint.run.compiled import Tape, marked_states

__all__ = ["WAYS", "check_gradient", "run_by_adjoint"]

WAYS = ("through", "adjoint")


def check_gradient(gradient: Any, state: Array) -> bool:
    """Return whether the gradient of a run is computed by its adjoint.

    Raises
    ------
    TypeError, ValueError
        If ``gradient`` is no way to compute one, the state no tensor.
    """
    if gradient is None:
        return False
    adjoint, xp = choice("gradient", gradient, WAYS) == "adjoint", array_namespace(state)
    if not is_torch(xp):
        remedy = "jax.grad differentiates samples as they are" if is_jax(xp) else "torch.tensor(noise) is one"
        raise TypeError(f"expected the noise as a tensor of torch beside gradient=, received {seen(state)}; {remedy}")
    return adjoint


def run_by_adjoint(
    plan: expint.Plan,
    evaluate: Callable[[float, Array], Array],
    noted: Callable[[float, Array], Array],
    x: Array,
    denoiser: Any,
    *,
    keep: list[int] | None,
    earlier: Sequence[Array],
    noise: Callable[[int], Sequence[Array | None]] | None,
    **options: Any,
) -> expint.Solution:
    """Run ``plan`` without recording; the states kept carry the gradient of the run, which is made again for it.

    Parameters
    ----------
    plan, evaluate, x, earlier
        The plan, what its rows evaluate, the first state and those before it.
    noted
        What is evaluated in the run itself, where somebody looks on.
    denoiser
        What holds parameters.
    keep, options
        As in ``expint.run.run_states``.
    noise
        The random columns of a step by its number.
    """
    from expint.run.compiled import differentiable, held, unrecorded  # with torch

    tape, last = Tape(plan, lambda _: evaluate, noise=noise), len(plan.steps) - 1
    with unrecorded():
        before = [state.detach() for state in earlier]
        states = marked_states(plan, noted, x.detach(), tape.marks, earlier=before, noise=noise)
        run = run_states(states, x.detach(), last, keep=keep, look_every=None, **options)
    if not run.success:
        return run
    tape.held = held(tape, (denoiser,), plan.steps[0].rows[0].told(plan.steps[0].times[0]), x)
    return replace(run, y=differentiable(tape, x, run.y, range(last + 1) if keep is None else sorted(keep), earlier))
