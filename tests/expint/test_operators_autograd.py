"""What torch differentiates through operators, what it refuses, and that operators stay on the device of states."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import sparse

import expint
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, MatrixFree, Operator, Scalar, Sparse
from expint.phi.torch_rule import adjoint

from .operator_family import apply_row

RNG = np.random.default_rng(11)
MATRIX = RNG.standard_normal((4, 4))
SYMMETRIC = MATRIX + MATRIX.T
SKEW = MATRIX - MATRIX.T
COMPLEX = MATRIX + 1j * RNG.standard_normal((4, 4))
SUMS = [{(0, 1): 1}, {(1, 1): 1, (2, 0.5): -2}, {(0, 0): 0.5, (1, 0.5): 1}]


def product(matrix: np.ndarray) -> Callable[[torch.Tensor], torch.Tensor]:
    there = torch.tensor(matrix)
    return lambda v: there @ v


def sparse_tensor(matrix: np.ndarray, form: str) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR tensors a beta feature
        return getattr(torch.tensor(matrix), f"to_sparse_{form}")()


OPERATORS: dict[str, tuple[Operator, np.ndarray]] = {
    "scalar": (Scalar(-0.7), -0.7 * np.eye(4)),
    "diagonal": (Diagonal(np.arange(4.0)), np.diag(np.arange(4.0))),
    "dense": (Dense(MATRIX), MATRIX),
    "complex dense": (Dense(COMPLEX), COMPLEX),
    "block-diagonal": (BlockDiagonal(MATRIX), MATRIX),
    "kronecker": (KroneckerSum(SYMMETRIC), SYMMETRIC),
    "kronecker by iterations": (KroneckerSum(MATRIX, action="krylov"), MATRIX),
    "krylov": (Sparse(sparse.csr_array(MATRIX), action="krylov"), MATRIX),
    "complex krylov": (Sparse(sparse.csr_array(COMPLEX), action="krylov"), COMPLEX),
    "chebyshev": (Sparse(sparse.csr_array(SYMMETRIC), action="chebyshev"), SYMMETRIC),
    "skew chebyshev": (Sparse(sparse.csr_array(SKEW), action="chebyshev"), SKEW),
    "rational": (Sparse(sparse.csr_array(MATRIX - 5 * np.eye(4)), action="rational"), MATRIX - 5 * np.eye(4)),
    "csr of torch": (Sparse(sparse_tensor(MATRIX, "csr")), MATRIX),
    "coo of torch": (Sparse(sparse_tensor(MATRIX, "coo")), MATRIX),
    "matrix-free": (MatrixFree(product(MATRIX), 4), MATRIX),
    "complex matrix-free": (MatrixFree(product(COMPLEX), 4, complex=True), COMPLEX),
    "symmetric matrix-free": (MatrixFree(product(SYMMETRIC), 4, symmetry="symmetric"), SYMMETRIC),
    "skew matrix-free": (MatrixFree(product(SKEW), 4, symmetry="skew"), SKEW),
}


def columns_for(matrix: np.ndarray) -> tuple[torch.Tensor, ...]:
    rng, kind = np.random.default_rng(1), torch.complex128 if np.iscomplexobj(matrix) else torch.float64
    return tuple(torch.tensor(rng.standard_normal(4), dtype=kind).requires_grad_() for _ in SUMS)


@pytest.mark.parametrize("name", OPERATORS)
def test_rows_of_every_operator_have_the_gradients_of_the_matrix(name: str) -> None:
    operator, matrix = OPERATORS[name]
    columns = columns_for(matrix)
    operator.check(columns[0])
    got = apply_row(operator, columns, SUMS, 0.6)
    expected = apply_row(Dense(matrix), columns, SUMS, 0.6)
    into = torch.linspace(-1, 1, 4, dtype=got.dtype)
    pulled, right = (torch.autograd.grad(value, columns, into) for value in (got, expected))
    for own, other in zip(pulled, right, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # of torch's own forward mode
@pytest.mark.parametrize("name", ["krylov", "matrix-free"])
def test_actions_pass_the_difference_check_in_both_modes_and_twice(name: str) -> None:
    operator, matrix = OPERATORS[name]
    columns = columns_for(matrix)[:2]

    def row(*given: torch.Tensor) -> torch.Tensor:
        return apply_row(operator, given, SUMS[:2], 0.6)

    assert torch.autograd.gradcheck(row, columns, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(row, columns)


@pytest.mark.parametrize("linear", [Sparse(sparse.csr_array(MATRIX)), MatrixFree(product(MATRIX), 4)])
@pytest.mark.parametrize("options", [{}, {"method": "adams2"}])
def test_gradients_flow_through_whole_solves(linear: Operator, options: dict[str, object]) -> None:
    y0 = torch.tensor([0.3, 0.4, -0.1, 0.2], dtype=torch.float64, requires_grad=True)
    rate = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)

    def gradients(linear: Operator) -> tuple[torch.Tensor, ...]:
        end = expint.solve_ivp(lambda t, v: -rate * v**2, (0, 0.3), y0, linear=linear, step=0.1, **options).y[-1]
        return torch.autograd.grad(end, (y0, rate), torch.arange(4.0, dtype=torch.float64))

    for own, other in zip(gradients(linear), gradients(Dense(MATRIX)), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_gradients_have_the_precision_of_the_state(dtype: torch.dtype) -> None:
    v = torch.ones(4, dtype=dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(apply_row(Sparse(sparse.csr_array(MATRIX)), [v], SUMS[:1], 0.5).abs().sum(), v)
    assert gradient.dtype == dtype


def test_the_adjoint_of_a_linear_function_is_that_of_its_matrix() -> None:
    for matrix in (MATRIX, COMPLEX):
        there = torch.tensor(matrix)
        v = torch.linspace(-1, 2, 4, dtype=there.dtype)
        torch.testing.assert_close(adjoint(lambda x, there=there: there @ x)(v), there.mH @ v)


@pytest.mark.parametrize(
    "make",
    [
        lambda w: expint.operators.as_operator(w[0, 0], torch.ones(4, dtype=torch.float64)),
        lambda w: Scalar(w[0, 0]),
        lambda w: Diagonal(w[0]),
        lambda w: Dense(w),
        lambda w: BlockDiagonal([[w[0], w[1]], [w[2], w[3]]]),
        lambda w: KroneckerSum(w, w),
        lambda w: Sparse(w.to_sparse_coo()),
        lambda w: MatrixFree(lambda v: w @ v, 4).check(torch.ones(4, dtype=torch.float64)),
    ],
)
def test_operators_that_would_lose_a_gradient_are_refused(make: Callable[[torch.Tensor], object]) -> None:
    with pytest.raises(TypeError, match=r"tensor that requires a gradient.*detach it\), or let nonlinear hold"):
        make(torch.tensor(MATRIX, requires_grad=True))


def test_an_operator_without_known_adjoint_says_so_when_a_gradient_is_pulled_back() -> None:
    class Opaque(MatrixFree):
        adjoint = expint.operators.iterated.IteratedOperator.adjoint

    v = torch.ones(4, dtype=torch.float64, requires_grad=True)
    row = apply_row(Opaque(product(MATRIX), 4), [v], SUMS[:1], 0.5)
    with pytest.raises(TypeError, match=r"adjoint is known to differentiate through, received MatrixFree"):
        row.sum().backward()


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
@pytest.mark.parametrize("name", [name for name in OPERATORS if name != "rational"])
def test_operators_stay_on_the_device_of_their_states(name: str, device: str) -> None:
    operator, matrix = OPERATORS[name]
    if "matrix-free" in name:
        operator = MatrixFree(lambda v: torch.tensor(matrix, device=v.device) @ v, 4, complex=np.iscomplexobj(matrix))
    columns = [v.detach().to(device) for v in columns_for(matrix)]
    operator.check(columns[0])
    got = apply_row(operator, columns, SUMS, 0.6)
    assert got.device == columns[0].device
    expected = apply_row(Dense(matrix), [v.cpu() for v in columns], SUMS, 0.6)
    torch.testing.assert_close(got.cpu(), expected, rtol=1e-9, atol=1e-9)


def test_factors_on_the_host_refuse_states_on_a_device() -> None:
    elsewhere = torch.ones(4, dtype=torch.float64, device="meta")
    with pytest.raises(TypeError, match="in the memory of the host for action='rational', received one on meta"):
        OPERATORS["rational"][0].check(elsewhere)
