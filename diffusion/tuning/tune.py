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
from diffusion.tuning.contest import Contest
from diffusion.tuning.gradient import check_gradients
from diffusion.tuning.least_squares import Robust
from diffusion.tuning.losses import LOSSES, Features, Loss
from diffusion.tuning.rows import as_sampler
from diffusion.tuning.stages import Task, best_structure, in_bands, laid_out, tuned_rows
from diffusion.tuning.starts import LEAST, Taught, check_deterministic, taught
from expint.arguments import checked, choice, instance, integer, seen
from expint.backend import Array
from expint.progress import progress_bar

__all__ = ["TuningInterrupted", "tune"]

WHAT = ("grid", "rows", "plan")
SEARCHES = ("differences", "dp", "total-weight", "evolution")
WAYS = ("differences", "gradient", "closed-form")
_TAIL = 0.05  # of the logarithm of the mean error in what is lowered
_QUANTITY = "median relative error"
_LEAST_FLOOR = 1e-9  # below which errors count as equal


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


@checked(
    steps=integer, teacher=partial(integer, least=2), iterations=integer, batch=integer, seed=partial(integer, least=0)
)
def tune(
    denoiser: Denoiser,
    noise: Array,
    *,
    steps: int,
    what: Literal["grid", "rows", "plan"] = "plan",
    loss: str | Callable[[Array], Any] = "endpoint",
    consistent: bool = False,
    bands: Bands | None = None,
    by: Literal["differences", "gradient", "closed-form"] = "differences",
    search: Literal["differences", "dp", "total-weight", "evolution"] = "differences",
    fitness: Callable[[Array], float] | None = None,
    sampler: str | Sampler | Automatic = "auto",
    teacher: int = 50,
    iterations: int = 40,
    batch: int | None = None,
    seed: int = 0,
    progress: bool = False,
    executor: Executor | None = None,
) -> FittedSampler:
    r"""Return a sampler of so many network calls whose times and weights are fitted to this network.

    A run of n calls is a table of numbers,

    .. math:: x_i = c_i \, x_T + \sum_{j<i} d_{ij} \, x_0(x_j, \tau_j), \qquad i = 0 \dots n.

    The best exact sampler is searched for (gauge, method, order, clock of the history, grid), then its times are moved,
    then times and weights together, so that runs end near those of a fine solve of the same network, the teacher. The
    network needs no gradient: derivatives are differences of runs, and the steps are those of Gauss and Newton for the
    mean logarithm of the errors. Half of the starts are not fitted to: on them it is decided which result is kept. One
    whose mean error lies above that of the untuned sampler, "auto" or what ``sampler`` says, never is.

    Parameters
    ----------
    denoiser
        The network with what it predicts and its schedule. Guidance and conditions are part of it; a condition with an
        entry for each start is cut with the starts.
    noise
        Standard normal noise of shape (batch, …), NumPy or torch: a few dozen starts or more, at least 8.
    steps
        n, the number of network calls.
    what
        "plan": times and weights. "grid": the times, with exact weights. "rows": the weights, on the times of the best
        exact structure.
    loss
        "endpoint": the distance at the end of a run over the norm of the teacher's sample. "trajectory": the root mean
        square of such distances at all points of the run. A function of samples that returns features (batch, …): the
        distance of these.
    consistent
        Whether constant data and noise are kept exactly: c_i = σ_i/σ_T, c_i α_T + Σ_j d_ij = α_i.
    bands
        Parts of a sample that get weights of their own in the end; see `diffusion.bands`.
    by
        How weights are fitted. "differences": as above, about n²/6 runs an iteration. "gradient": Adam along the
        gradient through the run, for networks of torch, six steps for one of ``iterations``; of weights alone under
        guidance. "closed-form": ridge least squares on the teacher's states, the exact weights as prior, four runs for
        each trial of times; for networks of which a call is dear.
    search
        How times are found. "differences": as above. "dp": dynamic programming on the errors of single steps (GITS).
        "total-weight": the least weight of the errors of predictions, without calls (DMN). "evolution": differential
        evolution.
    fitness
        A function of samples (batch, …) to a number, the smaller the better, that "evolution" lowers, and that decides
        what is kept instead of the errors.
    sampler
        What to start from: "auto" looks for the best structure; a named or declared sampler of one call a step is the
        only one.
    teacher
        The number of calls of the teacher, "auto". Its error is estimated by a run with half as many, and reported;
        where it is above 0.3 %, runs on times uniform in λ are made as well, and the better of both teaches.
    iterations
        The most iterations of a stage.
    batch
        How many starts are run at once; None is all of a half.
    seed
        Of the division of the starts, and of what "gradient" and "evolution" draw. The result is determined by it.
    progress
        True for a progress bar (needs tqdm).
    executor
        Where the batches of size ``batch`` are run, the teacher's among them: a pool of threads or processes, or
        `expint.study.Ranks`, by which all ranks of a job share them, each calling this function with the same
        arguments. Of the batches only errors and normal matrices are gathered and summed, in the order of the batches:
        who runs them changes no bit. A descent along the gradient is not divided.

    Returns
    -------
    FittedSampler
        For ``diffusion.sample(denoiser, noise, sampler=…)``, to save and to load. Its ``report`` has the median error
        on the starts not fitted to, before and after, the standard error of the mean, the calls spent on a sample each,
        and in ``details`` the means, the stages, what was decided and the seconds.

    Raises
    ------
    ValueError
        If there are fewer than 8 starts, an option is unknown, the network's output depends on more than its input, the
        sampler makes more than one call a step, or the options exclude each other.
    TypeError
        If the gradient is asked for of a network without one; for arguments of the wrong kind.
    SamplingError
        If the teacher's runs are not finite.
    TuningInterrupted
        At Ctrl-C: a KeyboardInterrupt with the best so far in its attribute ``sampler``. Whatever else ends the fit, as
        a network that raises, is passed on with the same attribute.

    Notes
    -----
    Tables of this kind: Shaul et al., *Bespoke non-stationary solvers*, 2024. Rows by least squares: Duan et al.,
    *Optimal linear subspace search*, 2023; over the times they are eliminated, variable projection: Golub & Pereyra,
    1973. What is here is Gauss–Newton for both at once.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> model = diffusion.models.gaussian_mixture([1, 1], [[-1.0, 0.0], [1.0, 0.5]], [0.05 * np.eye(2)] * 2)
    >>> starts = np.random.default_rng(0).standard_normal((32, 2))
    >>> tuned = diffusion.tune(model, starts, steps=4, iterations=5)
    >>> tuned.report.after < tuned.report.before
    True
    >>> diffusion.sample(model, starts, sampler=tuned).shape
    (32, 2)
    """
    begun = time.perf_counter()
    check_denoiser(denoiser)
    check_state(noise)
    residual, rule = _loss(loss), _rule(sampler)
    _check_options(noise, what, by, search, fitness, bands, residual, consistent)
    task = _task(denoiser, rule, steps)._replace(
        consistent=consistent, iterations=iterations, search=search, by=by, seed=seed
    )
    if by == "gradient":
        check_gradients(denoiser, noise)
    check_deterministic(denoiser, noise)
    if teacher <= steps:
        raise ValueError(f"expected a teacher of more than steps = {steps} calls, received {teacher}; take about 50")
    with_path = residual == LOSSES["trajectory"] or search == "dp" or by == "closed-form"
    lessons, fitted = _lessons(denoiser, noise, task, teacher, batch, with_path, executor)
    measure = Robust(max(lessons.error, _LEAST_FLOOR), _TAIL)
    with progress_bar(progress, 4 + 3 * iterations, f"tuning {steps} calls") as tick:
        contest = Contest(
            lessons.shards[:fitted], lessons.shards[fitted:], residual, measure, fitness, executor, tick, lessons.calls
        )
        finish = partial(_finished, denoiser, noise, task, contest, lessons, begun)
        try:
            _stages(contest, task, rule, what, bands)
        except KeyboardInterrupt:
            raise TuningInterrupted(finish(interrupted=True) if contest.best else None) from None
        except BaseException as error:  # of the network, or an exit
            _keep_best(error, finish(interrupted=True) if contest.best else None)
            raise
    return finish()


