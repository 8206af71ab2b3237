"""N(t, y) of the trajectories that run, counted for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from expint.backend import Array, asarray_like, is_array
from expint.exchange import as_state, ask, lent
from expint.run.batch.trees import beside, picked

__all__ = ["Rows"]


class Rows:
    """N(t, y, *args) of any of the trajectories.

    Parameters
    ----------
    nonlinear
        What the user gave. It is told t in the shape (b, 1, …) that multiplies y of shape (b, …), in the precision of
        y, and the rows of ``args`` that belong to these b trajectories.
    args
        Its further arguments: arrays with one row for each trajectory; anything else is passed on as it is.
    count
        How many trajectories there are.
    on_host
        Whether N is told times as they are: on the host, in double precision, of shape (b,).

    Attributes
    ----------
    evaluations
        How often N was evaluated for each.
    """

    def __init__(self, nonlinear: Callable[..., Any], args: tuple[Any, ...], count: int, on_host: bool = False) -> None:
        self._on_host, self._nonlinear, self._args, self.evaluations = (
            on_host,
            nonlinear,
            args,
            np.zeros(count, dtype=np.int64),
        )
        self._last: tuple[np.ndarray | None, tuple[Any, ...]] = None, ()

    def __call__(self, which: np.ndarray, t: np.ndarray, y: Array) -> Array:
        """Return N at the times and states of the trajectories ``which``."""
        self.evaluations[which] += 1
        told = t if self._on_host else asarray_like(beside(t, y), y)
        value = ask(self._nonlinear, told, lent(y), *self.arguments(which))
        if tuple(getattr(value, "shape", y.shape)) != tuple(y.shape):
            raise ValueError(
                f"expected nonlinear(t, y) to return shape {tuple(y.shape)}, that of y, received shape "
                f"{tuple(value.shape)}; the first axis counts the trajectories that still run, and t has shape "
                f"{(len(which), *(1,) * (y.ndim - 1))}"
            )
        return as_state(value, y, "nonlinear(t, y)")

    def arguments(self, which: np.ndarray) -> tuple[Any, ...]:
        """Return the rows of the further arguments that belong to the trajectories ``which``."""
        if self._last[0] is not which:
            rows = [lent(picked(own, which)) if is_array(own) and own.ndim else own for own in self._args]
            self._last = which, tuple(rows)
        return self._last[1]

    def of(self, i: int) -> tuple[Any, ...]:
        """Return the row of each of the further arguments that belongs to one trajectory."""
        return tuple(own[i, ...] if is_array(own) and own.ndim else own for own in self._args)
