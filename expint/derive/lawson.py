"""Lawson methods: a classical Runge–Kutta method applied behind the integrating factor e^{-tL}."""

from __future__ import annotations

from collections.abc import Sequence

from expint.derive.butcher import Butcher
from expint.derive.expect import expect
from expint.derive.phisum import Exact, PhiSum, phi
from expint.derive.tableau import Tableau

__all__ = ["lawson"]


def lawson(butcher: Butcher) -> Tableau:
    r"""Return the Lawson form of a classical Runge–Kutta method.

    The method is applied to v = e^{-tL} y, v' = e^{-tL} N(t, e^{tL} v), and transformed back:

    .. math::

        a_{ij}(z) = \alpha_{ij} e^{(c_i - c_j) z}, \qquad b_i(z) = \beta_i e^{(1 - c_i) z}.

    The classical order is that of the method, and for L = 0 it *is* the method. The stiff order is 0, since
    Σ b_i(z) ≠ φ_1(z): equilibria of y' = Ly + N(y) are not kept.

    Parameters
    ----------
    butcher
        The classical method, with or without embedded weights.
    """
    expect(butcher, Butcher, "a classical method, a Butcher(…)")
    c = butcher.c

    def weights(values: Sequence[Exact]) -> tuple[PhiSum, ...]:
        return tuple(value * phi(0, 1 - node) for value, node in zip(values, c))

    near = "" if butcher.rounding is None else f" Rounded, with an exact method within {float(butcher.rounding):.0e}."
    return Tableau(
        name=f"lawson-{butcher.name}",
        c=c,
        a=tuple(tuple(entry * phi(0, c[i] - c[j]) for j, entry in enumerate(row)) for i, row in enumerate(butcher.a)),
        b=weights(butcher.b),
        embedded=None if butcher.embedded is None else weights(butcher.embedded),
        declared_order=butcher.order,
        declared_stiff_order=0,
        declared_weak_stiff_order=0,
        declared_embedded_order=butcher.embedded_order,
        classical=butcher,
        reference="lawson1967",
        aliases=butcher.lawson_aliases,
        remarks=f"The classical method {butcher.name} behind the integrating factor; itself for L = 0.{near}",
    )
