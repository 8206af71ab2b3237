"""SciPy: LSODA (dense or banded), BDF and Radau, with exact Jacobians where they are dense or sparse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate

from benchmarks.contest import Answer, Solver
from benchmarks.peers.forms import Form, real_form
from benchmarks.work_precision import TOLERANCES
from expint import SemilinearProblem

__all__ = ["solvers"]


def solvers(title: str, problem: SemilinearProblem, t_end: float) -> list[Solver]:
    """Return the solvers of a task."""
    form = real_form(title, problem)
    found = [Solver(f"SciPy LSODA, {'banded' if form.band else 'dense'}", "rtol", TOLERANCES, _lsoda(form, t_end))]
    return found + [Solver(f"SciPy {name}", "rtol", TOLERANCES, _ivp(form, t_end, name)) for name in ("BDF", "Radau")]


def _size(form: Form) -> float:
    return float(np.sqrt(np.mean(form.y0**2)))


def _lsoda(form: Form, t_end: float) -> Callable[[float], Callable[[], Answer]]:
    """Return LSODA as ``odeint`` has it, which calls f from compiled code; a band is differenced, five calls of f."""
    jacobian: dict[str, Any] = {"ml": form.band, "mu": form.band} if form.band else {"Dfun": form.jacobian}

    def prepare(rtol: float) -> Callable[[], Answer]:
        def solve() -> Answer:
            y, told = scipy.integrate.odeint(
                form.f,
                form.y0,
                [0.0, t_end],
                rtol=rtol,
                atol=rtol * _size(form),
                mxstep=10**6,
                tfirst=True,
                full_output=True,
                **jacobian,
            )
            if "success" not in told["message"]:
                raise ArithmeticError(told["message"])
            return Answer(form.values(y[-1]), int(told["nfe"][-1]), int(told["nje"][-1]))

        return solve

    return prepare


def _ivp(form: Form, t_end: float, method: str) -> Callable[[float], Callable[[], Answer]]:
    def prepare(rtol: float) -> Callable[[], Answer]:
        def solve() -> Answer:
            done = scipy.integrate.solve_ivp(
                form.f,
                (0.0, t_end),
                form.y0,
                method=method,
                jac=form.jacobian,
                rtol=rtol,
                atol=rtol * _size(form),
                t_eval=[t_end],
            )
            if not done.success:
                raise ArithmeticError(done.message)
            return Answer(form.values(done.y[:, -1]), int(done.nfev), int(done.njev))

        return solve

    return prepare
