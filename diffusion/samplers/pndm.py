"""The method of PNDM in its "plms" form: Adams–Bashforth with the weights of uniform steps, after a step by Heun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import expint
from expint.derive import INDEX, Multistep, Stage, StepContext, WithoutEstimate

__all__ = ["HeunThenAdams"]


@dataclass(frozen=True)
class HeunThenAdams(Multistep, WithoutEstimate):
    """Adams–Bashforth of order up to ``q`` with the weights of uniform steps, its first step made by Heun's method.

    The first step calls the network twice, and the next one again at its end. A step to a clock of 0, the only one of
    a run, is Euler's: there is nothing to be called at σ = 0.

    Notes
    -----
    Liu, Ren, Lin & Zhao, *Pseudo numerical methods for diffusion models on manifolds*, 2022, as the code of latent
    diffusion has it.
    """

    q: int = 4
    clock: ClassVar[Any] = INDEX

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"heun-adams{self.q}"

    @property
    def order(self) -> int:
        """The order: 2, on steps that are not uniform."""
        return 2

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of a step."""
        first: Any = expint.Adams(1) if step.start + step.step == 0.0 else expint.method("lawson-heun2")
        method: Any = first if len(step.history) < 2 else expint.Adams(self.q, clock=INDEX, ramp=True)
        stages: Sequence[Stage] = method.recipe(step)
        return stages
