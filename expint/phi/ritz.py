"""Rayleigh quotients of a Hermitian matrix: what its spectrum is known to reach."""

from __future__ import annotations

import numpy as np

from expint.phi.augmented import Matvec

__all__ = ["ritz_values"]


def ritz_values(matvec: Matvec, start: np.ndarray, dimension: int) -> np.ndarray:
    """Return the eigenvalues of a Hermitian matrix in a Krylov space; its own reach as far at least, up to rounding.

    Parameters
    ----------
    matvec
        v ↦ A v.
    start
        The vector of shape (n,) of which the space is made.
    dimension
        The most products with A.
    """
    basis = np.empty((0, len(start)))
    new, size = start, float(np.linalg.norm(start))
    products: list[np.ndarray] = []
    while len(products) < min(dimension, len(start)) and np.linalg.norm(new) > 1e-8 * size:
        basis = np.concatenate([basis, new[None] / np.linalg.norm(new)])
        products.append(matvec(basis[-1]))
        new, size = products[-1], float(np.linalg.norm(products[-1]))
        for _ in range(2):  # once more, for what rounding took from orthogonality
            new = new - (basis.conj() @ new) @ basis
    if not products:
        return np.empty(0)
    projected = basis.conj() @ np.array(products).T
    return np.linalg.eigvalsh((projected + projected.conj().T) / 2)
