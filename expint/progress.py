"""Progress bars, by tqdm where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

__all__ = ["Progress", "progress_bar"]

Progress: TypeAlias = bool
"""Whether a bar is wanted. Bars stay silent when the output is not a terminal."""


@contextmanager
def progress_bar(wanted: Progress, total: int, label: str) -> Iterator[Callable[[], None]]:
    """Yield a function to be called after each of ``total`` steps.

    Raises
    ------
    ImportError
        If a bar is wanted and tqdm is not installed; the message names the install line.
    """
    if not wanted:
        yield lambda: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress bars need tqdm: pip install tqdm (or pass progress=False)") from error
    with tqdm(total=total, desc=label, disable=None, leave=False) as bar:
        yield bar.update
