"""What operators are tried for before a run: linearity, symmetry, and that they stay what they were."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg

import expint
from expint import jacobian
from expint.operators import KroneckerSum, MatrixFree, TimeDependent, TimeScaled, as_operator

N = 12
RANDOM = np.random.default_rng(5).standard_normal((N, N)) / N
NOT_LINEAR: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "square": lambda v: v**2,
    "times its norm": lambda v: -v * np.linalg.norm(v),
    "modulus": lambda v: -np.abs(RANDOM @ v).astype(v.dtype),
    "positive part": lambda v: -np.maximum(v.real, 0).astype(v.dtype),
    "sorted": lambda v: np.sort(v),
    "clipped": lambda v: np.where(np.abs(v) > 50, 50 * v / np.maximum(np.abs(v), 1), v),
    "sine": lambda v: np.sin(v),
    "constant": lambda v: RANDOM @ v + 1,
    "small cubic": lambda v: RANDOM @ v + 1e-4 * v**3,
    "one entry": lambda v: np.concatenate([v[:1] ** 2, v[1:]]),
    "largest entry only": lambda v: np.where(np.abs(v) == np.max(np.abs(v)), v, 0),
    "rounded": lambda v: np.round(v.real).astype(v.dtype),
    "normalised": lambda v: v / max(float(np.linalg.norm(v)), 1e-300),
    "small threshold": lambda v: np.where(np.abs(v) < 1e-2, 0, v),
}
NOT_COMPLEX = {
    "conjugate": np.conj,
    "real part": lambda v: v.real + 0j,
    "modulus of the parts": lambda v: np.abs(v.real) + 1j * v.imag,
}


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("start", [0.0, 1e-8, 1.0, 1e4])
@pytest.mark.parametrize("name", NOT_LINEAR)
def test_a_function_that_is_not_linear_is_refused_whatever_the_state(name: str, start: float, kind: type) -> None:
    with (
        pytest.raises(ValueError, match=r"expected a linear function|to return finite values"),
        np.errstate(all="ignore"),
    ):
        as_operator(MatrixFree(NOT_LINEAR[name], N), np.full(N, start, dtype=kind))


@pytest.mark.parametrize("start", [0.0, 1.0])
@pytest.mark.parametrize("name", NOT_COMPLEX)
def test_a_function_that_is_linear_over_real_numbers_only_is_refused_on_complex_states(name: str, start: float) -> None:
    with pytest.raises(ValueError, match=r"L\(iv\) = i L\(v\)"):
        as_operator(MatrixFree(NOT_COMPLEX[name], N), np.full(N, start + 0j))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_linear_functions_of_any_size_and_precision_pass(scale: float, dtype: type) -> None:
    matrix = (scale * RANDOM).astype(dtype)
    for start in (np.zeros(N), np.full(N, 1e-20), np.full(N, 1e6)):
        as_operator(MatrixFree(lambda v: matrix @ v, N), start.astype(dtype))
    there = torch.tensor(matrix)
    as_operator(MatrixFree(lambda v: there @ v, N), torch.tensor(np.ones(N, dtype=dtype)))


def test_a_small_part_that_is_not_symmetric_is_seen_in_long_vectors_too() -> None:
    n = 40_000
    for peclet in (0.02, 0.5):

        def product(v: np.ndarray, drift: float = peclet) -> np.ndarray:
            up, down = np.roll(v, -1), np.roll(v, 1)
            return up - 2 * v + down + drift * (up - down)

        with pytest.raises(ValueError, match="a function that is symmetric, as declared"):
            as_operator(MatrixFree(product, n, symmetry="symmetric", interval=(-4.0, 0.0)), np.ones(n))
    for dtype in (np.float32, np.float64):
        right = MatrixFree(lambda v: np.roll(v, -1) - 2 * v + np.roll(v, 1), n, symmetry="symmetric")
        as_operator(right, np.ones(n, dtype=dtype))


class Clocked:
    """An operator made anew for each time, all of which look at the last one."""

    def __init__(self) -> None:
        self.t = 0.0

    def __call__(self, t: float) -> MatrixFree:
        self.t = t
        return MatrixFree(lambda v: -(1 + self.t) * v, 3)


@pytest.mark.parametrize("options", [{"step": 0.1}, {"rtol": 1e-6}])
@pytest.mark.parametrize("method", ["magnus2", "magnus4", "cf4"])
def test_operators_that_look_at_one_time_are_refused(method: str, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"stays as it is, received one .* whose products changed when that for"):
        expint.solve_ivp(None, (0, 1), np.ones(3), linear=TimeDependent(Clocked()), method=method, **options)
    held = TimeDependent(lambda t: MatrixFree(lambda v: -(1 + t) * v, 3))
    run = expint.solve_ivp(None, (0, 1), np.ones(3), linear=held, method=method, rtol=1e-8)
    np.testing.assert_allclose(run.y_end, np.exp(-1.5), rtol=1e-6)


@pytest.mark.parametrize("start", [-1e9, -1e3, 1e3, 1e6])
def test_a_smooth_rate_far_from_zero_is_resolved(start: float) -> None:
    """y' = g(t) (1 - y) with N = g(t): y = 1 - exp(-∫ g)."""
    for w in (0.5, 2.0, 7.0):

        def rate(t: float, w: float = w) -> float:
            return 1 + 0.5 * np.sin(w * (t - start))

        linear = TimeScaled(rate, -1.0)
        run = expint.solve_ivp(lambda t, y: rate(t) * np.ones(1), (start, start + 3), [0.0], linear=linear, rtol=1e-6)
        exact = 1 - np.exp(-3 - 0.5 * (1 - np.cos(3 * w)) / w)
        assert abs(run.y_end[0] - exact) <= 1e-5


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_factors_with_real_and_with_complex_eigenvalues_go_together(make: Callable[[np.ndarray], object]) -> None:
    rng = np.random.default_rng(2)
    turning, real = rng.standard_normal((4, 4)), -np.diag([1.0, 2, 3]) + np.eye(3, k=1)
    assert np.iscomplexobj(np.linalg.eigvals(turning))
    y0 = rng.standard_normal((4, 3))
    for factors in ((turning, real), (real, turning), (turning, turning), (real, turning, real)):
        shape = tuple(len(factor) for factor in factors)
        whole = sum(
            np.kron(np.kron(np.eye(int(np.prod(shape[:i]))), factor), np.eye(int(np.prod(shape[i + 1 :]))))
            for i, factor in enumerate(factors)
        )
        y0 = rng.standard_normal(shape)
        run = expint.solve_ivp(lambda t, y: 0 * y, (0, 0.5), make(y0), linear=KroneckerSum(*factors), step=0.25)
        expected = (linalg.expm(0.5 * whole) @ y0.ravel()).reshape(shape)
        np.testing.assert_allclose(np.asarray(run.y_end), expected, rtol=1e-10, atol=1e-10)


