"""The methods of Hochbruck and Ostermann (2005), built on their stiff order conditions."""

from fractions import Fraction as F

from expint.derive.algebra.phisum import Exact, phi
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["METHODS", "order_three", "order_three_two_thirds"]


def order_three(c2: Exact, c3: Exact, name: str = "hochbruck-ostermann3") -> Tableau:
    r"""Return the three-stage method with nodes c₂, c₃ and b₂ = γ b₃, of stiff order 3 in the weak sense.

    γ = (3c₃² - 2c₃)/(2c₂ - 3c₂²) solves 2(γc₂ + c₃) = 3(γc₂² + c₃²), the condition ψ₃(0) = 0.

    Raises
    ------
    ValueError
        If c₂ is 0 or 2/3, where γ does not exist.
    """
    denominator = 2 * c2 - 3 * c2**2
    if denominator == 0:
        raise ValueError(f"expected c2 other than 0 and 2/3, received {c2}; order_three_two_thirds has c3 = 2/3")
    gamma = (3 * c3**2 - 2 * c3) / denominator
    b3 = phi(2) / (gamma * c2 + c3)
    return Tableau(
        name=name,
        c=(0, c2, c3),
        a=((), (REST,), (REST, gamma * c2 * phi(2, c2) + c3**2 / c2 * phi(2, c3))),
        b=(REST, gamma * b3, b3),
        declared_order=3,
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
        reference="hochbruck_ostermann2005",
        remarks=f"Nodes c₂ = {c2}, c₃ = {c3}; b₂ = ({gamma}) b₃.",
    )


def order_three_two_thirds(c2: Exact, name: str = "hochbruck-ostermann3", aliases: tuple[str, ...] = ()) -> Tableau:
    """Return the three-stage method with c₃ = 2/3 and b₂ = 0, of stiff order 3 in the weak sense, for any c₂."""
    return Tableau(
        name=name,
        c=(0, c2, F(2, 3)),
        a=((), (REST,), (REST, F(4, 9) / c2 * phi(2, F(2, 3)))),
        b=(REST, 0, F(3, 2) * phi(2)),
        declared_order=3,
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
        reference="hochbruck_ostermann2005",
        aliases=aliases,
        remarks=f"Nodes c₂ = {c2}, c₃ = 2/3; reduces to Heun's third-order weights for L = 0.",
    )


HALF = F(1, 2)
A52 = phi(2, HALF) / 2 - phi(3) + phi(2) / 4 - phi(3, HALF) / 2

HOCHBRUCK_OSTERMANN4 = Tableau(
    name="hochbruck-ostermann4",
    c=(0, HALF, HALF, 1, HALF),
    a=(
        (),
        (REST,),
        (REST, phi(2, HALF)),
        (REST, phi(2), phi(2)),
        (REST, A52, A52, phi(2, HALF) / 4 - A52),
    ),
    b=(REST, 0, 0, -phi(2) + 4 * phi(3), 4 * phi(2) - 8 * phi(3)),
    declared_order=4,
    declared_stiff_order=3,
    declared_weak_stiff_order=4,
    reference="hochbruck_ostermann2005",
    aliases=("hochost4", "hochbruck-ostermann", "expRK4s5"),
    remarks="The first method of stiff order 4, in the weak sense, which its authors prove to suffice.",
)

METHODS: tuple[Tableau, ...] = (
    order_three_two_thirds(F(1, 3), aliases=("expRK3s3", "hochost3")),
    order_three(HALF, F(1), name="hochbruck-ostermann3-kutta"),
    HOCHBRUCK_OSTERMANN4,
)
