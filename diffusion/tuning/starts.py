"""The starts of a tuning: halves, what the teacher makes of them, and checks of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from diffusion import grids
from diffusion.checks import lay_out
from diffusion.denoiser import Denoiser
from diffusion.sample import SamplingError, sample, trajectory
from diffusion.tuning.values import mapped, without_gradients
from expint.backend import Array, array_namespace, device, is_array, to_numpy

__all__ = [
    "LEAST",
    "TEACHER",
    "Shard",
    "Taught",
    "check_deterministic",
    "floored",
    "norms",
    "part_of",
    "picked",
    "taught",
]

TEACHER = "auto"
"""With some fifty calls none of the named samplers is nearer to the exact flow: `benchmarks.defaults`."""

_DOUBTFUL = 3e-3
"""The relative error of a teacher from which on another is asked."""

LEAST = 8
"""Starts: fewer halves than of four decide nothing."""


class Shard(NamedTuple):
    """A part of the starts, with what the teacher makes of it.

    Attributes
    ----------
    denoiser
        The network with the conditions of these starts.
    start
        The states to start from, (B, …).
    path
        The teacher's run as a function of the time, with its times and previews; None where none is asked for.
    end
        Its endpoint.
    """

    denoiser: Denoiser
    start: Array
    path: Any
    end: Array


class Taught(NamedTuple):
    """What the teacher made of the starts.

    Attributes
    ----------
    shards
        The parts.
    name
        Of the teacher.
    error
        Of the teacher, relative: the median distance to a run with half as many calls.
    steps
        Calls of one run of the teacher.
    calls
        Calls on a sample each, in all.
    """

    shards: list[Shard]
    name: str
    error: float
    steps: int
    calls: int


def picked(denoiser: Denoiser, noise: Array, rows: np.ndarray) -> tuple[Denoiser, Array]:
    """Return the starts of some ``rows`` with their conditions: arrays with an entry for each start are cut as well."""
    xp, count = array_namespace(noise), noise.shape[0]
    condition = {key: _cut(value, rows, count) for key, value in denoiser.condition.items()}
    return _conditioned(denoiser, condition), xp.take(noise, xp.asarray(rows, device=device(noise)), axis=0)


def part_of(shard: Shard, rows: np.ndarray) -> Shard:
    """Return some of the starts of a shard."""
    denoiser, start = picked(shard.denoiser, shard.start, rows)
    _, end = picked(shard.denoiser, shard.end, rows)
    path = None if shard.path is None else _PartOfPath(shard.path, shard.denoiser, rows)
    return Shard(denoiser, start, path, end)


class _PartOfPath(NamedTuple):
    """A teacher's path of some of the starts."""

    path: Any
    denoiser: Denoiser
    rows: np.ndarray

    def __call__(self, t: float) -> Array:
        return picked(self.denoiser, self.path(t), self.rows)[1]


def _cut(value: Any, rows: np.ndarray, count: int) -> Any:
    """Return the entries of the starts in ``rows`` where ``value`` has one for each of ``count`` starts."""
    if isinstance(value, Mapping):
        return {key: _cut(entry, rows, count) for key, entry in value.items()}
    if isinstance(value, (list, tuple)) and len(value) == count:
        return type(value)(value[i] for i in rows)
    if is_array(value) and value.ndim and value.shape[0] == count:
        return value[rows.tolist()] if hasattr(value, "detach") else value[rows]
    return value


def _conditioned(denoiser: Denoiser, condition: Mapping[str, Any]) -> Denoiser:
    return denoiser.with_condition(condition) if condition else denoiser


