"""SciPy's own tests of solve_ivp, with each of the solver classes of expint.scipy in place of SciPy's methods.

    python -m benchmarks.scipy_suite [Rosenbrock54 ETD34 …]

The tests come with SciPy's wheel, and need pytest. A test that says something of one method of SciPy, such as how often
it decomposes a matrix, is run a second time with that set aside, and has to pass then: ``INTERNALS`` says what and why.
"""

from __future__ import annotations

import importlib.util
import itertools
import linecache
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import scipy
import scipy.integrate

import expint.scipy
from benchmarks import parser

__all__ = ["CLASSES", "INTERNALS", "AnyCount", "Outcome", "cases", "error_of", "main", "outcomes", "their_tests"]

THEIRS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
"""The methods of SciPy that are replaced, all by one of ours."""

CLASSES = ("Rosenbrock54", "Rosenbrock43", "ETD34", "ZotoBowman43", "LawsonDormandPrince", "ExponentialAdams")
"""Our solver classes; exponential ones run with L = 0, as the tests give no linear part."""

QUICK = ("Rosenbrock43", "ExponentialAdams")


class Aside(NamedTuple):
    """What of a test is set aside, and why: counts, and statements that may fail, each by words of its own."""

    counts: tuple[str, ...]
    reason: str
    statements: tuple[str, ...] = ()


INTERNALS = {
    "test_integration": Aside(
        ("nfev", "njev", "nlu"),
        "counts of SciPy's methods: no Jacobian for explicit ones, one or two and LU decompositions for implicit ones; "
        "ours look at y' = f 64 times over the span where it seems linear, so as to meet pulses",
    ),
    "test_integration_complex": Aside(("nfev", "njev", "nlu"), "the same"),
    "test_integration_const_jac": Aside(("nfev", "nlu"), "the same"),
    "test_integration_stiff": Aside(("njev",), "Jacobians are kept over many steps; ours are made in every step"),
    "test_max_step": Aside((), "with max_step = 1e-20 SciPy's first step is longer than that; ours fails there"),
    "test_classes": Aside(("nfev",), "LSODA does not look at f before its first step"),
    "test_inital_maxstep": Aside((), "reads error_estimator_order of SciPy's methods for its choice of a first step"),
    "test_duplicate_timestamps": Aside(
        (),
        "asks for the solution 200 steps beyond its end, where RK45 goes on with one step alone, Adams methods with "
        "the polynomial through five slopes, which grows as its rounding by 200⁴",
        ("sol.sol(0.01)",),
    ),
    "test_args": Aside(
        (),
        "a bar of ten times rtol for all components at all times, which of SciPy's methods Radau alone keeps",
        ("np.sin(omega*t)", "np.exp(-k*t)"),
    ),
    "test_array_rtol": Aside(
        (), "y' = y, solved exactly by methods that linearise: no tolerance can be tighter", ("err2 < err1",)
    ),
}
"""Tests that name what is inside a method of SciPy, and what."""

_IMPLICIT = ("test_integration_stiff", "test_integration_sparse_difference", "test_integration_const_jac")
"""Tests of methods with a Jacobian: not for exponential classes, which are explicit where L = 0."""


class Outcome(NamedTuple):
    """What became of one test: the error with which it ended, if it did, and the error with internals set aside."""

    name: str
    error: str
    beside: str

    @property
    def kind(self) -> str:
        """Whether it passed, passed with internals set aside, or failed."""
        return "fails" if self.beside else ("aside" if self.error else "passes")


def outcomes(solver: str, quick: bool = False) -> Iterator[Outcome]:
    """Run the tests with one of our classes and yield what became of each.

    If ``quick``, those that are marked slow are left out, and of the cases of a test, most of which differ by the name
    of a method only, all but the first.
    """
    ours = getattr(expint.scipy, solver)
    whole = _substituted(ours, None)
    for name, function in vars(whole).items():
        marks = {mark.name for mark in getattr(function, "pytestmark", ())}
        if not (name.startswith("test_") and callable(function)) or (quick and marks & {"slow", "fail_slow"}):
            continue
        if name in _IMPLICIT and not issubclass(ours, expint.scipy.LinearisedSolver):
            continue
        for arguments in itertools.islice(cases(function), 1 if quick else None):
            label = f"{name}[{'-'.join(map(str, arguments.values()))}]" if arguments else name
            error = beside = error_of(function, arguments)
            if error and name in INTERNALS:
                aside = INTERNALS[name]
                beside = error_of(getattr(_substituted(ours, aside.counts), name), arguments)
                beside = "" if any(words in beside for words in aside.statements) else beside
            yield Outcome(label, error, beside)


