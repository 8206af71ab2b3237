"""The shipped digits network as a denoiser."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.models.store import NETWORK, WEIGHTS
from diffusion.optional import require
from diffusion.process.vp import VP
from expint.backend import to_numpy

if TYPE_CHECKING:
    from diffusion.models.unet import UNet

__all__ = ["digits", "digits_network"]


def digits(labels: Any = None) -> Denoiser:
    """Return the U-Net of real handwritten digits, a noise predictor for images (B, 1, 8, 8) scaled to [−1, 1].

    Trained on 1438 of the 1797 real 8×8 images of the UCI set under the schedule VP.linear(0.1, 20); labels were
    dropped at random, so that the same network serves with and without them. 459 thousand float32 weights.

    Parameters
    ----------
    labels : int or sequence or array of int, optional
        Which digits to draw, 0…9: one for the whole batch or one for each sample. Default: any digit.

    Raises
    ------
    ImportError
        With the line that installs torch or safetensors, if one of them is missing.
    ValueError
        If a label is not a whole number from 0 to 9, or the labels are not one number or one row.

    Examples
    --------
    >>> import diffusion
    >>> sevens = diffusion.models.digits(labels=7)
    """
    torch = require("torch")
    label = None if labels is None else torch.from_numpy(_checked(labels))
    return Denoiser(digits_network(), predicts="noise", schedule=VP.linear(0.1, 20.0), condition={"label": label})


@cache
def digits_network() -> UNet:
    """Return the shipped U-Net in evaluation mode, loaded once; copy it before you change its weights.

    Raises
    ------
    ImportError
        With the line that installs torch or safetensors, if one of them is missing.
    """
    torch, safetensors = require("torch"), require("safetensors.torch")
    from diffusion.models.unet import UNet

    with torch.device("meta"):  # no initial weights are drawn: the caller's random state stays as it is
        network = UNet(VP.linear(0.1, 20.0).half_log_snr)
    network.load_state_dict(safetensors.load_file(WEIGHTS / NETWORK), assign=True)
    return network.eval().requires_grad_(False)


def _checked(labels: Any) -> np.ndarray:
    """Return the labels as an int64 array of shape () or (B,)."""
    array = to_numpy(labels)
    if array.dtype.kind not in "iu" or array.ndim > 1 or array.size == 0 or array.min() < 0 or array.max() > 9:
        raise ValueError(
            f"expected labels as whole numbers from 0 to 9, one for the batch or one for each sample; "
            f"received {labels!r}; leave labels out to draw any digit"
        )
    return array.astype(np.int64)
