"""What other packages add by name: entry points in the groups of ``GROUPS``, loaded when the name is asked for.

A package declares, say, ``[project.entry-points."expint.methods"]`` with ``my-method3 = "my_package:MY_METHOD"``. Names
of this library come first: a plug-in adds names and replaces none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUPS", "load", "names"]

GROUPS = {
    "expint.methods": "a method, or a function without arguments that returns one",
    "expint.problems": "a function that returns a SemilinearProblem",
    "diffusion.samplers": "a Sampler, or a function without arguments that returns one",
}
"""The groups of entry points, and what an entry of each is."""


@cache
def _declared(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group; the installed packages are looked through once."""
    from importlib.metadata import entry_points  # late: it would slow down importing

    return tuple(entry_points(group=group))


def names(group: str) -> list[str]:
    """Return the names that other packages add to a group, sorted; nothing is loaded.

    Examples
    --------
    >>> from expint.plugins import names
    >>> isinstance(names("expint.methods"), list)
    True
    """
    return sorted({entry.name for entry in _declared(group)})


def load(group: str, name: str, fold: Callable[[str], str], fits: Callable[[Any], bool]) -> Any:
    """Return what another package adds to a group under a name, or None where none does.

    Parameters
    ----------
    group
        A group of ``GROUPS``.
    name
        The name asked for.
    fold
        Takes from a name what does not distinguish names.
    fits
        Whether an object is what the group holds. A function that does not fit is called without arguments.

    Raises
    ------
    ImportError
        If the plug-in does not load; the message names the package.
    TypeError
        If what it loads is nothing that the group holds.
    ValueError
        If two packages add the name.
    """
    found = [entry for entry in _declared(group) if fold(entry.name) == fold(name)]
    if not found:
        return None
    if len({entry.value for entry in found}) > 1:
        packages = " and ".join(sorted(map(_package, found)))
        raise ValueError(f"expected one plug-in for {name!r}, received {packages}; uninstall all but one")
    return _loaded(found[0], fits)


def _loaded(entry: EntryPoint, fits: Callable[[Any], bool]) -> Any:
    what = f"the plug-in {entry.name!r} of {_package(entry)}"
    try:
        made = entry.load()
        if not fits(made) and callable(made) and not isinstance(made, type):
            made = made()
    except Exception as error:
        raise ImportError(
            f"expected {what} to load from {entry.value!r}, received {type(error).__name__}: {error}; update or "
            "uninstall that package"
        ) from error
    if not fits(made):
        raise TypeError(
            f"expected {what} to be {GROUPS[entry.group]}, received {type(made).__name__}; tell its authors"
        )
    return made


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name}" if entry.dist is not None else f"{entry.value}"
