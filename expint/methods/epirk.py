"""EPIRK methods: as exponential Rosenbrock methods, with free functions of the Jacobian before f in the stages."""

from collections.abc import Sequence
from fractions import Fraction as F
from typing import Any

from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.linearised_collocation import EpiMultistep
from expint.derive.kinds.rosenbrock import Rosenbrock
from expint.derive.kinds.tableau import REST

__all__ = ["METHODS", "MULTISTEP", "ONE_STEP", "row"]

PHI3, PHI4 = phi(3), phi(4)
THIRD, TWO_THIRDS, ONE = phi(1, F(1, 3)), phi(1, F(2, 3)), phi(1)  # all that exp4 needs


def row(before_f: PhiSum, *others: Any) -> tuple[PhiSum, ...]:
    """Return a row whose sum is ``before_f``, the function that multiplies h f(y_n)."""
    weights = [PhiSum() + other for other in others]
    return (before_f - sum(weights, PhiSum()), *weights)


def _collocating(name: str, c: Sequence[F], b: Sequence[PhiSum], **facts: Any) -> Rosenbrock:
    """Return a three-stage method of stiff order 4 whose stages are made by Rosenbrock–Euler."""
    return Rosenbrock(
        name=name,
        c=(0, *c),
        a=((), (REST,), (REST, 0)),
        b=(REST, *b),
        declared_order=4,
        declared_stiff_order=4,
        declared_weak_stiff_order=4,
        **facts,
    )


MULTISTEP: tuple[EpiMultistep, ...] = (
    EpiMultistep(
        q=2,
        label="epi3",
        weights=(F(2, 3) * phi(2),),
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
    ),
    EpiMultistep(
        q=3,
        label="epi4",
        weights=(F(-3, 10) * phi(2) + F(32, 5) * PHI3, F(3, 40) * phi(2) - F(11, 10) * PHI3),
        declared_stiff_order=3,
        declared_weak_stiff_order=4,
    ),
)

ONE_STEP: tuple[Rosenbrock, ...] = (
    _collocating(
        "epirk4s3",
        (F(1, 8), F(1, 9)),
        (-1024 * PHI3 + 27648 * PHI4, 1458 * PHI3 - 34992 * PHI4),
        embedded=(REST, -1024 * PHI3, 1458 * PHI3),
        declared_embedded_order=3,
        reference="michels2017",
        remarks="The embedded solution leaves the terms with φ₄ out.",
    ),
    _collocating(
        "epirk4s3a",
        (F(1, 2), F(2, 3)),
        (32 * PHI3 - 144 * PHI4, -F(27, 2) * PHI3 + 81 * PHI4),
        reference="rainwater_tokman2016",
        remarks="An exponential Rosenbrock method; Hermite collocation at 1/2 and 2/3.",
    ),
    Rosenbrock(
        name="epirk4s3b",
        c=(0, F(1, 3), F(1, 2)),
        a=((), row(F(2, 3) * phi(2, F(1, 2))), row(phi(2, F(3, 4)), 0)),
        b=(REST, 54 * PHI3 - 324 * PHI4, -16 * PHI3 + 144 * PHI4),
        declared_order=4,
        declared_stiff_order=4,
        declared_weak_stiff_order=4,
        reference="rainwater_tokman2016",
        remarks="φ₂ in the stages saves φ₁; they agree with Rosenbrock–Euler up to h².",
    ),
    Rosenbrock(
        name="exp4",
        c=(0, F(1, 2), 1),
        a=(
            (),
            row(-F(7, 300) * THIRD + F(97, 150) * TWO_THIRDS - F(37, 300) * ONE),
            row(
                F(59, 300) * THIRD - F(7, 75) * TWO_THIRDS + F(269, 300) * ONE,
                F(2, 3) * (THIRD + TWO_THIRDS + ONE),
            ),
        ),
        b=(REST, THIRD - F(4, 3) * TWO_THIRDS + ONE, THIRD / 6),
        embedded=(REST, -THIRD / 2 - F(2, 3) * TWO_THIRDS + ONE / 2, THIRD / 2),
        declared_order=4,
        declared_stiff_order=2,
        declared_weak_stiff_order=3,
        declared_embedded_order=3,
        reference="hochbruck_lubich_selhofer1998",
        remarks="Uses no φ-function but φ₁, on three Krylov spaces.",
    ),
)

METHODS: tuple[Rosenbrock | EpiMultistep, ...] = (*ONE_STEP, *MULTISTEP)
