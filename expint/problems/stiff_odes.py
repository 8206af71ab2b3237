"""Classical stiff systems; those that come unsplit, y' = f(t, y), have no L, for methods that linearise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from expint.backend import Array
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters

__all__ = ["hires", "prothero_robinson", "robertson", "van_der_pol"]

_SOURCE = "Hairer and Wanner, Solving Ordinary Differential Equations II (1996), section IV.10"


@parameters
def van_der_pol(mu: float = 1000.0, t_end: float = 2000.0) -> SemilinearProblem:
    r"""Return y₁' = y₂, y₂' = μ(1 - y₁²)y₂ - y₁, y(0) = (2, 0): slow motion between sudden jumps.

    Parameters
    ----------
    mu
        μ; the problem is stiff where it is large.
    t_end
        End of the time interval.

    References
    ----------
    Hairer and Wanner, Solving Ordinary Differential Equations II (1996), section IV.10.
    """

    def f(y: Array) -> Array:
        return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    def jacobian(t: float, y: Array) -> Array:
        del t
        return np.array([[0.0, 1.0], [-2 * mu * y[0] * y[1] - 1, mu * (1 - y[0] ** 2)]])

    return _problem(
        f, jacobian, np.array([2.0, 0.0]), t_end, "Van der Pol", r"y_1' = y_2, \quad y_2' = \mu(1-y_1^2) y_2 - y_1"
    )


@parameters
def robertson(t_end: float = 40.0) -> SemilinearProblem:
    r"""Return Robertson's three reactions, with rates 0.04, 3·10⁷ and 10⁴; the sum of the concentrations stays 1.

    Parameters
    ----------
    t_end
        End of the time interval.

    References
    ----------
    Robertson (1966), in Numerical Analysis, an Introduction (J. Walsh, ed.), 178; Hairer and Wanner (1996), IV.10.
    """

    def f(y: Array) -> Array:
        first, second, third = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return np.array([second - first, first - second - third, third])

    def jacobian(t: float, y: Array) -> Array:
        del t
        a, b, c = 1e4 * y[2], 1e4 * y[1], 6e7 * y[1]
        return np.array([[-0.04, a, b], [0.04, -a - c, -b], [0.0, c, 0.0]])

    equation = (
        r"y_1' = -0.04 y_1 + 10^4 y_2 y_3, \quad y_2' = -y_1' - 3 \cdot 10^7 y_2^2, \quad y_3' = 3 \cdot 10^7 y_2^2"
    )
    return _problem(f, jacobian, np.array([1.0, 0.0, 0.0]), t_end, "Robertson", equation)


@parameters
def hires(t_end: float = 321.8122) -> SemilinearProblem:
    r"""Return HIRES, the high irradiance response of plants to light: eight reactions.

    Parameters
    ----------
    t_end
        End of the time interval.

    References
    ----------
    Schäfer (1975), J. Math. Biol. 2, 41; Hairer and Wanner (1996), section IV.10.
    """
    linear = np.zeros((8, 8))
    for i, j, rate in (
        (0, 0, -1.71), (0, 1, 0.43), (0, 2, 8.32), (1, 0, 1.71), (1, 1, -8.75), (2, 2, -10.03), (2, 3, 0.43),
        (2, 4, 0.035), (3, 1, 8.32), (3, 2, 1.71), (3, 3, -1.12), (4, 4, -1.745), (4, 5, 0.43), (4, 6, 0.43),
        (5, 3, 0.69), (5, 4, 1.71), (5, 5, -0.43), (5, 6, 0.69), (6, 6, -1.81), (7, 6, 1.81),
    ):  # fmt: skip
        linear[i, j] = rate
    source = np.zeros(8)
    source[0] = 0.0007
    meeting = np.array([0, 0, 0, 0, 0, -280.0, 280.0, -280.0])

    def f(y: Array) -> Array:
        return linear @ y + source + meeting * (y[5] * y[7])

    def jacobian(t: float, y: Array) -> Array:
        del t
        matrix = linear.copy()
        matrix[:, 5] += meeting * y[7]
        matrix[:, 7] += meeting * y[5]
        return matrix

    y0 = np.array([1.0, 0, 0, 0, 0, 0, 0, 0.0057])
    return _problem(f, jacobian, y0, t_end, "HIRES", r"y' = A y + b + c\, y_6 y_8")


@parameters
def prothero_robinson(rate: float = -1e4, t_end: float = 10.0) -> SemilinearProblem:
    r"""Return y' = λ(y - cos t) - sin t, y(0) = 1, with exact solution cos t at any stiffness.

    Parameters
    ----------
    rate
        λ, negative.
    t_end
        End of the time interval.

    References
    ----------
    Prothero and Robinson (1974), Math. Comput. 28, 145.
    """
    return SemilinearProblem(
        linear=rate,
        nonlinear=lambda t, y: 0 * y - (rate * np.cos(t) + np.sin(t)),
        y0=np.array([1.0]),
        t_span=(0.0, t_end),
        exact=lambda t: np.array([np.cos(t)]),
        jacobian=lambda t, y: np.array([[rate]]),  # noqa: ARG005  # of t and y
        name="Prothero–Robinson",
        equation=r"y' = \lambda (y - \cos t) - \sin t",
        source="Prothero and Robinson (1974), Math. Comput. 28, 145",
    )


def _problem(
    f: Callable[[Array], Array],
    jacobian: Callable[[float, Array], Array],
    y0: Array,
    t_end: float,
    name: str,
    equation: str,
) -> SemilinearProblem:
    return SemilinearProblem(
        linear=None,
        nonlinear=lambda t, y: f(y),  # noqa: ARG005  # of t and y
        y0=y0,
        t_span=(0.0, t_end),
        jacobian=jacobian,
        name=name,
        equation=equation,
        source=_SOURCE,
    )
