"""A denoiser made of another one by a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser, rows_of
from diffusion.process.prediction import Kind
from expint.backend import Array, array_namespace

__all__ = ["Guided", "Rule", "guided"]


class Rule:
    """A rule of ours: its fields may hold one row for each sample, and others that do."""


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

    def at_each(self, x: Array, t: np.ndarray) -> Array:
        """Return the output at a time of its own for each sample; rules of one time are asked once for each time."""
        each = getattr(self.rule, "each", None)
        if each is not None:
            found: Array | None = each(self.source, x, t)
            if found is not None:
                return found
        pieces, order = list[Array](), list[np.ndarray]()
        xp = array_namespace(x)
        for time in np.unique(t).tolist():
            at = np.flatnonzero(t == time)
            pieces.append(self.of_samples(at, len(t))(rows_of(x, at, len(t)), time))
            order.append(at)
        whole: Array = rows_of(xp.concat(pieces), np.argsort(np.concatenate(order)), len(t))
        return whole

    def of_samples(self, which: np.ndarray, count: int) -> Denoiser:
        """Return the denoiser of some samples of a batch, with their rows of the condition and of the rule."""
        source, condition = self.source.of_samples(which, count), rows_of(self.condition, which, count)
        return replace(self, source=source, condition=condition, rule=_rows_of_rule(self.rule, which, count))

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        """Return the denoiser as a function of (t, x)."""
        del times, like  # the rule says at which times it calls its source
        return lambda t, x: self(x, t)

    def with_condition(self, condition: Mapping[str, Any]) -> Denoiser:
        """Return the denoiser, its source with another condition."""
        return replace(self, condition=dict(condition), source=self.source.with_condition(condition))


def _rows_of_rule(rule: Any, which: np.ndarray, count: int) -> Any:
    """Return a rule of ours for some samples of a batch; a function of the user's is told these samples as it is."""
    if not isinstance(rule, Rule):
        return rule
    own = {name: _rows_of_rule(rows_of(value, which, count), which, count) for name, value in vars(rule).items()}
    return replace(rule, **own)  # type: ignore[type-var]  # rules of ours are dataclasses


def guided(
    source: Denoiser,
    rule: Callable[[Denoiser, Array, float], Array],
    predicts: Kind,
    breakpoints: tuple[float, ...] = (),
) -> Denoiser:
    """Return the denoiser that predicts a kind by a ``rule``, with further breakpoints in time."""
    breakpoints = tuple(sorted({*source.discontinuities, *map(float, breakpoints)}))
    return Guided(source.network, predicts, source.schedule, source.condition, breakpoints, source=source, rule=rule)
