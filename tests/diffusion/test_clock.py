"""Clocks: inverses, rates and the definitions of their variables."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion.clock import CLOCKS, StateClock, clock, edm_angle
from diffusion.schedule import EDM, FlowMatching
from diffusion.variance_preserving import VP

SCHEDULES = [VP.linear(), VP.cosine(), EDM(), FlowMatching(2.0)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("name", CLOCKS)
@given(fraction=st.floats(0.0, 1.0))
def test_time_inverts_value(name, schedule, fraction):
    t = schedule.t_end + fraction * (schedule.t_start - schedule.t_end)
    assert CLOCKS[name].time(schedule, CLOCKS[name].value(schedule, t)) == pytest.approx(t, rel=1e-11)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("name", CLOCKS)
def test_rate_is_the_derivative_of_value(name, schedule):
    t = torch.linspace(schedule.t_end, schedule.t_start, 11, dtype=torch.float64, requires_grad=True)
    (rate,) = torch.autograd.grad(CLOCKS[name].value(schedule, t).sum(), t)
    np.testing.assert_allclose(CLOCKS[name].rate(schedule, t.detach()).numpy(), rate.numpy(), rtol=1e-10)


@pytest.mark.parametrize("name", CLOCKS)
def test_clocks_are_monotone_and_keep_numbers_numbers(name):
    schedule = VP.linear()
    values = CLOCKS[name].value(schedule, np.linspace(1e-3, 1.0, 50))
    assert np.all(np.diff(values) * (-1 if name in ("lambda", "log-flow", "signal") else 1) > 0)
    for quantity in ("value", "time", "rate"):
        assert type(getattr(CLOCKS[name], quantity)(schedule, 0.5)) is float


def test_the_variables_are_what_their_names_say():
    schedule, t = VP.linear(), np.linspace(1e-8, 1.0, 9)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    np.testing.assert_array_equal(clock("t").value(schedule, t), t)
    np.testing.assert_allclose(clock("lambda").value(schedule, t), schedule.half_log_snr(t), rtol=1e-14)
    np.testing.assert_allclose(clock("rho").value(schedule, t), schedule.rho(t), rtol=1e-14)
    np.testing.assert_allclose(clock("signal").value(schedule, t), alpha / sigma, rtol=1e-14)
    np.testing.assert_allclose(np.cos(clock("angle").value(schedule, t)), alpha, rtol=1e-13)
    np.testing.assert_allclose(np.tan(clock("edm-angle").value(schedule, t)), sigma / alpha / 0.5, rtol=1e-13)
    np.testing.assert_allclose(clock("flow").value(FlowMatching(), t), t, rtol=1e-15)
    np.testing.assert_allclose(clock("log-flow").value(FlowMatching(), t), -np.log(t), rtol=1e-14, atol=1e-15)


def test_bounded_clocks_are_finite_at_infinite_noise():
    bounded = {"angle": np.pi / 2, "flow": 1.0, "edm-angle": np.pi / 2}
    for name, value in bounded.items():
        state_clock = CLOCKS[name]
        assert isinstance(state_clock, StateClock)
        assert state_clock.at(0.0, 1.0) == value
        assert state_clock.at(1.0, 0.0) == 0.0


@pytest.mark.parametrize(("alias", "name"), [("λ", "lambda"), ("ρ", "rho"), ("half_log_snr", "lambda"), ("time", "t")])
def test_aliases_resolve_and_clocks_pass_through(alias, name):
    assert clock(alias) is CLOCKS[name]
    assert clock(CLOCKS[name]) is CLOCKS[name]


def test_unknown_clocks_and_impossible_parameters_are_refused():
    with pytest.raises(ValueError, match="did you mean 'lambda'"):
        clock("lamda")
    with pytest.raises(ValueError, match="sigma_data > 0"):
        edm_angle(-1.0)
