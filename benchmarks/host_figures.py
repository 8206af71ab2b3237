"""Digits by each host's own sampler and by ours, side by side, from one noise: the pictures of docs/hosts.

``python -m benchmarks.host_figures`` writes them to docs/images/. What the host computes is computed by the preset that
reproduces it, which tests hold to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch

import diffusion
import diffusion.plot
from benchmarks import parser
from diffusion.adapters import comfyui, dpm_solver, edm, k_diffusion, th_deis

IMAGES = Path(__file__).parents[1] / "docs" / "images"
NET = diffusion.models.digits(torch.arange(10))
SCHEDULE: Any = NET.schedule
NOISE = torch.randn(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Images = dict[str, torch.Tensor]


def told(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Return the data that the network predicts at x = x₀ + σ ε, as models of k-diffusion and EDM do."""
    level = float(sigma.flatten()[0])
    t = float(SCHEDULE.time(np.array(-np.log(level))))
    return NET.predict(x * float(SCHEDULE.alpha(t)), t, "data")


def noise_at(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return the noise that the network predicts at a time."""
    return NET.predict(x, float(t.flatten()[0]), "noise")


def of_k_diffusion() -> Images:
    """Return the images of k-diffusion's DPM++ 2M and of ours on its grid, and on ours."""
    karras, own = (k_diffusion.sigmas(grid, 6, schedule=SCHEDULE) for grid in ("karras", diffusion.sampler("auto")))
    return {
        "sample_dpmpp_2m of k-diffusion, Karras, 6 calls": k_diffusion.sample_dpmpp_2m_at_k_diffusion(
            told, NOISE * karras[0], karras, disable=True
        ),
        "k_diffusion.sample_unipc3, Karras, 6 calls": k_diffusion.sample_unipc3(
            told, NOISE * karras[0], karras, disable=True
        ),
        'k_diffusion.sample_auto, sigmas("auto"), 6 calls': k_diffusion.sample_auto(
            told, NOISE * own[0], own, disable=True
        ),
    }


def of_comfyui() -> Images:
    """Return the images of ComfyUI's dpmpp_2m on its grid "exponential", and of ours with the grid of our node."""
    simple, own = (k_diffusion.sigmas(comfyui.grid_of(grid), 6, schedule=SCHEDULE) for grid in ("exponential", "auto"))
    return {
        "dpmpp_2m, exponential, 6 calls": k_diffusion.sample_dpmpp_2m_at_k_diffusion(
            told, NOISE * simple[0], simple, disable=True
        ),
        'Sampler (expint) "auto", Sigmas (expint) "auto", 6 calls': k_diffusion.sample_auto(
            told, NOISE * own[0], own, disable=True
        ),
    }


def of_edm() -> Images:
    """Return the images of EDM's Heun with 11 calls, and of ours with 7."""
    low, high = (float(SCHEDULE.rho(t)) for t in (SCHEDULE.t_end, SCHEDULE.t_start))
    run = partial(edm.sample, told, NOISE, sigma_min=low, sigma_max=high)
    return {
        "edm_sampler (Heun), 6 steps, 11 calls": run(sampler="edm-heun", num_steps=6),
        'edm.sample, sampler="deis-tab3", 7 calls': run(sampler="deis-tab3", num_steps=7),
    }


def of_th_deis() -> Images:
    """Return the images of th_deis by its sums, and by exact coefficients."""
    alphas = np.asarray(SCHEDULE.alpha(np.arange(1001) / 1000))
    sde = th_deis.DiscreteVPSDE(torch.from_numpy(alphas[1:] ** 2))

    def eps(x: torch.Tensor, t: Any) -> torch.Tensor:
        return NET.predict(x, min(float(t) + 1.0, 1000.0) / 1000, "noise")

    options = {"ts_phase": "t", "ts_order": 2.0, "num_step": 6, "ab_order": 3}
    return {
        f"th_deis, {method}, {kind}, 6 calls": th_deis.get_sampler(sde, eps, method=method, exact=exact, **options)(
            NOISE
        )
        for method, kind, exact in (("t_ab", "its sums", False), ("t_ab", "exact", True), ("rho_ab", "exact", True))
    }


def of_dpm_solver() -> Images:
    """Return the images of DPM-Solver++ of order 3 as published, exact, and of ours over the same times."""
    alphas = np.asarray(SCHEDULE.alpha(np.arange(1, 1001) / 1000))
    ns = dpm_solver.NoiseScheduleVP("discrete", alphas_cumprod=torch.from_numpy(alphas**2))

    def eps(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return NET.predict(x, (float(t.flatten()[0]) + 1.0) / 1000, "noise")

    solver = dpm_solver.DPM_Solver(dpm_solver.model_wrapper(eps, ns), ns, algorithm_type="dpmsolver++")
    run = partial(solver.sample, NOISE, steps=6, skip_type="time_uniform", method="multistep")
    return {
        "DPM_Solver, multistep, order 3, theirs, 6 calls": run(order=3, exact=False),
        "the same, exact": run(order=3),
        'the same times, sampler="deis-tab3"': run(sampler="deis-tab3"),
    }


HOSTS: dict[str, Callable[[], Images]] = {
    "k_diffusion": of_k_diffusion,
    "comfyui": of_comfyui,
    "edm": of_edm,
    "th_deis": of_th_deis,
    "dpm_solver": of_dpm_solver,
}


def main(arguments: Sequence[str] = ()) -> None:
    """Draw the pictures."""
    command = parser("benchmarks.host_figures", __doc__)
    command.add_argument("--folder", type=Path, default=IMAGES, help="where to write; docs/images by default")
    options = command.parse_args(arguments)
    mpl.use("Agg")
    options.folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        exact = diffusion.sample(NET, NOISE, sampler="dpmpp-3s", steps=10 if options.quick else 25)
        for host, made in list(HOSTS.items())[: 1 if options.quick else None]:
            rows = {
                f"{title}: off by {float((x - exact).square().mean().sqrt()):.2f}": x for title, x in made().items()
            }
            figure, axes = plt.subplots(1 + len(rows), figsize=(6, 1.0 + len(rows)), layout="constrained")
            for ax, (title, images) in zip(axes, {"the solution of the ODE": exact, **rows}.items(), strict=True):
                diffusion.plot.image_grid(images, columns=10, ax=ax, title=title)
                print(f"{host}: {title}")
            figure.savefig(options.folder / f"host_{host}.png", dpi=100)
            plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
