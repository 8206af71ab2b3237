"""Generalised and modified generalised Lawson methods on the classical method of Kutta, with 1 to 5 values of N."""

from fractions import Fraction as F

from expint.derive.algebra.phisum import phi
from expint.derive.kinds.generalised_lawson import GeneralisedLawson
from expint.derive.kinds.tableau import REST, Tableau
from expint.methods.butcher import CLASSICAL

__all__ = ["METHODS"]

HALF = F(1, 2)
RK4 = next(butcher for butcher in CLASSICAL if butcher.name == "rk4")

ONE_STEP = Tableau(
    name="generalised-lawson41",
    c=(0, HALF, HALF, 1),
    a=((), (REST,), (REST, HALF), (REST, 0, phi(0, HALF))),
    b=(REST, phi(0, HALF) / 3, phi(0, HALF) / 3, F(1, 6)),
    declared_order=4,
    declared_stiff_order=1,
    declared_weak_stiff_order=2,
    reference="krogstad2005",
    aliases=("genlawson41", "generalized-lawson41", "etd1/rk4"),
    remarks="N(y_n) is integrated exactly; Lawson's method acts on the rest.",
)

MODIFIED_ONE_STEP = Tableau(
    name="modified-generalised-lawson41",
    c=ONE_STEP.c,
    a=ONE_STEP.a,
    b=(REST, phi(0, HALF) / 3, phi(0, HALF) / 3, phi(2) - phi(0, HALF) / 3),
    declared_order=4,
    declared_stiff_order=2,
    declared_weak_stiff_order=2,
    reference="krogstad2005",
    aliases=("modgenlawson41", "modified-generalized-lawson41"),
    remarks="As generalised-lawson41, with weights that integrate a linear N exactly.",
)

ORDERS = {2: (4, 2, 3), 3: (4, 3, 4), 4: (4, 4, 4), 5: (5, 5, 5)}
MODIFIED_ORDERS = {2: (4, 3, 3), 3: (4, 4, 4), 4: (5, 5, 5), 5: (6, 6, 6)}


def _named(prefix: str, short: str, q: int, orders: tuple[int, int, int], modified: bool) -> GeneralisedLawson:
    return GeneralisedLawson(
        RK4,
        q,
        modified=modified,
        name=f"{prefix}generalised-lawson4{q}",
        declared_order=orders[0],
        declared_stiff_order=orders[1],
        declared_weak_stiff_order=orders[2],
        aliases=(f"{short}genlawson4{q}", f"{prefix}generalized-lawson4{q}"),
    )


METHODS: tuple[Tableau | GeneralisedLawson, ...] = (
    ONE_STEP,
    MODIFIED_ONE_STEP,
    *(_named("", "", q, orders, modified=False) for q, orders in ORDERS.items()),
    *(_named("modified-", "mod", q, orders, modified=True) for q, orders in MODIFIED_ORDERS.items()),
)
