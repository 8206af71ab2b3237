"""Studies: problems × methods × step sizes or tolerances, side by side, resumable, with slopes, tables and plots.

>>> import expint.study
>>> found = expint.study.run(["burgers"], ["krogstad4", "etd34"], steps=[1 / 20, 1 / 40, 1 / 80])  # doctest: +SKIP
>>> print(found.markdown())  # doctest: +SKIP
"""

from __future__ import annotations

import base64
import difflib
import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeAlias

import numpy as np

import expint
from expint.backend import Array, to_numpy
from expint.derive.stage import Method
from expint.study.cells import Cache, Job, Outcome, run_jobs, workers
from expint.study.fingerprint import NotKeyed, fingerprint
from expint.study.report import Cell, Slope, Study, fit_slope

__all__ = [
    "Cache",
    "Cell",
    "Job",
    "NotKeyed",
    "Outcome",
    "Slope",
    "Study",
    "fingerprint",
    "fit_slope",
    "maximum_error",
    "named_problem",
    "relative_error",
    "run",
    "run_jobs",
    "workers",
]

Problem: TypeAlias = str | Callable[[], expint.SemilinearProblem] | expint.SemilinearProblem
ErrorMeasure: TypeAlias = Callable[[expint.SemilinearProblem, np.ndarray, np.ndarray], float]


def relative_error(problem: expint.SemilinearProblem, y: np.ndarray, reference: np.ndarray) -> float:
    """Return ‖y − y*‖/‖y*‖ in the Euclidean norm of the state."""
    del problem
    return float(np.linalg.norm(y - reference) / np.linalg.norm(reference))


def maximum_error(problem: expint.SemilinearProblem, y: np.ndarray, reference: np.ndarray) -> float:
    """Return max |u − u*| of the values on the grid."""
    values = problem.physical or (lambda state: state)
    return float(np.max(np.abs(values(y) - values(reference))))


