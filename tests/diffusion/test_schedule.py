"""Schedules against mpmath, their own inverses, autograd and each other."""

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion.process.schedule import EDM, VE, FlowMatching, VEPower
from diffusion.process.sub_vp import SubVP
from diffusion.process.vp import VP
from diffusion.process.vp_table import INTERPOLATIONS

BETAS = tuple(np.linspace(1e-4, 0.02, 1000))
SCHEDULES = {
    "linear": VP.linear(),
    "linear-constant": VP.linear(3.0, 3.0),
    "cosine": VP.cosine(),
    "cosine-no-offset": VP.cosine(0.0),
    "edm": EDM(),
    "ve": VE(),
    "power": VEPower(25.0),
    "sub-vp": SubVP(),
    "sub-vp-cosine": SubVP(VP.cosine()),
    "flow": FlowMatching(),
    "flow-shifted": FlowMatching(shift=3.0),
    "table-zero-terminal": VP.zero_terminal_snr(BETAS, t_start=0.999),
    **{f"table-{name}": VP.from_betas(BETAS, interpolation=name) for name in INTERPOLATIONS},
}
SMOOTH = [name for name in SCHEDULES if not name.startswith("table")]


def exact_alpha_sigma(name, t):
    """α and σ by their textbook formulas in 60 digits."""
    s, t, one = SCHEDULES[name], mp.mpf(t), mp.mpf(1)
    if name in ("edm", "ve"):
        return one, t if name == "edm" else s.sigma_min * (mp.mpf(s.sigma_max) / s.sigma_min) ** t
    if name == "power":
        return one, mp.sqrt((mp.mpf(s.base) ** (2 * t) - 1) / (2 * mp.log(mp.mpf(s.base))))
    if name.startswith("flow"):
        tau = s.shift * t / (1 + (s.shift - 1) * t)
        return 1 - tau, tau
    vp = s.vp if name.startswith("sub-vp") else s
    if hasattr(vp, "beta_min"):
        integral = vp.beta_min * t + (mp.mpf(vp.beta_max) - vp.beta_min) * t**2 / 2
        alpha = mp.exp(-integral / 2)
    else:
        alpha = mp.cos(mp.pi / 2 * (t + vp.s) / (1 + mp.mpf(vp.s))) / mp.cos(mp.pi / 2 * vp.s / (1 + mp.mpf(vp.s)))
    return alpha, 1 - alpha**2 if name.startswith("sub-vp") else mp.sqrt(1 - alpha**2)


@pytest.mark.parametrize("name", SMOOTH)
def test_alpha_sigma_rho_and_half_log_snr_match_sixty_digits_down_to_1e_8(name):
    schedule = SCHEDULES[name]
    with mp.workdps(60):
        for t in [1e-8, 1e-6, 1e-3, 0.02, 0.3, 0.5, 0.77, 0.99, 0.9946]:
            alpha, sigma = exact_alpha_sigma(name, t)
            assert schedule.alpha(t) == pytest.approx(float(alpha), rel=4e-15)
            assert schedule.sigma(t) == pytest.approx(float(sigma), rel=4e-15)
            assert schedule.rho(t) == pytest.approx(float(sigma / alpha), rel=8e-15)
            assert schedule.half_log_snr(t) == pytest.approx(float(mp.log(alpha / sigma)), rel=4e-15, abs=4e-15)


@pytest.mark.parametrize("name", SMOOTH)
def test_half_log_snr_rate_is_the_derivative_of_half_log_snr(name):
    def exact(t):
        alpha, sigma = exact_alpha_sigma(name, t)
        return mp.log(alpha / sigma)

    with mp.workdps(60):
        for t in [1e-6, 1e-3, 0.02, 0.5, 0.99]:
            assert SCHEDULES[name].half_log_snr_rate(t) == pytest.approx(float(mp.diff(exact, t, h=mp.mpf(10) ** -25)))


