r"""What is known of the error of a shift-and-invert Krylov space.

With vectors V, w_j = (I - γM)^{-1} v_j and W = V_{m+1} K, where K is the Hessenberg matrix of shape (m + 1, m),

.. math:: M W = V_{m+1} (K - I) / γ,

so that the space knows how M acts on W, and the residual of what it returns.
"""

from __future__ import annotations

import math

import numpy as np

from expint.phi.dense import phi_matrices

__all__ = ["is_sectorial", "residual_bound"]

_TURNS = 3.0
"""The angle through which what is not damped may turn in one step of a sectorial problem."""

_POINTS = 32
"""Intervals of the trapezoidal rule for the residual."""


def is_sectorial(hessenberg: np.ndarray, ratio: float) -> bool:
    r"""Return whether t M, as far as the space has met it, damps what it turns.

    That is \|Im z\| ≤ 3 - Re z for all z in its numerical range.

    Approximations then settle where the solution does. Elsewhere they may all be damped where the solution only turns:
    they agree with each other and are wrong.

    Parameters
    ----------
    hessenberg
        K.
    ratio
        t/γ.
    """
    real, imaginary = _numerical_range(hessenberg, ratio)
    return all(_largest(real + sign * imaginary) <= _TURNS for sign in (1, -1))


def residual_bound(hessenberg: np.ndarray, ratio: float, beyond: float) -> float:
    r"""Return a bound of the error of V e^{tH} e_1, H = (I - K_m^{-1})/γ, as far as M grows no more than on W.

    The error is ∫_0^t e^{(t-s)M} r(s) ds with the residual r(s) = (k/γ) e_m^T K_m^{-1} e^{sH} e_1 (I - γM) v_{m+1},
    where k is the last entry of K; M. Botchev, V. Grimm and M. Hochbruck, SIAM J. Sci. Comput. 35 (2013) A1376–A1397.

    Parameters
    ----------
    hessenberg
        K.
    ratio
        t/γ.
    beyond
        ‖(I - γM) v_{m+1}‖.
    """
    m = hessenberg.shape[1]
    inverse = np.linalg.inv(hessenberg[:m])
    flow = phi_matrices(ratio / _POINTS * (np.eye(m) - inverse), 0)[0]
    c, sizes = np.eye(m)[0], []
    for _ in range(_POINTS + 1):
        sizes.append(abs(inverse[-1] @ c))
        c = flow @ c
    growth = math.exp(min(max(_largest(_numerical_range(hessenberg, ratio)[0]), 0.0), 100.0))
    mean = (sum(sizes) - 0.5 * (sizes[0] + sizes[-1])) / _POINTS
    return growth * ratio * abs(hessenberg[m, m - 1]) * beyond * mean


def _numerical_range(hessenberg: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the Hermitian matrices X and Y for which X + iY is t M on W, in an orthonormal basis of W."""
    unit = np.eye(*hessenberg.shape)
    basis, factor = np.linalg.qr(hessenberg)
    matrix = ratio * np.linalg.solve(factor.T, (basis.conj().T @ (hessenberg - unit)).T).T
    adjoint = matrix.conj().T
    return (matrix + adjoint) / 2, (matrix - adjoint) / 2j


def _largest(hermitian: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(hermitian)[-1])
