"""Exponential time differencing: exponential Euler and the methods of Cox and Matthews (2002)."""

from fractions import Fraction as F

from expint.derive.algebra.phisum import Exact, phi
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["METHODS", "etd2rk", "etd2rk_weak"]

EXPONENTIAL_EULER = Tableau(
    name="exponential-euler",
    c=(0,),
    a=((),),
    b=(phi(1),),
    declared_order=1,
    declared_stiff_order=1,
    declared_weak_stiff_order=1,
    reference="norsett1969",
    aliases=("etd1", "etdrk1", "etd-euler", "norsett-euler"),
    remarks="Exact for constant N.",
)


def etd2rk(c2: Exact = F(1), name: str = "etd2rk", aliases: tuple[str, ...] = ()) -> Tableau:
    """Return the two-stage method of order 2 (stiff order 2) with node c₂; b₂ = φ₂/c₂."""
    return Tableau(
        name=name,
        c=(0, c2),
        a=((), (REST,)),
        b=(REST, phi(2) / c2),
        embedded=(phi(1), 0),
        declared_order=2,
        declared_stiff_order=2,
        declared_weak_stiff_order=2,
        declared_embedded_order=1,
        reference="hochbruck_ostermann2005" if c2 != 1 else "cox_matthews2002",
        aliases=aliases,
        remarks=f"Node c₂ = {c2}; exponential Euler is embedded.",
    )


def etd2rk_weak(c2: Exact = F(1, 2), name: str = "etd2rk-weak", aliases: tuple[str, ...] = ()) -> Tableau:
    """Return the two-stage method with b₂ = φ₁/(2c₂), of stiff order 2 in the weak sense only."""
    return Tableau(
        name=name,
        c=(0, c2),
        a=((), (REST,)),
        b=(REST, phi(1) / (2 * c2)),
        declared_order=2,
        declared_stiff_order=1,
        declared_weak_stiff_order=2,
        reference="hochbruck_ostermann2005",
        aliases=aliases,
        remarks=f"Node c₂ = {c2}; uses no φ-function but φ₁.",
    )


ETD3RK = Tableau(
    name="etd3rk",
    c=(0, F(1, 2), 1),
    a=((), (REST,), (REST, 2 * phi(1))),
    b=(REST, 4 * phi(2) - 8 * phi(3), -phi(2) + 4 * phi(3)),
    declared_order=3,
    declared_stiff_order=2,
    declared_weak_stiff_order=2,
    reference="cox_matthews2002",
    aliases=("etdrk3", "cox-matthews3"),
    remarks="Its stages respect no stiff condition of order 3, although other catalogues call it stiff order 3.",
)

COX_MATTHEWS4 = Tableau(
    name="cox-matthews4",
    c=(0, F(1, 2), F(1, 2), 1),
    a=(
        (),
        (REST,),
        (0, phi(1, F(1, 2)) / 2),
        (phi(1, F(1, 2)) * (phi(0, F(1, 2)) - phi(0, 0)) / 2, 0, phi(1, F(1, 2))),
    ),
    b=(REST, 2 * phi(2) - 4 * phi(3), 2 * phi(2) - 4 * phi(3), -phi(2) + 4 * phi(3)),
    declared_order=4,
    declared_stiff_order=2,
    declared_weak_stiff_order=2,
    reference="cox_matthews2002",
    aliases=("etdrk4", "etd4rk", "cox-matthews"),
    remarks="The best known method of the family; see Kassam and Trefethen (2005) for its use.",
)

METHODS: tuple[Tableau, ...] = (
    EXPONENTIAL_EULER,
    etd2rk(aliases=("etdrk2", "cox-matthews2", "exponential-heun")),
    etd2rk(F(1, 2), name="etd2rk-midpoint", aliases=("exponential-midpoint",)),
    etd2rk(F(2, 3), name="etd2rk-ralston"),
    etd2rk_weak(aliases=("hochbruck-ostermann2-weak",)),
    ETD3RK,
    COX_MATTHEWS4,
)
