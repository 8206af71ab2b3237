"""SciPy's own tests of solve_ivp, with each of the solver classes of expint.scipy in place of SciPy's methods.

Run as ``python -m benchmarks.scipy_suite [--quick]``; the tests come with SciPy's wheel and need pytest.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import scipy.integrate

import expint.scipy

__all__ = ["CLASSES", "EXPECTED", "Outcome", "main", "outcomes"]

THEIRS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
"""The methods of SciPy that are replaced, all by one of ours."""

CLASSES = (
    "ETD34",
    "ZotoBowman43",
    "LawsonDormandPrince",
    "ExponentialAdams",
    "Rosenbrock43",
    "Rosenbrock54",
)
"""Our solver classes; exponential ones run with L = 0, as the tests give no linear part."""

QUICK = ("ExponentialAdams", "Rosenbrock54")

EXPECTED: dict[str, str] = {}
"""Tests that say something of one method of SciPy rather than of solvers, and what."""


class Outcome(NamedTuple):
    """What became of one test: nothing, or the error with which it ended."""

    name: str
    error: str


def outcomes(solver: str) -> Iterator[Outcome]:
    """Run the tests with one of our classes and yield what became of each."""
    module = _substituted(solver)
    for name, function in vars(module).items():
        if name.startswith("test_") and callable(function):
            for arguments in _cases(function):
                label = f"{name}[{'-'.join(map(str, arguments.values()))}]" if arguments else name
                yield Outcome(label, _error(function, arguments))


def _substituted(solver: str) -> ModuleType:
    """Return SciPy's tests as a new module in which our class stands in the place of the methods."""
    spec = importlib.util.find_spec("scipy.integrate._ivp.tests.test_ivp")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("expected SciPy with its tests, received a wheel without them; install one from PyPI")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ours = _plain(getattr(expint.scipy, solver))

    def solve_ivp(fun: Any, t_span: Any, y0: Any, method: Any = "RK45", *rest: Any, **options: Any) -> Any:
        return scipy.integrate.solve_ivp(fun, t_span, y0, ours if method in THEIRS else method, *rest, **options)

    vars(module).update(dict.fromkeys(THEIRS, ours), solve_ivp=solve_ivp)
    return module


def _plain(solver: type[scipy.integrate.OdeSolver]) -> type[scipy.integrate.OdeSolver]:
    """Return a class that needs no linear part: L = 0, and no Jacobian where the method asks for none."""
    if issubclass(solver, expint.scipy.LinearisedSolver):
        return solver

    class Plain(solver):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, jac: Any = None, jac_sparsity: Any = None, **options: Any) -> None:
            super().__init__(*args, linear=0.0, **options)

    Plain.__name__ = solver.__name__
    return Plain


def _cases(function: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each case of a test."""
    code = function.__code__
    fixtures = {"num_parallel_threads": 1}
    given = {name: fixtures[name] for name in code.co_varnames[: code.co_argcount] if name in fixtures}
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
    for values in itertools.product(*(mark.args[1] for mark in marks)):
        yield given | {mark.args[0]: value for mark, value in zip(marks, values)}


def _error(function: Callable[..., None], arguments: dict[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(**arguments)
        except Exception as error:
            said = " ".join(str(error).split())
            return f"{type(error).__name__}: {said[:200]}"
    return ""


def main(arguments: Sequence[str] = ()) -> None:
    """Print how many tests pass with each class, and those that do not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two classes only")
    parser.add_argument("classes", nargs="*", help=f"of {', '.join(CLASSES)}")
    given = parser.parse_args(arguments)
    print(f"{'class':22s} {'pass':>5s} {'fail':>5s}  of SciPy {scipy.__version__}'s tests of solve_ivp")
    for solver in given.classes or (QUICK if given.quick else CLASSES):
        found = list(outcomes(solver))
        failed = [outcome for outcome in found if outcome.error]
        print(f"{solver:22s} {len(found) - len(failed):5d} {len(failed):5d}")
        for name, error in failed:
            print(f"    {name}: {error}")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
