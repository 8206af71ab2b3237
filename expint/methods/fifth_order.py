"""Methods of order 5, and one that was meant to be."""

from fractions import Fraction as F

from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["METHODS"]


def _psi(k: int, c: F) -> PhiSum:
    """Return c^k φ_k(cz), the notation of Luan and Ostermann."""
    return c**k * phi(k, c)


def _luan_ostermann5() -> Tableau:
    half, quarter, fifth, two_thirds = F(1, 2), F(1, 4), F(1, 5), F(2, 3)
    a52 = -2 * _psi(2, half) + 16 * _psi(3, half)
    a54 = 8 * _psi(2, half) - 32 * _psi(3, half)
    a64 = 8 * _psi(2, fifth) - 32 * _psi(3, fifth)
    a65 = -2 * _psi(2, fifth) + 16 * _psi(3, fifth)
    a75 = F(125, 1944) * a64 - F(4, 3) * _psi(2, two_thirds) + F(40, 3) * _psi(3, two_thirds)
    a76 = F(3125, 3888) * a64 + F(25, 3) * _psi(2, two_thirds) - F(100, 3) * _psi(3, two_thirds)
    free = (
        F(5, 32) * a64
        - F(25, 28) * _psi(2, fifth)
        + F(81, 175) * _psi(2, two_thirds)
        - F(162, 25) * _psi(3, two_thirds)
        + F(150, 7) * _psi(4, fifth)
        + F(972, 35) * _psi(4, two_thirds)
        + 6 * phi(4)
    )
    a85 = F(-16, 3) * phi(2) + F(208, 3) * phi(3) - 40 * free
    a86 = F(250, 21) * phi(2) - F(250, 3) * phi(3) + F(250, 7) * free
    a87 = F(27, 14) * phi(2) - 27 * phi(3) + F(135, 7) * free
    return Tableau(
        name="luan-ostermann5",
        c=(0, half, half, quarter, half, fifth, two_thirds, 1),
        a=(
            (),
            (REST,),
            (REST, 2 * _psi(2, half)),
            (REST, 0, 2 * _psi(2, quarter)),
            (REST, 0, a52, a54),
            (REST, 0, 0, a64, a65),
            (REST, 0, 0, F(-125, 162) * a64, a75, a76),
            (REST, 0, 0, 0, a85, a86, a87),
        ),
        b=(
            REST,
            0,
            0,
            0,
            0,
            F(125, 14) * phi(2) - F(625, 14) * phi(3) + F(1125, 14) * phi(4),
            F(-27, 14) * phi(2) + F(162, 7) * phi(3) - F(405, 7) * phi(4),
            phi(2) / 2 - F(13, 2) * phi(3) + F(45, 2) * phi(4),
        ),
        declared_order=5,
        declared_stiff_order=4,
        declared_weak_stiff_order=5,
        reference="luan_ostermann2014",
        aliases=("expRK5s8", "luan-ostermann"),
        remarks="Of stiff order 5 in the weak sense, which no method with fewer than seven stages can reach.",
    )


def _fehlberg5() -> Tableau:
    phi2, phi2_fifths = phi(2), phi(2, F(3, 5))

    def entry(r: F, s: F) -> PhiSum:
        return r * phi2 + s * phi2_fifths

    return Tableau(
        name="etd5rkf",
        c=(0, F(2, 9), F(1, 3), F(3, 4), 1, F(5, 6)),
        a=(
            (),
            (entry(F(-2, 3), F(10, 9)),),
            (entry(F(569, 11544), F(1355, 11544)), entry(F(-831, 3848), F(2755, 3848))),
            (
                entry(F(-77157, 61568), F(143535, 61568)),
                entry(F(587979, 61568), F(-821745, 61568)),
                entry(F(-405, 64), F(675, 64)),
            ),
            (
                entry(F(655263, 7696), F(-2031205, 23088)),
                entry(F(-1148769, 7696), F(1252665, 7696)),
                entry(F(1593, 40), F(-405, 8)),
                entry(F(144, 5), F(-80, 3)),
            ),
            (
                entry(F(-2212835, 277056), F(6888625, 831168)),
                entry(F(477285, 30784), F(-496525, 30784)),
                entry(F(-39, 16), F(65, 16)),
                entry(F(-4, 9), F(20, 27)),
                entry(F(-185, 96), F(575, 288)),
            ),
        ),
        b=(
            F(47, 150) * phi(1) - F(188, 75) * phi2 + F(94, 15) * phi(3),
            0,
            F(-43, 25) * phi(1) + F(132, 5) * phi2 - 66 * phi(3),
            F(4124, 75) * phi(1) - F(6152, 15) * phi2 + F(2704, 3) * phi(3),
            F(189, 10) * phi(1) - F(662, 5) * phi2 + 284 * phi(3),
            F(-1787, 25) * phi(1) + F(12966, 25) * phi2 - F(5628, 5) * phi(3),
        ),
        declared_order=5,
        declared_stiff_order=1,
        declared_weak_stiff_order=1,
        reference="berland_owren_skaflestad2005",
        aliases=("etdrk5f", "berland-owren-skaflestad5"),
        remarks="Built on Fehlberg's method by B-series; row sums are not c φ₁(cz), and the error constant is large.",
    )


def _etd35() -> Tableau:
    quarter, half, three_quarters = F(1, 4), F(1, 2), F(3, 4)
    b5 = (-313 * phi(1) + 1766 * phi(2) - 540 * phi(3)) / 1350
    b = (
        7 * (257 * phi(1) - 994 * phi(2) + 1620 * phi(3)) / 2700,
        PhiSum(),
        (1097 * phi(1) - 934 * phi(2) - 900 * phi(3)) / 1350,
        2 * (-49 * phi(1) + 398 * phi(2) - 810 * phi(3)) / 225,
        b5,
        (509 * phi(1) - 4258 * phi(2) + 10980 * phi(3)) / 2700,
    )
    estimate = (-b5, 0, 4 * b5, -6 * b5, 4 * b5, -b5)
    return Tableau(
        name="etd35",
        c=(0, quarter, quarter, half, three_quarters, 1),
        a=(
            (),
            (REST,),
            (REST, phi(2, quarter) / 4),
            (REST, 0, phi(2, half)),
            (
                REST,
                F(-3, 8) * phi(1, three_quarters),
                F(3, 8) * phi(1, three_quarters),
                F(9, 8) * phi(2, three_quarters),
            ),
            (
                REST,
                F(8, 7) * phi(1),
                (111 * phi(1) - 174 * phi(2)) / 28,
                F(-12, 7) * phi(1),
                (-47 * phi(1) + 286 * phi(2)) / 84,
            ),
        ),
        b=b,
        embedded=tuple(weight - error for weight, error in zip(b, estimate)),
        declared_order=4,
        declared_stiff_order=3,
        declared_weak_stiff_order=3,
        declared_embedded_order=3,
        reference="whalen_brio_moloney2015",
        aliases=("whalen-brio-moloney35",),
        remarks="Published as order 5, which it has for L = 0 only: conditions with powers of L fail at order 5.",
    )


METHODS: tuple[Tableau, ...] = (_luan_ostermann5(), _fehlberg5(), _etd35())
