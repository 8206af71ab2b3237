"""What ``tests.bad_calls`` calls beside the public modules: façades of other programs, files, clocks and noise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import diffusion
import diffusion.chains
import diffusion.training
from diffusion.adapters import comfyui, dpm_solver, edm, k_diffusion, onnx, th_deis
from diffusion.adapters.diffusers import Scheduler

__all__ = ["METHODS", "SPECIAL"]

VP = diffusion.VP.linear()
STATES, LEVELS = torch.ones(2, 2, dtype=torch.float64), torch.tensor([10.0, 3.0, 1.0, 0.0])
BETAS = np.linspace(1e-4, 0.02, 100)
VP_TABLE = diffusion.VP.from_betas(BETAS)
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


class _Session:
    """As an InferenceSession of onnxruntime."""

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name=n, type="tensor(float)", shape=["batch"]) for n in ("sample", "timestep")]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="out_sample")]

    def run(self, names: Any, feed: Any) -> list[Any]:
        return [0.1 * feed["sample"]]


class _Model:
    """As a MODEL of ComfyUI."""

    def get_model_object(self, name: str) -> Any:
        return SimpleNamespace(sigmas=torch.from_numpy(VP_TABLE.rho(np.arange(1, 101) / 100)))


def _scheduler(name: str = "unipc3") -> Any:
    scheduler = Scheduler.from_config({"beta_schedule": "linear"}, sampler=name)
    scheduler.set_timesteps(4)
    return scheduler


def _pushed(name: str) -> Any:
    """Return a scheduler in the middle of a run."""
    scheduler = _scheduler(name)
    scheduler.step(STATES, scheduler.timesteps[0], STATES)
    return scheduler


def _anew(make: Callable[[], Any], name: str) -> Callable[..., Any]:
    """Return a method of an object that is made anew for each call, since calls change it."""

    @wraps(getattr(make(), name))
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(make(), name)(*args, **kwargs)

    return call


def _saved_in(save_directory: Any) -> None:
    _scheduler().save_config(save_directory)  # without the rest, which would ask a server


def _chain() -> Any:
    net = diffusion.models.gaussian_mixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], [0.04 * np.eye(2)] * 2)
    levels = diffusion.chains.noise_levels(net.schedule, 4, 0.1, 2.0)
    return {"denoiser": net, "start": np.ones((2, 2)), "levels": levels, "step": 0.2, "samples": 2, "rng": 7}


def _net(x: Any, t: Any) -> Any:
    return 0.1 * x


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
    "diffusion.adapters.k_diffusion.sample_dpm_adaptive": lambda: k_diffusion.sample_dpm_adaptive,
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
    "diffusion.adapters.diffusers.Scheduler": lambda: Scheduler,
    "diffusion.adapters.diffusers.Scheduler.from_config": lambda: Scheduler.from_config,
    **{
        f"diffusion.adapters.diffusers.Scheduler(…).{name}": lambda name=name: _anew(_scheduler, name)
        for name in ("set_timesteps", "set_begin_index", "scale_model_input", "step", "add_noise", "scale_noise")
    },
    "diffusion.adapters.diffusers.Scheduler(…).get_velocity": lambda: _scheduler().get_velocity,
    "diffusion.adapters.diffusers.Scheduler(…).save_config": lambda: _saved_in,
    "diffusion.adapters.diffusers.Scheduler(…).step in a run": lambda: _anew(partial(_pushed, "dpmpp-3m"), "step"),
    "diffusion.adapters.diffusers.Scheduler(…).step with noise": lambda: _anew(
        partial(_scheduler, "euler-ancestral"), "step"
    ),
    **{
        f"diffusion.adapters.comfyui.{name}": lambda name=name: getattr(comfyui, name) for name in ("grid_of", "sigmas")
    },
    "diffusion.adapters.onnx.network": lambda: onnx.network,
    "diffusion.adapters.onnx.network(…)": lambda: onnx.network(_Session()).__call__,
    **{
        f"diffusion.chains.{name}": lambda name=name: getattr(diffusion.chains, name)
        for name in ("autocorrelation", "effective_sample_size", "langevin_gibbs", "noise_levels")
    },
    **{
        f"diffusion.training.{name}": lambda name=name: getattr(diffusion.training, name)
        for name in ("BridgeLoss", "DenoisingLoss", "averaged", "fit", "perceptron")
    },
    "diffusion.training.BridgeLoss(…)": lambda: diffusion.training.BridgeLoss(diffusion.Interpolant()).__call__,
    "diffusion.training.DenoisingLoss(…)": lambda: diffusion.training.DenoisingLoss(VP).__call__,
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
    "diffusion.adapters.k_diffusion.sample_dpm_adaptive": {"model": lambda: _model, "x": lambda: STATES}
    | {"sigma_min": lambda: 0.1, "sigma_max": lambda: 10.0},
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
    "diffusion.adapters.diffusers.Scheduler.from_config": {"config": lambda: {"beta_schedule": "linear"}},
    "diffusion.adapters.diffusers.Scheduler(…).set_timesteps": {"num_inference_steps": lambda: 4},
    "diffusion.adapters.diffusers.Scheduler(…).scale_model_input": {"sample": lambda: STATES},
    **{
        f"diffusion.adapters.diffusers.Scheduler(…).step{when}": {
            "model_output": lambda: STATES,
            "timestep": lambda place=place: _scheduler().timesteps[place].clone(),
            "sample": lambda: STATES,
        }
        for when, place in (("", 0), (" in a run", 1), (" with noise", 0))
    },
    **{
        f"diffusion.adapters.diffusers.Scheduler(…).{name}": dict.fromkeys(
            ("original_samples", "noise", "sample"), lambda: STATES
        )
        | dict.fromkeys(("timesteps", "timestep"), lambda: torch.tensor([5]))
        for name in ("add_noise", "scale_noise", "get_velocity")
    },
    "diffusion.adapters.diffusers.Scheduler(…).save_config": {"save_directory": lambda: tempfile.mkdtemp()},
    "diffusion.adapters.comfyui.grid_of": {"name": lambda: "karras"},
    "diffusion.adapters.comfyui.sigmas": {"model": _Model, "grid": lambda: "karras", "steps": lambda: 3},
    "diffusion.adapters.onnx.network": {"model": _Session},
    "diffusion.adapters.onnx.network(…)": {"x": lambda: np.ones((2, 2)), "t": lambda: np.ones(2)},
    **{
        f"diffusion.chains.{name}": {"series": lambda: np.random.default_rng(0).standard_normal((50, 2))}
        for name in ("autocorrelation", "effective_sample_size")
    },
    "diffusion.chains.langevin_gibbs": {name: lambda name=name: _chain()[name] for name in _chain()},
    "diffusion.chains.noise_levels": {"schedule": lambda: VP, "count": lambda: 4}
    | {"low": lambda: 0.1, "high": lambda: 2.0},
    "diffusion.training.BridgeLoss": {"process": lambda: diffusion.Interpolant()},
    "diffusion.training.DenoisingLoss": {"schedule": lambda: VP},
    "diffusion.training.averaged": dict.fromkeys(
        ("average", "network"), lambda: diffusion.training.perceptron(2, width=4, depth=1)
    )
    | {"step": lambda: 3},
    "diffusion.training.fit": {"network": lambda: diffusion.training.perceptron(2, width=4, depth=1)}
    | {"loss": lambda: diffusion.training.DenoisingLoss(VP), "draw": lambda: lambda rng, n: rng.standard_normal((n, 2))}
    | {"steps": lambda: 2, "batch": lambda: 4},
    "diffusion.training.perceptron": {"size": lambda: 2},
    **{
        f"diffusion.training.{name}(…)": {"network": lambda: _net, "uniform": lambda: torch.full((2,), 0.5)}
        | {"data": lambda pair=pair: (STATES, STATES) if pair else STATES, "noise": lambda: STATES}
        for name, pair in (("BridgeLoss", True), ("DenoisingLoss", False))
    },
}
