"""Splitting methods: the flows of L and of N in turn, for problems in which that of N is known."""

from fractions import Fraction as F

from expint.derive.algebra.algebraic import root
from expint.derive.kinds.splitting import Splitting, repeated

__all__ = ["METHODS"]

LIE = Splitting(
    "lie", (1, 0), (1,), order=1, reference="strang1968", aliases=("lie-trotter",), remarks="First L, then N."
)
STRANG = Splitting(
    "strang", (F(1, 2), F(1, 2)), (1,), order=2, reference="strang1968", aliases=("marchuk",), remarks="Symmetric."
)
BACKWARDS = "The middle step goes backwards in time, so it is not for diffusion."


def _blanes_moan4() -> Splitting:
    a1, b1, b2 = F("0.0792036964311954608"), F("0.209515106613361891"), F("-0.143851773179818077")
    b3 = F(1, 2) - b1 - b2
    # N acts at the times 1/2 ± d_k; the conditions of order 3 are Σ b_k w_k d_k = 1/12 and Σ b_k d_k² = 1/24
    d1, w1, w2, w3 = F(1, 2) - a1, 1 - b1, 1 - 2 * b1 - b2, b3
    linear, square = F(1, 12) - b1 * w1 * d1, F(1, 24) - b1 * d1**2
    slope, shift = -b2 * w2 / (b3 * w3), linear / (b3 * w3)  # d_3 = shift + slope d_2
    polynomial = (b3 * shift**2 - square, 2 * b3 * shift * slope, b2 + b3 * slope**2)
    d2 = root(polynomial, F(6, 100), F(7, 100))
    d3 = shift + slope * d2
    half = (a1, d1 - d2, d2 - d3)
    return Splitting(
        "blanes-moan4",
        (*half, 2 * d3, *reversed(half)),
        (b1, b2, b3, b3, b2, b1),
        order=4,
        reference="blanes_moan2002",
        aliases=("blanes-moan-s6", "bm4"),
        remarks=(
            "Three parts are free and taken as printed; the others solve the order conditions exactly, in a quadratic "
            "field."
        ),
    )


def _blanes_moan6() -> Splitting:
    a = [
        F("0.0502627644003922"),
        F("0.413514300428348280764209253255138114149686464525552807624476"),
        F("0.045079889794397421160854285275702662395598139810801983818202"),
        F("-0.188054853819572834204124900735074375035274205588129870472198"),
        F("0.541960678450781754723292263234705650176816914276740213892356"),
    ]
    b = [
        F("0.14881644790104258990818728053732371285961725859300461898581"),
        F("-0.132385865767782209619702251588944972760032019791736300649796"),
        F("0.067307604692185237371836190579050618905113405012183340159964"),
        F("0.432666402578172088198748915901779274874621282362445469752141"),
    ]
    a.append(1 - 2 * sum(a, F(0)))
    b.append(F(1, 2) - sum(b, F(0)))
    return Splitting(
        "blanes-moan6",
        (*a, *a[-2::-1]),
        (*b, *b[::-1]),
        order=6,
        rounding=F(1, 10**55),
        reference="blanes_moan2002",
        aliases=("blanes-moan-s10", "bm6"),
        remarks=(
            "One part is free and taken as printed; the others are rounded, and a splitting of order 6 is proved to "
            "exist within 10^-55 of them."
        ),
    )


METHODS: tuple[Splitting, ...] = (
    LIE,
    STRANG,
    repeated(STRANG, "yoshida4", 1, reference="yoshida1990", aliases=("triple-jump4",), remarks=BACKWARDS),
    repeated(STRANG, "suzuki4", 2, reference="suzuki1990", remarks=BACKWARDS),
    _blanes_moan4(),
    _blanes_moan6(),
)
