"""φ-functions acting on vectors: every way against φ-functions of matrices, and what cannot be done is said."""

import tracemalloc
from fractions import Fraction
from types import ModuleType

import array_api_strict
import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from expint.phi import phi_functions, phi_matrices
from expint.phi.action import Accuracy, ActionFailure, phi_action
from expint.phi.chebyshev import Chebyshev
from expint.phi.krylov import Krylov
from expint.phi.rational import Rational


def rational(matrix: np.ndarray, **options: int) -> Rational:
    return Rational(lambda gamma: lambda b: np.linalg.solve(np.eye(len(matrix)) - gamma * matrix, b), **options)


def by_matrices(matrix: np.ndarray, vectors: dict[tuple[int, float], np.ndarray], span: float) -> np.ndarray:
    return sum(phi_matrices(c * span * matrix, k)[k] @ v for (k, c), v in vectors.items())


def size_of(vectors: dict[tuple[int, float], np.ndarray], result: np.ndarray) -> float:
    """The size to which errors are relative: of the result, or of what it starts from if that is larger."""
    return max(np.linalg.norm(result), *(np.linalg.norm(v) for (k, _), v in vectors.items() if k == 0))


def laplacian(n: int) -> np.ndarray:
    d = np.diag(np.ones(n - 1), 1)
    return d + d.T - 2 * np.eye(n)


