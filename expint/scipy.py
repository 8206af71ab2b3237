"""Exponential integrators as solver classes for ``scipy.integrate.solve_ivp(..., method=…)``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.integrate import DenseOutput, OdeSolver

from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.derive.kinds.stage import Method
from expint.ivp.bind import bind, linearises
from expint.ivp.bound import Bound, Problem, Tolerance
from expint.jacobian import Differences
from expint.methods import method as find_method
from expint.operators import as_operator
from expint.run import StepControl
from expint.run.dense import Counted
from expint.run.loops import Accepted, to_tolerance
from expint.run.recorder import Recorder
from expint.run.tolerance import AdaptiveFailure

__all__ = [
    "ETD34",
    "ExponentialAdams",
    "ExponentialSolver",
    "LawsonDormandPrince",
    "LinearisedSolver",
    "Rosenbrock43",
    "Rosenbrock54",
    "ZotoBowman43",
    "solver_class",
]


class _Driven(OdeSolver):
    """A solver of SciPy driven by the states of a run to a tolerance."""

    integrator: str | Method
    """The method; it has an error estimate."""

    t: float
    y: np.ndarray
    _bound: Bound
    _states: Iterator[Accepted]
    _recorder: Recorder

    def _begin(
        self,
        nonlinear: Callable[..., Any],
        linear: Any,
        jac: Any,
        tolerance: Tolerance,
        first_step: float | None,
        max_step: float,
    ) -> None:
        """Bind the problem to the method, and look at the first state.

        Raises
        ------
        ValueError
            If a tolerance or a bound makes no sense.
        """
        for label, limit in (("first_step", first_step), ("max_step", max_step)):
            if limit is not None and not limit > 0:
                raise ValueError(f"expected {label} to be a positive number, received {limit}")
        reach = abs(self.t_bound - self.t)
        if first_step is not None and first_step > min(reach, max_step) and reach:
            raise ValueError(
                f"expected first_step of at most the length of the span, {reach:.6g}, and max_step, received "
                f"{first_step}; shorten it, or leave it out to have it chosen"
            )
        if not math.isfinite(self.t_bound):
            raise ValueError(f"expected a finite t_bound, in units of which steps are made, received {self.t_bound}")
        problem = Problem(nonlinear, self.y, (self.t, self.t_bound), linear, jac)
        bound = self._bound = bind(problem, self.integrator, tolerance=tolerance)
        assert bound.error is not None  # a tolerance was asked for
        control = StepControl(bound.error, None, first_step, max_step)
        policy = bound.stepper.policy(control, self.t_bound - self.t)
        self._recorder = Recorder(bound.interpolation(Counted(bound.slope)), whole=False)
        self._states = to_tolerance(bound.stepper, policy, bound.slope, self.y, self.t, [self.t_bound], control)
        if self.t != self.t_bound:
            self._advance()

    def _advance(self) -> None:
        reached = next(self._states)
        self.t, self.y = reached.t, reached.y
        self._recorder.add(reached)

    def _step_impl(self) -> tuple[bool, str | None]:
        try:
            self._advance()
        except AdaptiveFailure as failure:
            return False, str(failure)
        return True, None

    def _dense_output_impl(self) -> DenseOutput:
        return _Between(self.t_old, self.t, self._recorder.newest())


class ExponentialSolver(_Driven):
    r"""An exponential integrator behind SciPy's interface: y' = f(t, y) with a linear part L that f contains.

    .. code-block:: python

        scipy.integrate.solve_ivp(f, (0, 1), y0, method=expint.scipy.ETD34, linear=L)

    Parameters
    ----------
    fun
        The whole right-hand side f(t, y); the nonlinear part is N(t, y) = f(t, y) - L y.
    t0, y0, t_bound, vectorized
        As for every solver of SciPy.
    linear
        L: a number, a vector that multiplies elementwise, a square matrix, dense or sparse, or an operator of
        ``expint.operators``.
    rtol, atol, first_step, max_step
        As for SciPy's own solvers.

    Raises
    ------
    ValueError, TypeError
        If L does not fit the state, or a tolerance makes no sense.
    """

    integrator: str | Method = PredictorCorrector(5, ramp=True)

    def __init__(
        self,
        fun: Callable[..., Any],
        t0: float,
        y0: Any,
        t_bound: float,
        vectorized: bool = False,
        *,
        linear: Any,
        rtol: float = 1e-3,
        atol: Any = 1e-6,
        first_step: float | None = None,
        max_step: float = math.inf,
    ) -> None:
        super().__init__(fun, t0, y0, t_bound, vectorized, support_complex=True)
        whole = as_operator(np.asarray(linear) if isinstance(linear, list) else linear, self.y)
        product = whole.product(self.y)

        def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
            slope: np.ndarray = self.fun(t, y) - product(y)
            return slope

        self._begin(nonlinear, whole, None, Tolerance(rtol, atol), first_step, max_step)


class LinearisedSolver(_Driven):
    r"""A method that linearises y' = f(t, y) at every step, behind SciPy's interface; no linear part is asked for.

    .. code-block:: python

        scipy.integrate.solve_ivp(f, (0, 1), y0, method=expint.scipy.Rosenbrock54, jac=jac)

    Parameters
    ----------
    fun, t0, y0, t_bound, vectorized, rtol, atol, first_step, max_step
        As for SciPy's own solvers.
    jac
        ∂f/∂y as a function (t, y) ↦ matrix, sparse matrix or ``LinearOperator``, a constant matrix, or an object of
        ``expint.jacobian``; by default finite differences.
    jac_sparsity
        For finite differences: where ∂f/∂y may be other than zero.

    Raises
    ------
    ValueError, TypeError
        If the Jacobian does not fit the state, or a tolerance makes no sense.
    """

    integrator: str | Method = "pexprb54s4"

    def __init__(
        self,
        fun: Callable[..., Any],
        t0: float,
        y0: Any,
        t_bound: float,
        vectorized: bool = False,
        *,
        jac: Any = None,
        jac_sparsity: Any = None,
        rtol: float = 1e-3,
        atol: Any = 1e-6,
        first_step: float | None = None,
        max_step: float = math.inf,
    ) -> None:
        super().__init__(fun, t0, y0, t_bound, vectorized, support_complex=True)
        if jac is None and jac_sparsity is not None:
            jac = Differences(sparsity=jac_sparsity)
        self._begin(self.fun, None, jac, Tolerance(rtol, atol), first_step, max_step)

    def _advance(self) -> None:
        super()._advance()
        steps: Any = self._bound.stepper
        self.njev = steps.linearise.stats.jacobian_evaluations


class _Between(DenseOutput):
    """The dense output of one step in SciPy's form: times along the last axis."""

    def __init__(self, t_old: float, t: float, states: Any) -> None:
        super().__init__(t_old, t)
        self._states = states

    def _call_impl(self, t: Any) -> Any:
        values = self._states(t)
        return values if np.ndim(t) == 0 else values.T


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
    """
    chosen = find_method(method) if isinstance(method, str) else method
    base = LinearisedSolver if linearises(chosen) else ExponentialSolver
    return type(chosen.name, (base,), {"integrator": chosen, "__doc__": base.__doc__})


class ETD34(ExponentialSolver):
    """Krogstad's fourth-order method with an embedded third-order one; see ``ExponentialSolver``.

    Its error estimate does not see a part of N that depends on time alone: where that is what drives the solution, the
    others keep the tolerance.
    """

    integrator = "etd34"


class ZotoBowman43(ExponentialSolver):
    """The pair of orders 4 and 3 of Zoto and Bowman, of stiff order 3; see ``ExponentialSolver``."""

    integrator = "zoto-bowman43"


class LawsonDormandPrince(ExponentialSolver):
    """Dormand and Prince's pair of orders 5 and 4 behind an integrating factor; see ``ExponentialSolver``."""

    integrator = "lawson-dormand-prince54"


class ExponentialAdams(ExponentialSolver):
    """Exponential Adams pairs of orders up to 5: one evaluation of f a step; see ``ExponentialSolver``."""

    integrator = PredictorCorrector(4, ramp=True)


class Rosenbrock43(LinearisedSolver):
    """The exponential Rosenbrock pair exprb43, of stiff orders 4 and 3; see ``LinearisedSolver``."""

    integrator = "exprb43"


class Rosenbrock54(LinearisedSolver):
    """The exponential Rosenbrock pair pexprb54s4, of orders 5 and 4; see ``LinearisedSolver``."""

    integrator: str | Method = "pexprb54s4"
