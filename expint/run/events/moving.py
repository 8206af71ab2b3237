"""States at events, whose times move with what the run depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, is_torch
from expint.derive.algebra.lagrange import lagrange_coefficients

__all__ = ["state_at_event"]

_WINDOW = (0.0, 0.005, 0.01, 0.015, 0.02)
"""Where rates at an event are taken from, in units of the step: the error of the fourth power is below 1e-7."""


def state_at_event(
    event: Callable[[float, Array], Any], between: Callable[..., Array], t: float, step: tuple[float, float]
) -> Array:
    r"""Return the state at the zero ``t`` of an event, with the gradient of both the state and the time.

    Where the run depends on θ, the zero of g(t, y(t, θ)) moves, and with it the state there:

    .. math:: \frac{dy}{dθ} = ∂_θ y - \dot y \, \frac{∂_y g \, ∂_θ y + ∂_θ g}{\dot g}.

    Rates along the solution, ẏ and ġ, are constants of the gradient: it is right to first order, not differentiable
    further.

    Parameters
    ----------
    event
        g(t, y); see ``EventFinder``.
    between
        The continuous solution.
    t
        The zero.
    step
        The ends of the step in which it lies.

    Raises
    ------
    TypeError
        If the event depends on a state that requires a gradient, but its value does not.
    """
    y = between(t)
    xp = array_namespace(y)
    if not is_torch(xp) or not xp.is_grad_enabled():
        return y
    value = event(t, y)
    moves = bool(getattr(value, "requires_grad", False))
    if not moves and not y.requires_grad:
        return y
    times, weights = _rates(t, step)
    states = between(times).detach()
    if not moves:
        if len({_detached(event(t, states[j, ...])) for j in range(len(times))}) > 1:
            raise TypeError(
                "expected an event that carries the gradient of the state, received a value without one, so that the "
                "time of the event would seem not to move; compute it from y by operations of torch, without item() "
                "and float(), or solve under torch.no_grad()"
            )
        return y  # an event of the time alone
    values = [_detached(event(s, states[j, ...])) for j, s in enumerate(times)]
    moved = -(value - value.detach()) / float(np.dot(weights, values))
    rate = sum(weight * states[j, ...] for j, weight in enumerate(weights.tolist()))
    return y + rate * moved


def _detached(value: Any) -> float:
    return float(value.detach() if hasattr(value, "detach") else value)


def _rates(t: float, step: tuple[float, float]) -> tuple[list[float], np.ndarray]:
    """Return times around ``t`` inside the step, and the weights of the values there in the derivative at ``t``."""
    start, length = step[0], step[1] - step[0]
    first = min(max((t - start) / length - _WINDOW[-1] / 2, 0.0), 1.0 - _WINDOW[-1])
    at = [first + part for part in _WINDOW]
    times = [min(max(start + length * part, min(step)), max(step)) for part in at]
    nodes = np.array([(time - t) / length for time in times])
    polynomials = np.array(lagrange_coefficients(nodes.tolist()))
    return times, polynomials[:, 1] / length
