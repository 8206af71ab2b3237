"""Studies of samplers: models × samplers × numbers of steps, over the core of :mod:`expint.study`."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeAlias

import numpy as np

from diffusion import models
from diffusion.denoiser import Denoiser
from diffusion.names import resolve
from diffusion.optional import require
from diffusion.sample import sample, trajectory
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from expint.arguments import checked, function, integer, listed, seen, text
from expint.arrays import affordable, real_values
from expint.backend import Array, is_array, to_numpy
from expint.study import Job, Study, check_result, distinct, packed, run_table, unpacked

__all__ = ["MEASURES", "endpoint_error", "frechet", "named_model", "normal_noise", "run"]

Model: TypeAlias = str | Callable[[], Denoiser] | Denoiser
Measure: TypeAlias = Callable[[np.ndarray, np.ndarray | None], float]


def endpoint_error(x: np.ndarray, reference: np.ndarray | None) -> float:
    """Return the median over the batch of the root mean square difference to the exact flow from the same noise.

    The median, since a few samples near the border between modes would hide the order.

    Raises
    ------
    ValueError
        If samples and reference are of different shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion.study import endpoint_error
    >>> endpoint_error(np.zeros((4, 3)), np.ones((4, 3)))
    1.0
    """
    x, reference = real_values("x", x), real_values("reference", reference)
    if x.shape != reference.shape or x.ndim < 2:
        raise ValueError(
            f"expected samples and reference of one shape (batch, …), received shapes {x.shape} and {reference.shape}"
        )
    return float(np.median(np.sqrt(np.mean((x - reference) ** 2, axis=tuple(range(1, x.ndim))))))


def frechet(x: np.ndarray, reference: np.ndarray | None) -> float:
    """Return the Fréchet distance of 8×8 digits to the real ones; it needs no reference.

    Examples
    --------
    >>> import numpy as np, diffusion.study
    >>> images = np.random.default_rng(0).standard_normal((80, 1, 8, 8))
    >>> diffusion.study.frechet(images, None) > 1.0
    True
    """
    del reference
    return models.frechet_distance(x)


MEASURES: dict[str, Measure] = {"error": endpoint_error, "frechet": frechet}
"""The measures by name."""


@checked()
def normal_noise(count: int, shape: Sequence[int], seed: int = 0, torch: bool = True) -> Array:
    """Return standard normal noise of shape (count, *shape) from a seed, as float32 tensor or float64 array.

    Raises
    ------
    ValueError
        If a size is not positive, the seed negative, or the noise larger than the memory of this machine.
    TypeError
        If one of them is no integer.

    Examples
    --------
    >>> from diffusion.study import normal_noise
    >>> tuple(normal_noise(3, (1, 8, 8)).shape)
    (3, 1, 8, 8)
    """
    sizes = [
        integer("count", count),
        *(integer("every size of shape", n) for n in listed("shape", shape, "sizes", least=0)),
    ]
    seed = integer("seed", seed, least=0, most=2**63 - 1)
    affordable("the noise", math.prod(sizes) * (4.0 if torch else 8.0))
    if not torch:
        return np.random.default_rng(seed).standard_normal(sizes)
    module = require("torch")
    return module.randn(sizes, generator=module.Generator().manual_seed(seed))


@checked()
def run(
    denoisers: Sequence[Model] | Mapping[str, Model],
    samplers: Sequence[str | AnySampler],
    calls: Sequence[int],
    noise: Array,
    *,
    measure: str | Measure = "error",
    reference: tuple[str | AnySampler, int] = ("deis-tab3", 100),
    executor: Executor | None = None,
    cache: str | os.PathLike[str] | None = None,
    key: str | None = None,
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
        function (samples, reference) ↦ number ≥ 0 of arrays.
    reference
        The sampler and the number of steps that stand for the exact flow.
    executor, cache, key, progress
        As for ``expint.study.run``.

    Raises
    ------
    ValueError
        For names that are unknown or occur twice, empty lists, or numbers of steps that are not positive integers.
    TypeError
        For arguments of a wrong type.
    expint.study.StudyInterrupted
        At Ctrl-C; a KeyboardInterrupt whose ``study`` holds the cells that are done.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> import numpy as np, diffusion.study
    >>> noise = np.linspace(-1.0, 1.0, 4)[:, None]
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> found = diffusion.study.run({"normal": lambda: net}, ["ddim"], [2, 4], noise, executor=ThreadPoolExecutor(1))
    >>> len(found.cells)
    2
    """
    counts = [_count(entry) for entry in listed("calls", calls, "positive integers")]
    distinct([str(count) for count in counts], "numbers of steps")
    named = _labelled(denoisers)
    entries = listed("samplers", samplers, "samplers", least=0)
    chosen = [find_sampler(entry) for entry in entries]
    if not chosen:
        raise ValueError("expected models and samplers, received no sampler")
    distinct([found.name for found in chosen], "samplers")
    pairs = {found.name: (given, found) for given, found in zip(entries, chosen, strict=True)}
    given, exact, exact_steps = _exact(reference)
    name = measure if isinstance(measure, str) else getattr(measure, "__name__", "measure")
    judge = MEASURES[resolve(measure, MEASURES, {}, "measure")] if isinstance(measure, str) else measure
    function("measure", judge, "(samples, reference) ↦ number")
    if not is_array(noise):
        raise TypeError(f"expected noise as an array of shape (batch, …), received {seen(noise)}; see normal_noise")
    truths = {
        label: Job(_reference, (make, noise, given, exact_steps), content=exact, check=unpacked, label=(label,))
        for label, make in named.items()
    }

    def cell(label: str, method: str, count: float, truth: dict[str, Any]) -> Job:
        one, content = pairs[method]
        arguments = (named[label], one, int(count), noise, judge, truth)
        return Job(_cell, arguments, content=content, check=check_result, label=(label, method))

    return run_table(
        dict.fromkeys(named) if judge is frechet else truths,
        pairs,
        counts,
        cell,
        parameter="steps",
        measure="Fréchet distance" if name == "frechet" else name,
        executor=executor,
        cache=cache,
        key=key,
        progress=progress,
    )