def _keep_best(error: BaseException, sampler: FittedSampler | None) -> None:
    """Put the best so far into an exception that ends a tuning."""
    error.sampler = sampler  # type: ignore[attr-defined]  # nothing fitted is lost
    if sampler is not None:
        error.add_note("the best sampler so far is in the attribute 'sampler' of this exception")


def _stages(contest: Contest, task: Task, rule: Sampler | Automatic, what: str, bands: Bands | None) -> None:
    structure, values = best_structure(contest, task, rule)
    if what != "rows":
        values = laid_out(contest, task, structure)
        contest.note("times")
    if what != "grid":
        tuned_rows(contest, task, values, times=what == "plan")
        if bands is not None:
            in_bands(contest, task, bands)


def _loss(loss: Any) -> Loss:
    if callable(loss):
        return Features(loss)
    return LOSSES[choice("loss", loss, LOSSES)]


def _rule(sampler: Any) -> Sampler | Automatic:
    rule = find_sampler(sampler)
    if not isinstance(rule, Sampler | Automatic):
        raise TypeError(
            f"expected a sampler to start from that has a rule for times, a name or a diffusion.Sampler, received "
            f"{seen(sampler)}; take 'auto'"
        )
    return rule


def _check_options(
    noise: Array,
    what: str,
    by: str,
    search: str,
    fitness: Any,
    bands: Bands | None,
    loss: Loss,
    consistent: bool,
) -> None:
    """Raise unless the options are known and go together."""
    choice("what", what, WHAT)
    choice("by", by, WAYS)
    choice("search", search, SEARCHES)
    if fitness is not None and not callable(fitness):
        raise TypeError(f"expected fitness as a function of samples, received {seen(fitness)}")
    excluded = [
        (fitness is not None and search != "evolution", "fitness", "search='evolution', which lowers it"),
        (bands is not None and what == "grid", "bands", "what='plan' or 'rows', whose weights they have"),
        (by != "differences" and what == "grid", f"by={by!r}", "what='plan' or 'rows', whose weights it fits"),
        (
            search != "differences" and what == "rows",
            f"search={search!r}",
            "what='grid' or 'plan', whose times it finds",
        ),
        (consistent and what == "grid", "consistent=True", "what='plan' or 'rows': exact weights are consistent"),
        (consistent and by == "closed-form", "consistent=True", "by='differences' or 'gradient'"),
        (by == "closed-form" and loss != LOSSES["endpoint"], "another loss", "by='differences' or 'gradient'"),
    ]
    for wrong, received, remedy in excluded:
        if wrong:
            raise ValueError(f"expected {received} with {remedy}; received what={what!r}, by={by!r}, search={search!r}")
    if bands is not None:
        instance("bands", bands, Bands).check(noise)
    if noise.shape[0] < LEAST:
        raise ValueError(
            f"expected at least {LEAST} starts, half of them to decide, received {noise.shape[0]}; pass a few dozen"
        )


