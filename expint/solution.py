"""What a solve returns: states, statistics, and a status that says in one sentence how it ended."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from expint.backend import Array

__all__ = ["Solution", "Stats", "Status"]


class Status(enum.IntEnum):
    """How a solve ended; negative values are failures, as in SciPy.

    Examples
    --------
    >>> import expint
    >>> run = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), [1.0], linear=-1.0, rtol=1e-6, max_steps=3)
    >>> run.status.name, run.success
    ('TOO_MANY_STEPS', False)
    >>> expint.Status.TOO_MANY_STEPS.sentence
    'More steps than allowed would have been needed.'
    """

    SUCCESS = 0
    TERMINATED = 1
    NON_FINITE = -1
    RAISED = -2
    STEP_TOO_SMALL = -3
    TOO_MANY_STEPS = -4
    ACTION_FAILED = -5

    @property
    def sentence(self) -> str:
        """The status in one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.SUCCESS: "The solver reached the end of the interval.",
    Status.TERMINATED: "A terminal event occurred.",
    Status.NON_FINITE: "The state became non-finite (inf or nan).",
    Status.RAISED: "The nonlinear term raised an exception.",
    Status.STEP_TOO_SMALL: "The step became smaller than the precision of t allows.",
    Status.TOO_MANY_STEPS: "More steps than allowed would have been needed.",
    Status.ACTION_FAILED: "The φ-functions of the linear operator could not be applied to their tolerance.",
}


@dataclass
class Stats:
    """What a solve cost.

    Attributes
    ----------
    nonlinear_evaluations
        Calls of N (network calls, for diffusion).
    steps
        Accepted steps.
    rejected
        Rejected steps.
    jacobian_evaluations
        Linearisations of the right-hand side, by methods that need its Jacobian. N evaluated for differences counts
        among ``nonlinear_evaluations``.
    jacobian_products
        Products of a Jacobian that is not formed with vectors.
    linear_evaluations
        Evaluations of a linear part that depends on time.

    Examples
    --------
    >>> import expint
    >>> run = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), [1.0], linear=-1.0, method="etdrk4", step=0.25)
    >>> run.stats.steps, run.stats.nonlinear_evaluations
    (4, 16)
    """

    nonlinear_evaluations: int = 0
    steps: int = 0
    rejected: int = 0
    jacobian_evaluations: int = 0
    jacobian_products: int = 0
    linear_evaluations: int = 0


@dataclass(frozen=True)
class Solution:
    """The result of a solve.

    Attributes
    ----------
    t
        Times, a NumPy array of shape (m,), as asked for by ``t_eval`` or else those of all steps.
    y
        States, of shape (m, *y0.shape), in the namespace, precision and device of y0.
    status
        How the solve ended; see ``Status``.
    message
        What happened, and on failure what to try.
    stats
        What it cost.
    method
        The name of the method.
    sol
        The continuous solution, t ↦ y(t), if dense output was asked for.
    t_events, y_events
        For each event the times at which it occurred and the states there, of shape (times, *y0.shape), if events
        were given; empty arrays for one that did not occur.
    saved
        What ``save`` returned at the times ``t``, along a new first axis; by name, if it returned several. ``y`` then
        holds the last state alone: that at the last of these times or, of a run that failed, the last good one.

    Examples
    --------
    >>> import numpy as np, expint
    >>> nothing, start = lambda t, y: 0.0 * y, np.array([1.0])
    >>> solution = expint.solve_ivp(nothing, (0.0, 1.0), start, linear=-1.0, method="etdrk4", step=0.25)
    >>> solution.success, solution.t.tolist(), solution.y.shape
    (True, [0.0, 0.25, 0.5, 0.75, 1.0], (5, 1))
    >>> solution.stats.steps
    4
    """

    t: Any
    y: Array
    status: Status
    message: str
    stats: Stats = field(default_factory=Stats)
    method: str = ""
    sol: Callable[..., Array] | None = None
    t_events: list[Any] | None = None
    y_events: list[Any] | None = None
    saved: Any = None

    @property
    def success(self) -> bool:
        """Whether the solve reached the end of the interval."""
        return self.status >= 0

    @property
    def states(self) -> Array:
        """The states: another name of ``y``, as diffusion calls them."""
        return self.y

    @property
    def calls(self) -> int:
        """The number of evaluations of N: network calls, for diffusion."""
        return self.stats.nonlinear_evaluations

    @property
    def nfev(self) -> int:
        """SciPy's name of the number of evaluations of N, ``stats.nonlinear_evaluations``."""
        return self.stats.nonlinear_evaluations

    @property
    def njev(self) -> int:
        """SciPy's name of the number of linearisations, ``stats.jacobian_evaluations``."""
        return self.stats.jacobian_evaluations

    @property
    def nlu(self) -> int:
        """SciPy's name of the number of LU decompositions: none are made."""
        return 0

    def to_dataframe(self) -> Any:
        """Return a pandas data frame: a row for each time, the index, and a column for each entry of the state.

        Entries of states of several axes have columns with as many levels. Of a solution with ``saved`` the columns are
        what was saved.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return import_module("expint.tables").dataframe(self)  # few solutions become tables

    def to_xarray(self, coords: Mapping[str, Any] | None = None) -> Any:
        """Return an xarray dataset with the states ``y`` over ``t``, and what was saved; from there NetCDF and plots.

        Parameters
        ----------
        coords
            The axes of the state by name, in order, each with its coordinates: {"x": grid.x}. By default they are
            called axis_0, axis_1, …, without coordinates.

        Returns
        -------
        xarray.Dataset
            ``y`` of dimensions ("t", *coords); method, message and statistics in ``attrs``.

        Raises
        ------
        ImportError
            If xarray is not installed.
        ValueError
            If coords are not as many as the state has axes, or differ from them in length.
        """
        return import_module("expint.tables").dataset(self, coords)

    @property
    def y_end(self) -> Array:
        """The last state kept.

        Raises
        ------
        ValueError
            If no state was kept, because the solve ended before the first time in ``t_eval``.
        """
        if not len(self.t):
            raise ValueError(f"expected a solution with at least one state, received one without: {self.message}")
        return self.y[-1, ...]

    def __repr__(self) -> str:
        span = f"{self.t[0]:.6g} … {self.t[-1]:.6g}" if len(self.t) else "nothing"
        shape = "×".join(str(n) for n in self.y.shape[1:]) or "scalar"
        return (
            f"Solution ({self.method}): {self.status.name.lower().replace('_', ' ')}\n"
            f"  t        {span}  ({len(self.t)} times)\n"
            f"  y        {shape}, {self.y.dtype}\n"
            f"  steps    {self.stats.steps}\n"
            f"  N calls  {self.stats.nonlinear_evaluations}\n"
            f"  message  {self.message}"
        )
