"""Networks that are asked for states at a time of their own each: whether they heed it."""

from __future__ import annotations

import math

import numpy as np

from diffusion.denoiser import Denoiser
from expint.backend import Array, array_namespace, to_numpy

__all__ = ["look_at_each"]

_ALIKE = 1e-2
"""By so much, relative to its size, an output may differ from that of the state alone."""


def look_at_each(denoiser: Denoiser, x: Array, t: np.ndarray, output: Array, remedy: str = "take steps=") -> None:
    """Refuse networks for which a state in a batch, at a time of its own, is not what it is alone.

    It is looked at the one whose time differs most from that of the first, by one call more.

    Raises
    ------
    TypeError
        If the network is such.
    """
    k = int(np.argmax(np.abs(t - t[0])))
    at = np.array([k])
    alone = denoiser.of_samples(at, len(t)).at_each(x[k : k + 1, ...], t[at])
    xp = array_namespace(x)
    off = float(to_numpy(xp.max(xp.abs(alone - output[k : k + 1, ...]))))
    size = float(to_numpy(xp.max(xp.abs(alone))))
    if math.isfinite(off) and off > _ALIKE * size:
        raise TypeError(
            f"expected a network that takes a time for each sample, received one whose output for sample {k} at "
            f"t = {t[k]:.6g} differs by {off:.3g} from that of the sample alone, of size {size:.3g}; let it heed "
            f"every entry of its times (B,), and couple no samples, or {remedy}"
        )
