"""Guidance: denoisers that steer another one, and several models in one. Each function returns a `Denoiser`."""

from diffusion.guidance.inpainted import inpainted
from diffusion.guidance.rules import classifier_free, classifier_guided, corrected, thresholded
from diffusion.guidance.superposed import Superposed, SuperposedRun, superpose

__all__ = [
    "Superposed",
    "SuperposedRun",
    "classifier_free",
    "classifier_guided",
    "corrected",
    "inpainted",
    "superpose",
    "thresholded",
]
