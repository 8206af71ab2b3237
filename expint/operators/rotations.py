"""How fast modes of L rotate, by how fast they decay: what tells how often a solution may change its sign."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Rotation", "Rotations", "fastest_rotation", "rotations_of"]

_ROUNDS = 30
"""Products with |L| by which weights of a bound are chosen. Any weights give a bound; good ones give a close one."""

_LIGHTEST = 1e-8
"""The smallest weight of a row, in units of the largest."""


class Rotation(NamedTuple):
    """No mode whose amplitude decays at most at the rate ``decay`` rotates by more than ``rate`` in a unit of time."""

    decay: float
    rate: float


Rotations = tuple[Rotation, ...]
"""Rotations in ascending order of both, none of which is implied by another; the last holds for all modes."""


def rotations_of(eigenvalues: Any, direction: float) -> Rotations:
    """Return the rotations of modes with the given eigenvalues, for runs forwards (1) or backwards (-1) in time."""
    modes = np.atleast_1d(np.asarray(eigenvalues)).ravel()
    decays, rates = np.maximum(-direction * np.real(modes), 0.0), np.abs(np.imag(modes))
    order = np.lexsort((-rates, decays))
    decays, rates = decays[order], rates[order]
    faster = np.concatenate([[True], rates[1:] > np.maximum.accumulate(rates)[:-1]]) if len(rates) else rates > 0
    return tuple(Rotation(float(decay), float(rate)) for decay, rate in zip(decays[faster], rates[faster]))


def fastest_rotation(matrix: Any) -> float:
    r"""Return a bound of \|Im λ\| for all eigenvalues λ of a sparse matrix A.

    They are bounded by the norm of the skew part of any D⁻¹ A D, and that by the Perron root of its absolute values
    |S|: for any x > 0 it is at most max (|S|x)_i / x_i (Collatz and Wielandt). D balances the rows of A, whose fields
    may have different units.
    """
    from scipy import sparse  # slow to import, and few runs ask

    loose = abs(matrix - sparse.diags_array(matrix.diagonal()))
    right, left = _weights(loose), _weights(loose.T.tocsr())
    bounds = []
    for scale in (np.ones(matrix.shape[0]), np.sqrt(right / left)):
        balanced = sparse.diags_array(1 / scale) @ matrix @ sparse.diags_array(scale)
        skew = abs(balanced - balanced.conj().T.tocsr()) / 2
        weights = _weights(skew)
        bounds.append(float(np.max((skew @ weights) / weights, initial=0.0)))
    return min(bounds)


def _weights(size: Any) -> np.ndarray:
    """Return positive numbers near the Perron vector of a matrix ≥ 0."""
    found = np.ones(size.shape[0])
    for _ in range(_ROUNDS):
        product = size @ found
        found = found + product / max(float(np.max(product, initial=0.0)), np.finfo(float).tiny)
        found = np.maximum(found / np.max(found, initial=1.0), _LIGHTEST)
    return found
