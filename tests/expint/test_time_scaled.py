"""L(t) = g(t) A: solved in its own clock, spoken of in t."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, sparse

import expint
from expint import Status
from expint.operators import Dense, Diagonal, KroneckerSum, Sparse, TimeScaled, as_operator

SYMBOL = np.array([-0.5, -2.0, 0.3])


def rate(t: float) -> float:
    return 1 + 0.7 * math.sin(3 * t)


def integral(t: float) -> float:
    return t - 0.7 / 3 * math.cos(3 * t)


def exact(t: float) -> np.ndarray:
    return np.array([math.sin(t), math.cos(2 * t), math.exp(-t)])


def nonlinear(t: float, y: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """What makes ``exact`` the solution."""
    slope = np.array([math.cos(t), -2 * math.sin(2 * t), -math.exp(-t)])
    return slope - rate(t) * SYMBOL * exact(t) + scale * (y**2 - exact(t) ** 2)


LINEAR = TimeScaled(rate, Diagonal(SYMBOL))


def solve(**options: object) -> expint.Solution:
    return expint.solve_ivp(nonlinear, (0, 2), exact(0), **{"linear": LINEAR, **options})


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), sign=st.sampled_from([1.0, -1.0]), backwards=st.booleans())
def test_a_time_scaled_solve_is_a_direct_one(seed: int, sign: float, backwards: bool) -> None:
    rng = np.random.default_rng(seed)
    matrix, y0, swing = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.uniform(-0.8, 0.8)

    def g(t: float) -> float:
        return sign * (1 + swing * math.cos(2 * t))

    def force(t: float, y: np.ndarray) -> np.ndarray:
        return np.cos(t + y)

    span = (1.0, 0.0) if backwards else (0.0, 1.0)
    options = {"max_step": -math.inf} if backwards else {}
    run = expint.solve_ivp(force, span, y0, linear=TimeScaled(g, Dense(matrix)), rtol=1e-9, atol=1e-9, **options)
    direct = integrate.solve_ivp(
        lambda t, y: g(t) * matrix @ y + force(t, y), span, y0, method="DOP853", rtol=1e-11, atol=1e-11
    )
    assert run.success
    np.testing.assert_allclose(run.y_end, direct.y[:, -1], rtol=1e-6, atol=1e-6)
    assert (run.t[0], run.t[-1]) == span


@pytest.mark.parametrize(
    ("method", "order", "steps"),
    [("etd2rk", 2, 40), ("krogstad4", 4, 16), ("adams3", 3, 40), ("pec4", 4, 40), ("lawson-rk4", 4, 16)],
)
def test_methods_keep_their_order(method: str, order: int, steps: int) -> None:
    errors = [np.max(np.abs(solve(method=method, step=2 / n).y_end - exact(2))) for n in (steps, 2 * steps)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_methods_keep_their_stiff_order() -> None:
    n = 40
    x = np.linspace(0, 1, n + 2)[1:-1]
    laplacian = (n + 1) ** 2 * (np.diag(np.ones(n - 1), 1) - 2 * np.eye(n) + np.diag(np.ones(n - 1), -1))
    shape = x * (1 - x)  # satisfies the boundary conditions, as its differences of second order do not

    def force(t: float, u: np.ndarray) -> np.ndarray:
        u_exact = shape * math.exp(t)
        return u_exact - rate(t) * laplacian @ u_exact + 1 / (1 + u**2) - 1 / (1 + u_exact**2)

    def error(method: str, steps: int) -> float:
        linear = TimeScaled(rate, KroneckerSum(laplacian))
        run = expint.solve_ivp(force, (0, 1), shape, linear=linear, method=method, step=1 / steps)
        return float(np.max(np.abs(run.y_end - shape * math.e)))

    slopes = {m: math.log2(error(m, 10) / error(m, 20)) for m in ("hochbruck-ostermann4", "lawson-rk4")}
    assert slopes["hochbruck-ostermann4"] > 3.7
    assert slopes["lawson-rk4"] < 2.0  # as for a constant L


def test_without_forces_one_step_is_exact() -> None:
    for steps in (1, 3):
        run = expint.solve_ivp(lambda t, y: 0 * y, (0, 2), np.ones(3), linear=LINEAR, method="etd2rk", step=2 / steps)
        np.testing.assert_allclose(run.y_end, np.exp(SYMBOL * (integral(2) - integral(0))), rtol=1e-13)


@pytest.mark.parametrize("options", [{"step": 2.0}, {"step": 0.3}, {"rtol": 1e-6}, {"grid": [0.0, 1.5, 2.0]}])
def test_without_forces_any_function_of_time_will_do(options: dict[str, object]) -> None:
    def swing(t: float) -> float:
        return math.cos(5 * t) - 0.2

    matrix = np.array([[0.1, 2.0], [-1.0, 0.3]])
    linear = TimeScaled(swing, Dense(matrix)) + TimeScaled(lambda t: t, Dense(matrix @ matrix))
    y0 = np.array([1.0, -2.0])
    values, vectors = np.linalg.eig(matrix)

    def expected(t: float) -> np.ndarray:
        powers = np.exp(values * (math.sin(5 * t) / 5 - 0.2 * t) + values**2 * t**2 / 2)
        return ((vectors * powers) @ np.linalg.solve(vectors, y0)).real

    run = expint.solve_ivp(None, (0, 2), y0, linear=linear, dense_output=True, events=lambda t, y: t - 1.1, **options)
    assert (run.method, run.stats.nonlinear_evaluations) == ("exact", 0)
    for t, y in zip(run.t, run.y):
        np.testing.assert_allclose(y, expected(t), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.sol(0.77), expected(0.77), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.t_events[0], [1.1], atol=1e-12)
    back = expint.solve_ivp(None, (2, 0), run.y_end, linear=linear, step=-1.0)
    np.testing.assert_allclose(back.y_end, y0, rtol=1e-10, atol=1e-10)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["symbols", "numbers", "by field", "sparse"]))
def test_functions_of_time_with_operators_that_commute(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    a, y0 = rng.standard_normal((4, 4)), rng.standard_normal((2, 4))
    rates = rng.standard_normal((2, 1))
    first, second = {
        "symbols": (Diagonal(a[0]), Diagonal(a[1])),
        "numbers": (a[0, 0], Dense(a)),
        "by field": (Diagonal(rates), Sparse(sparse.csr_array(a))),
        "sparse": (Sparse(sparse.csr_array(a)), Sparse(sparse.csr_array(a @ a - a))),
    }[kind]
    linear = TimeScaled(math.sin, first) + TimeScaled(lambda t: 1.0, second)
    run = expint.solve_ivp(None, (0, 1), y0, linear=linear, step=1.0)
    part = 1 - math.cos(1)
    one, two = as_operator(first, y0), as_operator(second, y0)
    whole = np.stack([(part * one.product(y0)(e) + two.product(y0)(e)).ravel() for e in np.eye(8).reshape(8, 2, 4)])
    np.testing.assert_allclose(run.y_end.ravel(), linalg.expm(whole.T) @ y0.ravel(), rtol=1e-9, atol=1e-9)


def test_an_integral_that_is_given_is_used() -> None:
    calls = []

    def counted(t: float) -> float:
        calls.append(t)
        return integral(t)

    one = solve(method="krogstad4", step=0.1)
    two = solve(method="krogstad4", step=0.1, linear=TimeScaled(rate, Diagonal(SYMBOL), integral=counted))
    np.testing.assert_allclose(one.y, two.y, rtol=1e-12, atol=1e-13)
    assert len(calls) > 20


def test_steps_and_grids_are_those_of_t() -> None:
    assert solve(method="krogstad4", step=0.25).t.tolist() == np.linspace(0, 2, 9).tolist()
    grid = [0.0, 0.1, 0.5, 0.7, 2.0]
    assert solve(method="krogstad4", grid=grid).t.tolist() == grid
    assert solve(method="krogstad4", grid=grid, t_eval=[0.1, 0.7]).t.tolist() == [0.1, 0.7]
    assert solve(method="krogstad4", step=0.25, t_eval=[0.3, 2.0]).t.tolist() == [0.3, 2.0]


def test_times_asked_for_are_hit_exactly() -> None:
    run = solve(rtol=1e-9, atol=1e-9, t_eval=[0.0, 0.3, 1.1, 2.0])
    assert run.t.tolist() == [0.0, 0.3, 1.1, 2.0]
    for t, y in zip(run.t, run.y):
        np.testing.assert_allclose(y, exact(t), atol=1e-7)


@pytest.mark.parametrize("options", [{"step": 0.02, "method": "krogstad4"}, {"rtol": 1e-8, "atol": 1e-8}])
def test_dense_output_callbacks_and_events_speak_of_t(options: dict[str, object]) -> None:
    seen: list[float] = []

    def falls(t: float, y: np.ndarray) -> float:
        return float(y[1])

    def late(t: float, y: np.ndarray) -> float:
        return t - 1.25

    falls.direction = -1
    run = solve(
        dense_output=True,
        events=[falls, late],
        callback=lambda t, y: seen.append(float(np.max(np.abs(y - exact(t))))),
        **options,
    )
    assert len(seen) == run.stats.steps + 1
    assert max(seen) < 1e-5
    np.testing.assert_allclose(run.t_events[0], [math.pi / 4], atol=1e-5)
    np.testing.assert_allclose(run.t_events[1], [1.25], atol=1e-12)
    np.testing.assert_allclose(run.y_events[1][0], exact(1.25), atol=1e-5)
    for t in (0.0, 0.123, 1.9, 2.0):
        np.testing.assert_allclose(run.sol(t), exact(t), atol=1e-5)
    assert run.sol([0.5, 1.5]).shape == (2, 3)
    with pytest.raises(ValueError, match=r"a time between 0.0 and 2.0, received 2.5"):
        run.sol(2.5)


def test_terminal_events_say_when_in_t() -> None:
    def late(t: float, y: np.ndarray) -> float:
        return t - 1.25

    late.terminal = True
    run = solve(rtol=1e-6, events=late)
    assert run.status is Status.TERMINATED
    assert run.message.startswith("A terminal event occurred. It was at t = 1.25.")
    assert run.t[-1] == pytest.approx(1.25, abs=1e-12)


def test_bounds_of_steps_hold_in_t() -> None:
    run = solve(rtol=1e-2, atol=1e-2, max_step=0.05, first_step=0.01)
    assert np.max(np.diff(run.t)) <= 0.05 * (1 + 1e-12)
    assert run.t[1] <= 0.0101


def test_arguments_reach_nonlinear() -> None:
    run = expint.solve_ivp(nonlinear, (0, 2), exact(0), linear=LINEAR, args=(0.0,), method="krogstad4", step=0.05)
    np.testing.assert_allclose(run.y_end, exact(2), atol=1e-5)


def test_problems_may_be_time_scaled_and_operators_of_any_kind() -> None:
    n = 30
    laplacian = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr") * n
    problem = expint.SemilinearProblem(TimeScaled(rate, laplacian), lambda t, u: -(u**3), np.ones(n), (0.0, 1.0))
    one = expint.solve(problem, "krogstad4", step=0.05)
    for operator in (Sparse(laplacian), Dense(laplacian.toarray()), laplacian.toarray()):
        two = expint.solve_ivp(
            lambda t, u: -(u**3), (0, 1), np.ones(n), linear=TimeScaled(rate, operator), method="krogstad4", step=0.05
        )
        np.testing.assert_allclose(one.y_end, two.y_end, rtol=0, atol=1e-10)


def test_states_of_torch_stay_theirs() -> None:
    y0 = torch.tensor(exact(0), dtype=torch.float32)
    run = expint.solve_ivp(
        lambda t, y: torch.tensor(nonlinear(t, y.numpy()), dtype=y.dtype), (0, 2), y0, linear=LINEAR, rtol=1e-4
    )
    assert run.y.dtype == torch.float32
    np.testing.assert_allclose(run.y_end.numpy(), exact(2), atol=1e-2)


def test_failures_keep_what_was_reached_and_say_which_clock() -> None:
    def explodes(t: float, y: np.ndarray) -> np.ndarray:
        return y**2

    run = expint.solve_ivp(explodes, (0, 2), np.ones(1), linear=TimeScaled(rate, 0.5), rtol=1e-6)
    assert run.status is Status.STEP_TOO_SMALL
    assert "clock s = ∫ g dt from t = 0" in run.message
    assert 0.3 < run.t[-1] < 1.0
    assert run.y[-1, 0] > 1e6

    def raises(t: float, y: np.ndarray) -> np.ndarray:
        if t > 1:
            raise RuntimeError("no further")
        return y

    with pytest.raises(RuntimeError, match="no further") as raised:
        expint.solve_ivp(raises, (0, 2), np.ones(1), linear=TimeScaled(rate, 0.5), method="krogstad4", step=0.25)
    assert raised.value.solution.t.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TimeScaled(1.0, 2.0), TypeError, "rate to be a function of time, received 1.0"),
        (lambda: TimeScaled(rate, 2.0, integral=3.0), TypeError, "integral to be a function of time, received 3.0"),
        (lambda: as_operator(LINEAR, np.ones(3)), TypeError, "which solve_ivp and solve understand alone"),
        (lambda: expint.begin(nonlinear, 0.0, exact(0), linear=LINEAR), TypeError, "does not depend on time"),
        (lambda: solve(jac=lambda t, y: np.eye(3)), ValueError, r"no jac= beside TimeScaled"),
        (lambda: solve(linear=TimeScaled(lambda t: t - 1, 1.0)), ValueError, "rate of one sign"),
        (lambda: solve(linear=TimeScaled(rate, np.eye(4))), ValueError, "broadcasts to the state"),
        (lambda: solve(step=0.1, t_eval=[3.0]), ValueError, r"t_eval within \[0.0, 2.0\], received times from 3.0"),
        (lambda: solve(max_step=-1.0), ValueError, r"of the sign in which t_span = \(0.0, 2.0\) runs, .*-1.0"),
        (lambda: solve(step=0.1, rtol=1e-3), ValueError, "either fixed steps"),
        (lambda: LINEAR + Diagonal(SYMBOL), TypeError, "unsupported operand"),
        (lambda: solve(linear=LINEAR + LINEAR), ValueError, r"one function of time beside N\(t, y\)"),
        (
            lambda: expint.solve_ivp(
                None,
                (0, 1),
                np.ones(2),
                linear=TimeScaled(rate, np.array([[0.0, 1], [0, 0]]))
                + TimeScaled(math.cos, np.array([[0.0, 0], [1, 0]])),
                step=1.0,
            ),
            ValueError,
            r"expected parts that commute, received .*; take TimeDependent",
        ),
        (lambda: solve(events=[3]), TypeError, "events to be a function"),
    ],
)
def test_what_makes_no_sense_is_refused_in_terms_of_t(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