def taught(
    denoiser: Denoiser,
    noise: Array,
    parts: list[np.ndarray],
    steps: int,
    *,
    to_zero: bool,
    with_path: bool = True,
    executor: Executor | None = None,
) -> Taught:
    """Return the shards of ``parts`` of the noise, each solved with ``steps`` calls and half of them.

    Where these runs end too far from each other, others are made on times uniform in λ, and the nearer pair is kept.
    Without the path only ends are kept: all states of a run may need more memory than there is.

    Raises
    ------
    SamplingError
        If a run of the teacher is not finite.
    """
    best, calls, teachers = None, 0, _teachers(denoiser, steps, to_zero)
    for name, fine, coarse in teachers:
        tasks = [(*picked(denoiser, noise, rows), fine, coarse, with_path) for rows in parts]
        calls += (len(fine) + len(coarse) - 2) * sum(map(len, parts))
        try:
            found = list(mapped(_taught_shard, tasks, executor))
        except SamplingError:
            if best is None:
                raise
            break
        error = float(np.median(np.concatenate([errors for _, errors in found])))
        if best is None or error < best.error:
            best = Taught([shard for shard, _ in found], name, error, len(fine) - 1, calls)
        if best.error < _DOUBTFUL:
            break
    assert best is not None  # the first was taught or has raised
    return best._replace(calls=calls)


def _taught_shard(
    denoiser: Denoiser, noise: Array, fine: np.ndarray, coarse: np.ndarray, with_path: bool
) -> tuple[Shard, np.ndarray]:
    """Return a shard, and how far the ``coarse`` run of the teacher ends from the ``fine`` one."""
    with without_gradients():
        rough = sample(denoiser, noise, sampler=TEACHER, grid=coarse)
        path = _path(denoiser, noise, fine) if with_path else None
        end = sample(denoiser, noise, sampler=TEACHER, grid=fine) if path is None else path(float(fine[-1]))
    start = denoiser.schedule.noise_scale(float(fine[0])) * noise
    return Shard(denoiser, start, path, end), norms(rough - end) / floored(norms(end))


def _teachers(denoiser: Denoiser, steps: int, to_zero: bool) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield the times of a teacher and of its run with half as many calls, that of σ = 0 among them if they lead there.

    The rule's own come first. On data of another scale than those it was found on, uniform steps of λ may do better.
    """
    counts, schedule = (steps, max(steps // 2, 1)), denoiser.schedule

    def on(times: np.ndarray) -> np.ndarray:
        return np.append(times, schedule.t_clean) if to_zero else times

    own = [on(lay_out(denoiser, TEACHER, n, None)[1]) for n in counts]
    yield f"{TEACHER} on its own grid", own[0], own[1]
    if counts[-1] > to_zero:
        with suppress(ValueError):  # λ is infinite at an end
            fine, coarse = (on(grids.power(n - to_zero, 1.0, "lambda", schedule=schedule)) for n in counts)
            yield f"{TEACHER}, uniform in λ", fine, coarse


def _path(denoiser: Denoiser, start: Array, grid: np.ndarray) -> Any:
    """Return the teacher's run as a function of the time."""
    run = trajectory(denoiser, start, sampler=TEACHER, grid=grid, dense_output=True)
    if not run.success:
        raise SamplingError(run)
    return run.sol


def norms(x: Array) -> np.ndarray:
    """Return the Euclidean norm of every sample, (B,), in double precision."""
    flat = to_numpy(x).reshape(x.shape[0], -1)
    return np.linalg.norm(flat.astype(np.float64), axis=1)


def floored(sizes: np.ndarray) -> np.ndarray:
    """Return sizes to divide by: none is much smaller than all are together."""
    return np.maximum(sizes, 1e-3 * float(np.sqrt(np.mean(sizes**2))) + 1e-300)


def check_deterministic(denoiser: Denoiser, noise: Array) -> None:
    """Raise ValueError if two calls at one state and time differ."""
    schedule = denoiser.schedule
    t = 0.5 * (schedule.t_start + schedule.t_end)
    x = noise * float(schedule.sigma(t))
    with without_gradients():
        one, other = (1.0 * denoiser(x, t) for _ in range(2))
    size, apart = float(np.mean(norms(one))), float(np.mean(norms(one - other)))
    if apart > 1e-3 * size:
        raise ValueError(
            f"expected a network whose output depends on its input alone, received outputs that differ by "
            f"{apart / size:.1%} when asked twice at t = {t:.4g}; switch off dropout and other noise, for a torch "
            "module by network.eval()"
        )
