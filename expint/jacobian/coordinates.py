"""States of any shape as vectors of numbers over which the Jacobian is linear."""

from __future__ import annotations

import math

import numpy as np

from expint.backend import Array, array_namespace, is_complex

__all__ = ["Coordinates"]


class Coordinates:
    r"""Turns states like ``like`` into vectors of length ``n`` and back.

    A complex state becomes the real vector (Re y_1, Im y_1, Re y_2, …) of double length where ``real`` is true: a
    term such as \|u\|²u has a derivative that is linear over the real numbers only.

    Parameters
    ----------
    like
        A state.
    real
        Whether complex states become real vectors.
    """

    def __init__(self, like: Array, real: bool = True) -> None:
        self.shape = tuple(like.shape)
        self.paired = real and is_complex(like)
        self.n = math.prod(self.shape) * (2 if self.paired else 1)
        self._dtype = like.dtype

    def flat(self, y: Array) -> Array:
        """Return the state ``y`` as a vector."""
        xp = array_namespace(y)
        if not self.paired:
            return y.reshape(-1) if type(y) is np.ndarray else xp.reshape(y, (-1,))
        if isinstance(y, np.ndarray):
            return np.ascontiguousarray(y).reshape(-1).view(y.real.dtype)
        return xp.reshape(xp.stack([xp.real(y), xp.imag(y)], axis=-1), (-1,))

    def back(self, x: Array) -> Array:
        """Return the vector ``x`` as a state."""
        xp = array_namespace(x)
        if not self.paired:
            return x.reshape(self.shape) if type(x) is np.ndarray else xp.reshape(x, self.shape)
        if isinstance(x, np.ndarray):
            return np.ascontiguousarray(x).view(self._dtype).reshape(self.shape)
        pairs = xp.reshape(x, (*self.shape, 2))
        return pairs[..., 0] + 1j * pairs[..., 1]
