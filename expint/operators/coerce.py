"""Convert a user's ``linear=`` into an Operator; ambiguous arrays are refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from expint.arguments import flag, seen
from expint.backend import Array, is_array, is_sparse, to_numpy
from expint.operators.base import Operator, Use
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.scalar import Scalar

__all__ = ["as_operator", "as_part", "coerce"]


def as_operator(linear: Any, y0: Array, whole: bool = False) -> Operator:
    """Return ``linear`` as an operator on states like ``y0``.

    Parameters
    ----------
    linear
        An operator (returned as it is; a ``Sum`` as what it has become), a number (``Scalar``), an array that
        broadcasts to the state (``Diagonal``), a square matrix for the last axis of the state or a batch of them
        (``Dense``), a sparse matrix of SciPy or torch (``Sparse``), or a ``LinearOperator`` of SciPy (``MatrixFree``).
    y0
        A state.
    whole
        Whether sums along the axes of a grid stay what they are, so that they can be added factor by factor.

    Raises
    ------
    ValueError
        If a 2-D array could be both a symbol and a matrix, or fits the state as neither.
    TypeError
        If ``linear`` is not one of these.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.operators import as_operator
    >>> type(as_operator(np.array([-1.0, -4.0]), np.ones(2))).__name__
    'Diagonal'
    """
    if not is_array(y0):
        raise TypeError(f"expected y0 to be an array, received {seen(y0)}; a state is one, as it is to solve_ivp")
    operator = coerce(linear, tuple(y0.shape))
    operator.check(y0)
    return operator.prepare(Use(whole=flag("whole", whole)))


def as_part(part: Any) -> Operator:
    """Return a part of a sum as an operator; there is no state yet, so that arrays are refused."""
    if is_array(part) and part.ndim and not is_sparse(part):
        raise TypeError(
            f"expected operators as parts of a sum, received an array of shape {tuple(part.shape)}, which can be a "
            "symbol or a matrix; say which: expint.operators.Diagonal(array) or expint.operators.Dense(array)"
        )
    return coerce(part, ())


def coerce(linear: Any, shape: tuple[int, ...]) -> Operator:
    """Return ``linear`` as an operator on states of a shape, unchecked."""
    if isinstance(linear, Operator):
        return linear
    if is_sparse(linear):
        from expint.operators.sparse import Sparse

        return Sparse(linear)
    if hasattr(linear, "matvec"):
        from expint.operators.matrix_free import MatrixFree

        return MatrixFree(linear)
    if getattr(linear, "depends_on_time", False):
        raise TypeError(
            f"expected a linear part that does not depend on time, received {linear!r}, which solve_ivp and solve "
            "understand alone"
        )
    if callable(linear):
        raise TypeError(
            "expected linear to be a number, an array (symbol or matrix) or an operator of expint.operators, received "
            "a function; if it returns L v for a vector v of length n, pass expint.operators.MatrixFree(function, n)"
        )
    if isinstance(linear, (list, tuple, np.matrix)):
        linear = to_numpy(linear)
    if isinstance(linear, (int, float, complex, np.number, np.bool_)) or (is_array(linear) and linear.ndim == 0):
        return Scalar(linear)
    if not is_array(linear):
        raise TypeError(
            "expected linear to be a number, an array (symbol or matrix) or an operator of expint.operators, received "
            f"{type(linear).__name__}"
        )
    own = tuple(linear.shape)
    square = len(own) >= 2 and own[-2] == own[-1]
    is_matrix = square and shape[-len(own) + 1 :] == own[:-1]
    is_symbol = _broadcasts(own, shape)
    if is_matrix and is_symbol:
        raise ValueError(
            f"expected an array that is either a symbol or a matrix, received one of shape {own} for a state of shape "
            f"{shape}, which can multiply elementwise or act on the last axis; say which: "
            "expint.operators.Diagonal(array) or expint.operators.Dense(array)"
        )
    if square and not is_matrix and not is_symbol:
        raise ValueError(
            f"expected a symbol that broadcasts to the state, or square matrices for its last axis, received an array "
            f"of shape {own} for y0 of shape {shape}"
        )
    return Dense(linear) if is_matrix else Diagonal(linear)


def _broadcasts(own: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(own, shape) == shape
    except ValueError:
        return False
