"""The main job, end to end: a stiff PDE and images from noise, by one core; pictures and a table go to out/."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from tqdm.auto import tqdm

import diffusion
import diffusion.plot
import expint
import expint.plot
from benchmarks import parser

CALLS = (5, 10, 20)
SAMPLERS = ("ddim", "deis-tab3")
SEEDS = (0, 1, 2)
IMAGES = 400
"""Images per seed, as many of each digit."""

REFERENCE: dict[str, Any] = {"sampler": "dpmpp-3s", "steps": 25}
"""The solution to which endpoint errors are measured: 75 calls of order 3, far more accurate than what is compared."""


def solve_pde(out: Path, t_end: float = 150.0) -> expint.Solution:
    """Solve the Kuramoto–Sivashinsky equation and draw it."""
    problem = expint.problems.kuramoto_sivashinsky(t_end=t_end)
    solution = expint.solve(problem, "krogstad4", step=0.25, progress=True)
    expint.plot.space_time(solution, problem).figure.savefig(out / "kuramoto_sivashinsky.png", dpi=100)
    return solution


def draw_digits(out: Path, each: int = 8) -> None:
    """Sample digits, ``each`` of every class, with DEIS in ten network calls and draw them."""
    labels = torch.arange(10).repeat_interleave(each)
    noise = torch.randn(len(labels), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images = diffusion.sample(diffusion.models.digits(labels), noise, sampler="deis-tab3", steps=10, progress=True)
    figure = diffusion.plot.image_grid(images, columns=each, title="DEIS tAB3, 10 calls").figure
    figure.savefig(out / "digits.png", dpi=100)


def compare(images: int = IMAGES, seeds: tuple[int, ...] = SEEDS) -> list[dict[str, float | str]]:
    """Return endpoint error and Fréchet distance, means over seeds, of each sampler at each number of calls.

    The endpoint error is the root mean square difference to the solution of the same ODE from the same noise (that of
    the first seed); the Fréchet distance is that of the classifier's features to those of all real digits.
    """
    net = diffusion.models.digits(labels=torch.arange(images) % 10)
    noises = [torch.randn(images, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    bar = tqdm(total=1 + len(seeds) * len(CALLS) * len(SAMPLERS), desc="samplers", disable=None)
    reference = diffusion.sample(net, noises[0], **REFERENCE)
    bar.update()
    rows: list[dict[str, float | str]] = []
    for calls in CALLS:
        for sampler in SAMPLERS:
            distances = []
            for noise in noises:
                samples = diffusion.sample(net, noise, sampler=sampler, steps=calls)
                distances.append(diffusion.models.frechet_distance(samples))
                if noise is noises[0]:
                    error = float((samples - reference).square().mean().sqrt())
                bar.update()
            rows.append({"calls": calls, "sampler": sampler, "error": error, "frechet": float(np.mean(distances))})
    bar.close()
    return rows


def table(rows: list[dict[str, float | str]]) -> str:
    """Return the comparison as text."""
    lines = [f"{'calls':>5}  {'sampler':<10}  {'endpoint error':>14}  {'Fréchet distance':>16}"]
    lines += [f"{r['calls']:>5}  {r['sampler']:<10}  {r['error']:>14.4f}  {r['frechet']:>16.3f}" for r in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str] = ()) -> None:
    """Run everything."""
    command = parser("benchmarks.demo", __doc__)
    command.add_argument("--folder", type=Path, default=Path("out"), help="where to write; out by default")
    options = command.parse_args(arguments)
    mpl.use("Agg")
    out: Path = options.folder
    out.mkdir(parents=True, exist_ok=True)
    print(solve_pde(out, t_end=20.0 if options.quick else 150.0))
    draw_digits(out, each=1 if options.quick else 8)
    rows = compare(20, SEEDS[:1]) if options.quick else compare()
    print(table(rows))
    (out / "samplers.txt").write_text(table(rows) + "\n")
    (out / "samplers.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(f"pictures and table in {out.resolve()}")


if __name__ == "__main__":
    main(sys.argv[1:])
