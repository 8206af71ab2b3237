"""Derivatives by automatic differentiation, forward mode, of torch and JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from expint.backend import Array, array_namespace, device, is_jax, is_torch
from expint.jacobian.source import Computed, Place

__all__ = ["Autodiff"]


@dataclass(frozen=True, kw_only=True)
class Autodiff(Computed):
    """Forward mode of torch (``torch.func``) or JAX, exact to rounding; N must be written in the library of the state.

    Parameters
    ----------
    form, in_time
        As in ``Source``. With in_time="same" t is handed to N as an array of the library, and N must compute with it
        there: ``torch.cos(t)``, not ``math.cos(t)``, which would drop the derivative.

    Examples
    --------
    >>> import torch, expint
    >>> autodiff, start = expint.jacobian.Autodiff(), torch.ones(1, dtype=torch.float64)
    >>> run = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), start, method="exprb43", rtol=1e-8, jac=autodiff)
    >>> bool(abs(run.y_end[0] - 3.0**-0.5) < 1e-6)
    True
    """

    @property
    def label(self) -> str:
        """Where the derivatives come from."""
        return "automatic differentiation"

    def check(self, y0: Array) -> None:
        """Refuse states of NumPy."""
        xp = array_namespace(y0)
        if not (is_torch(xp) or is_jax(xp)):
            raise TypeError(
                f"expected a state of torch or JAX for automatic differentiation, received {type(y0).__name__}; take "
                "jac=expint.jacobian.Differences() or ComplexStep()"
            )

    def matrix(self, place: Place) -> Any:
        """Return ∂N/∂x by one vectorised pass."""
        return _library(place.x).matrix(lambda x: place.function(place.t, x), place.x)

    def product(self, place: Place) -> Callable[[Array], Array]:
        """Return v ↦ ∂N/∂x v."""
        along: Callable[[Array], Array] = _library(place.x).product(lambda x: place.function(place.t, x), place.x)
        return along

    def _own_time_derivative(self, place: Place) -> Array:
        xp = array_namespace(place.x)
        t, one = (xp.asarray(number, dtype=place.x.dtype, device=device(place.x)) for number in (place.t, 1.0))
        slope: Array = _library(place.x).product(lambda t: place.function(t, place.x), t)(one)
        return slope


def _library(x: Array) -> ModuleType:
    if is_torch(array_namespace(x)):
        from expint.jacobian import torch_source

        return torch_source
    from expint.jacobian import jax_source

    return jax_source
