"""Magnus and commutator-free methods: for linear parts that depend on time and do not commute with themselves."""

from fractions import Fraction as F

from expint.derive.algebra.algebraic import root
from expint.derive.kinds.lie_group import Exponent, LieGroupMethod, Motion

__all__ = ["CFREE4", "METHODS", "magnus", "magnus_names"]

HALF = F(1, 2)
ROOT3 = root((-3, 0, 1), 1, 2)
STAY = Motion(0, ())
GAUSS = (HALF - ROOT3 / 6, HALF + ROOT3 / 6)
NEAR, FAR = F(1, 4) + ROOT3 / 6, F(1, 4) - ROOT3 / 6

METHODS: tuple[LieGroupMethod, ...] = (
    LieGroupMethod(
        "magnus2",
        c=(0, HALF),
        points=(STAY, Motion(0, (Exponent((HALF,)),))),
        final=Motion(0, (Exponent((0, 1)),)),
        order=2,
        reference="blanes_casas_oteo_ros2009",
        remarks="The exponential midpoint rule: one exponential a step where N does not depend on y.",
    ),
    LieGroupMethod(
        "magnus4",
        c=GAUSS,
        final=Motion(0, (Exponent((HALF, HALF), ((2, 1, ROOT3 / 12),)),)),
        order=4,
        reference="iserles_norsett1999",
        remarks="One exponential a step, with a commutator, at Gauss nodes.",
    ),
    LieGroupMethod(
        "cf4",
        c=GAUSS,
        final=Motion(0, (Exponent((NEAR, FAR)), Exponent((FAR, NEAR)))),
        order=4,
        reference="blanes_moan2006",
        remarks="Two exponentials a step without commutators, at Gauss nodes.",
    ),
)

CFREE4 = LieGroupMethod(
    "cfree4",
    c=(0, HALF, HALF, 1),
    points=(
        STAY,
        Motion(0, (Exponent((HALF,)),)),
        Motion(0, (Exponent((0, HALF)),)),
        Motion(2, (Exponent((-HALF, 0, 1)),)),
    ),
    final=Motion(
        0, (Exponent((F(1, 4), F(1, 6), F(1, 6), F(-1, 12))), Exponent((F(-1, 12), F(1, 6), F(1, 6), F(1, 4))))
    ),
    order=4,
    reference="celledoni_marthinsen_owren2003",
    remarks="Five exponentials a step; N may depend on y.",
)
"""The catalogue's method of that name, for A(t)."""


def magnus(name: str) -> LieGroupMethod:
    """Return a method for a linear part that depends on time by its name.

    Raises
    ------
    ValueError
        If no method has the name.
    """
    found = {method.name: method for method in (*METHODS, CFREE4)}.get(name)
    if found is None:
        raise ValueError(
            f"expected one of the methods for a linear part that depends on time, {', '.join(magnus_names())}, "
            f"received {name!r}; other methods understand L(t) = g(t) A: TimeScaled(g, A)"
        )
    return found


def magnus_names() -> list[str]:
    """Return the names of all methods for a linear part that depends on time."""
    return [method.name for method in (*METHODS, CFREE4)]
