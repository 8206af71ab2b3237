"""A denoiser made of another one by a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from diffusion.denoiser import Denoiser
from diffusion.process.prediction import Kind
from expint.backend import Array

__all__ = ["Guided", "guided"]


@dataclass(frozen=True, eq=False)
class Guided(Denoiser):
    """A denoiser whose output is rule(source, x, t), t one time for the whole batch."""

    source: Denoiser = field(kw_only=True)
    rule: Callable[[Denoiser, Array, float], Array] = field(kw_only=True)

    def __repr__(self) -> str:
        return f"{type(self.rule).__name__.lstrip('_')}({self.source!r:.90})"

    def __call__(self, x: Array, t: Any) -> Array:
        """Return the output of the rule at one time."""
        if getattr(t, "ndim", 0):
            raise ValueError(
                f"expected one time for the whole batch; received times of shape {tuple(t.shape)}; pass a number"
            )
        return self.rule(self.source, x, float(t))

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        """Return the denoiser as a function of (t, x)."""
        del times, like  # the rule says at which times it calls its source
        return lambda t, x: self(x, t)

    def with_condition(self, condition: Mapping[str, Any]) -> Denoiser:
        """Return the denoiser, its source with another condition."""
        return replace(self, condition=dict(condition), source=self.source.with_condition(condition))


def guided(
    source: Denoiser,
    rule: Callable[[Denoiser, Array, float], Array],
    predicts: Kind,
    breakpoints: tuple[float, ...] = (),
) -> Denoiser:
    """Return the denoiser that predicts a kind by a ``rule``, with further breakpoints in time."""
    breakpoints = tuple(sorted({*source.discontinuities, *map(float, breakpoints)}))
    return Guided(source.network, predicts, source.schedule, source.condition, breakpoints, source=source, rule=rule)
