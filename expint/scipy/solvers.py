"""What drives an exponential integrator by SciPy's interface of solver classes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.integrate import DenseOutput, OdeSolver

from expint.arguments import flag, function, number, seen
from expint.arrays import complex_values, real_values
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.derive.kinds.stage import Method
from expint.exchange import lent
from expint.ivp.bind import bind
from expint.ivp.bound import Bound, Problem, Tolerance
from expint.jacobian import Differences
from expint.operators import as_operator
from expint.run import StepControl
from expint.run.dense import Counted
from expint.run.loops import Accepted, to_tolerance
from expint.run.tolerance import AdaptiveFailure
from expint.run.watch import Recorder
from expint.solution import Status

__all__ = ["ExponentialSolver", "LinearisedSolver"]


_FIRST_PIECE = 100.0
"""The first piece of a run without end, in units of the time in which the state changes by its size."""

_NOT_FINITE = "; in SciPy's words: All components of the initial state `y0` must be finite."
"""What programs that catch SciPy's error may look for."""

_LONGER = 10.0
"""By how much each piece is longer than the one before."""


class _Driven(OdeSolver):
    """A solver of SciPy driven by the states of a run to a tolerance."""

    integrator: str | Method
    """The method; it has an error estimate."""

    t: float
    y: np.ndarray
    _bound: Bound
    _states: Iterator[Accepted]
    _recorder: Recorder

    def _open(self, fun: Any, t0: Any, y0: Any, t_bound: Any, vectorized: Any) -> None:
        """Begin as every solver of SciPy does, with arguments that are what they are meant to be."""
        function("fun", fun, "(t, y)")
        state = complex_values("y0", y0)
        if state.ndim != 1 or not np.isfinite(state).all():
            also = _NOT_FINITE if state.ndim == 1 else ""
            raise ValueError(f"expected y0 to be a vector of finite numbers, received {seen(state)}{also}")
        span = number("t0", t0), number("t_bound", t_bound, finite=False)
        super().__init__(
            _of_kind(fun, state), span[0], state, span[1], flag("vectorized", vectorized), support_complex=True
        )

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
            if (limit is not None or label == "max_step") and not number(label, limit, finite=False) > 0:
                raise ValueError(f"expected {label} to be a positive number, received {limit}")
        reach = abs(self.t_bound - self.t)
        if first_step is not None and first_step > reach > 0:
            raise ValueError(
                f"expected first_step of at most the length of the span, {reach:.6g}, received {first_step}; shorten "
                "it, or leave it out to have it chosen"
            )
        if math.isnan(self.t_bound):
            raise ValueError("expected t_bound to be a number or ±inf, received nan")
        if self.n == 0:
            return  # SciPy makes the one step that there is
        self.y = self.y.copy()  # it may be the user's own array
        problem = Problem(nonlinear, self.y, (self.t, self._horizon(nonlinear)), linear, jac)
        self._bound = bind(problem, self.integrator, tolerance=_as_scipy(tolerance))
        first = None if first_step is None else min(first_step, max_step)
        self._states = self._run(problem.span[1], first, max_step)
        if self.t != self.t_bound:
            self._advance()

    def _horizon(self, slope: Callable[..., Any]) -> float:
        """Return the end of the run, or of its first piece where it has no end."""
        if math.isfinite(self.t_bound):
            return self.t_bound
        size, rate = np.linalg.norm(self.y), np.linalg.norm(slope(self.t, self.y))
        time = float(size / rate) if size > 0 and 0 < rate < math.inf else 1.0
        return self.t + self.direction * max(_FIRST_PIECE * time, abs(self.t) * 1e-6)

    def _run(self, end: float, first: float | None, largest: float) -> Iterator[Accepted]:
        """Yield the states of a run to ``end``, and where that is not t_bound, of pieces each longer than those before.

        Steps are made in units of a span, which a run without end has not.
        """
        bound, t, y, span = self._bound, self.t, self.y, abs(end - self.t)
        assert bound.error is not None  # a tolerance was asked for
        reached = None
        while True:
            control = StepControl(bound.error, None, first, largest, strides=False)  # SciPy may watch events
            policy = bound.stepper.policy(control, end - t)
            self._recorder = Recorder(bound.interpolation(Counted(bound.slope)), whole=False)
            states = to_tolerance(bound.stepper, policy, bound.slope, y, t, [end], control)
            start = next(states)
            self._recorder.add(start)
            if reached is None:
                yield start
            for reached in states:
                self._recorder.add(reached)
                yield reached
                first, t, y = abs(reached.t - t), reached.t, reached.y
            if end == self.t_bound:
                return
            span *= _LONGER
            end = t + self.direction * span
            if not math.isfinite(end):
                raise AdaptiveFailure(
                    Status.STEP_TOO_SMALL,
                    f"expected a terminal event to end a run to {self.t_bound}, received none up to t = {t:.6g}",
                )

    def _advance(self) -> None:
        reached = next(self._states)
        self.t, self.y = reached.t, lent(reached.y)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Say that a solver on its way is no value: it is a loop that waits, as those of SciPy wrap local functions."""
        raise TypeError(
            f"expected a solution to copy or to pickle, received a {type(self).__name__} in the middle of its run; "
            "begin another from its t and y, or step by expint.begin and expint.step, whose states are values"
        )

    def _step_impl(self) -> tuple[bool, str | None]:
        try:
            self._advance()
        except AdaptiveFailure as failure:
            told = f"{self.TOO_SMALL_STEP} " if failure.status == Status.STEP_TOO_SMALL else ""
            return False, f"{told}{failure}"
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
        As for every solver of SciPy. A run to t_bound = ±inf ends by an event, or where the numbers end.
    linear
        L: a number, a vector that multiplies elementwise, a square matrix, dense or sparse, or an operator of
        ``expint.operators``.
    rtol, atol, first_step, max_step
        As for SciPy's own solvers: an rtol below 100 roundings is raised to that, with a warning, and so are options of
        other solvers warned of.

    Raises
    ------
    ValueError, TypeError
        If L does not fit the state, or a tolerance makes no sense.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> options = {"method": expint.scipy.ETD34, "linear": -1.0, "rtol": 1e-8}
    >>> run = scipy.integrate.solve_ivp(lambda t, y: -y - y**2, (0, 1), [1.0], **options)
    >>> bool(np.isclose(run.y[0, -1], 1.0 / (2.0 * np.e - 1.0)))
    True
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
        rtol: Any = 1e-3,
        atol: Any = 1e-6,
        first_step: float | None = None,
        max_step: float = math.inf,
        **extraneous: Any,
    ) -> None:
        _warn_of(extraneous)
        self._open(fun, t0, y0, t_bound, vectorized)
        if self.n == 0:
            return  # SciPy makes the one step that there is
        whole = as_operator(linear, self.y)
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

    Examples
    --------
    >>> import numpy as np, scipy.integrate, expint.scipy
    >>> method = expint.scipy.Rosenbrock43
    >>> run = scipy.integrate.solve_ivp(lambda t, y: -(y**3), (0, 1), [1.0], method=method, rtol=1e-8)
    >>> bool(np.isclose(run.y[0, -1], 3.0**-0.5))
    True
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
        rtol: Any = 1e-3,
        atol: Any = 1e-6,
        first_step: float | None = None,
        max_step: float = math.inf,
        **extraneous: Any,
    ) -> None:
        _warn_of(extraneous)
        self._open(fun, t0, y0, t_bound, vectorized)
        if jac is None and jac_sparsity is not None:
            jac = Differences(sparsity=jac_sparsity)
        self._begin(self.fun, None, jac, Tolerance(rtol, atol), first_step, max_step)

    def _advance(self) -> None:
        super()._advance()
        steps: Any = self._bound.stepper
        self.njev = steps.linearise.stats.jacobian_evaluations


def _as_scipy(tolerance: Tolerance) -> Tolerance:
    """Return the tolerance, raised as SciPy raises it to what double precision can keep, with its warning."""
    least = 100 * np.finfo(float).eps
    rtol = real_values("rtol", tolerance.rtol)
    if np.all(rtol >= 0) and np.any(rtol < least):
        warnings.warn(
            f"At least one element of `rtol` is too small. Setting `rtol = np.maximum(rtol, {least})`.", stacklevel=5
        )
        return tolerance._replace(rtol=np.maximum(rtol, least))
    return tolerance


def _of_kind(fun: Callable[..., Any], y0: Any) -> Callable[..., Any]:
    """Return ``fun``, which for real states may not return complex values: SciPy would drop their imaginary part."""
    if np.iscomplexobj(y0):
        return fun

    def real(t: float, y: np.ndarray) -> Any:
        value = fun(t, y)
        if np.iscomplexobj(value):
            raise TypeError(
                "expected fun(t, y) to return real values for a real y0, received complex ones, whose imaginary part "
                "would be lost; pass a complex y0: y0.astype(complex)"
            )
        return value

    return real


def _warn_of(extraneous: dict[str, Any]) -> None:
    """Warn of options of other solvers, as SciPy's do."""
    if extraneous:
        names = ", ".join(f"`{name}`" for name in extraneous)
        warnings.warn(f"The following arguments have no effect for a chosen solver: {names}.", stacklevel=3)


class _Between(DenseOutput):
    """The dense output of one step in SciPy's form: times along the last axis."""

    def __init__(self, t_old: float, t: float, states: Any) -> None:
        super().__init__(t_old, t)
        self._states = states

    def _call_impl(self, t: Any) -> Any:
        times = np.atleast_1d(t)
        outside = (times < self.t_min) | (times > self.t_max)  # SciPy's solutions go on there
        values = np.asarray(self._states(np.clip(times, self.t_min, self.t_max)))
        if outside.any():
            values[outside] = self._states.beyond(times[outside].tolist())
        return values[0] if np.ndim(t) == 0 else values.T
