"""Odd input to operators, φ-functions and grids: refused at once, in a sentence, or taken for what it is."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import sparse

import expint
from expint.operators import (
    BlockDiagonal,
    Dense,
    Diagonal,
    KroneckerSum,
    MatrixFree,
    Scalar,
    Sparse,
    Sum,
    TimeDependent,
    TimeScaled,
    as_operator,
)
from expint.phi import phi_action, phi_functions, phi_matrices
from expint.spectral import Chebyshev, Fourier

STATE = np.ones(3)
SOME = sparse.csr_array(np.eye(3))


@pytest.mark.parametrize(
    "linear",
    [
        True,
        np.True_,
        np.array(True),
        torch.tensor(True),
        np.array([True] * 3),
        np.eye(3) > 0,
        sparse.csr_array(np.eye(3) > 0),
    ],
    ids=repr,
)
def test_truth_values_are_no_numbers(linear: object) -> None:
    with pytest.raises(TypeError, match=r"expected (a number|an array of numbers|a sparse matrix of numbers)"):
        as_operator(linear, STATE)


@pytest.mark.parametrize("linear", [np.ma.masked, np.ma.masked_array(STATE, mask=[0, 1, 0])])
def test_what_is_masked_is_no_number(linear: object) -> None:
    with pytest.raises(TypeError, match=r"received (a )?masked"):
        as_operator(linear, STATE)


@pytest.mark.parametrize("linear", [2, np.int8(2), np.float32(2), np.array(2), torch.tensor(2), 2 + 0j])
def test_real_numbers_of_any_kind_are_one_number(linear: object) -> None:
    operator = as_operator(linear, STATE)
    assert isinstance(operator, Scalar)
    assert repr(operator) == "Scalar(2.0)"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Scalar("a"), TypeError),
        (lambda: Scalar(None), TypeError),
        (lambda: Scalar(np.ones(3)), TypeError),
        (lambda: Sparse(SOME, tolerance="a"), ValueError),
        (lambda: KroneckerSum(np.eye(2), tolerance=5), ValueError),
        (lambda: KroneckerSum(np.eye(2), basis="a"), ValueError),
        (lambda: MatrixFree(lambda v: v, True), ValueError),
        (lambda: MatrixFree(lambda v: v, 2.0), ValueError),
        (lambda: MatrixFree(lambda v: v, 3, symmetry="skew", interval=3), ValueError),
        (lambda: MatrixFree(lambda v: v, 3, symmetry="skew", interval=(np.nan, 1)), ValueError),
        (lambda: BlockDiagonal([1, 2]), ValueError),
        (lambda: phi_functions(1.0, 10**6), ValueError),
        (lambda: phi_matrices(np.eye(2), 10**6), ValueError),
        (lambda: phi_action(lambda v: v, {(10**6, 1.0): STATE}), ValueError),
        (lambda: phi_matrices(np.broadcast_to(0.0, (50_000, 50_000)), 1), ValueError),
        (lambda: KroneckerSum(np.broadcast_to(0.0, (50_000, 50_000))), ValueError),
        (lambda: Chebyshev(60_000), ValueError),
        (lambda: Chebyshev(8.0), TypeError),
        (lambda: Fourier(10**12), ValueError),
        (lambda: Fourier(True), TypeError),
        (lambda: Fourier(8.0), TypeError),
        (lambda: Fourier(8, start=np.nan), ValueError),
        (lambda: Fourier(8, like=np.ones(3, dtype=int)), TypeError),
        (lambda: Fourier(8, like=3.0), TypeError),
        (lambda: Fourier(8).fft(np.ones(9)), ValueError),
        (lambda: Fourier(8).fft(np.ones((8, 9))), ValueError),
        (lambda: Fourier(8).fft(np.array(1.0)), ValueError),
        (lambda: Fourier(8).ifft(np.ones(3)), ValueError),
        (lambda: Fourier(8).ifft(np.ones(8)), ValueError),
        (lambda: Fourier(8, real=False).ifft(np.ones(5)), ValueError),
        (lambda: Fourier(8).dealias(np.ones(1)), ValueError),
        (lambda: Fourier(8).dealias(np.ones((5, 8))), ValueError),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_was_expected_and_received(
    make: Callable[[], object], error: type
) -> None:
    with pytest.raises(error, match=r"(?s)[Ee]xpected .*received"):
        make()


def test_the_largest_index_is_still_a_number() -> None:
    assert 0 < phi_functions(0.0, 170)[-1] < 1e-306


def test_entries_cannot_be_written_over_where_something_is_known_of_them() -> None:
    given, blocks = SOME.copy(), np.ones((2, 2, 3))
    operators = Sparse(given), BlockDiagonal(blocks), KroneckerSum(np.eye(3))
    given.data[:], blocks[:] = 7.0, 7.0
    for entries in (operators[0].matrix.data, operators[1].blocks, operators[2].factors[0]):
        assert np.max(entries) == 1.0
        with pytest.raises(ValueError, match="read-only"):
            entries[...] = 7.0


def rate(t: float) -> float:
    return 1 + t


def product(v: np.ndarray) -> np.ndarray:
    return -v


OPERATORS = [
    -1.0,
    Diagonal(-STATE),
    Dense(-np.eye(3)),
    Sparse(-SOME),
    Sparse(-SOME, action="rational"),
    KroneckerSum(-np.eye(3)),
    BlockDiagonal([[-STATE[None]]]),
    MatrixFree(product, 3),
    Sum(Sparse(-0.5 * SOME), MatrixFree(product, 3), 0.5),
    TimeScaled(rate, Dense(-np.eye(3))),
    TimeDependent(rate),
]


@pytest.mark.parametrize("linear", OPERATORS, ids=str)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_operators_are_copied_and_pickled_before_a_run_and_after(again: Callable, linear: object) -> None:
    y0 = np.ones((1, 3)) if isinstance(linear, BlockDiagonal) else STATE
    y0 = y0[None] if isinstance(linear, BlockDiagonal) else y0
    forced = not isinstance(linear, TimeDependent)

    def end(operator: object) -> np.ndarray:
        nonlinear = (lambda t, y: 0.1 * y**2) if forced else None
        return expint.solve_ivp(nonlinear, (0, 0.5), y0, linear=operator, step=0.1).y_end

    before = end(again(linear))
    np.testing.assert_array_equal(before, end(linear))
    np.testing.assert_array_equal(before, end(again(linear)))
