"""Sources of Jacobians: they agree with each other, and refuse what they cannot serve."""

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

import expint
from expint.jacobian import (
    Autodiff,
    ComplexStep,
    Differences,
    Given,
    Lineariser,
    Product,
    Source,
    as_source,
    check,
)
from expint.jacobian.pattern import Pattern
from expint.solution import Stats

Y0 = np.array([0.7, -0.4, 1.1])


def slope(t: float, y: Any) -> Any:
    """Written so that NumPy, torch and JAX, real or complex, can compute it."""
    return y * y * (1 + t) - 3 * y + y[..., 0:1] * y


def jacobian(t: float, y: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    matrix = np.diag(2 * y * (1 + t) - 3 + y[0])
    matrix[:, 0] += y
    return matrix


def product(t: float, y: np.ndarray, v: np.ndarray) -> np.ndarray:
    return jacobian(t, y) @ v


SOURCES: dict[str, Any] = {
    "forward": Differences(),
    "central": Differences(central=True),
    "grouped": Differences(sparsity=[[1, 0, 0], [1, 1, 0], [1, 0, 1]]),
    "complex": ComplexStep(),
    "complex, grouped": ComplexStep(sparsity=[[1, 0, 0], [1, 1, 0], [1, 0, 1]]),
    "function": jacobian,
    "products": Product(product),
    "sparse": Given(lambda t, y: sparse.csr_array(jacobian(t, y))),
    "operator": Given(lambda t, y: aslinearoperator(jacobian(t, y))),
    "list": Given(lambda t, y: jacobian(t, y).tolist()),
}


def end(jac: Any, y0: Any = Y0, **options: Any) -> np.ndarray:
    given: dict[str, Any] = {"step": 0.25, "method": "exprb43"} | options
    return np.asarray(expint.solve_ivp(slope, (0, 0.5), y0, jac=jac, **given).y_end)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("form", ["auto", "action"])
def test_all_sources_lead_to_the_same_solution(name: str, form: Any) -> None:
    source = as_source(SOURCES[name], Y0)
    fields = {key: value for key, value in vars(source).items() if key != "pattern"}
    assert end(type(source)(**(fields | {"form": form}))) == pytest.approx(end(jacobian), rel=1e-8)


@pytest.mark.parametrize("form", ["dense", "action"])
@pytest.mark.parametrize("in_time", ["differences", "same", None, lambda t, y: y * y])
def test_torch_gives_the_numbers_of_numpy(form: Any, in_time: Any) -> None:
    expected = end(Given(jacobian, form=form, in_time=None if in_time is None else lambda t, y: y * y))
    found = end(Autodiff(form=form, in_time=in_time), torch.tensor(Y0))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert end(None, torch.tensor(Y0, dtype=torch.float32)).dtype == np.float32


@pytest.mark.parametrize("in_time", ["differences", "same"])
def test_jax_gives_the_numbers_of_numpy(jax: ModuleType, in_time: Any) -> None:
    np.testing.assert_allclose(end(Autodiff(in_time=in_time), jax.numpy.asarray(Y0)), end(jacobian), rtol=1e-9)
    adaptive = end(None, jax.numpy.asarray(Y0), step=None, rtol=1e-3)
    np.testing.assert_allclose(adaptive, end(jacobian, step=None, rtol=1e-3), rtol=1e-7)


@pytest.mark.parametrize("jac", [Differences(), Autodiff(), jacobian], ids=["differences", "autodiff", "given"])
def test_torch_states_take_every_source(jac: Any) -> None:
    np.testing.assert_allclose(end(jac, torch.tensor(Y0)), end(jacobian), rtol=1e-8)


def test_torch_states_that_are_complex_are_differentiated_over_the_real_numbers() -> None:
    def f(t: float, y: Any) -> Any:
        return -1j * y * (y.real**2 + y.imag**2) + 0.3 * y.conj()

    y0 = np.array([0.5 + 1j, -0.8j])
    by_torch, by_numpy = (
        np.asarray(expint.solve_ivp(f, (0, 1), state, method="exprb43", step=0.1).y_end)
        for state in (torch.tensor(y0), y0)
    )
    np.testing.assert_allclose(by_torch, by_numpy, rtol=1e-8)


@given(arrays(float, 4, elements=st.floats(0.5, 2) | st.floats(-2, -0.5)), st.floats(-1, 1))
@settings(max_examples=25, deadline=None)
def test_computed_matrices_and_products_are_those_of_calculus(y: np.ndarray, t: float) -> None:
    def f(t: float, y: np.ndarray) -> np.ndarray:
        return np.sin(y + t) + y[::-1] ** 2

    exact = np.diag(np.cos(y + t)) + np.fliplr(np.diag(2 * y[::-1]))
    v = np.array([1.0, -2.0, 0.5, 0.0])
    for source, tolerance in ((Differences(), 2e-6), (Differences(central=True), 1e-8), (ComplexStep(), 1e-14)):
        made = Lineariser(source, f, None, t, y, None, Stats())(t, y, f(t, y), 0.1)
        np.testing.assert_allclose(made.operator.matrix, exact, atol=tolerance * 5)
        np.testing.assert_allclose(made.derivative(v), exact @ v, atol=tolerance * 10)
        assert made.in_time is not None
        np.testing.assert_allclose(made.in_time, np.cos(y + t), atol=1e-8)
        free = Lineariser(type(source)(form="action"), f, None, t, y, None, Stats())(t, y, f(t, y), 0.1)
        np.testing.assert_allclose(free.derivative(v), exact @ v, atol=max(tolerance, 1e-6) * 10)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_columns_of_one_group_share_no_row_and_give_the_matrix_back(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((n, n)) * (random.random((n, n)) < 0.3)
    pattern = Pattern(matrix != 0)
    assert np.all(np.sum(pattern.groups, axis=0) == 1) if pattern.groups else n == 0
    for group in pattern.groups:
        assert np.all(np.sum(matrix[:, group] != 0, axis=1) <= 1)
    filled = pattern.fill([matrix @ (2.0 * group) for group in pattern.groups], np.full(n, 2.0))
    np.testing.assert_allclose(filled.toarray(), matrix, atol=1e-15)


def test_a_tridiagonal_pattern_needs_three_evaluations() -> None:
    n = 50
    pattern = sparse.diags_array([np.ones(n - 1), np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1])
    assert len(Pattern(pattern).groups) == 3

    def f(t: float, y: np.ndarray) -> np.ndarray:
        padded = np.pad(y, 1)
        return padded[2:] - 2 * y + padded[:-2] + y**2

    y0 = np.sin(np.arange(n))
    options: dict[str, Any] = {"method": "exprb43", "step": 0.05}
    grouped, plain = (
        expint.solve_ivp(f, (0, 0.1), y0, jac=Differences(sparsity=p, in_time=None), **options) for p in (pattern, None)
    )
    np.testing.assert_allclose(grouped.y, plain.y, rtol=1e-6)
    assert plain.stats.nonlinear_evaluations - grouped.stats.nonlinear_evaluations == 2 * (n - 3)
    large = np.tile(y0, 2)
    wide = sparse.block_diag([pattern, pattern])
    action, by_pattern = (
        expint.solve_ivp(lambda t, y: np.concatenate([f(t, y[:n]), f(t, y[n:])]), (0, 0.1), large, jac=j, **options)
        for j in (Differences(), Differences(sparsity=wide))
    )
    assert "a sparse matrix of 100 × 100" in by_pattern.message
    np.testing.assert_allclose(action.y_end, by_pattern.y_end, rtol=1e-6)


def test_patterns_of_the_nonlinear_term_are_joined_with_a_sparse_or_diagonal_linear_part() -> None:
    n = 80
    second = sparse.diags_array([np.ones(n - 1), np.full(n, -2.0), np.ones(n - 1)], offsets=[-1, 0, 1]).tocsr()
    y0 = np.cos(np.arange(n))
    whole = expint.solve_ivp(
        lambda t, y: second @ y - y**3, (0, 1), y0, method="exprb43", step=0.1, jac=Differences(form="dense")
    )
    for linear in (second, expint.operators.MatrixFree(lambda v: second @ v, n)):
        split = expint.solve_ivp(
            lambda t, y: -(y**3),
            (0, 1),
            y0,
            linear=linear,
            method="exprb43",
            step=0.1,
            jac=Differences(sparsity=sparse.eye_array(n)),
        )
        assert ("a sparse matrix" in split.message) == (linear is second)
        np.testing.assert_allclose(split.y_end, whole.y_end, rtol=1e-7)
    diagonal = expint.solve_ivp(
        lambda t, y: -(y**3),
        (0, 1),
        y0,
        linear=-np.arange(n, dtype=float),
        method="exprb43",
        step=0.1,
        jac=Differences(sparsity=sparse.eye_array(n)),
    )
    exact = expint.solve_ivp(
        lambda t, y: -np.arange(n) * y - y**3, (0, 1), y0, method="exprb43", step=0.1, jac=Differences(form="dense")
    )
    np.testing.assert_allclose(diagonal.y_end, exact.y_end, rtol=1e-6, atol=1e-9)


def test_a_function_that_takes_real_parts_is_no_function_for_complex_steps() -> None:
    with pytest.raises(TypeError, match="expected nonlinear to return complex numbers"):
        expint.solve_ivp(lambda t, y: np.real(y), (0, 1), Y0, method="exprb43", step=0.1, jac=ComplexStep())
    with pytest.raises(TypeError, match="expected a real state of NumPy for complex steps"):
        end(ComplexStep(), Y0 + 0j)
    with pytest.raises(TypeError, match="expected a real state of NumPy for complex steps"):
        end(ComplexStep(), torch.tensor(Y0))


def test_sources_refuse_states_they_cannot_serve(jax: ModuleType) -> None:
    with pytest.raises(TypeError, match="expected a state of torch or JAX for automatic differentiation"):
        end(Autodiff())
    with pytest.raises(TypeError, match="whose entries cannot be set; form the Jacobian"):
        end(Autodiff(form="action"), jax.numpy.asarray(Y0))
    with pytest.raises(ValueError, match="expected a state of 4 entries for a sparsity pattern"):
        end(Differences(sparsity=np.eye(4)))
    with pytest.raises(ValueError, match="expected a sparsity pattern of shape"):
        end(Differences(sparsity=np.ones((3, 2))))
    with pytest.raises(TypeError, match="expected a state of NumPy for a LinearOperator"):
        end(lambda t, y: aslinearoperator(np.eye(3)), torch.tensor(Y0))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.eye(4), r"expected jac\(t, y\) to return a matrix of shape \(3, 3\).*received shape \(4, 4\)"),
        (lambda t, y: np.ones(3), r"received shape \(3,\)"),
        (lambda t, y: sparse.csr_array(np.ones((3, 2))), r"received shape \(3, 2\)"),
        (Product(lambda t, y, v: v[:2]), r"expected J v of shape \(3,\), that of y0, received shape \(2,\)"),
        (Product(lambda t, y, v: 1.0), "received float"),
        (Given(jacobian, in_time=lambda t, y: np.ones(2)), r"expected in_time\(t, y\) to return shape \(3,\)"),
        (Given(jacobian, in_time="same"), "expected in_time as a function or None .* received 'same'"),
    ],
)
def test_jacobians_that_do_not_fit_are_refused_with_what_came(wrong: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        end(wrong)


def test_jacobians_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(TypeError, match=r"call it: Differences\(\)"):
        end(Differences)
    with pytest.raises(TypeError, match="expected jac to be a function"):
        end("differences")
    with pytest.raises(TypeError, match=r"expected the product to be a function \(t, y, v\)"):
        Product(3.0)
    with pytest.raises(TypeError, match="expected the Jacobian to be a function"):
        Given("matrix")
    with pytest.raises(ValueError, match="expected form to be one of"):
        Differences(form="banded")
    with pytest.raises(ValueError, match="expected in_time to be"):
        Differences(in_time="never")
    with pytest.raises(TypeError, match="expected a real Jacobian of shape"):
        end(lambda t, y: 1j * np.eye(3))
    with pytest.raises(TypeError, match="expected J v of dtype float64"):
        end(Product(lambda t, y, v: v + 0j))
    with pytest.raises(TypeError, match=r"expected jac.* to return an array of"):
        end(lambda t, y: torch.eye(3))


def test_the_check_tells_right_jacobians_from_wrong_ones() -> None:
    def transposed(t: float, y: np.ndarray) -> np.ndarray:
        return jacobian(t, y).T

    assert check(slope, 0.3, Y0, jacobian) < 1e-8
    assert check(slope, 0.3, Y0, Product(product)) < 1e-8
    assert check(slope, 0.3, Y0, ComplexStep()) < 1e-8
    assert check(slope, 0.3, Y0, transposed) > 0.05
    assert check(slope, 0.3, torch.tensor(Y0), Autodiff()) < 1e-8
    matrix = np.diag([-2.0, -3.0, -4.0])
    assert check(lambda t, y: slope(t, y) - matrix @ y, 0.3, Y0, jacobian, linear=matrix) < 1e-8
    assert check(lambda t, y: y * np.conj(y) * 1j, 0.0, np.array([1 + 1j]), lambda t, y: np.diag(2j * y)) > 0.1


def test_differences_in_time_stay_within_the_step() -> None:
    times: list[float] = []

    def f(t: float, y: np.ndarray) -> np.ndarray:
        times.append(t)
        return np.sqrt(t) * y

    expint.solve_ivp(f, (0, 1), [1.0], method="exprb43", step=0.25)
    assert min(times) == 0.0
    assert max(times) <= 1.0
    expint.solve_ivp(f, (1, 0), [1.0], method="exprb43", step=-0.25)
    assert min(times) == 0.0


def test_a_source_says_what_it_is() -> None:
    for source in (Differences(), ComplexStep(), Given(jacobian), Product(product)):
        message = expint.solve_ivp(slope, (0, 0.1), Y0, method="exprb43", step=0.1, jac=source).message
        assert source.label in message
    assert isinstance(as_source(None, torch.tensor(Y0)), Autodiff)
    assert isinstance(as_source(None, Y0), Differences)
    assert isinstance(as_source([[1.0]], Y0), Source)
    assert math.isfinite(check(slope, 0.0, Y0, None))


def test_gradients_that_would_miss_the_jacobian_are_refused() -> None:
    y0 = torch.tensor(Y0, requires_grad=True)
    with pytest.raises(TypeError, match="expected a run that records no gradient"):
        end(None, y0, step=None, rtol=1e-6, atol=1e-6)
    weight = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    with pytest.raises(TypeError, match="expected a run that records no gradient"):
        expint.solve_ivp(lambda t, y: weight * y, (0, 1), torch.tensor(Y0), step=0.5)
    with torch.no_grad():
        np.testing.assert_allclose(end(None, y0.clone()), end(jacobian), rtol=1e-9)


def test_arguments_are_handed_to_a_jacobian_that_is_a_function() -> None:
    solution = expint.solve_ivp(
        lambda t, y, rate: -rate * y, (0, 1), [1.0], args=(2.0,), jac=lambda t, y, rate: [[-rate]], step=0.5
    )
    assert solution.y_end[0] == pytest.approx(math.exp(-2), rel=1e-12)


@pytest.mark.parametrize("form", ["dense", "action"])
@pytest.mark.parametrize("f", [lambda t, y: 0 * y, lambda t, y: 0 * y + 1.0], ids=["zero", "constant"])
def test_right_hand_sides_without_a_jacobian_to_speak_of_are_solved(f: Any, form: Any) -> None:
    for y0 in (np.zeros(2), np.ones(2)):
        solution = expint.solve_ivp(f, (0, 1), y0, jac=Differences(form=form))
        np.testing.assert_allclose(solution.y_end, y0 + f(0.0, y0), rtol=1e-12)


def test_numbers_and_arrays_of_any_shape_are_states() -> None:
    for y0 in (np.array(0.5), np.full((2, 3), 0.5), torch.full((2, 1, 2), 0.5, dtype=torch.float64)):
        solution = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), y0, rtol=1e-9, atol=1e-12)
        assert solution.y_end.shape == y0.shape
        np.testing.assert_allclose(np.asarray(solution.y_end), 0.5 / math.sqrt(1 + 2 * 0.25), rtol=1e-8)
