"""Which method makes which step of a run: how a multistep sampler starts, and how a grid ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, singledispatch
from typing import Any, ClassVar

import expint
from expint.arguments import integer
from expint.derive import Method, PredictorCorrector, Stage, StepContext, WithoutEstimate

__all__ = ["STARTS", "STOP", "End", "MethodsByStep", "capped", "predictor", "taper"]


@dataclass(frozen=True)
class End:
    """What happens at the end of a grid.

    Parameters
    ----------
    orders
        The highest orders of the last steps: (2, 1) makes the last step by a method of order 1 and the one before by
        one of order 2 at most. Nothing: the order is kept.
    methods
        The methods of the last steps, in place of the sampler's own.
    correct
        Whether a predictor–corrector corrects its last step, which costs one further call.
    zero
        The highest order of a step from the end of the grid to σ = 0, which is counted among the steps of a run; None
        stops at the end of the grid. Where the clock of the gauge is infinite at σ = 0 only order 1 has a limit,
        x = x₀, and it is taken.

    Raises
    ------
    ValueError
        If an order is not a positive integer.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.sampler("dpmpp-2m", end=diffusion.End(orders=(1,))).end.orders
    (1,)
    """

    orders: tuple[int, ...] = ()
    methods: tuple[Method, ...] = ()
    correct: bool = True
    zero: int | None = None

    def __post_init__(self) -> None:
        for order in (*self.orders, 1 if self.zero is None else self.zero):
            if not isinstance(order, int) or order < 1:
                raise ValueError(f"expected the orders at the end of a grid to be integers ≥ 1, received {order!r}")

    def apply(self, methods: Sequence[Method], *, to_zero: bool = False) -> tuple[Method, ...]:
        """Return the methods with which the steps of a grid are made, given those of a run without end.

        ``to_zero`` says whether one more step follows, to σ = 0.
        """
        del to_zero
        limits = self.orders[-len(methods) :]
        first = len(methods) - len(limits)
        ended = [*methods[:first], *(capped(method, order) for method, order in zip(methods[first:], limits))]
        own = self.methods[-len(methods) :]  # of a run that goes on from a later state the last ones
        ended[len(methods) - len(own) :] = own
        if not self.correct:
            ended[-1] = predictor(ended[-1])
        return tuple(ended)


STOP = End()
"""Stop where the grid stops."""


def taper(order: int) -> End:
    """Return the end at which a method of the given order is replaced by those of order …, 2, 1.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.taper(3).orders
    (2, 1)
    """
    return End(orders=tuple(range(integer("order", order, most=1_000_000) - 1, 0, -1)))


class AfterPairs(expint.Adams):
    """The predictor alone of a predictor–corrector, after steps whose slopes were taken at predicted points."""

    predicted: ClassVar[bool] = True


@singledispatch
def capped(method: Any, order: int) -> Method:
    """Return ``method``, or the one of its family of the given ``order`` if its own is higher.

    The order of a predictor–corrector is that of its predictor.
    """
    return method if method.order <= order else expint.bootstrap(order)


@capped.register(expint.Adams)
@capped.register(PredictorCorrector)
def _(method: Any, order: int) -> Method:
    return replace(method, q=min(method.q, order))


@singledispatch
def predictor(method: Any) -> Method:
    """Return the predictor alone of a predictor–corrector; any other method as it is."""
    return method


@predictor.register
def _(method: PredictorCorrector) -> Method:
    own = AfterPairs if method.mode == "PEC" else expint.Adams
    return own(method.q, clock=method.clock, ramp=method.ramp)


def _euler(method: Any, known: int) -> Method:
    del known
    return replace(method, ramp=True)


def _corrected(method: Any, known: int) -> Method:
    """Let a step with too few slopes be corrected by the slope that the next one needs anyway."""
    if getattr(method, "mode", "") == "PE" and known < method.q:
        return PredictorCorrector(method.q - 1, ramp=True, clock=method.clock)
    return _euler(method, known)


def _runge_kutta(method: Any, known: int) -> Method:
    del known
    return replace(method, ramp=False)


STARTS: dict[str, Callable[[Any, int], Method]] = {
    "euler": _euler,
    "corrected": _corrected,
    "runge-kutta": _runge_kutta,
}
"""How a multistep method makes a step with so many ``known`` slopes: by a lower order; the same, corrected once the
next slope is there (no further calls); by a one-step method that keeps the order (more calls)."""


@dataclass(frozen=True)
class MethodsByStep(WithoutEstimate):
    """A method for each step, as one method of ``expint``.

    Parameters
    ----------
    starts
        Where the steps start.
    methods
        The method of each of them.
    known
        How many of the slopes in memory each of them may look at.
    """

    starts: tuple[float, ...]
    methods: tuple[Method, ...]
    known: tuple[int, ...]

    @property
    def name(self) -> str:
        """The names of the methods, each once."""
        return "+".join(dict.fromkeys(method.name for method in self.methods))

    @property
    def order(self) -> int:
        """The lowest order among the methods."""
        return min(method.order for method in self.methods)

    @cached_property
    def history(self) -> int:
        """How many remembered slopes any step looks at."""
        return max(method.history for method in self.methods)

    @cached_property
    def _step_from(self) -> dict[float, tuple[Method, int]]:
        return dict(zip(self.starts, zip(self.methods, self.known, strict=True), strict=True))

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of the step, as its method says."""
        method, known = self._step_from[step.start]
        return method.recipe(step._replace(history=step.history[:known]))
