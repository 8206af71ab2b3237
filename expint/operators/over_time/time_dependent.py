"""L(t): an operator for every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from expint.arguments import function
from expint.backend import Array

__all__ = ["TimeDependent"]


class TimeDependent:
    r"""The linear part A(t) of y' = A(t) y + b(t) + N(t, y), understood by ``solve_ivp`` and ``solve``.

    A at different times need not commute: steps are made by Magnus and commutator-free methods, from exponentials of
    combinations of A at several times, applied to states; they are formed only for numbers, symbols and small matrices.

    Parameters
    ----------
    operator
        t ↦ A(t): what ``as_operator`` accepts, of one kind for all times; a sum of ``TimeScaled`` is such a function.
    forcing
        t ↦ b(t), an array like y, if there is one.

    Raises
    ------
    TypeError
        If ``operator`` or ``forcing`` is no function.

    References
    ----------
    S. Blanes, F. Casas, J. A. Oteo and J. Ros, Phys. Rep. 470 (2009) 151–238.

    Examples
    --------
    >>> import numpy as np, expint
    >>> from expint.operators import TimeDependent
    >>> growing = TimeDependent(lambda t: np.array([[2.0 * t]]))
    >>> run = expint.solve_ivp(None, (0.0, 1.0), np.array([1.0]), linear=growing, method="magnus4", step=0.1)
    >>> bool(np.isclose(run.y_end[0], np.e))
    True
    """

    depends_on_time = True

    def __init__(self, operator: Callable[[float], Any], forcing: Callable[[float], Array] | None = None) -> None:
        remedy = "TimeDependent(lambda t: A(t)), or the operator itself as linear= if it does not depend on time"
        function("operator", operator, "of time", remedy)
        if forcing is not None:
            function("forcing", forcing, "of time")
        self.operator, self.forcing = operator, forcing

    def __repr__(self) -> str:
        return "TimeDependent(A(t))" if self.forcing is None else "TimeDependent(A(t), forcing=b(t))"
