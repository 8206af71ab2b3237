r"""Samplers as plain data: the rows of one run, fitted to a network, or taken from a named sampler and written down.

.. math:: x_{i+1} = c_i \, x_0 + \sum_{j \le i} A_{ij} x_j + \sum_{j \le i} D_{ij} f(x_j, τ_j)

Every deterministic linear sampler is of this form, and every fitted one: what differs is where the numbers come from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np

import expint
from diffusion import grids
from diffusion.denoiser import Denoiser
from diffusion.names import resolve
from diffusion.planning.conversion import Predicted
from diffusion.planning.plan import of_data
from diffusion.planning.rows import Rows, plan_rows, used
from diffusion.process.gauge import DATA, FLOW, NOISE, VELOCITY, edm
from diffusion.process.keeping import kept_of_values
from diffusion.process.prediction import Kind, prediction_name
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.bands import Banded, Bands, sample_shape
from diffusion.samplers.citations import bibtex
from diffusion.samplers.ends import STOP, End
from diffusion.samplers.fitted.checks import check_rows, finite, flags
from diffusion.samplers.fitted.fingerprint import Fingerprint
from diffusion.samplers.fitted.number_file import write_numbers
from diffusion.samplers.fitted.report import Report
from diffusion.samplers.fitted.stored import arrays_of, facts_of
from expint.arguments import instance, integer, seen, text
from expint.arrays import real_values
from expint.backend import Array
from expint.operators import Scalar

__all__ = ["SLOPES", "FittedSampler"]

SLOPES = {"data": DATA, "noise": NOISE, "velocity": VELOCITY, "flow": FLOW, "edm": edm()}
_ALIASES = {"x0": "data", "epsilon": "noise", "eps": "noise", "v": "velocity"}


@dataclass(frozen=True, eq=False)
class FittedSampler:
    r"""A sampler given by the numbers of its rows, for one schedule and one number of calls.

    With x_0 the noise and x_n the sample,

    .. math:: x_{i+1} = c_i \, x_0 + \sum_{j \le i} A_{ij} x_j + \sum_{j \le i} D_{ij} f_j,
        \qquad f_j = f(x_j, τ_j),

    for i = 0 … n − 1, where f(x, τ) is the prediction, of the data or of another kind, that the network's output at the
    state x and the time τ implies. Points whose f no row uses are not evaluated. It goes through the same plan and loop
    as every sampler, and is saved and loaded as data.

    Parameters
    ----------
    name
        Its name.
    schedule
        The schedule that it is made for. What is kept of it, and checked at use, are its α, σ and the times that
        networks are told, at the nodes and times.
    nodes
        The times of the points x_0 … x_n, (n + 1,), those of states decreasing; the last may be the schedule's
        ``t_clean``.
    c
        The weights of x_0, (n,), or (n, K) with K bands.
    D
        The weights of the predictions, (n, n) or (n, n, K), zero above the diagonal.
    A
        The weights of the points, as D; None for none.
    times
        The times τ_j, (n,); None is the nodes.
    accepted
        Which of the points x_1 … x_n are states of the run, (n,); the others are inner stages. None for all of them.
        The last is one, and A combines states only.
    gauge
        The kind of f: "data", "noise", "velocity", "flow" or "edm".
    bands
        The parts of a sample that have weights of their own.
    predicts
        The kind of prediction of the network that it is fitted to; None if it is for any.
    shape
        The shape of the samples that it is fitted to; None is that of the bands, or any.
    report
        What fitting did.
    reference
        Key of the source.

    Raises
    ------
    TypeError, ValueError
        If arrays are not finite or do not fit each other, the times of states do not decrease, a row looks at what is
        not there yet, or A at an inner stage.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> vp, noise = diffusion.VP.linear(), np.random.default_rng(0).standard_normal((4, 2))
    >>> one_step = diffusion.FittedSampler("one-step", vp, [1.0, 0.0], c=[0.0], D=[[1.0]])  # x_1 = E[x₀|x_0]
    >>> model = diffusion.models.gaussian_mixture([1], [[0.0, 1.0]], [0.1 * np.eye(2)], schedule=vp)
    >>> diffusion.sample(model, noise, sampler=one_step).shape
    (4, 2)
    """

    name: str
    schedule: Any
    nodes: np.ndarray
    c: np.ndarray
    D: np.ndarray
    A: np.ndarray | None = None
    times: Any = None
    accepted: Any = None
    gauge: Any = "data"
    bands: Bands | None = None
    predicts: Kind | None = None
    shape: tuple[int, ...] | None = None
    report: Report | None = None
    reference: str = ""

    _never_changes = True

    def __post_init__(self) -> None:
        text("name", self.name)
        text("reference", self.reference)
        nodes = real_values("nodes", self.nodes, ndim=1)
        n = nodes.size - 1
        if n < 1 or not np.all(np.isfinite(nodes[:-1])) or np.isnan(nodes[-1]):
            raise ValueError(f"{self.name}: expected nodes as at least two times, received {seen(self.nodes)}")
        bands = None if self.bands is None else instance("bands", self.bands, Bands)
        times = nodes[:-1] if self.times is None else finite("times", self.times, (n,), None)
        accepted = np.ones(n, bool) if self.accepted is None else flags(self.accepted, n)
        c, D = finite("c", self.c, (n,), bands), finite("D", self.D, (n, n), bands)
        A = None if self.A is None else finite("A", self.A, (n, n), bands)
        kind = resolve(getattr(self.gauge, "predicts", self.gauge), SLOPES, _ALIASES, "kind of slope")
        self._keep(nodes=nodes, c=c, D=D, A=A, times=times, accepted=accepted)
        check_rows(self.name, nodes, accepted, D, A)
        schedule = Fingerprint.of(self.schedule, nodes, times, with_sigma_data=kind == "edm")
        gauge = edm(schedule.sigma_data or 0.5) if kind == "edm" else SLOPES[kind]
        predicts = None if self.predicts is None else prediction_name(self.predicts)
        shape = self.shape if self.shape is not None or bands is None else bands.shape
        shape = None if shape is None else sample_shape(shape)
        self._keep(schedule=schedule, gauge=gauge, predicts=predicts, shape=shape)
        if bands is not None and self.shape != bands.shape:
            raise ValueError(f"{self.name}: expected the shape of the bands, {bands.shape}, received {self.shape}")
        if self.report is not None:
            instance("report", self.report, Report)

    def __reduce__(self) -> Any:
        """Return how to make it again, its arrays no less protected."""
        return type(self), tuple(getattr(self, part.name) for part in fields(self))

    def _keep(self, **values: Any) -> None:
        """Take over checked values, arrays as copies that cannot be written to."""
        for name, value in values.items():
            kept = value
            if isinstance(value, np.ndarray):
                kept = value.copy()
                kept.flags.writeable = False
            object.__setattr__(self, name, kept)

    @property
    def rows(self) -> Rows:
        """The weights of all rows as arrays, A and ``times`` among them whether they were given or not."""
        n = len(self.c)
        A = np.zeros((n, n)) if self.A is None else self.A
        return Rows(self.nodes, self.times, self.accepted, self.c, A, self.D)

    @property
    def calls(self) -> int:
        """The number of network calls of a run."""
        return int(np.sum(used(self.D).any(axis=0)))

    @property
    def steps(self) -> int:
        """The number of steps, from state to state."""
        return int(np.sum(self.accepted))

    @property
    def end(self) -> End:
        """What happens at the end of the grid: a step to σ = 0, or nothing."""
        return End(zero=1) if self.schedule.ends_clean else STOP

    def grid(self, steps: int, schedule: NoiseSchedule) -> np.ndarray:
        """Return the times of the states of a run, but for that at σ = 0; others there are none."""
        del steps
        return self.run_times(None, None, schedule)[0]

    def for_run(self, steps: int, schedule: NoiseSchedule) -> FittedSampler:
        """Return the sampler with which a run of so many ``steps`` is made, this one, or refuse the number."""
        self.run_times(steps, None, schedule)
        return self

    def on(self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False) -> FittedSampler:
        """Return the sampler with which a run over the ``times`` is made, this one, or refuse them."""
        self._match(times, to_zero, schedule)
        return self

    def run_times(
        self, steps: int | None, grid: Sequence[float] | np.ndarray | None, schedule: NoiseSchedule
    ) -> tuple[np.ndarray, bool]:
        """Return the times of a run, and whether one more step leads to σ = 0.

        Raises
        ------
        ValueError
            If steps or times are asked for that are not its own, or the schedule is another one.
        """
        if steps is not None and integer("steps", steps) != self.steps:
            raise ValueError(
                f"{self.name}: expected steps = {self.steps}, which its rows are for, or none given; received {steps}; "
                "fit a sampler for that number"
            )
        self.schedule.check(schedule, self.name)
        nodes = np.append(self.nodes[0], self.nodes[1:][self.accepted])
        times, to_zero = (nodes[:-1], True) if self.schedule.ends_clean else (nodes, False)
        grids.check(times, schedule, least=1)
        if grid is not None:
            self._match(*grids.check_with_zero(grid, schedule), schedule)
        return times, to_zero

    def _match(self, times: np.ndarray, to_zero: bool, schedule: NoiseSchedule) -> None:
        own, ends_clean = self.run_times(None, None, schedule)
        given = np.asarray(times, dtype=float)
        if ends_clean and not to_zero and given.size == own.size + 1 and float(schedule.sigma(given[-1])) == 0.0:
            given, to_zero = given[:-1], True
        if to_zero != ends_clean or given.shape != own.shape or not np.allclose(given, own, rtol=1e-9, atol=0.0):
            raise ValueError(
                f"{self.name}: expected the times that its rows are for, {seen(self.nodes)}, received "
                f"{seen(np.append(given, schedule.t_clean) if to_zero else given)}; leave the grid out, or fit a "
                "sampler for these"
            )

    def backwards(self, schedule: NoiseSchedule, times: np.ndarray) -> Any:
        """Refuse: rows fitted to runs from noise to data say nothing of the way back."""
        del schedule, times
        raise ValueError(
            f"expected a sampler that can be run from data to noise, received {self.name!r}, whose rows are numbers "
            "for the other way; encode with a named sampler such as 'dpmpp-2m', on a grid of as many steps"
        )

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the numbers of a run over ``times``, which have to be its own.

        The breakpoints ``edges`` change nothing: the rows are fitted to the network with its discontinuities.
        """
        del edges
        self._match(times, to_zero, schedule)
        return self.plan_on(schedule)

    def plan_on(self, schedule: NoiseSchedule) -> expint.Plan:
        """Return the numbers of a run on the ``schedule``.

        Raises
        ------
        ValueError
            If it is another schedule than the sampler is made for.
        """
        self.schedule.check(schedule, self.name)
        return _plan(self, schedule)

    def slope(self, denoiser: Denoiser) -> Callable[[float, Array], Array]:
        """Return what the plan's rows are evaluated by, as a function of (t, x): the prediction of the gauge."""
        return Predicted(denoiser, self.gauge.predicts)

    def admit(self, denoiser: Denoiser, state: Array) -> None:
        """Raise ValueError if the network predicts, or the samples are, something else than it is fitted to."""
        if self.predicts is not None and denoiser.predicts != self.predicts:
            raise ValueError(
                f"{self.name}: expected a network that predicts {self.predicts!r}, as the one that it is fitted to, "
                f"received {denoiser.predicts!r}; fit a sampler to this network"
            )
        if self.shape is not None and tuple(state.shape[1:]) != self.shape:
            raise ValueError(
                f"{self.name}: expected samples of shape {self.shape}, to which it is fitted, received "
                f"{tuple(state.shape[1:])}; fit a sampler to such samples"
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sampler to a file in the safetensors format, from which `diffusion.load_sampler` reads it.

        The file holds float64 arrays, and as JSON in its metadata the names, the version of the format, the report and
        a checksum. It appears whole or not at all, and is the same for the same sampler, byte for byte.

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If the kind of prediction is a formula, or the report holds what JSON cannot.
        ImportError
            Without the package safetensors.

        Examples
        --------
        >>> import diffusion, tempfile, pathlib
        >>> vp, folder = diffusion.VP.linear(), tempfile.TemporaryDirectory()
        >>> file = pathlib.Path(folder.name) / "eight.safetensors"
        >>> eight = diffusion.freeze("unipc3", vp, steps=8)
        >>> eight.save(file)
        >>> diffusion.load_sampler(file).plan_on(vp) == eight.plan_on(vp)
        True
        """
        write_numbers(path, facts_of(self), arrays_of(self))

    def cite(self) -> str:
        """Return the source of the sampler as BibTeX, nothing if it has none."""
        return bibtex(self.reference) if self.reference else ""

    def __repr__(self) -> str:
        bands = "" if self.bands is None else f", {self.bands.count} bands"
        return f"FittedSampler({self.name!r}, {self.steps} steps, {self.calls} calls{bands}, for {self.schedule.words})"


@kept_of_values(maxsize=64)
def _plan(sampler: FittedSampler, schedule: NoiseSchedule) -> expint.Plan:
    operator: Any = Scalar(0.0) if sampler.bands is None else Banded(sampler.bands)
    return plan_rows(sampler.rows, operator, partial(of_data, sampler.gauge.predicts, schedule))
