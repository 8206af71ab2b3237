"""What the rows of a plan are evaluated by: the output of the network, its conversion folded into the plan.

The gauge of a plan wants predictions A x + B output. What a run evaluates is x + (B/A) output, or output + (A/B) x,
whichever has the smaller factor: one operation, or none where the network predicts what the gauge wants. The factor
that is left out, A or B, multiplies the weights of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

import expint
from diffusion.denoiser import Denoiser
from diffusion.process.keeping import kept_of_values
from diffusion.process.prediction import Kind, coefficients
from diffusion.process.schedule import NoiseSchedule
from expint.backend import Array, array_namespace

__all__ = ["Conversion", "Evaluation", "Predicted", "fold"]


class Conversion(NamedTuple):
    """prediction = factor · (x + ratio · output) ``from_state``, else factor · (output + ratio · x)."""

    from_state: bool
    ratio: float
    factor: float


class Evaluation(NamedTuple):
    """A plan, the function of (t, x) by which its rows are evaluated, and its factor to the prediction at each time."""

    plan: expint.Plan
    slope: Callable[[float, Array], Array]
    factors: Mapping[float, float]


@dataclass(frozen=True)
class Predicted:
    """The prediction of one ``kind`` of a ``denoiser``, as a function of (t, x)."""

    denoiser: Denoiser
    kind: Kind

    def __call__(self, t: float, x: Array) -> Array:
        """Return the prediction."""
        return self.denoiser.predict(x, t, self.kind)

    def for_run(
        self, plan: expint.Plan, x: Array, *, keep: bool = True, hold: bool = False, only: Sequence[float] = ()
    ) -> Evaluation:
        """Return a ``plan`` that is evaluated by this prediction made ready for a run from states like ``x``.

        With ``keep`` false, for tensors, an evaluation may lie where the one before it lay; with ``hold`` only where
        the network itself writes it there. With ``only`` nothing is made ready for other times than these.

        Raises
        ------
        ValueError
            If x and the output do not determine the prediction at one of the times.
        """
        folded, conversions = fold(plan, self.denoiser.schedule, self.denoiser.predicts, self.kind)
        factors = {t: conversion.factor for t, conversion in conversions.items()}
        network = self.denoiser.at_times(only or conversions, x)
        if not any(conversion.ratio for conversion in conversions.values()):
            return Evaluation(folded, _copied(network) if keep else network, factors)
        plus = _plus_multiple if keep or hold else _into(array_namespace(x).empty_like(x))

        def slope(t: float, x: Array) -> Array:
            from_state, ratio, _ = conversions[t]
            return plus(x, network(t, x), alpha=ratio) if from_state else plus(network(t, x), x, alpha=ratio)

        return Evaluation(folded, slope, factors)


@kept_of_values(maxsize=128)
def fold(
    plan: expint.Plan, schedule: NoiseSchedule, source: Kind, target: Kind
) -> tuple[expint.Plan, dict[float, Conversion]]:
    """Return the ``plan`` for evaluations without the factors of the conversions, and the conversions by time."""
    times = [row.told(t) for t, row in plan.rows if row.evaluate]
    alphas, sigmas = schedule.alpha(np.array(times)).tolist(), schedule.sigma(np.array(times)).tolist()
    conversions = {
        t: _conversion(*coefficients(source, target, alpha, sigma, schedule.sigma_data))
        for t, alpha, sigma in zip(times, alphas, sigmas)
    }
    return plan.with_slopes([conversions[t].factor for t in times]), conversions


def _conversion(of_state: float, of_output: float) -> Conversion:
    if abs(of_state) > abs(of_output):
        return Conversion(True, of_output / of_state, of_state)
    return Conversion(False, of_state / of_output, of_output)


def _copied(network: Callable[[float, Array], Array]) -> Callable[[float, Array], Array]:
    """Return the ``network`` with outputs of their own: compiled ones may write each over the one before."""
    return lambda t, x: 1.0 * network(t, x)


def _plus_multiple(a: Array, b: Array, *, alpha: float) -> Array:
    return a.add(b, alpha=alpha) if hasattr(a, "add_") else a + alpha * b


def _into(memory: Array) -> Callable[..., Array]:
    """Return the function (a, b, alpha) ↦ a + alpha · b of tensors that always gives this ``memory``."""
    import torch

    return partial(torch.add, out=memory)
