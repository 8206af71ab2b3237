"""Where stochastic samplers of well-known libraries deviate from exact coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffusion.samplers.deviating import Deviating
from expint.derive import Stage, StepContext

__all__ = ["MinusOne"]


@dataclass(frozen=True)
class MinusOne(Deviating):
    """The third-order step of ``sde-dpmsolver++`` in diffusers: z φ₃(−z) − 1 in place of z φ₃(−z), z = 2h.

    The coefficient of the second difference has ½ with the wrong sign, and tends to −1 instead of 0 as h → 0.
    """

    @property
    def order(self) -> int:
        """The order: the second difference is O(h²), and so is the error of every step."""
        return 1

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of the method with −1/z beside each φ₃."""
        return tuple(
            replace(
                stage,
                past=tuple(
                    {**terms, (0, 0): -terms[3, 1] / (2 * step.step)} if (3, 1) in terms else terms
                    for terms in stage.past
                ),
            )
            for stage in super().recipe(step)
        )
