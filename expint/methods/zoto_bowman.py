"""The embedded pairs of Zoto and Bowman (2023), robust: the estimate never has a higher order than designed."""

from fractions import Fraction as F

from expint.derive.algebra.phisum import phi
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["METHODS"]


def _zoto_bowman32() -> Tableau:
    half, three_quarters = F(1, 2), F(3, 4)
    phi1, phi2, phi3 = phi(1), phi(2), phi(3)
    b2 = F(3, 4) * phi2 - phi3 / 4
    b3 = F(5, 6) * phi2 + phi3 / 6
    b = (phi1 - b2 - b3, b2, b3)
    return Tableau(
        name="zoto-bowman32",
        c=(0, half, three_quarters, 1),
        a=((), (REST,), (REST, F(9, 8) * phi(2, three_quarters) + F(3, 8) * phi(2, half)), b),
        b=(*b, 0),
        embedded=(
            REST,
            (
                -phi1 / 9
                - phi(1, three_quarters) / 6
                - phi2 / 2
                - phi(2, three_quarters) / 7
                - phi(2, half) / 3
                + phi3 / 6
                + phi(3, half) / 6
            ),
            (
                F(2, 3) * phi1
                - phi(1, three_quarters) / 2
                - phi(1, half) / 7
                + phi2 / 3
                - phi(2, three_quarters) / 7
                - phi(3, half) / 5
            ),
            (
                F(-7, 6) * phi1
                - phi(1, three_quarters) / 2
                - phi(1, half) / 2
                - F(7, 12) * phi2
                + phi(2, half) / 4
                + F(2671, 140) * phi3
                - phi(3, half) / 3
            ),
        ),
        declared_order=3,
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
        declared_embedded_order=2,
        reference="zoto_bowman2023",
        aliases=("erk32zb",),
        remarks="First same as last; becomes the Bogacki–Shampine nodes and weights for L = 0.",
    )


def _zoto_bowman43() -> Tableau:
    sixth, half = F(1, 6), F(1, 2)
    phi1, phi2, phi3 = phi(1), phi(2), phi(3)
    a32 = F(3, 2) * phi(2, half) + phi(2, sixth) / 2
    a42 = (
        F(19, 60) * phi1
        + phi(1, half) / 2
        + phi(1, sixth) / 2
        + 2 * phi(2, half)
        + F(13, 6) * phi(2, sixth)
        + F(3, 5) * phi(3, half)
    )
    a43 = F(-19, 180) * phi1 - (phi(1, half) + phi(1, sixth) + phi(2, half)) / 6 + phi(2, sixth) / 9 - phi(3, half) / 5
    a54 = phi2 + phi(2, half) - 6 * phi3 - 3 * phi(3, half)
    a52 = 3 * phi2 - F(9, 2) * phi(2, half) - F(5, 2) * phi(2, sixth) + 6 * a54 + a42
    a53 = 6 * phi3 + 3 * phi(3, half) - 2 * a54 + a43
    low = (phi1 - a52 - a53 - a54, a52, a53, a54)
    return Tableau(
        name="zoto-bowman43",
        c=(0, sixth, half, half, 1),
        a=((), (REST,), (REST, a32), (REST, a42, a43), low),
        b=(
            REST,
            8 * phi2 - 24 * phi3,
            F(26, 3) * phi3 - F(11, 9) * phi2,
            F(7, 9) * phi2 - F(10, 3) * phi3,
            F(4, 3) * phi3 - phi2 / 9,
        ),
        embedded=(*low, 0),
        declared_order=4,
        declared_stiff_order=3,
        declared_weak_stiff_order=4,
        declared_embedded_order=3,
        reference="zoto_bowman2023",
        aliases=("erk43zb",),
        remarks="The last stage is the embedded solution of order 3.",
    )


METHODS: tuple[Tableau, ...] = (_zoto_bowman32(), _zoto_bowman43())
