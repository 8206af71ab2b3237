"""Copies of host data on the devices of states, one for each library, precision and device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from expint.backend import Array, array_namespace, device, is_jax

__all__ = ["Placed"]


class Placed:
    """What ``make(data, like)`` returns for arrays like ``like``, made once for each kind of array.

    Copies and pickles take the host data along, and make the rest anew.

    Parameters
    ----------
    make
        Copies host data to the library, precision and device of an array; a function of a module.
    data
        The host data, which nobody changes.
    """

    def __init__(self, make: Callable[[Any, Array], Any], data: Any) -> None:
        self._make, self._data = make, data
        self._made: dict[tuple[str, str, str], Any] = {}

    def like(self, array: Array) -> Any:
        """Return the data as arrays on the device of ``array``."""
        if is_jax(array_namespace(array)):
            return self._make(self._data, array)  # a constant of one compiled function is none of another
        key = (array_namespace(array).__name__, str(array.dtype), str(device(array)))
        if key not in self._made:
            self._made[key] = self._make(self._data, array)
        return self._made[key]

    def __reduce__(self) -> tuple[type[Placed], tuple[Any, ...]]:
        return Placed, (self._make, self._data)
