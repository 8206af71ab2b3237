"""Draw the figures of README and pages anew: ``python -m benchmarks.figures`` writes them to docs/images/."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch

import diffusion
import diffusion.plot
from benchmarks import parser
from benchmarks.demo import draw_digits, solve_pde

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def draw_schedulers(folder: Path, steps: int = 5) -> None:
    """Draw what two schedulers make of one noise in few calls of a network, beside the solution of the ODE."""
    import diffusers

    from diffusion.adapters.diffusers import Scheduler

    labels = torch.arange(10)
    net, noise = diffusion.models.digits(labels), torch.randn(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    log_alpha = np.log(np.asarray(net.schedule.alpha(np.arange(1001) / 1000)))
    betas = -np.expm1(2 * np.diff(log_alpha))
    theirs = diffusers.UniPCMultistepScheduler(trained_betas=betas.tolist())
    ours = Scheduler.from_config(theirs.config, sampler="auto")
    exact = diffusion.sample(net, noise, sampler="dpmpp-3s", steps=25)
    rows = {"the solution of the ODE": exact}
    for name, scheduler in (("UniPCMultistepScheduler", theirs), ('Scheduler, sampler="auto"', ours)):
        x = noise
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # theirs, of NumPy's copies
            scheduler.set_timesteps(steps)
            for t in scheduler.timesteps:
                x = scheduler.step(net(x, (float(t) + 1) / 1000), t, x).prev_sample
        rows[f"{name}, {steps} calls: off by {float((x - exact).square().mean().sqrt()):.2f}"] = x
    figure, axes = plt.subplots(len(rows), figsize=(6, 3), layout="constrained")
    for ax, (title, images) in zip(axes, rows.items(), strict=True):
        diffusion.plot.image_grid(images, columns=10, ax=ax, title=title)
    figure.savefig(folder / "schedulers.png", dpi=100)
    plt.close(figure)


def main(arguments: Sequence[str] = ()) -> None:
    """Draw all of them."""
    command = parser("benchmarks.figures", __doc__)
    command.add_argument("--folder", type=Path, default=IMAGES, help="where to write; docs/images by default")
    options = command.parse_args(arguments)
    mpl.use("Agg")
    options.folder.mkdir(parents=True, exist_ok=True)
    solve_pde(options.folder, t_end=20.0 if options.quick else 150.0)
    draw_digits(options.folder, each=1 if options.quick else 8)
    draw_schedulers(options.folder)


if __name__ == "__main__":
    main(sys.argv[1:])
