"""A grid in one, two or three dimensions with its boundary conditions: points, transforms, operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from expint.arguments import checked, function, integer, number
from expint.arrays import template
from expint.backend import Array, asarray_like
from expint.operators.base import Operator
from expint.operators.over_time.lifted import Lift, Lifted
from expint.spectral import calculus
from expint.spectral.boundary import Boundary, Walls, per_axis
from expint.spectral.layout import Basis, Options, axes_of, described, for_each, shape_of, words_of
from expint.spectral.lifting import pieces_of
from expint.spectral.points import Points
from expint.spectral.starts import watch
from expint.spectral.terms import Dealiased, Pseudospectral, kept

__all__ = ["Grid"]


class Grid(Points):
    r"""A grid on an interval, a rectangle or a box, with the conditions at its walls.

    Parameters
    ----------
    shape
        Numbers of points along the axes, at least 4 each; one number for one dimension.
    length
        Length of each axis, or one for all.
    start
        Lower end of each axis, or one for all.
    boundary
        "periodic", "dirichlet" (u = 0), "neumann" (∂u/∂n = 0), or a condition made by ``dirichlet``, ``neumann``,
        ``robin``, with a value that may change with time; for each axis one of these, or a pair for its two ends. In
        one dimension the pair may stand alone.
    basis
        "series": Fourier on periodic axes, cosines and sines between walls; "chebyshev": Chebyshev points between
        walls; "differences": finite differences. One for all axes, or one for each. "auto" takes series on periodic
        axes and between walls with values zero, Chebyshev points for Robin conditions and values that are not zero.
    order
        Of the finite differences: 2, 4 or 6.
    stretch
        For finite differences, how points lie. None for equal distances; an increasing function from [0, 1] onto
        [0, 1], to which equal distances are taken; or all points, walls included, as an array. One for all axes, or a
        list with one for each.
    real
        True for real fields, False for complex ones.
    like
        An array whose library, precision and device the points take; NumPy in double precision by default.

    Attributes
    ----------
    shape, modes
        The lengths of the axes, of values and of coefficients.
    length, start, boundary
        As given, one for each axis; the boundary as None (periodic) or a pair of ``Boundary``.
    real
        Whether fields are real.

    Raises
    ------
    ValueError
        If there are too few or too many points, a length is not positive, an order or a word is unknown, conditions
        contradict each other at a corner, or the basis does not serve them.
    TypeError
        If an argument is of another kind.

    Notes
    -----
    States are values on the grid, of shape (…, \*shape), components of a field first. ``linear=grid.laplacian`` acts on
    them by transforms, at the cost of a run in coefficients. States may be coefficients, too: ``grid.forward(u0)``
    with ``linear=grid.laplacian.diagonal`` and ``grid.pseudospectral(N)``.

    Series between walls live at the centres of cells, start + (j + ½) length / n, periodic ones at
    start + j length / n, Chebyshev points and differences inside the walls, whose values follow from the conditions.
    Chebyshev points converge exponentially for smooth solutions; sine series only where all even derivatives vanish at
    the walls, and as k⁻³ where they do not; cosine series where all odd ones vanish, and as k⁻⁴.

    Examples
    --------
    The heat equation between insulated walls, of which cos x cos 2y is an eigenfunction:

    >>> import numpy as np
    >>> import expint
    >>> grid = Grid((32, 32), length=np.pi, boundary="neumann")
    >>> u0 = np.cos(grid.x) * np.cos(2 * grid.y)
    >>> sol = expint.solve_ivp(None, (0, 1), u0, linear=grid.laplacian, step=1.0)
    >>> bool(np.allclose(sol.y_end, np.exp(-5.0) * u0, atol=1e-14))
    True
    """

    @checked(order=integer, like=template)
    def __init__(
        self,
        shape: int | Sequence[int],
        length: float | Sequence[float],
        *,
        start: float | Sequence[float] = 0.0,
        boundary: Any = "periodic",
        basis: Basis | Sequence[Basis] = "auto",
        order: int = 2,
        stretch: Any = None,
        real: bool = True,
        like: Array | None = None,
    ) -> None:
        self.shape = shape_of(shape)
        count = len(self.shape)
        self.length = tuple(for_each("length", length, count))
        if not all(own > 0 for own in self.length):
            raise ValueError(f"expected positive lengths, received {length}")
        self.start = tuple(for_each("start", start, count))
        if order not in (2, 4, 6):
            raise ValueError(f"expected order 2, 4 or 6 of finite differences, received {order}")
        self.boundary: tuple[Walls, ...] = tuple(per_axis(boundary, count))
        self.real, self._like = real, like
        self._options = Options(words_of(basis, self.boundary), order, stretch, real)
        self.axes = axes_of(self.shape, self.length, self.start, self.boundary, self._options)
        self.modes = tuple(axis.size for axis in self.axes)
        self._masks: dict[Any, Array] = {}
        self._known: dict[Any, Any] = {}
        self._pieces = pieces_of(self)
        self._lift = Lift(tuple(p.face for p in self._pieces), tuple(p.value for p in self._pieces))

    def watch(self, u: Array) -> None:
        """Warn with a ``BoundaryWarning`` of values that contradict the conditions at the walls, with value zero."""
        watch(self, u)

    def dealiased(self, nonlinear: Callable[..., Array], keep: float = 2 / 3) -> Dealiased:
        """Return N(t, u) of values with its argument and its result dealiased, for four transforms a call.

        For states that are coefficients, ``pseudospectral(N, keep)`` needs only the two that it makes anyway.

        Raises
        ------
        ValueError, TypeError
            As ``dealias``; or if N is no function.
        """
        self._mask(kept(keep))
        return Dealiased(self, function("nonlinear", nonlinear, "(t, u)"), keep)

    def pseudospectral(self, nonlinear: Callable[..., Array], keep: float | None = None) -> Pseudospectral:
        """Return v ↦ F N(t, F⁻¹ v), for states that are coefficients; dealiased if ``keep`` is given.

        Raises
        ------
        ValueError, TypeError
            As ``dealias``; or if N is no function.
        """
        if keep is not None:
            self._mask(kept(keep))
        return Pseudospectral(self, function("nonlinear", nonlinear, "(t, u)"), keep)

    # ------------------------------------------------------------ operators

    @property
    def laplacian(self) -> Any:
        """∇², an operator on values: diagonal in the transform, or sparse for long axes of differences.

        It may be multiplied by numbers, added to numbers and other operators of the grid, applied, ``laplacian @ u``,
        and raised to powers. With conditions whose values are not zero it is a ``Lifted``.
        """
        return self._remembered("laplacian", calculus.laplacian)

    @checked()
    def derivative(self, axis: int = 0, order: int = 1) -> Any:
        """Return ∂/∂x along an axis, or a higher derivative, an operator on values.

        Odd derivatives between walls lead from cosines to sines: they are exact, but not diagonal.

        Raises
        ------
        ValueError
            If there is no such axis, or the order is less than 1.
        """
        place = self._place(axis, order)
        return self._remembered(("derivative", place, order), partial(calculus.derivative, axis=place, order=order))

    def operator(self, diffusion: Any = 1.0, advection: Any = 0.0, reaction: Any = 0.0) -> Any:
        r"""Return the cheapest operator for L u = ∇·(D ∇u) + a·∇u + c u.

        Parameters
        ----------
        diffusion
            D: a number, a function of the coordinates, an array on the grid; or a list of these, one for each axis.
        advection
            a: one of these for each axis in a list; or one for all.
        reaction
            c: a number, a function or an array.

        Returns
        -------
        Operator
            ``Transformed`` for constants; ``KroneckerSum``, in one dimension ``Dense`` or ``Sparse``, where
            coefficients vary along their own axis or advection meets walls; ``Sparse`` for finite differences with
            coefficients that vary in any way; products with it, ``MatrixFree``, for other axes with such. Its ``repr``
            says which. With conditions whose values are not zero all are ``Lifted``.

        Raises
        ------
        ValueError, TypeError
            If coefficients do not fit the grid, or are no finite numbers.
        """
        return calculus.operator(self, diffusion, advection, reaction)

    def fields(self, *operators: Any) -> Any:
        """Return the operator of a field with several components, the first axis of states: one for each of them.

        Parameters
        ----------
        operators
            Operators of this grid that are diagonal in its transform, or numbers.

        Raises
        ------
        TypeError
            If one is of another kind.
        ValueError
            If there is none.
        """
        return calculus.fields(self, operators)

    @checked()
    def matrix(self, axis: int = 0, order: int = 2) -> np.ndarray:
        """Return the matrix of a derivative along one axis, of shape (n, n), for conditions with value zero.

        Raises
        ------
        ValueError
            As ``derivative``.
        """
        return self.axes[self._place(axis, order)].matrix(order)

    def _place(self, axis: int, order: int) -> int:
        """Return an axis counted from the first, or refuse one that is not there, and orders below 1."""
        if not -len(self.shape) <= axis < len(self.shape) or order < 1:
            raise ValueError(
                f"expected an axis of {len(self.shape)} and an order of at least 1, received axis {axis} and order "
                f"{order}"
            )
        return axis % len(self.shape)

    # ------------------------------------------------------------ conditions

    def lift(self, t: float = 0.0) -> Array:
        """Return the known function w(t, x) that meets the conditions at time t; u - w meets those with value zero."""
        w = np.broadcast_to(self._lift.values(number("t", t)), self.shape)
        return asarray_like(w, np.empty(0) if self._like is None else self._like)

    def at(self, t: float) -> Grid:
        """Return the grid with the conditions as they are at one time: ``grid.at(t).laplacian @ u`` is known."""
        when = number("t", t)
        frozen = [walls if walls is None else tuple(wall.frozen(when) for wall in walls) for walls in self.boundary]
        return self._with(frozen)

    def along(self, axes: Sequence[int]) -> Grid:
        """Return the grid of some of the axes, with conditions of value zero."""
        options: Any = self._options
        every = len(self.shape)
        several = isinstance(options.stretch, list | tuple) and every > 1
        return Grid(
            [self.shape[i] for i in axes],
            [self.length[i] for i in axes],
            start=[self.start[i] for i in axes],
            boundary=[_zero(self.boundary[i]) for i in axes],
            basis=[options.basis[i] for i in axes],
            order=options.order,
            stretch=[options.stretch[i] for i in axes] if several else options.stretch,
        )

    def _with(self, boundary: Sequence[Any]) -> Grid:
        words = ["periodic" if walls is None else walls for walls in boundary]
        return Grid(
            self.shape,
            self.length,
            start=self.start,
            boundary=words if len(words) > 1 else words[0],
            like=self._like,
            **self._options._asdict(),
        )

    def _lifted(self, operator: Operator, image: Callable[[Any], np.ndarray]) -> Any:
        """Return an operator, together with what it makes of each piece of the lift where there is one."""
        if not self._pieces:
            return operator
        return Lifted(operator, self._lift, [image(piece) for piece in self._pieces])

    def _remembered(self, key: Any, make: Callable[[Grid], Any]) -> Any:
        if key not in self._known:
            self._known[key] = make(self)
        return self._known[key]

    # ------------------------------------------------------------ identity

    @property
    def _key(self) -> tuple[Any, ...]:
        return (self.real, *(axis.key for axis in self.axes))

    def __eq__(self, other: object) -> bool:
        """Whether two grids have the same points and transforms."""
        return isinstance(other, Grid) and (self is other or self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_masks": {}, "_known": {}}

    def __repr__(self) -> str:
        points, box = "×".join(map(str, self.shape)), "×".join(f"{own:.6g}" for own in self.length)
        walls = "" if not self._pieces else f", {len(self._pieces)} conditions with values"
        return f"Grid({points} points on {box}, {described(self.axes)}, {'real' if self.real else 'complex'}{walls})"


def _zero(walls: Walls) -> Any:
    if walls is None:
        return "periodic"
    return tuple(Boundary(wall.a, wall.b) for wall in walls)
