"""Splitting methods: for problems in which the flow of N is known."""

from fractions import Fraction as F
from functools import cache

from expint.derive.splitting import Splitting, repeated

__all__ = ["splitting", "splitting_names"]

LIE = Splitting("lie", (1, 0), (1,), order=1, reference="strang1968", remarks="First L, then N; also Lie–Trotter.")
STRANG = Splitting("strang", (F(1, 2), F(1, 2)), (1,), order=2, reference="strang1968", remarks="Symmetric.")


@cache
def _catalogue() -> dict[str, Splitting]:
    backwards = "The middle step goes backwards in time, so it is not for diffusion."
    yoshida4 = repeated(STRANG, "yoshida4", 1, reference="yoshida1990", remarks=backwards)
    suzuki4 = repeated(STRANG, "suzuki4", 2, reference="suzuki1990", remarks=backwards)
    return {method.name: method for method in (LIE, STRANG, yoshida4, suzuki4)}


def splitting(name: str) -> Splitting:
    """Return a splitting method by its name.

    Raises
    ------
    ValueError
        If no method has the name.
    """
    if name not in _catalogue():
        raise ValueError(f"expected one of the splitting methods {', '.join(_catalogue())}, received {name!r}")
    return _catalogue()[name]


def splitting_names() -> list[str]:
    """Return the names of all splitting methods."""
    return list(_catalogue())
