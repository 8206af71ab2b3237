"""The door to compiled runs: one function of a fixed-step run, or of a run to a tolerance, for JAX and torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np

from expint.arguments import flag, instance, is_traced, number, seen
from expint.backend import Array, array_namespace, device, is_array, is_jax, is_torch
from expint.derive.kinds.stage import Method
from expint.given import given_times
from expint.ivp.bind import bind
from expint.ivp.bound import Bound, Problem
from expint.ivp.checks import check_function, no_force, refuse_tolerances
from expint.ivp.scanning.to_tolerance import Asked, ScanToTolerance, scan_to_tolerance
from expint.ivp.times import check_history, lay_out_times
from expint.lower import Plan
from expint.problem import SemilinearProblem
from expint.run import Controller

__all__ = ["Scan", "scan"]

_GUESTS = {"jax": "expint.run.compiled.jax_runs", "torch": "expint.run.compiled.torch_runs"}
"""What compiles for each library; imported when its arrays arrive."""

_NOT_COMPILED = {
    "events": "events end a run, or not, by what its states are",
    "dense_output": "nothing is kept between the steps",
    "callback": "Python is not entered during the run",
    "progress": "Python is not entered during the run",
    "save": "run.states returns all states, from which it can be made",
    "t_eval": "steps end where step= and grid= say, and run.states returns all of them",
    "jac": "methods that linearise make their rows on the way",
    "breakpoints": "put them among the times of grid=",
    "checkpoint_every": "a compiled run is not written down on its way",
}
"""Options of ``solve_ivp`` that a compiled run cannot heed, and why."""


def scan(
    problem: SemilinearProblem | Plan,
    nonlinear: Callable[..., Array] | None = None,
    *,
    method: str | Method = "auto",
    step: float | None = None,
    grid: Sequence[float] | None = None,
    t_span: tuple[float, float] | None = None,
    args: tuple[Any, ...] = (),
    checkpoint: bool = False,
    backend: str = "auto",
    rtol: float | None = None,
    atol: float | None = None,
    norm: Callable[[Array], Array] | Literal["max"] | None = None,
    first_step: float | None = None,
    max_step: float | None = None,
    max_steps: int | None = None,
    controller: Controller | None = None,
    gradient: Literal["reverse", "forward"] | None = None,
    **others: Any,
) -> Scan | ScanToTolerance:
    r"""Return one compiled function of a run of y' = L y + N(t, y), with fixed steps or to a tolerance: y_0 ↦ y(t_end).

    With fixed steps: in JAX the steps are one ``lax.scan`` over the rows of the plan; the time to compile does not
    depend on their number. The function is compiled once and taken again for other states, other arguments of N,
    another step size, another symbol L, and other plans of the same pattern of rows. ``jax.jit``, ``grad``, ``jvp`` and
    ``vmap`` apply to it. In torch a step is compiled by ``torch.compile``, or captured as a CUDA graph, and made as
    often as there are steps; gradients are recorded.

    To a tolerance, ``rtol=`` in place of ``step=`` and ``grid=``, in JAX: one ``lax.while_loop`` that takes the steps
    that ``solve_ivp`` takes where events are watched, with weights made on the way.

    Parameters
    ----------
    problem
        A problem whose state is an array of JAX or torch; or a ``Plan``, beside which ``nonlinear`` is given.
    nonlinear
        N(t, y, *args) for a plan. In what is compiled t is an array of shape (), of the precision of the state but
        single at least.
    method, step, grid
        As in ``solve_ivp``. Methods whose rows are known beforehand: all with a fixed L.
    t_span
        Instead of that of the problem.
    args
        Further arguments of N, arrays or structures of them; a call may give others.
    checkpoint
        JAX: whether a gradient keeps about √n of n states and makes the others anew, in place of all.
    backend
        torch: "inductor" (``torch.compile``, which needs a C++ compiler on the host), "cuda-graph", "eager" (as it is),
        or "auto": a CUDA graph on a GPU where no gradient is recorded, else "inductor" where a compiler is at hand,
        else "eager". ``run.runner`` says which. JAX: "auto" or "xla".
    rtol, atol, norm, first_step, max_step, controller
        As in ``solve_ivp``, for one-step methods with an error estimate and an elementwise L. The norm is a function of
        arrays of JAX. Without ``atol`` it is rtol times the root mean square of the state from which a run begins: give
        one where that is zero. "auto" takes etd35.
    max_steps
        The most steps to a tolerance, 4096 by default: a gradient keeps as many states.
    gradient
        To a tolerance, where steps are constants of the gradient: "reverse", the default, for ``jax.grad`` and ``vjp``
        of y_0, ``args`` and what N holds; "forward" for ``jvp`` and ``jacfwd``. JAX has no rule for both of a loop
        whose length is not known.

    Returns
    -------
    Scan or ScanToTolerance
        The function.

    Raises
    ------
    ValueError
        If an option is given that a compiled run cannot heed, such as ``events``, or times make no sense.
    TypeError
        For methods and operators whose rows are not known beforehand: those that linearise, L(t), Krylov iterations.
    RuntimeError
        If the backend that is asked for is not at hand.

    Notes
    -----
    What is compiled does not look at its states: a run that leaves the finite numbers returns inf or nan.

    Examples
    --------
    >>> import expint, jax, jax.numpy as jnp
    >>> problem = expint.SemilinearProblem(-1.0, lambda t, y: y**2, jnp.array([0.5]), (0.0, 1.0))
    >>> run = expint.scan(problem, method="krogstad4", step=0.1)
    >>> print(f"{run(jnp.array([0.5]))[0]:.4f}")  # 1 / (1 + e)
    0.2689
    """
    _refuse_others(others)
    checkpoint = flag("checkpoint", checkpoint)
    instance("problem", problem, (SemilinearProblem, Plan), "a SemilinearProblem or a Plan")
    asked = Asked(rtol, atol, norm, first_step, max_step, max_steps, controller, gradient)
    if isinstance(problem, Plan):
        given = {"method": None if method == "auto" else method, "step": step, "grid": grid, "t_span": t_span}
        unheeded = [name for name, value in (given | asked._asdict()).items() if value is not None]
        if unheeded:
            raise ValueError(
                f"expected a plan alone, whose steps are laid out, received {', '.join(unheeded)} beside it; leave "
                "them out, or pass a problem"
            )
        check_function(nonlinear, args, "N(t, y) beside a plan, which knows none")
        assert nonlinear is not None  # checked
        return Scan(_OfPlan(problem), nonlinear, None, problem.times, False, tuple(args), checkpoint, backend)
    if nonlinear is not None:
        raise ValueError(
            f"expected a problem alone, which has its N, received {seen(nonlinear)} beside it; leave it out, or pass a "
            "plan"
        )
    forced = no_force if problem.nonlinear is None else problem.nonlinear
    check_function(forced, args, "nonlinear(t, y)")
    span = problem.t_span if t_span is None else t_span
    if rtol is not None or atol is not None:
        _refuse_beside(step=step, grid=grid, checkpoint=checkpoint or None)
        return scan_to_tolerance(problem, method, span, tuple(args), asked)
    refuse_tolerances(**asked._asdict())
    times = given_times(span, step, grid, None, None, math.inf, math.inf)
    laid_out, _ = lay_out_times(times.span, times.step, times.grid, None)
    bound = _bound(problem.linear, problem.y0, times.span, method)
    check_history(bound.method, len(laid_out) - 1)
    rows = _OfProblem(bound.operator, bound.method, times.span)
    return Scan(rows, forced, problem.y0, laid_out, times.grid is None, tuple(args), checkpoint, backend)


def _refuse_beside(**given: Any) -> None:
    """Refuse what a run to a tolerance cannot heed."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ValueError(
            f"expected either fixed steps or a tolerance, received {', '.join(names)} beside rtol or atol; leave one "
            "of them out"
        )


