"""The method chosen when none is asked for keeps the tolerance, and says why it was chosen."""

import numpy as np
import pytest

import expint
from expint import problems


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9, None])
def test_the_choice_adapts_its_order_and_says_so(rtol: float | None) -> None:
    solution = expint.solve(problems.burgers(), "auto", rtol=rtol)
    assert solution.success
    name = "pec5" if rtol == 1e-3 else "pec6"  # few steps do not repay the rows of high orders
    assert solution.method == name
    tolerance = "1e-6" if rtol is None else f"1e-{round(-np.log10(rtol))}"
    assert (
        f"Method {name} was chosen: to rtol = {tolerance} in 64-bit numbers on a Diagonal operator" in solution.message
    )
    assert solution.message.startswith("The solver reached the end")


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("name", ["burgers", "gray_scott", "kuramoto_sivashinsky", "schroedinger_breather"])
def test_the_choice_reaches_stored_solutions_within_their_condition(name: str, rtol: float) -> None:
    problem, stored = problems.make(name), problems.reference(name)
    solution = expint.solve(problem, "auto", t_span=(0, stored.t), rtol=rtol, t_eval=[stored.t])
    assert solution.success
    error = np.max(np.abs(problems.sample(problem, solution.y_end) - stored.values)) / np.max(np.abs(stored.values))
    assert error < rtol * (1000 if name in ("kuramoto_sivashinsky", "gray_scott") else 30)


def test_nonlinear_terms_of_time_alone_are_seen() -> None:
    solution = expint.solve_ivp(
        lambda t, y: np.array([np.sin(20 * t)]), (0, 3), np.zeros(1), linear=-1.0, method="auto", rtol=1e-7, atol=1e-7
    )
    exact = (np.sin(60) - 20 * np.cos(60) + 20 * np.exp(-3)) / 401
    assert solution.y_end[0] == pytest.approx(exact, abs=1e-6)


def test_fixed_steps_get_a_one_step_method() -> None:
    solution = expint.solve(problems.riccati(), "auto", step=0.1)
    assert solution.method == "krogstad4"
    assert "Method krogstad4 was chosen: a fixed step on a Scalar operator" in solution.message
    assert expint.solve(problems.riccati(), step=0.1).method == "krogstad4"  # it is the default
    doubled = expint.solve(problems.riccati(), "auto", rtol=1e-6, error="doubling")
    assert doubled.method == "krogstad4"


def test_single_precision_gets_no_order_that_its_rounding_would_drown() -> None:
    solution = expint.solve_ivp(
        lambda t, y: 0.1 * y * y, (0, 1), np.ones(2, dtype=np.float32), linear=-1.0, method="auto", rtol=2e-6
    )
    assert solution.method == "pec4"
    assert "32-bit" in solution.message


def test_a_jacobian_beside_a_linear_part_chooses_a_method_that_linearises() -> None:
    rates, y0 = np.array([-1.0, -30.0]), np.array([1.0, 0.5])
    given = {"linear": rates, "rtol": 1e-6}
    linearised = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), y0, jac=lambda t, y: np.diag(rates - 2 * y), **given)
    assert linearised.method == "pexprb54s4"
    assert "a Jacobian was given beside the linear part" in linearised.message
    plain = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), y0, **given)
    np.testing.assert_allclose(linearised.y_end, plain.y_end, rtol=1e-5, atol=1e-8)


def test_the_reason_for_a_choice_is_a_sentence_of_its_own_after_a_failure() -> None:
    solution = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), np.ones(1), linear=-1.0, rtol=1e-8, max_steps=3)
    assert not solution.success
    assert ". Method pec" in solution.message
