"""Dense output: of the order of the method on any spectrum, from the first step to the last, and continuous."""

import copy
import math
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import expint
from expint import problems
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.jacobian import Differences
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, Scalar, Sparse
from expint.phi import phi_matrices
from expint.run.dense.collocated import DenseOutput
from tests.conftest import name_of

SPECTRA = {
    "mild": [-1.0, -0.3, 0.5],
    "stiff": [-1e4, -300.0, -1.0, 0.5],
    "oscillatory": [300j, -40j, -1 + 5j, 2j],
}


def exact_run(spectrum: str, times: np.ndarray, order: int) -> tuple[DenseOutput, Callable[[float], np.ndarray]]:
    """Dense output whose states and slopes are exact: its own error alone is left."""
    problem = problems.prescribed_spectrum(SPECTRA[spectrum])
    states = [problem.exact(t) for t in times]
    slopes = [problem.nonlinear(t, y) for t, y in zip(times, states)]
    return DenseOutput(Diagonal(problem.linear), times, states, slopes, order), problem.exact


def slope(errors: list[float], halvings: int = 1) -> float:
    return float(np.log2(errors[0] / errors[-1]) / (len(errors) - 1) / halvings)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_the_error_between_exact_states_is_of_order_one_above_that_of_the_method(order: int, place: str) -> None:
    errors = []
    for n in (32, 64):
        uniform = np.linspace(0, 1, n + 1)
        times = uniform + 0.05 * np.sin(2 * np.pi * uniform)  # no two steps alike
        output, exact = exact_run("mild", times, order)
        j = {"first": 0, "middle": n // 2, "last": n - 1}[place]
        inside = times[j] + (times[j + 1] - times[j]) * np.linspace(0.1, 0.9, 7)
        errors.append(max(np.max(np.abs(output(t) - exact(t))) for t in inside))
    assert slope(errors) > order + 1 - 0.35


@pytest.mark.parametrize("spectrum", ["stiff", "oscillatory"])
@pytest.mark.parametrize("order", [2, 4])
def test_the_order_of_the_method_holds_on_stiff_and_oscillatory_spectra(spectrum: str, order: int) -> None:
    errors = []
    for n in (16, 32, 64):
        output, exact = exact_run(spectrum, np.linspace(0, 1, n + 1), order)
        errors.append(max(np.max(np.abs(output(t) - exact(t))) for t in np.linspace(0.003, 0.997, 97)))
    assert slope(errors) > order - 0.3


@pytest.mark.parametrize("method", ["exponential-euler", "etd2rk", "hochbruck-ostermann4", "luan-ostermann5", "adams4"])
@pytest.mark.parametrize("spectrum", ["stiff", "oscillatory"])
def test_a_run_keeps_its_order_between_its_steps(method: str, spectrum: str) -> None:
    problem = problems.prescribed_spectrum(SPECTRA[spectrum])
    at_steps, between = [], []
    for n in (20, 40, 80):
        solution = expint.solve(problem, method, step=1 / n, dense_output=True)
        at_steps.append(max(np.max(np.abs(y - problem.exact(t))) for t, y in zip(solution.t, solution.y)))
        times = np.linspace(0, 1, 211)
        between.append(np.max(np.abs(solution.sol(times) - np.array([problem.exact(t) for t in times]))))
    assert slope(between) > min(slope(at_steps), expint.method(method).order) - 0.3


@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
@pytest.mark.parametrize("method", ["etd34", "zoto-bowman43", "adams4", PredictorCorrector(4, ramp=True)], ids=name_of)
def test_a_run_to_a_tolerance_keeps_it_between_its_steps(method: str | PredictorCorrector, rtol: float) -> None:
    problem = problems.prescribed_spectrum(SPECTRA["stiff"])
    solution = expint.solve(problem, method, rtol=rtol, atol=rtol, dense_output=True)
    times = np.linspace(0, 1, 211)
    errors = np.abs(solution.sol(times) - np.array([problem.exact(t) for t in times]))
    assert np.max(errors) < 10 * rtol


def test_rapid_decay_is_followed_exactly_between_steps() -> None:
    rates = np.array([-1e3, -30.0, 20j])
    solution = expint.solve_ivp(
        lambda t, y: 0 * y, (0, 1), np.ones(3) + 0j, linear=rates, method="etd2rk", step=0.5, dense_output=True
    )
    for t in (1e-3, 0.07, 0.3, 0.77):
        np.testing.assert_allclose(solution.sol(t), np.exp(rates * t), rtol=1e-13, atol=1e-16)


@settings(max_examples=30)
@given(st.integers(0, 39), st.sampled_from([1, -1]), st.integers(1, 5))
def test_dense_output_is_continuous(step: int, direction: int, order: int) -> None:
    times = direction * np.linspace(0, 1, 41)
    output, exact = exact_run("mild", times, order)
    start, end = times[step], times[step + 1]
    h = end - start
    np.testing.assert_array_equal(output(start), exact(start))
    np.testing.assert_allclose(output(start + 1e-12 * h), exact(start), rtol=1e-11)
    np.testing.assert_allclose(output(end - 1e-12 * h), exact(end), rtol=1e-11)


def test_dense_output_runs_backwards() -> None:
    problem = problems.riccati()
    solution = expint.solve_ivp(
        problem.nonlinear,
        (0.8, 0),
        problem.exact(0.8),
        linear=problem.linear,
        rtol=1e-9,
        max_step=-np.inf,
        dense_output=True,
    )
    for t in (0.79, 0.4, 0.01):
        assert abs(solution.sol(t) - problem.exact(t)) < 1e-8


def test_several_times_give_states_along_a_new_first_axis() -> None:
    problem = problems.prescribed_spectrum(SPECTRA["mild"])
    sol = expint.solve(problem, rtol=1e-6, dense_output=True).sol
    times = [0.9, 0.2, 0.5]
    many = sol(times)
    assert many.shape == (3, 3)
    for row, t in zip(many, times):
        np.testing.assert_array_equal(row, sol(t))
    assert sol(np.float64(0.3)).shape == (3,)


@pytest.mark.parametrize("t", [-0.001, 1.001, [0.5, 2.0]])
def test_times_outside_the_run_are_refused(t: object) -> None:
    output, _ = exact_run("mild", np.linspace(0, 1, 5), 2)
    with pytest.raises(ValueError, match=r"expected a time between 0.0 and 1.0, received"):
        output(t)


def test_dense_output_works_for_scalars_matrices_and_torch() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(4, 4)) - 3 * np.eye(4)
    diagonal = np.diag(np.diag(matrix))
    times, states = [0.0, 0.1, 0.25], list(rng.normal(size=(3, 4)))
    slopes = list(rng.normal(size=(3, 4)))
    outputs = [
        DenseOutput(operator, times, states, slopes, 3)(0.17)
        for operator in (Diagonal(np.diag(matrix)), Dense(diagonal))
    ]
    np.testing.assert_allclose(*outputs, rtol=1e-13)
    on_torch = DenseOutput(
        Diagonal(np.diag(matrix)), times, [torch.asarray(y) for y in states], [torch.asarray(n) for n in slopes], 3
    )
    np.testing.assert_allclose(on_torch(0.17).numpy(), outputs[0], rtol=1e-14)
    number = DenseOutput(Scalar(-2.0), times, states, slopes, 3)
    vector = DenseOutput(Diagonal(np.full(4, -2.0)), times, states, slopes, 3)
    np.testing.assert_allclose(number(0.2), vector(0.2), rtol=1e-14)


