"""Noise as the functions of k-diffusion have it: the options that steer it, and where it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, sqrt
from typing import Any

import expint
from diffusion.noise.sources import noise_for
from diffusion.process.strength import Constant, Eta
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.sampler import Sampler
from diffusion.samplers.stochastic.jumps import Ancestral, Churned
from diffusion.samplers.stochastic.two_noises import TwoNoises
from expint.arguments import function, integer, number
from expint.backend import Array, asarray_like, to_numpy

__all__ = ["Options", "noise_of"]

_SDE_2M = "dpmpp-2m-sde"


@dataclass(frozen=True)
class Options:
    """What functions of k-diffusion take beside the levels; None is what they have where nothing is said.

    Attributes
    ----------
    eta
        How much of the noise of the process comes anew, for stochastic samplers.
    s_noise
        What all noise is multiplied by.
    noise_sampler
        noise_sampler(σ, σ′) ↦ standard normal noise for a step between two levels.
    s_churn, s_tmin, s_tmax
        How much the level rises before a step from a level between the two, for samplers with steps of their own.
    order
        Of LMS.
    solver_type
        "midpoint" or "heun", of "dpmpp-2m-sde".
    r
        Where the inner point of "dpmpp-sde@k-diffusion" lies: 1/2.
    """

    eta: float | None = None
    s_noise: float | None = None
    noise_sampler: Callable[[Any, Any], Array] | None = None
    s_churn: float | None = None
    s_tmin: float | None = None
    s_tmax: float | None = None
    order: int | None = None
    solver_type: str | None = None
    r: float | None = None

    @property
    def scale(self) -> float:
        """The factor of all noise."""
        return 1.0 if self.s_noise is None else number("s_noise", self.s_noise, least=0.0)

    def applied(self, sampler: Any) -> Any:
        """Return the ``sampler`` that they mean.

        Raises
        ------
        TypeError, ValueError
            If one of them means nothing for this sampler.
        """
        if self.noise_sampler is not None:
            function("noise_sampler", self.noise_sampler, "(sigma, sigma_next) ↦ noise")
        sampler = self._another(sampler)
        churned = self.s_churn is not None and number("s_churn", self.s_churn, least=0.0) > 0.0
        churns = isinstance(sampler, Sampler) and not sampler.stochastic and sampler.method.history < 2
        unmeant = {
            "s_churn": churned and not churns,
            "eta": bool(self.eta) and not sampler_draws(sampler),
            "s_noise": self.s_noise not in (None, 1.0) and not (churns or sampler_draws(sampler)),
            "noise_sampler": self.noise_sampler is not None and not (churned or sampler_draws(sampler)),
        }
        found = [name for name, wrong in unmeant.items() if wrong]
        if found:
            raise ValueError(
                f"{sampler.name}: expected {found[0]} for a sampler that draws noise, received it for one without; "
                f"{_REMEDIES.get(found[0], _REMEDIES['eta'])}"
            )
        if churned:
            return self._churned(sampler)
        if isinstance(sampler, Churned) and self.s_noise is not None:
            sampler = replace(sampler, inflation=1.0)  # it is what s_noise says
        return sampler if self.eta is None or not sampler_draws(sampler) else _with_eta(sampler, float(self.eta))

    def _another(self, sampler: Any) -> Any:
        """Return the sampler, of another order or with another solution of its integral."""
        if self.order is not None:
            if not sampler.name.startswith("lms"):
                raise ValueError(f"{sampler.name}: expected order for LMS alone, received {self.order!r}; leave it out")
            sampler = find_sampler(f"lms{integer('order', self.order, most=4)}@k-diffusion")
        if self.solver_type is not None:
            kinds = {"midpoint": f"{_SDE_2M}@k-diffusion", "heun": _SDE_2M}
            if sampler.name not in kinds.values() or self.solver_type not in kinds:
                raise ValueError(
                    f"{sampler.name}: expected solver_type to be 'midpoint' or 'heun', of {_SDE_2M!r} alone, received "
                    f"{self.solver_type!r}; leave it out"
                )
            sampler = find_sampler(kinds[self.solver_type])
        if self.r not in (None, 0.5) or (self.r is not None and not isinstance(sampler, TwoNoises)):
            raise ValueError(
                f"{sampler.name}: expected r = 1/2, of 'dpmpp-sde@k-diffusion' alone, received {self.r!r}; leave it out"
            )
        return sampler

    def _churned(self, sampler: Sampler) -> Churned:
        """Return the sampler with rises before its steps."""
        own = {name: getattr(sampler, name) for name in ("method", "gauge", "grid", "end", "reference")}
        low, high = (usual if given is None else given for given, usual in ((self.s_tmin, 0.0), (self.s_tmax, inf)))
        name = f"{sampler.name} with churn"
        return Churned(name, **own, inflation=1.0, churn=float(self.s_churn or 0.0), low=float(low), high=float(high))


_REMEDIES = {
    "s_churn": "leave it out, or take sample_euler, sample_heun or sample_dpm_2, whose steps remember nothing",
    "eta": "leave it out, or take sample_euler_ancestral, sample_dpmpp_2m_sde or another of "
    "diffusion.sampler_names(stochastic=True)",
}


def sampler_draws(sampler: Any) -> bool:
    """Whether a ``sampler`` draws noise, or would with a larger η."""
    return bool(getattr(sampler, "stochastic", False)) or isinstance(sampler, TwoNoises)


def _with_eta(sampler: Any, eta: float) -> Any:
    """Return a stochastic ``sampler`` with a share η of its noise.

    Raises
    ------
    ValueError
        If it has no such share, or η is none.
    """
    if isinstance(sampler, Ancestral | TwoNoises):
        return replace(sampler, eta=eta)
    if isinstance(sampler.stochasticity, Eta):
        return replace(sampler, stochasticity=Eta(eta))
    if isinstance(sampler.stochasticity, Constant):  # η of k-diffusion is τ²
        return replace(sampler, stochasticity=Constant(sqrt(number("eta", eta, least=0.0))))
    raise ValueError(
        f"{sampler.name}: expected eta for an ancestral sampler or one of a constant strength, received {eta!r}; leave "
        "it out"
    )


def noise_of(
    plan: expint.Plan, sampler: Any, options: Options, levels: list[Any], extra_args: Mapping[str, Any], x: Array
) -> Any:
    """Return the noise of a run as ``rng`` of ``diffusion.sample``; None for a ``plan`` that draws none.

    Parameters
    ----------
    plan, sampler
        The run, in whose times the level is the time.
    options
        Where it may come from.
    levels
        The levels of the list, as the host gave them.
    extra_args
        Of the model, with ComfyUI's ``seed``, one for the batch or one for each sample.
    x
        The first state.

    Raises
    ------
    ValueError
        If nothing says where noise is to come from, as for states that are no tensors.
    """
    if not plan.layout.noise:
        return None
    if options.noise_sampler is not None:
        return Told(
            options.noise_sampler, _places(plan, levels, from_start=isinstance(sampler, TwoNoises)), options.scale
        )
    seed = extra_args.get("seed")
    if seed is not None:
        return Scaled(noise_for(seed, x), options.scale)
    if not type(x).__module__.startswith("torch"):
        raise ValueError(
            f"expected noise for {sampler.name!r}, received none; give noise_sampler=, or extra_args={{'seed': 7}}"
        )
    import torch

    return Scaled(noise_for(torch.default_generator, x), options.scale)


@dataclass(frozen=True)
class Scaled:
    """Noise multiplied by a number."""

    noise: Any
    scale: float = 1.0

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return the noise of one column of one step."""
        own = self.noise.draw(step, column, like)
        return own if self.scale == 1.0 else self.scale * own


