"""Which problems are solved by other runs of ``solve_ivp``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from expint.ivp.elsewhere.breakpoints import solve_in_pieces
from expint.ivp.elsewhere.gradients import RECORDED, Differentiated, solve_differentiated
from expint.ivp.elsewhere.lifted import solve_lifted
from expint.ivp.elsewhere.time_scaled import solve_in_clock
from expint.ivp.elsewhere.to_file import solve_to_file
from expint.operators import TimeScaled
from expint.operators.over_time.lifted import Lifted
from expint.solution import Solution

__all__ = ["by_other_runs"]


def by_other_runs(
    nonlinear: Any, linear: Any, breakpoints: Sequence[float] | None, gradient: Any, save_to: Any = None
) -> Callable[..., Solution] | None:
    """Return what solves by runs of ``solve_ivp`` with other arguments, None where one run is all."""
    if save_to is not None:
        return partial(solve_to_file, save_to=save_to, breakpoints=breakpoints)
    if breakpoints is not None:
        return partial(solve_in_pieces, breakpoints=breakpoints)
    if isinstance(linear, Lifted):
        return solve_lifted
    if isinstance(linear, TimeScaled) and nonlinear is not None:
        return solve_in_clock
    own = gradient is None or gradient is RECORDED or isinstance(gradient, Differentiated)
    return None if own else solve_differentiated
