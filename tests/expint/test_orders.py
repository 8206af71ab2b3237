"""The declared order is the measured slope, for every method and on real, imaginary and complex spectra."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import count

import numpy as np
import pytest

import expint
from expint import REST, SemilinearProblem, Tableau
from expint.derive.algebra.phisum import phi
from tests.expint.catalogue import FIXED_L

TOLERANCE = 0.15
FLOOR = 1e-13  # errors below this may be rounding
SETTLED = 0.04  # of three slopes or more, the last two differ by less than this where they have reached their limit

SPECTRA = {
    "real": np.array([-4.0, -1.0, 0.5, -2.5]),
    "imaginary": 1j * np.array([-3.0, 1.0, 2.0, 4.0]),
    "complex": np.array([-3 + 2j, -1 - 3j, 0.5 + 1j, -2 + 0j]),
}
# On these spectra the asymptotic regime of some methods lies below rounding. Dormand and Prince, and Tsitouras, made
# their terms of order 5 tiny, and the errors of adams8 fall by 256: faster modes lift them. The terms of order 4 of
# etd35 vanish with L: slower modes show them before those of order 5. The others settle late: 5.8 to 6, 4.3 to 4, 6.2
# to 6.
SPECIAL = {
    ("lawson-dormand-prince54", "imaginary"): 1j * np.array([-9.0, 2.0, 6.0, 4.0]),
    ("lawson-dormand-prince54", "complex"): np.array([-9j, -2 + 4j, -4 + 5j, -1 - 6j]),
    ("lawson-tsitouras54", "imaginary"): 1j * np.array([-9.0, 7.0, 8.0, -4.0]),
    ("lawson-tsitouras54", "complex"): np.array([-9j, -2 + 4j, -4 + 5j, -1 - 6j]),
    ("adams8", "imaginary"): 1j * np.array([-6.0, 2.0, 4.0, 7.0]),
    ("etd35", "complex"): np.array([-3 + 2j, -1 - 3j, 0.5 + 1j, -2 + 0j]) / 2,
    ("ladder6", "real"): np.array([-4.0, -1.0, 0.5, -2.5]) * 2,
    ("generalised-lawson44", "real"): np.array([-4.0, -1.0, 0.5, -2.5]) / 2,
    ("modified-generalised-lawson45", "complex"): np.array([-3 + 2j, -1 - 3j, 0.5 + 1j, -2 + 0j]) * 1.5,
}

ON_KDV = {  # steps of the coarser of two runs; multistep methods need |h ∂N/∂y| well inside their stability region
    "exponential-euler": 64,
    "lawson-euler": 64,
    "etd2rk": 64,
    "etd3rk": 64,
    "hochbruck-ostermann3": 64,
    "lawson-rk4": 64,
    "cox-matthews4": 64,
    "krogstad4": 64,
    "strehmel-weiner4": 64,
    "friedli4": 64,
    "hochbruck-ostermann4": 64,
    "luan-ostermann5": 64,
    "adams1": 64,
    "adams2": 64,
    "adams3": 64,
    "adams4": 256,
    "adams5": 256,
    "adams6": 256,
}


def relative_error(problem: SemilinearProblem, method: object, steps: int, exact: np.ndarray) -> float:
    end = problem.t_span[1]
    solution = expint.solve(problem, method, step=end / steps, t_eval=[end])
    assert solution.success
    assert solution.stats.steps == steps
    return float(np.max(np.abs(solution.y[-1] - exact)) / np.max(np.abs(exact)))


def limiting_slope(error: Callable[[int], float], first: int = 8) -> float:
    """Halve the step until the slope has settled, or until rounding would spoil the next one."""
    errors, slopes = [error(first)], []
    for level in count(1):
        errors.append(error(first * 2**level))
        if errors[-1] < FLOOR:
            break
        slopes.append(np.log2(errors[-2] / errors[-1]))
        if len(slopes) > 2 and abs(slopes[-1] - slopes[-2]) < SETTLED:
            break
    return float(slopes[-1])


def measured_order(method: object, spectrum: np.ndarray) -> float:
    problem = expint.problems.prescribed_spectrum(spectrum)
    exact = problem.exact(problem.t_span[1])
    return limiting_slope(lambda steps: relative_error(problem, method, steps, exact))


@pytest.mark.parametrize("spectrum", ["real", "imaginary", "complex"])
@pytest.mark.parametrize("name", FIXED_L)
def test_the_measured_slope_is_the_declared_order(name: str, spectrum: str) -> None:
    slope = measured_order(name, SPECIAL.get((name, spectrum), SPECTRA[spectrum]))
    assert abs(slope - expint.method(name).order) < TOLERANCE


@cache
def soliton() -> tuple[SemilinearProblem, np.ndarray]:
    problem = expint.problems.korteweg_de_vries(n=64, speed=36.0, t_end=0.005)
    fine = expint.solve(problem, "luan-ostermann5", step=problem.t_span[1] / 1024, t_eval=[problem.t_span[1]])
    return problem, fine.y[-1]


@pytest.mark.parametrize("name", ON_KDV)
def test_no_method_loses_order_on_the_imaginary_spectrum_of_korteweg_and_de_vries(name: str) -> None:
    problem, exact = soliton()
    coarse, fine = (relative_error(problem, name, ON_KDV[name] * refined, exact) for refined in (1, 2))
    assert fine > FLOOR
    assert abs(np.log2(coarse / fine) - expint.method(name).order) < TOLERANCE


def test_the_reference_on_korteweg_and_de_vries_is_the_soliton() -> None:
    problem, reference = soliton()
    exact = problem.exact(problem.t_span[1])
    assert np.max(np.abs(reference - exact)) < 1e-6 * np.max(np.abs(exact))  # what 64 points resolve


@pytest.mark.parametrize("spectrum", ["real", "imaginary", "complex"])
def test_the_measurement_tells_a_method_that_claims_too_much(spectrum: str) -> None:
    claimed = 3
    boaster = Tableau(
        name="boaster",
        c=(0, Fraction(1, 2), 1),
        a=((), (REST,), (REST, Fraction(1, 3))),
        b=(REST, phi(2), Fraction(1, 6)),
        declared_order=claimed,
    )
    assert measured_order(boaster, SPECTRA[spectrum]) < claimed - TOLERANCE
    with pytest.raises(ValueError, match="what the order conditions prove, 1, received 3"):
        _ = boaster.order


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
def test_ramped_adams_methods_of_any_order_converge_with_order_two(order: int) -> None:
    slope = measured_order(expint.Adams(order, ramp=True), SPECTRA["complex"])
    assert abs(slope - 2) < TOLERANCE


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_adams_keeps_its_order_on_a_smoothly_stretched_grid(order: int) -> None:
    problem = expint.problems.prescribed_spectrum(SPECTRA["complex"])

    def error(steps: int) -> float:
        grid = np.expm1(np.linspace(0, 1, steps + 1)) / np.expm1(1.0)
        grid[-1] = problem.t_span[1]
        solution = expint.solve(problem, f"adams{order}", grid=grid)
        return float(np.max(np.abs(solution.y[-1] - problem.exact(1.0))))

    assert abs(limiting_slope(error) - order) < TOLERANCE