def test_the_output_of_a_run_that_fails_ends_where_the_run_did() -> None:
    solution = expint.solve_ivp(
        lambda t, y: y * y, (0, 2), np.ones(1), linear=0.0, method="zoto-bowman43", rtol=1e-6, dense_output=True
    )
    assert not solution.success
    end = float(solution.t[-1])
    assert 0.99 < end < 1.01
    assert solution.sol(0.5) == pytest.approx(2.0, rel=1e-5)
    with pytest.raises(ValueError, match="expected a time between"):
        solution.sol(end + 0.01)


def test_it_prints_what_it_covers() -> None:
    output, _ = exact_run("mild", np.linspace(0, 1, 5), 2)
    assert repr(output) == "DenseOutput(0 … 1, 5 times, order 2)"


def test_no_times_give_no_states_and_a_table_of_times_is_refused() -> None:
    output, _ = exact_run("mild", np.linspace(0, 1, 9), 3)
    assert output([]).shape == (0, 3)
    with pytest.raises(
        ValueError, match=r"expected a time or a sequence of times, received an array of shape \(2, 2\)"
    ):
        output(np.full((2, 2), 0.5))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda output: pickle.loads(pickle.dumps(output))])
@pytest.mark.parametrize("options", [{}, {"method": "etd34"}, {"method": "krogstad4", "step": 0.1}])
def test_a_copy_says_the_same(again: Callable, options: dict) -> None:
    output = expint.solve_ivp(
        lambda t, y: y * np.cos(t), (0, 1), np.ones(3), linear=-np.arange(3.0), dense_output=True, **options
    ).sol
    times = np.linspace(0, 1, 7)
    assert np.array_equal(again(output)(times), output(times))


