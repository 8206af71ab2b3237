"""The tasks as other solvers want them: y' = f(t, y) on real vectors, with Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from expint import SemilinearProblem

__all__ = ["Form", "kind", "real_form"]


class Form(NamedTuple):
    """A system of real equations.

    Attributes
    ----------
    f, jacobian
        (t, y) ↦ f and ∂f/∂y, the latter dense or sparse.
    y0
        The initial state.
    values
        From a state to the values on the grid that are compared.
    band
        The half width of the Jacobian's band, where it has one.
    """

    f: Callable[[float, np.ndarray], np.ndarray]
    jacobian: Callable[[float, np.ndarray], Any]
    y0: np.ndarray
    values: Callable[[np.ndarray], np.ndarray]
    band: int | None = None


def kind(title: str) -> str:
    """Return the equation of a task, the first word of its title."""
    return title.partition(",")[0]


def real_form(title: str, problem: SemilinearProblem) -> Form:
    """Return the form of a task: values on the grid, real and imaginary parts, or the species point by point."""
    name = kind(title)
    if name == "Brusselator":
        return _brusselator(problem)
    return _schroedinger(problem) if name == "NLS" else _periodic(problem, cubic=name == "Allen–Cahn")


def _periodic(problem: SemilinearProblem, cubic: bool) -> Form:
    """Return u_t = F⁻¹(L F u + N): N is -(u²/2)_x or, if ``cubic``, -u³."""
    assert problem.physical is not None
    assert problem.x is not None
    n, symbol = len(problem.x), problem.linear
    period = n * (problem.x[1] - problem.x[0])
    wave = 2j * np.pi / period * np.arange(n // 2 + 1)
    wave[-1] = 0.0
    unit = np.fft.rfft(np.eye(n), axis=0)
    linear = np.fft.irfft(symbol[:, None] * unit, n, axis=0)
    derivative = np.fft.irfft(wave[:, None] * unit, n, axis=0)
    diagonal = np.arange(n)

    def f(t: float, u: np.ndarray) -> np.ndarray:
        v = np.fft.rfft(u)
        return np.fft.irfft(symbol * v + problem.nonlinear(t, v), n)

    def jacobian(t: float, u: np.ndarray) -> np.ndarray:
        del t
        if not cubic:
            return linear - derivative * u
        matrix = linear.copy()
        matrix[diagonal, diagonal] -= 3 * u * u
        return matrix

    return Form(f, jacobian, np.asarray(problem.physical(problem.y0)), lambda u: u)


def _schroedinger(problem: SemilinearProblem) -> Form:
    """Return real and imaginary parts of u_t = i u_xx + i|u|²u."""
    assert problem.physical is not None
    n, symbol = len(problem.y0), problem.linear
    second = np.fft.ifft((symbol / 1j)[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real
    diagonal = np.arange(n)

    def f(t: float, y: np.ndarray) -> np.ndarray:
        v = np.fft.fft(y[:n] + 1j * y[n:])
        rate = np.fft.ifft(symbol * v + problem.nonlinear(t, v))
        return np.concatenate([rate.real, rate.imag])

    def jacobian(t: float, y: np.ndarray) -> np.ndarray:
        del t
        a, b = y[:n], y[n:]
        matrix = np.block([[np.zeros((n, n)), -second], [second, np.zeros((n, n))]])
        matrix[diagonal, diagonal] -= 2 * a * b
        matrix[diagonal, diagonal + n] -= a * a + 3 * b * b
        matrix[diagonal + n, diagonal] += 3 * a * a + b * b
        matrix[diagonal + n, diagonal + n] += 2 * a * b
        return matrix

    u0 = problem.physical(problem.y0)
    return Form(f, jacobian, np.concatenate([u0.real, u0.imag]), lambda y: y[:n] + 1j * y[n:])


def _brusselator(problem: SemilinearProblem) -> Form:
    """Return the species point by point, u_1, v_1, u_2, …, so that the Jacobian has a band of two."""
    matrix, n = problem.linear.matrix, problem.y0.shape[1]
    diffusion = sparse.kron(sparse.csr_array(matrix), sparse.eye_array(2), format="csc")

    def fields(y: np.ndarray) -> np.ndarray:
        return y.reshape(n, 2).T

    def f(t: float, y: np.ndarray) -> np.ndarray:
        state = fields(y)
        rate: np.ndarray = (state @ matrix.T + problem.nonlinear(t, state)).T.ravel()
        return rate

    def jacobian(t: float, y: np.ndarray) -> Any:
        del t
        u, v = fields(y)
        main = np.stack([2 * u * v - 4, -u * u], axis=1).ravel()
        up, down = np.zeros(2 * n - 1), np.zeros(2 * n - 1)
        up[::2], down[::2] = u * u, 3 - 2 * u * v
        return sparse.csc_matrix(diffusion + sparse.diags_array([down, main, up], offsets=[-1, 0, 1]))

    return Form(f, jacobian, problem.y0.T.ravel(), fields, band=2)
