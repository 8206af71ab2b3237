"""The two loops to a tolerance as they were before there was one: for as long as no policy changes on purpose."""

from collections.abc import Callable, Iterator
from typing import Any

from expint.run.loops import Accepted
from expint.run.steppers.adams import AdamsPairs
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.fixed_linear import FixedLinear
from expint.run.steppers.linearised import LinearisedSteps

from .adaptive import adaptive_states, doubled, embedded, linearised, linearised_doubled, one_step_doubled
from .variable_order import pair_states


def to_tolerance_as_before(
    stepper: Any,
    policy: Any,
    nonlinear: Callable[..., Any],
    y: Any,
    t: float,
    stops: list[float],
    control: Any,
) -> Iterator[Accepted]:
    """Run by the old loops what is handed to the new one."""
    if isinstance(stepper, AdamsPairs):
        return pair_states(stepper.pairs, nonlinear, y, t, stops, control)
    doubling = isinstance(stepper, Doubled)
    inner = stepper.inner if doubling else stepper
    if isinstance(inner, FixedLinear):
        steps, attempt = inner.steps, doubled if doubling else embedded
    elif isinstance(inner, LinearisedSteps):
        steps, attempt = inner, linearised_doubled if doubling else linearised
    else:
        steps, attempt = inner, one_step_doubled
    return adaptive_states(steps, nonlinear, y, t, stops, control, attempt, doubling)
