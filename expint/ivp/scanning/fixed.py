"""The door to compiled runs: one function of a fixed-step run, or of a run to a tolerance, for JAX and torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from expint.arguments import choice, flag, instance, seen
from expint.backend import Array
from expint.derive.kinds.stage import Method
from expint.given import given_times
from expint.ivp.checks import check_function, no_force, refuse_tolerances
from expint.ivp.scanning.of_plan import Scan
from expint.ivp.scanning.sources import OfPlan, OfProblem, bound_of
from expint.ivp.scanning.to_tolerance import Asked, ScanToTolerance, scan_to_tolerance
from expint.ivp.times import check_history, lay_out_times
from expint.lower import Plan
from expint.problem import SemilinearProblem
from expint.run import Controller

__all__ = ["Scan", "scan"]

_BACKENDS = ("auto", "xla", "inductor", "cuda-graph", "eager")
"""Those of all libraries; each guest knows its own."""

_NOT_COMPILED = {
    "events": "events end a run, or not, by what its states are",
    "dense_output": "nothing is kept between the steps",
    "callback": "Python is not entered during the run",
    "progress": "Python is not entered during the run",
    "save": "run.states returns all states, from which it can be made",
    "save_to": "run.states returns all states, which can be written",
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
    backend: Literal["auto", "xla", "inductor", "cuda-graph", "eager"] = "auto",
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
    checkpoint, _ = flag("checkpoint", checkpoint), choice("backend", backend, _BACKENDS)
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
        return Scan(OfPlan(problem), nonlinear, None, problem.times, False, tuple(args), checkpoint, backend)
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
    bound = bound_of(problem.linear, problem.y0, times.span, method)
    check_history(bound.method, len(laid_out) - 1)
    rows = OfProblem(bound.operator, bound.method, times.span)
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
