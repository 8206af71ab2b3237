"""Pictures of samples (needs matplotlib)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from expint.arguments import checked, integer
from expint.arrays import real_values
from expint.backend import Array
from expint.plot import axes, pyplot

__all__ = ["image_grid"]


@checked(columns=integer, ax=axes)
def image_grid(images: Array, columns: int | None = None, ax: Any = None, title: str = "") -> Any:
    """Draw a batch of images with values in [-1, 1] as one picture and return the axes.

    Parameters
    ----------
    images
        Array of shape (batch, 1 or 3, height, width).
    columns
        Images per row; by default as square as possible.
    ax
        Axes to draw on; new ones by default.
    title
        Title of the picture.

    Raises
    ------
    ValueError
        If the array does not have this shape, or holds no image.
    TypeError
        If it is none of real numbers, the columns are no integer, or the axes no axes.

    Examples
    --------
    >>> import numpy as np, diffusion.plot
    >>> type(diffusion.plot.image_grid(np.zeros((4, 1, 8, 8)))).__name__
    'Axes'
    """
    pixels = real_values("images", images)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or not pixels.size:
        raise ValueError(f"expected images of shape (batch, 1 or 3, height, width), received shape {pixels.shape}")
    batch, channels, height, width = pixels.shape
    across = math.ceil(math.sqrt(batch)) if columns is None else min(columns, batch)
    down = math.ceil(batch / across)
    sheet = np.full((down * (height + 1) + 1, across * (width + 1) + 1, channels), 0.5)
    for index, image in enumerate(pixels):
        top, left = 1 + index // across * (height + 1), 1 + index % across * (width + 1)
        sheet[top : top + height, left : left + width] = np.clip((image.transpose(1, 2, 0) + 1) / 2, 0, 1)
    if ax is None:
        _, ax = pyplot().subplots(figsize=(across * 0.6, down * 0.6 + 0.4 * bool(title)), layout="constrained")
    ax.imshow(sheet.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    return ax
