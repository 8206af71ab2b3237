"""What users hold can be pickled and copied, and the copy does what the original does."""

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import expint
import expint.study
from expint.study import Cell, Outcome, Study, StudyInterrupted, fit_slope


def slope(t: float, y: np.ndarray) -> np.ndarray:
    return -0.1 * y


def linear(t: float) -> float:
    return -1.0 - 0.1 * t


def solved(method: str, **options: Any) -> expint.Solution:
    kind = {} if "exprb" in method or "rosenbrock" in method else {"linear": -1.0}
    return expint.solve_ivp(slope, (0, 1), np.ones(3), method=method, **(kind | options))


WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
ways = pytest.mark.parametrize("way", WAYS)


def small(name: str) -> expint.SemilinearProblem:
    maker = getattr(expint.problems, name)
    if name == "prescribed_spectrum":
        return maker((-1.0, -2.0 + 1j))
    return maker(n=16) if "n" in inspect.signature(maker).parameters else maker()


@ways
@pytest.mark.parametrize("name", expint.problems.names())
def test_problems(name: str, way: str) -> None:
    problem = small(name)
    problem.y0[...] = 0.5 * problem.y0  # which the maker does not know
    again = WAYS[way](problem)
    assert np.array_equal(again.y0, problem.y0)
    assert np.array_equal(again.nonlinear(0.0, again.y0), problem.nonlinear(0.0, problem.y0))
    assert (again.name, again.t_span) == (problem.name, problem.t_span)


@ways
def test_problems_of_the_user(way: str) -> None:
    problem = expint.SemilinearProblem(-1.0, slope, np.ones(2), (0.0, 1.0), name="mine")
    assert WAYS[way](problem).name == "mine"
    assert WAYS[way](problem).nonlinear is slope


@ways
def test_every_method(way: str) -> None:
    for name in expint.method_names():
        method = expint.method(name)
        assert WAYS[way](method).name == method.name


@ways
@pytest.mark.parametrize("method", ["krogstad4", "adams4", "pec4", "lawson-rk4", "exprb43", "linearised-adams4"])
def test_solutions_with_dense_output(method: str, way: str) -> None:
    solution = solved(method, step=0.1, dense_output=True)
    again = WAYS[way](solution)
    assert np.array_equal(again.sol(0.37), solution.sol(0.37))
    assert (again.status, again.message, again.stats) == (solution.status, solution.message, solution.stats)


@ways
@pytest.mark.parametrize("method", ["auto", "adams4", "exprb43", "etd34"])
def test_solutions_to_a_tolerance(method: str, way: str) -> None:
    solution = solved(method, rtol=1e-4, dense_output=True)
    assert np.array_equal(WAYS[way](solution).sol(0.37), solution.sol(0.37))


@ways
def test_operators_that_depend_on_time(way: str) -> None:
    for operator in (expint.operators.TimeDependent(linear), expint.operators.TimeScaled(linear, -1.0)):
        again = WAYS[way](operator)
        first, second = (
            expint.solve_ivp(slope, (0, 1), np.ones(2), linear=op, rtol=1e-6).y_end
            if isinstance(op, expint.operators.TimeScaled)
            else expint.solve_ivp(None, (0, 1), np.ones(2), linear=op, method="magnus4", step=0.1).y_end
            for op in (operator, again)
        )
        assert np.array_equal(first, second)


@ways
def test_grids_and_what_they_dealias(way: str) -> None:
    grid = expint.spectral.Fourier(8)
    v = grid.fft(np.cos(grid.x))
    again, dealiased = WAYS[way](grid), WAYS[way](grid.dealiased(slope))
    assert np.array_equal(again.dealias(v), grid.dealias(v))
    assert np.array_equal(dealiased(0.0, v), grid.dealiased(slope)(0.0, v))
    tensors = WAYS[way](expint.spectral.Fourier(8, like=torch.zeros(1)))
    assert tensors.fft(torch.zeros(8)).shape == (5,)


@ways
@pytest.mark.parametrize(
    "value",
    [
        Study((Cell("p", "m", 0.1, 0.01),), "step", remarks=("one",)),
        StudyInterrupted(Study((Cell("p", "m", 0.1, 0.01),), "step")),
        Outcome({"a": 1.0}, kept="today"),
        expint.study.NotKeyed("expected"),
        expint.jacobian.JacobianFailure("expected"),
        expint.phi.ActionFailure("expected"),
        expint.phi.Accuracy(1e-3),
        expint.phi.Krylov(),
        expint.phi.Chebyshev(-1.0, 0.0),
        expint.jacobian.Differences(central=True),
        expint.Status.SUCCESS,
        expint.Stats(),
        fit_slope([0.1, 0.2], [0.1, 0.2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_records_and_exceptions(value: Any, way: str) -> None:
    again = WAYS[way](value)
    assert type(again) is type(value)
    assert str(again) == str(value) or " at 0x" in str(value)
