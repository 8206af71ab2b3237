"""The error of a step of each trajectory in units of what it may err."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from expint.arguments import number
from expint.backend import Array, array_namespace, asarray_like, to_numpy
from expint.run.batch.trees import beside, merged, picked, sum_of_each
from expint.run.tolerance import ErrorNorm, larger_of

__all__ = ["EachNorm", "finite_each"]


@dataclass(frozen=True)
class EachNorm:
    """``ErrorNorm`` for each trajectory.

    Attributes
    ----------
    rtol, atol
        The tolerances, arrays that multiply states; their first axis counts trajectories.
    grows
        For each trajectory, whether its size is not known at the start; see ``ErrorNorm``.
    norm
        A norm of one trajectory, as there.
    unit
        By times of the trajectories, how large a state is there that ``atol`` is meant for; None where that is 1.
    by_largest
        Whether it is that which lets no component err by more than its tolerance, which needs no function.
    forgets
        For each trajectory, whether the start of a step counts less; see ``ErrorNorm``. None where it does for none.
    """

    rtol: Array
    atol: Array
    grows: np.ndarray
    norm: Callable[[Array], float] | None = None
    by_largest: bool = False
    unit: Callable[[np.ndarray], np.ndarray] | None = None
    forgets: np.ndarray | None = None

    def scale(self, which: np.ndarray, t: np.ndarray, y: Array) -> Array:
        """Return the tolerance of each component of the states of the trajectories ``which`` at the times ``t``."""
        xp, size, rtol = array_namespace(y), abs(y), picked(self.rtol, which)
        atol, grows = picked(self.atol, which), self.grows[which]
        if self.unit is not None:
            atol = atol * asarray_like(beside(self.unit(t), size), size)
        scale = size * rtol + atol
        if not grows.any():
            return scale
        unit = _largest(size) + float(xp.finfo(size.dtype).smallest_normal)
        mean = sum_of_each(_flat(size / _beside(unit, size)) ** 2) / math.prod(y.shape[1:])
        return merged(~grows, scale, scale + rtol * _beside(unit * xp.sqrt(mean), size))

    def size(self, error: Array, scale: Array) -> np.ndarray:
        """Return the norm of each error in units of ``scale``, on the host; inf where it is not finite."""
        if hasattr(error, "detach"):  # steps are constants of a gradient
            error, scale = error.detach(), scale.detach()
        xp = array_namespace(error)
        if getattr(error.dtype, "itemsize", 8) < 4:  # squares leave half precision
            error, scale = xp.astype(error, xp.float32), xp.astype(scale, xp.float32)
        with np.errstate(all="ignore"):
            if self.norm is not None and not self.by_largest:
                scaled = abs(error / scale)
                own = [self.norm(scaled[i, ...]) for i in range(scaled.shape[0])]
                found = np.array([number("the value of norm", one, finite=False) for one in own], dtype=np.float64)
            else:
                found = to_numpy(self._size(_flat(abs(error)), _flat(scale))).astype(np.float64)
        return np.where(np.isfinite(found), found, np.inf)

    def judged(
        self, which: np.ndarray, t: np.ndarray, y: Array, error: Array, before: Array
    ) -> tuple[np.ndarray, Array, Array]:
        """Return the errors of steps to ``y`` at ``t``, at most 1 where they are good; and the tolerances there.

        The first of these is that at the end of each step, the second the larger of it and of ``before``, at its start.
        """
        reached = self.scale(which, t, y)
        xp = array_namespace(reached)
        larger = larger_of(xp, forgets=False)(before, reached)
        if self.forgets is not None:
            forgets = self.forgets[which] & ~self.grows[which]
            larger = merged(forgets, larger_of(xp, forgets=True)(before, reached), larger)
        return self.size(error, larger), reached, larger

    def _size(self, error: Array, scale: Array) -> Array:
        xp = array_namespace(error)
        if self.by_largest:
            return xp.max(error / scale, axis=1)
        unit = xp.max(scale, axis=1)[:, None]  # in units of the largest no square leaves single precision
        whole, square = sum_of_each((error / unit) ** 2), sum_of_each((scale / unit) ** 2)
        return xp.sqrt(xp.maximum(sum_of_each((error / scale) ** 2) / error.shape[1], whole / square))

    def of(self, i: int) -> ErrorNorm:
        """Return the norm of one trajectory."""
        at = np.array([i])
        return ErrorNorm(picked(self.rtol, at)[0, ...], picked(self.atol, at)[0, ...], self.norm, bool(self.grows[i]))


def finite_each(values: Array) -> np.ndarray:
    """Return for each trajectory whether all its entries are finite, on the host."""
    xp = array_namespace(values)
    return to_numpy(xp.all(_flat(xp.isfinite(values)), axis=1))


def _flat(values: Array) -> Array:
    return array_namespace(values).reshape(values, (values.shape[0], -1))


def _largest(values: Array) -> Array:
    return array_namespace(values).max(_flat(values), axis=1)


def _beside(values: Array, like: Array) -> Array:
    return array_namespace(values).reshape(values, (-1, *(1,) * (like.ndim - 1)))
