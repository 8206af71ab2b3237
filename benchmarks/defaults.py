"""The default sampler beside Euler and the best named sampler, on exact models of every kind of schedule, as tables.

Run it as ``python -m benchmarks.defaults``; with ``--write`` it renews docs/defaults.md. A cell is a model, a schedule
with its ends and a number of network calls. Its error is the median over starts of the relative distance to the exact
endpoint of the same start, by a Runge–Kutta solution of 400 steps. The rule was chosen on the models called tuning.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import diffusion
from benchmarks import Page
from diffusion.models.mixture import gaussian_mixture

PAGE = Page("defaults.md", "benchmarks.defaults")
CALLS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50)
SIZE, STARTS = 8, 48
HALVES = ("tuning", "held-out")
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2  # of Stable Diffusion
NAMED = (
    *(name for name in diffusion.sampler_names() if "@" not in name and name != "auto"),
    *(f"unipc{p}-{bh}@unipc" for p in (2, 3) for bh in ("bh1", "bh2")),
    "dpmpp-2m@k-diffusion",
    "dpmpp-3m@k-diffusion",
    "dpmpp-2m@dpm-solver",
    "deis3@diffusers",
    "unipc2-bh2@diffusers",
)
"""The rivals: presets that only change an end, or agree to rounding with another name, are left out."""


class Model(NamedTuple):
    """A mixture of Gaussians with diagonal covariances."""

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray


class Case(NamedTuple):
    """A schedule with its ends.

    Attributes
    ----------
    schedule
        What the rule runs on.
    published
        What the named samplers run on; their last step leads to σ = 0 where ``to_zero``.
    to_zero
        Whether the exact endpoint is at σ = 0.
    """

    schedule: diffusion.NoiseSchedule
    published: diffusion.NoiseSchedule
    to_zero: bool = False


def cases() -> dict[str, Case]:
    """Return the schedules."""
    vp, table, flow = diffusion.VP.linear(), diffusion.VP.from_betas(BETAS), diffusion.FlowMatching()
    late = diffusion.VP.zero_terminal_snr(BETAS)
    noise = diffusion.FlowMatching(t_start=1.0)
    shifted = diffusion.FlowMatching(shift=3.0)
    return {
        "VP": Case(vp, vp),
        "VP to σ = 0": Case(diffusion.VP.linear(t_end=0.0), vp, to_zero=True),
        "cosine": Case(diffusion.VP.cosine(), diffusion.VP.cosine()),
        "Stable Diffusion table to σ = 0": Case(table, table, to_zero=True),
        "the same from pure noise": Case(late, late, to_zero=True),
        "VE": Case(diffusion.VE(), diffusion.VE()),
        "EDM": Case(diffusion.EDM(), diffusion.EDM()),
        "flow": Case(flow, flow),
        "flow, shift 3": Case(shifted, shifted),
        "flow from pure noise": Case(noise, noise),
        "flow from pure noise to σ = 0": Case(diffusion.FlowMatching(t_start=1.0, t_end=0.0), noise, to_zero=True),
    }


def models(half: str) -> dict[str, Model]:
    """Return the models of a half: "tuning" or "held-out"."""
    rng, tuning = np.random.default_rng(1 if half == "tuning" else 2), half == "tuning"

    def mixture(count: int, spread: float | np.ndarray, low: Any, high: Any) -> Model:
        means = rng.normal(size=(count, SIZE)) * spread
        return Model(rng.uniform(0.5, 1.5, count), means, rng.uniform(low, high, (count, SIZE)))

    spectrum = np.geomspace(2.0, 1e-3, SIZE) if tuning else np.geomspace(0.8, 1e-2, SIZE)
    plane = np.full((6 if tuning else 10, SIZE), 1e-4 if tuning else 1e-5)
    for row in plane:
        row[rng.permutation(SIZE)[:2]] = rng.uniform(0.1, 0.5, 2)
    decay = np.arange(1, SIZE + 1.0) ** (-2.0 if tuning else -1.5)
    return {
        "Gaussian": Model(np.ones(1), rng.normal(size=(1, SIZE)) * 0.3, spectrum[None]),
        "separated": mixture(5, 1.2, 0.01, 0.04) if tuning else mixture(9, 0.9, 0.005, 0.02),
        "overlapping": mixture(4, 0.6, 0.1, 0.6) if tuning else mixture(3, 0.8, 0.3, 0.9),
        "manifold": Model(rng.uniform(0.5, 1.5, len(plane)), rng.normal(size=plane.shape) * 0.7, plane),
        "images": mixture(8 if tuning else 12, np.sqrt(decay) * 0.8, decay * 0.04 + 2e-4, decay * 0.15 + 2e-4),
    }


def denoiser(chosen: Sequence[Model], schedule: diffusion.NoiseSchedule) -> diffusion.Denoiser:
    """Return all the models as one, a sample of the batch for each; it predicts the velocity, which suits any end."""
    networks = [
        gaussian_mixture(w, means, [np.diag(v) for v in variances], schedule, predicts="velocity")
        for w, means, variances in chosen
    ]

    def network(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.stack([each.network(x[i], np.full(len(x[i]), t[i])) for i, each in enumerate(networks)])

    return diffusion.Denoiser(network, "velocity", schedule)


def noise(chosen: Sequence[Model]) -> np.ndarray:
    """Return the starts, the same for every model."""
    return np.broadcast_to(np.random.default_rng(0).normal(size=(STARTS, SIZE)), (len(chosen), STARTS, SIZE)).copy()


def exact(chosen: Sequence[Model], case: Case, steps: int = 400) -> np.ndarray:
    """Return the endpoints of the flow."""
    grid = diffusion.grids.power(steps, 3, "flow", schedule=case.schedule)
    if case.to_zero and float(case.schedule.sigma(grid[-1])) > 0.0:
        grid = np.append(grid, 0.0)
    return diffusion.sample(denoiser(chosen, case.schedule), noise(chosen), sampler="lawson-rk4-flow", grid=grid)


def errors(end: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the median relative error of each model."""
    return np.median(np.linalg.norm(end - reference, axis=-1) / np.linalg.norm(reference, axis=-1), axis=1)


