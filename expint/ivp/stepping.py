"""Stepping by hand: a state goes in, the state one step later comes out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from expint.arguments import instance, number, seen
from expint.arrays import check_state
from expint.backend import Array
from expint.derive.kinds.stage import Method
from expint.ivp.bind import bind, linearises
from expint.ivp.bound import Problem
from expint.operators import TimeScaled
from expint.run.control.controller import inside
from expint.run.steppers import Stepper

__all__ = ["StepState", "begin", "step"]


@dataclass(frozen=True)
class StepState:
    """Where a run by hand stands: all that the next step needs, as a value.

    Attributes
    ----------
    t, y
        Time and state.
    slopes, memory
        The remembered values of N, newest first, and the times at which they were taken, seen from t.
    error
        The estimate of the local error of the step that led here, of the shape of y; None at the start and for methods
        without estimate.
    evaluations
        Evaluations of N so far, but for those of finite differences.

    Examples
    --------
    >>> import numpy as np
    >>> import expint
    >>> state = expint.begin(lambda t, y: -(y**2), 0.0, np.ones(1), linear=-1.0, method="etd34")
    >>> for _ in range(4):
    ...     state = expint.step(state, 0.25)
    >>> state
    StepState(t = 1, y of shape (1,), float64, 17 evaluations)
    >>> bool(abs(state.y[0] - 1 / (2 * np.e - 1)) < 1e-3), bool(abs(state.error[0]) < 1e-3)
    (True, True)
    """

    t: float
    y: Array
    slopes: tuple[Array, ...] = field(repr=False)
    memory: tuple[float | None, ...] = field(repr=False)
    error: Array | None = field(repr=False)
    evaluations: int
    _nonlinear: Callable[[float, Array], Array] = field(repr=False)
    _stepper: Stepper[Any] = field(repr=False)
    _memory: Any = field(repr=False)
    _begun: tuple[Problem, str | Method] = field(repr=False)

    def __repr__(self) -> str:
        shape = tuple(self.y.shape)
        return f"StepState(t = {self.t:g}, y of shape {shape}, {self.y.dtype}, {self.evaluations} evaluations)"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again: the problem is bound to the method anew, all else is numbers."""
        numbers = (self.t, self.y, self.slopes, self.memory, self.error, self.evaluations)
        return _resumed, (self._begun, numbers, self._memory)


def _resumed(begun: tuple[Problem, str | Method], numbers: tuple[Any, ...], memory: Any) -> StepState:
    bound = bind(*begun)
    t, y, slopes, places, error, evaluations = numbers
    return StepState(t, y, slopes, places, error, evaluations, bound.slope, bound.stepper, memory, begun)


def begin(
    nonlinear: Callable[..., Array] | None,
    t0: float,
    y0: Array,
    *,
    linear: Any = None,
    method: str | Method = "expint43",
    jac: Any = None,
    args: tuple[Any, ...] = (),
    breakpoints: Any = None,
) -> StepState:
    """Return the state from which ``step`` goes on; N is evaluated at (t0, y0).

    Parameters
    ----------
    nonlinear, y0, linear, method, jac, args
        As for ``solve_ivp``; of the methods that linearise, those of one step.
    t0
        The first time.
    breakpoints
        Refused: who steps by hand lands on times where N jumps, and begins anew there.

    Raises
    ------
    ValueError, TypeError
        As ``solve_ivp``.

    Examples
    --------
    >>> import numpy as np
    >>> import expint
    >>> state = expint.begin(lambda t, y: -(y**2), 0.0, np.ones(1), linear=0.0)
    >>> expint.step(state, 0.5)
    StepState(t = 0.5, y of shape (1,), float64, 6 evaluations)
    """
    if breakpoints is not None:
        raise TypeError(
            f"expected no breakpoints to step by hand, received {seen(breakpoints)}; choose the steps so that one "
            "ends at each of them, and go on from there by expint.begin(nonlinear, state.t, state.y, …), which forgets "
            "the values of N before, or take expint.solve_ivp"
        )
    t0, y0 = number("t0", t0), check_state(y0)
    if isinstance(linear, TimeScaled):
        raise TypeError(
            f"expected an L that does not depend on time, or TimeDependent, to step by hand, received {linear!r}, "
            "whose steps need the whole span; take expint.solve_ivp"
        )
    problem = Problem(nonlinear, y0, (t0, t0), linear, jac, args)
    bound = bind(problem, method)
    if linearises(bound.method) and bound.method.history > 1:
        raise ValueError(
            f"expected a method of one step to step by hand with a Jacobian, received {bound.method.name}, which looks "
            f"at {bound.method.history} slopes; take exprb43"
        )
    memory, begun = bound.stepper.start(t0, y0, bound.slope(t0, y0)), (problem, method)
    return StepState(t0, y0, memory.slopes, memory.places, None, 1, bound.slope, bound.stepper, memory, begun)


def step(state: StepState, h: float) -> StepState:
    """Return the state one step of length ``h`` later; ``state`` stays as it is and may be stepped from again.

    Parameters
    ----------
    state
        A state from ``begin`` or ``step``.
    h
        The length of the step, of either sign; it may change from step to step.

    Raises
    ------
    ValueError
        If h is zero or not finite, or so short that t stays where it is.

    Notes
    -----
    What a step costs is the same as in ``solve_ivp`` with fixed steps; steps of equal length share their φ-functions.

    Examples
    --------
    >>> import numpy as np, expint
    >>> state = expint.begin(lambda t, y: 0.0 * y, 0.0, np.array([1.0]), linear=-1.0, method="etdrk4")
    >>> bool(np.isclose(expint.step(state, 0.5).y[0], np.exp(-0.5)))
    True
    """
    instance("state", state, StepState, "a state of expint.begin or expint.step")
    h = number("h", h)
    if h == 0:
        raise ValueError(f"expected a finite step h other than 0, received {h}")
    evaluations, end = state.evaluations, state.t + h
    if end == state.t:
        raise ValueError(
            f"expected a step h that changes t = {state.t:.17g}, whose rounding is {math.ulp(state.t):.3g}, received "
            f"{h}; take a longer one, or measure t from the start of the run"
        )

    def slope(t: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return state._nonlinear(inside(t, state.t, end), y)

    made = state._stepper.attempt(state._memory, slope, state.t, end, h, 0)
    memory, _ = made.commit(made.finish())
    return replace(
        state,
        t=end,
        y=made.y,
        slopes=memory.slopes,
        memory=memory.places,
        error=made.error(made.order),
        evaluations=evaluations,
        _memory=memory,
    )