def _task(denoiser: Denoiser, rule: Sampler | Automatic, steps: int) -> Task:
    """Return the run that is to be fitted: where it begins and ends is the choice of the rule."""
    _, times, to_zero = lay_out(denoiser, rule, steps, None)
    all_times = np.append(times, denoiser.schedule.t_clean) if to_zero else times
    return Task(denoiser.schedule, all_times, to_zero, denoiser.discontinuities)


def _lessons(
    denoiser: Denoiser,
    noise: Array,
    task: Task,
    teacher: int,
    batch: int | None,
    with_path: bool,
    executor: Executor | None,
) -> tuple[Taught, int]:
    """Return the starts as the teacher solves them, in shards, the first so many those of the fits."""
    count = noise.shape[0]
    order = np.random.default_rng(task.seed).permutation(count)
    halves = [np.sort(half) for half in (order[: count - count // 2], order[count - count // 2 :])]
    size = batch or count
    fitted, held_out = ([half[i : i + size] for i in range(0, len(half), size)] for half in halves)
    parts, keep = [*fitted, *held_out], {"to_zero": task.to_zero, "with_path": with_path}
    found = taught(denoiser, noise, parts, teacher, executor=executor, **keep)
    return found, len(fitted)


def _finished(
    denoiser: Denoiser,
    noise: Array,
    task: Task,
    contest: Contest,
    lessons: Taught,
    begun: float,
    interrupted: bool = False,
) -> FittedSampler:
    """Return the best candidate as a sampler, with its report."""
    best, untuned = contest.best, contest.untuned
    assert best is not None
    assert untuned is not None
    kept = best.name if best is not untuned else f"{best.name}: nothing did better on the starts held out"
    before, after = (float(np.median(candidate.errors)) for candidate in (untuned, best))
    details: dict[str, Any] = {
        "untuned": untuned.name,
        "decided": kept,
        "mean before": float(np.mean(untuned.errors)),
        "mean after": float(np.mean(best.errors)),
        "stages": [list(stage) for stage in contest.stages],
        "teacher": lessons.name,
        "teacher calls": lessons.steps,
        "teacher error": lessons.error,
        "calls of a start": contest.calls / noise.shape[0],
        "seconds": time.perf_counter() - begun,
        "interrupted": interrupted,
    }
    if contest.fitness is not None:
        details |= {"fitness before": untuned.score, "fitness after": best.score}
    fitted, held_out = (sum(shard.start.shape[0] for shard in part) for part in (contest.fitted, contest.held_out))
    spread = float(np.std(best.errors, ddof=1) / np.sqrt(held_out))
    report = Report(_QUANTITY, before, after, spread, contest.calls, (fitted, held_out), details)
    return as_sampler(best.values, denoiser, task.times, shape=tuple(noise.shape[1:]), report=report)