def named(chosen: Sequence[Model], case: Case, name: str, calls: int) -> np.ndarray | None:
    """Return the endpoints of a named sampler with so many calls at most, None where it has no such run.

    It runs on its own grid, or where that is infinite at an end on one uniform in t.
    """
    sampler = diffusion.sampler(name)
    network, start = denoiser(chosen, case.published), noise(chosen)
    to_zero, stages = case.to_zero or sampler.end.zero is not None, max(sampler.method.stages, 1)
    before = (calls - to_zero) // stages
    if not before and not to_zero:
        return None
    for rule in (sampler.grid, lambda n, schedule: diffusion.grids.uniform(n, "t", schedule=schedule)):
        try:
            times = rule(before, case.published) if before else np.array([case.published.t_start])
            times = np.append(times, 0.0) if to_zero and case.published.sigma(times[-1]) > 0.0 else times
            run = diffusion.trajectory(network, start, sampler=sampler, grid=times)
        except ValueError:
            continue
        if run.calls <= calls and run.success:
            return run.y_end
    return None


class Cell(NamedTuple):
    """What one model, schedule and number of calls gave."""

    half: str
    case: str
    model: str
    calls: int
    auto: float
    euler: float
    same_grid: float
    best: float
    name: str


def cells(calls: Sequence[int], labels: Sequence[str], names: Sequence[str], fine: int = 400) -> Iterator[Cell]:
    """Return the cells of both halves of the models."""
    known = {(half, name): model for half in HALVES for name, model in models(half).items()}
    chosen = list(known.values())
    for label in labels:
        case = cases()[label]
        reference, network, start = exact(chosen, case, fine), denoiser(chosen, case.schedule), noise(chosen)
        for count in calls:
            run = diffusion.trajectory(network, start, steps=count)
            auto = errors(run.y_end, reference)
            euler = diffusion.sample(network, start, sampler="ddim", grid=run.t)
            on_grid = errors(euler, reference)
            found = {name: named(chosen, case, name, count) for name in dict.fromkeys(("ddim", *names))}
            rivals = {name: errors(end, reference) for name, end in found.items() if end is not None}
            for i, (half, model) in enumerate(known):
                best = min(rivals, key=lambda name: rivals[name][i])
                values = (auto[i], rivals["ddim"][i], on_grid[i], rivals[best][i])
                yield Cell(half, label, model, count, *map(float, values), best)


def mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(np.maximum(values, 1e-12)))))


def summary(found: Sequence[Cell]) -> str:
    """Return what is claimed: the geometric means of ratios, and the worst cell beside Euler."""
    to_best, to_euler = ([cell.auto / other(cell) for cell in found] for other in (_best, _euler))
    worst = max(found, key=lambda cell: cell.auto / _euler(cell))
    return (
        f"{len(found)} cells: the default's error is {mean(to_best):.2f} times that of the best named sampler of "
        f"each cell (geometric mean), and {mean(to_euler):.2f} times that of Euler's method; beside Euler the worst "
        f"cell has {worst.auto / _euler(worst):.2f} ({worst.model}, {worst.case}, {worst.calls} calls)."
    )


def _best(cell: Cell) -> float:
    return cell.best


def _euler(cell: Cell) -> float:
    return cell.same_grid


def table(found: Sequence[Cell], key: Callable[[Cell], Any], title: str) -> str:
    """Return the means over the cells with one value of ``key``, row by row."""
    lines = [[title, "default", "Euler, same times", "ddim", "best of each cell", "default / best", "most often best"]]
    lines.append(["---"] * len(lines[0]))
    for value in dict.fromkeys(map(key, found)):
        own = [cell for cell in found if key(cell) == value]
        columns = [mean([getattr(cell, name) for cell in own]) for name in ("auto", "same_grid", "euler", "best")]
        often = ", ".join(f"`{name}`" for name, _ in Counter(cell.name for cell in own).most_common(2))
        ratio = mean([cell.auto / cell.best for cell in own])
        lines.append([str(value), *(f"{column:.1e}" for column in columns), f"{ratio:.2f}", often])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page."""
    command = PAGE.parser(__doc__)
    options = command.parse_args(arguments)
    calls, labels, names, fine = CALLS, list(cases()), NAMED, 400
    if options.quick:
        calls, labels, names, fine = (2, 5), ["VP", "flow from pure noise to σ = 0"], ("ddim", "unipc3"), 60
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        everything = list(cells(calls, labels, names, fine))
    made = ""
    for half in HALVES:
        found = [cell for cell in everything if cell.half == half]
        made += (
            f"\n## Models {'on which the rule was chosen' if half == 'tuning' else 'held out'}\n\n{summary(found)}\n\n"
        )
        made += table(found, lambda cell: cell.calls, "calls") + "\n" + table(found, lambda cell: cell.case, "schedule")
        made += "\n" + table(found, lambda cell: cell.model, "model")
    PAGE.show(made, options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
