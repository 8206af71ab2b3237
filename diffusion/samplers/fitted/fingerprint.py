"""What a fitted sampler knows of the schedule that it is made for: its numbers where the sampler looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from diffusion.process.keeping import kept_of_values
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import instance

__all__ = ["Fingerprint"]

_SAME = 1e-9  # relative: formulas differ by rounding from machine to machine, schedules by more
_LONG = 200  # characters of a description


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """α, σ and the times told to networks, where a sampler looks at them, and the scale of the noise it starts from.

    Two schedules with the same numbers there are the same to it, whatever else they are.

    Attributes
    ----------
    words
        The schedule in words, for messages.
    t, alpha, sigma
        Its scales at the nodes and then the times, (2n + 1,).
    times, told
        The times, (n,), and what networks are told at them.
    noise_scale
        The factor from standard normal noise to the first state.
    ends_clean
        Whether σ = 0 at the last node.
    sigma_data
        Standard deviation of the data, where f depends on it; else None.
    """

    words: str
    t: np.ndarray
    times: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    told: np.ndarray
    noise_scale: float
    ends_clean: bool
    sigma_data: float | None = None

    _never_changes = True

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                kept = value.copy()
                kept.flags.writeable = False
                object.__setattr__(self, part.name, kept)

    def __reduce__(self) -> Any:
        """Return how to make it again, its arrays no less protected."""
        return Fingerprint, tuple(getattr(self, part.name) for part in fields(self))

    @classmethod
    def of(cls, schedule: Any, nodes: np.ndarray, times: np.ndarray, *, with_sigma_data: bool = False) -> Fingerprint:
        """Return the fingerprint of a ``schedule`` at ``nodes`` and ``times``; a fingerprint is returned as it is."""
        if isinstance(schedule, Fingerprint):
            return schedule
        instance("schedule", schedule, NoiseSchedule)
        t = np.concatenate([nodes, times])
        alpha, sigma, told, scale = _numbers(schedule, t, times)
        return cls(
            _in_words(schedule),
            t,
            times,
            alpha,
            sigma,
            told,
            scale,
            bool(sigma[len(nodes) - 1] == 0.0),
            schedule.sigma_data if with_sigma_data else None,
        )

    def check(self, schedule: NoiseSchedule, name: str) -> None:
        """Raise ValueError if the ``schedule`` is another one than that of the sampler called ``name``."""
        instance("schedule", schedule, NoiseSchedule)
        found = _difference(self, schedule)
        if found is not None:
            what, own, its = found
            raise ValueError(
                f"{name}: expected the schedule that it is made for, {self.words}, with {what} = {own:.12g}; received "
                f"{_in_words(schedule)}, with {its:.12g}; fit a sampler for this one"
            )


@kept_of_values(maxsize=64)
def _difference(own: Fingerprint, schedule: NoiseSchedule) -> tuple[str, float, float] | None:
    """Return what differs first between a schedule and the one known, and both numbers; None if nothing does."""
    alpha, sigma, told, scale = _numbers(schedule, own.t, own.times)
    pairs = (
        ("α", own.t, own.alpha, alpha),
        ("σ", own.t, own.sigma, sigma),
        ("the time that networks are told", own.times, own.told, told),
        ("the factor of the noise", own.t[:1], np.array([own.noise_scale]), np.array([scale])),
    )
    for what, at, known, its in pairs:
        wrong = np.flatnonzero(~np.isclose(its, known, rtol=_SAME, atol=0.0))
        if wrong.size:
            i = int(wrong[0])
            return f"{what} at t = {at[i]:.6g}", float(known[i]), float(its[i])
    if own.sigma_data is not None and schedule.sigma_data != own.sigma_data:
        return "sigma_data", own.sigma_data, schedule.sigma_data
    return None


def _numbers(
    schedule: NoiseSchedule, t: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    with np.errstate(all="ignore"):
        alpha, sigma = np.asarray(schedule.alpha(t)), np.asarray(schedule.sigma(t))
        told = np.asarray(schedule.network_time(times))
    return alpha, sigma, told, float(schedule.noise_scale(float(t[0])))


def _in_words(schedule: NoiseSchedule) -> str:
    if not is_dataclass(schedule):
        return type(schedule).__name__
    parts = [f"{part.name}={_short(getattr(schedule, part.name))}" for part in fields(schedule) if part.init]
    return f"{type(schedule).__name__}({', '.join(parts)})"[:_LONG]


def _short(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{len(value)} values"
    return repr(value)
