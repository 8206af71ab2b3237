"""The door of tuning: from a network, starts and a number of calls to a sampler fitted to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Literal

import numpy as np

from diffusion.checks import check_denoiser, check_state, lay_out
from diffusion.denoiser import Denoiser
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.bands import Bands
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.fitted import FittedSampler, Report
from diffusion.samplers.sampler import Sampler
from diffusion.tuning import fit
from diffusion.tuning.contest import Contest
from diffusion.tuning.least_squares import Robust
from diffusion.tuning.rows import as_sampler
from diffusion.tuning.stages import Task, best_structure, tuned_rows, tuned_times
from diffusion.tuning.starts import LEAST, Taught, check_deterministic, taught
from expint.arguments import checked, choice, flag, function, instance, integer
from expint.backend import Array
from expint.progress import progress_bar

__all__ = ["TuningInterrupted", "tune"]

WHAT = ("grid", "rows", "plan")
LOSSES: dict[str, fit.Loss] = {"endpoint": fit.endpoint, "trajectory": fit.trajectory}
_TAIL = 0.2  # of the logarithm of the mean error in what is lowered


class TuningInterrupted(KeyboardInterrupt):
    """A tuning was interrupted, as by Ctrl-C.

    Attributes
    ----------
    sampler
        The best until then; None if nothing had been judged.
    """

    def __init__(self, sampler: FittedSampler | None) -> None:
        kept = "nothing had been judged" if sampler is None else "the best so far is in its attribute sampler"
        super().__init__(f"the tuning was interrupted; {kept}")
        self.sampler = sampler

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again in another process."""
        return type(self), (self.sampler,)


@checked()
def tune(
    denoiser: Denoiser,
    noise: Array,
    *,
    steps: int,
    what: Literal["grid", "rows", "plan"] = "plan",
    sampler: str | Sampler | Automatic = "auto",
    loss: str | Callable[[Array], Any] = "endpoint",
    consistent: bool = False,
    teacher: int = 50,
    iterations: int = 40,
    batch: int | None = None,
    seed: int = 0,
    progress: bool = False,
    executor: Executor | None = None,
) -> FittedSampler:
    check_denoiser(denoiser)
    check_state(noise)
    choice("what", what, WHAT)
    begun = time.perf_counter()
    rule = find_sampler(sampler)
    residual = _loss(loss)
    task = _task(denoiser, rule, steps, consistent, iterations)
    check_deterministic(denoiser, noise)
    lessons, halves = _lessons(denoiser, noise, task, teacher, batch, seed)
    measure = Robust(max(lessons.error, 1e-9), _TAIL)
    with progress_bar(progress, 4 + 3 * iterations, f"tuning {steps} calls") as tick:
        contest = Contest(lessons.shards[: halves[0]], lessons.shards[halves[0] :], residual, measure, None, executor, tick)
        contest.calls = lessons.calls
        finish = partial(_finished, denoiser, noise, task, contest, lessons, begun, what)
        try:
            structure, values = best_structure(contest, task, rule)
            if what != "rows":
                values = tuned_times(contest, task, structure)
            if what != "grid":
                tuned_rows(contest, task, values, times=what == "plan")
        except KeyboardInterrupt:
            raise TuningInterrupted(finish(interrupted=True) if contest.best else None) from None
    return finish()


def _loss(loss: Any) -> fit.Loss:
    if callable(loss):
        return partial(fit.features, loss)
    return LOSSES[choice("loss", loss, LOSSES)]


def _task(denoiser: Denoiser, rule: Sampler | Automatic, steps: int, consistent: bool, iterations: int) -> Task:
    _, times, to_zero = lay_out(denoiser, rule, steps, None)
    all_times = np.append(times, denoiser.schedule.t_clean) if to_zero else times
    return Task(denoiser.schedule, all_times, to_zero, denoiser.discontinuities, consistent, iterations)


def _lessons(
    denoiser: Denoiser, noise: Array, task: Task, teacher: int, batch: int | None, seed: int
) -> tuple[Taught, tuple[int, int]]:
    """Return the starts as the teacher solves them, and how many shards are those of the fits, and of the decision."""
    count = noise.shape[0]
    if count < LEAST:
        raise ValueError(
            f"expected at least {LEAST} starts, half of them to decide, received {count}; a few dozen are usual"
        )
    order = np.random.default_rng(seed).permutation(count)
    halves = [np.sort(half) for half in (order[: count - count // 2], order[count - count // 2 :])]
    size = batch or count
    parts = [[half[i : i + size] for i in range(0, len(half), size)] for half in halves]
    found = taught(denoiser, noise, [*parts[0], *parts[1]], "auto", teacher, to_zero=task.to_zero)
    return found, (len(parts[0]), len(parts[1]))


def _finished(
    denoiser: Denoiser,
    noise: Array,
    task: Task,
    contest: Contest,
    lessons: Taught,
    begun: float,
    what: str,
    interrupted: bool = False,
) -> FittedSampler:
    """Return the best candidate as a sampler, with its report."""
    best, untuned = contest.best, contest.untuned
    assert best is not None
    assert untuned is not None
    spread = float(np.std(best.errors, ddof=1) / np.sqrt(len(best.errors)))
    details = {
        "decided": best.name if best is not untuned else f"{untuned.name}: nothing did better on the held-out starts",
        "structure": untuned.name,
        "mean before": float(np.mean(untuned.errors)),
        "mean after": float(np.mean(best.errors)),
        "teacher error": lessons.error,
        "seconds": time.perf_counter() - begun,
        "stages": [list(stage) for stage in contest.stages],
        "interrupted": interrupted,
    }
    report = Report(
        "median relative error at the end",
        float(np.median(untuned.errors)),
        float(np.median(best.errors)),
        spread,
        contest.calls,
        tuple(sum(s.start.shape[0] for s in part) for part in (contest.fitted, contest.held_out)),
        details,
    )
    return as_sampler(
        best.values,
        denoiser,
        float(task.times[-1]),
        name=f"tuned-{best.values.calls}",
        shape=tuple(noise.shape[1:]),
        bands=None,
        report=report,
    )
