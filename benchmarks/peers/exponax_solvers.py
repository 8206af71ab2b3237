"""exponax: ETDRK4 with fixed steps, compiled by JAX in double precision.

It takes the real part of its contour means even where the symbol is complex, which makes it first order for dispersive
equations. It has no complex fields and no boundaries: the Schrödinger equation and the Brusselator are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import exponax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contest import Answer, Solver
from benchmarks.peers.forms import kind
from expint import SemilinearProblem

__all__ = ["solvers"]

jax.config.update("jax_enable_x64", True)  # before the first array

STEPS = tuple(4**k for k in range(2, 8))
OPTIONS: dict[str, Any] = {"order": 4, "dealiasing_fraction": 1.0}
MAKERS: dict[str, Callable[..., Any]] = {
    "KS": exponax.stepper.KuramotoSivashinskyConservative,
    "Burgers": lambda *grid, **options: exponax.stepper.Burgers(*grid, diffusivity=0.03, conservative=True, **options),
    "KdV": lambda *grid, **options: exponax.stepper.generic.GeneralConvectionStepper(
        *grid, linear_coefficients=(0.0, 0.0, 0.0, -1.0), conservative=True, **options
    ),
    "Allen–Cahn": lambda *grid, **options: exponax.stepper.reaction.AllenCahn(*grid, diffusivity=5e-3, **options),
}


def solvers(title: str, problem: SemilinearProblem, t_end: float) -> list[Solver]:
    """Return the solvers of a task, none for equations it does not have."""
    make = MAKERS.get(kind(title))
    return [] if make is None else [Solver("exponax ETDRK4", "steps", STEPS, _prepare(make, problem, t_end))]


def _prepare(make: Any, problem: SemilinearProblem, t_end: float) -> Callable[[float], Callable[[], Answer]]:
    assert problem.physical is not None
    assert problem.x is not None
    n, period = len(problem.x), float(len(problem.x) * (problem.x[1] - problem.x[0]))
    start = jnp.asarray(problem.physical(problem.y0))[None]

    def prepare(setting: float) -> Callable[[], Answer]:
        steps = int(setting)
        stepper = make(1, period, n, t_end / steps, **OPTIONS)
        compiled = jax.jit(exponax.repeat(stepper, steps)).lower(start).compile()
        return lambda: Answer(np.asarray(compiled(start))[0], 4 * steps)

    return prepare
