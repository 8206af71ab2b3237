"""The configuration of our scheduler: its arguments, from those of any scheduler of diffusers, and its files."""

# ruff: noqa: ARG002  (the arguments are read from the configuration)

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import diffusers as _library
import numpy as np
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers

from diffusion.adapters.diffusers import grids as spacing
from diffusion.adapters.diffusers.config import defaults, translated
from diffusion.adapters.diffusers.ends import end_asked_for
from diffusion.adapters.diffusers.options import plain_options
from diffusion.adapters.diffusers.process import Process, kind_of_process, process_of
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from expint.arguments import flag, path, seen

__all__ = ["Configured"]

GridRule = Callable[[int, NoiseSchedule], np.ndarray]


class Configured(SchedulerMixin, ConfigMixin):
    """The arguments of `Scheduler`, which says what they mean, and what follows from them once for all runs.

    Parameters
    ----------
    sampler, grid, …
        As of `Scheduler`.
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
        lower_order_final: bool | None = None,
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
        self.register_to_config(**plain_options(self.config, whole=True))
        found = find_sampler(sampler)
        if grid is not None and not callable(grid) and not (isinstance(grid, str) and grid in ("sampler", "config")):
            raise ValueError(
                f"expected grid to be 'sampler', 'config' or a function (steps, schedule) ↦ decreasing times; received "
                f"{seen(grid)}; times themselves are given to set_timesteps(timesteps=…) or (sigmas=…)"
            )
        self._rule: AnySampler = find_sampler(
            found, grid=grid if callable(grid) else None, end=end_asked_for(self.config, found, grid)
        )
        self._grid = "sampler" if callable(grid) else grid
        named = isinstance(sampler, str)
        self.register_to_config(sampler=sampler if named else found.name, grid=None if callable(grid) else grid)
        self._unsaved = [] if named or _is_named(found) else ["sampler"]
        self._unsaved += ["grid"] * callable(grid)
        spacing.spacing_of(self.config)
        self._process: Process = process_of(self.config)
        if self.config["prediction_type"] is None:
            usual = {"flow": "flow_prediction"}.get(self._process.kind, "epsilon")
            self.register_to_config(prediction_type=usual)  # pipelines read it

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
        unused = flag("return_unused_kwargs", return_unused_kwargs)
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
        return (scheduler, rest) if unused else scheduler

    def save_config(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Save the configuration, the sampler by its name.

        Raises
        ------
        TypeError, ValueError
            If the folder is no path, or the sampler or the grid has no name by which it would be found again.
        """
        folder, push = path("save_directory", save_directory), flag("push_to_hub", push_to_hub)
        if self._unsaved:
            raise ValueError(
                f"expected a sampler and a grid that are known by name; received own ones: {', '.join(self._unsaved)}; "
                "save the scheduler with a named sampler, and give yours again to from_config"
            )
        super().save_config(folder, push, **kwargs)


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
    classes = (getattr(_library, name, None) for name in (*Configured._compatibles, *_OTHERS))
    known = ((one, list(defaults(one))) for one in classes if isinstance(one, type) and issubclass(one, SchedulerMixin))
    return next((one for one, names in known if keys[: len(names)] == names), None)  # what it hands on comes after


def _is_named(sampler: AnySampler) -> bool:
    try:
        return bool(find_sampler(sampler.name) == sampler)
    except ValueError:
        return False
