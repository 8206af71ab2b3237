"""A small training kit: exact losses, an average of weights, and one loop. For tests and notebooks; it needs torch."""

from diffusion.training.fit import averaged, fit, perceptron
from diffusion.training.losses import BridgeLoss, DenoisingLoss

__all__ = ["BridgeLoss", "DenoisingLoss", "averaged", "fit", "perceptron"]
