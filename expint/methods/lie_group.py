"""Methods that come from Lie-group integrators with affine action."""

from fractions import Fraction as F

from expint.derive.algebra.phisum import phi
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["METHODS"]

HALF = F(1, 2)
ONE = phi(0, 0)
PHI1, PHI1_HALF = phi(1), phi(1, HALF)
Z_PHI1 = phi(0) - ONE  # z φ₁(z)
Z_PHI1_HALF = 2 * (phi(0, HALF) - ONE)  # z φ₁(z/2)

METHODS: tuple[Tableau, ...] = (
    Tableau(
        name="etd2cf3",
        c=(0, F(1, 3), F(2, 3)),
        a=((), (REST,), (REST, F(4, 3) * phi(2, F(2, 3)))),
        b=(REST, 6 * phi(2) - 18 * phi(3), F(-3, 2) * phi(2) + 9 * phi(3)),
        declared_order=3,
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
        reference="celledoni_marthinsen_owren2003",
        aliases=("etdcf3",),
        remarks="Built on the third-order commutator-free method; a₂₁ takes φ₁(z/3).",
    ),
    Tableau(
        name="cfree4",
        c=(0, HALF, HALF, 1),
        a=((), (REST,), (0, PHI1_HALF / 2), (PHI1_HALF * (phi(0, HALF) - ONE) / 2, 0, PHI1_HALF)),
        b=(PHI1 / 2 - PHI1_HALF / 3, PHI1 / 3, PHI1 / 3, -PHI1 / 6 + PHI1_HALF / 3),
        declared_order=4,
        declared_stiff_order=1,
        declared_weak_stiff_order=2,
        reference="celledoni_marthinsen_owren2003",
        aliases=("commutator-free4",),
        remarks="The commutator-free method of order 4; uses no φ-function but φ₁.",
    ),
    Tableau(
        name="rkmk2e",
        c=(0, 1),
        a=((), (PHI1,)),
        b=(PHI1 / 2, PHI1 / 2),
        declared_order=2,
        declared_stiff_order=1,
        declared_weak_stiff_order=2,
        reference="munthe_kaas1999",
        remarks="Equal to the weak ETD2RK with c₂ = 1.",
    ),
    Tableau(
        name="rkmk4t",
        c=(0, HALF, HALF, 1),
        a=((), (PHI1_HALF / 2,), (Z_PHI1_HALF / 8, PHI1_HALF / 2 - Z_PHI1_HALF / 8), (0, 0, PHI1)),
        b=(PHI1 / 6 + Z_PHI1 / 12, PHI1 / 3, PHI1 / 3, PHI1 / 6 - Z_PHI1 / 12),
        declared_order=4,
        declared_stiff_order=1,
        declared_weak_stiff_order=2,
        reference="munthe_kaas1999",
        aliases=("rkmk4",),
        remarks="Kutta's method in the Lie algebra, the inverse of dexp truncated.",
    ),
)
