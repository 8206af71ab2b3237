"""The compiled function of a run with fixed steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from expint.arguments import instance, is_traced, number, seen
from expint.backend import Array, array_namespace, device, is_array, is_jax, is_torch
from expint.ivp.scanning.sources import GUESTS, Given, OfPlan, OfProblem
from expint.lower import Plan

__all__ = ["Scan"]


class Scan:
    """The compiled function of a run with fixed steps, y_0 ↦ y(t_end); made by ``expint.scan``.

    Attributes
    ----------
    times
        The times of the states, (n + 1,).
    runner
        What runs it, in words; known once it has run.
    """

    def __init__(
        self,
        rows: OfPlan | OfProblem,
        nonlinear: Callable[..., Array],
        y0: Array | None,
        times: np.ndarray,
        uniform: bool,
        args: tuple[Any, ...],
        checkpoint: bool,
        backend: str,
    ) -> None:
        self._rows, self._nonlinear, self._y0, self.times, self._uniform = rows, nonlinear, y0, times, uniform
        self._args, self._checkpoint, self._backend = args, checkpoint, backend

    def __call__(
        self,
        y0: Array | None = None,
        *,
        step: Any = None,
        linear: Any = None,
        plan: Plan | None = None,
        args: tuple[Any, ...] | None = None,
        earlier: Sequence[Array] = (),
        noise: Array | None = None,
    ) -> Array:
        """Return the last state of the run from ``y0``.

        Parameters
        ----------
        y0
            The first state; by default that of the problem.
        step
            Another step size h: as many steps are made, so that the run ends at t_0 + n h. Nothing is compiled anew.
            JAX may trace it, and differentiates by it, where L is elementwise.
        linear
            JAX, elementwise L: another number or symbol, of the shape of the first; it may be traced.
        plan
            Another plan with the same pattern of rows, whose numbers take the place of these.
        args
            Further arguments of N.
        earlier
            The states before ``y0``, newest first, for plans that look at them from their first row on.
        noise
            For plans that draw noise: their random columns, (n, columns, *y0.shape), in the order of the steps.

        Returns
        -------
        array
            y(t_end), of the shape, precision and device of ``y0``.

        Raises
        ------
        ValueError, TypeError
            If the arguments do not fit the run.
        """
        return self._by(False, y0, Given(step, linear, plan, args, earlier, noise))

    def states(self, y0: Array | None = None, **options: Any) -> Array:
        """Return the states of all steps, ``y0`` first, of shape (n + 1, *y0.shape); options as in a call."""
        return self._by(True, y0, Given(**options))

    @property
    def runner(self) -> str:
        """What runs it, in words."""
        guests = self.__dict__.get("_guests", {})
        return next((guest.name for guest in guests.values()), "not run yet")

    def _by(self, every: bool, y0: Any, given: Given) -> Array:
        (y, guest), (step, linear, plan, args, earlier, noise) = self._begun(y0), given
        args = self._args if args is None else tuple(instance("args", args, (tuple, list), "a tuple"))
        if plan is not None and (step is not None or linear is not None):
            raise ValueError("expected a plan, or a step size and an L, received both; leave one of them out")
        if linear is not None or is_traced(step):
            return self._by_recipes(guest, y, step, linear, args, every)
        if plan is not None:
            instance("plan", plan, Plan, "a Plan")
        elif step is None:
            plan = self._plan(guest, y)
        else:
            plan = guest.outside(partial(self._rows.lowered, guest.template(y), self._moved(step)))
        _check_noise(plan, noise)
        return guest.by_plan(plan, y, args, every, tuple(earlier), noise)

    def _by_recipes(self, guest: Any, y: Array, step: Any, linear: Any, args: tuple[Any, ...], every: bool) -> Array:
        """Run with weights that are made on the way."""
        self._uniformly("step" if linear is None else "linear")
        plan = self._plan(guest, y)
        elementwise = getattr(plan.operator, "elementwise", False)
        if not hasattr(guest, "by_recipes") or not elementwise:
            what = f"states of {guest.library}" if elementwise else repr(plan.operator)
            raise TypeError(
                "expected states of JAX and an elementwise L for a step size or an L that is an argument of what is "
                f"compiled, received {what}; pass step= as a number that is known, or make another scan"
            )
        if linear is not None:
            _check_linear(plan.operator, linear, y)
        direction = math.copysign(1.0, self.times[-1] - self.times[0])
        h = self.times[1] - self.times[0] if step is None else direction * abs(step)
        symbol = plan.operator.values if linear is None else linear  # type: ignore[attr-defined]  # of diagonal operators
        return guest.by_recipes(self._recipes(guest), plan, float(self.times[0]), h, symbol, y, args, every)

    def _recipes(self, guest: Any) -> Any:
        """Return the exact steps, made when first asked for."""
        known = vars(self)
        if "_exact" not in known:
            known["_exact"] = guest.recipes(self._rows.method, len(self.times) - 1)  # type: ignore[union-attr]  # of JAX alone
        return known["_exact"]

    def _begun(self, y0: Any) -> tuple[Array, Any]:
        """Return the first state, and what compiles for its library."""
        y = self._y0 if y0 is None else y0
        if y is None:
            raise ValueError("expected y0 for a plan, which knows no state, received none")
        if isinstance(y, np.ndarray | np.generic) and self._y0 is not None and not isinstance(self._y0, np.ndarray):
            xp = array_namespace(self._y0)
            y = xp.asarray(y, dtype=self._y0.dtype, device=device(self._y0))
        xp = array_namespace(y) if is_array(y) else None
        library = "" if xp is None else "jax" if is_jax(xp) else "torch" if is_torch(xp) else ""
        if not library:
            raise TypeError(
                f"expected a state of JAX or torch, received {seen(y)}; make the problem of such arrays, with an N of "
                "that library, or take expint.solve_ivp"
            )
        if self._y0 is not None and tuple(y.shape) != tuple(self._y0.shape):
            raise ValueError(
                f"expected y0 of shape {tuple(self._y0.shape)}, that of the problem, received {tuple(y.shape)}; "
                "take jax.vmap for several states"
            )
        return y, self._guest(library)

    def _guest(self, library: str) -> Any:
        known = vars(self).setdefault("_guests", {})
        if library not in known:
            known[library] = import_module(GUESTS[library]).guest(self._nonlinear, self._checkpoint, self._backend)
        return known[library]

    def _plan(self, guest: Any, y: Array) -> Plan:
        """Return the plan of the run for states like ``y``; it is made once."""
        known, key = vars(self).setdefault("_plans", {}), guest.key(y)
        if key not in known:
            known[key] = guest.outside(partial(self._rows.lowered, guest.template(y), self.times))
        return known[key]

    def _moved(self, step: Any) -> np.ndarray:
        """Return the times of a run with another step size."""
        self._uniformly("step")
        h = math.copysign(abs(number("step", step)), self.times[-1] - self.times[0])
        if h == 0:
            raise ValueError(f"expected a step size other than 0, received {step!r}")
        return self.times[0] + h * np.arange(len(self.times))

    def _uniformly(self, name: str) -> None:
        """Refuse another step size, or L, of steps that are laid out already or that differ."""
        if not self._uniform:
            received = "a plan" if isinstance(self._rows, OfPlan) else "grid="
            raise ValueError(f"expected a run made with step=, of equal steps, beside {name}=, received {received}")

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what was made on the way: it is made again."""
        return {name: own for name, own in vars(self).items() if name not in ("_guests", "_plans", "_exact")}

    def __repr__(self) -> str:
        rows = self._rows
        said = f"{rows.method.name}, {rows.operator!r}" if isinstance(rows, OfProblem) else repr(rows.plan)
        return f"Scan({len(self.times) - 1} steps from {self.times[0]:.6g} to {self.times[-1]:.6g}, {said})"


def _check_linear(operator: Any, linear: Any, y: Array) -> None:
    """Refuse an L that does not fit the weights of a run."""
    if np.shape(linear) != np.shape(operator.values):
        raise ValueError(
            f"expected linear of shape {np.shape(operator.values)}, as in the problem, received {np.shape(linear)}; "
            "make a scan of another problem"
        )
    kind = linear.dtype if hasattr(linear, "dtype") else np.result_type(linear)
    if np.issubdtype(kind, np.complexfloating) and not np.issubdtype(y.dtype, np.complexfloating):
        raise TypeError(f"expected a complex state for a complex linear, received y0 of dtype {y.dtype}")


def _check_noise(plan: Plan, noise: Any) -> None:
    """Refuse noise that does not fit the plan."""
    wanted = (len(plan.steps) - 1, plan.layout.noise)
    if not plan.layout.noise and noise is None:
        return
    if noise is None or not plan.layout.noise or tuple(noise.shape[:2]) != wanted:
        received = "none" if noise is None else f"an array of shape {tuple(noise.shape)}"
        what = f"noise of shape ({wanted[0]}, {wanted[1]}, …)" if plan.layout.noise else "no noise"
        raise ValueError(f"expected {what} for this plan, received {received}")
