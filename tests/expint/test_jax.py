"""What a user of JAX tries: solves on its arrays, jit, grad and vmap through them, in both precisions."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import expint
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, MatrixFree, Operator, Sparse, as_operator
from expint.phi import phi_functions, phi_matrices

MATRIX = np.random.default_rng(0).standard_normal((4, 4))
START = np.array([0.1, 0.4, -0.2, 0.3])
LINEAR: dict[str, Any] = {
    "number": -1.5,
    "symbol": np.array([-1.0, -20.0, -0.3, 0.5]),
    "dense": Dense(MATRIX),
    "block-diagonal": BlockDiagonal(MATRIX),
    "kronecker": KroneckerSum(MATRIX + MATRIX.T),
}


def react(t: float, y: Any) -> Any:
    return -(y**2)


def end(y: Any, linear: Any = -1.5, **options: Any) -> Any:
    """The end of a short solve, whose steps are fixed unless options say else."""
    return expint.solve_ivp(react, (0, 0.2), y, linear=linear, **(options or {"step": 0.1})).y_end


@pytest.mark.parametrize("options", [{"step": 0.1}, {"step": 0.05, "method": "adams4"}, {"rtol": 1e-5}])
@pytest.mark.parametrize("name", LINEAR)
def test_solves_on_its_arrays_are_those_on_numpys(jax: ModuleType, name: str, options: dict[str, Any]) -> None:
    got = end(jax.numpy.asarray(START), LINEAR[name], **options)
    assert isinstance(got, jax.Array)
    np.testing.assert_allclose(got, end(START, LINEAR[name], **options), rtol=1e-13)


def test_single_precision_is_kept_where_double_is_not_enabled() -> None:
    jax = pytest.importorskip("jax")
    for linear in LINEAR.values():
        got = end(jax.numpy.asarray(START), linear)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, end(START, linear), rtol=1e-5)


@pytest.mark.parametrize("name", ["symbol", "dense", "kronecker"])
def test_solves_with_fixed_steps_can_be_transformed(jax: ModuleType, name: str) -> None:
    linear, y0 = LINEAR[name], jax.numpy.asarray(START)

    def solve(y: Any) -> Any:
        return end(y, linear)

    np.testing.assert_allclose(jax.jit(solve)(y0), solve(y0), rtol=1e-13)
    several = jax.numpy.stack([y0, 2 * y0])
    np.testing.assert_allclose(jax.vmap(solve)(several), [solve(y) for y in several], rtol=1e-13)
    forward, backward = jax.jit(jax.jacfwd(solve))(y0), jax.jacrev(solve)(y0)
    np.testing.assert_allclose(forward, backward, rtol=1e-12, atol=1e-14)
    shift = 1e-6 * np.eye(4)
    differences = np.stack([(end(START + e, linear) - end(START - e, linear)) / 2e-6 for e in shift], axis=1)
    np.testing.assert_allclose(forward, differences, rtol=1e-7, atol=1e-8)


def test_stepping_by_hand_can_be_compiled(jax: ModuleType) -> None:
    def three_steps(y: Any) -> Any:
        state = expint.begin(react, 0.0, y, linear=LINEAR["symbol"])
        for _ in range(3):
            state = expint.step(state, 0.1)
        return state.y

    y0 = jax.numpy.asarray(START)
    np.testing.assert_allclose(jax.jit(three_steps)(y0), three_steps(y0), rtol=1e-13)


def test_parameters_of_the_nonlinear_part_have_gradients(jax: ModuleType) -> None:
    def loss(rate: Any) -> Any:
        solution = expint.solve_ivp(
            lambda t, y: -rate * y**2, (0, 0.4), jax.numpy.asarray(START), linear=-1.0, step=0.1
        )
        return (solution.y_end**2).sum()

    gradient = jax.grad(loss)(0.7)
    assert gradient == pytest.approx(float(loss(0.7 + 1e-6) - loss(0.7 - 1e-6)) / 2e-6, rel=1e-7)


@pytest.mark.parametrize(
    "operator",
    [
        Sparse(sparse.csr_array(MATRIX)),
        MatrixFree(lambda v: -v, 4),
        KroneckerSum(MATRIX, action="krylov"),
    ],
)
def test_operators_applied_by_iterations_refuse_its_arrays_with_the_remedy(jax: ModuleType, operator: Operator) -> None:
    with pytest.raises(TypeError, match=r"expected a state of NumPy or PyTorch .* JAX; take .*Dense, Diagonal"):
        as_operator(operator, jax.numpy.asarray(START))


@pytest.mark.parametrize("make", [lambda z: z, lambda z: Diagonal(z), lambda z: Dense(z[:, None] * np.eye(4))])
def test_coefficients_may_be_its_arrays(jax: ModuleType, make: Callable[[Any], Any]) -> None:
    symbol = jax.numpy.asarray(LINEAR["symbol"])
    np.testing.assert_allclose(end(jax.numpy.asarray(START), make(symbol)), end(START, LINEAR["symbol"]), rtol=1e-12)


def test_coefficients_that_are_traced_are_refused_with_the_remedy(jax: ModuleType) -> None:
    y0 = jax.numpy.asarray(START)
    for make in (lambda z: z, Diagonal, lambda z: Dense(z[:, None] * jax.numpy.eye(4)), lambda z: z[0]):
        with pytest.raises(
            TypeError, match=r"linear operator without parameters .* received an array that is traced by JAX"
        ):
            jax.jit(lambda z, make=make: end(y0, make(z)))(y0)


@pytest.mark.parametrize("x64", [False, True])
def test_functions_of_numbers_are_differentiated_in_both_precisions_under_jit_and_vmap(
    jax: ModuleType, x64: bool
) -> None:
    jax.config.update("jax_enable_x64", x64)
    z = jax.numpy.asarray([-30.0, -2.0, -1e-3, 0.5, 4.0])
    assert z.dtype == (np.float64 if x64 else np.float32)
    values = jax.jit(lambda z: phi_functions(z, 4))(z)
    slopes = jax.jit(jax.vmap(jax.jacfwd(lambda z: jax.numpy.stack(phi_functions(z, 4)))))(z)
    expected = phi_functions(np.asarray(z, dtype=float), 5)
    tolerance = 1e-13 if x64 else 2e-5
    for k in range(5):
        np.testing.assert_allclose(values[k], expected[k], rtol=tolerance)
        np.testing.assert_allclose(slopes[:, k], expected[k] - k * expected[k + 1], rtol=1e2 * tolerance)


def test_functions_of_matrices_take_its_arrays(jax: ModuleType) -> None:
    for matrix in (MATRIX, np.stack([MATRIX, 10 * MATRIX])):
        for got, expected in zip(phi_matrices(jax.numpy.asarray(matrix), 2), phi_matrices(matrix, 2), strict=True):
            assert isinstance(got, jax.Array)
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12 * np.max(np.abs(expected)))


def test_grids_transform_and_dealias_what_is_traced(jax: ModuleType) -> None:
    """One compilation leaves nothing behind for the next."""
    for real in (True, False):
        grid = expint.spectral.Fourier(8, real=real, like=jax.numpy.zeros(1))
        host = expint.spectral.Fourier(8, real=real)
        u = np.exp(np.sin(host.x))
        for factor in (1.0, 2.0):
            got = jax.jit(lambda u, grid=grid, factor=factor: grid.ifft(grid.dealias(factor * grid.fft(u))))(u)
            np.testing.assert_allclose(got, host.ifft(host.dealias(factor * host.fft(u))), rtol=1e-13, atol=1e-14)
        with pytest.raises(TypeError, match="as the grid was made for"):
            jax.jit(lambda u, host=host: host.fft(u))(u)
