"""The interface of DPM-Solver's code, ``dpm_solver_pytorch``, on our samplers.

.. code-block:: python

    from diffusion.adapters.dpm_solver import DPM_Solver, NoiseScheduleVP, model_wrapper

    ns = NoiseScheduleVP("discrete", betas=betas)
    solver = DPM_Solver(model_wrapper(model, ns), ns, algorithm_type="dpmsolver++")
    x = solver.sample(noise, steps=20, order=2, skip_type="time_uniform", method="multistep")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from diffusion import grids, guidance
from diffusion.adapters.dpm_solver_model import ModelFunction, NoiseScheduleVP, model_wrapper
from diffusion.denoiser import Denoiser
from diffusion.process.schedule import NoiseSchedule
from diffusion.sample import SamplingError, trajectory
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.ends import End, taper
from diffusion.samplers.presets import TaperBelow
from diffusion.samplers.sampler import Sampler
from diffusion.samplers.singlestep import orders_for_calls, singlestep
from diffusion.tuning.values import without_gradients
from expint.arguments import choice, flag, function, instance, integer, number
from expint.backend import Array

__all__ = ["DPM_Solver", "ModelFunction", "NoiseScheduleVP", "model_wrapper"]

_FEW = 10  # steps below which lower_order_final acts


class DPM_Solver:
    """DPM-Solver and DPM-Solver++ by the arguments of their code.

    Parameters
    ----------
    model_fn
        What `model_wrapper` returns, or a function (x, t) ↦ noise with t of shape (batch,).
    noise_schedule
        The schedule.
    algorithm_type
        "dpmsolver++" or "dpmsolver".
    correcting_x0_fn
        "dynamic_thresholding", or a function (x₀, t) ↦ x₀; with "dpmsolver++" only.
    thresholding_max_val, dynamic_thresholding_ratio
        Of the dynamic thresholding.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, or the data are to be corrected with "dpmsolver", which does not use them.
    """

    def __init__(
        self,
        model_fn: Callable[[Array, Array], Array],
        noise_schedule: NoiseScheduleVP,
        algorithm_type: str = "dpmsolver++",
        correcting_x0_fn: str | Callable[[Array, float], Array] | None = None,
        *,
        thresholding_max_val: float = 1.0,
        dynamic_thresholding_ratio: float = 0.995,
    ) -> None:
        instance("noise_schedule", noise_schedule, NoiseScheduleVP, "a NoiseScheduleVP of this module")
        self.algorithm_type = choice("algorithm_type", algorithm_type, ("dpmsolver++", "dpmsolver"))
        self.noise_schedule = noise_schedule
        function("model_fn", model_fn, "(x, t) ↦ noise")
        number("thresholding_max_val", thresholding_max_val, above=0.0)
        number("dynamic_thresholding_ratio", dynamic_thresholding_ratio, above=0.0)
        if isinstance(model_fn, ModelFunction):
            denoiser = model_fn.denoiser
        else:
            denoiser = Denoiser(model_fn, "noise", noise_schedule.process)
        if correcting_x0_fn is not None and algorithm_type == "dpmsolver":
            raise ValueError(
                "expected correcting_x0_fn with algorithm_type='dpmsolver++', received 'dpmsolver', whose steps do not "
                "use the data"
            )
        if isinstance(correcting_x0_fn, str) and correcting_x0_fn == "dynamic_thresholding":
            denoiser = guidance.thresholded(denoiser, dynamic_thresholding_ratio, thresholding_max_val)
        elif correcting_x0_fn is not None:
            remedy = "pass 'dynamic_thresholding' or a function"
            denoiser = guidance.corrected(denoiser, function("correcting_x0_fn", correcting_x0_fn, "(x₀, t)", remedy))
        self.denoiser = denoiser

    def sample(
        self,
        x: Array,
        steps: int = 20,
        t_start: float | None = None,
        t_end: float | None = None,
        order: int = 2,
        skip_type: str = "time_uniform",
        method: str = "multistep",
        lower_order_final: bool = True,
        denoise_to_zero: bool = False,
        solver_type: str = "dpmsolver",
        *,
        return_intermediate: bool = False,
        exact: bool = True,
        sampler: str | AnySampler | None = None,
    ) -> Any:
        """Return the state at ``t_end`` from ``x`` at ``t_start``.

        Parameters
        ----------
        x
            The state; at T it is standard normal noise.
        steps
            The number of calls of the model.
        t_start, t_end
            Times; T and 1/N if they are not given.
        order
            1, 2 or 3.
        skip_type
            How times are laid out: "time_uniform", "logSNR" or "time_quadratic".
        method
            "multistep", "singlestep", or "singlestep_fixed".
        lower_order_final
            Whether "multistep" lowers its order in the last steps of less than ten.
        denoise_to_zero
            Whether a further call leads to σ = 0.
        solver_type
            "dpmsolver", with φ₁/2 for φ₂, or "taylor", with φ₂ itself.
        return_intermediate
            Whether the states of all steps are returned as well.
        exact
            Whether "multistep" of order 3 is of that order; False leaves out a factor 2, as the origin does, and is of
            order 2.
        sampler
            Another sampler instead, for these times; ``order``, ``method`` and ``solver_type`` are then its own affair.

        Returns
        -------
        array or tuple
            The last state; with ``return_intermediate`` (last, list of all, the first among them).

        Raises
        ------
        TypeError, ValueError
            If a name is unknown, there are fewer steps than the order, or no such combination exists.
        """
        process, all_states = self.noise_schedule.process, flag("return_intermediate", return_intermediate)
        begin = self.noise_schedule.T if t_start is None else number("t_start", t_start, above=0.0)
        end = 1.0 / self.noise_schedule.total_N if t_end is None else number("t_end", t_end, above=0.0)
        ranged: Any = replace(process, t_start=begin, t_end=end)  # type: ignore[type-var]  # processes are dataclasses
        order, steps = integer("order", order, most=3), integer("steps", steps)
        clock, power = _clock(skip_type)
        if sampler is not None:
            chosen, count = find_sampler(sampler), steps
            times = grids.power(steps, power, clock, schedule=ranged)
        else:
            choice("method", method, ("multistep", "singlestep", "singlestep_fixed"))
            choice("solver_type", solver_type, ("dpmsolver", "taylor"))
            asked = (self.algorithm_type == "dpmsolver++", order, solver_type == "taylor")
            if method == "multistep":
                if steps < order:
                    raise ValueError(f"expected at least as many steps as the order, {order}, received {steps}")
                chosen = _multistep(*asked, lowered=flag("lower_order_final", lower_order_final), exact=exact)
                times = grids.power(steps, power, clock, schedule=ranged)
            else:
                chosen, count = _singlestep(*asked, steps, clock, power, fixed=method == "singlestep_fixed")
                times = chosen.grid(count, ranged)
        if flag("denoise_to_zero", denoise_to_zero):
            times = np.append(times, 0.0)
        with without_gradients():
            denoiser = _on(self.denoiser, ranged)
            run = trajectory(denoiser, x, sampler=chosen, grid=times, start="state")
        if not run.success:
            raise SamplingError(run)
        last = run.y[-1, ...]
        return (last, [run.y[i, ...] for i in range(len(run.t))]) if all_states else last


def _clock(skip_type: str) -> tuple[str, float]:
    """Return the clock and the power of a grid."""
    known = {"time_uniform": ("t", 1.0), "logSNR": ("lambda", 1.0), "time_quadratic": ("t", 2.0)}
    return known[choice("skip_type", skip_type, known)]


def _multistep(data: bool, order: int, taylor: bool, *, lowered: bool, exact: bool) -> Sampler:
    prefix = "dpmpp-" if data else "dpm"
    end = TaperBelow(taper(order).orders, below=_FEW) if lowered else End()
    if order == 1:
        name = "dpm1"
    else:
        published = not (taylor or (order == 3 and flag("exact", exact)))
        name = f"{prefix}{order}m{'@dpm-solver' if published else ''}"
    found: Any = find_sampler(name, end=end)
    return found


def _singlestep(
    data: bool, order: int, taylor: bool, calls: int, clock: str, power: float, *, fixed: bool
) -> tuple[Sampler, int]:
    """Return the sampler and its number of steps."""
    if power != 1.0:
        raise ValueError(
            "expected skip_type 'time_uniform' or 'logSNR' with a singlestep method, received 'time_quadratic', in "
            "which its inner points do not lie here; take method='multistep'"
        )
    whole = calls // order
    if not whole:
        raise ValueError(f"expected at least as many steps as the order, {order}, received {calls}")
    orders = [order] * whole if fixed else orders_for_calls(calls, order)
    gauge = "data" if data else "noise"
    return singlestep(orders, gauge, collocated=taylor, uniform=clock), len(orders)


def _on(denoiser: Denoiser, schedule: NoiseSchedule) -> Denoiser:
    """Return the denoiser on its schedule with other ends."""
    source = getattr(denoiser, "source", None)
    changes: dict[str, Any] = {"schedule": schedule}
    if source is not None:
        changes["source"] = _on(source, schedule)
    return replace(denoiser, **changes)
