"""SemilinearProblem: an initial value problem y' = L y + N(t, y) with what is known about it."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from expint.arguments import function, listed, plain_fields
from expint.backend import Array

__all__ = ["SemilinearProblem"]


@dataclass(frozen=True, repr=False)
class SemilinearProblem:
    """An initial value problem y' = L y + N(t, y), y(t_0) = y_0.

    Attributes
    ----------
    linear
        L: an operator of ``expint.operators``, or what ``expint.operators.as_operator`` accepts; None for a problem
        that comes unsplit, y' = N(t, y), to be solved by methods that linearise.
    nonlinear
        N(t, y), returning an array of the shape and dtype of y.
    y0
        The initial state.
    t_span
        (t_0, t_end).
    exact
        t ↦ y(t), where a solution is known in closed form.
    jacobian
        (t, y) ↦ ∂(Ly + N)/∂y as a square matrix on the entries of y in their order, where it is known.
    physical
        y ↦ u: from the space in which L lives (Fourier coefficients, say) to values on the grid.
    x
        The grid of those values, if any.
    name, equation, source, remarks
        For people: what it is, in LaTeX where it is a formula, and where it comes from.

    Examples
    --------
    >>> import numpy as np, expint
    >>> decay = expint.SemilinearProblem(-2.0, lambda t, y: 0.0 * y, np.array([1.0]), (0.0, 1.0))
    >>> bool(np.isclose(expint.solve(decay, "etdrk4", step=0.1).y_end[0], np.exp(-2.0)))
    True
    """

    linear: Any
    nonlinear: Callable[[float, Array], Array]
    y0: Array
    t_span: tuple[float, float]
    exact: Callable[[float], Array] | None = None
    jacobian: Callable[[float, Array], Array] | None = None
    physical: Callable[[Array], Array] | None = None
    x: Array | None = None
    name: str = ""
    equation: str = ""
    source: str = ""
    remarks: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in _FUNCTIONS:
            if name == "nonlinear" or getattr(self, name) is not None:
                function(name, getattr(self, name))
        listed("t_span", self.t_span, "times", least=2)

    def __repr__(self) -> str:
        shape = "×".join(str(n) for n in np.shape(self.y0)) or "scalar"
        return f"SemilinearProblem({self.name or 'unnamed'}, y0 {shape}, t {self.t_span[0]:g} … {self.t_span[1]:g})"

    def __reduce__(self) -> Any:
        """Return how to make a copy: the functions come from the maker of the problem, all else is copied."""
        made = vars(self).get("_made_by")
        if made is None:
            return copyreg.__newobj__, (type(self),), dict(vars(self))  # type: ignore[attr-defined]  # what copyreg is for
        return _remade, made, {name: value for name, value in vars(self).items() if name not in _FUNCTIONS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


_FUNCTIONS = ("nonlinear", "exact", "jacobian", "physical")


def made_by(maker: Callable[..., Any], parameters: Mapping[str, Any], problem: SemilinearProblem) -> SemilinearProblem:
    """Return a ``problem`` that knows the function of a module that made it, so that it can be sent elsewhere."""
    vars(problem)["_made_by"] = (maker, dict(parameters))
    return problem


def _remade(maker: Callable[..., SemilinearProblem], parameters: Mapping[str, Any]) -> SemilinearProblem:
    return maker(**parameters)
