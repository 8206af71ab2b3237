"""Derivatives that the user knows: the Jacobian of the whole right-hand side, or its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from expint.arguments import function
from expint.backend import Array, array_namespace, is_array, is_complex, is_numpy
from expint.exchange import ask, lent
from expint.jacobian.coordinates import Coordinates
from expint.jacobian.source import Place, Source

__all__ = ["Given", "Product"]


@dataclass(frozen=True)
class Given(Source):
    """The Jacobian ∂f/∂y of the whole right-hand side f, with the linear part if that is given apart.

    Parameters
    ----------
    jacobian
        A function (t, y) ↦ ∂f/∂y over the n entries of the state in their order: an array of shape (n, n), a sparse
        matrix of SciPy or a ``LinearOperator``; or one of these itself, where it is constant. For complex states of n
        entries it is complex of shape (n, n), or, where f is not analytic, real of shape (2n, 2n) over
        (Re y_1, Im y_1, Re y_2, …). For one unknown a number will do.
    form, in_time
        As in ``Source``.

    Raises
    ------
    TypeError
        If ``jacobian`` is neither a function nor a matrix.

    Examples
    --------
    >>> import numpy as np, expint
    >>> given = expint.jacobian.Given(lambda t, y: np.diag(-3.0 * y**2))
    >>> run = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.array([1.0]), method="exprb43", rtol=1e-8, jac=given)
    >>> bool(np.isclose(run.y_end[0], 3.0**-0.5, atol=1e-6))
    True
    """

    jacobian: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not hasattr(self.jacobian, "shape"):
            function("the Jacobian", self.jacobian, "(t, y) ↦ ∂f/∂y or a matrix")

    @property
    def label(self) -> str:
        """Where the derivatives come from."""
        return "the given Jacobian"

    def check(self, y0: Array) -> None:
        """Whatever it returns is checked when it is called."""

    @property
    def constant(self) -> bool:
        """Whether it is a matrix, which nothing has to be asked for."""
        return hasattr(self.jacobian, "shape")

    def matrix(self, t: float, y: Array) -> Any:
        """Return ∂f/∂y as given: an array beside ``y``, a sparse matrix or a ``LinearOperator``.

        Raises
        ------
        ValueError, TypeError
            If it has no shape that fits the state.
        """
        found = self.jacobian if self.constant else ask(self.jacobian, t, lent(y))
        if not (hasattr(found, "matvec") or hasattr(found, "tocsr") or is_array(found)):
            found = np.asarray(found, dtype=complex if np.iscomplexobj(found) else float)
        entries = Coordinates(y, real=False).n
        if entries == 1 and is_array(found) and tuple(found.shape) in ((), (1,)):
            found = array_namespace(found).reshape(found, (1, 1))
        sizes = [entries, 2 * entries] if is_complex(y) else [entries]
        if len(found.shape) != 2 or found.shape[0] != found.shape[1] or found.shape[0] not in sizes:
            expected = " or ".join(f"({n}, {n})" for n in sizes)
            raise ValueError(
                f"expected jac(t, y) to return a matrix of shape {expected} for a state of {entries} entries, received "
                f"shape {tuple(found.shape)}"
            )
        xp = array_namespace(y)
        if is_array(found) and not is_numpy(array_namespace(found)) and array_namespace(found) is not xp:
            raise TypeError(
                f"expected jac(t, y) to return an array of {type(y).__module__} or NumPy, received one of "
                f"{type(found).__module__}"
            )
        if not is_array(found) and not is_numpy(xp) and not hasattr(found, "tocsr"):
            raise TypeError(
                f"expected a state of NumPy for a LinearOperator of SciPy, received one of {type(y).__module__}; take "
                "expint.jacobian.Product"
            )
        if _is_complex_matrix(found) and (not is_complex(y) or found.shape[0] == 2 * entries):
            raise TypeError(f"expected a real Jacobian of shape {tuple(found.shape)}, received a complex one")
        return found

    def is_real(self, t: float, y: Array) -> bool:
        """Whether complex states are to become real vectors, found by calling it once."""
        entries = Coordinates(y, real=False).n
        return bool(self.matrix(t, y).shape[0] == 2 * entries)


@dataclass(frozen=True)
class Product(Source):
    """The product of the Jacobian of the whole right-hand side with a vector.

    Parameters
    ----------
    function
        (t, y, v) ↦ ∂f/∂y v, for v of the shape of y, a new array like it. It must be real-linear; complex linearity is
        not required.
    in_time
        As in ``Source``.

    Raises
    ------
    TypeError
        If it is no function.

    Examples
    --------
    >>> import numpy as np, expint
    >>> product = expint.jacobian.Product(lambda t, y, v: -3.0 * y**2 * v)
    >>> run = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.array([1.0]), method="exprb43", rtol=1e-8, jac=product)
    >>> bool(np.isclose(run.y_end[0], 3.0**-0.5, atol=1e-6))
    True
    """

    function: Callable[[float, Array, Array], Array]

    def __post_init__(self) -> None:
        super().__post_init__()
        function("the product", self.function, "(t, y, v) ↦ J v")

    @property
    def label(self) -> str:
        """Where the derivatives come from."""
        return "given products"

    def check(self, y0: Array) -> None:
        """Whatever it returns is checked when it is called."""

    def product(self, place: Place) -> Callable[[Array], Array]:
        """Return v ↦ ∂f/∂y v on vectors.

        Raises
        ------
        ValueError, TypeError
            If the function returns something else than an array like the state.
        """
        y, back, flat = place.coordinates.back(place.x), place.coordinates.back, place.coordinates.flat

        def along(v: Array) -> Array:
            product = ask(self.function, place.t, lent(y), lent(back(v)))
            if not is_array(product) or tuple(product.shape) != tuple(y.shape):
                received = f"shape {tuple(product.shape)}" if is_array(product) else type(product).__name__
                raise ValueError(f"expected J v of shape {tuple(y.shape)}, that of y0, received {received}")
            if product.dtype != y.dtype:
                raise TypeError(f"expected J v of dtype {y.dtype}, that of y0, received {product.dtype}")
            return flat(product)

        return along


def _is_complex_matrix(matrix: Any) -> bool:
    return is_complex(matrix) if is_array(matrix) else np.issubdtype(matrix.dtype, np.complexfloating)
