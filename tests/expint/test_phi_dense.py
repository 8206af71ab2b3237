"""φ-functions of matrices: against exact arithmetic, against other routes, batches, refusals."""

import math

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import expint.phi.multiples
from expint.phi import phi_functions, phi_matrices
from expint.phi.multiples import Multiples

from .phi_reference import phi_matrices_exactly, relative_distance

EPS = np.finfo(float).eps

entries = st.floats(-3, 3, width=32)
matrices = st.integers(1, 5).flatmap(lambda n: arrays(float, (n, n), elements=entries))
complex_matrices = st.integers(1, 4).flatmap(
    lambda n: st.tuples(*[arrays(float, (n, n), elements=entries)] * 2).map(lambda parts: parts[0] + 1j * parts[1])
)


def chebyshev_second_derivative(n):
    """d²/dx² on n + 1 Chebyshev points, zero at both ends: shape (n − 1, n − 1), non-normal, ‖·‖₂ ≈ n⁴/20."""
    j = np.arange(n + 1)
    x = np.cos(np.pi * j / n)
    c = np.where((j == 0) | (j == n), 2.0, 1.0) * (-1.0) ** j
    first = np.outer(c, 1 / c) / (x[:, None] - x[None, :] + np.eye(n + 1))
    first -= np.diag(first.sum(axis=1))
    return (first @ first)[1:-1, 1:-1]


def by_augmented_exponential(matrix, p):
    """φ_k(A) as the blocks in the first row of exp of the block matrix with A, I, …, I in its first two diagonals."""
    n = len(matrix)
    augmented = np.kron(np.eye(p + 1, k=1), np.eye(n)).astype(matrix.dtype)
    augmented[:n, :n] = matrix
    return np.split(exponential(augmented)[:n], p + 1, axis=1)


def exponential(matrix):
    """e^A by its Taylor series, scaled and squared in extended precision: SciPy's is wrong by 1e-12 for e^15."""
    doublings = max(0, math.ceil(math.log2(np.linalg.norm(matrix, 1) + 1))) + 1
    scaled = matrix.astype(np.result_type(matrix, np.longdouble)) / 2**doublings
    value = term = np.eye(len(matrix), dtype=scaled.dtype)
    for k in range(1, 20):
        term = term @ scaled / k
        value = value + term
    for _ in range(doublings):
        value = value @ value
    return value.astype(np.result_type(matrix, np.float64))


def distance(values, expected):
    """The largest relative 2-norm distance over k."""
    return max(np.linalg.norm(a - b, 2) / np.linalg.norm(b, 2) for a, b in zip(values, expected, strict=True))


@pytest.mark.parametrize(("n", "p"), [(10, 8), (20, 4), (32, 2), pytest.param(80, 1, marks=pytest.mark.slow)])
def test_non_normal_stiff_matrices_are_right_to_1e_12(n, p):
    matrix = chebyshev_second_derivative(n)
    exact = phi_matrices_exactly(matrix, p)
    for k, value in enumerate(phi_matrices(matrix, p)):
        error = relative_distance(value, exact[k])
        assert error < (2e-13 if n > 40 else 1e-13), f"φ_{k}, n = {n}: {error:.1e}"


@pytest.mark.parametrize("h", [1e-6, 1e-3])
def test_non_normal_matrices_are_right_at_every_step_size(h):
    matrix = h * chebyshev_second_derivative(16)
    for value, exact in zip(phi_matrices(matrix, 3), phi_matrices_exactly(matrix, 3)):
        assert relative_distance(value, exact) < 1e-14


@given(st.one_of(matrices, complex_matrices))
def test_the_augmented_exponential_gives_the_same_matrices(matrix):
    values, expected = phi_matrices(matrix, 3), by_augmented_exponential(matrix, 3)
    scale = np.linalg.norm(by_augmented_exponential(np.abs(matrix), 3)[0], 2)  # both routes may grow before they decay
    for value, reference in zip(values, expected, strict=True):
        assert np.linalg.norm(value - reference, 2) <= 2e-14 * scale