@pytest.mark.parametrize("name", SCHEDULES)
@given(fraction=st.floats(0.0, 1.0))
def test_time_inverts_half_log_snr(name, fraction):
    schedule = SCHEDULES[name]
    low = schedule.t_end if name.startswith("table") else max(schedule.t_end, 1e-8)
    t = low + fraction * (schedule.t_start - low)
    assert schedule.time(schedule.half_log_snr(t)) == pytest.approx(t, rel=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_time_keeps_relative_accuracy_at_1e_8(name):
    schedule = SCHEDULES[name]
    tolerance = {"abs": 1e-12} if name == "ve" else {"rel": 1e-13}  # λ(0) of VE is finite and forgets a small t
    assert schedule.time(schedule.half_log_snr(1e-8)) == pytest.approx(1e-8, **tolerance)


@pytest.mark.parametrize("name", SCHEDULES)
def test_extreme_half_log_snr_has_a_time_without_overflow(name):
    times = SCHEDULES[name].time(np.array([-30.0, 0.0, 30.0]))
    assert np.all(np.isfinite(times))
    assert np.all(np.diff(times) < 0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_numpy_and_torch_agree_and_keep_shape_and_dtype(name):
    schedule = SCHEDULES[name]
    t = np.linspace(max(schedule.t_end, 1e-3), schedule.t_start, 12).reshape(3, 4)
    for quantity in ("alpha", "sigma", "rho", "half_log_snr", "half_log_snr_rate"):
        value = getattr(schedule, quantity)(t)
        tensor = getattr(schedule, quantity)(torch.tensor(t))
        single = getattr(schedule, quantity)(torch.tensor(t, dtype=torch.float32))
        assert value.shape == tensor.shape == single.shape == (3, 4)
        assert (value.dtype, tensor.dtype, single.dtype) == (np.float64, torch.float64, torch.float32)
        np.testing.assert_allclose(tensor.numpy(), value, rtol=1e-13, atol=1e-15)
    lam = schedule.half_log_snr(t)
    np.testing.assert_allclose(schedule.time(torch.tensor(lam)).numpy(), schedule.time(lam), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_python_numbers_give_python_floats(name):
    schedule = SCHEDULES[name]
    for quantity in ("alpha", "sigma", "rho", "half_log_snr", "half_log_snr_rate", "time"):
        assert type(getattr(schedule, quantity)(0.5)) is float
    assert schedule.alpha(np.array(0.5)).shape == ()


@pytest.mark.parametrize("name", SCHEDULES)
def test_torch_differentiates_through_the_schedule_and_its_inverse(name):
    schedule = SCHEDULES[name]
    inside = np.linspace(max(schedule.t_end, 1e-3), schedule.t_start, 9)[1:-1] + 1e-5  # off the knots of the tables
    t = torch.tensor(inside, requires_grad=True)
    lam = schedule.half_log_snr(t)
    (rate,) = torch.autograd.grad(lam.sum(), t, retain_graph=True)
    np.testing.assert_allclose(rate.numpy(), schedule.half_log_snr_rate(inside), rtol=1e-11)
    (identity,) = torch.autograd.grad(schedule.time(lam).sum(), t)
    np.testing.assert_allclose(identity.numpy(), 1.0, rtol=1e-10)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if "vp" not in name and name[:2] in ("li", "co", "ta")])
@given(fraction=st.floats(0.0, 1.0))
def test_variance_preserving_schedules_preserve_variance(name, fraction):
    schedule = SCHEDULES[name]
    t = schedule.t_end + fraction * (schedule.t_start - schedule.t_end)
    assert schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2 == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_noise_is_scaled_by_sigma_or_by_one_where_variance_is_preserved(name):
    schedule = SCHEDULES[name]
    expected = 1.0 if name[:2] in ("li", "co", "ta") else schedule.sigma(schedule.t_start)
    assert schedule.noise_scale(schedule.t_start) == expected


def test_sub_vp_has_the_alpha_of_vp_and_its_sigma_squared():
    t = np.linspace(1e-3, 1, 7)
    np.testing.assert_allclose(SubVP().alpha(t), VP.linear().alpha(t), rtol=1e-15)
    np.testing.assert_allclose(SubVP().sigma(t), 1 - VP.linear().alpha(t) ** 2, rtol=1e-12)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_table_passes_through_its_betas_and_is_linear_in_its_quantity_between(interpolation):
    betas = np.array([0.1, 0.3, 0.2, 0.5])
    schedule = VP.from_betas(betas, interpolation=interpolation)
    knots = np.array([0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(schedule.alpha(knots) ** 2, np.cumprod(1 - betas), rtol=1e-14)
    quantity = {
        "log-alpha": lambda t: np.log(schedule.alpha(t)),
        "log-rho": lambda t: np.log(schedule.rho(t)),
        "variance": lambda t: schedule.sigma(t) ** 2,
        "rho": schedule.rho,
        "angle": lambda t: np.arctan2(schedule.sigma(t), schedule.alpha(t)),
    }[interpolation]
    middle, ends = quantity(0.6), quantity(np.array([0.5, 0.75]))
    assert middle == pytest.approx(0.6 * ends[0] + 0.4 * ends[1], rel=1e-13)
    assert schedule.t_end == 0.25


def test_betas_and_their_cumulative_products_give_the_same_table():
    betas = np.linspace(1e-4, 0.02, 50)
    one, other = VP.from_betas(betas), VP.from_alphas_cumprod(np.cumprod(1 - betas))
    np.testing.assert_allclose(one.half_log_snrs, other.half_log_snrs, rtol=1e-11)


def test_finer_and_finer_tables_converge_to_the_continuous_schedule_at_first_order():
    def error(n):
        betas = (0.1 + 19.9 * np.arange(1, n + 1) / n) / n
        return abs(VP.from_betas(betas).half_log_snr(0.8) - VP.linear().half_log_snr(0.8))

    assert error(2000) / error(4000) == pytest.approx(2.0, abs=0.05)
    assert error(4000) < 0.01


def test_schedules_are_values_that_can_key_a_cache():
    assert VP.linear() == VP.linear(0.1, 20.0)
    assert {VP.linear(): 1}[VP.linear()] == 1
    assert hash(VP.from_betas([0.1, 0.2])) == hash(VP.from_betas([0.1, 0.2]))
    assert VP.linear() != VP.linear(t_end=1e-4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: VP.linear(20.0, 0.1), "beta_min <= beta_max"),
        (lambda: VP.linear(-1.0), "beta_min > 0"),
        (lambda: VP.linear(t_start=1e-3, t_end=1.0), "t_end < t_start"),
        (lambda: VP.cosine(-1.0), "s >= 0"),
        (lambda: VP.cosine(t_start=1.5), "t_start <= 1.0"),
        (lambda: EDM(sigma_min=80.0, sigma_max=0.1), "sigma_min < sigma_max"),
        (lambda: EDM(sigma_data=0.0), "sigma_data > 0"),
        (lambda: VE(sigma_min=0.0), "sigma_min < sigma_max"),
        (lambda: FlowMatching(shift=-1.0), "shift > 0"),
        (lambda: VP.from_betas([0.1]), "at least two numbers"),
        (lambda: VP.from_betas([0.1, 1.5]), "strictly between 0 and 1"),
        (lambda: VP.from_alphas_cumprod([0.5, 0.6]), "decrease strictly"),
        (lambda: VP.from_betas([0.1, 0.2], interpolation="log-alfa"), "did you mean 'log-alpha'"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_sub_vp_of_something_else_is_refused():
    with pytest.raises(TypeError, match="expected a VP schedule"):
        SubVP(EDM())


def rescaled(betas):
    """Return ᾱ of Lin et al. 2023, algorithm 1, as it is printed."""
    root = np.sqrt(np.cumprod(1 - np.asarray(betas)))
    first, last = root[0], root[-1]
    return ((root - last) * first / (first - last)) ** 2


def test_a_table_of_zero_terminal_snr_is_that_of_its_algorithm():
    schedule = VP.zero_terminal_snr(BETAS)
    times = np.arange(1, 1001) / 1000
    np.testing.assert_allclose(schedule.alpha(times) ** 2, rescaled(BETAS), rtol=1e-9, atol=1e-30)
    assert schedule.alpha(1.0) == 0.0
    assert schedule.sigma(1.0) == 1.0
    assert schedule.half_log_snr(1.0) == -np.inf
    assert schedule.time(-np.inf) == pytest.approx(1.0, rel=1e-15)
    assert float(torch.as_tensor(schedule.alpha(torch.tensor(1.0, dtype=torch.float64)))) == 0.0
    assert schedule.t_end == 1e-3
    assert schedule.half_log_snr(1e-3) == pytest.approx(VP.from_betas(BETAS).half_log_snr(1e-3), rel=1e-14)
    same = VP.from_alphas_cumprod(rescaled(BETAS), interpolation="angle")
    np.testing.assert_allclose(same.half_log_snr(times[:-1]), schedule.half_log_snr(times[:-1]), rtol=0, atol=1e-9)
    assert VP.from_betas([0.1, 0.3, 1.0], interpolation="angle").alpha(1.0) == 0.0


def test_a_table_that_ends_in_zero_signal_has_one_interpolation():
    for make in (lambda: VP.from_betas([0.1, 1.0]), lambda: VP.from_alphas_cumprod([0.5, 0.0], "rho")):
        with pytest.raises(ValueError, match="interpolation='angle' for a table that ends in α = 0, received"):
            make()
    with pytest.raises(ValueError, match=r"between 0 and 1 \(1 for the last where α vanishes\)"):
        VP.from_betas([1.0, 0.1], interpolation="angle")


@pytest.mark.parametrize("schedule", [VP.linear(t_end=1e-8), SubVP(VP.linear(t_end=1e-8)), VP.from_betas([0.01, 0.02])])
@pytest.mark.parametrize("t", [1e-8, 1e-5, 1e-2, 0.5, 0.9])
def test_the_derivative_of_the_inverse_is_that_of_the_inverse_function_down_to_1e_8(schedule, t):
    if t < schedule.t_end:
        return
    lam = torch.tensor(float(schedule.half_log_snr(t)), dtype=torch.float64, requires_grad=True)
    schedule.time(lam).backward()
    np.testing.assert_allclose(float(lam.grad) * schedule.half_log_snr_rate(t), 1.0, rtol=1e-13)