@dataclass(frozen=True)
class Told:
    """Noise that a function of two levels draws, as k-diffusion's are.

    Attributes
    ----------
    noise_sampler
        The function.
    places
        For each step the two levels of each of its columns.
    scale
        What it is multiplied by.
    """

    noise_sampler: Callable[[Any, Any], Array]
    places: list[list[tuple[Any, Any]]]
    scale: float = 1.0

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return the noise of one column of one step.

        Raises
        ------
        ValueError
            If it has not the shape of the states.
        """
        own = self.noise_sampler(*self.places[step - 1][column])
        if tuple(getattr(own, "shape", ())) != tuple(like.shape):
            raise ValueError(
                f"expected noise_sampler to return an array of the shape {tuple(like.shape)} of the states, received "
                f"{tuple(getattr(own, 'shape', ()))}; return standard normal noise like x"
            )
        own = own if type(own) is type(like) and own.dtype == like.dtype else asarray_like(to_numpy(own), like)
        return own if self.scale == 1.0 else self.scale * own


def _places(plan: expint.Plan, levels: list[Any], *, from_start: bool) -> list[list[tuple[Any, Any]]]:
    """Return for each step the two levels of each of its columns: from the one before it, or ``from_start`` of it."""
    known = {float(level): level for level in levels}

    def told(t: float) -> Any:
        return known.get(t, _like(t, levels))

    return [
        [(told(start), told(end)) for start, end in _reached(plan.layout, before.times[-1], step, from_start)]
        for before, step in pairwise(plan.steps)
    ]


def _reached(layout: Any, start: float, step: Any, from_start: bool) -> list[tuple[float, float]]:
    """Return for each random column of a ``step`` where its noise begins, and where it is looked at first."""
    noisy = [(t, layout.parts(row.weights).noise) for t, row in zip(step.times, step.rows)]
    ends = [max((t for t, columns in noisy if columns[n] is not None), default=start) for n in range(layout.noise)]
    return list(zip([start, *([start] * len(ends) if from_start else ends)], ends))


def _like(level: float, levels: list[Any]) -> Any:
    """Return a level that is not in the list in the form of those that are."""
    return levels[0] * 0 + level
