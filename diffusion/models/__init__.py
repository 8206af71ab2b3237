"""Small models on real data: a trained U-Net of handwritten digits, exact denoisers, and a Fréchet distance.

Importing this package needs neither torch nor safetensors; calling `digits` or `frechet_distance` does.
"""

from diffusion.models.digits import digits
from diffusion.models.frechet import frechet_distance
from diffusion.models.ideal import ideal, ideal_digits
from diffusion.models.mixture import gaussian_mixture

__all__ = ["digits", "frechet_distance", "gaussian_mixture", "ideal", "ideal_digits"]