def random_vectors(
    rng: np.random.Generator, n: int, cs: tuple[float, ...], p: int
) -> dict[tuple[int, float], np.ndarray]:
    return {(k, c): rng.standard_normal(n) * 10.0 ** rng.uniform(-3, 3) for k in range(p + 1) for c in cs}


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    size=st.floats(1e-3, 30),
    cs=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]), min_size=1, max_size=3, unique=True).map(tuple),
    p=st.integers(0, 5),
    back=st.sampled_from([2, 4, None]),
    basis=st.sampled_from([12, 30, 100]),
    tolerance=st.sampled_from([1e-4, 1e-8, 1e-11]),
)
def test_krylov_spaces_keep_the_tolerance_on_random_matrices(
    seed: int,
    n: int,
    size: float,
    cs: tuple[float, ...],
    p: int,
    back: int | None,
    basis: int,
    tolerance: float,
) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((n, n)) * size / np.sqrt(n)
    matrix -= max(0.0, np.max(np.linalg.eigvals(matrix).real)) * np.eye(n)
    vectors = random_vectors(rng, n, cs, p)
    expected = by_matrices(matrix, vectors, 1.0)
    scale = max(np.linalg.norm(v) for v in vectors.values())
    wanted = Accuracy(tolerance, scale=scale)
    got = phi_action(lambda v: matrix @ v, vectors, accuracy=wanted, propagate=Krylov(basis, back))
    assert np.linalg.norm(got - expected) <= 2 * tolerance * max(scale, np.linalg.norm(expected))


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("stiffness", [1.0, 1e2, 1e4])
def test_the_three_ways_agree_on_a_stiff_symmetric_matrix(stiffness: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    matrix = stiffness * laplacian(40)
    vectors = random_vectors(rng, 40, (0.5, 1.0), 3)
    expected = by_matrices(matrix, vectors, 1.0)
    for way in (Krylov(), Krylov(basis=25, orthogonalise=2), Chebyshev(-4 * stiffness, 0.0), rational(matrix)):
        got = phi_action(lambda v: matrix @ v, vectors, accuracy=tolerance, propagate=way)
        assert np.linalg.norm(got - expected) <= tolerance * size_of(vectors, expected), type(way).__name__


@pytest.mark.parametrize("size", [0.1, 3.0, 100.0])
def test_the_three_ways_agree_on_a_skew_matrix(size: float) -> None:
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((30, 30))
    matrix = matrix - matrix.T
    matrix *= size / np.linalg.norm(matrix, 2)
    vectors = random_vectors(rng, 30, (1.0, -0.5), 2)
    expected = by_matrices(matrix, vectors, 1.0)
    for way in (Krylov(), Krylov(basis=20, orthogonalise=2), Chebyshev(-size, size, imaginary=True), rational(matrix)):
        got = phi_action(lambda v: matrix @ v, vectors, accuracy=1e-9, propagate=way)
        assert np.linalg.norm(got - expected) <= 1e-9 * size_of(vectors, expected), type(way).__name__


def test_long_spans_of_a_diagonal_matrix_agree_with_numbers() -> None:
    symbol = -np.geomspace(1e-3, 1e5, 60)
    rng = np.random.default_rng(2)
    vectors = {(k, 1.0): rng.standard_normal(60) for k in range(4)}
    expected = sum(phi_functions(symbol, 3)[k] * v for (k, _), v in vectors.items())
    for way in (Krylov(), Chebyshev(-1e5, 0.0), rational(np.diag(symbol))):
        got = phi_action(lambda v: symbol * v, vectors, accuracy=1e-9, propagate=way)
        assert np.linalg.norm(got - expected) <= 1e-9 * size_of(vectors, expected), type(way).__name__


def spectrum(kind: str, rng: np.random.Generator, n: int, size: float) -> np.ndarray:
    """Return eigenvalues in the closed left half plane, up to ``size`` large."""
    radii, turns = rng.uniform(0, 1, n), np.exp(1j * np.linspace(0.5 * np.pi, 1.5 * np.pi, n))
    return {
        "interval": -size * radii**3 + 0j,
        "imaginary": 1j * size * (2 * radii - 1),
        "arc": size * turns,
        "half disc": size * radii * turns,
        "thin sector": -size * radii * (1 + 0.3j * rng.uniform(-1, 1, n)),
        "few points": rng.choice(size * turns, 4)[rng.integers(0, 4, n)],
    }[kind]


@settings(max_examples=20)
@given(
    kind=st.sampled_from(["interval", "imaginary", "arc", "half disc", "thin sector", "few points"]),
    seed=st.integers(0, 2**32 - 1),
    size=st.floats(1.0, 60.0),
    p=st.integers(0, 3),
    tolerance=st.sampled_from([1e-3, 1e-6, 1e-9]),
)
def test_krylov_spaces_of_both_sorts_keep_the_tolerance_wherever_the_spectrum_lies(
    kind: str, seed: int, size: float, p: int, tolerance: float
) -> None:
    rng = np.random.default_rng(seed)
    symbol = spectrum(kind, rng, 50, size)
    vectors = {(k, 1.0): rng.standard_normal(50) * (1 + 1j) * 10.0 ** rng.uniform(-2, 2) for k in range(p + 1)}
    expected = sum(phi_functions(symbol, p)[k] * v for (k, _), v in vectors.items())
    shifted = Rational(lambda gamma: lambda b: b / (1 - gamma * symbol))
    for way in (Krylov(), Krylov(basis=20, orthogonalise=2), shifted):
        got = phi_action(lambda v: symbol * v, vectors, accuracy=tolerance, propagate=way)
        assert np.linalg.norm(got - expected) <= 2 * tolerance * size_of(vectors, expected), type(way).__name__


def test_rational_spaces_do_not_take_damped_approximations_for_the_solution() -> None:
    """Where much turns or grows before it decays, all small spaces agree on nearly nothing."""
    turning = 100 * (np.eye(40, k=1) - np.eye(40, k=-1)) - np.diag(np.linspace(0, 50, 40))
    growing = 30 * np.eye(40, k=1) - 5 * np.eye(40)
    rng = np.random.default_rng(8)
    for matrix in (turning, growing):
        vectors = random_vectors(rng, 40, (1.0,), 1)
        expected = by_matrices(matrix, vectors, 1.0)
        got = phi_action(lambda v, m=matrix: m @ v, vectors, accuracy=1e-6, propagate=rational(matrix))
        assert np.linalg.norm(got - expected) <= 1e-6 * size_of(vectors, expected)


@pytest.mark.parametrize("size", [1.0, 30.0])
def test_a_non_normal_matrix_agrees_with_fifty_digits(size: float) -> None:
    matrix = size * (np.diag([-1.0, -1.0, -2.0, -0.5]) + np.triu(np.arange(16.0).reshape(4, 4) / 8, 1))
    v = np.array([1.0, -2.0, 0.5, 1.0])
    with mpmath.workdps(50):
        # φ_3(A) v is the last column of the exponential of A bordered by v and a chain of three.
        bordered = mpmath.zeros(7)
        bordered[:4, :4] = mpmath.matrix(matrix.tolist())
        bordered[:4, 4] = mpmath.matrix(v.tolist())
        bordered[4, 5] = bordered[5, 6] = 1
        expected = np.array([float(mpmath.expm(bordered, method="taylor")[i, 6]) for i in range(4)])
    for way in (Krylov(), Krylov(basis=8, orthogonalise=2), rational(matrix)):
        got = phi_action(lambda v: matrix @ v, {(3, 1.0): v}, accuracy=1e-12, propagate=way)
        assert np.linalg.norm(got - expected) <= 2e-12 * np.linalg.norm(expected), type(way).__name__


def test_an_eigenvector_ends_the_space_at_once() -> None:
    products = 0

    def matvec(v: np.ndarray) -> np.ndarray:
        nonlocal products
        products += 1
        return -3.0 * v

    v = np.ones(5)
    np.testing.assert_allclose(phi_action(matvec, {(0, 1.0): v}), np.exp(-3) * v, rtol=1e-14)
    assert products == 1


def test_zero_vectors_and_a_zero_matrix_are_no_exceptions() -> None:
    zero = np.zeros(4)
    np.testing.assert_array_equal(phi_action(lambda v: v, {(0, 1.0): zero, (2, 1.0): zero}), zero)
    v = np.arange(4.0)
    for way in (Krylov(), Chebyshev(0.0, 0.0), rational(np.zeros((4, 4)))):
        got = phi_action(lambda v: 0 * v, {(0, 1.0): v, (3, 0.5): v}, propagate=way)
        np.testing.assert_allclose(got, 7 / 6 * v, rtol=1e-12)


def test_forces_much_larger_than_the_state_leave_it_its_digits() -> None:
    matrix = 1e3 * laplacian(30)
    state, force = np.full(30, 1e-12), np.linspace(0, 1e3, 30)
    vectors = {(0, 1.0): state, (1, 1.0): force}
    expected = by_matrices(matrix, vectors, 1.0)
    got = phi_action(lambda v: matrix @ v, vectors, accuracy=1e-10)
    assert np.linalg.norm(got - expected) <= 1e-10 * np.linalg.norm(expected)


def test_what_starts_from_zero_keeps_the_tolerance_of_where_it_ends() -> None:
    matrix = 1e4 * laplacian(40)
    rng = np.random.default_rng(7)
    vectors = {(1, 1.0): rng.standard_normal(40), (3, 0.5): rng.standard_normal(40)}
    expected = by_matrices(matrix, vectors, 1.0)
    for way in (Krylov(), Krylov(basis=12, orthogonalise=2), Chebyshev(-4e4, 0.0), rational(matrix)):
        got = phi_action(lambda v: matrix @ v, vectors, accuracy=1e-10, propagate=way)
        assert np.linalg.norm(got - expected) <= 1e-10 * np.linalg.norm(expected), type(way).__name__


@pytest.mark.parametrize("way", [Krylov(), Chebyshev(-400.0, 0.0)])
def test_torch_vectors_stay_in_torch(way: object) -> None:
    matrix = 100.0 * laplacian(20)
    rng = np.random.default_rng(3)
    vectors = random_vectors(rng, 20, (1.0,), 2)
    there = torch.tensor(matrix)
    expected = by_matrices(matrix, vectors, 1.0)
    tensors = {key: torch.tensor(v) for key, v in vectors.items()}
    got = phi_action(lambda v: there @ v, tensors, accuracy=1e-10, propagate=way)
    assert isinstance(got, torch.Tensor)
    assert got.dtype == torch.float64
    assert np.linalg.norm(got.numpy() - expected) <= 1e-10 * np.linalg.norm(expected)


def test_single_precision_is_kept() -> None:
    matrix = laplacian(20).astype(np.float32)
    v = np.ones(20, dtype=np.float32)
    got = phi_action(lambda v: matrix @ v, {(0, 1.0): v, (1, 1.0): v}, accuracy=1e-5)
    assert got.dtype == np.float32
    np.testing.assert_allclose(
        got, by_matrices(laplacian(20), {(0, 1.0): np.ones(20), (1, 1.0): np.ones(20)}, 1.0), rtol=1e-5
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_give_results_that_are_not(bad: float) -> None:
    got = phi_action(lambda v: -v, {(0, 1.0): np.array([1.0, bad]), (1, 1.0): np.ones(2)})
    assert np.all(np.isnan(got))


A_REAL = np.array([[-1.0, 2.0, 0.0], [0.0, -3.0, 1.0], [0.5, 0.0, -2.0]])
V_REAL = np.array([1.0, 2.0, 3.0])


def of_a_real_matrix(vectors: object, span: float = 1.0, **options: object) -> np.ndarray:
    return phi_action(lambda v: A_REAL @ v, vectors, span, **options)


@pytest.mark.parametrize("way", [Krylov(), Chebyshev(-5.0, 5.0)])
@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda v: v[:1], ValueError, r"vector of shape \(3,\), as v, received shape \(1,\)"),
        (lambda v: v.sum(), ValueError, r"received shape \(\)"),
        (lambda v: 1.0, ValueError, "received float"),
        (lambda v: v[None, :], ValueError, r"received shape \(1, 3\)"),
        (lambda v: 1j * v, TypeError, "expected A v to be real, as v, received complex128 for float64; pass complex"),
    ],
)
def test_products_that_would_be_broadcast_or_lose_their_imaginary_part_are_refused(
    way: object, function: object, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        phi_action(function, {(0, 1.0): V_REAL}, propagate=way)


@pytest.mark.parametrize(
    ("vectors", "options", "message"),
    [
        ({}, {}, "received none"),
        ({(-1, 1.0): V_REAL}, {}, r"integer k ≥ 0 and a finite real c, received \(-1, 1.0\)"),
        ({(1.5, 1.0): V_REAL}, {}, r"received \(1.5, 1.0\)"),
        ({(0, np.nan): V_REAL}, {}, r"received \(0, nan\)"),
        ({0: V_REAL}, {}, "received 0"),
        ({(0, 1.0): V_REAL, (1, 1.0): V_REAL[:2]}, {}, r"one shape \(n,\), received shapes \[\(2,\), \(3,\)\]"),
        ({(0, 1.0): A_REAL}, {}, r"received shapes \[\(3, 3\)\]"),
        ({(0, 1.0): V_REAL}, {"accuracy": -1.0}, "tolerances ≥ 0"),
        ({(0, 1.0): V_REAL}, {"accuracy": np.nan}, "tolerances ≥ 0"),
        ({(0, 1.0): V_REAL}, {"span": np.inf}, "span to be a finite number, received inf"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(vectors: object, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of_a_real_matrix(vectors, **options)


def test_what_is_no_function_or_has_no_numbers_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a function v ↦ A v, received an array .*lambda v: matrix @ v"):
        phi_action(A_REAL, {(0, 1.0): V_REAL})
    with pytest.raises(TypeError, match="vectors of numbers, received dtype bool"):
        of_a_real_matrix({(0, 1.0): V_REAL > 1})


def test_gradients_that_iterations_would_lose_are_refused() -> None:
    there, v = torch.tensor(A_REAL), torch.tensor(V_REAL, requires_grad=True)
    learned = there.clone().requires_grad_()
    with pytest.raises(TypeError, match=r"a vector that requires a gradient, which iterations would lose"):
        phi_action(lambda v: there @ v, {(0, 1.0): v})
    with pytest.raises(TypeError, match=r"A v that requires a gradient"):
        phi_action(lambda v: learned @ v, {(0, 1.0): v.detach()})
    with torch.no_grad():
        got = phi_action(lambda v: there @ v, {(0, 1.0): v})
    np.testing.assert_allclose(got.numpy(), by_matrices(A_REAL, {(0, 1.0): V_REAL}, 1.0), rtol=1e-12)


def test_real_and_complex_vectors_of_any_form_and_numbers_of_any_kind_go_together() -> None:
    half = Fraction(1, 2)
    got = of_a_real_matrix({(0, 1): [1, 2, 3], (np.int64(1), half): V_REAL + 1j, (2, 0): V_REAL.astype(np.float32)})
    expected = by_matrices(A_REAL, {(0, 1.0): V_REAL, (1, 0.5): V_REAL + 1j, (2, 0.0): V_REAL}, 1.0)
    assert got.dtype == np.complex128
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert of_a_real_matrix({(0, 1): [1, 2, 3]}).dtype == np.float64


def test_no_time_leaves_the_first_terms_of_the_series() -> None:
    np.testing.assert_array_equal(of_a_real_matrix({(0, 1.0): V_REAL, (2, -0.5): V_REAL}, span=0.0), 1.5 * V_REAL)


def test_the_strict_namespace_agrees_with_numpy() -> None:
    there = array_api_strict.asarray(A_REAL)
    for way in (Krylov(), Chebyshev(-5.0, 5.0), rational(A_REAL)):
        vectors = {(0, 1.0): V_REAL, (2, 0.5): V_REAL}
        strict = {key: array_api_strict.asarray(v) for key, v in vectors.items()}
        if isinstance(way, Rational):
            solve = way.factor
            way.factor = lambda gamma, solve=solve: lambda b: array_api_strict.asarray(solve(gamma)(np.asarray(b)))
        got = phi_action(lambda v: there @ v, strict, accuracy=1e-9, propagate=way)
        np.testing.assert_allclose(np.asarray(got), by_matrices(A_REAL, vectors, 1.0), rtol=1e-8)


def test_vectors_of_jax_are_refused_with_the_remedy(jax: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"NumPy or PyTorch, received those of JAX, .*phi_matrices"):
        phi_action(lambda v: -v, {(0, 1.0): jax.numpy.ones(3)})


@pytest.mark.parametrize("way", [Krylov(), Chebyshev(-1.0, 0.0), rational(np.full((3, 3), np.nan))])
def test_an_operator_that_is_not_finite_is_a_failure(way: object) -> None:
    with pytest.raises(ActionFailure, match=r"finite|interval"):
        phi_action(lambda v: v * np.nan, {(0, 1.0): np.ones(3)}, propagate=way)


@pytest.mark.parametrize("way", [Krylov(), Chebyshev(-4e3, 0.0), rational(1e3 * laplacian(30))])
def test_a_tolerance_below_rounding_is_a_failure(way: object) -> None:
    rng = np.random.default_rng(4)
    with pytest.raises(ActionFailure, match=r"relative tolerance of 1e-19, received rounding errors above it.*raise"):
        phi_action(
            lambda v: 1e3 * (laplacian(30) @ v), {(0, 1.0): rng.standard_normal(30)}, accuracy=1e-19, propagate=way
        )


def test_more_products_than_allowed_are_a_failure() -> None:
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((200, 200))
    with pytest.raises(ActionFailure, match="within 150 products with L, received 0"):
        phi_action(
            lambda v: 100 * (matrix - matrix.T) @ v, {(0, 1.0): np.ones(200)}, accuracy=Accuracy(1e-8, products=150)
        )


def test_an_interval_that_is_too_small_is_noticed() -> None:
    with pytest.raises(
        ActionFailure, match=r"expected the spectrum of L within the interval .* \[-100, 0\] is too small"
    ):
        phi_action(lambda v: 100 * (laplacian(30) @ v), {(0, 1.0): np.eye(30)[3]}, propagate=Chebyshev(-100.0, 0.0))


def test_factorisations_are_shared_by_steps_of_about_one_size() -> None:
    matrix, shifts = 1e4 * laplacian(30), []

    def factor(gamma: float) -> object:
        shifts.append(gamma)
        return lambda b: np.linalg.solve(np.eye(30) - gamma * matrix, b)

    way, v = Rational(factor), np.ones(30)
    for span in (1.0, 0.9, 0.6, 1.3, 1.0):
        expected = by_matrices(matrix, {(1, 1.0): v}, span)
        got = phi_action(lambda v: matrix @ v, {(1, 1.0): v}, span, accuracy=1e-9, propagate=way)
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9 * np.max(expected))
    assert shifts == [0.1]


def test_memory_stays_within_the_basis() -> None:
    n = 100_000
    matrix = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr")
    v = np.sin(np.linspace(0, 50, n))
    tracemalloc.start()
    phi_action(lambda v: 100.0 * (matrix @ v), {(0, 1.0): v, (1, 1.0): v}, accuracy=1e-8, propagate=Krylov(basis=30))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= (30 + 12) * 8 * n  # a matrix of n² entries would need 80 GB