def _refuse_others(others: Mapping[str, Any]) -> None:
    """Refuse options of ``solve_ivp`` that a compiled run cannot heed, and those that nobody knows."""
    for name in others:
        if name not in _NOT_COMPILED:
            raise TypeError(f"expected options of expint.scan, received {name}=, which it does not know")
    given = [name for name, value in others.items() if value is not None and value is not False]
    if given:
        raise ValueError(
            f"expected options that a compiled run can heed, received {given[0]}=: {_NOT_COMPILED[given[0]]}; take "
            "expint.solve_ivp for it"
        )


@dataclass(frozen=True)
class _OfPlan:
    """The rows of a plan that is given."""

    plan: Plan

    def lowered(self, like: Array, times: np.ndarray) -> Plan:
        """Return it."""
        del like, times
        return self.plan


@dataclass(frozen=True)
class _OfProblem:
    """The rows of a method for the operator of a problem: always the same one, so that what is compiled is, too."""

    operator: Any
    method: Method
    span: tuple[float, float]

    def lowered(self, like: Array, times: np.ndarray) -> Plan:
        """Return the plan over ``times`` for states like one."""
        lowered = _bound(self.operator, like, self.span, self.method).lowered
        assert lowered is not None  # checked
        return lowered(times)


def _bound(linear: Any, like: Array, span: tuple[float, float], method: str | Method) -> Bound:
    """Return the method and the operator, bound to an N that is none.

    Raises
    ------
    TypeError
        If its rows are not known beforehand.
    """
    found = bind(Problem(no_force, like, span, linear), method)
    if found.lowered is None:
        raise TypeError(
            f"expected a method whose rows are known beforehand, with a fixed L, received {found.method.name} for "
            f"linear = {seen(linear)}; take one such as 'krogstad4', or expint.solve_ivp"
        )
    return found


class _Given(NamedTuple):
    """What a call may give; see ``Scan.__call__``."""

    step: Any = None
    linear: Any = None
    plan: Plan | None = None
    args: tuple[Any, ...] | None = None
    earlier: Sequence[Array] = ()
    noise: Array | None = None


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
        rows: _OfPlan | _OfProblem,
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
        return self._by(False, y0, _Given(step, linear, plan, args, earlier, noise))

    def states(self, y0: Array | None = None, **options: Any) -> Array:
        """Return the states of all steps, ``y0`` first, of shape (n + 1, *y0.shape); options as in a call."""
        return self._by(True, y0, _Given(**options))

    @property
    def runner(self) -> str:
        """What runs it, in words."""
        guests = self.__dict__.get("_guests", {})
        return next((guest.name for guest in guests.values()), "not run yet")

    def _by(self, every: bool, y0: Any, given: _Given) -> Array:
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
            known[library] = import_module(_GUESTS[library]).guest(self._nonlinear, self._checkpoint, self._backend)
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
            received = "a plan" if isinstance(self._rows, _OfPlan) else "grid="
            raise ValueError(f"expected a run made with step=, of equal steps, beside {name}=, received {received}")

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what was made on the way: it is made again."""
        return {name: own for name, own in vars(self).items() if name not in ("_guests", "_plans", "_exact")}

    def __repr__(self) -> str:
        rows = self._rows
        said = f"{rows.method.name}, {rows.operator!r}" if isinstance(rows, _OfProblem) else repr(rows.plan)
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
