"""A pair of stiff order 4(3) found by solving the order conditions; ``notebooks/derive_pair.py`` derives it."""

from fractions import Fraction as F

from expint.derive.algebra.lagrange import collocation_weights
from expint.derive.algebra.phisum import phi
from expint.derive.kinds.tableau import REST, Tableau

__all__ = ["METHODS"]

THIRD, TWO_THIRDS = F(1, 3), F(2, 3)
PHI2_THIRD, PHI2_TWO_THIRDS, PHI2 = phi(2, THIRD), phi(2, TWO_THIRDS), phi(2)
A54 = -PHI2_THIRD / 2 - 2 * PHI2_TWO_THIRDS - F(3, 2) * PHI2 + phi(3, THIRD) + 8 * phi(3, TWO_THIRDS) + 9 * phi(3)
A53 = PHI2_THIRD - F(3, 2) * PHI2_TWO_THIRDS + 3 * PHI2 - 2 * A54

B1, B3, B4, B5 = collocation_weights([F(0), THIRD, TWO_THIRDS, F(1)])
E1, E3, E6 = collocation_weights([F(0), THIRD, F(1)])

METHODS: tuple[Tableau, ...] = (
    Tableau(
        name="expint43",
        c=(0, THIRD, THIRD, TWO_THIRDS, 1, 1),
        a=(
            (),
            (REST,),
            (REST, PHI2_THIRD / 3),
            (REST, -PHI2_TWO_THIRDS / 2, F(11, 6) * PHI2_TWO_THIRDS),
            (REST, -PHI2_THIRD + F(3, 2) * PHI2_TWO_THIRDS, A53, A54),
            (B1, 0, B3, B4, B5),
        ),
        b=(B1, 0, B3, B4, B5, 0),
        embedded=(E1, 0, E3, 0, 0, E6),
        declared_order=4,
        declared_stiff_order=3,
        declared_weak_stiff_order=4,
        declared_embedded_order=3,
        reference="expint",
        remarks=(
            "First same as last. The weights collocate at 0, 1/3, 2/3, 1, which for L = 0 is the three-eighths rule; "
            "embedded is collocation at 0, 1/3 and the new state. The error constant is half that of zoto-bowman43."
        ),
    ),
)
