"""The loop that chooses its own steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from expint.backend import Array, array_namespace
from expint.derive.adams import Adams
from expint.lower.cache import StepCache
from expint.phi.action import ActionFailure
from expint.run.control import Controller
from expint.run.fixed import Accepted
from expint.run.trial import Attempt, Steps, doubled, embedded, make_stages, trusted_order
from expint.solution import Status

__all__ = ["AdaptiveFailure", "ErrorNorm", "StepControl", "adaptive_states"]

_LADDER = 8
"""Step sizes are powers of 2^{1/8}, so that they repeat and their φ-functions can be reused."""

_HOLD = (0.9, 1.2)
"""Factors between these leave the step as it is: a new step size costs new φ-functions, and a multistep method its
history."""

_GROWTH = 2.0
"""The largest factor from one step of a multistep method to the next: beyond it the older slopes crowd together, seen
from the new step, and the error estimate, which leaves out the oldest of them, becomes blind."""

_ROUNDING = 16
"""The smallest step, in units in the last place of t."""

_TINY = 1e-24
"""The smallest step, in units of the span; it counts near t = 0, where the last place of t is no bound."""

_SAME = 4
"""Step sizes that differ by less, in units in the last place of t, are the same: times asked for carry rounding."""


@dataclass(frozen=True)
class ErrorNorm:
    r"""The error in units of the tolerance, ‖e_i / (atol + rtol max(|y_i|, |y_i'|))‖.

    Parameters
    ----------
    rtol, atol
        Relative and absolute tolerance; atol a number or an array that broadcasts to the state.
    norm
        The norm of the scaled vector, the root mean square by default. A state spread over processes needs only a norm
        that sums over all of them.
    """

    rtol: float
    atol: float | Array
    norm: Callable[[Array], float] | None = None

    def __call__(self, error: Array, before: Array, after: Array) -> float:
        """Return the norm of ``error`` for a step from ``before`` to ``after``; inf where it is not finite."""
        xp = array_namespace(error)
        scaled = xp.abs(error) / (self.atol + self.rtol * xp.maximum(xp.abs(before), xp.abs(after)))
        value = self.norm(scaled) if self.norm is not None else math.sqrt(float(xp.mean(scaled * scaled)))
        return value if math.isfinite(value) else math.inf


@dataclass(frozen=True)
class StepControl:
    """Everything that decides about step sizes.

    Attributes
    ----------
    error
        The error norm.
    controller
        The controller.
    first
        The first step, or None to choose it.
    largest
        The largest step.
    most
        The most steps, accepted and rejected together.
    doubling
        Whether errors are estimated by step doubling instead of by the method itself.
    """

    error: ErrorNorm
    controller: Controller = field(default_factory=Controller)
    first: float | None = None
    largest: float = math.inf
    most: int = 1_000_000
    doubling: bool = False


class AdaptiveFailure(Exception):
    """The run cannot go on: a status and a sentence."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


def adaptive_states(
    steps: Steps,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
    attempt: Attempt | None = None,
) -> Iterator[Accepted]:
    """Yield y_0 and the states after every accepted step; every time in ``stops`` is hit exactly.

    Parameters
    ----------
    steps
        The method, lowered step by step.
    nonlinear
        N(t, y).
    y, t
        The initial state and time.
    stops
        Times to land on, in the direction of integration; the run ends at the last.
    control
        Tolerances and bounds.
    attempt
        How a step is tried, where it is not one of a fixed operator; it is called as ``embedded`` is.

    Raises
    ------
    AdaptiveFailure
        If the step underflows, or more steps than allowed are needed.
    ActionFailure
        If φ-functions cannot be applied to the first state. Later such a failure rejects the step.
    """
    own: Attempt = doubled if control.doubling else embedded
    combine, attempt = steps.operator.combiner(), attempt or own
    order = trusted_order(steps.method) if control.doubling else int(steps.method.error_order or 0)
    direction = math.copysign(1.0, stops[-1] - t)
    evaluations, rejected, errors = 0, 0, (1.0, 1.0, 1.0)
    failure: ActionFailure | None = None

    def slope(t: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return nonlinear(t, y)

    slopes, memory = (slope(t, y),), steps.START
    yield Accepted(t, y, evaluations, ahead=slopes[0])
    if not _finite(slopes[0]):
        raise AdaptiveFailure(
            Status.NON_FINITE,
            f"expected nonlinear to be finite at the initial state, received inf or nan at t = {t:.6g}; check y0",
        )
    if control.first is not None:
        h = control.first
    else:
        h = _first_step(steps, slope, y, slopes[0], t, stops[-1], control, order)
    growth = _GROWTH if steps.method.history > 1 else math.inf
    ladder, previous, last_error = abs(stops[-1] - t), 0.0, math.nan
    pending = iter(stops)
    stop = next(pending)
    for _ in range(control.most):
        h = min(_on_ladder(h, ladder), control.largest)
        reach = abs(stop - t)
        lands = h >= reach * (1 - 1e-10)
        trial = reach if lands else (reach / 2 if h > 0.7 * reach else h)  # no sliver before a stop
        if abs(trial - previous) <= min(_SAME * math.ulp(max(abs(t), abs(stop))), 1e-9 * trial):
            trial = previous
        if trial < max(_ROUNDING * math.ulp(t), _TINY * ladder):
            if failure is not None:
                raise AdaptiveFailure(Status.ACTION_FAILED, f"at t = {t:.6g}, with a step of {trial:.3g}: {failure}")
            raise AdaptiveFailure(Status.STEP_TOO_SMALL, _underflow(t, trial, last_error))
        h_signed, end = direction * trial, stop if lands else t + direction * trial
        try:
            made = attempt(steps, combine, slope, t, end, h_signed, y, slopes, memory)
            assert made.error is not None  # the door lets only methods with an estimate in
            error, columns, order = control.error(made.error, y, made.y), made.slopes, made.order
            failure = None
        except ActionFailure as failed:
            failure, error = failed, math.inf
        if error <= 1.0 and made.pending:
            columns = (slope(end, made.y), *columns)
            if not _finite(columns[0]):
                error = math.inf  # the step after would find no way on
        if error > 1.0:
            rejected += 1
            h = trial * control.controller.retreat(error, order)
            last_error = error
            continue
        y, t, memory, newest, previous = made.y, end, made.memory, slopes[0], trial
        slopes = columns[: len(memory)]
        yield Accepted(t, y, evaluations, rejected, newest, slopes[0] if memory[0] == 0 else None)
        if lands:
            if stop == stops[-1]:
                return
            stop = next(pending)
        errors = (error, *errors[:2])
        factor = min(control.controller.factor(errors, order), growth)
        if trial < h:
            h = max(trial * factor, h)  # a step shortened to land says little about h
        elif not _HOLD[0] <= factor <= _HOLD[1]:
            h = trial * factor
    raise AdaptiveFailure(
        Status.TOO_MANY_STEPS,
        f"expected to reach t = {stops[-1]:.6g} in {control.most} steps, received t = {t:.6g} with step {h:.3g}; "
        "loosen the tolerances, raise max_steps, or take a method of higher stiff order",
    )


def _finite(slope: Array) -> bool:
    xp = array_namespace(slope)
    return bool(xp.all(xp.isfinite(slope)))


def _on_ladder(h: float, unit: float) -> float:
    """Return the largest step of the ladder that is not larger than ``h``."""
    return float(unit * 2.0 ** (math.floor(_LADDER * math.log2(h / unit) + 1e-9) / _LADDER))


def _first_step(
    steps: Steps,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    slope: Array,
    t: float,
    end: float,
    control: StepControl,
    order: int,
) -> float:
    """Return a first step from the size of N and of its change (Hairer, Nørsett and Wanner, Solving ODEs I, II.4).

    The linear part is integrated exactly and does not limit the step; so only N enters, not L y.
    """
    span = abs(end - t)
    size, rate = control.error(y, y, y), control.error(slope, y, y)
    guess = 0.01 * size / rate if rate > 1e-10 and size > 1e-10 else 1e-6 * span
    guess = min(guess, span, control.largest)
    h = math.copysign(guess, end - t)
    euler = StepCache(Adams(1), steps.operator, steps.like).step(t, h, StepCache.START)
    ahead, _ = make_stages(euler, steps.operator.combine, nonlinear, t, h, y, (slope,))
    change = control.error(nonlinear(t + h, ahead) - slope, y, y) / guess
    steepest = max(rate, change)
    if not math.isfinite(steepest):
        return guess * 1e-3
    wanted = (0.01 / steepest) ** (1 / (order + 1)) if steepest > 1e-15 else span
    return min(100 * guess, wanted, span, control.largest)


def _underflow(t: float, h: float, error: float) -> str:
    if not math.isfinite(error):
        return (
            f"expected finite values of nonlinear near t = {t:.6g}, received inf or nan in every step down to {h:.3g}; "
            "look for a singularity there, or for arguments at which nonlinear is not defined"
        )
    return (
        f"expected an error within the tolerance at t = {t:.6g}, received {error:.3g} times as much with a step of "
        f"{h:.3g}, "
        "as small as the precision of t allows; loosen rtol and atol, or look for a singularity or a discontinuity "
        "of N there"
    )
