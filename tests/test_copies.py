"""What users hold can be pickled and copied, and the copy does what the original does."""

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

import expint
import expint.scipy
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


def flow(t: float, duration: float, y: np.ndarray) -> np.ndarray:
    return y * np.exp(-0.1 * duration)


def forcing(t: float) -> np.ndarray:
    return np.full(3, 0.1 * t)


def vanishes(t: float, y: np.ndarray) -> float:
    return y[0] - 0.6


def minus(v: np.ndarray) -> np.ndarray:
    return -v


BEGUN: dict[str, dict[str, Any]] = {
    "etd34": {"linear": -1.0, "method": "etd34"},
    "adams4": {"linear": np.array([-1.0, -2.0, -3.0]), "method": "adams4"},
    "matrix": {"linear": -np.diag([1.0, 2.0, 3.0])},
    "sparse": {"linear": scipy.sparse.diags_array([-1.0, -2.0, -3.0]).tocsr()},
    "matrix-free": {"linear": expint.operators.MatrixFree(minus, 3)},
    "over time": {"linear": expint.operators.TimeDependent(linear, forcing), "method": "cfree4"},
    "exprb43": {"method": "exprb43"},
}


@ways
@pytest.mark.parametrize("kind", BEGUN)
@pytest.mark.parametrize("make", [np.ones, torch.ones], ids=["numpy", "torch"])
def test_a_copied_state_steps_on_as_the_state_does(make: Callable[..., Any], kind: str, way: str) -> None:
    y0 = make(3)
    if make is torch.ones and kind in ("matrix-free", "over time"):
        pytest.skip("the functions here are of NumPy")
    state = expint.step(expint.begin(slope, 0.0, y0, **BEGUN[kind]), 0.1)
    again = WAYS[way](state)
    assert (again.t, again.evaluations, again.memory) == (state.t, state.evaluations, state.memory)
    for _ in range(3):
        state, again = expint.step(state, 0.05), expint.step(again, 0.05)
        assert np.array_equal(again.y, state.y)
    assert again.evaluations == state.evaluations


RUNS: dict[str, Callable[[], expint.Solution]] = {
    "events": lambda: solved("auto", rtol=1e-5, dense_output=True, events=vanishes),
    "breakpoints": lambda: solved("auto", rtol=1e-5, dense_output=True, breakpoints=[0.5]),
    "doubling": lambda: solved("krogstad4", rtol=1e-4, dense_output=True, error="doubling"),
    "over time": lambda: solved("cfree4", step=0.1, dense_output=True, linear=BEGUN["over time"]["linear"]),
    "in a clock": lambda: solved("auto", dense_output=True, linear=expint.operators.TimeScaled(linear, -1.0)),
    "splitting": lambda: expint.run_splitting(
        expint.method("strang"), -1.0, flow, np.ones(3), [0.0, 0.5, 1.0], dense_output=True
    ),
}


@ways
@pytest.mark.parametrize("run", RUNS)
def test_dense_output_of_every_kind_of_run(run: str, way: str) -> None:
    solution = RUNS[run]()
    again = WAYS[way](solution)
    assert np.array_equal(again.sol(0.37), solution.sol(0.37))
    assert np.array_equal(again.y, solution.y)


@ways
def test_solver_classes(way: str) -> None:
    for made in (expint.scipy.ETD34, expint.scipy.solver_class("pec4"), expint.scipy.solver_class("exprb43")):
        assert WAYS[way](made) is made


@ways
def test_a_solver_in_the_middle_of_its_run_is_refused(way: str) -> None:
    with pytest.raises(TypeError, match=r"expected a solution to copy .* received a Rosenbrock43 in the middle"):
        WAYS[way](expint.scipy.Rosenbrock43(slope, 0.0, np.ones(3), 1.0))
