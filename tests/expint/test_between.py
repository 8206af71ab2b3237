"""Between the steps of a run the solution is as good as at them: for every method, in every step, the first too."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import expint
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.derive.kinds.splitting import Splitting
from expint.run.dense.bootstrapped import lobatto

NAMES = [name for name in expint.method_names() if not isinstance(expint.method(name), Splitting | LieGroupMethod)]
PAIRS = [name for name in NAMES if expint.method(name).error_order]
INSIDE = np.linspace(0, 1, 9)[1:-1]


class Followed:
    """y' = Ly + N(t, y) with a known solution: what L, a product of components and a force make of it."""

    def __init__(self, linear, solution, slope, coupling=0.5):
        self.linear, self.exact, self._slope, self._coupling = np.array(linear), solution, slope, coupling
        self.calls = 0

    def nonlinear(self, t, y):
        self.calls += 1
        known = self.exact(t)
        return self._slope(t) - self._applied(known) + self._coupling * (y * y[::-1] - known * known[::-1])

    def _applied(self, y):
        return self.linear @ y if self.linear.ndim == 2 else self.linear * y

    def run(self, method, end=0.75, **options):
        self.calls = 0
        start = self.exact(0.0)
        return expint.solve_ivp(
            self.nonlinear, (0, end), start, linear=self.linear, method=method, dense_output=True, **options
        )


def rotating():
    def solution(t):
        return np.array([np.exp(3j * t) * (1 + 0.3 * np.sin(2 * t))])

    def slope(t):
        return 3j * solution(t) + np.exp(3j * t) * 0.6 * np.cos(2 * t)

    return Followed([20j], solution, slope)


def system(linear):
    def solution(t):
        return np.array([math.cos(2 * t), math.sin(3 * t), math.exp(-t) + 1])

    def slope(t):
        return np.array([-2 * math.sin(2 * t), 3 * math.cos(3 * t), -math.exp(-t)])

    return Followed(linear, solution, slope)


def riccati():
    def solution(t):
        return np.array([1 / (4 / 3 * np.exp(0.5 * t) + 2)])

    run = Followed([-0.5], solution, None)
    run.nonlinear = lambda t, y: y * y
    return run


PROBLEMS = {
    "imaginary": rotating,
    "matrix": lambda: system([[-2.0, 1, 0], [0.5, -30, 3], [0, -4, -1]]),
    "Prothero–Robinson": lambda: system([-1e4, -1e3, -1e4]),
    "Riccati": riccati,
}


def errors(problem, solution) -> tuple[float, np.ndarray]:
    """The largest error at the steps, and that inside every step."""
    times = np.array(solution.sol.times)
    at_steps = max(np.max(np.abs(y - problem.exact(t))) for t, y in zip(times, solution.sol.states))
    inside = (times[:-1, None] + np.diff(times)[:, None] * INSIDE).ravel()
    found = np.max(np.abs(solution.sol(inside) - np.array([problem.exact(t) for t in inside])), axis=-1)
    return at_steps, np.max(found.reshape(-1, len(INSIDE)), axis=1)


@pytest.mark.parametrize("method", NAMES)
def test_the_order_between_fixed_steps_is_that_of_the_method(method: str) -> None:
    problem = rotating()
    (at_coarse, coarse), (at_fine, fine) = (errors(problem, problem.run(method, step=0.75 / n)) for n in (12, 24))
    measured = np.log2(np.max(coarse) / np.max(fine))
    assert measured > min(np.log2(at_coarse / at_fine), expint.method(method).order) - 0.3
    assert np.max(fine) < 10 * at_fine
    assert fine[0] < 10 * at_fine


@pytest.mark.parametrize("method", ["krogstad4", "bootstrap6", "ladder6", "adams5", "eglm634", "rosenbrock-ladder6"])
@pytest.mark.parametrize("name", ["matrix", "Prothero–Robinson"])
def test_the_order_between_fixed_steps_holds_for_matrices_and_stiff_problems(method: str, name: str) -> None:
    problem = PROBLEMS[name]()
    counts = (16, 32) if method == "eglm634" else (12, 24)  # where its order shows, and others round
    (at_coarse, coarse), (at_fine, fine) = (errors(problem, problem.run(method, step=0.75 / n)) for n in counts)
    measured = np.log2(np.max(coarse) / np.max(fine))
    assert measured > min(np.log2(at_coarse / at_fine), expint.method(method).order) - 0.3 or np.max(fine) < 1e-10


