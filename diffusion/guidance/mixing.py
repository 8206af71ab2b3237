r"""By which weights several models are mixed: rules of the log-densities of a path under each.

Along a path the log-density of model i changes by an amount that is affine in the mixture u = Σ κ_j u_j of predictions,

.. math:: Δ_i = a_i + \langle b_i, u \rangle

up to what is the same for all models. "or" looks at the densities at the start of a step, "and" makes them equal at
its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from expint.backend import Array, array_namespace, asarray_like

__all__ = ["Affine", "And", "Fixed", "Mode", "Or", "average", "dot", "each", "products"]

_ROUNDED = 4096.0  # units of rounding by which predictions of equal models may differ, from outputs near pure noise


class Affine(NamedTuple):
    """What the densities of M models do next.

    Attributes
    ----------
    offsets
        a_i, (B, M).
    products
        <b_i, u_j>, (B, M, M).
    rounding
        How large the products of predictions that differ by rounding alone may be, (B,).
    """

    offsets: Array
    products: Array
    rounding: Array


class Mode(Protocol):
    """A rule that gives the weights of the models."""

    @property
    def tracks(self) -> bool:
        """Whether it looks at densities."""

    @property
    def foresees(self) -> bool:
        """Whether it looks at what they do next."""

    def weights(self, densities: Array, ahead: Affine | None) -> Array:
        """Return κ (B, M), of sum 1, by log-densities (B, M) and their changes, None where these are not known."""


class Fixed(NamedTuple):
    """Weights that are what they are."""

    values: Any
    tracks: bool = False
    foresees: bool = False

    def weights(self, densities: Array, ahead: Affine | None) -> Array:
        """Return the weights for each sample."""
        del ahead
        xp = array_namespace(densities)
        return xp.broadcast_to(asarray_like(self.values, densities), densities.shape)


class Or(NamedTuple):
    """κ = softmax(T log q + ℓ): the score of the mixture with prior weights e^ℓ, for T = 1."""

    temperature: float
    offsets: Any
    tracks: bool = True
    foresees: bool = False

    def weights(self, densities: Array, ahead: Affine | None) -> Array:
        """Return the softmax."""
        del ahead
        xp = array_namespace(densities)
        at = self.temperature * densities + asarray_like(self.offsets, densities)
        powers = xp.exp(at - xp.max(at, axis=1, keepdims=True))
        return powers / xp.sum(powers, axis=1, keepdims=True)


class And(NamedTuple):
    """κ such that the densities stay equal: the solution nearest to equal weights, where there are several."""

    tracks: bool = True
    foresees: bool = True

    def weights(self, densities: Array, ahead: Affine | None) -> Array:
        """Return the solution of log q_i + Δ_i = log q_M + Δ_M, i < M, with Σ κ = 1."""
        xp, count = array_namespace(densities), densities.shape[1]
        equal = xp.ones_like(densities) / count
        if ahead is None:
            return equal
        after = densities + ahead.offsets
        gap = (after[:, -1:] - after[:, :-1])[..., None]
        matrix = ahead.products[:, :-1, :] - ahead.products[:, -1:, :]
        centred = matrix - xp.sum(matrix, axis=2, keepdims=True) / count  # δ = κ − 1/M has the sum 0
        largest = xp.max(xp.abs(centred), axis=(1, 2), keepdims=True)
        centred = xp.where(largest > ahead.rounding[:, None, None], centred, 0.0 * centred)
        residual = gap - matrix @ equal[..., None]
        return equal + (xp.linalg.pinv(centred) @ residual)[..., 0]


def dot(a: Array, b: Array) -> Array:
    """Return the inner product over each sample, (B,)."""
    xp = array_namespace(a)
    return xp.sum(xp.reshape(a * b, (a.shape[0], -1)), axis=1)


def each(values: Sequence[Array]) -> Array:
    """Return values (B,) of the models side by side, (B, M)."""
    return array_namespace(values[0]).stack(list(values), axis=1)


def average(values: Sequence[Array]) -> Array:
    """Return the mean of the models."""
    return sum(values[1:], values[0]) / len(values)


def products(factor: float, apart: list[Array], middle: Array) -> tuple[Array, Array]:
    """Return the products of what predictions differ from their ``middle`` by, and those of rounding errors."""
    xp = array_namespace(middle)
    found = xp.stack([each([factor * dot(one, other) for other in apart]) for one in apart], axis=1)
    return found, abs(factor) * (_ROUNDED * xp.finfo(middle.dtype).eps) ** 2 * dot(middle, middle)
