"""Gauges: the table of equations comes out of computer algebra."""

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion.clock import LAMBDA
from diffusion.clock import RHO as RHO_CLOCK
from diffusion.gauge import DATA, FLOW, FLOW_DATA, GAUGES, NOISE, RHO, SIGNAL, VELOCITY, Gauge, edm, interpolated
from diffusion.prediction import basis

scales = st.floats(0.01, 100.0)


@pytest.mark.parametrize(
    ("gauge", "linear", "nonlinear", "predicts"),
    [
        (NOISE, 1, -1, "noise"),
        (DATA, -1, 1, "data"),
        (RHO, 0, 1, "noise"),
        (SIGNAL, 0, 1, "data"),
        (VELOCITY, 0, 1, "velocity"),
        (FLOW, 0, 1, "flow"),
        (FLOW_DATA, -1, 1, "data"),
        (edm(0.5), 0, -1, "edm"),
        (edm(1.7), 0, -1, "edm"),
    ],
    ids=lambda value: value.name if isinstance(value, Gauge) else str(value),
)
def test_the_linear_and_nonlinear_constants_are_derived(gauge, linear, nonlinear, predicts):
    assert (gauge.linear, gauge.nonlinear, gauge.predicts) == (linear, nonlinear, predicts)
    assert isinstance(gauge.linear, Fraction)


@given(alpha=scales, sigma=scales)
@pytest.mark.parametrize(
    ("gauge", "scale"),
    [
        (NOISE, lambda a, s: s),
        (DATA, lambda a, s: a),
        (RHO, lambda a, s: a),
        (SIGNAL, lambda a, s: s),
        (VELOCITY, math.hypot),
        (FLOW, lambda a, s: a + s),
        (FLOW_DATA, lambda a, s: a + s),
        (edm(0.5), lambda a, s: math.hypot(s, 0.5 * a)),
    ],
    ids=lambda value: value.name if isinstance(value, Gauge) else "",
)
def test_the_scaled_state_is_that_of_the_table(gauge, scale, alpha, sigma):
    assert gauge.scale(alpha, sigma) == pytest.approx(scale(alpha, sigma), rel=1e-14)


@pytest.mark.parametrize("gauge", GAUGES.values(), ids=GAUGES)
@given(x0=st.floats(-3, 3), noise=st.floats(-3, 3), ratio=st.floats(0.05, 20.0))
def test_the_equation_holds_along_every_straight_flow(gauge, x0, noise, ratio):
    """y(s) = (x₀ + ρ ε) / scale satisfies dy/ds = L y + n · prediction, by central differences."""

    def y_and_s(rho):
        return (x0 + rho * noise) / gauge.scale(1.0, rho), gauge.clock.at(1.0, rho)

    step = 1e-5 * ratio
    (y1, s1), (y0, s0), (y, _) = y_and_s(ratio + step), y_and_s(ratio - step), y_and_s(ratio)
    p, q = basis(gauge.predicts, 1.0, ratio, float(gauge.sigma_data))
    right = float(gauge.linear) * y + float(gauge.nonlinear) * (p * x0 + q * noise)
    assert (y1 - y0) / (s1 - s0) == pytest.approx(right, abs=1e-6 * (abs(x0) + abs(noise)) * (1 + 1 / ratio) + 1e-12)


@pytest.mark.parametrize("gauge", GAUGES.values(), ids=GAUGES)
def test_scales_of_arrays_and_tensors_agree_with_those_of_numbers(gauge):
    alpha, sigma = np.array([0.9, 0.5, 0.1]), np.array([0.2, 0.7, 3.0])
    values = gauge.scale(alpha, sigma)
    np.testing.assert_allclose(gauge.scale(torch.tensor(alpha), torch.tensor(sigma)).numpy(), values, rtol=1e-14)
    np.testing.assert_allclose([gauge.scale(float(a), float(s)) for a, s in zip(alpha, sigma)], values, rtol=1e-14)


@pytest.mark.parametrize("gauge", [VELOCITY, FLOW, edm()], ids=["velocity", "flow", "edm"])
def test_gauges_with_bounded_clocks_have_a_scale_at_infinite_noise(gauge):
    assert gauge.scale(0.0, 1.0) == pytest.approx(1.0, rel=1e-15)


def test_a_gauge_whose_equation_is_not_constant_is_refused():
    crooked = Gauge("crooked", RHO_CLOCK, a=lambda m, s, d: 1 / s, b=lambda m, s, d: 1, predicts="noise")
    with pytest.raises(ValueError, match="expected rational constants L and n"):
        _ = crooked.linear
    mixed = Gauge("mixed", LAMBDA, a=lambda m, s, d: m.exp(s), b=lambda m, s, d: 1, predicts="velocity")
    with pytest.raises(ValueError, match="in the clock 'lambda' of the gauge 'mixed'"):
        _ = mixed.nonlinear


@pytest.mark.parametrize(
    "gauge", [*GAUGES.values(), edm(1.7), *(interpolated(x) for x in (-1.0, -0.3, 0.0, Fraction(1, 3), 0.123, 1))]
)
def test_the_constants_without_computer_algebra_are_the_derived_ones(gauge):
    found, exact = gauge.constants, (float(gauge.linear), float(gauge.nonlinear))
    assert found == pytest.approx(exact, rel=1e-15, abs=0)


def test_constants_without_computer_algebra_are_refused_and_found_as_the_derived_ones_are():
    crooked = Gauge("crooked", RHO_CLOCK, a=lambda m, s, d: 1 / s, b=lambda m, s, d: 1, predicts="noise")
    with pytest.raises(ValueError, match="expected rational constants L and n"):
        _ = crooked.constants
    only_symbols = Gauge(
        "only-symbols", LAMBDA, a=lambda m, s, d: m.expand(m.exp(s)), b=lambda m, s, d: 1, predicts="noise"
    )
    assert only_symbols.constants == (1.0, -1.0)


def test_sampling_needs_no_computer_algebra():
    code = (
        "import sys, numpy, diffusion\n"
        "net = diffusion.Denoiser(lambda x, t: 0 * x)\n"
        "for name in ('deis-tab3', 'unipc3', 'dpm3m', 'adams3-edm', 'adams3-velocity'):\n"
        "    diffusion.sample(net, numpy.ones((1, 4)), sampler=name, steps=5)\n"
        "print('sympy' in sys.modules)"
    )
    done = subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True)
    assert done.split() == ["False"]


def test_sympy_is_imported_only_when_a_gauge_is_derived():
    seen = "print('sympy' in sys.modules)"
    code = f"import sys, diffusion.gauge as g; {seen}; g.NOISE.linear; {seen}"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "True"]
