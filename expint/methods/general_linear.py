"""Exponential general linear methods by collocation at remembered values of N and at stages."""

from fractions import Fraction as F

from expint.derive.kinds.general_linear import GeneralLinear

__all__ = ["METHODS"]

METHODS: tuple[GeneralLinear, ...] = (
    GeneralLinear(
        "eglm322",
        q=2,
        levels=((1,),),
        order=3,
        stiff_order=3,
        weak_stiff_order=3,
        remarks="Order 3, 2 stages, 2 steps: Adams–Bashforth, then Adams–Moulton, then N again; PECE of order 3.",
    ),
    GeneralLinear(
        "eglm432",
        q=2,
        levels=((F(1, 2),), (F(7, 10),)),
        order=4,
        stiff_order=3,
        weak_stiff_order=4,
        remarks="Order 4, 3 stages, 2 steps; the node 7/10 makes ψ₄(0) vanish. Derived, not the published weights.",
    ),
    GeneralLinear(
        "eglm332",
        q=2,
        levels=((F(1, 2),), (1,)),
        joined=True,
        order=3,
        stiff_order=3,
        weak_stiff_order=3,
        reference="berland_skaflestad_wright2007",
        remarks="Order 3, 3 stages, 2 steps: the quadrature is of order 4, the first stage of order 2.",
    ),
    GeneralLinear(
        "eglm433",
        q=3,
        levels=((F(1, 2),), (1,)),
        joined=True,
        order=4,
        stiff_order=4,
        weak_stiff_order=4,
        reference="berland_skaflestad_wright2007",
        remarks="Order 4, 3 stages, 3 steps: the quadrature is of order 5, the first stage of order 3.",
    ),
    GeneralLinear(
        "eglm433-parallel",
        q=3,
        levels=((F(1, 2), 1),),
        order=4,
        stiff_order=4,
        weak_stiff_order=4,
        remarks="Order 4, 3 stages, 3 steps; the stages are independent of each other.",
    ),
    GeneralLinear(
        "eglm533",
        q=3,
        levels=((F(1, 2),), (F(97, 135),)),
        order=5,
        stiff_order=4,
        weak_stiff_order=5,
        remarks="Order 5, 3 stages, 3 steps; the node 97/135 makes ψ₅(0) vanish.",
    ),
    GeneralLinear(
        "eglm634",
        q=4,
        levels=((F(1, 2),), (F(1, 2), 1)),
        order=6,
        stiff_order=6,
        weak_stiff_order=6,
    ),
)
