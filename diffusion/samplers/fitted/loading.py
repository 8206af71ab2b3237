"""Samplers read from files."""

from __future__ import annotations

import os

from diffusion.samplers.fitted.number_file import read_numbers
from diffusion.samplers.fitted.sampler import FittedSampler
from diffusion.samplers.fitted.stored import parts_of

__all__ = ["load_sampler"]


def load_sampler(path: str | os.PathLike[str]) -> FittedSampler:
    """Return the sampler in a file that `FittedSampler.save` wrote: the same numbers, bit for bit.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no whole file of that kind, of another version, was changed, or holds what is no sampler.
    ImportError
        Without the package safetensors.

    Notes
    -----
    A file is numbers and words. Nothing in it is run, and nothing is fetched. Whether it is made for a schedule,
    network and samples is checked when it is used.

    Examples
    --------
    >>> import diffusion, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name) / "eight.safetensors"
    >>> diffusion.freeze("unipc3", diffusion.VP.linear(), steps=8).save(file)
    >>> diffusion.load_sampler(file).steps
    8
    >>> folder.cleanup()
    """
    return FittedSampler(**parts_of(path, *read_numbers(path)))
