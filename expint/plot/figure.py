"""Matplotlib, asked for when something is drawn."""

from __future__ import annotations

from typing import Any

from expint.arguments import seen

__all__ = ["axes", "pyplot"]


def pyplot() -> Any:
    """Return matplotlib.pyplot.

    Raises
    ------
    ImportError
        If matplotlib is not installed; the message names the install line.

    Examples
    --------
    >>> import expint.plot
    >>> expint.plot.pyplot().__name__
    'matplotlib.pyplot'
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install matplotlib") from error
    return plt


def axes(name: str, value: Any) -> Any:
    """Return axes of matplotlib.

    Raises
    ------
    TypeError
        If they are none.
    """
    if not all(hasattr(value, wanted) for wanted in ("figure", "plot", "set")) or isinstance(value, type):
        raise TypeError(f"expected {name} to be axes of matplotlib, received {seen(value)}")
    return value
