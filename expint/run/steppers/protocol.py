"""What the loops ask a stepper: a method bound to a problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from expint.backend import Array
from expint.run.control import Policy
from expint.run.dense.continuous import Counted, Interpolation
from expint.run.tolerance import StepControl

__all__ = [
    "Attempt",
    "Foretold",
    "OfNonlinear",
    "Slope",
    "Stepper",
    "Trial",
    "no_estimate",
    "nothing_pending",
    "trusted_order",
]

Slope = Callable[..., Array]
"""N(t, y), counted; for splittings the flow of N."""

Foretold = Callable[[float], tuple[Array, Array]]
"""By a time ahead, the state then if N goes on resting, and how far N(t, y) there is from that; N is evaluated once."""

M = TypeVar("M")


class Attempt(Protocol):
    """A step that is not yet accepted; the attributes are those of ``Trial``."""

    @property
    def y(self) -> Array:
        """y_{n+1}."""

    @property
    def order(self) -> int:
        """The order of the error estimate."""

    @property
    def local(self) -> Any:
        """What interpolation asks for."""

    @property
    def error(self) -> Callable[[int], Array | None]:
        """The error estimate by its order."""

    @property
    def finish(self) -> Callable[[], Array | None]:
        """Evaluates N where that is pending."""

    @property
    def commit(self) -> Callable[[Array | None], tuple[Any, Array | None]]:
        """Makes the memory after the step."""

    @property
    def changes(self) -> Callable[[Array | None], Sequence[Array]]:
        """Tells how much N changed within the step."""


class Trial(NamedTuple):
    """A step that is not yet accepted, of functions. Steppers whose steps cost little make tuples with methods instead.

    Attributes
    ----------
    y
        y_{n+1}.
    order
        The order p of its error estimate, which is O(h^{p+1}).
    error
        By an order, the estimate of the local error; None where there is none of that order.
    finish
        Returns N(t_{n+1}, y_{n+1}), evaluated now that the step is accepted; None where nothing is pending.
    commit
        From what ``finish`` returned, the memory after the step, and N(t_{n+1}, y_{n+1}) as far as it is known.
    changes
        From what ``finish`` returned: h(N_i - N_n) for all values of N that the step has seen, where N is what the
        method does not follow exactly, the remainder for methods that linearise. Empty where nothing is known.
    local
        What interpolation inside the step asks for, other than N at its ends.
    """

    y: Array
    order: int
    error: Callable[[int], Array | None]
    finish: Callable[[], Array | None]
    commit: Callable[[Array | None], tuple[Any, Array | None]]
    changes: Callable[[Array | None], Sequence[Array]] = lambda _: ()
    local: Any = None


class Stepper(Protocol[M]):
    """A method bound to a problem. What it remembers from step to step is a value of its own, the memory."""

    @property
    def name(self) -> str:
        """The name of the method."""

    @property
    def order(self) -> int:
        """The order that step doubling may rely on."""

    @property
    def repeats(self) -> bool:
        """Whether steps of equal length share their numbers, so that lengths are kept equal to the bit."""

    @property
    def starts_with_slope(self) -> bool:
        """Whether a step looks at N where it starts."""

    def policy(self, control: StepControl, span: float) -> Policy[Any]:
        """Return the policy for runs over a time ``span``, with sign."""

    def value(self, slope: Slope, t: float, y: Array) -> Array:
        """Return N(t, y)."""

    def start(self, t: float, y: Array, slope: Array | None) -> M:
        """Return the memory at the start of a run, where N(t, y) is ``slope``; None where no step looks at it."""

    def pack(self, memory: M) -> Any:
        """Return the memory in plain values, from which ``unpack`` makes it; asked for in runs that are written down.

        Nothing but it, and what the stepper itself counts, may decide about the steps to come.
        """

    def unpack(self, packed: Any, y: Array) -> M:
        """Return the memory, where the state is ``y``."""

    def newest(self, memory: M) -> Array | None:
        """Return the newest value of N in memory, None where it keeps none."""

    def advance(self, memory: M, slope: Slope, t: float, end: float, h: float) -> Attempt:
        """Return a step of length ``h`` from ``t`` to ``end``, without error estimate.

        Raises
        ------
        ActionFailure
            If φ-functions cannot be applied.
        AdaptiveFailure
            If there is no way on from where the step starts, however short it is.
        """

    def attempt(self, memory: M, slope: Slope, t: float, end: float, h: float, order: int) -> Attempt:
        """Return a step with its error estimate, of the given order where there is a choice; raises as ``advance``."""

    def interpolation(self, slope: Counted) -> Interpolation:
        """Return what makes the solution between the steps; ``slope`` is what the stepper evaluates, counted."""

    @property
    def foretells(self) -> bool:
        """Whether N is looked at inside long steps while it rests: where a short step takes several evaluations."""

    def foretold(self, memory: M, slope: Slope, t: float, h: float) -> Foretold:
        """Return what tells how far N is from what it is if it goes on resting; asked only where it ``foretells``.

        A step of length ``h`` at most begins at ``t``.
        """

    def euler(self, memory: M) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method, for the choice of a first step."""


class OfNonlinear:
    """What steppers have in common that evaluate N itself: N rests where it stays as it is."""

    def value(self, slope: Slope, t: float, y: Array) -> Array:
        """Return N(t, y)."""
        return slope(t, y)

    def foretold(self: Stepper[Any], memory: Any, slope: Slope, t: float, h: float) -> Foretold:
        """Return what tells how far N is from what it is now, along the exponential Euler method."""
        del h
        newest, euler = self.newest(memory), self.euler(memory)

        def after(ahead: float) -> tuple[Array, Array]:
            y = euler(ahead)
            return y, slope(t + ahead, y) - newest

        return after


def no_estimate(order: int) -> None:
    """Return None: there is no error estimate."""
    del order


def nothing_pending() -> None:
    """Return None: no value of N is pending."""


def trusted_order(method: Any) -> int:
    """Return the order on which step doubling relies: that on stiff problems, at least 1."""
    return max(1, min(method.order, getattr(method, "weak_stiff_order", method.order)))