MATRIX = np.random.default_rng(3).normal(size=(4, 4))
LINEAR: dict[str, object] = {
    "number": -1.5,
    "symbol": np.array([-1.0, -20.0, -300.0, 0.5]),
    "complex symbol": np.array([-1.0 + 2j, -20.0, 300j, 0.5]),
    "dense": Dense(MATRIX),
    "defective": Dense(np.eye(4, k=1) - np.eye(4)),
    "hermitian": Dense(-MATRIX @ MATRIX.T),
    "block-diagonal": BlockDiagonal(MATRIX),
    "kronecker": KroneckerSum(MATRIX),
    "sparse": Sparse(sparse.csr_array(MATRIX)),
    "unsplit": None,
}


def wavy(t: float, y: Any) -> Any:
    return 0.3 * y * y + math.cos(5 * t)


def run(linear: object, y0: Any, **options: Any) -> Any:
    return expint.solve_ivp(wavy, (0, 1), y0, linear=linear, dense_output=True, **({"rtol": 1e-6} | options)).sol


def start(linear: object, shape: tuple[int, ...] = (4,)) -> np.ndarray:
    complex_linear = np.iscomplexobj(linear)
    return np.linspace(0.2, 1.0, math.prod(shape)).reshape(shape) * (1 + 0j if complex_linear else 1.0)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("shape", [(4,), (2, 4), (3, 2, 4)])
def test_many_times_at_once_give_the_states_of_one_at_a_time(name: str, shape: tuple[int, ...]) -> None:
    output = run(LINEAR[name], start(LINEAR[name], shape[-1:] if name == "unsplit" else shape))
    times = np.concatenate([np.linspace(0, 1, 7), [0.2001, 0.2, output.times[3]]])
    many = output(times)
    for y, t in zip(many, times):
        np.testing.assert_allclose(y, output(t), rtol=1e-13, atol=1e-15)
    assert many.dtype == output.states[0].dtype