def _count(entry: Any) -> int:
    try:
        return integer("every number of steps", entry)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected positive integers as numbers of steps, received {seen(entry)}") from error


def _exact(reference: Any) -> tuple[str | AnySampler, AnySampler, int]:
    """Return the sampler that stands for the exact flow as it was given and as it is, and its number of steps."""
    try:
        given, steps = reference
    except (TypeError, ValueError):
        raise TypeError(
            f"expected reference as a sampler and a number of steps, such as ('ddim', 1000), received {seen(reference)}"
        ) from None
    return given, find_sampler(given), integer("the number of steps of reference", steps)


def named_model(name: str) -> Callable[..., Denoiser]:
    """Return the function of ``diffusion.models`` called ``name`` that makes a denoiser without further arguments.

    Raises
    ------
    ValueError
        If there is none; the message names the nearest.

    Examples
    --------
    >>> from diffusion.study import named_model
    >>> named_model("ideal-digits").__name__
    'ideal_digits'
    """
    ready: dict[str, Callable[..., Denoiser]] = {"digits": models.digits, "ideal-digits": models.ideal_digits}
    return ready[resolve(name, ready, {}, "model")]


def _labelled(denoisers: Any) -> dict[str, Any]:
    """Return the models by label; names are looked up."""
    if isinstance(denoisers, Mapping):
        pairs = [(text("every label of a model", label), _model(entry)) for label, entry in denoisers.items()]
    else:
        pairs = [(_label(entry), _model(entry)) for entry in listed("denoisers", denoisers, "models", least=0)]
    if not pairs:
        raise ValueError("expected models and samplers, received no model")
    if len(dict(pairs)) != len(pairs):
        raise ValueError("expected models of different names, received some twice; pass a mapping {label: model}")
    return dict(pairs)


def _model(entry: Any) -> Any:
    """Return a model or the function that makes it; names are looked up."""
    return named_model(entry) if isinstance(entry, str) else _callable_model(entry)


def _callable_model(entry: Any) -> Any:
    if not isinstance(entry, Denoiser) and not callable(entry):
        raise TypeError(f"expected a Denoiser, a function that makes one, or a name, received {seen(entry)}")
    return entry


def _label(model: Any) -> str:
    if isinstance(model, str):
        return model
    inner = model.func if isinstance(model, functools.partial) else model
    return getattr(inner, "__name__", "") or type(inner).__name__


def _made(model: Any) -> Denoiser:
    made = model if isinstance(model, Denoiser) else model()
    if not isinstance(made, Denoiser):
        raise TypeError(f"expected a Denoiser, received {type(made).__name__}")
    return made


def _reference(model: Model, noise: Array, exact: str | AnySampler, steps: int) -> dict[str, Any]:
    return packed(sample(_made(model), noise, sampler=exact, steps=steps))


def _cell(
    model: Model, one: str | AnySampler, steps: int, noise: Array, judge: Measure, reference: Mapping[str, Any]
) -> dict[str, Any]:
    denoiser, begun = _made(model), time.perf_counter()
    found = trajectory(denoiser, noise, sampler=one, steps=steps)
    seconds = time.perf_counter() - begun
    if not found.success:
        raise ArithmeticError(found.message)
    measured = float(judge(to_numpy(found.y_end), unpacked(reference) if reference else None))
    if not 0 <= measured < np.inf:
        raise ArithmeticError(f"expected a finite measure ≥ 0, received {measured}")
    return {"error": measured, "calls": found.calls, "steps": found.stats.steps, "seconds": seconds}
