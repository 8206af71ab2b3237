"""What other programs call their samplers, and which of ours is meant: data, for messages and for the table in docs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from diffusion.grids import NAMED
from diffusion.names import fold

__all__ = ["GRIDS", "Meant", "meant", "names_elsewhere"]


class Meant(NamedTuple):
    """The sampler that a foreign name means.

    Attributes
    ----------
    name
        Our sampler.
    grid
        The grid that the name asks for as well; "" for none.
    calm
        Whether theirs draws noise, and ours does not.
    """

    name: str
    grid: str = ""
    calm: bool = False


_DETERMINISTIC = {
    # k-diffusion, ComfyUI, AUTOMATIC1111
    "heun": "edm-heun",
    "heunpp2": "edm-heun",
    "dpm-2": "dpm2@k-diffusion",
    "exp-heun-2-x0": "dpmpp-2s",
    "dpm-fast": "dpm3",
    "dpm-adaptive": "dpm3",
    "lms": "lms4",
    "plms": "ipndm",
    "pndm": "ipndm",
    "deis": "deis-tab3",
    "unipc": "unipc2",
    "uni-pc": "unipc2",
    "uni-pc-bh2": "unipc2-bh2@unipc",
    "unipc-bh2": "unipc2-bh2@unipc",
    "unipc-bh1": "unipc2-bh1@unipc",
    "res-multistep": "dpmpp-2m",
    "res-2m": "dpmpp-2m",
    "res-3m": "dpmpp-3m",
    "res-2s": "dpmpp-2s",
    "res-3s": "dpmpp-3s",
    "gradient-estimation": "deis-rhoab1",
    "dpm-solver": "dpm2m",
    "dpm-solverpp": "dpmpp-2m",
    # th_deis
    "t-ab": "deis-tab3",
    "tab": "deis-tab3",
    "rho-ab": "deis-rhoab3",
    "rho-rk": "deis-rho-kutta3",
    # diffusers
    "ddimscheduler": "ddim@diffusers",
    "pndmscheduler": "pndm@diffusers",
    "ipndmscheduler": "ipndm",
    "lmsdiscretescheduler": "lms4",
    "eulerdiscretescheduler": "euler",
    "heundiscretescheduler": "heun@diffusers",
    "kdpm2discretescheduler": "kdpm2@diffusers",
    "dpmsolvermultistepscheduler": "dpmpp-2m@diffusers",
    "dpmsolversinglestepscheduler": "singlestep2@diffusers",
    "deismultistepscheduler": "deis2@diffusers",
    "unipcmultistepscheduler": "unipc2-bh2@diffusers",
    "sasolverscheduler": "sa2@diffusers",
    "edmeulerscheduler": "euler",
    "edmdpmsolvermultistepscheduler": "dpmpp-2m@diffusers",
    "cosinedpmsolvermultistepscheduler": "dpmpp-2m@diffusers",
    "cogvideoxddimscheduler": "ddim@diffusers",
    "ddiminversescheduler": "ddim@diffusers",
    "ddimparallelscheduler": "ddim@diffusers",
    "dpmsolvermultistepinversescheduler": "dpmpp-2m@diffusers",
    "flowmatcheulerdiscretescheduler": "euler",
    "flowmatchheundiscretescheduler": "lawson-heun2-flow",
}

_STOCHASTIC = {
    # k-diffusion, ComfyUI, AUTOMATIC1111
    "euler-a": "euler-ancestral",
    "dpm2-a": "dpm2-ancestral",
    "dpm-2-a": "dpm2-ancestral",
    "dpm-2-ancestral": "dpm2-ancestral",
    "dpmpp-2s-a": "dpmpp-2s-ancestral",
    "dpmpp-2m-sde-heun": "dpmpp-2m-sde",
    "res-multistep-ancestral": "dpmpp-2m-sde",
    "er-sde": "er-sde-3",
    "exp-heun-2-x0-sde": "dpmpp-2s-sde",
    "sa-solver-pece": "sa-solver",
    # diffusers
    "ddpmscheduler": "ddpm",
    "eulerancestraldiscretescheduler": "euler-ancestral",
    "kdpm2ancestraldiscretescheduler": "dpm2-ancestral",
    "dpmsolversdescheduler": "dpmpp-sde@k-diffusion",
    "cogvideoxdpmscheduler": "dpmpp-2m-sde@diffusers",
    "ddpmparallelscheduler": "ddpm",
    "ddpmwuerstchenscheduler": "ddpm",
    "unclipscheduler": "ddpm",
    "repaintscheduler": "ddpm",
    "scoresdevescheduler": "euler-ancestral",
    "ltxeulerancestralrfscheduler": "euler-ancestral",
    "karrasvescheduler": "edm-stochastic",
    "flowmatchlcmscheduler": "lcm",
    "lcmscheduler": "lcm",
    "tcdscheduler": "tcd",
}

GRIDS = {
    **{name: repr(name) for name in NAMED},
    "lu": "diffusion.grids.uniform(steps, 'lambda', schedule=schedule)",
}
"""Grids that other programs name behind a sampler, and what they are here."""

_NOISY_WORDS = ("ancestral", "sde", "a", "ddpm", "lcm", "tcd", "restart", "churn")
_GUIDANCE = ("-cfg-pp", "-cfgpp")
"""CFG++ is a guidance; the sampler is that of the name before it."""
_IDLE_WORDS = ("gpu", "test", "scheduler")


def names_elsewhere() -> dict[str, Meant]:
    """Return the samplers of other programs by their folded names."""
    return {name: Meant(ours) for name, ours in {**_DETERMINISTIC, **_STOCHASTIC}.items()}


def meant(name: str, ours: Mapping[str, object]) -> Meant | None:
    """Return which of ``ours``, by their names, a foreign ``name`` means; None if that cannot be told.

    A prefix "sample_", as k-diffusion's functions have, does not matter, nor words that say where noise is drawn.
    """
    spelt = fold(name).removeprefix("sample-")
    spelt = next((spelt.removesuffix(end) for end in _GUIDANCE if spelt.endswith(end)), spelt)
    grid = max((end for end in GRIDS if spelt.endswith(f"-{end}")), key=len, default="")
    spelt = spelt.removesuffix(f"-{grid}") if grid else spelt
    words = [word for word in spelt.split("-") if word not in _IDLE_WORDS]
    spelt = "-".join(words)
    known = names_elsewhere()
    if spelt in known:
        return known[spelt]._replace(grid=grid)
    if spelt in ours:
        return Meant(spelt, grid)
    calm = "-".join(word for word in words if word not in _NOISY_WORDS)
    if calm != spelt:
        near = known[calm].name if calm in known else calm
        found = near if near in ours else max((one for one in ours if calm.startswith(one)), key=len, default="ddim")
        return Meant(found, grid, calm=True)
    return None
