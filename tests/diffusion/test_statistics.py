"""Tables of statistics: what they hold, and the numbers that steps are made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import expint
from diffusion import Statistics
from diffusion.samplers.dpm_solver_v3.moments import step_moments


def tables(rng, count=7, shape=(2,)):
    lam = np.sort(rng.uniform(-3.0, 3.0, count))
    return Statistics(lam, *rng.uniform(-1.5, 1.5, (3, count, *shape)))


def test_tables_are_linear_between_their_entries():
    statistics = tables(np.random.default_rng(0))
    lam = statistics.half_log_snr
    for found, table in zip(statistics.at(lam), (statistics.linear, statistics.slope, statistics.offset)):
        np.testing.assert_allclose(found, table, rtol=1e-14, atol=1e-15)
    middle = (lam[:-1] + lam[1:]) / 2
    np.testing.assert_allclose(
        statistics.at(middle)[0], (statistics.linear[:-1] + statistics.linear[1:]) / 2, atol=1e-14
    )


def test_a_file_gives_back_the_tables(tmp_path):
    statistics = tables(np.random.default_rng(1), shape=(1, 2, 3))
    statistics.save(tmp_path / "statistics.safetensors")
    loaded = Statistics.load(tmp_path / "statistics.safetensors")
    for name in ("half_log_snr", "linear", "slope", "offset"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(statistics, name))


def test_a_file_of_something_else_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"weights": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"expected a file with the entries .* received \('weights',\)"):
        Statistics.load(tmp_path / "other.safetensors")


REFUSED = [
    (([1.0, 0.0], *np.zeros((3, 2, 4))), "increase strictly"),
    (([0.0], *np.zeros((3, 1, 4))), "increase strictly"),
    (([0.0, 1.0], np.zeros((2, 4)), np.zeros((2, 3)), np.zeros((2, 4))), r"one shape \(2, …\)"),
    (([0.0, 1.0], np.zeros((2, 4)), np.full((2, 4), np.nan), np.zeros((2, 4))), "finite tables"),
]


@pytest.mark.parametrize(("arrays", "message"), REFUSED)
def test_tables_that_make_no_sense_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        Statistics(*arrays)


def test_times_outside_the_tables_are_refused():
    statistics = tables(np.random.default_rng(2))
    with pytest.raises(ValueError, match=r"within that of the statistics, .* received \[9, 9\]; shorten the grid"):
        statistics.at(9.0)
    with pytest.raises(ValueError, match=r"received \[nan, nan\]"):
        statistics.at(float("nan"))
    with pytest.raises(TypeError, match="expected half_log_snr to be an array of real numbers, received None"):
        statistics.at(None)
    with pytest.raises(ValueError, match="expected 'data' or 'noise', received 'velocity'"):
        Statistics.of_prediction("velocity")


@given(st.floats(-2.5, 2.5), st.floats(-2.5, 2.5))
def test_without_slope_the_moments_of_a_constant_are_phi_functions(start, end):
    if abs(end - start) < 1e-3:
        return
    rates = np.array([-1.0, 0.5])
    statistics = Statistics([-3.0, 0.3, 3.0], np.tile(rates, (3, 1)), np.zeros((3, 2)), np.zeros((3, 2)))
    moments = step_moments(statistics, start, end, 4)
    for found, expected in zip(moments.of_phi, expint.phi.phi_functions(-rates * (end - start), 4), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("start", "end"), [(-1.9, 1.7), (1.2, -1.4)])
def test_the_integrals_of_a_step_are_those_of_a_fine_trapezoidal_rule(start, end):
    rng = np.random.default_rng(3)
    statistics = Statistics(np.linspace(-2, 2, 5), *rng.uniform(-1, 1, (3, 5, 2)))
    moments = step_moments(statistics, start, end, 3)
    lam = np.linspace(start, end, 40_001)
    l, s, b = statistics.at(lam)

    def integral(values):
        steps = np.diff(lam)[:, None] * (values[1:] + values[:-1]) / 2
        return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])

    to_l, to_s = integral(l), integral(s)
    drift = integral(np.exp(-to_s) * b)
    kernel = np.exp(to_l - to_l[-1] + to_s)
    h, theta = end - start, ((lam - start) / (end - start))[:, None]
    np.testing.assert_allclose(moments.growth, to_s[-1], atol=1e-7)
    np.testing.assert_allclose(moments.drift, drift[-1], atol=1e-7)
    np.testing.assert_allclose(moments.offset, integral(kernel * drift)[-1] / h, atol=1e-7)
    for k, power in enumerate((1.0, theta, theta**2 / 2), start=1):
        np.testing.assert_allclose(moments.of_phi[k], integral(kernel * power)[-1] / h, atol=1e-7)
