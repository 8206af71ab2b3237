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
from pathlib import Path
from typing import Any

import numpy as np

import diffusion
from benchmarks import Page
from benchmarks.tuning.models import summary
from benchmarks.tuning.rivals import ON_TUNED_GRIDS, hand_made
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


def table(net: diffusion.Denoiser, starts: int, unseen: int, names: Sequence[str], options: dict[str, Any]) -> str:
    """Return the table, a row for each number of calls."""
    own, others = (normal_noise(n, (1, 32, 32), seed) for n, seed in ((starts, 21), (unseen, 22)))
    exact = diffusion.sample(net, others, steps=options.get("teacher", 60))

    def errors(**how: Any) -> np.ndarray:
        return summary((diffusion.sample(net, others, **how) - exact).square().mean(dim=(1, 2, 3)).sqrt().numpy())

    def written(pair: np.ndarray, form: str = ".1e") -> str:
        return f"{pair[0]:{form}} ({pair[1]:{form}})"

    head = (
        "calls",
        "ddim, uniform in λ",
        "best named",
        "which",
        "`auto`",
        "best on a tuned grid",
        "tuned",
        "tuned / best",
    )
    made = f"| {' | '.join((*head, 'calls a start', 's'))} |\n|{' --- |' * (len(head) + 2)}\n"
    for calls in CALLS if starts > 8 else (2,):
        rivals = {name: errors(**how) for name, how in hand_made(net, calls, names)}
        best, which = np.min([*rivals.values()], axis=0), min(rivals, key=lambda name: rivals[name][0])
        grids = [diffusion.tune(net, own, steps=calls, what="grid", sampler=s, **options) for s in ON_TUNED_GRIDS]
        on_grid = np.min([errors(sampler=sampler) for sampler in grids], axis=0)
        begun = time.process_time()
        tuned = diffusion.tune(net, own, steps=calls, **options)
        seconds, found = time.process_time() - begun, errors(sampler=tuned)
        assert tuned.report is not None
        fields = [str(calls), written(rivals["ddim on lambda^(1/1)"]), written(best), f"`{which}`"]
        fields += [written(errors(steps=calls)), written(on_grid), written(found), written(found / best, ".2f")]
        fields += [f"{tuned.report.details['calls of a start']:.0f}", f"{seconds:.0f}"]
        row = f"| {' | '.join(fields)} |\n"
        print(row, end="", flush=True)
        made += row
    return made


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    command = PAGE.parser(__doc__)
    given = command.parse_args(arguments)
    starts, unseen, names, options = 32, 64, NAMES, {"iterations": 15, "teacher": 60}
    if given.quick:
        starts, unseen, names, options = 8, 4, ("ddim",), {"iterations": 1, "teacher": 6}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        made = table(denoiser(install()), starts, unseen, names, options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    PAGE.show(f"\n{made}\nPeak memory of the process: {peak:.0f} MB.\n", given.write)


if __name__ == "__main__":
    main(sys.argv[1:])
