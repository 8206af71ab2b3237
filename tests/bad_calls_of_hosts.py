"""What ``tests.bad_calls`` calls beside the public modules: façades of other programs, files, clocks and noise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import diffusion
from diffusion.adapters import dpm_solver, edm, k_diffusion, th_deis

__all__ = ["METHODS", "SPECIAL"]

VP = diffusion.VP.linear()
STATES, LEVELS = torch.ones(2, 2, dtype=torch.float64), torch.tensor([10.0, 3.0, 1.0, 0.0])
BETAS = np.linspace(1e-4, 0.02, 100)
CLOCK = diffusion.clock.clock("lambda")
REVERTING = diffusion.MeanReverting(1.0, 0.5)


def _path(suffix: str) -> str:
    return str(Path(tempfile.mkdtemp()) / f"one{suffix}")


def _statistics() -> diffusion.Statistics:
    return diffusion.Statistics(np.linspace(-3.0, 3.0, 4), *(np.zeros((4, 2)) for _ in range(3)))


def _stored() -> str:
    path = _path(".npz")
    _statistics().save(path)
    return path


def _model(x: Any, sigma: Any, **_: Any) -> Any:
    return 0.1 * x


def _rounding(x: Any, sigma: Any) -> Any:
    return 0.1 * x


_rounding.round_sigma = lambda sigma: sigma


def _epsilon(x: Any, t: Any) -> Any:
    return 0.1 * x


def _noise_schedule() -> Any:
    return dpm_solver.NoiseScheduleVP("linear")


def _model_function() -> Any:
    return dpm_solver.model_wrapper(_epsilon, _noise_schedule())


def _sde() -> Any:
    return th_deis.VPSDE(*th_deis.get_linear_alpha_fns(0.1, 20.0), 1e-3, 1.0)


METHODS: dict[str, Callable[[], Any]] = {
    "diffusion.Statistics(half_log_snr, …)": lambda: diffusion.Statistics,
    "diffusion.Statistics.load": lambda: diffusion.Statistics.load,
    "diffusion.Statistics(…).save": lambda: _statistics().save,
    "diffusion.Statistics(…).at": lambda: _statistics().at,
    "diffusion.Clock(…).value": lambda: CLOCK.value,
    "diffusion.Clock(…).time": lambda: CLOCK.time,
    "diffusion.FittedSampler(…).save": lambda: diffusion.freeze("ddim", VP, steps=2).save,
    "diffusion.MeanReverting": lambda: diffusion.MeanReverting,
    "diffusion.MeanReverting(…).alpha": lambda: REVERTING.alpha,
    "diffusion.Interpolant(…).coefficients": lambda: diffusion.Interpolant().coefficients,
    "diffusion.noise.Seeded": lambda: diffusion.noise.Seeded,
    "diffusion.noise.Recorded": lambda: diffusion.noise.Recorded,
    "diffusion.noise.BrownianPath": lambda: diffusion.noise.BrownianPath,
    "diffusion.noise.noise_for": lambda: diffusion.noise.noise_for,
    "diffusion.adapters.k_diffusion.sampler_function": lambda: k_diffusion.sampler_function,
    "diffusion.adapters.k_diffusion.sigmas": lambda: k_diffusion.sigmas,
    "diffusion.adapters.k_diffusion.sample": lambda: k_diffusion.sampler_function("ddim"),
    "diffusion.adapters.edm.denoiser": lambda: edm.denoiser,
    "diffusion.adapters.edm.sample": lambda: edm.sample,
    "diffusion.adapters.edm.rounded": lambda: edm.rounded,
    "diffusion.adapters.th_deis.VPSDE": lambda: th_deis.VPSDE,
    "diffusion.adapters.th_deis.DiscreteVPSDE": lambda: th_deis.DiscreteVPSDE,
    "diffusion.adapters.th_deis.get_linear_alpha_fns": lambda: th_deis.get_linear_alpha_fns,
    "diffusion.adapters.th_deis.get_sampler": lambda: th_deis.get_sampler,
    "diffusion.adapters.dpm_solver.NoiseScheduleVP": lambda: dpm_solver.NoiseScheduleVP,
    "diffusion.adapters.dpm_solver.model_wrapper": lambda: dpm_solver.model_wrapper,
    "diffusion.adapters.dpm_solver.DPM_Solver": lambda: dpm_solver.DPM_Solver,
    "diffusion.adapters.dpm_solver.DPM_Solver(…).sample": lambda: (
        dpm_solver.DPM_Solver(_model_function(), _noise_schedule()).sample
    ),
}

SPECIAL: dict[str, dict[str, Callable[[], Any]]] = {
    "diffusion.Statistics(half_log_snr, …)": {"half_log_snr": lambda: np.linspace(-3.0, 3.0, 4)}
    | dict.fromkeys(("linear", "slope", "offset"), lambda: np.zeros((4, 2))),
    "diffusion.Statistics.load": {"path": _stored},
    "diffusion.Statistics(…).save": {"path": lambda: _path(".npz")},
    "diffusion.Statistics(…).at": {"half_log_snr": lambda: 0.5},
    **{
        f"diffusion.Clock(…).{name}": {"schedule": lambda: VP, "t": lambda: 0.5, "s": lambda: 0.5}
        for name in ("value", "time")
    },
    "diffusion.FittedSampler(…).save": {"path": lambda: _path(".safetensors")},
    "diffusion.MeanReverting": {"theta": lambda: 1.0, "sigma_inf": lambda: 0.5},
    "diffusion.MeanReverting(…).alpha": {"t": lambda: 0.5},
    "diffusion.Interpolant(…).coefficients": {"t": lambda: 0.5},
    "diffusion.noise.Seeded": {"seeds": lambda: ((1, 0), (2, 0))},
    "diffusion.noise.Recorded": {"draws": lambda: [np.ones((2, 2))]},
    "diffusion.noise.BrownianPath": {"rng": lambda: 7},
    "diffusion.noise.noise_for": {"rng": lambda: 7, "like": lambda: np.ones((2, 2))},
    "diffusion.adapters.k_diffusion.sampler_function": {"sampler": lambda: "ddim"},
    "diffusion.adapters.k_diffusion.sigmas": {"grid": lambda: "karras", "steps": lambda: 3}
    | {"schedule": lambda: diffusion.EDM()},
    "diffusion.adapters.k_diffusion.sample": {"model": lambda: _model, "x": lambda: STATES, "sigmas": lambda: LEVELS},
    "diffusion.adapters.edm.denoiser": {"net": lambda: _model},
    "diffusion.adapters.edm.sample": {"net": lambda: _model, "latents": lambda: STATES, "num_steps": lambda: 3},
    "diffusion.adapters.edm.rounded": {
        "net": lambda: _rounding,
        "levels": lambda: [10.0, 1.0],
    },
    "diffusion.adapters.th_deis.VPSDE": dict(
        zip(("t2alpha_fn", "alpha2t_fn"), [lambda i=i: th_deis.get_linear_alpha_fns(0.1, 20.0)[i] for i in (0, 1)])
    )
    | {"sampling_eps": lambda: 1e-3, "sampling_T": lambda: 1.0},
    "diffusion.adapters.th_deis.DiscreteVPSDE": {"discrete_alpha": lambda: np.cumprod(1 - BETAS)},
    "diffusion.adapters.th_deis.get_linear_alpha_fns": {"beta_0": lambda: 0.1, "beta_1": lambda: 20.0},
    "diffusion.adapters.th_deis.get_sampler": {"sde": _sde, "eps_fn": lambda: _epsilon, "ts_phase": lambda: "t"}
    | {"ts_order": lambda: 1.0, "num_step": lambda: 3},
    "diffusion.adapters.dpm_solver.NoiseScheduleVP": {"schedule": lambda: "linear"},
    "diffusion.adapters.dpm_solver.model_wrapper": {"model": lambda: _epsilon, "noise_schedule": _noise_schedule},
    "diffusion.adapters.dpm_solver.DPM_Solver": {"model_fn": _model_function, "noise_schedule": _noise_schedule},
    "diffusion.adapters.dpm_solver.DPM_Solver(…).sample": {"x": lambda: STATES, "steps": lambda: 4},
}
