"""Steps by hand are those of the solver, and a state is a value; step doubling gives any method a tolerance."""

import math
from typing import Any

import numpy as np
import pytest
import torch

import expint
from expint import problems
from expint.ivp.stepping import begin, step

METHODS = ["exponential-euler", "krogstad4", "etd34", "zoto-bowman43", "adams3", "pec4", "lawson-rk4"]
SPECTRUM = [-500.0, -3.0, 0.5]


def started(method: str, **options: Any) -> tuple[Any, Any]:
    problem = problems.prescribed_spectrum(SPECTRUM)
    return problem, begin(problem.nonlinear, 0.0, problem.y0, linear=problem.linear, method=method, **options)


@pytest.mark.parametrize("method", METHODS)
def test_steps_by_hand_are_those_of_the_solver(method: str) -> None:
    problem, state = started(method)
    for _ in range(8):
        state = step(state, 0.125)
    solution = expint.solve(problem, method, step=0.125)
    assert state.t == 1.0
    np.testing.assert_allclose(state.y, solution.y_end, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("method", METHODS)
def test_a_state_is_a_value_that_can_be_stepped_from_again(method: str) -> None:
    _, state = started(method)
    state = step(step(state, 0.1), 0.07)
    before = (state.t, state.y.copy(), state.evaluations, tuple(s.copy() for s in state.slopes))
    once, other, again = step(state, 0.05), step(state, 0.2), step(state, 0.05)
    np.testing.assert_array_equal(once.y, again.y)
    assert once.evaluations == again.evaluations
    assert np.any(other.y != once.y)
    assert (state.t, state.evaluations) == (before[0], before[2])
    np.testing.assert_array_equal(state.y, before[1])
    for slope, kept in zip(state.slopes, before[3]):
        np.testing.assert_array_equal(slope, kept)


def test_evaluations_are_counted_along_each_branch() -> None:
    problem, state = started("krogstad4")
    assert state.evaluations == 1
    assert step(step(state, 0.1), 0.1).evaluations == 9
    _, state = started("pec4")
    for _ in range(6):
        state = step(state, 0.05)
    assert step(state, 0.05).evaluations == state.evaluations + 1
    assert problem.exact is not None


def test_the_error_of_a_step_is_estimated_where_the_method_can() -> None:
    problem, state = started("zoto-bowman43")
    assert state.error is None
    sizes = []
    for h in (0.02, 0.01):
        made = step(state, h)
        assert np.max(np.abs(made.y - problem.exact(h))) < np.max(np.abs(made.error))
        sizes.append(np.max(np.abs(made.error)))
    assert math.log2(sizes[0] / sizes[1]) > 2.5
    assert step(started("krogstad4")[1], 0.1).error is None


def test_steps_there_and_back_return_within_the_error() -> None:
    problem = problems.riccati()
    state = begin(problem.nonlinear, 0.0, problem.y0, linear=problem.linear, method="krogstad4")
    back = step(step(state, 0.01), -0.01)
    assert back.t == 0.0
    assert abs(back.y - problem.y0) < 1e-12


def test_torch_states_stay_torch_and_carry_gradients() -> None:
    y0 = torch.tensor([1.0, 0.5], dtype=torch.float64, requires_grad=True)
    state = begin(lambda t, y, a: a * y * y, 0.0, y0, linear=-2.0, method="krogstad4", args=(0.3,))
    end = step(step(state, 0.1), 0.1).y
    (gradient,) = torch.autograd.grad(end.sum(), y0)
    exact = math.exp(-0.4) / (1 - 0.15 * y0.detach() * (1 - math.exp(-0.4))) ** 2
    np.testing.assert_allclose(gradient.numpy(), exact.numpy(), rtol=1e-4)


def test_steps_by_hand_follow_an_operator_that_depends_on_time() -> None:
    linear = expint.operators.TimeDependent(lambda t: np.array([[0.0, t], [-t, -0.3]]))

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        return 0.1 * np.cos(y + t)

    state, y0 = begin(nonlinear, 0.0, np.array([1.0, 0.5]), linear=linear, method="cfree4"), np.array([1.0, 0.5])
    for _ in range(4):
        state = step(state, 0.1)
    run = expint.solve_ivp(nonlinear, (0, 0.4), y0, linear=linear, method="cfree4", step=0.1)
    np.testing.assert_allclose(state.y, run.y_end, rtol=1e-13)


def test_steps_by_hand_are_refused_where_they_need_the_whole_span() -> None:
    linear = expint.operators.TimeScaled(math.cos, -1.0)
    with pytest.raises(
        TypeError, match="expected an L that does not depend on time, or TimeDependent, to step by hand"
    ):
        begin(lambda t, y: y, 0.0, np.ones(1), linear=linear)


@pytest.mark.parametrize("h", [0.0, math.nan, math.inf])
def test_steps_without_length_are_refused(h: float) -> None:
    with pytest.raises(ValueError, match=r"expected (a finite step h other than 0|h to be a finite number), received"):
        step(started("etd34")[1], h)


def test_breakpoints_are_refused_by_name_and_beginning_anew_there_is_what_they_do() -> None:
    with pytest.raises(TypeError, match=r"expected no breakpoints to step by hand, received \[1.0\]; choose the steps"):
        begin(lambda t, y: y, 0.0, np.ones(1), linear=-1.0, breakpoints=[1.0])

    def force(t: float, y: np.ndarray, after: bool) -> np.ndarray:
        return (2.0 if after else 1.0) + 0 * y

    state = begin(force, 0.0, np.ones(1), linear=-1.0, method="adams3", args=(False,))
    for _ in range(10):
        state = step(state, 0.1)
    state = begin(force, state.t, state.y, linear=-1.0, method="adams3", args=(True,))
    for _ in range(10):
        state = step(state, 0.1)
    expected = expint.solve_ivp(
        lambda t, y: (2.0 if t > 1 else 1.0) + 0 * y, (0, 2), np.ones(1), linear=-1.0, breakpoints=[1.0], rtol=1e-10
    )
    assert abs(state.y[0] - expected.y_end[0]) < 1e-9


def test_a_start_at_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="expected t0 to be a finite number, received nan"):
        begin(lambda t, y: y, math.nan, np.ones(2), linear=-1.0)


