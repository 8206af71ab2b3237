"""Compiled runs that choose their steps, for JAX."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np

from expint.arguments import choice, integer, is_traced, number, seen
from expint.backend import Array, array_namespace, is_array, is_jax
from expint.derive.kinds.stage import Method
from expint.given import given_times
from expint.ivp.bind import bind
from expint.ivp.bound import Problem, Tolerance
from expint.ivp.checks import check_controller, check_rtol, no_force
from expint.ivp.times import StepLimits, lay_out_stops
from expint.problem import SemilinearProblem
from expint.run import Controller, ErrorNorm, StepControl

__all__ = ["Asked", "ScanToTolerance", "scan_to_tolerance"]

_DEFAULT = "etd35"
"""The pair that is taken when none is asked for: of order 5, it takes three quarters of the evaluations of etd34 to an
error of 1e-4 of the Kuramoto–Sivashinsky equation, and three fifths to 1e-8 (``python -m benchmarks.compiled``)."""

_MOST = 4096
"""The most steps, if nothing else is said."""


class Asked(NamedTuple):
    """What is asked of the steps; the attributes are those of ``expint.scan``."""

    rtol: Any = None
    atol: Any = None
    norm: Callable[[Array], Array] | Literal["max"] | None = None
    first_step: float | None = None
    max_step: float | None = None
    max_steps: int | None = None
    controller: Controller | None = None
    gradient: Literal["reverse", "forward"] | None = None


def scan_to_tolerance(
    problem: SemilinearProblem, method: str | Method, span: Any, args: tuple[Any, ...], asked: Asked
) -> ScanToTolerance:
    """Return the compiled function of a run to a tolerance; see ``expint.scan``.

    Raises
    ------
    TypeError
        If the state is none of JAX, or L is not elementwise.
    ValueError
        If the method has several steps, or no estimate of its errors, or a tolerance makes no sense.
    """
    y0 = problem.y0
    if not is_array(y0) or not is_jax(array_namespace(y0)):
        raise TypeError(
            f"expected a state of JAX for a compiled run to a tolerance, received {seen(y0)}; take expint.solve_ivp, "
            "or step="
        )
    way = "reverse" if asked.gradient is None else choice("gradient", asked.gradient, ("reverse", "forward"))
    check_controller(asked.controller)
    most = integer("max_steps", _MOST if asked.max_steps is None else asked.max_steps)
    largest = math.inf if asked.max_step is None else asked.max_step
    times = given_times(span, None, None, None, asked.first_step, largest, most)
    limits = StepLimits(times.first, times.largest, times.most)
    lay_out_stops(times.span, None, limits)
    rtol = number("rtol", asked.rtol) if asked.rtol is not None else None
    method = _DEFAULT if method == "auto" else method
    template = array_namespace(y0).ones(y0.shape, dtype=y0.dtype)
    bound = bind(Problem(no_force, template, times.span, problem.linear), method, None, Tolerance(rtol, asked.atol))
    fixed = bind(Problem(no_force, template, times.span, problem.linear), bound.method)
    operator = None if fixed.operator is None else fixed.operator
    if bound.method.history > 1 or not getattr(operator, "elementwise", False):
        received = bound.method.name if bound.method.history > 1 else repr(operator)
        raise TypeError(
            "expected a one-step method with an error estimate, such as 'etd34', and an L that multiplies elementwise, "
            f"received {received}; take those, or expint.solve_ivp, which compiles nothing"
        )
    norm: Any = array_namespace(y0).max if asked.norm == "max" else asked.norm
    found = float(np.min(np.asarray(check_rtol(rtol, template))))
    forgets = bound.error is not None and bound.error.forgets
    error = ErrorNorm(found, 0.0 if asked.atol is None else asked.atol, norm, forgets=forgets)
    control = StepControl(error, asked.controller, *limits.sizes(), looks=problem.nonlinear is not None, strides=False)
    forced = no_force if problem.nonlinear is None else problem.nonlinear
    made = (forced, bound.method, operator, times.span, replace(control, most=most), way == "forward")
    return ScanToTolerance(made, y0, tuple(args), found, asked.atol)


class ScanToTolerance:
    """The compiled function of a run that chooses its steps, y_0 ↦ y(t_end); made by ``expint.scan(…, rtol=…)``."""

    def __init__(self, made: tuple[Any, ...], y0: Array, args: tuple[Any, ...], rtol: float, atol: Any) -> None:
        self._made, self._y0, self._args, self._rtol, self._atol = made, y0, args, rtol, atol

    def __call__(self, y0: Array | None = None, **options: Any) -> Array:
        """Return the state at the end of the run from ``y0``; nan where it does not get there.

        Parameters
        ----------
        y0, options
            As for ``reached``, which says why.
        """
        jnp = array_namespace(self._y0)
        reached = self.reached(y0, **options)
        return jnp.where(reached.status == 0, reached.y, jnp.nan)

    def reached(
        self,
        y0: Array | None = None,
        *,
        rtol: Any = None,
        atol: Any = None,
        args: tuple[Any, ...] | None = None,
    ) -> Any:
        """Return where the run from ``y0`` ended, with its status and its cost, as a structure of arrays.

        Parameters
        ----------
        y0
            The first state; by default that of the problem.
        rtol, atol
            Other tolerances; nothing is compiled anew, and JAX may trace them.
        args
            Further arguments of N.

        Returns
        -------
        Reached
            ``y``, ``t``, ``status`` (0, or that of ``expint.Status``), ``steps``, ``rejected``, ``evaluations``.
        """
        y = self._y0 if y0 is None else array_namespace(self._y0).asarray(y0, dtype=getattr(y0, "dtype", None))
        if tuple(y.shape) != tuple(self._y0.shape):
            raise ValueError(
                f"expected y0 of shape {tuple(self._y0.shape)}, that of the problem, received {tuple(y.shape)}; "
                "take jax.vmap for several states"
            )
        given = self._args if args is None else tuple(args)
        if atol is None and self._atol is None and not is_traced(y) and not np.any(np.asarray(y)):
            raise ValueError(
                "expected atol= for a run from zero, which has no size of its own, received none; give one"
            )
        rtol = rtol if rtol is None or is_traced(rtol) else check_rtol(rtol, self._y0)
        return self._runs.run(y, given, self._rtol if rtol is None else rtol, self._atol if atol is None else atol)

    @property
    def runner(self) -> str:
        """What runs it, in words."""
        return "jax.lax.while_loop, compiled by XLA"

    @property
    def _runs(self) -> Any:
        """What compiles the run, made when first asked for."""
        known = vars(self)
        if "_compiled" not in known:
            make = import_module("expint.run.compiled.jax_tolerance").RunsToTolerance
            known["_compiled"] = make(*self._made)
        return known["_compiled"]

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what was made on the way."""
        return {name: own for name, own in vars(self).items() if name != "_compiled"}

    def __repr__(self) -> str:
        _, method, operator, span, _, forward = self._made
        return (
            f"ScanToTolerance(rtol = {self._rtol:g}, from {span[0]:.6g} to {span[1]:.6g}, {method.name}, {operator!r}, "
            f"{'forward' if forward else 'reverse'} derivatives)"
        )
