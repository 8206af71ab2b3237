"""From the words of a grid to its axes, and the transforms of all of them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from expint.arguments import choice, integer, listed, number, seen
from expint.backend import Array, array_namespace, is_complex
from expint.spectral.boundary import Walls
from expint.spectral.nodal import Nodal, chebyshev_axis, difference_axis
from expint.spectral.series import Periodic, Series
from expint.spectral.transforms import backward, forward

__all__ = [
    "Axis",
    "Basis",
    "Options",
    "Transform",
    "axes_of",
    "described",
    "for_each",
    "refused_values",
    "shape_of",
    "words_of",
]

Axis: TypeAlias = Periodic | Series | Nodal

Basis = Literal["auto", "series", "chebyshev", "differences"]

_BASES = get_args(Basis)
_MOST_POINTS = 2**27
"""Numbers of 8 bytes that are 1 GiB."""
_MOST_CHEBYSHEV = 4096
"""Matrices of so many rows have 128 MiB."""
_PRECISIONS = frozenset(("float32", "float64", "complex64", "complex128"))


def shape_of(shape: Any) -> tuple[int, ...]:
    """Return the numbers of points along the axes.

    Raises
    ------
    ValueError
        If there are fewer than 4 along an axis, or too many.
    TypeError
        If they are no integers.
    """
    entries = listed("shape", shape, "numbers of points") if _is_list(shape) else [shape]
    found = tuple(integer("the number of points", n, least=4, most=_MOST_POINTS) for n in entries)
    if math.prod(found) > _MOST_POINTS:
        raise ValueError(f"expected at most {_MOST_POINTS} points, of which there is 1 GiB, received {found}")
    return found


def for_each(name: str, value: Any, count: int) -> list[float]:
    """Return a finite number for each axis, from one for all or a list of them.

    Raises
    ------
    ValueError, TypeError
        If there are not as many, or one is no finite number.
    """
    entries = listed(name, value, "numbers") if _is_list(value) else [value] * count
    return [number(name, entry) for entry in as_many(name, entries, count)]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or bool(getattr(value, "ndim", 0))


def as_many(name: str, entries: Sequence[Any], count: int) -> Sequence[Any]:
    """Return a list with an entry for each axis, or refuse another.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    if len(entries) != count:
        raise ValueError(f"expected {name} for each of {count} axes, or one for all, received {len(entries)}")
    return entries


class Options(NamedTuple):
    """What says how axes are discretised: the basis of each, the order of differences, how points lie, real fields."""

    basis: tuple[str, ...]
    order: int
    stretch: Any
    real: bool


def words_of(basis: Any, walls: Sequence[Walls]) -> tuple[str, ...]:
    """Return the basis of each axis, where "auto" is resolved.

    Raises
    ------
    ValueError, TypeError
        If a basis is unknown or does not serve the conditions.
    """
    given = [basis] * len(walls) if isinstance(basis, str) else listed("basis", basis, "words")
    chosen = as_many("basis", [choice("basis", word, _BASES) for word in given], len(walls))
    return tuple(_chosen(word, own) for word, own in zip(chosen, walls))


def axes_of(
    shape: tuple[int, ...], lengths: Sequence[float], starts: Sequence[float], walls: Sequence[Walls], options: Options
) -> tuple[Axis, ...]:
    """Return the axes of a grid.

    Raises
    ------
    ValueError, TypeError
        If points and conditions do not go together.
    """
    words, count = options.basis, len(shape)
    several = isinstance(options.stretch, list | tuple) and count > 1
    stretches = as_many("stretch", options.stretch, count) if several else [options.stretch] * count
    if options.stretch is not None and "differences" not in words:
        raise ValueError(f"expected stretch for basis='differences', received it beside {words}")
    found: list[Axis | None] = []
    for n, length, start, own, word, stretch in zip(shape, lengths, starts, walls, words, stretches):
        found.append(_between_walls_or_nodes(word, n, (length, start), own, options.order, stretch))
    apart = [i for i, axis in enumerate(found) if axis is None]
    real = options.real and not any(np.iscomplexobj(a.eigen.values) for a in found if isinstance(a, Nodal) and apart)
    for i in apart:
        found[i] = Periodic(shape[i], lengths[i], starts[i], halved=real and i == apart[-1])
    return tuple(axis for axis in found if axis is not None)


