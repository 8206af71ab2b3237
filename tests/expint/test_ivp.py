"""solve_ivp and solve: SciPy's conventions, states of any kind, and runs that do not reach their end."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

import expint
from expint import Status
from expint.ivp.times import lay_out_times
from tests.expint.catalogue import FIXED_L

LINEAR = np.array([-1.0, -3.0, -10.0])
Y0 = np.array([1.0, 0.5, -0.2])


def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
    return np.cos(t) + y[..., ::-1] * y


def solve(**options: object) -> expint.Solution:
    options = {"linear": LINEAR, "step": 0.1} | options
    return expint.solve_ivp(nonlinear, options.pop("t_span", (0, 1)), options.pop("y0", Y0), **options)


def test_the_front_page_example_works_as_typed() -> None:
    grid = expint.spectral.Fourier(128, length=32 * np.pi)
    x = grid.x
    u0 = np.cos(x / 16) * (1 + np.sin(x / 16))

    def nonlinear(t: float, v: np.ndarray) -> np.ndarray:
        return -0.5j * grid.k * grid.fft(grid.ifft(v) ** 2)

    sol = expint.solve_ivp(
        nonlinear, (0, 150), grid.fft(u0), linear=grid.k**2 - grid.k**4, method="krogstad4", step=0.25
    )
    assert sol.t.shape == (601,)
    assert sol.y.shape == (601, 65)
    assert sol.status == 0
    assert sol.message == "The solver reached the end of the interval."
    assert sol.stats.nonlinear_evaluations == 2400
    assert np.max(np.abs(grid.ifft(sol.y[-1]))) < 4  # on the attractor


def test_the_solution_agrees_with_scipy() -> None:
    ours = solve(step=0.01, t_eval=[0.25, 1.0])
    theirs = integrate.solve_ivp(
        lambda t, y: LINEAR * y + nonlinear(t, y), (0, 1), Y0, method="DOP853", rtol=1e-12, atol=1e-14, t_eval=ours.t
    )
    np.testing.assert_array_equal(ours.t, theirs.t)
    np.testing.assert_allclose(ours.y, theirs.y.T, rtol=0, atol=1e-8)
    assert ours.success is theirs.success is True


def test_the_times_laid_out_contain_those_asked_for_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(1000):
        ends = rng.uniform(-3, 3, 2)
        wanted = np.sort(rng.uniform(min(ends), max(ends), 3))[:: int(np.sign(ends[1] - ends[0]))]
        times, kept = lay_out_times(tuple(ends), 0.2 * np.sign(ends[1] - ends[0]), None, wanted)
        np.testing.assert_array_equal(times[[0, -1]], ends)
        np.testing.assert_array_equal(times[kept], wanted)
        assert np.all(np.diff(times) * np.sign(ends[1] - ends[0]) > 0)


@settings(max_examples=30)
@given(
    st.floats(-3, 3),
    st.floats(0.1, 3),
    st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True).map(sorted),
    st.floats(0.03, 5),
    st.booleans(),
)
def test_every_time_asked_for_is_hit_to_the_last_bit(
    start: float, length: float, fractions: list[float], step: float, backwards: bool
) -> None:
    direction = -1 if backwards else 1
    t_span = (start, start + direction * length)
    wanted = np.unique(np.clip(start + direction * length * np.array(fractions), min(t_span), max(t_span)))[::direction]
    solution = expint.solve_ivp(
        lambda t, y: 0 * y, t_span, 1.0, linear=-0.5, method="etd2rk", step=direction * step, t_eval=wanted
    )
    np.testing.assert_array_equal(solution.t, wanted)
    np.testing.assert_allclose(solution.y, np.exp(-0.5 * (wanted - start)), rtol=1e-12)


@settings(max_examples=30)
@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(0.03, 5))
def test_no_step_is_longer_than_asked_for_and_none_much_shorter(start: float, length: float, step: float) -> None:
    solution = expint.solve_ivp(lambda t, y: 0 * y, (start, start + length), 1.0, linear=-0.5, step=step)
    steps = np.diff(solution.t)
    assert np.all(steps <= step * (1 + 1e-9))
    assert len(steps) == max(1, math.ceil(length / step * (1 - 1e-9)))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert solution.t[0] == start
    assert solution.t[-1] == start + length


@pytest.mark.parametrize("method", ["krogstad4", "adams4"])
def test_going_there_and_back_returns_to_the_start(method: str) -> None:
    there = solve(step=2e-3, method=method)
    back = solve(t_span=(1, 0), y0=there.y[-1], step=-2e-3, method=method)
    np.testing.assert_allclose(back.y[-1], Y0, rtol=0, atol=1e-7)
    assert back.t[0] == 1
    assert back.t[-1] == 0
    assert np.all(np.diff(back.t) < 0)


def test_a_grid_gives_the_steps_themselves() -> None:
    grid = [0.0, 0.1, 0.4, 0.5, 1.0]
    solution = solve(step=None, grid=grid, method="etd2rk")
    np.testing.assert_array_equal(solution.t, grid)
    assert solution.stats.steps == 4
    some = solve(step=None, grid=grid, method="etd2rk", t_eval=[0.1, 1.0])
    np.testing.assert_array_equal(some.y, solution.y[[1, 4]])
    assert some.stats.steps == 4


def test_a_uniform_grid_and_a_step_are_the_same() -> None:
    np.testing.assert_allclose(solve(step=None, grid=np.linspace(0, 1, 11)).y, solve(step=0.1).y, rtol=1e-14)


def test_args_are_passed_on() -> None:
    def scaled(t: float, y: np.ndarray, rate: float, offset: float) -> np.ndarray:
        return rate * y + offset

    with_args = expint.solve_ivp(scaled, (0, 1), Y0, linear=LINEAR, step=0.1, args=(0.5, -1.0))
    without = expint.solve_ivp(lambda t, y: 0.5 * y - 1.0, (0, 1), Y0, linear=LINEAR, step=0.1)
    np.testing.assert_array_equal(with_args.y, without.y)


def test_the_callback_sees_every_accepted_state() -> None:
    seen: list[tuple[float, np.ndarray]] = []
    solution = solve(callback=lambda t, y: seen.append((t, y)))
    np.testing.assert_array_equal([t for t, _ in seen], solution.t)
    np.testing.assert_array_equal([y for _, y in seen], solution.y)
    few: list[float] = []
    solve(callback=lambda t, y: few.append(t), t_eval=[1.0])
    np.testing.assert_array_equal(few, solution.t)


def test_methods_are_given_by_name_by_alias_or_as_they_are() -> None:
    by_name = solve(method="krogstad4")
    assert by_name.method == "krogstad4"
    for same in ("Krogstad 4", "KROGSTAD_4", expint.method("krogstad4")):
        np.testing.assert_array_equal(solve(method=same).y, by_name.y)
    assert solve(method=expint.Adams(3)).method == "adams3"


def test_a_problem_is_solved_over_its_own_interval_or_another() -> None:
    problem = expint.problems.riccati()
    solution = expint.solve(problem, "krogstad4", step=0.05)
    assert solution.t[-1] == problem.t_span[1]
    np.testing.assert_allclose(solution.y[-1], problem.exact(0.8), rtol=1e-8)
    assert expint.solve(problem, step=0.1, t_span=(0, 0.4)).t[-1] == 0.4


@pytest.mark.parametrize("name", FIXED_L)
def test_every_method_solves_the_riccati_equation(name: str) -> None:
    problem = expint.problems.riccati()
    solution = expint.solve(problem, name, step=0.01, t_eval=[0.8])
    assert abs(solution.y[0] - problem.exact(0.8)) < 0.01 ** expint.method(name).order + 1e-14


# States of every kind


def test_a_state_may_be_a_number() -> None:
    solution = expint.solve_ivp(lambda t, y: y**2, (0, 0.8), 0.2, linear=-1.0, step=0.05)
    assert solution.y.shape == (17,)
    assert "scalar" in repr(solution)
    np.testing.assert_allclose(solution.y[-1], 1 / (1 + 4 * np.exp(0.8)), rtol=1e-8)


@pytest.mark.parametrize("zero_dimensional", [np.array(0.2), torch.tensor(0.2, dtype=torch.float64), np.float64(0.2)])
def test_a_state_may_have_no_dimensions(zero_dimensional: object) -> None:
    solution = expint.solve_ivp(lambda t, y: y**2, (0, 0.8), zero_dimensional, linear=-1.0, step=0.05)
    assert tuple(solution.y.shape) == (17,)
    np.testing.assert_allclose(float(solution.y[-1]), 1 / (1 + 4 * np.exp(0.8)), rtol=1e-8)


@pytest.mark.parametrize("numbers", [[1.0, 0.5, -0.2], (1.0, 0.5, -0.2), [1, 0.5, -0.2]])
def test_a_state_may_be_a_list(numbers: list[float]) -> None:
    np.testing.assert_array_equal(solve(y0=numbers).y, solve().y)


def test_states_keep_their_shape_and_batches_their_members() -> None:
    batch = np.linspace(-0.5, 0.5, 24).reshape(2, 4, 3)
    solution = solve(y0=batch)
    assert solution.y.shape == (11, 2, 4, 3)
    np.testing.assert_allclose(solution.y[:, 1, 2], solve(y0=batch[1, 2]).y, rtol=1e-14)


@pytest.mark.parametrize("linear", [-2.0, LINEAR, np.diag(LINEAR)], ids=["scalar", "diagonal", "dense"])
@pytest.mark.parametrize("method", ["krogstad4", "adams3", "lawson-rk4"])
@pytest.mark.parametrize(("low", "high"), [("float32", "float64"), ("complex64", "complex128")])
@pytest.mark.parametrize("make", [np.asarray, torch.asarray])
def test_single_precision_stays_single_and_agrees_with_double(
    make: object, low: str, high: str, method: str, linear: object
) -> None:
    def rate(t: float, y: object) -> object:
        return y * y - math.cos(t) * y

    runs = [
        expint.solve_ivp(rate, (0, 1), make(Y0.astype(dtype)), linear=linear, method=method, step=0.1)
        for dtype in (low, high)
    ]
    assert [str(run.y.dtype).removeprefix("torch.") for run in runs] == [low, high]
    np.testing.assert_allclose(np.asarray(runs[0].y), np.asarray(runs[1].y), rtol=0, atol=1e-6)


def test_complex_operators_keep_complex_single_precision() -> None:
    for linear in (1j, 1j * LINEAR, 1j * np.diag(LINEAR)):
        solution = expint.solve_ivp(lambda t, y: 0 * y, (0, 1), Y0.astype("complex64"), linear=linear, step=0.1)
        assert solution.y.dtype == np.complex64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_states_are_kept(dtype: torch.dtype) -> None:
    solution = expint.solve_ivp(
        lambda t, y: 0.5 * y, (0, 1), torch.ones(3, dtype=dtype), linear=torch.tensor(LINEAR), step=0.25
    )
    assert solution.y.dtype == dtype
    np.testing.assert_allclose(solution.y[-1].float().numpy(), np.exp(LINEAR + 0.5), atol=2e-2)


def test_the_initial_state_is_not_changed() -> None:
    y0 = Y0.copy()
    solution = solve(y0=y0, callback=lambda t, y: None)
    np.testing.assert_array_equal(y0, Y0)
    np.testing.assert_array_equal(solution.y[0], Y0)


def test_gradients_flow_through_a_solve() -> None:
    y0 = torch.tensor([0.3, 0.4], dtype=torch.float64, requires_grad=True)

    def end(y: torch.Tensor) -> torch.Tensor:
        return expint.solve_ivp(lambda t, v: v**2, (0, 0.5), y, linear=-1.0, method="adams2", step=0.1).y[-1]

    assert torch.autograd.gradcheck(end, (y0,))


# Runs that do not reach their end


def blowing_up(t: float, y: np.ndarray) -> np.ndarray:
    return y * y


def test_a_state_that_becomes_infinite_ends_the_solve_with_a_status_and_the_states_so_far() -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        solution = expint.solve_ivp(blowing_up, (0, 10), [1.0, 2.0], linear=0.0, step=0.1)
    assert solution.status is Status.NON_FINITE
    assert solution.status < 0
    assert not solution.success
    assert 3 < len(solution.t) < 30
    assert np.all(np.isfinite(solution.y))
    assert solution.stats.steps == len(solution.t)
    for part in ("expected finite states", "received inf or nan", f"after {len(solution.t)} steps", "smaller step"):
        assert part in solution.message
    assert "non finite" in repr(solution)


def test_nan_is_noticed_when_only_the_end_is_asked_for() -> None:
    evaluations = 0

    def broken(t: float, y: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        return y * (math.nan if t > 0.5 else 1.0)

    solution = solve_broken = expint.solve_ivp(broken, (0, 100), [1.0], linear=-1.0, step=0.1, t_eval=[0.3, 100.0])
    assert solve_broken.status is Status.NON_FINITE
    np.testing.assert_allclose(solution.t, [0.3])
    assert evaluations < 4 * 64  # long before the end


def test_nan_in_the_last_step_is_noticed() -> None:
    solution = expint.solve_ivp(
        lambda t, y: y * (math.nan if t > 0.95 else 1.0), (0, 1), [1.0], linear=-1.0, step=0.1, t_eval=[0.5]
    )
    assert solution.status is Status.NON_FINITE
    assert len(solution.t) == 1


class NetworkDown(Exception):
    pass


@pytest.mark.parametrize("t_eval", [None, [0.2, 1.0]])
def test_an_exception_in_the_nonlinear_term_is_passed_on_with_the_states_so_far(t_eval: list[float] | None) -> None:
    def failing(t: float, y: np.ndarray) -> np.ndarray:
        if t > 0.45:
            raise NetworkDown("no route to host")
        return y

    with pytest.raises(NetworkDown, match="no route to host") as raised:
        expint.solve_ivp(failing, (0, 1), Y0, linear=LINEAR, step=0.1, t_eval=t_eval)
    solution = raised.value.solution
    assert solution.status is Status.RAISED
    assert "NetworkDown raised after t = 0.4: no route to host" in solution.message
    np.testing.assert_allclose(solution.t, [0, 0.1, 0.2, 0.3, 0.4] if t_eval is None else [0.2, 0.4])
    assert any("solution" in note for note in raised.value.__notes__)


def test_an_exception_at_once_leaves_the_initial_state() -> None:
    def failing(t: float, y: np.ndarray) -> np.ndarray:
        raise NetworkDown

    with pytest.raises(NetworkDown) as raised:
        expint.solve_ivp(failing, (0, 1), Y0, linear=LINEAR, step=0.1)
    np.testing.assert_array_equal(raised.value.solution.y, [Y0])


@pytest.mark.parametrize("options", [{"step": 0.01}, {"rtol": 1e-6}], ids=["steps", "tolerance"])
def test_a_failed_run_keeps_its_last_good_state_though_nobody_asked_for_it(options: dict[str, Any]) -> None:
    with np.errstate(all="ignore"):
        solution = expint.solve_ivp(blowing_up, (0, 2), np.ones(2), linear=0.0, t_eval=[0.5, 2.0], **options)
    assert not solution.success
    assert solution.t[0] == 0.5
    assert len(solution.t) == 2
    assert np.all(np.isfinite(solution.y_end))
    if "rtol" in options:
        assert solution.t[-1] == pytest.approx(1.0, abs=1e-3)  # y = 1/(1 - t)


def test_a_solution_without_states_says_why_it_has_no_last_one() -> None:
    def early(t: float, y: np.ndarray) -> float:
        return t - 0.15

    early.terminal = True
    solution = expint.solve_ivp(lambda t, y: y, (0, 1), Y0, linear=LINEAR, step=0.1, t_eval=[1.0], events=early)
    assert solution.y.shape == (0, 3)
    assert "nothing" in repr(solution)
    with pytest.raises(ValueError, match=r"expected a solution with at least one state.*terminal event"):
        solution.y_end  # noqa: B018  # the property raises
