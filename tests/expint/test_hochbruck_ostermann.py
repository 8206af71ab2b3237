"""The problems on which order reduction shows: errors and slopes of eight schemes, by two independent implementations.

The errors are those of a direct transcription of the schemes (199 second differences, exact sine transforms, max norm
of the error at t = 1), in accordance with the theory of Hochbruck and Ostermann (2005): order 1 for Lawson methods,
3 and 2.5 for Cox and Matthews, 4 and 3.5 for Krogstad, 4 and 4 for Hochbruck and Ostermann.
"""

from functools import cache

import numpy as np
import pytest

import expint

STEPS = (8, 16, 32, 64, 128, 256)
LOCAL_ERRORS = {
    "exponential-euler": ("4.62e-02", "2.15e-02", "1.04e-02", "5.10e-03", "2.53e-03", "1.26e-03"),
    "etd2rk": ("2.17e-03", "5.75e-04", "1.47e-04", "3.70e-05", "9.27e-06", "2.32e-06"),
    "etd3rk": ("1.12e-05", "2.15e-06", "6.63e-07", "1.37e-07", "2.45e-08", "4.01e-09"),
    "lawson-rk4": ("1.09e-01", "5.33e-02", "2.60e-02", "1.25e-02", "5.94e-03", "2.75e-03"),
    "cox-matthews4": ("1.97e-06", "5.25e-07", "1.13e-07", "1.74e-08", "2.24e-09", "2.58e-10"),
    "krogstad4": ("9.71e-06", "6.22e-07", "3.78e-08", "2.31e-09", "1.41e-10", "8.63e-12"),
    "strehmel-weiner4": ("1.01e-05", None, None, None, None, "9.52e-12"),
    "hochbruck-ostermann4": ("6.00e-06", "3.56e-07", "2.18e-08", "1.32e-09", "8.10e-11", "5.06e-12"),
}
LAST_SLOPES = {  # local, nonlocal
    "exponential-euler": ("1.01", "1.01"),
    "etd2rk": ("2.00", "1.93"),
    "etd3rk": ("2.61", "2.38"),
    "lawson-rk4": ("1.11", "1.11"),
    "cox-matthews4": ("3.12", "2.47"),
    "krogstad4": ("4.03", "3.26"),
    "strehmel-weiner4": ("4.02", "3.26"),
    "hochbruck-ostermann4": ("4.00", "3.98"),
}


@cache
def error(term: str, method: str, steps: int) -> float:
    problem = expint.problems.hochbruck_ostermann(term)
    solution = expint.solve(problem, method, step=1 / steps, t_eval=[1.0])
    return float(np.max(np.abs(problem.physical(solution.y[-1] - problem.exact(1.0)))))


@pytest.mark.parametrize("method", LOCAL_ERRORS)
def test_errors_on_the_local_problem_agree_to_three_digits(method: str) -> None:
    for steps, expected in zip(STEPS, LOCAL_ERRORS[method]):
        if expected is not None:
            assert f"{error('local', method, steps):.2e}" == expected


@pytest.mark.parametrize("term", ["local", "nonlocal"])
@pytest.mark.parametrize("method", LAST_SLOPES)
def test_the_order_under_stiffness_is_the_last_slope(method: str, term: str) -> None:
    slope = np.log2(error(term, method, 128) / error(term, method, 256))
    assert f"{slope:.2f}" == LAST_SLOPES[method][term == "nonlocal"]


@pytest.mark.parametrize("steps", STEPS)
def test_strehmel_weiner_and_krogstad_agree_on_the_nonlocal_problem(steps: int) -> None:
    assert error("nonlocal", "strehmel-weiner4", steps) == pytest.approx(
        error("nonlocal", "krogstad4", steps), rel=1e-3
    )


@pytest.mark.parametrize("term", ["local", "nonlocal"])
def test_the_exact_solution_satisfies_the_semidiscrete_equation(term: str) -> None:
    problem = expint.problems.hochbruck_ostermann(term)
    for t in (0.0, 0.3, 1.0):
        y = problem.exact(t)  # proportional to e^t, so that it is its own derivative
        residual = problem.physical(y - problem.linear * y - problem.nonlinear(t, y))
        assert np.max(np.abs(residual)) < 1e-9  # L has norm 1.6e5
