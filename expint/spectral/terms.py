"""Nonlinear terms on a grid: dealiased, and for states that are coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from expint.arguments import number
from expint.backend import Array

__all__ = ["Dealiased", "Pseudospectral", "kept"]


@dataclass(frozen=True)
class Dealiased:
    """N of values, with its argument and its result without the highest modes."""

    grid: Any
    nonlinear: Callable[..., Array]
    keep: float

    def __call__(self, t: float, u: Array, *args: Any) -> Array:
        """Return N(t, u), dealiased."""
        return self._filtered(self.nonlinear(t, self._filtered(u), *args))

    def _filtered(self, u: Array) -> Array:
        return self.grid.backward(self.grid.dealias(self.grid.forward(u), self.keep))


@dataclass(frozen=True)
class Pseudospectral:
    """F N(t, F⁻¹ v): N of values as a function of coefficients, dealiased where ``keep`` is given."""

    grid: Any
    nonlinear: Callable[..., Array]
    keep: float | None = None

    def __call__(self, t: float, v: Array, *args: Any) -> Array:
        """Return the coefficients of N."""
        seen = v if self.keep is None else self.grid.dealias(v, self.keep)
        found = self.grid.forward(self.nonlinear(t, self.grid.backward(seen), *args))
        return found if self.keep is None else self.grid.dealias(found, self.keep)


def kept(keep: Any) -> float:
    """Return the part of the modes that is kept."""
    part = number("keep", keep, finite=False)
    if not 0 < part <= 1:
        raise ValueError(f"expected keep in (0, 1], received {keep}")
    return part
