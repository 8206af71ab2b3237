"""Our samplers in the pipelines of diffusers: a scheduler that is driven by a plan.

.. code-block:: python

    from diffusion.adapters.diffusers import Scheduler

    pipe.scheduler = Scheduler.from_config(pipe.scheduler.config, sampler="unipc3")

A pipeline owns the loop and the network, and hands the outputs in one by one. `set_timesteps` makes the plan of the
run, the same that ``diffusion.sample`` runs, and turns it inside out (`expint.run.compiled.Pushed`); a step then
multiplies and adds, with numbers that lie on the host.
"""

# ruff: noqa: ARG002, E402  (the arguments are read from the configuration; diffusers is asked for before its import)

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffusion.adapters import diffusers_grids as spacing
from diffusion.adapters.diffusers_config import defaults, translated
from diffusion.adapters.diffusers_layout import Wanted, refuses_zero
from diffusion.adapters.diffusers_process import kind_of_process, process_of
from diffusion.adapters.diffusers_run import Layout, Run
from diffusion.optional import require
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.ends import End, taper
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.presets import TaperBelow
from diffusion.samplers.sampler import Sampler
from expint.arguments import seen

require("torch", "torch>=2.4,<3")
require("diffusers", "diffusers>=0.31,<1")

import diffusers as _library
import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers, SchedulerOutput

__all__ = ["Scheduler"]

GridRule = Callable[[int, NoiseSchedule], np.ndarray]


