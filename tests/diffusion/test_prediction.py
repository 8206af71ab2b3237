"""The prediction algebra: every kind is the same knowledge of x₀ and ε."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion.process.prediction import PREDICTIONS, basis, coefficients, convert, prediction_name

scales = st.floats(0.01, 100.0)
numbers = st.floats(-10.0, 10.0)
kinds = st.sampled_from(sorted(PREDICTIONS))


def output(kind, x0, noise, alpha, sigma, sigma_data=0.5):
    p, q = basis(kind, alpha, sigma, sigma_data)
    return p * x0 + q * noise


@given(kinds, kinds, numbers, numbers, scales, scales, st.floats(0.1, 5.0))
def test_any_kind_converts_to_any_other(source, target, x0, noise, alpha, sigma, sigma_data):
    x = alpha * x0 + sigma * noise
    have, want = (output(kind, x0, noise, alpha, sigma, sigma_data) for kind in (source, target))
    of_state, of_output = coefficients(source, target, alpha, sigma, sigma_data)
    scale = abs(of_state * x) + abs(of_output * have) + 1e-300  # what rounding is measured by
    assert convert(have, x, alpha, sigma, source, target, sigma_data) == pytest.approx(
        want, rel=1e-11, abs=1e-12 * scale
    )


@given(kinds, numbers, numbers, scales, scales)
def test_the_state_is_recovered_as_alpha_x0_plus_sigma_noise_through_every_kind(kind, x, out, alpha, sigma):
    x0 = convert(out, x, alpha, sigma, kind, "data")
    noise = convert(out, x, alpha, sigma, kind, "noise")
    assert alpha * x0 + sigma * noise == pytest.approx(
        x, rel=1e-9, abs=1e-10 * (abs(alpha * x0) + abs(sigma * noise) + 1)
    )


@given(kinds, kinds, numbers, numbers, scales, scales)
def test_conversion_there_and_back_is_the_identity(source, target, x, out, alpha, sigma):
    there = convert(out, x, alpha, sigma, source, target)
    a, b = coefficients(target, source, alpha, sigma)
    back = convert(there, x, alpha, sigma, target, source)
    assert back == pytest.approx(out, abs=1e-11 * (abs(a * x) + abs(b * there) + abs(out) + 1))


@given(kinds, scales, scales)
def test_a_kind_converts_to_itself_without_rounding(kind, alpha, sigma):
    assert coefficients(kind, kind, alpha, sigma) == (0.0, 1.0)


def test_the_kinds_are_those_of_the_literature():
    x0, noise, angle = 0.7, -1.3, 0.4
    alpha, sigma = math.cos(angle), math.sin(angle)
    x = alpha * x0 + sigma * noise
    assert output("score", x0, noise, alpha, sigma) == pytest.approx(-(x - alpha * x0) / sigma**2)
    assert output("velocity", x0, noise, alpha, sigma) == pytest.approx(alpha * noise - sigma * x0)
    assert output("flow", x0, noise, alpha, sigma) == pytest.approx(noise - x0)


@given(numbers, numbers, st.floats(0.002, 80.0), st.floats(0.1, 2.0))
def test_edm_output_is_the_preconditioned_network_of_karras(x0, noise, sigma, sigma_data):
    x = x0 + sigma * noise
    c_skip = sigma_data**2 / (sigma**2 + sigma_data**2)
    c_out = sigma * sigma_data / math.sqrt(sigma**2 + sigma_data**2)
    out = output("edm", x0, noise, 1.0, sigma, sigma_data)
    scale = abs(c_skip * x) + abs(c_out * out)
    assert c_skip * x + c_out * out == pytest.approx(x0, abs=1e-12 * scale + 1e-300)


def test_edm_and_velocity_determine_the_data_at_infinite_noise():
    assert coefficients("velocity", "data", 0.0, 1.0) == (0.0, -1.0)
    assert coefficients("edm", "data", 0.0, 1.0, 0.5) == (0.0, 0.5)
    assert coefficients("flow", "noise", 0.0, 1.0) == (1.0, 0.0)
    assert coefficients("noise", "data", 1.0, 0.0) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("source", "target", "alpha", "sigma"),
    [("noise", "data", 0.0, 1.0), ("data", "noise", 1.0, 0.0), ("score", "data", 0, 1), ("data", "score", 1, 0)],
)
def test_what_the_state_and_the_output_do_not_determine_is_refused(source, target, alpha, sigma):
    with pytest.raises(ValueError, match=f"determine '{target}'"):
        coefficients(source, target, alpha, sigma)


@pytest.mark.parametrize("source", PREDICTIONS)
@pytest.mark.parametrize("target", PREDICTIONS)
def test_numbers_arrays_and_tensors_agree(source, target):
    alpha, sigma = np.array([0.9, 0.5, 0.1]), np.array([0.2, 0.7, 3.0])
    of_state, of_output = coefficients(source, target, alpha, sigma)
    tensors = coefficients(source, target, torch.tensor(alpha), torch.tensor(sigma))
    for i in range(3):
        number = coefficients(source, target, float(alpha[i]), float(sigma[i]))
        assert all(type(n) is float for n in number)
        each = (np.broadcast_to(of_state, 3)[i], np.broadcast_to(of_output, 3)[i])
        np.testing.assert_allclose(each, number, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(
            [float(torch.as_tensor(v).expand(3)[i]) for v in tensors], number, rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize(
    ("alias", "name"), [("eps", "noise"), ("x0", "data"), ("v_prediction", "velocity"), ("edm", "edm")]
)
def test_aliases_resolve(alias, name):
    assert prediction_name(alias) == name


def test_an_unknown_kind_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="received 'velocty'; did you mean 'velocity'"):
        prediction_name("velocty")
    with pytest.raises(TypeError, match="to be text such as 'noise', received 3"):
        prediction_name(3)


@pytest.mark.parametrize("make", [float, np.asarray, torch.tensor], ids=["number", "numpy", "torch"])
def test_noise_and_score_determine_each_other_also_where_there_is_no_signal(make):
    alpha, sigma = make(0.0), make(0.8)
    assert float(convert(np.float64(1.0), np.float64(9.0), alpha, sigma, "noise", "score")) == pytest.approx(-1.25)
    assert float(convert(np.float64(1.0), np.float64(9.0), alpha, sigma, "score", "noise")) == pytest.approx(-0.8)
