"""Fewest calls on a network from elsewhere: galaxies of 32×32 pixels, by the score network in galaxygrad 0.1.9.

Run it as ``python -m benchmarks.tuning.galaxies``; with ``--write`` it renews docs/galaxies.md. The package is
installed by itself into a folder under out/, and its weights are read there, as arrays; none are in this repository.
Errors are root mean squares over the pixels of the difference to a fine solve, in units of the pixels: the median (the
mean) over starts that nothing was fitted to. The best of the named is chosen with the answer known.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import diffusion
from benchmarks import Page
from benchmarks.kept import Results
from benchmarks.tuning import CODE, rule_of, written
from benchmarks.tuning.models import summary
from benchmarks.tuning.rivals import ON_TUNED_GRIDS, Rival, hand_made
from diffusion import grids
from diffusion.study import normal_noise

PAGE = Page("galaxies.md", "benchmarks.tuning.galaxies")
PACKAGE = "galaxygrad==0.1.9"
FOLDER = Path(__file__).parents[2] / "out" / "galaxygrad"
WEIGHTS = "galaxygrad/eqx_hsc_ScoreNet32.eqx"
NAMES = (
    "ddim",
    *(f"deis-tab{n}" for n in (1, 2, 3)),
    *(f"deis-logrhoab{n}" for n in (1, 2, 3)),
    "ipndm-v",
    "dpmpp-2m",
    "dpmpp-3m",
    *(f"unipc{n}" for n in (1, 2, 3)),
    *(f"unipc{n}-bh2@unipc" for n in (2, 3)),
    "unipc3-noise",
)
"""Those that are among the best on exact models, as all of them would take hours."""

BLOCKS = 4
REFERENCE = "dpmpp-3m"
HEAD = (
    "calls",
    "ddim, uniform in λ",
    "best named",
    "which",
    "`auto`",
    "best on a tuned grid",
    "tuned",
    "tuned / best",
    "calls a start",
    "s",
)
CALLS = (5, 8)


def install(folder: Path = FOLDER) -> Path:
    """Return the file of the weights, installed into the folder where it is missing."""
    path = folder / WEIGHTS
    if not path.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(folder), PACKAGE], check=True)
    return path


def arrays(path: Path) -> list[np.ndarray]:
    """Return the arrays of a file of records of `np.save`; what is not an array is refused."""
    found = []
    with path.open("rb") as file:
        while file.peek(1):
            found.append(np.load(file, allow_pickle=False))
    return found


def mixer(weights: Sequence[np.ndarray]) -> Callable[[Any, Any], Any]:
    """Return the score s(x, t) of images (B, 1, 32, 32): an MLP-mixer over patches of 4×4 of the image and t/10."""
    import torch
    from torch.nn import functional

    conv_in, of_in, conv_out, of_out, *rest = (torch.from_numpy(w) for w in weights[:-1])
    blocks, (scale, shift) = [rest[12 * i : 12 * i + 12] for i in range(BLOCKS)], rest[12 * BLOCKS :]

    def perceptron(y: Any, w: Any, b: Any, v: Any, c: Any) -> Any:
        return functional.linear(functional.relu(functional.linear(y, w, b)), v, c)

    def normed(y: Any, w: Any, b: Any) -> Any:
        return functional.layer_norm(y, y.shape[1:], w, b)

    def score(x: Any, t: Any) -> Any:
        plane = (t / 10.0).reshape(-1, 1, 1, 1).expand(len(x), 1, 32, 32).to(x.dtype)
        y = functional.conv2d(torch.cat([x, plane], dim=1), conv_in, of_in.flatten(), stride=4).flatten(2)
        for own in blocks:
            y = y + perceptron(normed(y, *own[8:10]), *own[:4])
            y = y.mT
            y = (y + perceptron(normed(y, *own[10:12]), *own[4:8])).mT
        y = normed(y, scale, shift).reshape(len(x), -1, 8, 8)
        kernel = conv_out.flip(2, 3).transpose(0, 1)
        return functional.conv_transpose2d(y, kernel, of_out.flatten(), stride=4)

    return score


def denoiser(path: Path) -> diffusion.Denoiser:
    """Return the network with its process, α² = e^{−t}, σ² = 1 − e^{−t}, t from 10 to 0.01."""
    schedule = diffusion.VP.linear(1.0, 1.0, t_start=10.0, t_end=0.01)
    return diffusion.Denoiser(mixer(arrays(path)), "score", schedule)


class Judge(NamedTuple):
    """A network and starts that nothing is fitted to, with their exact endpoints."""

    net: diffusion.Denoiser
    starts: Any
    exact: Any

    @classmethod
    def of(cls, net: diffusion.Denoiser, count: int, teacher: int) -> Judge:
        """Return it, the endpoints by so many calls uniform in λ, which `REFERENCE` needs fewest of here."""
        starts, grid = normal_noise(count, (1, 32, 32), 22), grids.power(teacher, 1.0, "lambda", schedule=net.schedule)
        return cls(net, starts, diffusion.sample(net, starts, sampler=REFERENCE, grid=grid))

    def errors(self, **how: Any) -> np.ndarray:
        """Return the median and the mean of the root mean squares over the pixels."""
        apart = diffusion.sample(self.net, self.starts, **how) - self.exact
        return summary(apart.square().mean(dim=(1, 2, 3)).sqrt().numpy())


class Study(NamedTuple):
    """What a row of the table is made of: a judge, starts to tune on, names of rivals, options of `diffusion.tune`."""

    judge: Judge
    starts: Any
    names: Sequence[str]
    options: dict[str, Any]
    results: Results

    def named(self, rivals: Sequence[Rival]) -> np.ndarray:
        """Return the errors of samplers on hand-made grids, (rivals, 2)."""
        return np.array([self.judge.errors(**rival.how) for rival in rivals])

    def tuned(self, calls: int, **how: Any) -> np.ndarray:
        """Return the errors of a sampler that is tuned so, the calls spent on a start, the seconds of the processor."""
        begun = time.process_time()
        sampler = diffusion.tune(self.judge.net, self.starts, steps=calls, **self.options, **how)
        seconds = time.process_time() - begun
        assert sampler.report is not None
        return np.array([*self.judge.errors(sampler=sampler), sampler.report.details["calls of a start"], seconds])

    def row(self, calls: int) -> str:
        """Return the row for so many calls."""
        judge, net = self.judge, self.judge.net
        judged = ("galaxies", calls, len(judge.starts))
        of = (*judged, len(self.starts), *self.options.items())
        rivals = hand_made(net, calls, self.names)
        every = self.results(partial(self.named, rivals), *judged, *(part for rival in rivals for part in rival.form))
        on_grids = [
            self.results(partial(self.tuned, calls, what="grid", sampler=s), s.name, *CODE, *of) for s in ON_TUNED_GRIDS
        ]
        tuned = self.results(partial(self.tuned, calls), *CODE, *rule_of(net, calls), *of)
        grid = grids.power(calls, 1.0, "lambda", schedule=net.schedule)
        best = np.min(every, axis=0)
        pairs = [judge.errors(sampler="ddim", grid=grid), best, judge.errors(steps=calls)]
        pairs += [np.min(on_grids, axis=0)[:2], tuned[:2]]
        ddim, named, auto, on_grid, found = (written(pair[None]) for pair in pairs)
        which, ratio = rivals[int(np.argmin(every[:, 0]))].name, written(tuned[None, :2] / best, ".2f")
        fields = [
            str(calls),
            ddim,
            named,
            f"`{which}`",
            auto,
            on_grid,
            found,
            ratio,
            f"{tuned[2]:.0f}",
            f"{tuned[3]:.0f}",
        ]
        return f"| {' | '.join(fields)} |\n"


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    command = PAGE.parser(__doc__)
    command.add_argument("--fresh", action="store_true", help="measure anew what is kept in out/kept")
    command.add_argument("--iterations", type=int, default=15, help="of each stage of a tuning")
    given = command.parse_args(arguments)
    starts, unseen, names, options = 32, 64, NAMES, {"iterations": given.iterations, "teacher": 60}
    if given.quick:
        starts, unseen, names, options = 8, 4, ("ddim",), {"iterations": 1, "teacher": 6}
    results = Results(given.fresh, None) if given.quick else Results(given.fresh)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        judge = Judge.of(denoiser(install()), unseen, 2 * options["teacher"])
        study = Study(judge, normal_noise(starts, (1, 32, 32), 21), names, options, results)
        made = f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}\n"
        for calls in (2,) if given.quick else CALLS:
            made += study.row(calls)
            print(made.splitlines()[-1], flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    PAGE.show(f"\n{made}\nPeak memory of the process: {peak:.0f} MB.\n", given.write)


if __name__ == "__main__":
    main(sys.argv[1:])