@pytest.mark.parametrize("name", [name for name in LINEAR if name not in ("sparse", "unsplit")])
def test_states_between_steps_are_flows_of_the_interpolated_slopes(name: str) -> None:
    """Another route: φ-functions of the one matrix and step, put together term by term."""
    linear = LINEAR[name]
    output = run(linear, start(linear))
    n, theta, q = 5, 0.37, output.order
    h = output.times[n + 1] - output.times[n]
    matrix = {"number": -1.5 * np.eye(4), "kronecker": MATRIX, "block-diagonal": MATRIX}.get(name)
    if matrix is None:
        matrix = linear.matrix if isinstance(linear, Dense) else np.diag(linear)
    first = min(max(n + 1 - (q + 1) // 2, 0), len(output.slopes) - q)
    nodes = (np.array(output.times[first : first + q]) - output.times[n]) / h
    slopes = np.array([slope.reshape(4) for slope in output.slopes[first : first + q]])
    polynomial = np.linalg.solve(np.vander(nodes, increasing=True), slopes)

    def follow(theta: float) -> np.ndarray:
        phi = phi_matrices(theta * h * matrix, q)
        forced = [h * math.factorial(m) * theta ** (m + 1) * phi[m + 1] @ a for m, a in enumerate(polynomial)]
        return phi[0] @ output.states[n].reshape(4) + sum(forced)

    expected = follow(theta) + theta * (output.states[n + 1].reshape(4) - follow(1.0))
    np.testing.assert_allclose(output(output.times[n] + theta * h).reshape(4), expected, rtol=1e-10, atol=1e-12)


def test_phi_functions_of_many_times_are_made_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    many = Diagonal.phi_many
    monkeypatch.setattr(
        Diagonal, "phi_many", lambda self, p, scales: calls.append(len(scales)) or many(self, p, scales)
    )
    output = run(LINEAR["symbol"], start(None))
    output(np.linspace(0, 1, 500))
    assert len(calls) == 1
    monkeypatch.setattr("expint.run.dense.many_points._NUMBERS", 1000)  # in pieces where they would take much memory
    again = run(LINEAR["symbol"], start(None))(np.linspace(0, 1, 500))
    assert len(calls) > 10
    np.testing.assert_array_equal(again, output(np.linspace(0, 1, 500)))


@pytest.mark.parametrize(("library", "method"), [("torch", "etd2rk"), ("torch", "exprb43"), ("jax", "etd2rk")])
def test_every_library_has_the_states_of_numpy_between_the_steps(jax: ModuleType, library: str, method: str) -> None:
    options = {"method": method} | ({"jac": Differences()} if method == "exprb43" else {})
    convert = torch.asarray if library == "torch" else jax.numpy.asarray
    times, fixed = np.linspace(0, 1, 9), {"step": 0.2, "rtol": None}
    expected = run(LINEAR["symbol"], start(None), **fixed, **options)(times)
    found = run(LINEAR["symbol"], convert(start(None)), **fixed, **options)(times)
    assert isinstance(found, torch.Tensor if library == "torch" else jax.Array)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_the_order_between_exact_states_holds_on_every_library(jax: ModuleType, library: str) -> None:
    convert = torch.asarray if library == "torch" else jax.numpy.asarray
    errors = []
    for n in (32, 64):
        times = np.linspace(0, 1, n + 1) + 0.05 * np.sin(2 * np.pi * np.linspace(0, 1, n + 1))
        output, exact = exact_run("mild", times, 3)
        near = slice(n // 2 - 3, n // 2 + 4)
        states, slopes = ([convert(array) for array in arrays[near]] for arrays in (output.states, output.slopes))
        own = DenseOutput(output.operator, times[near], states, slopes, 3)
        inside = times[n // 2] + (times[n // 2 + 1] - times[n // 2]) * np.linspace(0.1, 0.9, 7)
        errors.append(np.max(np.abs(np.asarray(own(inside)) - np.array([exact(t) for t in inside]))))
    assert slope(errors) > 4 - 0.35


@pytest.mark.parametrize("linear", [Dense(-np.diag(np.arange(64.0))), Dense(MATRIX), None], ids=str)
def test_a_copy_made_after_use_says_the_same(linear: object) -> None:
    output = run(linear, start(None, (64,) if getattr(linear, "matrix", MATRIX).shape[0] == 64 else (4,)))
    before = output(0.4)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(output))(0.4), before)
