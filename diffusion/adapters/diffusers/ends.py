"""What happens at the end of a run in a pipeline of diffusers, by the configuration of its scheduler."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from diffusion.adapters.diffusers.layout import refuses_zero
from diffusion.adapters.diffusers.process import kind_of_process
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.ends import End, taper
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.presets import TaperBelow
from diffusion.samplers.sampler import Sampler

__all__ = ["end_asked_for"]


def end_asked_for(config: Mapping[str, Any], sampler: AnySampler, grid: Any = None) -> End | None:
    """Return the end that the configuration asks for instead of that of the ``sampler``."""
    final = config["final_sigmas_type"]
    if final not in (None, "zero", "sigma_min"):
        raise ValueError(f"expected final_sigmas_type to be 'zero' or 'sigma_min'; received {final!r}; leave it out")
    if isinstance(sampler, FittedSampler):
        return None  # its rows end as they were fitted
    lower = config["lower_order_final"]
    if lower is None:  # there an order of 3 or more overshoots in the long last steps, and nowhere else
        of_config = kind_of_process(config) == "flow" and not callable(grid) and grid != "sampler"
        lower = of_config and getattr(getattr(sampler, "method", None), "history", 0) >= 3
    end = lowered(sampler) if lower else sampler.end
    if final is None:
        return end
    if final == "zero" and refuses_zero(sampler):
        warnings.warn(
            f"not followed: final_sigmas_type='zero' (the scheduler that {sampler.name!r} reproduces makes no step "
            "to σ = 0; the run ends at the least noise level)",
            UserWarning,
            stacklevel=5,
        )
        return end
    return replace(end or End(), zero=((end or End()).zero or 1) if final == "zero" else None)


def lowered(sampler: Sampler | Automatic) -> End | None:
    """Return the end of a ``sampler`` at which a multistep method lowers its order; of others as it is."""
    end, method = sampler.end, getattr(sampler, "method", None)
    if end is None or end.orders or method is None or method.history < 2:
        return end
    order = int(getattr(method, "q", method.order))
    return TaperBelow(taper(order).orders, end.methods, end.correct, end.zero, at_zero="counted")
