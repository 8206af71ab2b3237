"""Four-stage methods on the nodes 0, ½, ½, 1 of the classical method of Kutta."""

from collections.abc import Sequence
from fractions import Fraction as F
from typing import Any

from expint.derive.algebra.phisum import phi
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["METHODS"]

HALF = F(1, 2)


def _four_stage(name: str, a32: Any, a4: Sequence[Any], b: Sequence[Any], **facts: Any) -> Tableau:
    return Tableau(
        name=name,
        c=(0, HALF, HALF, 1),
        a=((), (REST,), (REST, a32), (REST, *a4)),
        b=(REST, *b),
        **facts,
    )


SIMPSON = (2 * phi(2) - 4 * phi(3), 2 * phi(2) - 4 * phi(3), -phi(2) + 4 * phi(3))
ONE_MIDPOINT = (0, 4 * phi(2) - 8 * phi(3), -phi(2) + 4 * phi(3))

KROGSTAD: dict[str, Any] = {
    "a32": phi(2, HALF),
    "a4": (0, 2 * phi(2)),
    "b": SIMPSON,
    "declared_order": 4,
    "declared_stiff_order": 3,
    "declared_weak_stiff_order": 3,
}

METHODS: tuple[Tableau, ...] = (
    _four_stage(
        "krogstad4",
        **KROGSTAD,
        reference="krogstad2005",
        aliases=("krogstad", "etdrk4b", "etd4rk-b"),
        remarks="Cox–Matthews weights with stages of higher stiff order.",
    ),
    _four_stage(
        "etd34",
        **KROGSTAD,
        embedded=(phi(1) - 3 * phi(2) + 4 * phi(3), *SIMPSON[:2], 0, SIMPSON[2]),
        declared_embedded_order=3,
        reference="whalen_brio_moloney2015",
        aliases=("krogstad43", "etdrk4b-embedded"),
        remarks="Krogstad's method; the error estimate b₄ (N₄ - N(y₁)) costs nothing, its value of N serves the next "
        "step. Both values of N are taken at one time, so the estimate cannot see a forcing that depends on t alone.",
    ),
    _four_stage(
        "strehmel-weiner4",
        a32=phi(2, HALF) / 2,
        a4=(-2 * phi(2), 4 * phi(2)),
        b=ONE_MIDPOINT,
        declared_order=4,
        declared_stiff_order=3,
        declared_weak_stiff_order=3,
        reference="strehmel_weiner1992",
        aliases=("strehmel-weiner",),
    ),
    _four_stage(
        "friedli4",
        a32=phi(2, HALF) / 2,
        a4=((-26 * phi(1) + 2 * phi(2)) / 25, (26 * phi(1) + 48 * phi(2)) / 25),
        b=ONE_MIDPOINT,
        declared_order=4,
        declared_stiff_order=3,
        declared_weak_stiff_order=3,
        reference="friedli1978",
        aliases=("friedli",),
    ),
    _four_stage(
        "minchev4",
        a32=(2 * phi(1, HALF) + 6 * phi(2, HALF)) / 25,
        a4=(
            (21 * phi(2) - 108 * phi(3)) / 5,
            phi(1) / 20 - F(33, 10) * phi(2) + F(123, 5) * phi(3),
        ),
        b=(
            -phi(1) / 10 + phi(2) / 5 - 4 * phi(3) + 12 * phi(4),
            phi(1) / 30 + F(23, 5) * phi(2) - 8 * phi(3) - 4 * phi(4),
            phi(1) / 30 - F(7, 5) * phi(2) + 6 * phi(3) - 4 * phi(4),
        ),
        declared_order=4,
        declared_stiff_order=2,
        declared_weak_stiff_order=2,
        reference="minchev2004",
        aliases=("minchev",),
    ),
    _four_stage(
        "ehle-lawson",
        a32=phi(1, HALF) / 2,
        a4=(0, phi(1)),
        b=(2 * phi(2) - phi(3), 2 * phi(2) - phi(3), -phi(2) + phi(3)),
        declared_order=2,
        declared_stiff_order=2,
        declared_weak_stiff_order=2,
        reference="ehle_lawson1975",
        remarks="The first method of its kind; of order 2 only, although it becomes Kutta's method for L = 0.",
    ),
)
