"""The noise of stochastic samplers: an argument, one stream for each sample, and no state of the program.

``rng=`` of ``diffusion.sample`` is a seed, one seed for each sample, a generator of NumPy or torch, or an object of
this room: :class:`Seeded` noise, made by counting, :class:`Recorded` noise, to be used again, or a
:class:`BrownianPath`.
"""

from diffusion.noise.brownian import BrownianPath
from diffusion.noise.sources import Noise, Recorded, Seeded, noise_for

__all__ = ["BrownianPath", "Noise", "Recorded", "Seeded", "noise_for"]
