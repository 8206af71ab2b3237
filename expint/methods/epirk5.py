"""EPIRK methods of order 5, their coefficients as exact solutions of the order conditions, not as printed decimals."""

from fractions import Fraction as F
from math import factorial

from expint.derive.algebra.algebraic import root
from expint.derive.algebra.phisum import Exact, PhiSum, phi
from expint.derive.kinds.linearised_collocation import linearised_weights
from expint.derive.kinds.rosenbrock import Rosenbrock
from expint.derive.kinds.tableau import REST
from expint.methods.epirk import row

__all__ = ["METHODS", "coefficients", "second_node"]

HALF, FOUR_NINTHS, LATE = F(1, 2), F(4, 9), F(48, 55)

# the polynomial of the first node of epirk5p1, lowest power first: what the order conditions leave
P1_POLYNOMIAL = (
    *(-2426112, 18662400, -32076000, -137343600, 867491775, -2682426375, 6787087875),
    *(-14594310000, 23560200000, -25941600000, 18172800000, -7296000000, 1280000000),
)


def second_node(c2: Exact) -> Exact:
    """Return the node that makes weights with Σ b c^k = 1/(k + 1) for k = 2, 3 satisfy this for k = 4 too."""
    return (c2 / 4 - F(1, 5)) / (c2 / 3 - F(1, 4))


def coefficients(m: int, c2: Exact, c3: Exact) -> tuple[Exact, Exact]:
    """Return the coefficients of z^m in b_2 and b_3 for which those of Σ b c² and Σ b c³ are those of 2φ_3 and 6φ_4."""
    squares, cubes = F(2, factorial(3 + m)), F(6, factorial(4 + m))
    return (cubes - c3 * squares) / (c2**2 * (c2 - c3)), (cubes - c2 * squares) / (c3**2 * (c3 - c2))


def _epirk5p1() -> Rosenbrock:
    c2 = root(P1_POLYNOMIAL, F(7, 20), F(9, 25))
    c3 = second_node(c2)
    (b2, b3), (slope2, slope3) = (coefficients(m, c2, c3) for m in (0, 1))
    first = b2 + 2 * b3  # of φ_1 for R_2; R_3 - 2 R_2 has 6 b3 φ_3
    argument, other = 2 * (slope2 + 2 * slope3) / first, 4 * slope3 / b3
    lower = 4 * (F(1, 12) - first * c2**2 / 4) / (b3 * (c3**2 - 2 * c2**2))
    return Rosenbrock(
        name="epirk5p1",
        c=(0, c2, c3),
        a=((), (REST,), (REST, phi(1, HALF) / (15 * b3 * c3 * c2**2))),
        b=(REST, first * phi(1, argument) - 12 * b3 * phi(3, other), 6 * b3 * phi(3, other)),
        embedded=(REST, first * phi(1, HALF) - 12 * b3 * phi(3, lower), 6 * b3 * phi(3, lower)),
        declared_order=5,
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
        declared_embedded_order=4,
        reference="tokman_loffeld_tranquilli2012",
        remarks=(
            "All coefficients lie in the field of the first node, a root of degree 12; the order is proved there. The "
            "argument z/2 in the last stage is free."
        ),
    )


def _epirk5p2() -> Rosenbrock:
    c2, argument = F("0.46629408528088195806"), F("0.79791561832664517267")  # as printed; all else solves conditions
    c3 = second_node(c2)
    (b2, b3), (slope2, slope3) = (coefficients(m, c2, c3) for m in (0, 1))
    first = b2 + 2 * b3
    other = 3 * (slope2 + 2 * slope3) / first
    curvature = (F(1, 60) - first * other**2 / 12 * c2**2) / (c3**2 - 2 * c2**2)
    last = _through(argument, b3, slope3, curvature)
    return Rosenbrock(
        name="epirk5p2",
        c=(0, c2, c3),
        a=((), (REST,), (REST, F(2, 15) / (b3 * c3 * c2**2) * phi(2, other))),
        b=(REST, 2 * first * phi(2, other) - 2 * last, last),
        declared_order=5,
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
        reference="tokman_loffeld_tranquilli2012",
        remarks="Two numbers are free and taken as printed; all others solve the order conditions and are rational.",
    )


def _through(c: F, *values: F) -> PhiSum:
    """Return the combination of φ_1, φ_2 and φ_3 at cz with the Taylor coefficients ``values``."""
    p, q, r = (value / c**m for m, value in enumerate(values))
    # the solution of Σ_k x_k/(m + k)! = p, q, r for m = 0, 1, 2
    x1, x2, x3 = 3 * p - 24 * q + 60 * r, -24 * p + 168 * q - 360 * r, 60 * p - 360 * q + 720 * r
    return x1 * phi(1, c) + x2 * phi(2, c) + x3 * phi(3, c)


def _epirk5s3() -> Rosenbrock:
    b2, b3 = linearised_weights([LATE, FOUR_NINTHS])
    return Rosenbrock(
        name="epirk5s3",
        c=(0, LATE, FOUR_NINTHS),
        a=(
            (),
            row(F(288, 55) * phi(2, LATE) - F(576, 55) * phi(3, LATE)),
            row(
                F(212, 45) * phi(1, FOUR_NINTHS) - F(128, 5) * phi(2, FOUR_NINTHS) + F(256, 5) * phi(3, FOUR_NINTHS),
                F(32065, 13122) * phi(3, FOUR_NINTHS),
            ),
        ),
        b=(REST, b2, b3),
        declared_order=5,
        declared_stiff_order=4,
        declared_weak_stiff_order=4,
        reference="rainwater_tokman2016",
        remarks=(
            "The weight of the last stage must hold -120285/1696 φ₄; implementations with -2187/106 φ₄ there are of "
            "order 2."
        ),
    )


METHODS: tuple[Rosenbrock, ...] = (_epirk5p1(), _epirk5p2(), _epirk5s3())