def test_a_kronecker_sum_becomes_what_it_is_applied_by() -> None:
    operator = KroneckerSum(RANDOM, RANDOM)
    assert as_operator(operator, np.ones((N, N))) is operator.route


@pytest.mark.parametrize(
    ("directions", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_a_check_along_no_direction_is_refused(directions: object, error: type) -> None:
    with pytest.raises(error, match="expected directions to be an integer"):
        jacobian.check(lambda t, y: -y, 0.0, np.ones(2), -np.eye(2), directions=directions)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_check_of_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises((ValueError, ArithmeticError), match="finite"):
        jacobian.check(lambda t, y: -y, 0.0, np.ones(2), np.array([[bad, 0.0], [0.0, -1.0]]))
    with pytest.raises((ValueError, ArithmeticError), match="finite"), np.errstate(all="ignore"):
        jacobian.check(lambda t, y: -y * bad, 0.0, np.ones(2), -np.eye(2))


@pytest.mark.parametrize(
    ("flow", "error", "message"),
    [
        (lambda t, tau, v: v[:1], ValueError, r"shape \(3,\), .*received shape \(1,\)"),
        (lambda t, tau, v: 1.0, TypeError, "received float"),
        (lambda t, tau, v: v[None, :], ValueError, r"received shape \(1, 3\)"),
        (lambda t, tau, v: v + 0j, TypeError, "received complex128"),
        (lambda t, tau, v: v.astype(np.float32), TypeError, "received float32"),
        (lambda t, tau, v: v.tolist(), TypeError, "received list"),
        (lambda t, tau, v: torch.tensor(v), TypeError, "an array of numpy, .* received one of torch"),
    ],
)
def test_flows_that_return_something_else_are_refused(flow: Callable, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        expint.run_splitting(expint.method("strang"), -1.0, flow, np.ones(3), [0.0, 0.5])


def test_a_flow_that_writes_over_what_it_is_given_does_no_harm() -> None:
    """States are lent: read only in NumPy, a copy in torch."""

    def moved(t: float, tau: float, v: Any) -> Any:
        v *= np.exp(tau)
        return v

    run = expint.run_splitting(expint.method("strang"), 1.0, moved, torch.ones(3, dtype=torch.float64), [0.0, 0.5])
    np.testing.assert_allclose(run.y[-1], np.exp(1.0), rtol=1e-10)
    with pytest.raises(ValueError, match="read-only"):
        expint.run_splitting(expint.method("strang"), 1.0, moved, np.ones(3), [0.0, 0.5])
