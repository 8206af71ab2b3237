"""From what a pipeline of diffusers asks for, and the configuration of its scheduler, to the layout of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion.adapters.diffusers import grids as spacing
from diffusion.adapters.diffusers.process import Process, process_of
from diffusion.adapters.diffusers.run import Layout, Limit, laid_out
from diffusion.adapters.host_schedules import startable
from diffusion.grids.published import Timesteps
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import FittedSampler

__all__ = ["Wanted", "refuses_zero"]

_NEAR_NOISE = 0.9999  # the first time of flow matching for samplers whose clock is infinite at pure noise


def refuses_zero(sampler: AnySampler) -> bool:
    """Whether a ``sampler`` reproduces a scheduler that makes no step to σ = 0."""
    return getattr(sampler.end, "at_zero", None) == "refused"


@dataclass(frozen=True)
class Wanted:
    """What is the same for all runs of a scheduler.

    Attributes
    ----------
    config
        Its configuration, with our keys.
    process, rule
        Its process and its sampler.
    grid
        "sampler" or "config", as it was asked for; None for none.
    limit
        What limits the data that the network predicts; None for nothing.
    """

    config: Mapping[str, Any]
    process: Process
    rule: AnySampler
    grid: str | None
    limit: Limit | None = None

    def layout(self, n: int, given: np.ndarray | None, levels: np.ndarray | None, mu: float | None) -> Layout:
        """Return the layout of ``n`` steps, of those that start at ``given`` timesteps, or over noise ``levels``.

        Raises
        ------
        TypeError, ValueError
            As ``diffusion.sample`` does for a grid.
        """
        process, steps, grid = self.process, None, None
        if isinstance(self.rule, FittedSampler):
            process, steps = self._fitted_run(n, given, levels, mu)
        elif process.kind == "flow":
            process, steps, grid = self._flow_grid(n, given, levels, mu)
        elif levels is not None:
            ends = levels[:-1] if levels[-1] == 0.0 and levels.size > 1 else levels
            if not np.all(ends > 0.0):
                raise ValueError(f"expected sigmas > 0, but for the last; received {ends.min()}; drop it")
            grid = np.append(process.schedule.time(-np.log(ends)), levels[ends.size :])
        elif given is not None:
            starts = process.times(given)
            grid = np.append(starts, 0.0 if self._to_zero() else self._last(starts))
        else:
            steps, grid = self._own_or_spaced(n)
        if grid is not None and process.kind == "flow":
            grid = startable(self.rule, process.schedule, grid)
        return laid_out(process, self.rule, steps, grid, self.limit)

    def _fitted_run(
        self, n: int, given: np.ndarray | None, levels: np.ndarray | None, mu: float | None
    ) -> tuple[Process, int]:
        """Return the process and the number of steps of a sampler whose times are its own."""
        if given is not None or not (levels is None or spacing.is_even(levels)):
            what = "sigmas" if given is None else "timesteps"
            raise ValueError(
                f"expected the number of steps alone for {self.rule.name!r}, whose rows are for its own times; "
                f"received {what}; leave them out, or take a named sampler"
            )
        if self.process.kind != "flow":
            return self.process, n
        return process_of(self.config, spacing.shift_of(self.config, mu)), n

    def _to_zero(self) -> bool:
        """Whether a run goes on to σ = 0."""
        final = self.config["final_sigmas_type"]
        return not refuses_zero(self.rule) and (
            self.config["set_alpha_to_one"] is not False if final is None else final == "zero"
        )

    def _last(self, starts: np.ndarray) -> list[float]:
        """Return the time at which a run to the least noise level ends, unless its last step starts there."""
        end = self.process.schedule.t_end
        return [end] if starts[-1] > end * (1.0 + 1e-9) else []

    def _own_or_spaced(self, n: int) -> tuple[int | None, np.ndarray | None]:
        """Return the number of steps for the grid of the sampler, or the grid of the configuration."""
        asked, rule, config = spacing.spacing_of(self.config), self.rule.grid, self.config
        if isinstance(rule, Timesteps):  # laid out as a scheduler of diffusers does, whose options these are
            config = {**config, "spare_timesteps": rule.spare, "whole": rule.whole}
            if config["timestep_spacing"] is None or self.grid == "sampler":
                config |= {"timestep_spacing": rule.spacing, "steps_offset": config["steps_offset"] or rule.offset}
        elif self.grid is None and asked is None and self._starts_pure():
            asked, config = "timesteps", {**config, "timestep_spacing": "trailing"}  # which starts there
        elif self.grid == "sampler" or (self.grid is None and asked is None):
            return n, None
        asked = asked or ("karras" if self.process.kind == "edm" else "timesteps")
        return None, spacing.grid_of_config(config, self.process, asked, n, to_zero=self._to_zero())

    def _starts_pure(self) -> bool:
        """Whether a table ends in α = 0, where the clocks of most grids are infinite."""
        schedule = self.process.schedule
        return not isinstance(self.rule, Automatic) and float(schedule.alpha(schedule.t_start)) == 0.0

    def _flow_grid(
        self, n: int, given: np.ndarray | None, levels: np.ndarray | None, mu: float | None
    ) -> tuple[Process, int | None, np.ndarray | None]:
        """Return the process with its shift, and the number of steps or the grid."""
        shift = spacing.shift_of(self.config, mu)
        if self.grid == "sampler" and given is None and (levels is None or spacing.is_even(levels)):
            return process_of(self.config, shift).between(_NEAR_NOISE), n, None
        process = process_of(self.config)
        if given is not None:
            level = np.asarray(process.times(given))
        else:
            level = spacing.flow_levels(self.config, n, levels, shift)
        if not (np.all(level > 0.0) and np.all(level <= 1.0 + 1e-6)):
            raise ValueError(f"expected noise levels in (0, 1]; received {level.min()} … {level.max()}; correct them")
        level = np.minimum(level, 1.0)
        process = process.between(1.0, min(1e-3, float(level[-1])))
        return process, None, np.append(level, 0.0) if self._to_zero() else level
