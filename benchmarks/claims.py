"""What DEIS's paper claims, at this library's scale: errors, distances of distributions, and what each idea brings.

Run it as ``python -m benchmarks.claims``; with ``--write`` it renews docs/claims.md and its figures. Samplers run on
the grids that they are published with, multistage ones with fewer steps, so that all make the same calls. Errors are
relative distances to a fine solve from the same start, the median (the mean) over the starts; distances are Fréchet's,
in the features of the shipped classifier, to the real digits: the mean over the seeds ± their standard deviation.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

import diffusion
import expint.plot
from benchmarks import Page
from benchmarks.kept import Results, form_of
from benchmarks.tuning.models import SEEDS, mixture, relative_errors, summary
from diffusion.checks import lay_out
from diffusion.study import normal_noise

PAGE = Page("claims.md", "benchmarks.claims")
CALLS = (5, 10, 20, 50)
TIMED = 50_000
BATCH = 250
Step = Callable[[diffusion.NoiseSchedule, float, float], tuple[float, float]]
"""From t to s: the factors of the state and of the noise ε that the network predicts at t."""


def euler(schedule: diffusion.NoiseSchedule, t: float, s: float) -> tuple[float, float]:
    """Return a step of Euler's method for dx/dt = f x + g²/(2σ) ε, variance-preserving."""
    rate, sigma = schedule.half_log_snr_rate(t), schedule.sigma(t)
    return 1.0 + (s - t) * float(rate * sigma**2), -(s - t) * float(rate * sigma)


def frozen_score(schedule: diffusion.NoiseSchedule, t: float, s: float) -> tuple[float, float]:
    """Return a step that takes f x exactly and holds the score −ε/σ of its beginning."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    tau = t + (s - t) * (nodes + 1) / 2
    half_g2 = -schedule.half_log_snr_rate(tau) * schedule.sigma(tau) ** 2
    integral = (s - t) / 2 * np.sum(weights * half_g2 / schedule.alpha(tau))
    return float(schedule.alpha(s) / schedule.alpha(t)), float(schedule.alpha(s) * integral / schedule.sigma(t))


class Way(NamedTuple):
    """A way to sample: a step of a method of one step or the name of a sampler, and the exponent of a grid in t.

    Without an exponent a sampler runs on its own grid.
    """

    by: Step | str
    exponent: float | None = None

    def grid(self, net: diffusion.Denoiser, steps: int) -> np.ndarray:
        """Return the times of so many steps, where an exponent is given."""
        assert self.exponent is not None
        return diffusion.grids.power(steps, self.exponent, "t", schedule=net.schedule)

    def run(self, net: diffusion.Denoiser, calls: int) -> dict[str, Any]:
        """Return what a sampler and its times are as arguments of `diffusion.sample`."""
        named = diffusion.sampler(self.by)  # type: ignore[arg-type]  # functions are no samplers
        stages = getattr(getattr(named, "method", None), "stages", 1)  # "auto" makes one call a step
        steps = calls // max(stages, 1)
        own = {"steps": steps} if self.exponent is None else {"grid": self.grid(net, steps)}
        return {"sampler": named, **own}

    def form(self, net: diffusion.Denoiser, calls: int) -> tuple[Any, ...]:
        """Return what determines the samples of a network and a start, but for rounding."""
        if callable(self.by):
            return (self.by.__name__,)
        how = self.run(net, calls)
        sampler, times, to_zero = lay_out(net, how["sampler"], how.get("steps"), how.get("grid"))
        return form_of(sampler.plan(net.schedule, times, to_zero=to_zero))

    def __call__(self, net: diffusion.Denoiser, start: Any, calls: int) -> Any:
        """Return the samples of so many calls at most."""
        if not callable(self.by):
            return diffusion.sample(net, start, **self.run(net, calls))
        x = start
        for t, s in pairwise(self.grid(net, calls).tolist()):
            of_state, of_noise = self.by(net.schedule, t, s)
            x = of_state * x + of_noise * net.predict(x, t, "noise")
        return x


SAMPLERS = {
    "Euler": Way(euler, 1.0),
    "DDIM": Way("ddim"),
    "Heun (EDM)": Way("edm-heun"),
    "DPM-Solver-2": Way("dpm2"),
    "DPM-Solver++ 2M": Way("dpmpp-2m"),
    "UniPC-3": Way("unipc3"),
    "DEIS tAB3": Way("deis-tab3"),
    "`auto`": Way("auto"),
}
IDEAS = {
    "Euler": Way(euler, 1.0),
    "the linear part exactly, score held": Way(frozen_score, 1.0),
    "noise held in place of the score (DDIM)": Way("ddim", 1.0),
    "polynomial of degree 1": Way("deis-tab1", 1.0),
    "of degree 2": Way("deis-tab2", 1.0),
    "of degree 3": Way("deis-tab3", 1.0),
    "grid uniform in √t": Way("deis-tab3", 2.0),
}
"""Each adds one idea to the one before."""

Table = dict[str, dict[int, np.ndarray]]


class Model(NamedTuple):
    """A network with starts and their exact endpoints."""

    net: diffusion.Denoiser
    starts: Any
    exact: np.ndarray

    @classmethod
    def of(cls, net: diffusion.Denoiser, starts: Any, teacher: int = 100) -> Model:
        """Return it, the endpoints by so many calls."""
        ends = diffusion.sample(net, starts, steps=teacher)
        return cls(net, starts, np.asarray(ends, dtype=np.float64).reshape(len(ends), -1))


def errors(models: Sequence[Model], ways: dict[str, Way], calls: Sequence[int]) -> Table:
    """Return the median and the mean error of every way, geometric means over the models."""

    def of(way: Way, n: int) -> np.ndarray:
        found = [summary(relative_errors(way(one.net, one.starts, n), one.exact)) for one in models]
        return np.exp(np.mean(np.log(found), axis=0))

    return {name: {n: of(way, n) for n in calls} for name, way in ways.items()}


def distances(ways: dict[str, Way], calls: Sequence[int], images: int, seeds: Sequence[int], results: Results) -> Table:
    """Return the mean and the standard deviation over the seeds of Fréchet distances of the network's digits.

    All ways have the same starts, and the statistics of the real digits are taken once.
    """
    import torch

    torch.set_num_threads(1)
    net, found = diffusion.models.digits(), dict[str, dict[int, np.ndarray]]()

    def distance(way: Way, n: int, seed: int) -> np.ndarray:
        start, made = normal_noise(images, (1, 8, 8), seed), []
        for first in range(0, images, BATCH):
            labelled = diffusion.models.digits(torch.arange(first, min(first + BATCH, images)) % 10)
            with torch.no_grad():
                made.append(way(labelled, start[first : first + BATCH], n))
        return np.array(diffusion.models.frechet_distance(torch.cat(made)))

    for name, way in ways.items():
        found[name] = {}
        for n in calls:
            form = way.form(net, n)
            own = [
                results(partial(distance, way, n, seed), "distance", images, seed, n, way.exponent, *form)
                for seed in seeds
            ]
            found[name][n] = np.array([np.mean(own), np.std(own, ddof=1)])
        print(f"{name}: " + ", ".join(f"{value[0]:.3f}" for value in found[name].values()), flush=True)
    return found


def written(found: Table, first: str, form: str) -> str:
    """Return a table."""
    calls = list(next(iter(found.values())))
    lines = [[first, *(f"{n} calls" for n in calls)], ["---"] * (1 + len(calls))]
    lines += [[name, *(form.format(*row[n]) for n in calls)] for name, row in found.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def draw(tables: dict[str, Table], folder: Path, name: str) -> None:
    """Draw tables beside each other."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(tables), figsize=(5.5 * len(tables), 4), layout="constrained", squeeze=False)
    for ax, (title, found) in zip(axes[0], tables.items(), strict=True):
        series = {
            way.replace("`", ""): (list(row), [float(value[0]) for value in row.values()]) for way, row in found.items()
        }
        shown = sorted({n for row in found.values() for n in row})
        expint.plot.curves(
            series, ax, xlabel="network calls", ylabel="distance" if "Fréchet" in title else "median error", title=title
        )
        ax.set_xticks(shown, labels=shown)
        ax.minorticks_off()
    figure.savefig(folder / name, dpi=90)
    plt.close(figure)


