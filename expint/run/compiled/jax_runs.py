"""Runs of plans that JAX compiles once: for any step size, any numbers of one pattern, any arguments of N."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp

from expint.arguments import choice
from expint.backend import Array
from expint.exchange import asking
from expint.lower.plan import Plan
from expint.operators import Diagonal, Scalar
from expint.operators.sums import linear_combination
from expint.run.compiled.jax_scan import over_program, program_of
from expint.run.compiled.jax_weights import Recipes

__all__ = ["JaxRuns", "guest"]

T = TypeVar("T")


def guest(nonlinear: Callable[..., Array], checkpoint: bool, backend: str) -> JaxRuns:
    """Return the runs of one N, for ``expint.scan``."""
    choice("backend", backend, ("auto", "xla"))
    return JaxRuns(nonlinear, checkpoint)


def slope_of(nonlinear: Callable[..., Array], args: tuple[Any, ...], y: Array) -> Callable[[Array, Array], Array]:
    """Return N(t, y), checked against states like ``y``.

    Times are single at least; what an N of half-precision states makes of them is rounded to half again.
    """
    asked = nonlinear
    if y.dtype.itemsize < 4:

        def asked(t: Array, y: Array, *args: Any) -> Array:
            return jnp.asarray(nonlinear(t, y, *args)).astype(y.dtype)

    return asking(asked, args, y, "nonlinear(t, y)")


class JaxRuns:
    """The runs of one N.

    Parameters
    ----------
    nonlinear
        N(t, y, *args).
    checkpoint
        As in `over_program`.
    """

    library = "JAX"
    name = "jax.lax.scan, compiled by XLA"
    recipes = staticmethod(Recipes)

    def __init__(self, nonlinear: Callable[..., Array], checkpoint: bool) -> None:
        self._nonlinear, self._checkpoint = nonlinear, checkpoint
        self._known: WeakKeyDictionary[Plan, dict[Any, tuple[Any, Any]]] = WeakKeyDictionary()
        self._run = jax.jit(self._over, static_argnames=("program", "combiner", "every"))
        self._made = jax.jit(self._by_recipes, static_argnames=("recipes", "combiner", "every"))

    def key(self, y: Array) -> Any:
        """Return by what plans for states like ``y`` are kept."""
        return self.library, y.dtype

    def template(self, y: Array) -> Array:
        """Return a state like ``y``, of which JAX may know the shape alone: it is what plans are lowered for."""
        with jax.ensure_compile_time_eval():
            return jnp.zeros(y.shape, y.dtype)

    def outside(self, make: Callable[[], T]) -> T:
        """Return what is made of known values, whatever JAX traces outside."""
        with jax.ensure_compile_time_eval():
            return make()

    def by_plan(self, plan: Plan, y: Array, args: Any, every: bool, earlier: tuple[Array, ...], noise: Any) -> Array:
        """Run a plan; its numbers are laid out once."""
        known = self._known.setdefault(plan, {})
        if y.dtype not in known:
            known[y.dtype] = self.outside(lambda: program_of(plan, self.template(y)))
        program, numbers = known[y.dtype]
        given = {"program": program, "combiner": combiner_of(plan), "every": every}
        return self._run(y, numbers, args, earlier, noise, **given)

    def by_recipes(
        self, recipes: Recipes, plan: Plan, start: float, h: Any, linear: Any, y: Array, args: Any, every: bool
    ) -> Array:
        """Run with weights made on the way, of a step size and an elementwise L that JAX may trace."""
        return self._made(y, start, h, linear, args, recipes=recipes, combiner=combiner_of(plan), every=every)

    def _over(
        self, y: Array, numbers: Any, args: Any, earlier: Any, noise: Any, *, program: Any, combiner: Any, every: bool
    ) -> Array:
        slope, more = slope_of(self._nonlinear, args, y), {"every": every, "checkpoint": self._checkpoint}
        return over_program(program, combiner, slope, y, numbers, earlier=earlier, noise=noise, **more)

    def _by_recipes(
        self, y: Array, start: Any, h: Any, linear: Any, args: Any, *, recipes: Recipes, combiner: Any, every: bool
    ) -> Array:
        numbers = recipes.numbers(start, h, linear, y.dtype)
        return self._over(y, numbers, args, (), None, program=recipes.program, combiner=combiner, every=every)


def combiner_of(plan: Plan) -> Callable[[], Callable[..., Array]]:
    """Return what makes the combining function of a plan, one for all elementwise operators: they share a run."""
    operator: Any = plan.operator
    return _elementwise if isinstance(operator, Diagonal | Scalar) else operator.combiner


def _elementwise() -> Callable[..., Array]:
    return linear_combination
