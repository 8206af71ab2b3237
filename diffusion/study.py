"""Studies of samplers: models × samplers × numbers of steps, over the core of :mod:`expint.study`."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeAlias

import numpy as np

from expint.backend import Array, to_numpy
from expint.study import Cache, Cell, Job, Outcome, Study, run_jobs, workers

from . import models
from .declaration import Sampler
from .denoiser import Denoiser
from .names import resolve
from .sample import sample, trajectory
from .samplers import sampler as find_sampler

__all__ = ["MEASURES", "endpoint_error", "frechet", "named_model", "normal_noise", "run"]

Model: TypeAlias = str | Callable[[], Denoiser] | Denoiser
Measure: TypeAlias = Callable[[np.ndarray, np.ndarray | None], float]


def endpoint_error(x: np.ndarray, reference: np.ndarray | None) -> float:
    """Return the median over the batch of the root mean square difference to the exact flow from the same noise.

    The median, since a few samples near the border between modes would hide the order.
    """
    assert reference is not None
    return float(np.median(np.sqrt(np.mean((x - reference) ** 2, axis=tuple(range(1, x.ndim))))))


def frechet(x: np.ndarray, reference: np.ndarray | None) -> float:
    """Return the Fréchet distance of 8×8 digits to the real ones; it needs no reference."""
    del reference
    return models.frechet_distance(x)


MEASURES: dict[str, Measure] = {"error": endpoint_error, "frechet": frechet}
"""The measures by name."""


def normal_noise(count: int, shape: Sequence[int], seed: int = 0, torch: bool = True) -> Array:
    """Return standard normal noise of shape (count, *shape) from a seed, as float32 tensor or float64 array."""
    if not torch:
        return np.random.default_rng(seed).standard_normal((count, *shape))
    module = models.store.require("torch")
    return module.randn((count, *shape), generator=module.Generator().manual_seed(seed))


def run(
    denoisers: Sequence[Model] | Mapping[str, Model],
    samplers: Sequence[str | Sampler],
    calls: Sequence[int],
    noise: Array,
    *,
    measure: str | Measure = "error",
    reference: tuple[str | Sampler, int] = ("deis-tab3", 100),
    executor: Executor | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Study:
    """Sample each model with each sampler and number of steps from the same noise, and measure the result.

    Parameters
    ----------
    denoisers
        Names in ``diffusion.models``, functions that make a denoiser, or denoisers; a mapping gives them labels.
    samplers
        Names or samplers.
    calls
        Numbers of steps: those of network calls, for multistep samplers. The cells count the calls that were made.
    noise
        Of shape (batch, …); see `normal_noise`.
    measure
        "error": the endpoint error to the flow of the same network; "frechet": the Fréchet distance of digits; or a
        function (samples, reference) ↦ number of arrays.
    reference
        The sampler and the number of steps that stand for the exact flow.
    executor, cache, progress
        As for ``expint.study.run``.

    Raises
    ------
    ValueError
        For names that are unknown, empty lists or numbers of steps that are not positive integers.
    """
    counts = [int(count) for count in calls]
    if not counts or any(count < 1 or count != given for count, given in zip(counts, calls, strict=True)):
        raise ValueError(f"expected positive integers as numbers of steps, received {list(calls)}")
    named = _labelled(denoisers)
    chosen = [find_sampler(entry) for entry in samplers]
    if not named or not chosen:
        raise ValueError(f"expected models and samplers, received {len(named)} and {len(chosen)}")
    name = measure if isinstance(measure, str) else getattr(measure, "__name__", "measure")
    judge = MEASURES[resolve(measure, MEASURES, {}, "measure")] if isinstance(measure, str) else measure
    keep, exact = Cache(cache), find_sampler(reference[0])
    with workers(executor) as pool:
        truths = [Outcome({"samples": None}) for _ in named]
        if judge is not frechet:
            wanted = [Job(_reference, (make, noise, *reference), content=exact) for make in named.values()]
            truths = run_jobs(wanted, pool, keep)
        places = [
            (label, entry, count, truth)
            for label, truth in zip(named, truths, strict=True)
            for entry in zip(samplers, chosen, strict=True)
            for count in counts
        ]
        jobs = [
            Job(_cell, (named[label], given, count, noise, judge, truth.result["samples"]), content=found)
            for label, (given, found), count, truth in places
            if not truth.failure
        ]
        outcomes = iter(run_jobs(jobs, pool, keep, progress))
    cells = []
    for label, (_, found), count, truth in places:
        outcome = Outcome({}, f"no reference: {truth.failure}") if truth.failure else next(outcomes)
        cells.append(Cell(label, found.name, count, **outcome.result, failure=outcome.failure))
    return Study(tuple(cells), "steps", "Fréchet distance" if name == "frechet" else name)


def named_model(name: str) -> Callable[..., Denoiser]:
    """Return the function of ``diffusion.models`` called ``name`` that makes a denoiser without further arguments.

    Raises
    ------
    ValueError
        If there is none; the message names the nearest.
    """
    ready: dict[str, Callable[..., Denoiser]] = {"digits": models.digits, "ideal-digits": models.ideal_digits}
    return ready[resolve(name, ready, {}, "model")]


def _labelled(denoisers: Sequence[Model] | Mapping[str, Model]) -> dict[str, Any]:
    if isinstance(denoisers, Mapping):
        pairs = list(denoisers.items())
    else:
        pairs = [(entry if isinstance(entry, str) else _label(entry), entry) for entry in denoisers]
    named = {label: named_model(entry) if isinstance(entry, str) else entry for label, entry in pairs}
    if len(named) != len(pairs):
        raise ValueError("expected models of different names, received some twice; pass a mapping {label: model}")
    return named


def _label(model: Model) -> str:
    inner = model.func if isinstance(model, functools.partial) else model
    return getattr(inner, "__name__", "") or type(inner).__name__


def _made(model: Any) -> Denoiser:
    made = model if isinstance(model, Denoiser) else model()
    if not isinstance(made, Denoiser):
        raise TypeError(f"expected a Denoiser, received {type(made).__name__}")
    return made


def _reference(model: Model, noise: Array, exact: str | Sampler, count: int) -> dict[str, Any]:
    return {"samples": to_numpy(sample(_made(model), noise, sampler=exact, steps=count)).tolist()}


def _cell(
    model: Model, one: str | Sampler, count: int, noise: Array, judge: Measure, reference: list[Any] | None
) -> dict[str, Any]:
    denoiser, begun = _made(model), time.perf_counter()
    found = trajectory(denoiser, noise, sampler=one, steps=count)
    seconds = time.perf_counter() - begun
    if not found.success:
        raise ArithmeticError(found.message)
    measured = float(judge(to_numpy(found.y_end), None if reference is None else np.array(reference)))
    return {"error": measured, "calls": found.calls, "steps": found.stats.steps, "seconds": seconds}