@pytest.mark.parametrize("rtol", [1e-4, 1e-8])
@pytest.mark.parametrize("method", [name for name in PAIRS if expint.method(name).order > 3])
def test_a_tolerance_holds_between_the_steps_from_the_first_on(method: str, rtol: float) -> None:
    for name in ["imaginary", "Riccati"]:
        problem = PROBLEMS[name]()
        solution = problem.run(method, rtol=rtol, atol=rtol)
        at_steps, inside = errors(problem, solution)
        assert np.max(inside) < 5 * max(rtol, at_steps)


@pytest.mark.parametrize("method", ["rosenbrock-ladder6", "epirk5p1", "expint43", "etd35", "pec5", "exprb53s3"])
def test_a_tolerance_holds_between_the_steps_of_stiff_problems(method: str) -> None:
    for name in ["matrix", "Prothero–Robinson"]:
        problem = PROBLEMS[name]()
        at_steps, inside = errors(problem, problem.run(method, rtol=1e-5, atol=1e-5))
        assert np.max(inside) < 5 * max(1e-5, at_steps)


@pytest.mark.parametrize("method", ["lawson-verner65", "lawson-dormand-prince54", "rosenbrock-ladder6", "epirk5p1"])
def test_an_event_in_the_first_step_is_as_exact_as_the_states(method: str) -> None:
    problem = rotating()
    length = problem.run(method, rtol=1e-8, atol=1e-8).sol.times[1]
    level = problem.exact(0.4 * length)[0].real
    zero = brentq(lambda t: problem.exact(t)[0].real - level, 0.2 * length, 0.8 * length, xtol=1e-15)
    solution = problem.run(method, rtol=1e-8, atol=1e-8, events=lambda t, y: float(y[0].real) - level)
    assert abs(solution.t_events[0][0] - zero) < 1e-7
    assert np.abs(solution.y_events[0][0] - problem.exact(solution.t_events[0][0]))[0] < 1e-7


@pytest.mark.parametrize(
    ("method", "further"),
    [("exponential-euler", 0), ("etd2rk", 0), ("hochbruck-ostermann3", 1), ("krogstad4", 3), ("lawson-nystrom5", 6)]
    + [("ladder6", 10), ("adams4", 0), ("exprb32", 0), ("exprb43", 1), ("epirk5p1", 2), ("rosenbrock-ladder6", 4)],
)
def test_dense_output_evaluates_n_only_in_steps_that_are_looked_into(method: str, further: int) -> None:
    problem = rotating()
    solution = problem.run(method, step=0.075)
    during, before = problem.calls, solution.sol.evaluations
    solution.sol(0.1)
    assert solution.sol.evaluations - before == problem.calls - during == further
    solution.sol([0.08, 0.11, 0.12])
    assert problem.calls - during == further
    solution.sol(0.74)  # no step needed N at the end of the run
    assert problem.calls - during == 2 * further + (method != "exponential-euler")


@pytest.mark.parametrize("options", [{"step": 0.05}, {"rtol": 1e-6, "atol": 1e-6}])
@pytest.mark.parametrize("method", ["lawson-dormand-prince54", "exprb43", "pec4"])
def test_statistics_count_what_events_evaluate(method: str, options: dict[str, Any]) -> None:
    problem = rotating()
    solution = problem.run(method, events=lambda t, y: float(y[0].imag) - 0.5, **options)
    assert len(solution.t_events[0]) > 0
    assert solution.stats.nonlinear_evaluations == problem.calls


def test_a_pickled_solution_needs_n_no_more() -> None:
    problem = rotating()
    output = problem.run("krogstad4", step=0.075).sol
    kept = pickle.loads(pickle.dumps(output))
    calls, times = problem.calls, np.linspace(0, 0.75, 41)
    states = kept(times)
    assert problem.calls == calls
    assert np.max(np.abs(states - np.array([problem.exact(t) for t in times]))) < 1e-4


def test_points_inside_a_step_are_those_of_lobatto() -> None:
    assert lobatto(1) == (0.5,)
    np.testing.assert_allclose(lobatto(2), (0.5 - math.sqrt(5) / 10, 0.5 + math.sqrt(5) / 10), rtol=1e-14)
    np.testing.assert_allclose(lobatto(3), (0.5 - math.sqrt(21) / 14, 0.5, 0.5 + math.sqrt(21) / 14), rtol=1e-14)
