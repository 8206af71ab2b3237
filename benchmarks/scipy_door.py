"""SciPy's own tests of solve_ivp, with expint.solve_ivp itself in its place.

    python -m benchmarks.scipy_door [auto rosenbrock54 …]

``benchmarks.scipy_suite`` puts our solver classes in the place of SciPy's methods; here the whole door is ours, with
the answers turned round: SciPy's states are columns. Tests that ask for what the two doors mean differently are named
in ``ELSE``, with the reason, and have to fail: what they ask for is refused, or said in other words.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy

import expint
from benchmarks import parser
from benchmarks.scipy_suite import AnyCount, cases, error_of, their_tests

METHODS = ("auto", "exprb43", "rosenbrock-ladder5")

ELSE = {
    "test_duplicate_timestamps": "a run to t = ∞, ended by an event: spans are finite here",
    "test_no_integration": "a span from t to t: refused here",
    "test_zero_interval": "the same",
    "test_empty": "a state without entries has no error to measure: refused here",
    "test_array_rtol": "a warning where SciPy raises rtol: none is changed here",
    "test_args_single_value": "the words of an error",
    "test_initial_state_finiteness": "the words of an error",
    "test_event_terminal_iv": "the words of an error",
    "test_t_eval_early_event": "the words of the message of a run that an event ended",
}


def door(method: str) -> Callable[..., Any]:
    """Return SciPy's solve_ivp as a call of ours by a ``method``."""

    def solve_ivp(fun: Any, t_span: Any, y0: Any, theirs: Any = None, t_eval: Any = None, **options: Any) -> Any:
        del theirs
        if options.pop("vectorized", False):  # states come as columns then, one of them as a vector as well
            given, fun = fun, lambda t, y, *args: given(t, y[:, None], *args)[:, 0]
        for name in ("method", "lband", "uband", "min_step", "jac_sparsity"):
            options.pop(name, None)
        given_args = {name: options.pop(name) for name in ("jac", "args") if options.get(name) is not None}
        options = {"rtol": 1e-3, "atol": 1e-6} | {name: own for name, own in options.items() if name not in given_args}
        options.pop("jac", None)
        options.pop("args", None)
        run = expint.solve_ivp(fun, t_span, y0, method=method, t_eval=t_eval, **given_args, **options)
        return SimpleNamespace(
            t=run.t,
            y=np.moveaxis(np.asarray(run.y), 0, -1),
            sol=None if run.sol is None else lambda t: np.moveaxis(np.asarray(run.sol(t)), 0, -1),
            t_events=run.t_events,
            y_events=None
            if run.y_events is None
            else [own if len(own) else own[:, :0].reshape(0) for own in run.y_events],
            **{name: AnyCount(0) for name in ("nfev", "njev", "nlu")},
            status=int(run.status),
            message=run.message,
            success=run.success,
        )

    return solve_ivp


def outcomes(method: str, quick: bool = False) -> list[tuple[str, str]]:
    """Return for each test that calls solve_ivp what it failed with, nothing if it passed."""
    module, found = their_tests(), []
    vars(module)["solve_ivp"] = door(method)
    for name, function in vars(module).items():
        if not (name.startswith("test_") and callable(function)) or "solve_ivp" not in function.__code__.co_names:
            continue
        if quick and {mark.name for mark in getattr(function, "pytestmark", ())} & {"slow", "fail_slow"}:
            continue
        errors = [error for own in list(cases(function))[: 1 if quick else None] if (error := error_of(function, own))]
        found.append((name, errors[0] if errors else ""))
    return found


def main(arguments: Sequence[str] = ()) -> None:
    """Print how many tests pass with each method, and those that do not."""
    command = parser("benchmarks.scipy_door", __doc__)
    command.add_argument("methods", nargs="*", help="methods of expint")
    given = command.parse_args(arguments)
    print(f"{f'SciPy {scipy.__version__}':20s} passes   else  fails")
    for method in given.methods or (METHODS[:1] if given.quick else METHODS):
        found = outcomes(method, given.quick)
        counts = [
            sum(not error for _, error in found),
            sum(bool(error) and name in ELSE for name, error in found),
            sum(bool(error) and name not in ELSE for name, error in found),
        ]
        print(f"{method:20s} {counts[0]:6d} {counts[1]:6d} {counts[2]:6d}", flush=True)
        for name, error in found:
            if error and name not in ELSE:
                print(f"    {name}: {error}")
    print("\nTests that ask for what this door means differently:")
    for name, why in ELSE.items():
        print(f"    {name}: {why}")


if __name__ == "__main__":
    main(sys.argv[1:])
