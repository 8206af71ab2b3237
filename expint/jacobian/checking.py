"""From what users pass as ``jac`` to a source, and a look at whether it is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from expint.arguments import checked, function, integer, seen
from expint.arrays import check_state, real_values
from expint.backend import Array, array_namespace, asarray_like, is_jax, is_torch, to_numpy
from expint.jacobian.autodiff import Autodiff
from expint.jacobian.differences import Differences
from expint.jacobian.given import Given
from expint.jacobian.lineariser import Lineariser
from expint.jacobian.source import Source
from expint.operators import as_operator
from expint.solution import Stats

__all__ = ["as_source", "check"]


def as_source(jac: Any, y0: Array) -> Source:
    """Return the source that ``jac`` means for states like ``y0``.

    Parameters
    ----------
    jac
        A source; a function (t, y) ↦ ∂f/∂y or a matrix (``Given``); or None for ``Autodiff`` of states of torch and
        JAX and ``Differences`` of others.
    y0
        A state.

    Raises
    ------
    TypeError
        If it is not one of these.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.jacobian import as_source
    >>> type(as_source(lambda t, y: np.eye(2), np.ones(2))).__name__
    'Given'
    """
    if isinstance(jac, Source):
        return jac
    if jac is None:
        xp = array_namespace(y0)
        return Autodiff() if is_torch(xp) or is_jax(xp) else Differences()
    if isinstance(jac, type) and issubclass(jac, Source):
        raise TypeError(f"expected a source of Jacobians, received the class {jac.__name__}; call it: {jac.__name__}()")
    if isinstance(jac, (list, tuple)):
        jac = real_values("jac", jac)
    if not hasattr(jac, "shape"):
        function("jac", jac, "(t, y) ↦ ∂f/∂y, a matrix, or a source of expint.jacobian such as Differences()")
    return Given(jac)


@checked(directions=partial(integer, most=10_000), seed=partial(integer, least=0))
def check(
    nonlinear: Callable[[float, Array], Array],
    t: float,
    y: Array,
    jac: Any,
    *,
    linear: Any = None,
    directions: int = 3,
    seed: int = 0,
) -> float:
    """Return how far a Jacobian is from central differences: the largest relative deviation along random directions.

    A right Jacobian gives about 1e-9 in double precision, a wrong entry about its share of the matrix. A method that
    linearises loses orders with a wrong Jacobian, but still converges, so that nothing else tells.

    Parameters
    ----------
    nonlinear, linear, jac
        As for ``expint.solve_ivp``.
    t, y
        Where to look.
    directions
        The number of random directions, at least 1.
    seed
        For the directions.

    Raises
    ------
    ValueError, TypeError
        As ``expint.solve_ivp`` does for such a Jacobian; if the Jacobian or the differences are not finite, or there
        is no direction to look along.

    Examples
    --------
    >>> import numpy as np, expint.jacobian
    >>> good = lambda t, y: np.diag(-3.0 * y**2)
    >>> expint.jacobian.check(lambda t, y: -(y**3), 0.0, np.ones(2), good) < 1e-6
    True
    """
    function("nonlinear", nonlinear, "(t, y)")
    y = check_state(y)
    if not math.prod(y.shape):
        raise ValueError(f"expected a state y with entries, received shape {tuple(y.shape)}")
    operator = None if linear is None else as_operator(linear, y)
    value = nonlinear(t, y)
    if tuple(getattr(value, "shape", ())) != tuple(y.shape):
        raise ValueError(f"expected nonlinear(t, y) to return shape {tuple(y.shape)}, received {seen(value)}")
    exact, near = (
        Lineariser(source, nonlinear, operator, t, y, None, Stats())
        for source in (as_source(jac, y), Differences(central=True, form="action", in_time=None))
    )
    given, differences = exact(t, y, value, 1.0), near(t, y, value, 1.0)
    random, worst = np.random.default_rng(seed), 0.0
    for _ in range(directions):
        v = asarray_like(random.standard_normal(exact.coordinates.n), exact.coordinates.flat(y))
        along = to_numpy(exact.coordinates.back(given.derivative(v)))
        state = exact.coordinates.back(v)
        expected = to_numpy(near.coordinates.back(differences.derivative(near.coordinates.flat(state))))
        for what, values in (("the Jacobian", along), ("differences of nonlinear", expected)):
            if not np.all(np.isfinite(values)):
                raise ValueError(
                    f"expected finite derivatives, received inf or nan from {what} at t = {t:.6g}; look there, or "
                    "check at another state"
                )
        size = max(float(np.linalg.norm(expected)), float(np.linalg.norm(along)))
        worst = max(worst, float(np.linalg.norm(along - expected)) / size if size else 0.0)
    return worst
