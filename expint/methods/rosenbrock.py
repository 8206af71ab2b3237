"""Exponential Rosenbrock methods: L is the Jacobian at every step, and the order conditions are fewer."""

from fractions import Fraction as F

from expint.derive.algebra.phisum import phi
from expint.derive.kinds.linearised_collocation import linearised_ladder
from expint.derive.kinds.rosenbrock import Rosenbrock
from expint.derive.kinds.tableau import REST

__all__ = ["METHODS"]

HALF, NINE_TENTHS = F(1, 2), F(9, 10)
PHI3, PHI4 = phi(3), phi(4)
RADAU = (18 * PHI3 - 60 * PHI4, -F(250, 81) * PHI3 + F(500, 27) * PHI4)  # on the nodes 1/2, 9/10; ψ₅(0) = 0

METHODS: tuple[Rosenbrock, ...] = (
    Rosenbrock(
        name="rosenbrock-euler",
        c=(0,),
        a=((),),
        b=(phi(1),),
        declared_order=2,
        declared_stiff_order=2,
        declared_weak_stiff_order=2,
        reference="pope1963",
        aliases=("exponential-rosenbrock-euler", "exprb2", "epi2"),
        remarks="The exponential Euler method for the linearised problem.",
    ),
    Rosenbrock(
        name="exprb32",
        c=(0, 1),
        a=((), (REST,)),
        b=(REST, 2 * PHI3),
        embedded=(phi(1), 0),
        declared_order=3,
        declared_stiff_order=3,
        declared_weak_stiff_order=3,
        declared_embedded_order=2,
        reference="hochbruck_ostermann_schweitzer2009",
        remarks="Rosenbrock–Euler is its stage and the embedded solution.",
    ),
    linearised_ladder(
        "exprb42",
        [[F(3, 4)]],
        declared_order=4,
        declared_stiff_order=3,
        declared_weak_stiff_order=4,
        reference="luan2017",
        remarks="The node 3/4 makes ψ₄(0) vanish.",
    ),
    Rosenbrock(
        name="exprb43",
        c=(0, HALF, 1),
        a=((), (REST,), (REST, phi(1))),
        b=(REST, 16 * PHI3 - 48 * PHI4, -2 * PHI3 + 12 * PHI4),
        embedded=(REST, 16 * PHI3, -2 * PHI3),
        declared_order=4,
        declared_stiff_order=4,
        declared_weak_stiff_order=4,
        declared_embedded_order=3,
        reference="hochbruck_ostermann_schweitzer2009",
        remarks="The embedded solution leaves the terms with φ₄ out.",
    ),
    Rosenbrock(
        name="pexprb43",
        c=(0, HALF, 1),
        a=((), (REST,), (REST, 0)),
        b=(REST, 16 * PHI3 - 48 * PHI4, -2 * PHI3 + 12 * PHI4),
        embedded=(REST, 16 * PHI3, -2 * PHI3),
        declared_order=4,
        declared_stiff_order=4,
        declared_weak_stiff_order=4,
        declared_embedded_order=3,
        reference="luan_ostermann2016",
        remarks="As exprb43 with stages that do not depend on each other.",
    ),
    Rosenbrock(
        name="exprb53s3",
        c=(0, HALF, NINE_TENTHS),
        a=((), (REST,), (REST, F(27, 25) * phi(3, HALF) + F(729, 125) * phi(3, NINE_TENTHS))),
        b=(REST, *RADAU),
        embedded=(REST, 18 * PHI3, -F(250, 81) * PHI3),
        declared_order=5,
        declared_stiff_order=4,
        declared_weak_stiff_order=5,
        declared_embedded_order=3,
        reference="luan_ostermann2014b",
        aliases=("exprb53",),
        remarks="The embedded solution leaves the terms with φ₄ out.",
    ),
    Rosenbrock(
        name="pexprb54s4",
        c=(0, F(1, 4), HALF, NINE_TENTHS),
        a=(
            (),
            (REST,),
            (REST, 4 * phi(3, HALF)),
            (REST, F(2916, 125) * phi(3, NINE_TENTHS), 0),
        ),
        b=(REST, 0, *RADAU),
        embedded=(REST, 64 * PHI3 - 60 * PHI4, -8 * PHI3 - F(285, 8) * PHI4, F(125, 8) * PHI4),
        declared_order=5,
        declared_stiff_order=4,
        declared_weak_stiff_order=5,
        declared_embedded_order=4,
        reference="luan_ostermann2016",
        aliases=("exprb54s4", "pexprb54"),
        remarks="The last two stages do not depend on each other.",
    ),
    linearised_ladder(
        "rosenbrock-ladder5",
        [[HALF], [F(1, 3), F(2, 3), 1]],
        estimate=[F(1, 3), 1],
        declared_order=5,
        declared_stiff_order=5,
        declared_weak_stiff_order=5,
        declared_embedded_order=4,
        reference="hochbruck_ostermann_schweitzer2009",
        aliases=("rosenbrock-ladder54",),
        remarks="Derived by Hermite collocation on levels of stages; of stiff order 5 in the strong form.",
    ),
    linearised_ladder(
        "rosenbrock-ladder6",
        [[HALF, 1], [F(1, 4), HALF, F(3, 4), 1]],
        estimate=[F(1, 4), F(3, 4), 1],
        declared_order=6,
        declared_stiff_order=6,
        declared_weak_stiff_order=6,
        declared_embedded_order=5,
        reference="luan_ostermann2016",
        aliases=("rosenbrock-ladder65",),
        remarks=(
            "Derived by Hermite collocation on levels of stages, and of stiff order 6 in the strong form: a pair of "
            "orders 6(5) in two groups of stages side by side, as pexprb65 of Luan and Ostermann (2016), with nodes of "
            "our own."
        ),
    ),
)