def their_tests() -> ModuleType:
    """Return SciPy's tests as a new module.

    Raises
    ------
    ModuleNotFoundError
        If SciPy came without them.
    """
    spec = importlib.util.find_spec("scipy.integrate._ivp.tests.test_ivp")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("expected SciPy with its tests, received a wheel without them; install one from PyPI")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _substituted(ours: type[scipy.integrate.OdeSolver], aside: Sequence[str] | None) -> ModuleType:
    """Return SciPy's tests as a new module in which our class stands in the place of the methods.

    Counts in ``aside`` compare as they should. LSODA is another class than the others unless something is set aside:
    tests excuse it from what explicit and implicit Runge–Kutta methods do.
    """
    module = their_tests()
    plain = _plain(ours, aside)
    standing = dict.fromkeys(THEIRS, plain)
    if aside is None:
        standing["LSODA"] = type("LSODA", (plain,), {})

    def solve_ivp(fun: Any, t_span: Any, y0: Any, method: Any = "RK45", *rest: Any, **options: Any) -> Any:
        return scipy.integrate.solve_ivp(fun, t_span, y0, standing.get(method, method), *rest, **options)

    vars(module).update(standing, solve_ivp=solve_ivp)
    return module


def _plain(ours: Any, aside: Sequence[str] | None) -> Any:
    """Return our class, with L = 0 where it asks for L, and with counts set aside."""

    class Plain(ours):  # type: ignore[misc]  # a class chosen at run time
        def __init__(self, *args: Any, **options: Any) -> None:
            needed = {} if issubclass(ours, expint.scipy.LinearisedSolver) else {"linear": 0.0}
            super().__init__(*args, **needed, **options)

    for count in aside or ():
        setattr(Plain, count, _set_aside(count))
    if aside is not None:
        Plain.error_estimator_order = 4
    Plain.__name__ = ours.__name__
    return Plain


def _set_aside(count: str) -> property:
    def value(solver: Any) -> AnyCount:
        return AnyCount(vars(solver).get(count, 0))

    def keep(solver: Any, number: int) -> None:
        vars(solver)[count] = int(number)

    return property(value, keep)


class AnyCount(int):
    """A count that is less, more and the same, as asked."""

    def _true(self, other: object) -> bool:
        del other
        return True

    __lt__ = __gt__ = __le__ = __ge__ = __eq__ = _true  # type: ignore[assignment]  # equal to all on purpose
    __hash__ = int.__hash__


def cases(function: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each case of a test."""
    code = function.__code__
    fixtures = {"num_parallel_threads": 1}
    given = {name: fixtures[name] for name in code.co_varnames[: code.co_argcount] if name in fixtures}
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
    for values in itertools.product(*(mark.args[1] for mark in marks)):
        yield {mark.args[0]: value for mark, value in zip(marks, values)} | given


def error_of(function: Callable[..., None], arguments: dict[str, Any]) -> str:
    """Return the statement of the test that failed, and the error; nothing if it passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(**arguments)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # failures of pytest.raises are no Exceptions
            place = error.__traceback__
            lines = []
            while place is not None:
                if place.tb_frame.f_code is function.__code__:
                    lines.append(place.tb_lineno)
                place = place.tb_next
            said = " ".join(str(error).split())[:160]
            statement = linecache.getline(function.__code__.co_filename, lines[-1]).strip()
            return f"[{statement}] {type(error).__name__} {said}".strip()
    return ""


def main(arguments: Sequence[str] = ()) -> None:
    """Print how many tests pass with each class, and those that do not."""
    command = parser("benchmarks.scipy_suite", __doc__)
    command.add_argument("classes", nargs="*", help=f"of {', '.join(CLASSES)}")
    given = command.parse_args(arguments)
    print(f"{f'SciPy {scipy.__version__}':20s} passes  aside  fails")
    seen: dict[str, None] = {}
    for solver in given.classes or (QUICK if given.quick else CLASSES):
        found = list(outcomes(solver, given.quick))
        kinds = [outcome.kind for outcome in found]
        print(
            f"{solver:20s} {kinds.count('passes'):6d} {kinds.count('aside'):6d} {kinds.count('fails'):6d}", flush=True
        )
        for outcome in found:
            if outcome.kind == "fails":
                print(f"    {outcome.name}: {outcome.beside}")
            elif outcome.kind == "aside":
                seen[outcome.name.partition("[")[0]] = None
    print("\nPassed with what is inside a method of SciPy set aside:")
    for name in seen:
        counts = ", ".join(INTERNALS[name].counts)
        print(f"    {name}{f' ({counts})' if counts else ''}: {INTERNALS[name].reason}")


if __name__ == "__main__":
    main(sys.argv[1:])
