"""The order of a sampler's runs: that of its method, or what its first and last steps leave of it."""

from __future__ import annotations

from typing import Any

from diffusion.samplers.ends import capped
from diffusion.samplers.presets import RiemannClock, TaperBelow
from diffusion.samplers.sampler import Sampler
from expint.derive import INDEX

__all__ = ["order_of_runs"]


def order_of_runs(sampler: Sampler) -> int:
    """Return the order in which the error of a long run on a smooth grid falls, the first state being exact.

    A single step of order k has an error of order k + 1, so that one first step of order 1 leaves order 2 of any
    multistep method; and so does one last step of order 1.
    """
    method = sampler.method
    order = 1 if issubclass(sampler.history, RiemannClock) else method.order  # a left sum over each step
    if getattr(method, "clock", None) is INDEX:
        order = min(order, 2)  # its weights are those of uniform steps in the clock of the gauge
    first = [_order_when(sampler, known) + 1 for known in range(1, method.history)]
    on_short_runs = isinstance(sampler.end, TaperBelow) and sampler.end.below is not None
    last = [] if on_short_runs else [k + 1 for k in sampler.end.orders]
    return min([order, *first, *last])


def _order_when(sampler: Sampler, known: int) -> int:
    """Return the order of a step with so few slopes that the method looks at more."""
    method: Any = sampler.method
    ramped = getattr(method, "ramp", not hasattr(method, "starter"))  # else a one-step method of its own starts it
    if sampler.start == "runge-kutta" or (sampler.start is None and not ramped):
        return int(method.order)
    return capped(method, known).order + (sampler.start == "corrected" and getattr(method, "mode", "") == "PE")
