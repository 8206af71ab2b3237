"""The methods of Luan (2021) and related ones, whose stages come in groups that can be computed in parallel."""

from fractions import Fraction as F

from expint.derive.kinds.collocation import levelled_collocation
from expint.derive.kinds.tableau import Tableau

__all__ = ["METHODS"]

QUARTER, HALF = F(1, 4), F(1, 2)
BOOLE = (QUARTER, HALF, F(3, 4), F(1))

METHODS: tuple[Tableau, ...] = (
    levelled_collocation(
        "luan4",
        [[F(1, 2)], [F(1, 2), F(1, 3)], [F(5, 6), F(1, 3)]],
        declared_order=4,
        declared_stiff_order=3,
        declared_weak_stiff_order=4,
        reference="luan2021",
        aliases=("expRK4s6",),
        remarks="Three groups of stages after the first, so that it costs four evaluations side by side.",
    ),
    levelled_collocation(
        "luan5",
        [[F(1, 2)], [F(1, 2), F(1, 3)], [F(1, 2), F(1, 3), F(1, 4)], [F(3, 10), F(3, 4), 1]],
        declared_order=5,
        declared_stiff_order=4,
        declared_weak_stiff_order=5,
        reference="luan2021",
        aliases=("expRK5s10",),
        remarks="Four groups of stages after the first, so that it costs five evaluations side by side.",
    ),
    levelled_collocation(
        "ladder6",
        [[HALF], [HALF, QUARTER], [QUARTER, HALF, F(3, 4)], BOOLE, BOOLE],
        declared_order=6,
        declared_stiff_order=5,
        declared_weak_stiff_order=6,
        reference="luan_alhsmy2024",
        remarks=(
            "Five groups of stages after the first, as in ExpRK6s15 of Luan and Alhsmy (2024), with nodes of our own: "
            "those of Boole's rule make ψ₆(0) vanish."
        ),
    ),
)
