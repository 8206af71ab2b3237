"""What goes wrong in schedulers of diffusers, measured beside ours, with an exact model in place of the network.

``python -m benchmarks.diffusers_faults`` prints them; with ``--write`` it renews the table in docs/hosts/.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

import diffusion
from benchmarks import Page

PAGE = Page("hosts/diffusers_faults.md", "benchmarks.diffusers_faults")
VP = diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000))
FLOW = diffusion.FlowMatching(t_start=1.0, t_end=1e-4)


class Fault(NamedTuple):
    """A fault: what is measured, which is to be small, theirs and ours."""

    what: str
    quantity: str
    theirs: float
    ours: float


@cache
def _mixture(predicts: str, flow: bool) -> tuple[Any, torch.Tensor]:
    rng = np.random.default_rng(0)
    means, noise = rng.standard_normal((6, 4)), rng.standard_normal((32, 4))
    schedule: Any = FLOW if flow else VP
    net = diffusion.models.gaussian_mixture([1] * 6, means, [0.04 * np.eye(4)] * 6, schedule, predicts=predicts)
    return net, torch.from_numpy(noise)


def _run(scheduler: Any, flow: bool = False, begin: int = 0, **grid: Any) -> torch.Tensor:
    """Return what a pipeline makes of noise, its network told as it tells it."""
    net, x = _mixture("flow" if flow else "noise", flow)
    scheduler.set_timesteps(**grid)
    for t in scheduler.timesteps[begin:]:
        told = float(t) / 1000 if flow else (float(t) + 1) / 1000
        x = scheduler.step(net(scheduler.scale_model_input(x, t), told), t, x, return_dict=False)[0].double()
    return x


@cache
def _exact(flow: bool, end: float) -> torch.Tensor:
    net, noise = _mixture("flow" if flow else "noise", flow)
    if flow:
        return diffusion.sample(net, noise, sampler="auto", grid=np.linspace(1, 0, 1000))
    grid = diffusion.grids.uniform(100, "lambda", schedule=VP, t_end=end)
    return diffusion.sample(net, noise, sampler="krogstad4-data", grid=grid)


def _error(found: torch.Tensor, flow: bool = False, end: float = 1e-3) -> float:
    return float((found - _exact(flow, end)).norm(dim=1).median())


def _pair(origin: str, sampler: str, **options: Any) -> tuple[Any, Any]:
    """Return a scheduler of diffusers, and ours made from its configuration."""
    import diffusers

    from diffusion.adapters.diffusers import Scheduler

    theirs = getattr(diffusers, origin)(**options)
    return theirs, Scheduler.from_config(theirs.config, sampler=sampler)


def _attempt(run: Callable[[], float]) -> float:
    """Return what a run measures; nan where it raises."""
    try:
        return run()
    except Exception:  # whatever they raise: that is the fault
        return float("nan")


def _third_order() -> Fault:
    errors = []
    for name in ("dpmpp-3m@diffusers", diffusion.sampler("dpmpp-3m", start="runge-kutta")):
        ends = {"t_start": float(VP.time(-np.log(1.5))), "t_end": float(VP.time(-np.log(0.05)))}
        net, noise = _mixture("noise", False)
        grids = [diffusion.grids.uniform(n, "lambda", schedule=VP, **ends) for n in (80, 400)]
        fine = diffusion.sample(net, noise, sampler="krogstad4-data", grid=grids[1], start="state")
        found = diffusion.sample(net, noise, sampler=name, grid=grids[0], start="state")
        errors.append(float((found - fine).norm(dim=1).median()))
    return Fault("DPM-Solver++ of order 3 leaves out a factor 2", "error in 80 steps, even in λ", *errors)


def _sign() -> Fault:
    gaussian = diffusion.models.gaussian_mixture([1.0], [[0.8]], [[[0.25]]], VP, predicts="noise")
    grid = diffusion.grids.uniform(40, "lambda", schedule=VP)
    alpha, sigma = float(VP.alpha(grid[-1])), float(VP.sigma(grid[-1]))
    errors = []
    for name in ("dpmpp-3m-sde@diffusers", "dpmpp-3m-sde"):
        law = diffusion.moments(gaussian, sampler=name, grid=grid)
        errors.append(abs(float(law.covariance[-1].squeeze()) - 0.25 * alpha**2 - sigma**2))
    return Fault(
        "sde-dpmsolver++ of order 3 has a wrong sign", "error of the variance on Gaussian data in 40 steps", *errors
    )


def _terminal() -> Fault:
    options = {"shift": 3.0, "shift_terminal": 0.1}
    found = []
    for one in _pair("FlowMatchEulerDiscreteScheduler", "euler", **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one.set_timesteps(1)
        found.append(float(np.sum(~np.isfinite(np.asarray(one.sigmas)))))
    return Fault("levels that end at shift_terminal, for one step", "of two levels, those that are no number", *found)


def _whole_timesteps() -> Fault:
    options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 1.0}
    pair = _pair("UniPCMultistepScheduler", "unipc2", **options)
    found = [_error(_run(one, flow=True, num_inference_steps=120), flow=True) for one in pair]
    return Fault("in flow matching the network is told whole timesteps, σ otherwise", "error in 120 steps", *found)


def _next_step() -> Fault:
    pair = _pair("DDIMScheduler", "ddim@diffusers", timestep_spacing="linspace", clip_sample=False)
    found = [_error(_run(one, num_inference_steps=400)) for one in pair]
    return Fault("DDIM steps by ⌊N/n⌋ timesteps on spacings that lie otherwise", "error in 400 steps", *found)


def _repeated_level() -> Fault:
    found = []
    for one in _pair("DEISMultistepScheduler", "deis-logrhoab1", use_karras_sigmas=True):
        one.set_timesteps(8)
        found.append(float(np.sum(np.diff(np.asarray(one.sigmas)) == 0)))
    return Fault("DEIS repeats the last level on Karras' grid", "steps that lead nowhere, of 8", *found)


def _cancellation() -> Fault:
    theirs, _ = _pair("DEISMultistepScheduler", "deis3@diffusers", solver_order=3)
    net, noise = _mixture("noise", False)
    found = _run(theirs, num_inference_steps=400)
    times = (np.asarray(theirs.timesteps, dtype=float) + 1) / 1000
    grid = np.append(times, VP.t_end) if times[-1] > VP.t_end * (1 + 1e-9) else times
    ours = diffusion.sample(net, noise, sampler="deis3@diffusers", grid=grid)
    end = float(grid[-1])
    errors = [_error(one, end=end) for one in (found, ours)]
    return Fault("coefficients of DEIS lose digits in single precision", "error in 400 steps", *errors)


def _repeated_timesteps() -> Fault:
    found = []
    options = {"beta_schedule": "squaredcos_cap_v2", "use_karras_sigmas": True}
    for one in _pair("UniPCMultistepScheduler", "unipc2", **options):
        one.set_timesteps(60)
        found.append(60.0 - len(set(one.timesteps.tolist())))
    return Fault("timesteps of cosine tables collide when rounded", "of 60, those told twice", *found)


def _one_step() -> Fault:
    found = []
    for one in _pair("EulerDiscreteScheduler", "euler", beta_schedule="linear"):
        one.set_timesteps(1)
        found.append(999.0 - float(one.timesteps[0]))
    return Fault("a run of one step begins at the cleanest timestep", "timesteps from noise to its start", *found)


def _half_precision() -> Fault:
    found = []
    x, t = torch.zeros(2, 3, dtype=torch.bfloat16), torch.tensor([0])
    exact = float(VP.sigma(1e-3))
    for one in _pair("DDIMScheduler", "ddim"):
        noisy = one.add_noise(x, torch.ones_like(x), t).double()
        found.append(float(abs(noisy / exact - 1).max()))
    return Fault("in bfloat16 σ of the first timesteps is lost", "relative error of the noise at timestep 0", *found)


def _odd_slices() -> Fault:
    def run(one: Any) -> float:
        one.set_timesteps(20)
        net, x = _mixture("noise", False)
        if hasattr(one, "set_begin_index"):
            one.set_begin_index(9)
        for t in one.timesteps[9:]:
            x = one.step(net(x, (float(t) + 1) / 1000), t, x, return_dict=False)[0]
        return 1.0

    found = [_attempt(lambda one=one: run(one)) for one in _pair("HeunDiscreteScheduler", "heun@diffusers")]
    ran = [0.0 if np.isnan(value) else value for value in found]
    return Fault("image-to-image that begins within a step of Heun runs, to noise", "runs that are not refused", *ran)


def _own_levels() -> Fault:
    def run(one: Any) -> float:
        one.set_timesteps(sigmas=[10.0, 3.0, 1.0, 0.3, 0.0])
        return 0.0

    found = [_attempt(lambda one=one: run(one)) for one in _pair("DEISMultistepScheduler", "deis-tab2")]
    refused = [float(np.isnan(value)) for value in found]
    return Fault("DEIS takes no list of levels of one's own", "lists refused, of 1", *refused)


FAULTS: tuple[Callable[[], Fault], ...] = (
    _third_order,
    _sign,
    _terminal,
    _whole_timesteps,
    _next_step,
    _repeated_level,
    _cancellation,
    _repeated_timesteps,
    _one_step,
    _half_precision,
    _odd_slices,
    _own_levels,
)


def measured(fault: Callable[[], Fault]) -> Fault:
    """Return a fault as it is measured, without the warnings that either side gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fault()


def table(quick: bool = False) -> str:
    """Return the table."""
    rows = [measured(fault) for fault in (FAULTS[3:4] if quick else FAULTS)]
    lines = ["| fault | measured | diffusers | ours |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.what} | {row.quantity} | {row.theirs:.2g} | {row.ours:.2g} |" for row in rows]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into its page."""
    options = PAGE.parser(__doc__).parse_args(arguments)
    PAGE.show(table(options.quick), options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
