"""Our samplers in the pipelines of diffusers: a scheduler that is driven by a plan.

.. code-block:: python

    from diffusion.adapters.diffusers import Scheduler

    pipe.scheduler = Scheduler.from_config(pipe.scheduler.config, sampler="unipc3")

A pipeline owns the loop and the network, and hands the outputs in one by one. `set_timesteps` makes the plan of the
run, the same that ``diffusion.sample`` runs, and turns it inside out (`expint.run.compiled.Pushed`); a step then
multiplies and adds, with numbers that lie on the host.
"""

# ruff: noqa: E402  (what is missing is asked for before its import)

from diffusion.optional import require

require("torch", "torch>=2.4,<3")
require("diffusers", "diffusers>=0.31,<1")

from diffusion.adapters.diffusers.scheduler import Scheduler

__all__ = ["Scheduler"]
