"""Noise between two noises, and files of images."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.checks import check_state
from diffusion.denoiser import like_input
from expint.arguments import flag, number, path
from expint.arrays import real_values
from expint.backend import Array, array_namespace, asarray_like
from expint.files import whole_file

__all__ = ["save_images", "slerp"]

_PARALLEL = 1e-4  # the sine of an angle below which noises are parallel; the linear rule is then off by 1e-9
_COLOURS = {1: 0, 3: 2, 4: 6}
"""PNG's colour types by the number of channels: grey, red green blue, and these with opacity."""


def slerp(first: Array, second: Array, weight: float | Array) -> Array:
    r"""Return noise between two noises, of their length: spherical interpolation, sample by sample.

    .. math:: \frac{\sin((1-w) θ)}{\sin θ} a + \frac{\sin(w θ)}{\sin θ} b, \quad \cos θ = \frac{a·b}{|a||b|}

    Parameters
    ----------
    first, second
        a and b, (batch, …) of one shape and dtype.
    weight
        w: 0 gives a, 1 gives b; one for all, or an array (batch,).

    Returns
    -------
    array
        Like a.

    Raises
    ------
    TypeError, ValueError
        If a and b are no batches of finite numbers of one shape and dtype, or there is not one weight for each sample.

    Notes
    -----
    Shoemake, *Animating rotation with quaternion curves*, 1985. Between parallel noises, and from zero, it is linear.

    Examples
    --------
    >>> import numpy as np
    >>> slerp(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5).round(4).tolist()
    [[0.7071, 0.7071]]
    """
    for part in (first, second):
        check_state(part)
    like_input(second, first, "second")
    xp = array_namespace(first)
    w = real_values("weight", weight) if getattr(weight, "ndim", 0) else np.float64(number("weight", weight))
    if w.shape not in ((), (1,), first.shape[:1]):
        raise ValueError(f"expected one weight, or {first.shape[0]}, received an array of shape {w.shape}")
    wide = xp.float64 if first.dtype == xp.float64 else xp.float32
    a, b = (xp.astype(xp.reshape(part, (part.shape[0], -1)), wide) for part in (first, second))
    w = asarray_like(w.reshape(-1, 1), a)
    lengths = xp.sqrt(xp.sum(a * a, axis=1, keepdims=True) * xp.sum(b * b, axis=1, keepdims=True))
    cosine = xp.sum(a * b, axis=1, keepdims=True) / xp.where(lengths > 0.0, lengths, 1.0 + 0.0 * lengths)
    angle = xp.acos(xp.clip(cosine, -1.0, 1.0))
    sine = xp.sin(angle)
    near = (sine < _PARALLEL) | (lengths == 0.0)
    safe = xp.where(near, 1.0 + 0.0 * sine, sine)
    of_first = xp.where(near, 1.0 - w, xp.sin((1.0 - w) * angle) / safe)
    of_second = xp.where(near, w, xp.sin(w * angle) / safe)
    return xp.astype(xp.reshape(of_first * a + of_second * b, first.shape), first.dtype)


def save_images(
    images: Array, name: str | Path, *, low: float = -1.0, high: float = 1.0, overwrite: bool = False
) -> list[Path]:
    """Write images as PNG files, one for each, and return their paths.

    Parameters
    ----------
    images
        (batch, channels, height, width) with 1, 3 or 4 channels.
    name
        The name of the files with a place for the number, such as "out/digit-{:04}.png"; folders are made.
    low, high
        Which values are black and white; others are clipped to them.
    overwrite
        Whether files that exist are written anew; else they are an error, before anything is written.

    Raises
    ------
    TypeError, ValueError
        If the images are of another shape or not finite, the name has no place for a number, or high is not above low.
    FileExistsError
        If a file exists and ``overwrite`` is false.

    Examples
    --------
    >>> import numpy as np, diffusion, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> files = diffusion.save_images(np.zeros((2, 1, 8, 8)), pathlib.Path(folder.name) / "grey-{}.png")
    >>> len(files)
    2
    >>> folder.cleanup()
    """
    values = real_values("images", images)
    if values.ndim != 4 or values.shape[1] not in _COLOURS or 0 in values.shape or not np.all(np.isfinite(values)):
        raise ValueError(
            "expected finite images of shape (batch, channels, height, width) with 1, 3 or 4 channels, received shape "
            f"{values.shape}"
        )
    dark, bright = number("low", low), number("high", high, above=low)
    template, anew = path("name", name), flag("overwrite", overwrite)
    try:
        files = [Path(template.format(i)) for i in range(values.shape[0])]
    except (KeyError, IndexError, ValueError):
        files = []
    if len(set(files)) < values.shape[0] or str(files[0]) == template:
        raise ValueError(f"expected a name with a place for a number, received {template!r}; write 'image-{{:04}}.png'")
    there = [file for file in files if file.exists() and not anew]
    if there:
        raise FileExistsError(f"expected no file {there[0]}, received one that exists; pass overwrite=True")
    pixels = np.rint(np.clip((values - dark) / (bright - dark), 0.0, 1.0) * 255.0).astype(np.uint8)
    for file, picture in zip(files, np.moveaxis(pixels, 1, -1)):
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as stream:
            stream.write(_png(picture))
    return files


def _png(picture: np.ndarray) -> bytes:
    """Return the file of (height, width, channels) bytes."""
    height, width, channels = picture.shape
    header = struct.pack(">2I5B", width, height, 8, _COLOURS[channels], 0, 0, 0)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)  # each unfiltered
    chunks: tuple[tuple[bytes, Any], ...] = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(lines.tobytes())),
        (b"IEND", b""),
    )
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)
