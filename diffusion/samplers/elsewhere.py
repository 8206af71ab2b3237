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
    "euler-cfg-pp": "euler",
    "heun": "edm-heun",
    "heunpp2": "edm-heun",
    "dpm-2": "dpm2@k-diffusion",
    "dpm-fast": "dpm3",
    "dpm-adaptive": "dpm3",
    "lms": "lms4",
    "plms": "ipndm",
    "pndm": "ipndm",
    "deis": "deis-tab3",
    "unipc": "unipc2",
    "uni-pc": "unipc2",
    "uni-pc-bh2": "unipc2-bh2@unipc",
    "res-multistep": "dpmpp-2m",
    "res-2m": "dpmpp-2m",
    "res-3m": "dpmpp-3m",
    "res-2s": "dpmpp-2s",
    "res-3s": "dpmpp-3s",
    "gradient-estimation": "deis-rhoab1",
    "dpm-solver": "dpm2m",
    "dpm-solverpp": "dpmpp-2m",
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
    "flowmatcheulerdiscretescheduler": "euler",
    "flowmatchheundiscretescheduler": "lawson-heun2-flow",
}

_STOCHASTIC = {
    # k-diffusion, ComfyUI, AUTOMATIC1111
    "euler-a": "euler-ancestral",
    "euler-ancestral-cfg-pp": "euler-ancestral",
    "dpm2-a": "dpm2-ancestral",
    "dpm-2-a": "dpm2-ancestral",
    "dpm-2-ancestral": "dpm2-ancestral",
    "dpmpp-2s-a": "dpmpp-2s-ancestral",
    "dpmpp-2m-sde-heun": "dpmpp-2m-sde",
    "res-multistep-ancestral": "dpmpp-2m-sde",
    "er-sde": "er-sde-3",
    "sa-solver-pece": "sa-solver",
    # diffusers
    "ddpmscheduler": "ddpm",
    "eulerancestraldiscretescheduler": "euler-ancestral",
    "kdpm2ancestraldiscretescheduler": "dpm2-ancestral",
    "dpmsolversdescheduler": "dpmpp-sde@k-diffusion",
    "lcmscheduler": "lcm",
    "tcdscheduler": "tcd",
}

GRIDS = {
    **{name: repr(name) for name in NAMED},
    "lu": "diffusion.grids.uniform(steps, 'lambda', schedule=schedule)",
}
"""Grids that other programs name behind a sampler, and what they are here."""

_NOISY_WORDS = ("ancestral", "sde", "a", "ddpm", "lcm", "tcd", "restart", "churn")
_IDLE_WORDS = ("gpu", "test", "scheduler")


def names_elsewhere() -> dict[str, Meant]:
    """Return the samplers of other programs by their folded names."""
    return {name: Meant(ours) for name, ours in {**_DETERMINISTIC, **_STOCHASTIC}.items()}


def meant(name: str, ours: Mapping[str, object]) -> Meant | None:
    """Return which of ``ours``, by their names, a foreign ``name`` means; None if that cannot be told.

    A prefix "sample_", as k-diffusion's functions have, does not matter, nor words that say where noise is drawn.
    """
    spelt = fold(name).removeprefix("sample-")
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
