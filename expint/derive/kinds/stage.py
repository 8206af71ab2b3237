"""What a method says about one step: the exact recipe of every new point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from expint.derive.algebra.phisum import Terms

__all__ = [
    "BY_NAME",
    "MOST_SLOPES",
    "ErrorEstimate",
    "Method",
    "Multistep",
    "Stage",
    "StepContext",
    "WithoutEstimate",
    "kind_of_method",
]

BY_NAME = "expint.method(name) finds methods by their names"
"""What is said where something else stands for a method."""

MOST_SLOPES = 32
"""The most slopes that are interpolated: weights of more leave double precision."""


class StepContext(NamedTuple):
    """Where a step stands: all that a method may know when it says how the step is made.

    Attributes
    ----------
    start
        The time t_n from which the step starts.
    step
        Its length h, with sign.
    history
        Positions (t_j - t_n)/h of the remembered values N_j, newest first; the first is 0.

    Examples
    --------
    >>> import expint
    >>> from expint.derive import StepContext
    >>> step = StepContext(start=0.0, step=0.1, history=(0.0, -1.0))
    >>> expint.method("adams2").recipe(step)[-1].past
    ({(1, 1): 1.0, (2, 1): 1.0}, {(1, 1): -0.0, (2, 1): -1.0})
    """

    start: float
    step: float
    history: tuple[float, ...]


@dataclass(frozen=True)
class Stage:
    """The exact recipe of one point: y = state(z) y_n + h Σ_j w_j(z) N_j with z = hL.

    Attributes
    ----------
    c
        Where the point lies: t_n + c h.
    state
        The coefficient of y_n.
    stages
        The coefficients of h N at the points evaluated earlier in this step, newest first.
    past
        The coefficients of h times the remembered values of N, newest first (the first is N(y_n)).
    evaluate
        Whether N is evaluated at the point.
    accept
        Whether the point is y_{n+1}.
    remember
        Whether this value of N joins the history of later steps.
    earlier
        The coefficients of y_{n-1}, y_{n-2}, …, for methods that look at several states: their attribute ``states``
        says at how many.
    noise
        The coefficients of the random columns, for methods whose attribute ``noise`` says how many there are.

    Examples
    --------
    >>> import expint
    >>> from expint.derive import StepContext
    >>> *_, last = expint.method("exponential-euler").recipe(StepContext(0.0, 0.1, (0.0,)))
    >>> last
    Stage(c = 1, values of N: 0 of this step, 1 past, N evaluated, accepted)
    >>> last.state, last.past  # e^z y_n + h φ_1(z) N_n
    ({(0, Fraction(1, 1)): Fraction(1, 1)}, ({(1, Fraction(1, 1)): Fraction(1, 1)},))
    """

    c: Any
    state: Terms
    stages: tuple[Terms, ...]
    past: tuple[Terms, ...]
    evaluate: bool
    accept: bool
    remember: bool
    earlier: tuple[Terms, ...] = ()
    noise: tuple[Terms, ...] = ()

    def __repr__(self) -> str:
        ends = "".join(said for said, is_so in ((", N evaluated", self.evaluate), (", accepted", self.accept)) if is_so)
        return f"Stage(c = {self.c}, values of N: {len(self.stages)} of this step, {len(self.past)} past{ends})"


class ErrorEstimate(NamedTuple):
    """The combination of values of N that estimates the local error, and its order p: the size is O(h^{p+1}).

    Attributes
    ----------
    stage, order
        The combination and its order.
    damped
        Another one for modes that L damps within a step, which sees what the step makes of a force on them; None where
        ``stage`` sees it. Its order is the same.

    Examples
    --------
    >>> import expint
    >>> from expint.derive import StepContext
    >>> estimate = expint.method("etd34").error(StepContext(0.0, 0.1, (0.0,)))
    >>> estimate.order, len(estimate.stage.stages)
    (3, 4)
    """

    stage: Stage
    order: int
    damped: Stage | None = None


class Method(Protocol):
    """A one-step or multistep exponential integrator, as data.

    Examples
    --------
    >>> import expint
    >>> from expint.derive import Method, StepContext
    >>> method: Method = expint.method("etdrk4")
    >>> method.order, method.history, method.error_order
    (4, 1, None)
    >>> [stage.accept for stage in method.recipe(StepContext(0.0, 0.1, (0.0,)))]
    [False, False, False, True]
    """

    @property
    def name(self) -> str:
        """The name under which the method is found."""

    @property
    def order(self) -> int:
        """The classical order."""

    @property
    def history(self) -> int:
        """How many remembered values of N a step looks at, N(y_n) included."""

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of one step; the last is accepted."""

    def error(self, step: StepContext) -> ErrorEstimate | None:
        """Return the estimate of the local error, if there is one."""

    @property
    def error_order(self) -> int | None:
        """The order p of the error estimate, whose size is O(h^{p+1}); None without estimate."""


def kind_of_method(method: Any) -> str:
    """Return "splitting", "follows fields" (of Magnus and commutator-free methods), "linearises", or "fixed L".

    Examples
    --------
    >>> import expint
    >>> from expint.derive import kind_of_method
    >>> [kind_of_method(expint.method(name)) for name in ("etdrk4", "exprb43", "strang", "magnus4")]
    ['fixed L', 'linearises', 'splitting', 'follows fields']
    """
    return str(getattr(method, "kind", "fixed L"))


class WithoutEstimate:
    """A method without an error estimate.

    Examples
    --------
    >>> import expint
    >>> magnus = expint.method("magnus4")
    >>> isinstance(magnus, expint.derive.WithoutEstimate), magnus.error_order
    (True, None)
    """

    @property
    def error_order(self) -> None:
        """There is no error estimate."""

    def error(self, step: StepContext) -> None:
        """Return None: there is no error estimate."""
        del step


class Multistep:
    """A method that looks at its newest ``q`` values of N, with one evaluation a step unless it says otherwise.

    Examples
    --------
    >>> from expint import Adams
    >>> three = Adams(3)
    >>> isinstance(three, Multistep), three.history, three.stages
    (True, 3, 1)
    """

    q: int

    @property
    def history(self) -> int:
        """How many remembered values of N a step looks at, N(y_n) included."""
        return self.q

    @property
    def stages(self) -> int:
        """Evaluations of N per step."""
        return 1