def run(
    problems: Sequence[Problem] | Mapping[str, Problem],
    methods: Sequence[str | Method],
    *,
    steps: Sequence[float] | None = None,
    tolerances: Sequence[float] | None = None,
    error: ErrorMeasure = relative_error,
    reference: tuple[str | Method, Mapping[str, Any]] | None = None,
    executor: Executor | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Study:
    """Solve each problem by each method with each step size or tolerance, and measure the error at the end.

    Parameters
    ----------
    problems
        Names in ``expint.problems``, functions that make a problem, or problems; a mapping gives them labels. What is
        solved in other processes must be sendable there: names and functions of modules are.
    methods
        Names or methods.
    steps, tolerances
        Either step sizes, or relative tolerances (``rtol``).
    error
        The measure: a function (problem, y, reference) ↦ number; ``relative_error`` or ``maximum_error``, or another.
    reference
        For problems without an exact solution: a method and the options of ``expint.solve`` with which it gives the
        reference. By default "luan-ostermann5" with a quarter of the smallest step, or "zoto-bowman43" with a
        hundredth of the smallest tolerance.
    executor
        Anything of the interface of ``concurrent.futures``; a pool of processes by default.
    cache
        A folder in which results are kept by content: version, problem, exact coefficients, parameters. A study that
        was interrupted goes on from there.
    progress
        True for a progress bar.

    Returns
    -------
    Study
        Cells that failed say why; the others are not affected.

    Raises
    ------
    ValueError
        For names that are unknown, empty lists, values that are not positive, or both or neither of ``steps`` and
        ``tolerances``.
    """
    parameter, values = _values(steps, tolerances)
    named = _labelled(problems)
    chosen = [expint.method(entry) if isinstance(entry, str) else entry for entry in methods]
    if not chosen or not named:
        raise ValueError(f"expected problems and methods, received {len(named)} and {len(chosen)}")
    keep, finest = Cache(cache), min(values)
    default = (
        ("luan-ostermann5", {"step": finest / 4}) if steps is not None else ("zoto-bowman43", {"rtol": finest / 100})
    )
    way = default if reference is None else (reference[0], dict(reference[1]))
    with workers(executor) as pool:
        truths = run_jobs([Job(_reference, (make, *way)) for make in named.values()], pool, keep)
        places = [
            (label, method, value, truth)
            for label, truth in zip(named, truths, strict=True)
            for method in chosen
            for value in values
        ]
        jobs = [
            Job(_cell, (named[label], method, {parameter: value}, error, truth.result))
            for label, method, value, truth in places
            if not truth.failure
        ]
        outcomes = iter(run_jobs(jobs, pool, keep, progress))
    cells = []
    for label, method, value, truth in places:
        outcome = Outcome({}, f"no reference: {truth.failure}") if truth.failure else next(outcomes)
        cells.append(Cell(label, method.name, value, **outcome.result, failure=outcome.failure))
    return Study(tuple(cells), parameter)


def named_problem(name: str) -> Callable[..., expint.SemilinearProblem]:
    """Return the function of ``expint.problems`` called ``name``; hyphens are as good as underscores.

    Raises
    ------
    ValueError
        If there is none; the message names the nearest.
    """
    known = expint.problems.__all__
    key = name.lower().replace("-", "_").replace(" ", "_")
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
        raise ValueError(f"expected the name of a problem, received {name!r}; did you mean {near}?")
    make: Callable[..., expint.SemilinearProblem] = getattr(expint.problems, key)
    return make


def _values(steps: Sequence[float] | None, tolerances: Sequence[float] | None) -> tuple[str, list[float]]:
    if (steps is None) == (tolerances is None):
        received = "neither" if steps is None else "both"
        raise ValueError(f"expected either steps= (sizes) or tolerances=, received {received}")
    values = [float(value) for value in (steps if steps is not None else tolerances or ())]
    if not values or not all(0 < value < np.inf for value in values):
        raise ValueError(f"expected positive step sizes or tolerances, received {values}")
    return ("step", values) if steps is not None else ("rtol", values)


def _labelled(problems: Sequence[Problem] | Mapping[str, Problem]) -> Mapping[str, Problem]:
    """Return the problems by label; names are looked up."""
    if isinstance(problems, str):
        raise ValueError(f"expected a list of problems, received the text {problems!r}; pass [{problems!r}]")
    pairs = problems.items() if isinstance(problems, Mapping) else [(_label(entry), entry) for entry in problems]
    named = {label: named_problem(entry) if isinstance(entry, str) else entry for label, entry in pairs}
    if len(named) != len(problems):
        raise ValueError("expected problems of different names, received some twice; pass a mapping {label: problem}")
    return named


def _label(problem: Problem) -> str:
    if isinstance(problem, str):
        return problem
    if isinstance(problem, functools.partial):
        given = [*map(str, problem.args), *(f"{key}={value}" for key, value in problem.keywords.items())]
        return f"{problem.func.__name__}({', '.join(given)})"
    name = getattr(problem, "name", "") or getattr(problem, "__name__", "")
    return name or type(problem).__name__


def _made(problem: Any) -> expint.SemilinearProblem:
    made = problem if isinstance(problem, expint.SemilinearProblem) else problem()
    if not isinstance(made, expint.SemilinearProblem):
        raise TypeError(f"expected a SemilinearProblem, received {type(made).__name__}")
    return made


def _solved(problem: expint.SemilinearProblem, method: str | Method, options: Mapping[str, Any]) -> expint.Solution:
    with np.errstate(all="ignore"):  # what overflows is reported by the status
        solution = expint.solve(problem, method, **({"t_eval": [problem.t_span[1]]} | dict(options)))
    if not solution.success:
        raise ArithmeticError(solution.message)
    return solution


def _reference(make: Problem, method: str | Method, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the final state of a problem, exact if it is known, packed as JSON can hold it."""
    problem = _made(make)
    if problem.exact is not None:
        return _packed(problem.exact(problem.t_span[1]))
    return _packed(_solved(problem, method, options).y_end)


def _cell(
    make: Problem, method: Method, how: Mapping[str, float], error: ErrorMeasure, truth: Mapping[str, Any]
) -> dict[str, Any]:
    problem, begun = _made(make), time.perf_counter()
    solution = _solved(problem, method, how)
    seconds = time.perf_counter() - begun
    measured = float(error(problem, to_numpy(solution.y_end), _unpacked(truth)))
    if not np.isfinite(measured):
        raise ArithmeticError(f"expected a finite error, received {measured}")
    return {"error": measured, "calls": solution.calls, "steps": solution.stats.steps, "seconds": seconds}


def _packed(array: Array) -> dict[str, Any]:
    numbers = np.ascontiguousarray(to_numpy(array))
    return {
        "dtype": numbers.dtype.str,
        "shape": list(numbers.shape),
        "data": base64.b64encode(numbers.tobytes()).decode(),
    }


def _unpacked(packed: Mapping[str, Any]) -> np.ndarray:
    numbers = np.frombuffer(base64.b64decode(packed["data"]), dtype=np.dtype(packed["dtype"]))
    return numbers.reshape(packed["shape"])