@pytest.mark.parametrize("method", ["krogstad4", "hochbruck-ostermann4", "etd2rk", "luan-ostermann5"])
@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_step_doubling_keeps_a_tolerance_with_methods_that_have_no_estimate(method: str, rtol: float) -> None:
    if method == "etd2rk":
        rtol = 1e-4  # errors of order 2 add up: that at the end goes with rtol^{2/3}
    problem = problems.prescribed_spectrum(SPECTRUM)
    solution = expint.solve(problem, method, rtol=rtol, atol=rtol, error="doubling", dense_output=True)
    assert solution.success
    errors = [np.sqrt(np.mean((y - problem.exact(t)) ** 2)) for t, y in zip(solution.t, solution.y)]
    assert max(errors) < 10 * rtol
    assert np.max(np.abs(solution.sol(0.37) - problem.exact(0.37))) < 20 * rtol


def test_step_doubling_sees_a_nonlinear_term_of_time_alone() -> None:
    solution = expint.solve_ivp(
        lambda t, y: np.array([math.sin(20 * t)]),
        (0, 3),
        np.zeros(1),
        linear=-1.0,
        rtol=1e-6,
        atol=1e-6,
        error="doubling",
    )
    exact = (math.sin(60) - 20 * math.cos(60) + 20 * math.exp(-3)) / 401
    assert solution.y_end[0] == pytest.approx(exact, abs=1e-5)


def test_step_doubling_costs_three_steps_less_the_shared_slope() -> None:
    problem = problems.prescribed_spectrum(SPECTRUM)
    solution = expint.solve(problem, "krogstad4", rtol=1e-6, error="doubling", first_step=1e-3)
    stats = solution.stats
    tried = stats.steps + stats.rejected
    assert stats.nonlinear_evaluations == 1 + (3 * 4 - 2) * tried + stats.steps


def test_step_doubling_is_refused_where_it_makes_no_sense() -> None:
    problem = problems.riccati()
    with pytest.raises(ValueError, match=r"expected a one-step method for error='doubling', received adams3"):
        expint.solve(problem, "adams3", rtol=1e-6, error="doubling")
    with pytest.raises(ValueError, match=r"expected error to be one of 'embedded', 'doubling', received 'guess'"):
        expint.solve(problem, rtol=1e-6, error="guess")
    with pytest.raises(ValueError, match=r"received error beside fixed steps"):
        expint.solve(problem, step=0.1, error="doubling")
