"""The clock s = ∫ g dt: right to rounding, and read back."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.operators import TimeScaled
from expint.operators.over_time.time_integral import Clock, Integral

UNIT = st.floats(-1, 1)


@settings(max_examples=40)
@given(UNIT, st.floats(0.1, 9), UNIT, st.floats(-20, 20), st.floats(0.01, 30), st.sampled_from([1, -1]))
def test_the_clock_is_the_integral_and_reads_back(
    swing: float, frequency: float, phase: float, start: float, length: float, sign: int
) -> None:
    def rate(t: float) -> float:
        return sign * (1.2 + swing * math.sin(frequency * t + phase))

    def integral(t: float) -> float:
        return sign * (1.2 * t - swing / frequency * math.cos(frequency * t + phase))

    def from_start(t: float) -> float:  # without the cancellation of integral(t) - integral(start)
        half, middle = frequency * (t - start) / 2, frequency * (t + start) / 2 + phase
        return sign * (1.2 * (t - start) + 2 * swing / frequency * math.sin(half) * math.sin(middle))

    for end in (start + length, start - length):
        clock, given_clock = Clock(rate, start, end), Clock(rate, start, end, exact=integral)
        for t in np.linspace(start, end, 13).tolist():
            assert clock(t) == pytest.approx(from_start(t), rel=1e-13, abs=1e-13 * (length + abs(start)))
            for own in (clock, given_clock):
                assert own.time(own(t)) == pytest.approx(t, rel=1e-13, abs=1e-12 * (length + abs(start)))


@pytest.mark.parametrize(
    "rate",
    [
        lambda t: mpmath.exp(mpmath.sin(3 * t)),
        lambda t: 1 / (mpmath.mpf("1e-3") + t**2),
        lambda t: abs(t - mpmath.mpf("0.3")),
        lambda t: mpmath.mpf(1 if t < 0.25 else 5),
        lambda t: mpmath.cos(40 * t),
    ],
    ids=["smooth", "peaked", "kinked", "jumping", "of changing sign"],
)
def test_integrals_of_any_rate_agree_with_twenty_digits(rate: object) -> None:
    own = Integral(lambda t: float(rate(mpmath.mpf(t))), -1.0, 2.0)
    with mpmath.workdps(20):
        for t in (-0.7, 0.0, 0.31, 2.0):
            marks = sorted({-1.0, *(mark for mark in (0.25, 0.3) if mark < t), t} | set(np.linspace(-1, t, 60)))
            assert own(t) == pytest.approx(float(mpmath.quad(rate, marks)), rel=1e-13, abs=1e-13)


def test_an_interval_of_rate_zero_does_not_hinder_the_integral() -> None:
    own = Integral(lambda t: max(t, 0.0), -1.0, 1.0)
    assert own(-0.3) == 0.0
    assert own(1.0) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize(
    ("rate", "exact", "error", "message"),
    [
        (lambda t: t - 0.5, None, ValueError, r"rate of one sign, received .*TimeDependent\(TimeScaled\(g, A\)\)"),
        (lambda t: t, None, ValueError, "rate of one sign, received 0 at t = 0 "),
        (lambda t: 0.0, None, ValueError, "rate of one sign, received 0"),
        (lambda t: math.exp(-20 * t), None, ValueError, "rate of one sign, received .* at t = 1"),
        (lambda t: math.inf if t > 0.5 else 1.0, None, ValueError, r"rate\(.*\) to be a finite number, received inf"),
        (lambda t: 1j, None, TypeError, r"rate\(.*\) to be a real number, received 1j"),
        (lambda t: np.ones(2), None, TypeError, r"rate\(.*\) to be a real number, received an array"),
        (lambda t: None, None, TypeError, "received None"),
        (lambda t: 2 + math.sin(1e7 * t), None, ValueError, "smooth between few points"),
        (lambda t: 1.0, lambda t: 2 * t, ValueError, "integral to be an antiderivative of the rate, received"),
        (lambda t: 1.0, lambda t: math.nan, ValueError, r"integral\(.*\) to be a finite number"),
    ],
)
def test_rates_that_make_no_clock_are_refused(rate: object, exact: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        Clock(rate, 0.0, 1.0, exact)


@pytest.mark.parametrize("place", [0.137, 0.31, 0.5, 0.777, 0.9])
@pytest.mark.parametrize("width", [0.012, 0.02, 0.1])
def test_narrow_pulses_of_the_rate_are_found_wherever_they_are(place: float, width: float) -> None:
    def rate(t: float) -> float:
        return math.exp(-((3 * (t - place) / width) ** 2))

    ends = math.erf(3 * (1 - place) / width) + math.erf(3 * place / width)
    assert abs(Integral(rate, 0.0, 1.0)(1.0) - width / 6 * math.sqrt(math.pi) * ends) < 1e-13


def test_dense_output_at_no_time_is_refused() -> None:
    scaled = TimeScaled(lambda t: 1 + t, -1.0)
    solution = expint.solve_ivp(lambda t, y: 0 * y, (0, 1), np.ones(2), linear=scaled, rtol=1e-4, dense_output=True)
    for wrong in (math.nan, [0.5, math.nan], 1.5):
        with pytest.raises(ValueError, match="expected a time between"):
            solution.sol(wrong)