class Scheduler(SchedulerMixin, ConfigMixin):
    """A scheduler of diffusers that makes its steps by a sampler of this library.

    Make one from that of a pipeline, by ``Scheduler.from_config(pipe.scheduler.config, sampler="unipc3")``; what the
    configuration says of the process, of the network and of the spacing of the timesteps is kept.

    Parameters
    ----------
    sampler
        A name (see ``diffusion.sampler_names()``), a ``diffusion.Sampler``, or one of ``diffusion.tune`` or
        ``diffusion.load_sampler``. A fitted one has steps of its own, and starts at the first of them.
    grid
        Where the steps lie: "sampler" as the sampler is published, "config" as the configuration says, or a function
        (steps, schedule) ↦ decreasing times. None is "config" where the configuration asks for something: a spacing,
        flow matching; and else "sampler".
    interpolation
        How noise levels lie between two timesteps of a table; see ``diffusion.VP.from_alphas_cumprod``.
    lower_order_final
        Whether a multistep sampler lowers its order in the last steps, to 1 in the last of all. On grids whose last
        steps are long, as those of flow matching with a shift, high orders overshoot there; "auto" sees to it itself.
    process
        "betas", "flow" or "edm"; None as the other arguments imply.
    spare_timesteps
        1 if ``timestep_spacing`` lays out one timestep more than steps, as the multistep schedulers of diffusers do,
        and 0 as the others.
    flow_levels
        "from-below" for the even levels of flow matching that the DPM-Solvers of diffusers have.
    num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas, prediction_type, rescale_betas_zero_snr, \
snr_shift_scale, lambda_min_clipped, timestep_type, timestep_spacing, steps_offset, set_alpha_to_one, \
use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas, use_lu_lambdas, final_sigmas_type, use_flow_sigmas, \
flow_shift, shift, use_dynamic_shifting, time_shift_type, base_shift, max_shift, base_image_seq_len, \
max_image_seq_len, shift_terminal, invert_sigmas, sigma_min, sigma_max, sigma_data, rho, thresholding, \
dynamic_thresholding_ratio, sample_max_value, clip_sample, clip_sample_range
        As in the schedulers of diffusers.

    Attributes
    ----------
    timesteps, sigmas
        What the network is told at each of its calls, and the noise levels σ/α there (σ for flow matching), with the
        one that the run ends at.
    order
        Network calls of a step, by which pipelines count.

    Raises
    ------
    ValueError, TypeError
        For values that make no sense, when it is made; for grids that do not, by `set_timesteps`.

    Notes
    -----
    Lu et al. 2022 and the other sources of the samplers: ``diffusion.sampler(name).cite()``. Nothing here waits for a
    device after `set_timesteps`, but the first step of a pipeline that neither says where it begins nor passes
    timesteps of ``timesteps`` themselves.
    """

    _compatibles = [entry.name for entry in KarrasDiffusionSchedulers]  # noqa: RUF012  # diffusers reads it so

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 2e-2,
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | None = None,
        prediction_type: str | None = None,
        rescale_betas_zero_snr: bool = False,
        snr_shift_scale: float | None = None,
        lambda_min_clipped: float | None = None,
        timestep_type: str | None = None,
        timestep_spacing: str | None = None,
        steps_offset: int = 0,
        set_alpha_to_one: bool | None = None,
        spare_timesteps: int | None = None,
        use_karras_sigmas: bool = False,
        use_exponential_sigmas: bool = False,
        use_beta_sigmas: bool = False,
        use_lu_lambdas: bool = False,
        final_sigmas_type: str | None = None,
        lower_order_final: bool = False,
        use_flow_sigmas: bool = False,
        flow_shift: float | None = None,
        flow_levels: str | None = None,
        shift: float | None = None,
        use_dynamic_shifting: bool = False,
        time_shift_type: str | None = None,
        base_shift: float | None = None,
        max_shift: float | None = None,
        base_image_seq_len: int | None = None,
        max_image_seq_len: int | None = None,
        shift_terminal: float | None = None,
        invert_sigmas: bool = False,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        sigma_data: float | None = None,
        rho: float | None = None,
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        clip_sample: bool = False,
        clip_sample_range: float = 1.0,
        process: str | None = None,
        interpolation: str = "log-alpha",
        sampler: str | AnySampler = "auto",
        grid: str | GridRule | None = None,
    ) -> None:
        self._set_up(sampler, grid)

    def _set_up(self, sampler: Any, grid: Any) -> None:
        """Check what the configuration says, and keep what no configuration can hold."""
        found = find_sampler(sampler)
        if getattr(found, "stochastic", False):
            raise ValueError(
                f"expected a deterministic sampler for a scheduler, received {found.name!r}, which draws noise "
                "at every step; take diffusion.sample(…, rng=seed) on Denoiser.from_diffusers(model, scheduler), or "
                "'dpmpp-2m'"
            )
        if grid is not None and not callable(grid) and grid not in ("sampler", "config"):
            raise ValueError(
                f"expected grid to be 'sampler', 'config' or a function (steps, schedule) ↦ decreasing times; received "
                f"{seen(grid)}; times themselves are given to set_timesteps(timesteps=…) or (sigmas=…)"
            )
        self._rule = find_sampler(found, grid=grid if callable(grid) else None, end=self._end(found))
        self._grid = "sampler" if callable(grid) else grid
        named = isinstance(sampler, str)
        self.register_to_config(sampler=sampler if named else found.name, grid=None if callable(grid) else grid)
        self._unsaved = [] if named or _is_named(found) else ["sampler"]
        self._unsaved += ["grid"] * callable(grid)
        spacing.spacing_of(self.config)
        self._process = process_of(self.config)
        if self.config["prediction_type"] is None:
            usual = {"flow": "flow_prediction"}.get(self._process.kind, "epsilon")
            self.register_to_config(prediction_type=usual)  # pipelines read it
        self._layout: Layout | None = None
        self.num_inference_steps: int | None = None
        count = self._process.count
        self.timesteps = torch.arange(count - 1, -1, -1)
        self.sigmas = torch.tensor([])
        self._forget()

    def _end(self, sampler: AnySampler) -> End | None:
        """Return the end that the configuration asks for instead of that of the ``sampler``."""
        final = self.config["final_sigmas_type"]
        if final not in (None, "zero", "sigma_min"):
            raise ValueError(
                f"expected final_sigmas_type to be 'zero' or 'sigma_min'; received {final!r}; leave it out"
            )
        if isinstance(sampler, FittedSampler):
            return None  # its rows end as they were fitted
        end = _lowered(sampler) if self.config["lower_order_final"] else sampler.end
        if final is None:
            return end
        if final == "zero" and refuses_zero(sampler):
            warnings.warn(
                f"not followed: final_sigmas_type='zero' (the scheduler that {sampler.name!r} reproduces makes no step "
                "to σ = 0; the run ends at the least noise level)",
                UserWarning,
                stacklevel=4,
            )
            return end
        return replace(end or End(), zero=((end or End()).zero or 1) if final == "zero" else None)

    def _forget(self) -> None:
        """Begin anew: nothing is remembered, and no step was made."""
        self._step_index: int | None = None
        self._begin_index: int | None = None
        self._run: Run | None = None
        self._memory: Any = None

    @classmethod
    def from_config(cls, config: Any = None, return_unused_kwargs: bool = False, **kwargs: Any) -> Any:
        """Return the scheduler for the ``config`` of any scheduler of diffusers whose process is known.

        Parameters
        ----------
        config
            ``pipe.scheduler.config``, or a mapping.
        return_unused_kwargs
            Whether the keys of ``config`` that have no meaning here are returned as well.
        **kwargs
            Arguments of `Scheduler`, which count more than those of ``config``.

        Raises
        ------
        TypeError, ValueError
            If ``config`` is no mapping or its process unknown, or an argument makes no sense.

        Warns
        -----
        UserWarning
            Of values in ``config`` that are no defaults of its scheduler, and are not followed; it says why.
        """
        if not isinstance(config, Mapping):
            raise TypeError(
                f"expected the config of a scheduler, a mapping; received {seen(config)}; pass pipe.scheduler.config, "
                "or take Scheduler.from_pretrained(folder)"
            )
        known = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
        origin = _origin(config)
        config = {**config, "_class_name": config.get("_class_name") or getattr(origin, "__name__", "")}
        usual = defaults(origin)
        own = {key: value for key, value in config.items() if not usual or key in usual or key.startswith("_")}
        kind_of_process(own)  # keys that its scheduler only hands on say nothing
        arguments, said = translated(own, kwargs, origin, known)
        scheduler = cls(**arguments)
        if said:
            warnings.warn(f"not followed from the configuration: {'; '.join(said)}", UserWarning, stacklevel=2)
        rest = {key: value for key, value in config.items() if key not in known and not key.startswith("_")}
        scheduler.register_to_config(**rest)
        return (scheduler, rest) if return_unused_kwargs else scheduler

    def save_config(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Save the configuration, the sampler by its name.

        Raises
        ------
        ValueError
            If the sampler or the grid has no name by which it would be found again.
        """
        if self._unsaved:
            raise ValueError(
                f"expected a sampler and a grid that are known by name; received own ones: {', '.join(self._unsaved)}; "
                "save the scheduler with a named sampler, and give yours again to from_config"
            )
        super().save_config(save_directory, push_to_hub, **kwargs)

    @property
    def schedule(self) -> NoiseSchedule:
        """α(t) and σ(t), in whose times the steps are reckoned."""
        return (self._layout.process if self._layout else self._process).schedule

    @property
    def predicts(self) -> Any:
        """What the network predicts, as a `Denoiser` takes it."""
        return self._process.predicts

    @property
    def times(self) -> np.ndarray:
        """The grid of the run, as ``diffusion.sample(…, grid=…)`` takes it: a last 0 stands for a step to σ = 0."""
        layout = self._required()
        return np.append(layout.times, 0.0) if layout.to_zero else layout.times.copy()

    @property
    def order(self) -> int:
        """The calls of a step, by which pipelines count."""
        return self._layout.order if self._layout else 1

    @property
    def init_noise_sigma(self) -> float:
        """The standard deviation of the states from which a run starts from noise."""
        if self._process.kind == "flow":
            return 1.0
        start = self._layout.times[0] if self._layout else self._process.schedule.t_start
        return float(self._process.schedule.noise_scale(float(start)))

    @property
    def alphas_cumprod(self) -> torch.Tensor:
        """ᾱ of the timesteps of a table.

        Raises
        ------
        AttributeError
            If the process has none.
        """
        if self._process.kind != "betas":
            raise AttributeError(f"expected a table of betas; received a process of the kind {self._process.kind!r}")
        t = np.arange(1, self._process.count + 1) / self._process.count
        return torch.from_numpy(np.asarray(self._process.schedule.alpha(t)) ** 2).to(torch.float32)

    @property
    def step_index(self) -> int | None:
        """The call that comes next; None before the first."""
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        """The call at which the run begins, if it was said."""
        return self._begin_index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Begin the run at the call ``begin_index``, counted from 0, with an empty history."""
        self._begin_index = begin_index

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
    ) -> None:
        """Lay out a run, and forget the one before.

        Parameters
        ----------
        num_inference_steps
            The number of steps.
        device
            Where ``timesteps`` go; all else stays on the host.
        timesteps
            Instead: what the network is told at the start of each step, decreasing.
        sigmas
            Instead: the noise levels σ/α at the ends of the steps, decreasing; a last 0 stands for a step to σ = 0.
            For flow matching those at their starts, before the shift; the run goes on to σ = 0.
        mu
            What ``use_dynamic_shifting`` shifts times by; not looked at where they are not shifted so.

        Raises
        ------
        TypeError, ValueError
            As ``diffusion.sample`` does for a grid: if it is not decreasing, or leaves the range of the schedule.
        """
        n, given, levels = spacing.asked_for(num_inference_steps, timesteps, sigmas)
        limit = self._limit if self.config["thresholding"] or self.config["clip_sample"] else None
        wanted = Wanted(self.config, self._process, self._rule, self._grid, limit)
        self._layout = wanted.layout(n, given, levels, mu)
        self._publish(n, device)
        self._forget()

    def _publish(self, n: int, device: Any) -> None:
        """Make the tensors that pipelines read: ``timesteps`` and ``sigmas``."""
        layout = self._required()
        process, calls = layout.process, np.array([t for t, _ in layout.calls])
        told = process.timesteps(calls)
        self._told = told.tolist()
        whole = np.all(told == np.round(told))
        self.timesteps = torch.tensor(told, dtype=torch.int64 if whole else torch.float32).to(device)
        level = process.schedule.sigma if process.kind == "flow" else process.schedule.rho
        sigmas = [*np.asarray(level(calls)).tolist(), 0.0 if layout.to_zero else float(level(float(layout.times[-1])))]
        self.sigmas = 1.0 - torch.tensor(sigmas) if process.reverses else torch.tensor(sigmas)
        self.num_inference_steps = n

    def scale_model_input(self, sample: torch.Tensor, timestep: Any = None) -> torch.Tensor:
        """Return the states as the network takes them: for EDM's divided by √(σ² + σ_data²)."""
        scale = self._process.scale
        if scale is None:
            return sample
        call = self._call_at(timestep)
        sigma = self._required().calls[call][0]
        return sample * float(1.0 / np.hypot(sigma, scale))

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        generator: Any = None,
        return_dict: bool = True,
        *,
        eta: float = 0.0,
        use_clipped_model_output: bool | None = None,
        variance_noise: Any = None,
    ) -> SchedulerOutput | tuple[torch.Tensor]:
        """Return the state at which the network is to be called next, or the last one.

        Parameters
        ----------
        model_output
            The output of the network at ``sample`` and ``timestep``. If it has twice the channels, as that of a
            network with a learned variance, its first half.
        timestep
            One of ``timesteps``; another than the next one begins anew, with nothing remembered.
        sample
            The state there, which the pipeline may have changed.
        generator
            Not used: the samplers draw no noise.
        return_dict
            Whether ``SchedulerOutput(prev_sample)`` is returned, or a tuple.
        eta
            0: the noise of DDIM, as its pipeline passes it.
        use_clipped_model_output, variance_noise
            Not used without noise.

        Raises
        ------
        ValueError
            If `set_timesteps` was not called, if the timestep is none of the run or no step starts where it jumps to,
            or if the output is not like the state.
        """
        del generator, use_clipped_model_output, variance_noise
        if eta != 0.0:
            raise ValueError(f"expected eta = 0, as the sampler draws no noise; received {eta!r}; leave it out")
        call = self._call_at(timestep)
        if self._run is None or call != self._step_index or self._other_shape(sample):
            self._run, self._memory = self._required().run_from(call), None
        x = sample if sample.dtype in _EXACT else sample.float()
        output = model_output if model_output.shape == sample.shape else _without_variance(model_output, sample)
        output = output if output.dtype == x.dtype else output.to(x.dtype)
        self._memory, point = self._run.advance(self._memory, call, x, output)
        self._step_index = call + 1
        if self._step_index == len(self._told):
            self._memory = None  # nothing looks at the outputs any more
        point = point if point.dtype == sample.dtype else point.to(sample.dtype)
        return SchedulerOutput(prev_sample=point) if return_dict else (point,)

    def _other_shape(self, sample: torch.Tensor) -> bool:
        return self._memory is not None and self._memory[0].shape != sample.shape

    def _call_at(self, timestep: Any) -> int:
        """Return the call at a ``timestep``: told by where it lies in memory, by its number, or as the next one."""
        layout = self._required()
        following = self._begin_index if self._step_index is None else self._step_index
        if isinstance(timestep, torch.Tensor):
            own, place = self.timesteps, timestep.data_ptr() - self.timesteps.data_ptr()
            if timestep.device == own.device and 0 <= place < own.numel() * own.element_size():
                return place // own.element_size()
            if following is not None:
                return self._within(following, layout)
        value = float(timestep)  # the first of a run that does not say where it begins
        near = [number for number, told in enumerate(self._told) if abs(told - value) <= 1e-4 * max(1.0, abs(told))]
        if following in near:
            return following
        starts = [number for number in near if layout.calls[number][1]]
        if not near:
            raise ValueError(
                f"expected one of the timesteps of the run; received {value!r}; pass those of scheduler.timesteps, or "
                "call set_timesteps(timesteps=…) with your own"
            )
        return (starts or near)[0]

    def _within(self, call: int, layout: Layout) -> int:
        if call < len(layout.calls):
            return call
        raise ValueError(
            f"expected one of the {len(layout.calls)} calls of the run; received another after them; call "
            "set_timesteps again for another run"
        )

    def _required(self) -> Layout:
        if self._layout is None:
            raise ValueError(
                "expected a run that is laid out; received a scheduler without steps; call set_timesteps(steps) first"
            )
        return self._layout

    def _limit(self, data: torch.Tensor) -> torch.Tensor:
        """Return the ``data`` brought back into the range that the configuration gives them."""
        if not self.config["thresholding"]:
            return data.clamp(-self.config["clip_sample_range"], self.config["clip_sample_range"])
        size = data.abs().flatten(1)
        most = torch.quantile(size, self.config["dynamic_thresholding_ratio"], dim=1)
        most = most.clamp(1.0, self.config["sample_max_value"]).reshape(-1, *[1] * (data.ndim - 1))
        return torch.minimum(torch.maximum(data, -most), most) / most

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return α x₀ + σ ε at ``timesteps``, one for all or one for each; any will do, also those of the training."""
        alpha, sigma = self._scales(original_samples, timesteps)
        return (alpha * original_samples + sigma * noise).to(original_samples.dtype)

    def scale_noise(self, sample: torch.Tensor, timestep: Any, noise: torch.Tensor) -> torch.Tensor:
        """Return α x₀ + σ ε at ``timestep``: `add_noise`, as schedulers of flow matching call it."""
        return self.add_noise(sample, noise, timestep)

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return the velocity α ε − σ x₀ at ``timesteps``."""
        alpha, sigma = self._scales(sample, timesteps)
        return (alpha * noise - sigma * sample).to(sample.dtype)

    def _scales(self, like: torch.Tensor, timesteps: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return α and σ at ``timesteps`` in single precision at least, shaped to multiply states."""
        told = torch.as_tensor(timesteps, device=like.device)
        told = told.to(torch.float64 if like.dtype == torch.float64 else torch.float32).flatten()
        shape = (-1, *[1] * (like.ndim - 1))
        alpha, sigma = self._process.scales(told)
        return alpha.reshape(shape), sigma.reshape(shape)

    def __len__(self) -> int:
        """Return the number of timesteps of the training."""
        return self._process.count


_OTHERS = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "EDMDPMSolverMultistepScheduler",
    "SASolverScheduler",
    "LCMScheduler",
    "TCDScheduler",
    "CogVideoXDDIMScheduler",
    "CogVideoXDPMScheduler",
)


def _origin(config: Mapping[str, Any]) -> type | None:
    """Return the class of a configuration: that of its name, or, as those in memory have none, of its first keys."""
    if config.get("_class_name"):
        found = getattr(_library, str(config["_class_name"]), None)
        return found if isinstance(found, type) and issubclass(found, SchedulerMixin) else None
    keys = [key for key in config if not key.startswith("_")]
    classes = (getattr(_library, name, None) for name in (*Scheduler._compatibles, *_OTHERS))
    known = ((one, list(defaults(one))) for one in classes if isinstance(one, type) and issubclass(one, SchedulerMixin))
    return next((one for one, names in known if keys[: len(names)] == names), None)  # what it hands on comes after


_EXACT = (torch.float32, torch.float64)


def _lowered(sampler: Sampler | Automatic) -> End | None:
    """Return the end of a ``sampler`` at which a multistep method lowers its order; of others as it is."""
    end, method = sampler.end, getattr(sampler, "method", None)
    if end is None or end.orders or method is None or method.history < 2:
        return end
    order = int(getattr(method, "q", method.order))
    return TaperBelow(taper(order).orders, end.methods, end.correct, end.zero, at_zero="counted")


def _is_named(sampler: AnySampler) -> bool:
    try:
        return bool(find_sampler(sampler.name) == sampler)
    except ValueError:
        return False


def _without_variance(output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Return the first half of the channels of an output that has twice those of the state."""
    wanted, found = tuple(sample.shape), tuple(output.shape)
    if len(found) > 1 and found == (wanted[0], 2 * wanted[1], *wanted[2:]):
        return output[:, : wanted[1]]
    raise ValueError(
        f"expected an output of the shape {wanted} of the state, or with twice its channels; received {found}; pass "
        "what the network returns for this state"
    )
