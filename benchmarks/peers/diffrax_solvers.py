"""diffrax: the implicit Kvaerno5 with a dense Newton iteration, compiled by JAX in double precision.

Complex states, and 512 unknowns in a dense Newton iteration, are not what it is made for: left out.
"""

# ruff: noqa: ARG001, ARG005  (slopes take t and args, whether they look at them or not)

from __future__ import annotations

from collections.abc import Callable

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contest import Answer, Solver
from benchmarks.peers.forms import kind, real_form
from expint import SemilinearProblem

__all__ = ["solvers"]

jax.config.update("jax_enable_x64", True)  # before the first array

TOLERANCES = (1e-3, 1e-5, 1e-7, 1e-9)
Slope = Callable[[float, jax.Array, None], jax.Array]


def solvers(title: str, problem: SemilinearProblem, t_end: float) -> list[Solver]:
    """Return the solvers of a task, none for equations it is not made for."""
    make = {"KS": _conserved, "Burgers": _conserved, "Allen–Cahn": _cubic, "Brusselator": _brusselator}.get(kind(title))
    return (
        [] if make is None else [Solver("diffrax Kvaerno5", "rtol", TOLERANCES, _prepare(make, title, problem, t_end))]
    )


def _prepare(
    make: Callable[[SemilinearProblem], Slope], title: str, problem: SemilinearProblem, t_end: float
) -> Callable[[float], Callable[[], Answer]]:
    form = real_form(title, problem)
    start, size = jnp.asarray(form.y0), float(np.sqrt(np.mean(form.y0**2)))
    term = diffrax.ODETerm(make(problem))

    def prepare(rtol: float) -> Callable[[], Answer]:
        def solve(y0: jax.Array) -> jax.Array:
            control = diffrax.PIDController(rtol=rtol, atol=rtol * size)
            options = {"stepsize_controller": control, "max_steps": 100_000}
            done = diffrax.diffeqsolve(term, diffrax.Kvaerno5(), 0.0, t_end, None, y0, **options)
            return done.ys[-1]

        compiled = jax.jit(solve).lower(start).compile()
        return lambda: Answer(form.values(np.asarray(compiled(start))), None)

    return prepare


def _conserved(problem: SemilinearProblem) -> Slope:
    assert problem.x is not None
    n, symbol = len(problem.x), jnp.asarray(problem.linear)
    wave = 2j * jnp.pi / (n * (problem.x[1] - problem.x[0])) * jnp.arange(n // 2 + 1).at[-1].set(0)
    return lambda t, u, args: jnp.fft.irfft(symbol * jnp.fft.rfft(u) - wave / 2 * jnp.fft.rfft(u * u), n)


def _cubic(problem: SemilinearProblem) -> Slope:
    assert problem.x is not None
    n, symbol = len(problem.x), jnp.asarray(problem.linear)
    return lambda t, u, args: jnp.fft.irfft(symbol * jnp.fft.rfft(u), n) - u**3


def _brusselator(problem: SemilinearProblem) -> Slope:
    n, matrix = problem.y0.shape[1], jnp.asarray(problem.linear.matrix)
    ends = problem.nonlinear(0.0, np.zeros_like(problem.y0)) - np.array([[1.0], [0.0]])

    def slope(t: float, y: jax.Array, args: None) -> jax.Array:
        u, v = y.reshape(n, 2).T
        together = u * u * v
        reaction = jnp.stack([1 + together - 4 * u, 3 * u - together])
        return (jnp.stack([u, v]) @ matrix.T + reaction + ends).T.ravel()

    return slope
