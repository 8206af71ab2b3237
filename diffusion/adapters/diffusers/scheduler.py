"""A scheduler of diffusers that is driven by a plan."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput

from diffusion.adapters.diffusers import grids as spacing
from diffusion.adapters.diffusers.layout import Wanted
from diffusion.adapters.diffusers.noising import Noising, drawn_columns, of_states, without_variance
from diffusion.adapters.diffusers.options import device_of
from diffusion.adapters.diffusers.run import Layout, Run
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import flag, integer, number

__all__ = ["Scheduler"]

_EXACT = (torch.float32, torch.float64)


class Scheduler(Noising):
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
        Whether a multistep sampler lowers its order in the last steps, to 1 in the last of all. None does so for
        flow matching on the levels of the configuration and samplers of order 3 or more: the last steps are long there,
        and high orders overshoot in them. "auto" chooses the order of every step itself.
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

    def _set_up(self, sampler: Any, grid: Any) -> None:
        """Check what the configuration says; there is no run yet."""
        super()._set_up(sampler, grid)
        self._layout: Layout | None = None
        self.num_inference_steps: int | None = None
        self.timesteps = torch.arange(self._process.count - 1, -1, -1)
        self.sigmas = torch.tensor([])
        self._forget()

    def _forget(self) -> None:
        """Begin anew: nothing is remembered, and no step was made."""
        self._step_index: int | None = None
        self._begin_index: int | None = None
        self._run: Run | None = None
        self._memory: Any = None

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
        """Begin the run at the call ``begin_index``, counted from 0, with an empty history.

        Raises
        ------
        TypeError, ValueError
            If it is no number of a call.
        """
        self._begin_index = integer("begin_index", begin_index, least=0)

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
        device = device_of(device)
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
            Of a sampler that draws noise: a generator of torch, one for each sample, or None for torch's own. Noise is
            drawn from it once a step, as the schedulers of diffusers do, so that it makes the same images again.
        return_dict
            Whether ``SchedulerOutput(prev_sample)`` is returned, or a tuple.
        eta
            0, as pipelines pass it: the sampler says how much noise there is.
        variance_noise
            The noise of the step, for samplers that draw it once a step, instead of that of ``generator``.
        use_clipped_model_output
            Not used: what clips the prediction clips it for the whole step.

        Raises
        ------
        TypeError, ValueError
            If `set_timesteps` was not called, if states are no tensors, if the timestep is none of the run or no step
            starts where it jumps to, if the output is not like the state, or noise is given to a sampler that draws
            none.
        """
        del use_clipped_model_output
        plain = getattr(sample, "dtype", None) in _EXACT and sample.layout is torch.strided
        if not plain or not isinstance(model_output, torch.Tensor):
            of_states(model_output=model_output, sample=sample)
        if (eta if type(eta) is float else number("eta", eta)) != 0.0:
            raise ValueError(
                "expected eta = 0, as the sampler says how much noise there is; received "
                f"{eta!r}; leave it out, and take the sampler 'ddim-eta{eta}'"
            )
        as_object = return_dict if return_dict is True or return_dict is False else flag("return_dict", return_dict)
        call = self._call_at(timestep)
        if self._run is None or call != self._step_index or self._other_shape(sample):
            self._run, self._memory = self._required().run_from(call), None
        x = sample if sample.dtype in _EXACT else sample.float()
        output = model_output if model_output.shape == sample.shape else without_variance(model_output, sample)
        output = output if output.dtype == x.dtype else output.to(x.dtype)
        noise = None
        if self._run.stochastic:
            noise = partial(drawn_columns, like=x, drawn_like=model_output, generator=generator, given=variance_noise)
        elif variance_noise is not None:
            raise ValueError(
                f"expected no variance_noise for {self._rule.name!r}, which draws none; received some; leave it out"
            )
        self._memory, point = self._run.advance(self._memory, call, x, output, noise)
        self._step_index = call + 1
        if self._step_index == len(self._told):
            self._memory = None  # nothing looks at the outputs any more
        point = point if point.dtype == sample.dtype else point.to(sample.dtype)
        return SchedulerOutput(prev_sample=point) if as_object else (point,)

    def _other_shape(self, sample: torch.Tensor) -> bool:
        return self._memory is not None and self._memory[0].shape != sample.shape

    def _call_at(self, timestep: Any) -> int:
        """Return the call at a ``timestep``: told by where it lies in memory, by its number, or as the next one."""
        layout = self._required()
        following = self._begin_index if self._step_index is None else self._step_index
        if isinstance(timestep, torch.Tensor):
            own = self.timesteps
            there = timestep.device == own.device and timestep.layout is torch.strided
            place = timestep.data_ptr() - own.data_ptr() if there else -1
            if 0 <= place < own.numel() * own.element_size():
                return place // own.element_size()
            if following is not None:
                return self._within(following, layout)
        value = number("timestep", timestep)  # the first of a run that does not say where it begins
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
