"""L on functions that meet conditions at the walls whose right-hand sides are not zero, or change with time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Number
from typing import Any, Protocol

import numpy as np

from expint.arrays import floating
from expint.backend import Array, asarray_like, is_array
from expint.operators.base import Operator

__all__ = ["Face", "Lift", "Lifted"]


class Face(Protocol):
    """The right-hand side g(t) of a condition at a wall."""

    @property
    def changes(self) -> bool:
        """Whether g depends on time."""

    def at(self, t: float) -> float:
        """Return g(t)."""

    def rate_at(self, t: float) -> float:
        """Return dg/dt."""


@dataclass(frozen=True)
class _Seen:
    """A face whose functions of time are seen from one side, as ``sees`` makes them."""

    face: Face
    sees: Callable[[Callable[[float], float]], Callable[[float], float]]

    @property
    def changes(self) -> bool:
        """Whether g depends on time."""
        return self.face.changes

    def at(self, t: float) -> float:
        """Return g(t)."""
        return self.sees(self.face.at)(t)

    def rate_at(self, t: float) -> float:
        """Return dg/dt."""
        return self.sees(self.face.rate_at)(t)


@dataclass(frozen=True, eq=False)
class Lift:
    """A known function w(t, x) = Σ_j g_j(t) φ_j(x) that meets the conditions at the walls.

    Attributes
    ----------
    faces
        g_j.
    shapes
        φ_j on the grid.
    """

    faces: tuple[Face, ...]
    shapes: tuple[np.ndarray, ...]

    @cached_property
    def steady(self) -> bool:
        """Whether w does not depend on time."""
        return not any(face.changes for face in self.faces)

    def values(self, t: float, shapes: Sequence[np.ndarray] | None = None) -> np.ndarray:
        """Return w(t), or Σ g_j(t) of other functions than φ_j."""
        used = self.shapes if shapes is None else shapes
        return sum((face.at(t) * shape for face, shape in zip(self.faces, used)), start=np.zeros(()))

    def rates(self, t: float) -> np.ndarray:
        """Return ∂w/∂t."""
        moving = [(face, shape) for face, shape in zip(self.faces, self.shapes) if face.changes]
        return sum((face.rate_at(t) * shape for face, shape in moving), start=np.zeros(()))


class Lifted:
    r"""The linear part L of a field u with inhomogeneous conditions at the walls, understood by ``solve_ivp``.

    With a known function w that meets the conditions, v = u - w meets those with value zero, and

    .. math:: v' = L v + N(t, v + w) + L w - \partial_t w,

    where L w is known in closed form. It is solved for v, with all orders of the method, and comes out as u.

    An ``expint.spectral.Grid`` makes it, as ``grid.laplacian``. Numbers and operators of the same grid may be added,
    and numbers multiplied.

    Parameters
    ----------
    operator
        L on functions that meet the conditions with value zero.
    lift
        w.
    images
        L φ_j on the grid, for each φ_j of the lift.
    """

    depends_on_time = True  # which other doors refuse
    __array_ufunc__ = None

    def __init__(self, operator: Operator, lift: Lift, images: Sequence[np.ndarray]) -> None:
        self.operator, self.lift, self.images = operator, lift, tuple(images)

    def seen(self, sees: Callable[[Callable[[float], float]], Callable[[float], float]]) -> Lifted:
        """Return the operator with all functions of time as ``sees`` makes them, as next to times where they jump."""
        faces = tuple(_Seen(face, sees) for face in self.lift.faces)
        return Lifted(self.operator, Lift(faces, self.lift.shapes), self.images)

    def force(self, t: float) -> np.ndarray:
        """Return L w - ∂w/∂t."""
        return self.lift.values(t, self.images) - self.lift.rates(t)

    def __matmul__(self, u: Array) -> Array:
        """Return L u for values u that meet the conditions, which do not depend on time.

        Raises
        ------
        TypeError
            If they do.
        """
        if not is_array(u):
            return NotImplemented
        if not self.lift.steady:
            raise TypeError("expected conditions that do not depend on time, received some that do; take grid.at(t)")
        like = floating(u)
        w, image = (asarray_like(part, like) for part in (self.lift.values(0.0), self.lift.values(0.0, self.images)))
        return self.operator @ (like - w) + image

    def __mul__(self, factor: float) -> Lifted:
        """Return c L for a number c."""
        if not isinstance(factor, Number) or isinstance(factor, bool):
            return NotImplemented
        scaled = [factor * image for image in self.images]
        return Lifted(self.operator * factor, self.lift, scaled)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Lifted:
        """Return L / c for a number c."""
        return self * (1 / divisor)

    def __neg__(self) -> Lifted:
        """Return -L."""
        return self * -1.0

    def __add__(self, other: Any) -> Lifted:
        """Return the sum with an operator of the same grid, or with a number, which stands for a multiple of u."""
        if isinstance(other, Lifted):
            if other.lift is not self.lift:
                raise TypeError("expected operators of one grid to add, received those of two")
            images = [a + b for a, b in zip(self.images, other.images)]
            return Lifted(self.operator + other.operator, self.lift, images)
        if not isinstance(other, Number) or isinstance(other, bool):
            return NotImplemented
        images = [image + other * shape for image, shape in zip(self.images, self.lift.shapes)]
        return Lifted(self.operator + other, self.lift, images)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Lifted:
        """Return the difference."""
        return self + -other

    def __rsub__(self, other: Any) -> Lifted:
        """Return a number minus the operator."""
        return -self + other

    def __pow__(self, power: int) -> Lifted:
        """Refuse powers: ∇⁴u needs conditions on ∇²u, too.

        Raises
        ------
        TypeError
            Always, but for the power 1.
        """
        if power == 1:
            return self
        raise TypeError(
            f"expected an operator on functions that vanish at the walls to raise to a power, received {self!r}: a "
            "power needs conditions on L u, too; subtract a known function that meets the conditions by hand"
        )

    def __repr__(self) -> str:
        walls = "steady" if self.lift.steady else "moving"
        return f"Lifted({self.operator!r}, {len(self.lift.faces)} {walls} conditions at walls)"
