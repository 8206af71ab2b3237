"""Sampling by Picard iteration: many steps of a run in one call of the network, again until they agree."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np

import expint
from diffusion.checks import check_start, check_state
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import FirstData, first_data, looks, warn_off_scale
from diffusion.noise.sources import columns_by_number
from diffusion.planning.conversion import Predicted
from diffusion.planning.frame import Frame
from diffusion.running.each import look_at_each
from diffusion.running.errors import final
from diffusion.running.run import noise_of
from diffusion.running.trajectories import Begun, begun_run
from diffusion.samplers.catalogue import AnySampler
from expint.arguments import integer, number
from expint.backend import Array, all_finite, array_namespace
from expint.run import Accepted
from expint.run.compiled import Asked, Told, agreement, requests

__all__ = ["ParallelRun", "sample_in_parallel"]

Rounds: TypeAlias = Generator[Asked | Accepted, Told | None]
"""The run of one sample."""

_DRAWN = 256
"""So many steps of noise are kept, of the whole batch; what is forgotten is drawn again, the same."""


@dataclass(frozen=True, eq=False)
class ParallelRun:
    """What `sample_in_parallel` returns.

    Attributes
    ----------
    samples
        As `sample` returns them; of a run that was ended by an exception the last states that are done.
    t
        The times of ``samples``, (B,).
    rounds
        How many times each sample waited for the network, (B,).
    calls
        How many of its states the network was asked for, (B,): more than in a run one by one, ``evaluations``.
    evaluations
        The calls of the run one by one, of which each waits for the one before it.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.5]], [[[0.1]]])
    >>> run = diffusion.sample_in_parallel(net, np.array([[0.3], [-1.0]]), sampler="ddim", steps=50)
    >>> run.evaluations, bool((run.rounds < 25).all())
    (50, True)
    """

    samples: Array
    t: np.ndarray
    rounds: np.ndarray
    calls: np.ndarray
    evaluations: int

    def __repr__(self) -> str:
        rounds = f"{self.rounds.max(initial=0)} rounds of the network in place of {self.evaluations}"
        return f"ParallelRun({len(self.t)} samples, {rounds})"


def sample_in_parallel(
    denoiser: Denoiser,
    noise: Array,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    start: Literal["noise", "state"] = "noise",
    rng: Any = None,
    window: int | None = None,
    tolerance: float = 1e-3,
    batch_size: int | None = None,
) -> ParallelRun:
    r"""Return samples in fewer rounds of the network, by Picard iteration: for many steps, and a device with room.

    With predictions :math:`f_j` taken for known, all states of the plan are known,

    .. math:: x_i = c_i x_T + \sum_{j<i} D_{ij} f_j,

    and the network is asked for all of them in one call; the rows of the plan are exact for data that do not change
    along the run, so that the iteration has only to find how they change. What is done does not change any more; after
    n rounds at most, n the calls of the sampler, the run is that of `sample`. Samples are independent: each has a
    window of its own, and one that is done is asked for no longer.

    Parameters
    ----------
    denoiser, noise, sampler, steps, grid, start, rng
        As for `sample`. The network is told a time for each state.
    window
        The most states of one sample in a call; None for all that are left.
    tolerance
        How much a prediction may differ, relative to its root mean square, from what was taken for it. 0 asks for the
        same bits, and gives what `sample` does to the rounding of the network on other batches.
    batch_size
        The most states in one call of the network, None for all of a round.

    Returns
    -------
    ParallelRun
        The samples, and what they cost.

    Raises
    ------
    ValueError, TypeError
        As `sample` does; for processes with a mean, for samplers whose rows multiply other things than predictions,
        and for networks that do not take a time for each sample.
    SamplingError
        If samples are not finite. What is raised holds in its attribute ``run`` what was reached.

    Warns
    -----
    OffScaleWarning
        As `sample` does.

    Notes
    -----
    Shih et al., *Parallel sampling of diffusion models*, 2023 (ParaDiGMS), with Euler's steps. A round asks for a
    window of states of each sample: where the network is not faster for more of them at once, nothing is gained.
    Nothing is recorded for gradients.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.5]], [[[0.1]]])
    >>> noise = np.array([[0.3], [-1.0]])
    >>> run = diffusion.sample_in_parallel(net, noise, sampler="ddim", steps=50, tolerance=0.0)
    >>> bool(np.allclose(run.samples, diffusion.sample(net, noise, sampler="ddim", steps=50), rtol=1e-12))
    True
    """
    most = None if window is None else integer("window", window)
    size = None if batch_size is None else integer("batch_size", batch_size)
    tolerance = number("tolerance", tolerance, least=0.0)
    begun = begun_run(denoiser, noise, sampler, steps, grid, start, rng)
    rounds = _Rounds(begun, _kind(begun), tolerance, size)
    try:
        rounds.run(most)
        return rounds.checked(rounds.reached())
    except BaseException as error:
        error.run = rounds.reached()  # type: ignore[attr-defined]  # nothing reached is lost
        raise


def _kind(begun: Begun) -> Any:
    """Return which prediction the rows of the plan multiply.

    Raises
    ------
    TypeError, ValueError
        If they multiply something else, or the states are not those of the process.
    """
    slope = begun.sampler.slope(begun.frame.denoiser)
    if not isinstance(slope, Predicted):
        raise TypeError(
            f"expected a sampler whose rows multiply predictions of the network, received {begun.sampler.name!r}; take "
            "diffusion.sample for it"
        )
    if type(begun.frame) is not Frame:
        raise ValueError(
            f"expected a denoiser whose runs are those of its own states, received {begun.frame.denoiser!r:.120}, with "
            "a mean or densities beside them; take diffusion.sample for it"
        )
    return slope.kind


class _Rounds:
    """The rounds of the network, and what each sample has reached."""

    def __init__(self, begun: Begun, kind: Any, tolerance: float, size: int | None) -> None:
        denoiser, plan, x = begun.frame.denoiser, begun.plan, begun.state
        check_state(x)
        check_start(begun.start)
        begun.sampler.admit(denoiser, x)
        if begun.start == "noise":
            x = x * denoiser.schedule.noise_scale(plan.steps[0].times[0])
        self._denoiser, self._sampler, self._plan, self._x = denoiser, begun.sampler, plan, x
        self._kind, self._tolerance, self._size, self._earlier = kind, tolerance, size, begun.earlier
        noise = noise_of(plan, begun.sampler, denoiser.schedule, begun.rng, x)
        draw = None if noise is None else columns_by_number(plan, noise, x)
        self._columns = None if draw is None else lru_cache(maxsize=_DRAWN)(draw)
        self._last = [Accepted(float(plan.steps[0].times[0]), x[b : b + 1, ...], 0) for b in range(x.shape[0])]
        self._rounds, self._calls = (np.zeros(x.shape[0], dtype=int) for _ in range(2))
        self._looks = looks(plan, denoiser.schedule, denoiser.predicts)
        self._seen: dict[float, dict[int, tuple[Array, Array]]] = {t: {} for t in self._looks}
        self._looked, self._from_noise = False, begun.start == "noise"

    def run(self, window: int | None) -> None:
        """Ask the network until all samples are done."""
        runs = [self._requests(b, window) for b in range(self._x.shape[0])]
        asked = {b: due for b, run in enumerate(runs) if (due := self._next(b, run, None)) is not None}
        while asked:
            values = self._values(asked)
            taken, told, begin = [due.taken for due in asked.values()], dict[int, Told](), 0
            for (b, due), agree in zip(asked.items(), agreement(taken, values, self._tolerance), strict=True):
                end = begin + len(due.times)
                told[b] = Told([values[i : i + 1, ...] for i in range(begin, end)], agree)
                self._rounds[b] += 1
                self._calls[b] += end - begin
                begin = end
            asked = {b: due for b in asked if (due := self._next(b, runs[b], told[b])) is not None}

    def _requests(self, b: int, window: int | None) -> Rounds:
        own, columns = slice(b, b + 1), self._columns

        def of_sample(step: int) -> list[Array | None]:
            assert columns is not None
            return [None if column is None else column[own, ...] for column in columns(step)]

        earlier = [state[own, ...] for state in self._earlier]
        noise = None if columns is None else of_sample
        return requests(self._plan, self._x[own, ...], window, earlier=earlier, noise=noise)

    def _next(self, b: int, run: Rounds, told: Told | None) -> Asked | None:
        """Return what a sample asks for next, None where it is done."""
        try:
            due = run.send(told)
            while isinstance(due, Accepted):
                self._last[b] = due
                due = run.send(None)
        except StopIteration:
            return None
        return due

    def _values(self, asked: dict[int, Asked]) -> Array:
        """Return the predictions at all points that are asked for."""
        points = [point for due in asked.values() for point in due.points]
        times = np.array([t for due in asked.values() for t in due.times])
        which = np.repeat(list(asked), [len(due.times) for due in asked.values()])
        concat = array_namespace(self._x).concat
        size = self._size or len(points)
        parts = [slice(first, first + size) for first in range(0, len(points), size)]
        return concat([self._predicted(concat(points[part]), times[part], which[part]) for part in parts])

    def _predicted(self, x: Array, t: np.ndarray, which: np.ndarray) -> Array:
        denoiser = self._denoiser.of_samples(which, self._x.shape[0])
        output = denoiser.at_each(x, t)
        if getattr(output, "requires_grad", False):
            raise TypeError(
                "expected nothing that asks for a gradient, received a network whose output does: rounds record "
                "none; sample under torch.no_grad(), or take diffusion.sample(…, gradient='adjoint')"
            )
        if not self._looked and t[0] != t[-1]:
            self._looked = True
            look_at_each(denoiser, x, t, output, "take diffusion.sample")
        value = denoiser.convert_each(output, x, t, self._kind)
        for n, (time, b) in enumerate(zip(t.tolist(), which.tolist(), strict=True)):
            if time in self._seen:  # of several rounds the last stays
                self._seen[time][b] = x[n : n + 1, ...], value[n : n + 1, ...]
        return value

    def _first(self) -> list[FirstData]:
        """Return what some calls say of the data, those of all samples at one time together."""
        found: list[FirstData] = []
        concat = array_namespace(self._x).concat
        for t, of_samples in self._seen.items():
            x, value = (concat(list(own)) for own in zip(*of_samples.values(), strict=True))
            data = self._sampler.gauge.data(self._denoiser.schedule, t, x, value)
            found.append(first_data(self._looks[t], t, x, data, self._from_noise and not found))
        return found

    def reached(self) -> ParallelRun:
        """Return what is done so far."""
        last = self._last
        samples = array_namespace(self._x).concat([own.y for own in last])
        times = np.array([own.t for own in last])
        return ParallelRun(samples, times, self._rounds, self._calls, self._plan.evaluations)

    def checked(self, run: ParallelRun) -> ParallelRun:
        """Return the run, with a warning if the network fits no data.

        Raises
        ------
        SamplingError
            If samples are not finite.
        """
        status = expint.Status.SUCCESS if all_finite(run.samples) else expint.Status.NON_FINITE
        message = status.sentence
        if status < 0:
            wrong = [b for b, own in enumerate(self._last) if not all_finite(own.y)]
            message += f" Samples {wrong[:5]}, {len(wrong)} in all; diffusion.sample says which call gave it first."
        whole = expint.Solution(run.t[:1], run.samples[None, ...], status, message, method=self._sampler.name)
        final(warn_off_scale(whole, self._denoiser, self._first(), self._plan))
        return run