def throughput(images: int, calls: int = 10) -> float:
    """Return the seconds of the processor, one thread, in which `TIMED` digits are sampled, from those of fewer."""
    import torch

    torch.set_num_threads(1)
    start = normal_noise(images, (1, 8, 8))
    begun = time.process_time()
    diffusion.sample(diffusion.models.digits(), start, sampler="deis-tab3", steps=calls)
    return (time.process_time() - begun) * TIMED / images


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page and draw its figures."""
    command = PAGE.parser(__doc__)
    command.add_argument("--images", type=int, default=10_000, help="of each seed, for the distances")
    command.add_argument("--fresh", action="store_true", help="measure distances anew that are kept in out/kept")
    command.add_argument("--calls", type=int, nargs="+", default=CALLS, help="for the distances")
    given = command.parse_args(arguments)
    images, seeds, calls, starts, instances = given.images, (0, 1, 2), CALLS, 128, SEEDS
    if given.quick:
        images, seeds, calls, starts, instances = 40, (0, 1), (5,), 8, SEEDS[:1]
    mixtures = [
        Model.of(mixture(seed, diffusion.VP.linear()), normal_noise(2 * starts, (8,), seed, torch=False))
        for seed in instances
    ]
    ideal = [Model.of(diffusion.models.ideal_digits(), normal_noise(starts, (1, 8, 8), 1, torch=False))]
    network = [Model.of(diffusion.models.digits(), normal_noise(starts // 4, (1, 8, 8), 1), 20 if given.quick else 60)]
    kinds = {"mixtures": mixtures, "ideal digits": ideal, "digits network": network}
    made, form = "", "{:.1e} ({:.1e})"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)  # of two steps of a method with two stages
        beside = {name: errors(models, SAMPLERS, calls) for name, models in kinds.items()}
        ideas = {name: errors(models, IDEAS, calls) for name, models in kinds.items()}
        results = Results(given.fresh, None) if given.quick else Results(given.fresh)
        far = distances(SAMPLERS, calls if given.quick else given.calls, images, seeds, results)
    for title, tables in (("Beside other samplers", beside), ("Idea by idea", ideas)):
        made += f"\n## {title}\n"
        made += "".join(f"\nError on {name}:\n\n{written(found, name, form)}" for name, found in tables.items())
    made += f"\n## Distances of distributions\n\nFréchet distance, {images} digits a seed, {len(seeds)} seeds:\n\n"
    made += written(far, "digits network", "{:.3f} ± {:.3f}")
    timed = min(images, 500)
    made += f"\n{TIMED} digits in ten calls would take {throughput(timed):.0f} s of the processor on one thread: "
    made += f"extrapolated from {timed}.\n"
    if given.write:
        images_of_docs = PAGE.path.parent / "images"
        draw(beside, images_of_docs, "claims_errors.png")
        ladder = {f"idea by idea, {name}": found for name, found in ideas.items() if name != "ideal digits"}
        draw({**ladder, "Fréchet distance, digits network": far}, images_of_docs, "claims_ideas.png")
    PAGE.show(made, given.write)


if __name__ == "__main__":
    main(sys.argv[1:])
