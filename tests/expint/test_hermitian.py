"""Hermitian matrices work in their orthonormal eigenbasis where step sizes change."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.operators import Dense, Sum
from expint.operators.bases.in_basis import Eigenbasis
from expint.phi import phi_matrices
from tests.expint.operator_family import apply_row

N = 48


def hermitian(seed: int, n: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    m = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if kind == "complex" else 0)
    if kind == "differences":
        return 10.0 * (np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1) - 2 * np.eye(n))
    return (m + m.conj().T) / np.sqrt(n)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(N, 70),
    kind=st.sampled_from(["real", "complex", "differences"]),
    h=st.floats(0.01, 2),
)
def test_phi_functions_in_the_eigenbasis_are_those_of_the_matrix(seed: int, n: int, kind: str, h: float) -> None:
    matrix = hermitian(seed, n, kind)
    form = Dense(matrix).for_steps(changing=True)
    assert isinstance(form, Eigenbasis)
    unit = np.eye(n, dtype=matrix.dtype)  # a batch of n states
    for k, expected in enumerate(phi_matrices(h * matrix, 3)):
        got = apply_row(form, [unit], [{(k, 1): 1}], h).T  # the factor h belongs to slopes, of which there is none
        assert got.dtype == matrix.dtype
        assert np.linalg.norm(got - expected, 2) <= 1e-13 * np.linalg.norm(expected, 2)


@pytest.mark.parametrize(
    "matrix",
    [
        hermitian(1, N - 1, "real"),
        hermitian(1, N, "real") + 1e-16 * np.eye(N, k=1),
        1j * hermitian(1, N, "complex"),
        np.stack([hermitian(i, N, "real") for i in range(2)]),
    ],
    ids=["small", "rounded", "skew", "batch"],
)
def test_other_matrices_stay_as_they_are(matrix: np.ndarray) -> None:
    operator = Dense(matrix)
    assert operator.for_steps(changing=True) is operator


def test_eigenvectors_are_computed_once_and_the_matrix_stays() -> None:
    matrix = hermitian(2, N, "real")
    operator = Dense(matrix)
    assert operator.for_steps(changing=True) is operator.for_steps(changing=True)
    np.testing.assert_array_equal(operator.matrix, matrix)
    reduced = Sum(operator, -1.0).reduced()
    assert isinstance(reduced.for_steps(changing=True), Eigenbasis)


def run(operator: Dense, y0: Any, method: str = "auto", **options: Any) -> expint.Solution:
    solution = expint.solve_ivp(lambda t, y: y - abs(y) ** 2 * y, (0, 1), y0, linear=operator, method=method, **options)
    assert solution.success
    return solution


@pytest.mark.parametrize("kind", ["real", "complex", "differences"])
def test_runs_to_a_tolerance_take_the_steps_of_a_batch_of_one_matrix(kind: str) -> None:
    matrix = hermitian(3, N, kind)
    y0 = np.cos(np.arange(N)).astype(matrix.dtype)[None]
    by_matrices = run(Dense(matrix[None]), y0, rtol=1e-6, dense_output=True)
    found = run(Dense(matrix), y0, rtol=1e-6, dense_output=True)
    assert found.stats.steps == by_matrices.stats.steps
    np.testing.assert_allclose(found.y_end, by_matrices.y_end, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.sol(0.3), by_matrices.sol(0.3), rtol=0, atol=1e-12)


def test_fixed_steps_take_the_eigenbasis_of_large_matrices_only() -> None:
    small, large = (Dense(hermitian(6, n, "differences")) for n in (255, 256))
    assert small.for_steps(changing=False) is small
    assert isinstance(large.for_steps(changing=False), Eigenbasis)
    y0 = np.cos(np.arange(256))[None]
    by_matrices, found = (run(operator, y0, "etd1", step=0.5) for operator in (Dense(large.matrix[None]), large))
    np.testing.assert_allclose(found.y_end, by_matrices.y_end, rtol=0, atol=1e-13)


def test_continuous_solutions_of_fixed_steps_agree_with_those_by_matrices() -> None:
    matrix = hermitian(4, N, "differences")
    y0 = np.cos(np.arange(N))[None]
    by_matrices, found = (run(Dense(m), y0, "krogstad4", step=0.1, dense_output=True) for m in (matrix[None], matrix))
    np.testing.assert_allclose(found.sol(0.33), by_matrices.sol(0.33), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64], ids=str)
def test_tensors_keep_their_precision_and_gradients_pass(dtype: torch.dtype) -> None:
    matrix = hermitian(5, N, "differences")

    def ends(operator: Dense, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        start = torch.cos(torch.arange(N)).to(dtype)[None].requires_grad_()
        end = run(operator, start, "etd34", rtol=1e-3, first_step=2.0**-5, max_step=2.0**-5).y_end  # 32 steps
        assert end.dtype == dtype
        (slope,) = torch.autograd.grad(end.real.sum(), start)
        return end.detach().real, slope.real

    # one rounding in each step; eigenvalues, and φ-matrices by doubling, are those of a matrix a few ε‖A‖ away
    error = 40 * torch.finfo(dtype).eps + 4 * np.linalg.norm(matrix, 2) * torch.finfo(torch.float64).eps
    for got, expected in zip(ends(Dense(matrix), dtype), ends(Dense(matrix[None]), torch.float64), strict=True):
        assert torch.max(torch.abs(got - expected)) <= error * torch.max(torch.abs(expected))
