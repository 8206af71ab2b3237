"""Where derivatives of a right-hand side come from: what every source answers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from expint.arguments import choice, function
from expint.backend import Array, array_namespace
from expint.exchange import ask, lent
from expint.jacobian.coordinates import Coordinates

__all__ = ["Before", "Computed", "Place", "Source", "refuse_recorded"]

Form = Literal["auto", "dense", "action"]

_FORMS = ("auto", "dense", "action")


class Before(NamedTuple):
    """What the place before tells of how to differentiate by differences, on the host.

    Attributes
    ----------
    x
        Where it was.
    shortest
        The increments of the entries of x below which rounding of N would show.
    """

    x: np.ndarray
    shortest: np.ndarray


class Place(NamedTuple):
    """Where derivatives are wanted, as vectors; see ``Coordinates``.

    Attributes
    ----------
    function
        (t, x) ↦ N(t, x).
    t, x
        Time and vector.
    value
        N(t, x).
    step
        The step that begins there, with sign: a time over which N changes little.
    coordinates
        How vectors become states.
    before
        What is known of the place before, None at the first.
    """

    function: Callable[[Any, Array], Array]
    t: float
    x: Array
    value: Array
    step: float
    coordinates: Coordinates
    before: Before | None = None


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A source of derivatives.

    Parameters
    ----------
    form
        "dense" forms matrices, whose φ-functions are formed too; "action" works with products of the Jacobian with
        vectors; "auto" chooses by the size of the system.
    in_time
        The derivative of the right-hand side with respect to t at fixed y: "differences" (one-sided, of second order),
        "same" (by the same means as the Jacobian), a function (t, y) ↦ ∂f/∂t, or None where f does not depend on t.

    Raises
    ------
    ValueError
        If ``form`` or ``in_time`` is not one of these.

    Examples
    --------
    >>> import expint
    >>> from expint.jacobian import Autodiff, Differences, Source
    >>> [isinstance(source, Source) for source in (Differences(), Autodiff(form="dense"))]
    [True, True]
    >>> given = Differences(in_time=None)  # f does not depend on t
    >>> run = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), [1.0], method="exprb43", rtol=1e-6, jac=given)
    >>> bool(abs(run.y_end[0] - 3**-0.5) < 1e-5)
    True
    """

    form: Form = "auto"
    in_time: Literal["differences", "same"] | Callable[[float, Array], Array] | None = "differences"

    def __post_init__(self) -> None:
        choice("form", self.form, _FORMS)
        if isinstance(self.in_time, str):
            choice("in_time", self.in_time, ("differences", "same"))
        elif self.in_time is not None:
            function("in_time", self.in_time, "(t, y) ↦ ∂f/∂t, 'differences', 'same' or None")

    @property
    @abstractmethod
    def label(self) -> str:
        """Where the derivatives come from, in a few words."""

    @abstractmethod
    def check(self, y0: Array) -> None:
        """Raise TypeError or ValueError if the source cannot serve states like ``y0``."""

    def time_derivative(self, place: Place) -> Array | None:
        """Return ∂N/∂t as a vector, None where it vanishes."""
        if self.in_time is None:
            return None
        if callable(self.in_time):
            slope = ask(self.in_time, place.t, lent(place.coordinates.back(place.x)))
            refuse_recorded(slope)
            xp = array_namespace(place.x)
            state = xp.asarray(slope, dtype=place.coordinates.back(place.x).dtype)
            if tuple(state.shape) != place.coordinates.shape:
                raise ValueError(
                    f"expected in_time(t, y) to return shape {place.coordinates.shape}, that of y0, received shape "
                    f"{tuple(state.shape)}"
                )
            return place.coordinates.flat(state)
        if self.in_time == "same":
            return self._own_time_derivative(place)
        return _time_difference(place)

    def _own_time_derivative(self, place: Place) -> Array | None:
        del place
        raise ValueError(
            f"expected in_time as a function or None for {self!r}, which knows no derivative in time, received 'same'"
        )


class Computed(Source):
    """A source that differentiates N itself; the linear part, known exactly, is added to what it finds."""

    @abstractmethod
    def matrix(self, place: Place) -> Any:
        """Return ∂N/∂x as a matrix: an array like x of shape (n, n), or a sparse matrix."""

    @abstractmethod
    def product(self, place: Place) -> Callable[[Array], Array]:
        """Return v ↦ ∂N/∂x v."""

    def told(self, place: Place, matrix: Any) -> Before | None:
        """Return what the next place uses of ∂N/∂x; None where derivatives are exact."""
        del place, matrix
        return None

    @property
    def sparse(self) -> bool:
        """Whether ``matrix`` returns sparse matrices."""
        return False


def refuse_recorded(array: Array | None) -> None:
    """Refuse a tensor whose gradient is recorded: a run that linearises would lose a part of it."""
    if getattr(array, "requires_grad", False):
        raise TypeError(
            "expected a run that records no gradient for a method that linearises, received a state, a Jacobian or "
            "values of nonlinear that require one: it would miss how the Jacobian changes; solve under "
            "torch.no_grad(), take gradient='through' of solve_ivp, or a method with a fixed L"
        )


def _time_difference(place: Place) -> Array | None:
    """Return the difference quotient of second order from N at t, t + δ, t + 2δ, all within the step.

    The rounding of N, and of t where it is large compared with the step, is balanced against the error of the quotient.
    """
    xp = array_namespace(place.x)
    rounding = max(float(xp.finfo(place.x.dtype).eps), math.ulp(place.t) / abs(place.step))
    delta = (place.t + min(rounding ** (1 / 3), 0.5) * place.step) - place.t  # what is really added
    if delta == 0.0:
        return None  # the step is one rounding of t
    first = place.function(place.t + delta, place.x) - place.value
    if not bool(xp.any(first != 0)):
        return None  # N does not depend on t, or not here
    second = place.function(place.t + 2 * delta, place.x) - place.value
    return (4 * first - second) / (2 * delta)
