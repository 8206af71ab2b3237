"""The files shipped with this module, and how they are read: safetensors only, nothing is unpickled."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diffusion.optional import require

__all__ = ["CLASSIFIER", "DATA", "NETWORK", "WEIGHTS", "DigitImages", "digit_images", "require"]

WEIGHTS = Path(__file__).parent / "weights"
NETWORK = "digits_unet.safetensors"
CLASSIFIER = "digits_classifier.safetensors"
DATA = "digits_images.safetensors"


class DigitImages(NamedTuple):
    """The 1797 real images of the UCI handwritten digits test set, in their published order."""

    images: np.ndarray
    """(1797, 1, 8, 8), float32: the 17 grey levels 0…16 scaled to [−1, 1]."""

    labels: np.ndarray
    """(1797,), int64: the digit written."""

    held_out: np.ndarray
    """(1797,), bool: the fifth of the images that neither network was trained on."""


@cache
def digit_images() -> DigitImages:
    """Load the shipped images; the arrays are read-only.

    Source: E. Alpaydin & C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
    1998; the copy that scikit-learn distributes as ``load_digits``.
    """
    stored = require("safetensors.numpy").load_file(WEIGHTS / DATA)
    digits = DigitImages(
        images=scale(stored["images"])[:, None],
        labels=stored["labels"].astype(np.int64),
        held_out=stored["held_out"].astype(bool),
    )
    for array in digits:
        array.setflags(write=False)
    return digits


def scale(levels: np.ndarray) -> np.ndarray:
    """Map the grey levels 0…16 to float32 in [−1, 1]; exact."""
    return levels.astype(np.float32) / 8 - 1