@given(st.one_of(matrices, complex_matrices))
def test_recurrence_links_neighbouring_indices_of_matrices(matrix):
    values = phi_matrices(matrix, 5)
    for k in range(5):
        product, constant = matrix @ values[k + 1], np.eye(len(matrix)) / math.factorial(k)
        scale = np.linalg.norm(matrix) * np.linalg.norm(values[k + 1]) + np.linalg.norm(constant)
        assert np.linalg.norm(product + constant - values[k]) <= 1e-13 * scale


@pytest.mark.parametrize(
    "spectrum",
    [
        -(10.0 ** np.linspace(-3, 6, 10)),
        -(10.0 ** np.linspace(2, 6, 9)),
        1j * np.linspace(-300, 300, 8),
        np.linspace(-9, 0, 7) + 40j,
        np.linspace(-5, 50, 12),
    ],
    ids=["stiff and slow", "stiff", "imaginary", "complex", "growing"],
)
def test_diagonal_matrices_give_the_elementwise_values(spectrum):
    expected = [np.diag(value) for value in phi_functions(spectrum, 8)]
    values = phi_matrices(np.diag(spectrum), 8)
    turns = abs(spectrum.imag).max()  # squaring multiplies the relative error of e^B as it multiplies |B|
    assert distance(values[1:], expected[1:]) <= (10 + turns) * EPS
    assert distance(values[:1], expected[:1]) <= (10 + turns + abs(spectrum).min()) * EPS


def test_similar_matrices_have_similar_values():
    generator = np.random.default_rng(0)
    spectrum = -np.logspace(-2, 3, 12)
    basis = np.linalg.qr(generator.normal(size=(12, 12)))[0]
    expected = [(basis * value) @ basis.T for value in phi_functions(spectrum, 4)]
    assert distance(phi_matrices((basis * spectrum) @ basis.T, 4), expected) <= 1e3 * 20 * EPS


@pytest.mark.parametrize("coupling", [1e3, 1e8, 1e12])
def test_large_entries_off_the_diagonal_do_not_cost_digits(coupling):
    values = phi_matrices(np.array([[-1, coupling], [0, 1]]), 4)
    for value, plus, minus in zip(values, phi_functions(1.0, 4), phi_functions(-1.0, 4)):
        np.testing.assert_allclose(value, [[minus, coupling * (plus - minus) / 2], [0, plus]], rtol=2e-15)


@given(st.floats(-200, 50))
def test_one_by_one_matrices_are_numbers(z):
    values, numbers = phi_matrices(np.array([[z]]), 6), phi_functions(z, 6)
    for value, number in zip(values, numbers):
        assert value.shape == (1, 1)
        assert value.item() == pytest.approx(number, rel=(20 + 4 * abs(z)) * EPS)


def test_the_zero_matrix_gives_multiples_of_the_identity():
    for k, value in enumerate(phi_matrices(np.zeros((3, 3)), 5)):
        np.testing.assert_array_equal(value, np.eye(3) / math.factorial(k))


def test_a_batch_of_unequal_norms_equals_its_members():
    generator = np.random.default_rng(1)
    batch = generator.normal(size=(2, 4, 3, 3)) * 10.0 ** np.arange(-4, 4).reshape(2, 4, 1, 1) - 2 * np.eye(3)
    for k, together in enumerate(phi_matrices(batch, 3)):
        assert together.shape == batch.shape
        for index in np.ndindex(2, 4):
            alone = phi_matrices(batch[index], 3)[k]
            np.testing.assert_allclose(together[index], alone, rtol=1e-13, atol=1e-14 * abs(alone).max())


