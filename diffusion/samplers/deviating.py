"""Multistep methods with some φ-functions replaced, as in well-known libraries: the deviation stated as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from diffusion.samplers.ends import capped, predictor
from expint.derive import Method, Stage, StepContext, WithoutEstimate

__all__ = ["BH1", "DPM_SOLVER", "HALVED", "MIDPOINT", "Deviating", "Replaced"]


class Replaced(NamedTuple):
    """φ_k(z) of steps that combine ``slopes`` slopes is replaced by factor · φ_j(c z)."""

    slopes: int
    k: int
    factor: Fraction
    by: tuple[int, int]  # (j, c); (0, 0) is the constant 1


MIDPOINT = (Replaced(2, k=2, factor=Fraction(1, 2), by=(1, 1)),)
"""φ₂ ≈ φ₁/2 on two slopes: DPM-Solver's solver_type "dpmsolver", diffusers' "midpoint", UniPC's B₂."""

BH1 = (Replaced(2, k=2, factor=Fraction(1, 2), by=(0, 0)),)
"""φ₂ ≈ 1/2 on two slopes: UniPC's B₁."""

HALVED = (Replaced(3, k=3, factor=Fraction(1, 2), by=(3, 1)),)
"""φ₃/2 for φ₃ on three slopes: the second difference enters without its factor 2, and the order is 2; k-diffusion's."""

DPM_SOLVER = (*MIDPOINT, *HALVED)
"""Both, as in DPM-Solver and diffusers."""


@dataclass(frozen=True)
class Deviating(WithoutEstimate):
    """A multistep method some of whose φ-functions are replaced.

    Parameters
    ----------
    method
        The exact method, an Adams method or a predictor–corrector.
    deviations
        What is replaced.
    """

    method: Any
    deviations: tuple[Replaced, ...]

    @property
    def name(self) -> str:
        """The name of the method, with a mark that it deviates."""
        return f"{self.method.name}~"

    @property
    def order(self) -> int:
        """The order: 2 where a deviation changes three slopes, that of the method otherwise."""
        return min([self.method.order, *(rule.slopes - 1 for rule in self.deviations if rule.slopes > 2)])

    @property
    def history(self) -> int:
        """How many remembered slopes a step looks at."""
        return int(self.method.history)

    @property
    def stages(self) -> int:
        """Evaluations of N per step."""
        return int(self.method.stages)

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of the method with the φ-functions replaced."""
        return tuple(self._deviate(stage) for stage in self.method.recipe(step))

    def _deviate(self, stage: Stage) -> Stage:
        looked_at = sum(map(bool, (*stage.past, *stage.stages)))
        rules = {rule.k: rule for rule in self.deviations if rule.slopes == looked_at}
        past, stages = ([_replaced(terms, rules) for terms in group] for group in (stage.past, stage.stages))
        return replace(stage, past=tuple(past), stages=tuple(stages))


def _replaced(terms: Mapping[tuple[int, Any], Any], rules: Mapping[int, Replaced]) -> dict[tuple[int, Any], Any]:
    result: dict[tuple[int, Any], Any] = {}
    for (k, c), r in terms.items():
        key, factor = (rules[k].by, float(rules[k].factor)) if k in rules else ((k, c), 1.0)
        result[key] = result.get(key, 0.0) + factor * float(r)
    return result


@capped.register
def _(method: Deviating, order: int) -> Method:
    return replace(method, method=capped(method.method, order))


@predictor.register
def _(method: Deviating) -> Method:
    return replace(method, method=predictor(method.method))
