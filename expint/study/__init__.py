"""Studies: problems × methods × step sizes or tolerances, side by side, resumable, with slopes, tables and plots.

>>> import expint.study
>>> found = expint.study.run(["burgers"], ["krogstad4", "etd34"], steps=[1 / 20, 1 / 40, 1 / 80])  # doctest: +SKIP
>>> print(found.markdown())  # doctest: +SKIP
"""

from __future__ import annotations

import difflib
import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeAlias

import numpy as np

import expint
from expint.arguments import checked, function, instance, listed, number, seen, text
from expint.arrays import complex_values
from expint.backend import to_numpy
from expint.derive.kinds.stage import Method
from expint.study.cells import Cache, Job, Outcome, run_jobs, workers
from expint.study.fingerprint import NotKeyed, fingerprint
from expint.study.packing import packed, unpacked
from expint.study.processes import Processes
from expint.study.ranks import Ranks
from expint.study.report import Cell, Slope, Study, fit_slope
from expint.study.shards import Rank, Shards
from expint.study.stability import MethodTable, amplification, compare_methods
from expint.study.table import NotKeptWarning, StudyInterrupted, check_result, distinct, run_table

__all__ = [
    "Cache",
    "Cell",
    "Job",
    "MethodTable",
    "NotKeptWarning",
    "NotKeyed",
    "Outcome",
    "Processes",
    "Rank",
    "Ranks",
    "Shards",
    "Slope",
    "Study",
    "StudyInterrupted",
    "amplification",
    "compare_methods",
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
    """Return ‖y − y*‖/‖y*‖ in the Euclidean norm of the state.

    Examples
    --------
    >>> import expint
    >>> problem = expint.problems.make("burgers", n=32)
    >>> expint.study.relative_error(problem, 0.0 * problem.y0, problem.y0)
    1.0
    """
    del problem
    y, reference = _states(y, reference)
    return float(np.linalg.norm(y - reference) / np.linalg.norm(reference))


def maximum_error(problem: expint.SemilinearProblem, y: np.ndarray, reference: np.ndarray) -> float:
    """Return max |u − u*| of the values on the grid.

    Raises
    ------
    ValueError
        If the states have not the shape of the problem.

    Examples
    --------
    >>> import expint
    >>> problem = expint.problems.make("burgers", n=32)
    >>> expint.study.maximum_error(problem, problem.y0, problem.y0)
    0.0
    """
    instance("problem", problem, expint.SemilinearProblem)
    y, reference = _states(y, reference)
    if y.shape != tuple(problem.y0.shape):
        raise ValueError(f"expected states of shape {tuple(problem.y0.shape)}, received shape {y.shape}")
    values = problem.physical or (lambda state: state)
    return float(np.max(np.abs(values(y) - values(reference))))


def _states(y: Any, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return two states as arrays of one shape."""
    states = [complex_values(name, value) for name, value in (("y", y), ("reference", reference))]
    if states[0].shape != states[1].shape or not states[0].size:
        raise ValueError(f"expected two states of one shape, received shapes {states[0].shape} and {states[1].shape}")
    return states[0], states[1]


@checked()
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
    key: str | None = None,
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
        The measure, a function (problem, y, reference) ↦ number ≥ 0: ``relative_error``, ``maximum_error``, or another.
    reference
        For problems without an exact solution: a method and the options of ``expint.solve`` with which it gives the
        reference. By default "luan-ostermann5" with a quarter of the smallest step, or "zoto-bowman43" with a
        hundredth of the smallest tolerance.
    executor
        Anything of the interface of ``concurrent.futures``; a pool of processes by default.
    cache
        A folder in which results are kept by content: version, exact coefficients, parameters, and all that the code of
        a problem of your own looks up. A study that was interrupted goes on from there; ``Study.remarks`` say how many
        results were taken from it, and from when.
    key
        Text that stands for what a result depends on and cannot be seen, such as compiled functions, random generators
        and files that are read; to be changed whenever that changes. Without it such results are not kept, and a
        `NotKeptWarning` says so.
    progress
        True for a progress bar.

    Returns
    -------
    Study
        Cells that failed say why; the others are not affected, whatever a cell does: it may raise, exit, or take its
        worker process down.

    Raises
    ------
    ValueError
        For names that are unknown or occur twice, empty lists, values that are not positive, or both or neither of
        ``steps`` and ``tolerances``.
    TypeError
        For arguments of a wrong type.
    StudyInterrupted
        At Ctrl-C; a KeyboardInterrupt whose ``study`` holds the cells that are done.

    Examples
    --------
    >>> import expint
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> threads = ThreadPoolExecutor(1)  # without it, processes
    >>> table = expint.study.run([expint.problems.riccati], ["etdrk4"], steps=[0.1, 0.05], executor=threads)
    >>> len(table.cells)
    2
    """
    parameter, values = _values(steps, tolerances)
    named = _labelled(problems)
    chosen = _chosen(methods)
    function("error", error, "(problem, y, reference) ↦ number")
    finest = min(values)
    default = (
        ("luan-ostermann5", {"step": finest / 4}) if steps is not None else ("zoto-bowman43", {"rtol": finest / 100})
    )
    way = default if reference is None else _way(reference)

    def cell(label: str, method: str, value: float, truth: dict[str, Any]) -> Job:
        arguments = (named[label], chosen[method], {parameter: value}, error, truth)
        return Job(_cell, arguments, check=check_result, label=(label, method))

    return run_table(
        {label: Job(_reference, (make, *way), check=unpacked, label=(label,)) for label, make in named.items()},
        chosen,
        values,
        cell,
        parameter=parameter,
        measure="error",
        executor=executor,
        cache=cache,
        key=key,
        progress=progress,
    )


def named_problem(name: str) -> Callable[..., expint.SemilinearProblem]:
    """Return the function of ``expint.problems`` called ``name``; hyphens and underscores are interchangeable.

    Raises
    ------
    ValueError
        If there is none; the message names the nearest.
    TypeError
        If the name is no text.

    Examples
    --------
    >>> from expint.study import named_problem
    >>> named_problem("kuramoto-sivashinsky").__name__
    'kuramoto_sivashinsky'
    """
    known = expint.problems.names()
    key = text("the name of a problem", name, "burgers").lower().replace("-", "_").replace(" ", "_")
    if key not in known:
        near = difflib.get_close_matches(key[:80], known, n=1, cutoff=0.0)[0]
        raise ValueError(f"expected the name of a problem, received {seen(name)}; did you mean {near}?")
    make: Callable[..., expint.SemilinearProblem] = getattr(expint.problems, key)
    return make


def _values(steps: Sequence[float] | None, tolerances: Sequence[float] | None) -> tuple[str, list[float]]:
    if (steps is None) == (tolerances is None):
        received = "neither" if steps is None else "both"
        raise ValueError(f"expected either steps= (sizes) or tolerances=, received {received}")
    given = listed(
        "steps" if steps is not None else "tolerances", steps if steps is not None else tolerances, "numbers"
    )
    values = [number("every step size or tolerance", value) for value in given]
    if not all(value > 0 for value in values):
        raise ValueError(f"expected positive step sizes or tolerances, received {values}")
    if len(set(values)) < len(values):
        raise ValueError(f"expected different step sizes or tolerances, received {values}")
    return ("step", values) if steps is not None else ("rtol", values)


def _chosen(methods: Any) -> dict[str, Method]:
    """Return the methods by name; names are looked up."""
    if isinstance(methods, str):
        raise ValueError(f"expected a list of methods, received the text {methods!r}; pass [{methods!r}]")
    chosen = [_method(entry) for entry in listed("methods", methods, "methods", least=0)]
    if not chosen:
        raise ValueError("expected problems and methods, received no method")
    distinct([method.name for method in chosen], "methods")
    return {method.name: method for method in chosen}


def _method(entry: Any) -> Method:
    """Return a method by its name, or the method that is given."""
    if isinstance(entry, str):
        return expint.method(entry)
    if isinstance(entry, type) or not all(hasattr(entry, name) for name in ("name", "order")):
        raise TypeError(f"expected a method or its name, such as 'krogstad4', received {seen(entry)}")
    found: Method = entry
    return found


def _way(reference: Any) -> tuple[str | Method, dict[str, Any]]:
    """Return the method and the options by which references are computed."""
    try:
        method, options = reference
    except (TypeError, ValueError):
        raise TypeError(
            "expected reference as a method and a mapping of options, such as ('krogstad4', {'step': 1e-3}), received "
            f"{seen(reference)}"
        ) from None
    return _method(method), dict(instance("the options of reference", options, Mapping, "a mapping"))


def _labelled(problems: Any) -> dict[str, Problem]:
    """Return the problems by label; names are looked up."""
    if isinstance(problems, str):
        raise ValueError(f"expected a list of problems, received the text {problems!r}; pass [{problems!r}]")
    if isinstance(problems, Mapping):
        pairs = [(text("every label of a problem", label), _problem(entry)) for label, entry in problems.items()]
    else:
        entries = listed("problems", problems, "problems", least=0)
        pairs = [(_label(entry), _problem(entry)) for entry in entries]
    if not pairs:
        raise ValueError("expected problems and methods, received no problem")
    if len(dict(pairs)) != len(pairs):
        raise ValueError("expected problems of different names, received some twice; pass a mapping {label: problem}")
    return dict(pairs)


def _problem(entry: Any) -> Problem:
    """Return a problem or the function that makes it; names are looked up."""
    if isinstance(entry, str):
        return named_problem(entry)
    if not isinstance(entry, expint.SemilinearProblem) and not callable(entry):
        raise TypeError(f"expected a problem, a function that makes one, or a name, received {seen(entry)}")
    return entry


def _label(problem: Any) -> str:
    if isinstance(problem, str):
        return problem
    if isinstance(problem, functools.partial):
        given = [*map(str, problem.args), *(f"{key}={value}" for key, value in problem.keywords.items())]
        return f"{_label(problem.func)}({', '.join(given)})"
    name = getattr(problem, "name", "") or getattr(problem, "__name__", "")
    return name if isinstance(name, str) and name else type(problem).__name__


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
        return packed(problem.exact(problem.t_span[1]))
    return packed(_solved(problem, method, options).y_end)


def _cell(
    make: Problem, method: Method, how: Mapping[str, float], error: ErrorMeasure, truth: Mapping[str, Any]
) -> dict[str, Any]:
    problem, begun = _made(make), time.perf_counter()
    solution = _solved(problem, method, how)
    seconds = time.perf_counter() - begun
    measured = float(error(problem, to_numpy(solution.y_end), unpacked(truth)))
    if not 0 <= measured < np.inf:
        raise ArithmeticError(f"expected a finite error ≥ 0, received {measured}")
    return {"error": measured, "calls": solution.calls, "steps": solution.stats.steps, "seconds": seconds}
