"""A solver class for any method, and the classes that have names of their own."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from scipy.integrate import OdeSolver

from expint.arguments import seen
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.derive.kinds.stage import BY_NAME, Method
from expint.ivp.bind import linearises
from expint.methods import method as find_method
from expint.scipy.solvers import ExponentialSolver, LinearisedSolver

__all__ = [
    "ETD34",
    "ExponentialAdams",
    "LawsonDormandPrince",
    "Rosenbrock43",
    "Rosenbrock54",
    "ZotoBowman43",
    "solver_class",
]


class _OfMethod(type):
    """The class of the solver classes that ``solver_class`` makes, which are pickled as what made them."""


def solver_class(method: str | Method) -> type[OdeSolver]:
    """Return the solver class for any method with an error estimate: a ``LinearisedSolver`` if it linearises.

    Parameters
    ----------
    method
        A name (see ``expint.method_names()``) or a method.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> pec4 = expint.scipy.solver_class("pec4")
    >>> run = scipy.integrate.solve_ivp(lambda t, y: -y - y**2, (0, 1), [1.0], method=pec4, linear=-1.0, rtol=1e-8)
    >>> bool(np.isclose(run.y[0, -1], 1.0 / (2.0 * np.e - 1.0)))
    True
    """
    chosen = find_method(method) if isinstance(method, str) else method
    if isinstance(chosen, type) or not hasattr(chosen, "error_order"):
        raise TypeError(f"expected method to be a name or a method, received {seen(method)}; {BY_NAME}")
    return _class_of(chosen, method)  # type: ignore[arg-type]  # methods are frozen


@lru_cache(maxsize=256)
def _class_of(chosen: Method, made_for: str | Method) -> type[OdeSolver]:
    base = LinearisedSolver if linearises(chosen) else ExponentialSolver
    return _OfMethod(chosen.name, (base,), {"integrator": chosen, "made_for": made_for, "__doc__": base.__doc__})


def _as_asked(made: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return solver_class, (made.made_for,)


copyreg.pickle(_OfMethod, _as_asked)


class ETD34(ExponentialSolver):
    """Krogstad's fourth-order method with an embedded third-order one; see ``ExponentialSolver``.

    Its error estimate does not see a part of N that depends on time alone: where that is what drives the solution, the
    others keep the tolerance.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> run = scipy.integrate.solve_ivp(
    ...     lambda t, y: -y - y**2, (0, 1), [1.0], method=expint.scipy.ETD34, linear=-1.0, rtol=1e-6
    ... )
    >>> bool(abs(run.y[0, -1] - 1 / (2 * np.e - 1)) < 1e-5)
    True
    """

    integrator = "etd34"


class ZotoBowman43(ExponentialSolver):
    """The pair of orders 4 and 3 of Zoto and Bowman, of stiff order 3; see ``ExponentialSolver``.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> run = scipy.integrate.solve_ivp(
    ...     lambda t, y: -y - y**2, (0, 1), [1.0], method=expint.scipy.ZotoBowman43, linear=-1.0, rtol=1e-6
    ... )
    >>> bool(abs(run.y[0, -1] - 1 / (2 * np.e - 1)) < 1e-5)
    True
    """

    integrator = "zoto-bowman43"


class LawsonDormandPrince(ExponentialSolver):
    """Dormand and Prince's pair of orders 5 and 4 behind an integrating factor; see ``ExponentialSolver``.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> run = scipy.integrate.solve_ivp(
    ...     lambda t, y: -y - y**2, (0, 1), [1.0], method=expint.scipy.LawsonDormandPrince, linear=-1.0, rtol=1e-6
    ... )
    >>> bool(abs(run.y[0, -1] - 1 / (2 * np.e - 1)) < 1e-5)
    True
    """

    integrator = "lawson-dormand-prince54"


class ExponentialAdams(ExponentialSolver):
    """Exponential Adams pairs of orders up to 5: one evaluation of f a step; see ``ExponentialSolver``.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> run = scipy.integrate.solve_ivp(
    ...     lambda t, y: -y - y**2, (0, 1), [1.0], method=expint.scipy.ExponentialAdams, linear=-1.0, rtol=1e-6
    ... )
    >>> bool(abs(run.y[0, -1] - 1 / (2 * np.e - 1)) < 1e-5)
    True
    """

    integrator = PredictorCorrector(4, ramp=True)


class Rosenbrock43(LinearisedSolver):
    """The exponential Rosenbrock pair exprb43, of stiff orders 4 and 3; see ``LinearisedSolver``.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> run = scipy.integrate.solve_ivp(
    ...     lambda t, y: -y - y**2, (0, 1), [1.0], method=expint.scipy.Rosenbrock43, rtol=1e-6
    ... )
    >>> bool(abs(run.y[0, -1] - 1 / (2 * np.e - 1)) < 1e-5)
    True
    """

    integrator = "exprb43"


class Rosenbrock54(LinearisedSolver):
    """The exponential Rosenbrock pair pexprb54s4, of orders 5 and 4; see ``LinearisedSolver``.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> run = scipy.integrate.solve_ivp(
    ...     lambda t, y: -y - y**2, (0, 1), [1.0], method=expint.scipy.Rosenbrock54, rtol=1e-6
    ... )
    >>> bool(abs(run.y[0, -1] - 1 / (2 * np.e - 1)) < 1e-5)
    True
    """

    integrator: str | Method = "pexprb54s4"