def _chosen(word: str, walls: Walls) -> str:
    serves = walls is None or all(wall.a == 0 or wall.b == 0 for wall in walls)
    if word == "auto":
        return "series" if walls is None or (serves and all(wall.homogeneous for wall in walls)) else "chebyshev"
    if word == "series" and not serves:
        raise ValueError(
            f"expected periodic, Dirichlet or Neumann conditions for a series, received {walls}; take "
            "basis='chebyshev' or 'differences'"
        )
    return word


def _between_walls_or_nodes(
    word: str, n: int, interval: tuple[float, float], walls: Walls, order: int, stretch: Any
) -> Axis | None:
    """Return an axis that is no Fourier series; None for one that is."""
    if word == "differences":
        return difference_axis(n, *interval, walls, order, stretch)
    if word == "chebyshev":
        if n > _MOST_CHEBYSHEV:
            raise ValueError(f"expected at most {_MOST_CHEBYSHEV} Chebyshev points along an axis, received {n}")
        return chebyshev_axis(n, *interval, walls)
    return None if walls is None else Series(n, *interval, walls)


class Transform:
    """The transforms along all axes: eigenvectors and cosines first, then Fourier's, which make complex numbers.

    Parameters
    ----------
    axes
        The axes, the last axes of arrays.
    real
        Whether values are real.
    """

    def __init__(self, axes: tuple[Axis, ...], real: bool) -> None:
        self.real = real
        groups: dict[str, list[int]] = {}
        fourier = [axis.kind for axis in axes if isinstance(axis, Periodic)]
        for place, axis in enumerate(axes):
            kind = fourier[-1] if isinstance(axis, Periodic) else axis.kind
            groups.setdefault(kind, []).append(place)
        self._steps = [
            (kind, tuple(i - len(axes) for i in places), tuple(axes[i].n for i in places), axes[places[0]])
            for kind, places in sorted(groups.items(), key=lambda item: item[0] in fourier)
        ]

    def forward(self, u: Array) -> Array:
        """Return the coefficients of values."""
        for kind, places, _, axis in self._steps:
            u = axis.enter(u, places[0]) if isinstance(axis, Nodal) else forward(kind, u, places)
        return u

    def backward(self, v: Array) -> Array:
        """Return the values of coefficients."""
        for kind, places, lengths, axis in reversed(self._steps):
            v = axis.leave(v, places[0]) if isinstance(axis, Nodal) else backward(kind, v, places, lengths)
        if self.real and is_complex(v):
            v = array_namespace(v).real(v)  # what is left of the imaginary part is rounding
        return v


def described(axes: Sequence[Axis]) -> str:
    """Return the axes in a few words."""
    names = {"rfft": "Fourier", "fft": "Fourier", "cos": "cosine", "sin": "sine"}
    return " × ".join(
        axis.name if isinstance(axis, Nodal) else names.get(axis.kind, names.get(axis.kind[:3], "")) for axis in axes
    )


def refused_values(u: Any, shape: tuple[int, ...], real: bool, modes: tuple[int, ...]) -> None:
    """Refuse what is no array of values on a grid.

    Raises
    ------
    TypeError
        If it is no array, or real where it has to be complex, or the other way round.
    ValueError
        If its last axes are not those of the grid.
    """
    if not hasattr(u, "ndim") or not hasattr(u, "dtype"):
        raise TypeError(f"expected an array of values on the grid, received {seen(u)}")
    if str(u.dtype).rpartition(".")[2] not in _PRECISIONS:
        raise TypeError(
            f"expected values of single or double precision, as transforms take them, received dtype {u.dtype}; "
            "convert them"
        )
    if u.ndim < len(shape) or tuple(u.shape[u.ndim - len(shape) :]) != shape:
        own = ", ".join(map(str, shape))
        coefficients = tuple(u.shape[max(u.ndim - len(modes), 0) :]) == modes
        hint = "; for states that are coefficients pass linear=operator.diagonal" if coefficients else ""
        raise ValueError(f"expected values on the grid, of shape (…, {own}), received shape {tuple(u.shape)}{hint}")
    if real == is_complex(u):
        kinds, remedy = ("real", "make the grid with real=False") if real else ("complex", "pass u + 0j")
        raise TypeError(f"expected {kinds} values on a grid of {kinds} fields, received dtype {u.dtype}; {remedy}")
