"""rkstiff: its two adaptive pairs, on the same Fourier coefficients and the same N as ours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from rkstiff.etd35 import ETD35
from rkstiff.if45dp import IF45DP
from rkstiff.solveras import SolverConfig

from benchmarks.contest import Answer, Solver
from benchmarks.work_precision import TOLERANCES, diagonal, values
from expint import SemilinearProblem

__all__ = ["solvers"]


def solvers(title: str, problem: SemilinearProblem, t_end: float) -> list[Solver]:
    """Return the solvers of a task; a symmetric matrix is diagonalised beforehand, as for the loop by hand."""
    del title
    logging.disable(logging.CRITICAL)
    made = (("ETD35", ETD35), ("IF45DP", IF45DP))
    return [Solver(f"rkstiff {name}", "rtol", TOLERANCES, _prepare(problem, t_end, solver)) for name, solver in made]


def _prepare(problem: SemilinearProblem, t_end: float, make: Any) -> Callable[[float], Callable[[], Answer]]:
    linear, slope, start, back = diagonal(problem)
    shape = start.shape
    symbol = np.broadcast_to(linear, shape).ravel() + 0j

    def prepare(rtol: float) -> Callable[[], Answer]:
        calls = 0

        def nonlinear(v: np.ndarray) -> np.ndarray:
            nonlocal calls
            calls += 1
            return np.asarray(slope(0.0, v.reshape(shape))).ravel()

        def solve() -> Answer:
            nonlocal calls
            calls = 0
            solver = make(symbol, nonlinear, SolverConfig(epsilon=rtol))
            end = solver.evolve(start.ravel() + 0j, 0.0, t_end, store_data=False).reshape(shape)
            end = end if np.iscomplexobj(start) else end.real
            return Answer(values(problem, back(end)), calls)

        return solve

    return prepare
