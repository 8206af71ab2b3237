"""Guidance that knows a part of the data."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion.checks import check_denoiser
from diffusion.denoiser import Denoiser
from diffusion.guidance.guided import Rule, guided
from diffusion.guidance.rules import Corrected
from expint.arguments import seen
from expint.backend import Array, all_finite, array_namespace, has_values, is_array

__all__ = ["inpainted"]


def inpainted(denoiser: Denoiser, data: Array, mask: Array) -> Denoiser:
    """Return the denoiser that makes new data where the ``mask`` is 1 and knows them where it is 0 ("data" output).

    Its prediction is m x̂₀ + (1 − m) x₀, x̂₀ the network's and x₀ the ``data``. Where m = 0 every sampler then solves
    dx/dt exactly: x = α x₀ + σ ε with the ε of the first state, so that the network sees what is known at the noise
    level of every state, the last one too.

    Parameters
    ----------
    denoiser
        The denoiser.
    data
        x₀, (batch, …) or of shapes that fit by broadcasting; where m = 1 it does not matter, but is to be finite.
    mask
        m, from 0 (keep) to 1 (make anew), of a shape that fits by broadcasting, such as (1, 1, height, width).

    Raises
    ------
    TypeError, ValueError
        If the data or the mask are no arrays, do not fit each other, are not finite, or the mask lies outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> net = Denoiser(lambda x, t: 0 * x, predicts="data")
    >>> painted = inpainted(net, np.array([[5.0, 7.0]]), np.array([[1.0, 0.0]]))
    >>> painted(np.ones((1, 2)), 0.5).tolist()
    [[0.0, 7.0]]
    """
    check_denoiser(denoiser)
    for name, value in (("data", data), ("mask", mask)):
        if not is_array(value) or not has_values(value) or not all_finite(value):
            raise TypeError(f"expected {name} as an array of finite numbers, received {seen(value)}")
    xp = array_namespace(data)
    if bool(xp.any(mask < 0)) or bool(xp.any(mask > 1)):
        raise ValueError(
            f"expected a mask from 0 (keep) to 1 (make anew), received {float(mask.min()):g} … {float(mask.max()):g}; "
            "divide it by 255 if it is a picture"
        )
    try:
        xp.broadcast_arrays(data, mask)
    except (ValueError, RuntimeError, TypeError):
        raise ValueError(
            f"expected a mask that fits data of shape {tuple(data.shape)}, received one of shape {tuple(mask.shape)}; "
            "give it an axis for the batch and one for the channels"
        ) from None
    return guided(denoiser, Corrected(_Known(data, mask)), "data")


@dataclass(frozen=True, eq=False)
class _Known(Rule):
    """The function of the data of `inpainted`."""

    data: Array
    mask: Array
    timeless = True
    """Whether it looks at no time."""

    def __call__(self, found: Array, t: float) -> Array:
        del t
        xp = array_namespace(found)
        data, mask = (xp.astype(part, found.dtype) for part in (self.data, self.mask))
        return data + mask * (found - data)