@pytest.mark.parametrize("complex_part", [0, 1j])
def test_torch_and_the_strict_namespace_agree_with_numpy(complex_part):
    generator = np.random.default_rng(2)
    batch = generator.normal(size=(4, 5, 5)) * np.array([0.1, 1, 10, 100])[:, None, None] * (1 + complex_part)
    batch = batch - 150 * np.eye(5)
    expected = phi_matrices(batch, 4)
    for make, kind in ((torch.as_tensor, torch.Tensor), (array_api_strict.asarray, type(array_api_strict.asarray(0)))):
        for value, reference in zip(phi_matrices(make(batch), 4), expected):
            assert isinstance(value, kind)
            errors = np.linalg.norm(np.asarray(value) - reference, axis=(1, 2))
            assert np.all(errors <= 2000 * EPS * np.linalg.norm(reference, axis=(1, 2)))


def test_single_precision_is_computed_in_double_and_rounded_once():
    matrix = np.random.default_rng(3).normal(size=(2, 4, 4)).astype(np.float32)
    for value, double in zip(phi_matrices(matrix, 3), phi_matrices(matrix.astype(float), 3)):
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, double.astype(np.float32))


def test_kinds_and_shapes_are_kept():
    assert [value.dtype for value in phi_matrices([[0, 1], [1, 0]], 1)] == [float, float]
    assert phi_matrices(np.zeros((2, 2), complex), 0)[0].dtype == complex
    assert all(value.shape == (0, 3, 3) for value in phi_matrices(np.zeros((0, 3, 3)), 2))
    assert all(value.shape == (2, 0, 0) for value in phi_matrices(np.zeros((2, 0, 0)), 2))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 3, 2)])
def test_what_is_not_square_is_refused(shape):
    with pytest.raises(ValueError, match=r"square matrices .* received shape .* use phi_functions"):
        phi_matrices(np.zeros(shape), 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_matrices_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="received 1 non-finite entries; check"):
        phi_matrices(np.array([[1, bad], [0, 1]]), 1)


@pytest.mark.parametrize("p", [-1, 0.5, None])
def test_an_index_that_is_no_natural_number_is_refused_for_matrices(p):
    with pytest.raises(ValueError, match="integer ≥ 0"):
        phi_matrices(np.eye(2), p)


def test_overflow_is_silent_and_not_finite():
    assert not np.isfinite(phi_matrices(np.array([[1e4]]), 1)[0]).any()


@given(
    matrices | complex_matrices, st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 7.0, -0.5, 0.3, 1.2]), max_size=6)
)
def test_multiples_that_share_doublings_have_the_values_of_each(matrix, scales):
    multiples = Multiples(matrix)
    for i, scale in enumerate(scales):
        p = 1 + i % 3
        expected = phi_matrices(scale * matrix, p)
        for value, alone in zip(multiples(p, scale), expected, strict=True):
            size = max(1.0, np.linalg.norm(alone, 1))
            assert np.linalg.norm(value - alone, 1) <= 1e-13 * size


def test_multiples_of_a_stiff_matrix_share_doublings_and_keep_their_digits(monkeypatch):
    matrix = chebyshev_second_derivative(16)
    multiples, doublings = Multiples(matrix), []
    doubled = expint.phi.multiples.double
    monkeypatch.setattr(expint.phi.multiples, "double", lambda given: (doublings.append(1), doubled(given))[1])
    multiples(3, 1.0)
    first = len(doublings)
    for scale in (0.5, 0.25, 1.0, 2.0, 0.125):
        exact = phi_matrices_exactly(scale * matrix, 3)
        assert max(relative_distance(*both) for both in zip(multiples(3, scale), exact)) < 1e-13
    assert first > 8
    assert len(doublings) == first + 1  # of 2


def test_multiples_keep_no_more_than_their_memory(monkeypatch):
    monkeypatch.setattr(expint.phi.multiples, "_MOST_BYTES", 0)
    multiples, matrix = Multiples(np.diag([-1e3, -1.0])), np.diag([-1e3, -1.0])
    for scale in (1.0, 0.5, 2.0):
        assert distance(multiples(2, scale), phi_matrices(scale * matrix, 2)) < 1e-15
