"""L(t) = g(t) A: one operator and a function of time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from expint.arguments import function, number
from expint.backend import is_array

__all__ = ["Part", "TimeScaled"]


class Part(NamedTuple):
    """g, A and an antiderivative of g if it is known."""

    rate: Callable[[float], float]
    operator: Any
    integral: Callable[[float], float] | None


class TimeScaled:
    r"""The linear part L(t) = g(t) A, understood by ``solve_ivp`` and ``solve``.

    In the clock s = ∫ g dt the problem y' = g(t) A y + N(t, y) has a constant linear part,

    .. math:: \frac{dy}{ds} = A y + \frac{N(t(s), y)}{g(t(s))},

    so that it is solved there, by any method, with all of its orders (stiff ones too) as long as N and g are smooth and
    g has one sign. Times go in and come out as t.

    Without N any g will do, and several of them: ``TimeScaled(g, A) + TimeScaled(f, B)`` is g(t) A + f(t) B for A and B
    that commute. The solution is exp(A ∫ g dt + B ∫ f dt) y_0, in steps as long as you like. In all other cases take
    ``TimeDependent(TimeScaled(g, A) + TimeScaled(f, B))``.

    Parameters
    ----------
    rate
        g(t), a real function of a real number.
    operator
        A: an operator, or what ``as_operator`` accepts.
    integral
        An antiderivative of g, if it is known; otherwise it is computed, to about fourteen digits, as long as no pulse
        of g is narrower than 1/200 of the span of the run, or of the pieces between its ``breakpoints``.

    Raises
    ------
    TypeError
        If ``rate`` or ``integral`` is no function.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> import expint
    >>> decay = TimeScaled(lambda t: 1 + t, -1.0)
    >>> bool(np.isclose(expint.solve_ivp(None, (0, 1), [1.0], linear=decay).y_end[0], math.exp(-1.5)))
    True
    """

    depends_on_time = True

    def __init__(
        self, rate: Callable[[float], float], operator: Any, integral: Callable[[float], float] | None = None
    ) -> None:
        function("rate", rate, "of time", "TimeScaled(lambda t: 1 + t, operator)")
        if integral is not None:
            function("integral", integral, "of time")
        self.parts: tuple[Part, ...] = (Part(rate, operator, integral),)

    def __add__(self, other: object) -> TimeScaled:
        if not isinstance(other, TimeScaled):
            return NotImplemented
        total = copy.copy(self)
        total.parts = self.parts + other.parts
        return total

    def __call__(self, t: float) -> Any:
        """Return L(t): an array if A, B, … are arrays of one shape, else an operator.

        Raises
        ------
        TypeError
            If operators are mixed with arrays.
        """
        factors = [number("rate(t)", part.rate(t)) for part in self.parts]
        operators = [part.operator for part in self.parts]
        if all(is_array(own) for own in operators) and len({tuple(own.shape) for own in operators}) == 1:
            return sum(factor * own for factor, own in zip(factors, operators))
        from expint.operators.addition.combination import combination
        from expint.operators.coerce import as_part

        return combination(factors, [as_part(own) for own in operators])

    def __repr__(self) -> str:
        shapes = (getattr(part.operator, "shape", None) for part in self.parts)
        names = (
            repr(part.operator) if shape is None else f"{type(part.operator).__name__} of shape {tuple(shape)}"
            for part, shape in zip(self.parts, shapes)
        )
        whole = f"TimeScaled({' + '.join(f'g(t) × {name}' for name in names)})"
        return whole if len(whole) <= 120 else f"TimeScaled({len(self.parts)} parts)"
