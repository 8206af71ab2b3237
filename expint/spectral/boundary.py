"""What holds at the walls: a u + b ∂u/∂n = g(t), with Dirichlet's and Neumann's conditions as special cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from expint.arguments import function, number, seen

__all__ = ["Boundary", "BoundaryWarning", "Walls", "dirichlet", "neumann", "per_axis", "robin"]

Value: TypeAlias = float | Callable[[float], float]


_SETTLED = 1e-6
"""Derivatives found by differences are believed to this part of the derivative and the value."""


class BoundaryWarning(UserWarning):
    """A start that contradicts the boundary conditions: the solution jumps at the wall at once."""


@dataclass(frozen=True)
class Boundary:
    r"""The condition a u + b ∂u/∂n = g(t) s at one wall, n pointing outwards.

    Attributes
    ----------
    a, b
        Its factors, real numbers, not both zero.
    value
        g, a number or a function of time.
    rate
        The derivative of g, where it is known; otherwise it is found by differences, to about ten digits.
    profile
        s: how the right-hand side varies along the wall, a function of the other coordinates, or an array of their
        shape; 1 by default. It has to meet the conditions at the other walls.

    Raises
    ------
    ValueError
        If a and b are both zero, or one of them or the value is not finite.
    TypeError
        If they are no numbers, or the functions no functions.

    Examples
    --------
    >>> from expint.spectral import Boundary
    >>> heated = Boundary(a=1.0, b=0.1, value=lambda t: 20.0 + t)  # u + 0.1 ∂u/∂n = 20 + t
    >>> heated.changes, heated.homogeneous, heated.at(2.0), round(heated.rate_at(2.0), 8)
    (True, False, 22.0, 1.0)
    """

    a: float
    b: float
    value: Value = 0.0
    rate: Callable[[float], float] | None = None
    profile: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", number("a", self.a))
        object.__setattr__(self, "b", number("b", self.b))
        if self.a == self.b == 0:
            raise ValueError("expected a condition a u + b ∂u/∂n = g with a or b not zero, received a = b = 0")
        if not callable(self.value):
            object.__setattr__(self, "value", number("the value at a wall", self.value))
        if self.rate is not None:
            function("rate", self.rate, "of time")

    @property
    def homogeneous(self) -> bool:
        """Whether the right-hand side is zero at all times."""
        return not callable(self.value) and self.value == 0

    @property
    def changes(self) -> bool:
        """Whether the right-hand side depends on time."""
        return callable(self.value)

    def at(self, t: float) -> float:
        """Return g(t).

        Raises
        ------
        ValueError, TypeError
            If it is no finite number.
        """
        return number(f"the value at a wall at t = {t:g}", self.value(t)) if callable(self.value) else self.value

    def frozen(self, t: float) -> Boundary:
        """Return the condition with the value that it has at one time."""
        return replace(self, value=self.at(t), rate=None)

    def rate_at(self, t: float) -> float:
        """Return dg/dt: as given, or by central differences that are extrapolated until they agree (Ridders 1982)."""
        if self.rate is not None:
            return number(f"the rate at a wall at t = {t:g}", self.rate(t))
        return _ridders(self.at, t) if self.changes else 0.0


Walls: TypeAlias = tuple[Boundary, Boundary] | None
"""The conditions at the lower and the upper end of an axis; None where it is periodic."""


def dirichlet(value: Value = 0.0, *, rate: Callable[[float], float] | None = None, profile: Any = None) -> Boundary:
    """Return the condition u = value, a number or a function of time.

    Parameters
    ----------
    value, rate, profile
        As in ``Boundary``.

    Raises
    ------
    ValueError, TypeError
        As ``Boundary``.

    Examples
    --------
    >>> import math
    >>> dirichlet(math.sin, rate=math.cos).at(0.0)
    0.0
    """
    return Boundary(1.0, 0.0, value, rate, profile)


def neumann(slope: Value = 0.0, *, rate: Callable[[float], float] | None = None, profile: Any = None) -> Boundary:
    """Return the condition ∂u/∂n = slope, the derivative outwards: at the lower end of an axis it is -∂u/∂x.

    Parameters
    ----------
    slope, rate, profile
        As ``value`` and the others in ``Boundary``.

    Raises
    ------
    ValueError, TypeError
        As ``Boundary``.

    Examples
    --------
    >>> import expint
    >>> from expint.spectral import neumann
    >>> expint.Grid(8, length=1.0, boundary=neumann(0.0)).shape
    (8,)
    """
    return Boundary(0.0, 1.0, slope, rate, profile)


def robin(
    a: float, value: Value = 0.0, *, b: float = 1.0, rate: Callable[[float], float] | None = None, profile: Any = None
) -> Boundary:
    """Return the condition a u + b ∂u/∂n = value, the derivative outwards: a > 0, b = 1 lets heat out.

    Parameters
    ----------
    a, value, b, rate, profile
        As in ``Boundary``.

    Raises
    ------
    ValueError, TypeError
        As ``Boundary``.

    Examples
    --------
    >>> import expint
    >>> from expint.spectral import robin
    >>> expint.Grid(8, length=1.0, boundary=robin(1.0, 2.0)).shape
    (8,)
    """
    return Boundary(a, b, value, rate, profile)


_WORDS: dict[str, Walls] = {
    "periodic": None,
    "dirichlet": (dirichlet(), dirichlet()),
    "neumann": (neumann(), neumann()),
}


def per_axis(boundary: Any, count: int) -> list[Walls]:
    """Return the conditions of each of ``count`` axes.

    Parameters
    ----------
    boundary
        A word or a ``Boundary`` for all walls; or for each axis one of these, or a pair of them for its two ends. For
        one axis the pair may stand alone.
    count
        The number of axes.

    Raises
    ------
    ValueError
        If a word is unknown, or there are not as many as axes.
    TypeError
        If they are neither words nor conditions.
    """
    if isinstance(boundary, str | Boundary):
        return [_walls(boundary)] * count
    entries = list(boundary) if isinstance(boundary, Sequence) and not isinstance(boundary, bytes) else None
    if entries is None:
        raise TypeError(
            "expected boundary to be 'periodic', 'dirichlet', 'neumann', a condition such as robin(1.0), or one of "
            f"these for each axis, received {seen(boundary)}"
        )
    if count == 1 and len(entries) == 2:
        return [_walls(tuple(entries))]
    if len(entries) != count:
        raise ValueError(
            f"expected a boundary condition for each of {count} axes, received {len(entries)}; write the two ends of "
            "one axis as a pair inside the list: [('dirichlet', 'neumann'), 'periodic']"
        )
    return [_walls(entry) for entry in entries]


def _walls(entry: Any) -> Walls:
    """Return the conditions at both ends of one axis."""
    if isinstance(entry, Boundary):
        return entry, entry
    if isinstance(entry, str):
        if entry not in _WORDS:
            hint = "; robin(a, value) makes a condition" if entry == "robin" else ""
            raise ValueError(
                f"expected a boundary condition 'periodic', 'dirichlet' or 'neumann', received {entry!r}{hint}"
            )
        return _WORDS[entry]
    if not isinstance(entry, tuple | list) or len(entry) != 2:
        raise TypeError(f"expected a boundary condition, or a pair for the two ends of an axis, received {seen(entry)}")
    if "periodic" in [end for end in entry if isinstance(end, str)]:
        raise ValueError(f"expected two walls, or an axis that is 'periodic' as a whole, received {seen(entry)}")
    ends = [_walls(end) for end in entry]
    assert ends[0] is not None
    assert ends[1] is not None
    return ends[0][0], ends[1][1]


def _ridders(value: Callable[[float], float], t: float) -> float:
    """Return dg/dt by central differences with shrinking distances, extrapolated as polynomials in their squares.

    Raises
    ------
    ValueError
        If they do not settle, as near a jump, or g is not known on both sides of t.
    """
    h, largest = 0.05 * max(1.0, abs(t)), 0.0
    table: list[list[float]] = []
    best, error = math.nan, math.inf
    try:
        for i in range(14):
            after, before = value(t + h), value(t - h)
            row, largest = [(after - before) / (2 * h)], max(largest, abs(after), abs(before))
            for j in range(i):
                row.append(row[j] + (row[j] - table[-1][j]) / (4.0 ** (j + 1) - 1))
                change = max(abs(row[j + 1] - row[j]), abs(row[j + 1] - table[-1][j]))
                if change <= error:
                    best, error = row[j + 1], change
            table.append(row)
            h /= 2
    except (ValueError, ArithmeticError) as reason:
        raise ValueError(
            f"expected a value at a wall that is known around t = {t:g}, received one that is not ({reason}); give its "
            "derivative: rate="
        ) from reason
    if not error <= _SETTLED * (abs(best) + largest):
        raise ValueError(
            f"expected a value at a wall that is smooth around t = {t:g}, received one whose differences do not settle "
            f"(by {error:.2g}); give its derivative: rate="
        )
    return best
