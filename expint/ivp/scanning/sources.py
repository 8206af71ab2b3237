"""What a compiled run is made of: a plan that is given, or a problem and a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from expint.arguments import seen
from expint.backend import Array
from expint.derive.kinds.stage import Method
from expint.ivp.bind import bind
from expint.ivp.bound import Bound, Problem
from expint.ivp.checks import no_force
from expint.lower import Plan

__all__ = ["GUESTS", "Given", "OfPlan", "OfProblem", "bound_of"]

GUESTS = {"jax": "expint.run.compiled.jax_runs", "torch": "expint.run.compiled.torch_runs"}
"""What compiles for each library; imported when its arrays arrive."""


@dataclass(frozen=True)
class OfPlan:
    """The rows of a plan that is given."""

    plan: Plan

    def lowered(self, like: Array, times: np.ndarray) -> Plan:
        """Return it."""
        del like, times
        return self.plan


@dataclass(frozen=True)
class OfProblem:
    """The rows of a method for the operator of a problem: always the same one, so that what is compiled is, too."""

    operator: Any
    method: Method
    span: tuple[float, float]

    def lowered(self, like: Array, times: np.ndarray) -> Plan:
        """Return the plan over ``times`` for states like one."""
        lowered = bound_of(self.operator, like, self.span, self.method).lowered
        assert lowered is not None  # checked
        return lowered(times)


def bound_of(linear: Any, like: Array, span: tuple[float, float], method: str | Method) -> Bound:
    """Return the method and the operator, bound to an N that is none.

    Raises
    ------
    TypeError
        If its rows are not known beforehand.
    """
    found = bind(Problem(no_force, like, span, linear), method)
    if found.lowered is None:
        raise TypeError(
            f"expected a method whose rows are known beforehand, with a fixed L, received {found.method.name} for "
            f"linear = {seen(linear)}; take one such as 'krogstad4', or expint.solve_ivp"
        )
    return found


class Given(NamedTuple):
    """What a call may give; see ``Scan.__call__``."""

    step: Any = None
    linear: Any = None
    plan: Plan | None = None
    args: tuple[Any, ...] | None = None
    earlier: Sequence[Array] = ()
    noise: Array | None = None
