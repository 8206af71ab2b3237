"""Pictures of samples (needs matplotlib)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from expint.arguments import checked, integer, listed
from expint.arrays import real_values
from expint.backend import Array
from expint.plot import axes, pyplot

__all__ = ["image_grid"]


@checked(columns=integer, ax=axes)
def image_grid(
    images: Array,
    columns: int | None = None,
    ax: Any = None,
    title: str = "",
    *,
    labels: Sequence[object] | None = None,
    rows: Sequence[object] | None = None,
) -> Any:
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
    labels
        What is written below each image: a class, a seed, a number of calls.
    rows
        What is written beside each row, such as the samplers of a table; with ``columns``.

    Raises
    ------
    ValueError
        If the array does not have this shape, or holds no image, or labels are not as many as images or rows.
    TypeError
        If it is none of real numbers, the columns are no integer, or the axes no axes.

    Examples
    --------
    >>> import numpy as np, diffusion.plot
    >>> ax = diffusion.plot.image_grid(np.zeros((4, 1, 8, 8)), labels=range(4))
    >>> [text.get_text() for text in ax.texts]
    ['0', '1', '2', '3']
    """
    pixels = real_values("images", images)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or not pixels.size:
        raise ValueError(f"expected images of shape (batch, 1 or 3, height, width), received shape {pixels.shape}")
    batch, channels, height, width = pixels.shape
    across = math.ceil(math.sqrt(batch)) if columns is None else min(columns, batch)
    down = math.ceil(batch / across)
    below, beside = _texts("labels", labels, batch, "images"), _texts("rows", rows, down, "rows")
    room = math.ceil(0.3 * height) if below else 0  # for what is written below an image
    pitch = height + 1 + room
    sheet = np.full((down * pitch + 1, across * (width + 1) + 1, channels), 1.0 if below else 0.5)
    for index, image in enumerate(pixels):
        top, left = 1 + index // across * pitch, 1 + index % across * (width + 1)
        sheet[top : top + height, left : left + width] = np.clip((image.transpose(1, 2, 0) + 1) / 2, 0, 1)
    if ax is None:
        size = (
            across * 0.6 + 0.12 * max(map(len, beside), default=0),
            down * (0.8 if below else 0.6) + 0.4 * bool(title),
        )
        _, ax = pyplot().subplots(figsize=size, layout="constrained")
    ax.imshow(sheet.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    for index, said in enumerate(below):
        middle = (index % across) * (width + 1) + (width + 1) / 2
        at = index // across * pitch + height + 0.5 + room / 2
        ax.text(middle, at, said, ha="center", va="center", size="x-small")
    if beside:
        ax.set_yticks([row * pitch + height / 2 for row in range(down)], beside)
        ax.tick_params(axis="y", length=0)
    if below:
        for edge in ax.spines.values():
            edge.set_visible(False)
    return ax


def _texts(name: str, given: Sequence[object] | None, count: int, what: str) -> list[str]:
    """Return what is to be written, as many texts as ``count``, none where nothing is given."""
    if given is None:
        return []
    texts = [str(own) for own in listed(name, given, f"texts or numbers, one for each of the {what}", least=count)]
    if len(texts) != count:
        raise ValueError(f"expected {count} {name}, one for each of the {what}, received {len(texts)}")
    return texts
