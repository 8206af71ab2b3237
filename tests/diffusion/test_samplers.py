"""The catalogue: each sampler against its published formula, its order, its calls, its name."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial

import numpy as np
import pytest

import diffusion
import expint
from benchmarks import sampler_orders
from diffusion.grids.published import uniform_in_lambda
from diffusion.models.mixture import gaussian_mixture
from diffusion.process.gauge import DATA, GAUGES, NOISE, RHO, interpolated
from diffusion.samplers.order_of_runs import order_of_runs
from diffusion.samplers.presets import RiemannClock

from . import transcriptions as literal
from . import transcriptions_dpm as dpm
from .golden import mixture

VP = diffusion.VP.linear()
SCHEDULES = {
    "linear": VP,
    "cosine": diffusion.VP.cosine(t_start=0.98),
    "edm": diffusion.EDM(0.01, 20.0),
    "flow": diffusion.FlowMatching(t_start=0.9),
}
CALLS = {
    **dict.fromkeys(("deis-rho-heun", "dpm2", "dpmpp-2s", "edm-heun", "dpm2@k-diffusion", "dpmpp-2s@k-diffusion"), 2),
    **dict.fromkeys(("dpm2-time", "dpmpp-2s-time", "heun@diffusers", "kdpm2@diffusers"), 2),
    **dict.fromkeys(("dpm3", "dpmpp-3s", "dpm3-time", "dpmpp-3s-time"), 3),
    **{f"deis-rho-{name}3": 3 for name in ("kutta", "heun", "ralston", "ssprk", "vdh")},
    "deis-rho-rk4": 4,
}


def model(schedule, predicts="noise"):
    return gaussian_mixture(*mixture()[:3], schedule, predicts=predicts)


def adams(coefficients, order, **options):
    """Return the multistep run with coefficients of the given order."""
    return lambda eps, s, g, x: literal.multistep(eps, coefficients(s, g, order, **options), g, x)


def start(schedule):
    return mixture()[3] * schedule.noise_scale(schedule.t_start)


@pytest.mark.parametrize("name", ["ddim", "dpm1", "euler"])
def test_first_order_samplers_agree_in_every_gauge(name):
    grid = diffusion.grids.uniform(6, clock="lambda", schedule=VP)
    expected = literal.ddim(model(VP), VP, grid, start(VP))
    for predicts in ("noise", "data", "velocity", "score", "flow"):
        found = diffusion.trajectory(model(VP, predicts), start(VP), sampler=name, grid=grid, start="state").states
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", diffusion.sampler_names())
def test_calls_are_those_of_the_method_and_one_per_step_for_multistep_samplers(name):
    steps = 6
    calls = []
    network = model(VP)
    denoiser = diffusion.Denoiser(lambda x, t: calls.append(t) or network(x, t), schedule=VP)
    run = diffusion.trajectory(denoiser, mixture()[3], sampler=name, steps=steps)
    sampler = diffusion.sampler(name).for_run(steps, VP)
    stages = CALLS.get(name, 1)
    expected = steps * stages if sampler.end.zero is None else (steps - 1) * stages + 1
    expected += name == "pndm@diffusers"  # its first step, by Heun
    assert run.calls == len(calls) == expected
    if sampler.method.history > 1 and name != "pndm@diffusers":
        assert run.calls == steps


ORDERS = {
    "ddim": 1,
    **{
        f"deis-{kind}{r}": min(r + 1, 2) for kind in ("tab", "rhoab") for r in range(4)
    },  # an Euler start costs the rest
    "deis-rho-heun": 2,
    **{f"deis-rho-{name}3": 3 for name in ("kutta", "heun", "ralston", "ssprk", "vdh")},
    "deis-rho-rk4": 4,
    "dpm1": 1,
    "dpm2": 2,
    "dpm3": 3,
    "ipndm-v": 2,
    "dpm2-time": 2,
    "dpm3-time": 3,
    "dpmpp-2s-time": 2,
    "dpmpp-3s-time": 3,
    "dpm2m": 2,
    "dpm3m": 2,
    "dpmpp-2s": 2,
    "dpmpp-2m": 2,
    "dpmpp-3s": 3,
    "dpmpp-3m": 2,
    "euler": 1,
    "edm-heun": 2,
    "lms4": 2,
}


@cache
def order_problem():
    """Return a schedule, a denoiser, samples of its process at t_start, and their ends to ten digits.

    The noise level of the start is moderate, so that the error of the first step counts.
    """
    schedule = diffusion.EDM(0.05, 1.5)
    (weights, means, covariances, _), generator = mixture(), np.random.default_rng(0)
    component = generator.choice(len(weights), 48, p=weights)
    spread = np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[component], generator.standard_normal((48, 4)))
    x = means[component] + spread + 1.5 * generator.standard_normal((48, 4))
    reference = diffusion.sample(
        model(schedule), x, sampler="deis-rho-rk4", grid=fine_grid(schedule, 1000), start="state"
    )
    return schedule, model(schedule), x, reference


def fine_grid(schedule, steps):
    return diffusion.grids.uniform(steps, clock="lambda", schedule=schedule)


def median_errors(sampler, steps):
    schedule, network, x, reference = order_problem()
    ends = [diffusion.sample(network, x, sampler=sampler, grid=fine_grid(schedule, n), start="state") for n in steps]
    return [np.median(np.linalg.norm(end - reference, axis=1)) for end in ends]


def slope(steps, errors):
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("name", ORDERS)
def test_the_measured_order_is_the_computed_one(name):
    steps = (160, 320) if diffusion.sampler(name).method.history > 1 else (60, 120)
    assert abs(slope(steps, median_errors(name, steps)) - ORDERS[name]) < 0.15


@pytest.mark.parametrize("kind", ["tab", "rhoab"])
@pytest.mark.parametrize("r", range(4))
def test_a_left_sum_for_the_coefficients_leaves_order_one_in_the_end(kind, r):
    """With so few points that the end is near: errors are those of exact coefficients, and h over twice the points."""

    @dataclass(frozen=True)
    class Coarse(RiemannClock):
        points: int = 20

    sampler = diffusion.sampler(f"deis-{kind}{r}@th-deis")
    assert order_of_runs(sampler) == 1
    denoiser, x = sampler_orders.problem()
    reference = ends_of(denoiser, x, "deis-rho-rk4", 1000)
    errors = [
        np.median(np.linalg.norm(ends_of(denoiser, x, replace(sampler, history=Coarse), n) - reference, axis=1))
        for n in (400, 800)
    ]
    assert abs(slope((400, 800), errors) - 1) < 0.15


def ends_of(denoiser, x, sampler, steps):
    grid = fine_grid(denoiser.schedule, steps)
    return diffusion.sample(denoiser, x, sampler=sampler, grid=grid, start="state")


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("gauge", [NOISE, DATA, RHO], ids=lambda gauge: gauge.name)
def test_a_runge_kutta_start_keeps_the_order_of_adams(gauge, order):
    sampler = diffusion.Sampler("adams", expint.Adams(order), gauge, uniform_in_lambda)
    assert abs(slope((160, 320), median_errors(sampler, (160, 320))) - order) < 0.15


@pytest.mark.parametrize(("order", "start", "expected"), [(3, "euler", 2), (3, "corrected", 3), (3, "runge-kutta", 3)])
def test_the_start_decides_the_order_of_a_multistep_sampler(order, start, expected):
    sampler = diffusion.sampler("dpmpp-3m", start=start)
    assert abs(slope((160, 320), median_errors(sampler, (160, 320))) - expected) < 0.15


@pytest.mark.parametrize("name", ["deis-tab3", "dpmpp-3m", "dpm3m", "unipc3"])
def test_a_corrected_start_makes_no_further_calls(name):
    run = diffusion.trajectory(model(VP), mixture()[3], sampler=diffusion.sampler(name, start="corrected"), steps=7)
    assert run.calls == 7


@pytest.mark.parametrize(("p", "expected"), [(1, 2), (2, 3), (3, 3), (4, 3)])
@pytest.mark.parametrize("suffix", ["", "-noise"])
def test_unipc_gains_an_order_over_its_predictor_up_to_that_of_its_first_step(p, suffix, expected):
    steps = (160, 320) if p < 4 else (320, 640)
    assert abs(slope(steps, median_errors(f"unipc{p}{suffix}", steps)) - expected) < (0.15 if p < 4 else 0.2)


def test_unipc_of_order_three_started_by_runge_kutta_has_order_four():
    sampler = diffusion.sampler("unipc3", start="runge-kutta")
    assert abs(slope((160, 320), median_errors(sampler, (160, 320))) - 4) < 0.15


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("krogstad4-data", 4),
        ("hochbruck-ostermann4-noise", 4),
        ("exprk5s8-data", 5),
        ("adams3-velocity", 3),
        ("adams3-flow", 3),
        ("adams3-flow-data", 3),
        ("adams3-edm", 3),
        ("lawson-rk4-flow", 4),
        ("Cox_Matthews4-noise", 4),
    ],
)
def test_every_method_in_every_gauge_is_a_sampler_of_its_order(name, expected):
    steps = (160, 320) if "adams" in name else (20, 40)
    assert abs(slope(steps, median_errors(name, steps)) - expected) < (0.15 if expected < 5 else 0.35)


@cache
def methods_of_expint():
    """Return the samplers among them without and with a history, and why the others are none."""
    one_step, multistep, refused = [], [], {}
    for name in expint.method_names():
        try:
            history = diffusion.sampler(f"{name}-data").method.history
        except ValueError as reason:
            refused[name] = str(reason)
        else:
            (one_step if history < 2 else multistep).append(name)
    return one_step, multistep, refused


@pytest.mark.parametrize("half", [0, 1])
def test_the_whole_one_step_catalogue_has_its_order_in_either_gauge(half):
    """Each method in one of the gauges, in turns: what a gauge changes is the same for all."""
    one_step, _, _ = methods_of_expint()
    assert {"krogstad4", "hochbruck-ostermann4", "luan4", "lawson-rk4", "etd35"} <= {*one_step}
    short = {}
    for i, name in enumerate(one_step[half::2]):
        sampler = diffusion.sampler(f"{name}-{'noise' if i % 2 else 'data'}")
        measured = slope((12, 24), median_errors(sampler, (12, 24)))
        if measured < order_of_runs(sampler) - 0.3:
            short[sampler.name] = measured
    assert not short


def test_methods_with_a_start_of_their_own_keep_their_order():
    for name in ("eglm433-data", "modified-generalised-lawson43-noise", "pecece4-data"):
        order = order_of_runs(diffusion.sampler(name))
        assert order == diffusion.sampler(name).method.order == 4
        assert slope((40, 80), median_errors(name, (40, 80))) > order - 0.15


def test_methods_that_need_more_than_values_of_a_nonlinear_part_are_no_samplers():
    _, _, refused = methods_of_expint()
    for name, reason in (
        ("exprb53s3", "Jacobian"),
        ("epi4", "Jacobian"),
        ("strang", "splitting"),
        ("magnus4", "N = b"),
    ):
        assert "expected a method for a constant L and values of N, received" in refused[name]
        assert reason in refused[name]
    with pytest.raises(
        ValueError, match=r"ddim: .* received exprb32, which makes L the Jacobian .* such as 'krogstad4'"
    ):
        diffusion.sampler("ddim", end=diffusion.End(methods=(expint.method("exprb32"),)))


@pytest.mark.parametrize("linear", [-0.5, 0, Fraction(1, 3)])
def test_interpolated_gauges_keep_the_order(linear):
    sampler = diffusion.Sampler("between", expint.Adams(3), interpolated(linear), uniform_in_lambda)
    assert abs(slope((160, 320), median_errors(sampler, (160, 320))) - 3) < 0.15


def test_the_interpolated_gauges_end_in_the_data_and_the_noise_gauge():
    assert interpolated(-1) is DATA
    assert interpolated(1) is NOISE
    assert [interpolated(Fraction(1, 3)).linear, interpolated(0).linear] == [Fraction(1, 3), 0]
    with pytest.raises(ValueError, match=r"≥ -1 and ≤ 1, received 1.5"):
        interpolated(1.5)


@pytest.mark.parametrize("r", range(4))
def test_interpolation_in_log_rho_is_exponential_adams_in_the_noise_gauge(r):
    grid = diffusion.grids.power(8, 7, clock="rho", schedule=VP)
    by_quadrature = replace(diffusion.sampler(f"deis-rhoab{r}"), interpolate_in="lambda").plan(VP, grid).table()
    np.testing.assert_allclose(
        diffusion.sampler(f"deis-logrhoab{r}").plan(VP, grid).table(), by_quadrature, rtol=1e-10, atol=1e-13
    )


def test_unipc_is_the_exponential_predictor_corrector_whatever_its_bh():
    """From three slopes on, B(h) cancels: the variants differ in their first two steps only."""
    grid = uniform_in_lambda(8, VP)
    stop = diffusion.End(correct=False)
    tables = [
        diffusion.sampler(name, end=stop).plan(VP, grid).table()
        for name in ("unipc3", "unipc3-bh1@unipc", "unipc3-bh2@unipc")
    ]
    for table in tables[1:]:
        np.testing.assert_array_equal(table[5:], tables[0][5:])
        assert np.abs(table[:5] - tables[0][:5]).max() > 1e-3


@pytest.mark.parametrize("gauge", ["noise", "data"])
def test_first_order_is_one_sampler_in_every_gauge_exactly(gauge):
    """DDIM, DPM-Solver-1 and tAB0: the rows for x, ε are the same numbers (x₀ rows by x₀ = (x − σ ε)/α)."""
    grid = uniform_in_lambda(6, VP)
    alpha, sigma = VP.alpha(grid), VP.sigma(grid)
    ddim = diffusion.sampler("ddim").plan(VP, grid).table()[1:]
    table = diffusion.Sampler("e", expint.Adams(1), GAUGES[gauge], uniform_in_lambda).plan(VP, grid).table()[1:]
    if gauge == "data":
        of_data = table[:, 1].copy()
        table[:, 0] += of_data / alpha[:-1]
        table[:, 1] = -of_data * sigma[:-1] / alpha[:-1]
    np.testing.assert_allclose(table, ddim, rtol=1e-12)


@pytest.mark.parametrize("name", ["edm-heun", "lms4", "dpmpp-2m@k-diffusion", "deis-tab3", "unipc3", "krogstad4-data"])
def test_a_step_to_zero_noise_ends_in_the_prediction_of_the_data(name):
    """For data at one point the prediction is that point whatever x is, and so is the end of every run."""
    for schedule in SCHEDULES.values():
        network = gaussian_mixture([1.0], np.array([[0.3, -0.7]]), 1e-30 * np.eye(2)[None], schedule)
        sampler = diffusion.sampler(name, end=diffusion.End(zero=1))
        found = diffusion.sample(network, np.ones((2, 2)), sampler=sampler, steps=8)
        np.testing.assert_allclose(found, [[0.3, -0.7]] * 2, rtol=1e-9)
        run = diffusion.trajectory(network, np.ones((2, 2)), sampler=sampler, steps=8)
        assert (len(run.t), run.t[-1]) == (9, 0.0)


def test_a_schedule_without_a_time_of_zero_noise_is_denoised_at_minus_infinity():
    network = gaussian_mixture([1.0], np.array([[0.3, -0.7]]), 1e-30 * np.eye(2)[None], diffusion.VE())
    run = diffusion.trajectory(network, np.ones((2, 2)), sampler="edm-heun", steps=8)
    np.testing.assert_allclose(run.states[-1], [[0.3, -0.7]] * 2, rtol=1e-12)
    assert run.t[-1] == -np.inf


@pytest.mark.parametrize("prefix", ["dpm", "dpmpp-"])
def test_the_missing_factor_of_the_published_third_order_costs_an_order(prefix):
    exact = diffusion.sampler(f"{prefix}3m", start="runge-kutta")
    published = replace(diffusion.sampler(f"{prefix}3m@dpm-solver"), end=diffusion.STOP)
    assert published.method.order == 2
    for sampler, expected in ((exact, 3), (published, 2)):
        assert abs(slope((160, 320), median_errors(sampler, (160, 320))) - expected) < 0.15


def test_the_last_steps_take_the_orders_of_the_end():
    sampler = diffusion.sampler("dpmpp-3m", end=diffusion.taper(3))
    weights = [len(row.weights) for _, row in sampler.plan(VP, uniform_in_lambda(7, VP)).rows]
    assert weights == [1, 2, 3, 4, 4, 4, 3, 2]
    with pytest.raises(ValueError, match="integers ≥ 1, received 0"):
        diffusion.End(orders=(2, 0))


def test_a_taper_of_the_libraries_acts_on_short_runs_only():
    sampler = diffusion.sampler("dpmpp-2m@dpm-solver")
    for steps, last in ((9, 2), (10, 3)):
        rows = [row for _, row in sampler.plan(VP, uniform_in_lambda(steps, VP)).rows]
        assert len(rows[-1].weights) == last


@pytest.mark.parametrize(
    ("calls", "order", "orders"),
    [(8, 3, [3, 3, 2]), (7, 3, [3, 3, 1]), (9, 3, [3, 3, 2, 1]), (3, 3, [2, 1]), (7, 2, [2, 2, 2, 1]), (4, 2, [2, 2])],
)
def test_singlestep_orders_spend_the_calls(calls, order, orders):
    assert diffusion.orders_for_calls(calls, order) == orders
    sampler = diffusion.singlestep(orders)
    assert diffusion.trajectory(model(VP), mixture()[3], sampler=sampler, steps=len(orders)).calls == calls


@pytest.mark.parametrize(("gauge", "calls"), [("noise", 9), ("data", 8), ("data", 7)])
def test_singlestep_on_times_uniform_in_t_spends_its_calls_on_them(gauge, calls):
    """Its steps of each order are those of the published code, between every third time or so of a uniform grid."""
    orders = diffusion.orders_for_calls(calls, 3)
    fine, ends = np.linspace(VP.t_start, VP.t_end, calls + 1), np.cumsum([0, *orders])
    asked = []
    network = model(VP)
    eps = lambda x, t: asked.append(float(t)) or network(x, t)
    x = start(VP)
    for order, begin, end in zip(orders, ends, ends[1:]):
        step = partial(dpm.dpm_solver_in_time, order=order, gauge=gauge) if order > 1 else literal.ddim
        x = step(eps, VP, fine[[begin, end]], x)[-1]
    sampler = diffusion.singlestep(orders, gauge, uniform="t")
    found = diffusion.sample(network, mixture()[3], sampler=sampler, steps=len(orders))
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-11)
    np.testing.assert_allclose(asked, fine[:-1], rtol=1e-12)
    with pytest.raises(ValueError, match=r"expected collocated=False with nodes uniform in 't', received True"):
        diffusion.singlestep(orders, gauge, uniform="t", collocated=True)
    with pytest.raises(ValueError, match=rf"expected steps = {len(orders)}, one for each order, received 2"):
        diffusion.sample(network, mixture()[3], sampler=sampler, steps=2)


def test_singlestep_runs_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="expected order to be an integer ≤ 3, received 4"):
        diffusion.orders_for_calls(8, 4)
    with pytest.raises(ValueError, match="expected calls to be an integer ≥ 3, received 2"):
        diffusion.orders_for_calls(2, 3)
    with pytest.raises(ValueError, match="expected one order, 1, 2 or 3, for each step"):
        diffusion.singlestep([3, 4])


def test_the_collocated_singlestep_method_has_its_declared_order():
    method = diffusion.singlestep([3], collocated=True).method
    assert method.orders.order == method.order == 3


def test_a_start_for_a_method_without_history_is_refused():
    with pytest.raises(ValueError, match=r"edm-heun: expected a multistep method to start by 'corrected'.*leave start"):
        diffusion.sampler("edm-heun", start="corrected")
    with pytest.raises(ValueError, match="did you mean 'corrected'"):
        diffusion.sampler("dpmpp-3m", start="correct")


def test_a_grid_or_an_end_of_the_wrong_kind_is_refused():
    with pytest.raises(
        TypeError, match=r"expected grid to be a function .* received .* of type list; give times themselves"
    ):
        diffusion.sampler("ddim", grid=[1.0, 0.5])
    with pytest.raises(TypeError, match=r"expected end to be a diffusion.End, received .* of type str"):
        diffusion.sampler("ddim", end="zero")


def test_a_grid_of_ones_own_replaces_the_published_one():
    sampler = diffusion.sampler("ddim", grid=uniform_in_lambda)
    run = diffusion.trajectory(model(VP), mixture()[3], sampler=sampler, steps=5)
    np.testing.assert_array_equal(run.t, uniform_in_lambda(5, VP))


def test_an_edm_gauge_of_another_data_scale_is_refused():
    with pytest.raises(ValueError, match=r"sigma_data = 1, received that of 0.5; take diffusion.gauge.edm\(1\)"):
        diffusion.sampler("adams2-edm").plan(diffusion.EDM(sigma_data=1.0), np.array([1.0, 0.5, 0.2]))


def test_names_resolve_whatever_their_case_and_separators():
    assert diffusion.sampler("DEIS_tAB3") is diffusion.sampler("deis-tab3")
    assert diffusion.sampler(diffusion.sampler("ddim")) is diffusion.sampler("ddim")
    assert set(diffusion.sampler_names()) >= {"ddim", "ipndm", "deis-tab3", "deis-rho-rk4"}


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("deis-tab5", adams(literal.tab_coefficients, 5)),
        ("DEIS_rhoAB4", adams(literal.rhoab_coefficients, 4)),
        ("deis-logrhoab4", adams(dpm.log_rho_ab_coefficients, 4)),
        ("lms5", adams(literal.rhoab_coefficients, 4)),
        ("UniPC6", partial(dpm.unipc, order=6, gauge="data", variant="solved")),
        ("unipc5-noise", partial(dpm.unipc, order=5, gauge="noise", variant="solved")),
        ("sa2", partial(dpm.sa_solver, order=2)),
    ],
)
def test_samplers_of_any_order_are_found_by_name_and_are_their_formulas(name, formula):
    sampler = diffusion.sampler(name, end=diffusion.End(correct=False))
    grid, network = diffusion.grids.uniform(9, "lambda", schedule=VP), model(VP)
    expected = formula(network, VP, grid, start(VP))
    found = diffusion.trajectory(network, start(VP), sampler=sampler, grid=grid, start="state").states
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["unipc0", "sa0", "lms0"])
def test_an_order_that_no_sampler_has_is_refused(name):
    with pytest.raises(ValueError, match=r"to be an integer ≥ 1, received 0"):
        diffusion.sampler(name)


@pytest.mark.parametrize(("name", "near"), [("dies-tab3", "deis-tab3"), ("DDIMM", "ddim"), ("ipndm4", "ipndm")])
def test_a_misspelt_sampler_gets_a_suggestion(name, near):
    with pytest.raises(ValueError, match=f"received '{name}'; did you mean '{near}'"):
        diffusion.sampler(name)


def test_a_sampler_that_is_no_name_is_refused():
    with pytest.raises(TypeError, match=r"expected the name of a sampler.*received 3"):
        diffusion.sampler(3)


@pytest.mark.parametrize("name", diffusion.sampler_names())
def test_every_sampler_cites_its_source(name):
    assert diffusion.sampler(name).cite().startswith("@")


def test_plans_are_made_once():
    sampler = diffusion.sampler("deis-tab3")
    grid = sampler.grid(5, VP)
    assert sampler.plan(VP, grid) is sampler.plan(diffusion.VP.linear(), list(grid))


@pytest.mark.parametrize("name", ORDERS)
def test_the_computed_order_counts_the_first_steps(name):
    assert order_of_runs(diffusion.sampler(name)) == ORDERS[name]


@pytest.mark.parametrize(
    ("name", "start", "order"),
    [("unipc3", None, 3), ("unipc3", "runge-kutta", 4), ("dpmpp-3m", "corrected", 3), ("deis-tab3", "runge-kutta", 4)],
)
def test_the_computed_order_is_that_which_the_start_keeps(name, start, order):
    assert order_of_runs(diffusion.sampler(name, start=start)) == order


def test_the_computed_order_counts_the_last_steps_and_the_weights():
    assert order_of_runs(diffusion.sampler("unipc3", end=diffusion.taper(3))) == 2
    assert order_of_runs(diffusion.sampler("dpm3m@dpm-solver", end=diffusion.STOP)) == 2
    assert order_of_runs(diffusion.sampler("ipndm", start="runge-kutta")) == 2
    sampler = diffusion.dpm_solver_v3(diffusion.Statistics.of_prediction("data"), 3, end=diffusion.End(correct=False))
    assert order_of_runs(sampler) == 2


def test_the_page_of_orders_lists_every_sampler_as_it_is():
    text = sampler_orders.PAGE.halves[1]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert lines[0] == sampler_orders.HEADER
    rows = [row for row, _ in sampler_orders.rows([*diffusion.sampler_names(), *sampler_orders.FURTHER])]
    assert [line[:7] for line in lines[2:]] == [row.cells() for row in rows]
    for line in lines[2:]:
        assert abs(float(line[7]) - int(line[6])) < 0.15, line


@pytest.mark.parametrize("name", ["DPM++ 2M", "dpm++-2m", "DPMpp_2M"])
def test_two_pluses_are_spelt_out(name):
    assert diffusion.sampler(name) is diffusion.sampler("dpmpp-2m")


def test_a_misspelt_plus_plus_is_not_taken_for_another_solver():
    with pytest.raises(ValueError, match="did you mean 'dpmpp-2m'"):
        diffusion.sampler("DPM++2M")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Euler a", "take 'euler-ancestral'$"),
        ("DPM2 a Karras", r"take 'dpm2-ancestral' and grid='karras'"),
        ("dpmpp_2m_sde_karras", "take 'dpmpp-2m-sde' and grid='karras' for the times"),
        ("DPM++ 2M Karras", "take 'dpmpp-2m' and grid='karras' for the times"),
        ("Heun", "take 'edm-heun'$"),
        ("LMS Karras", "take 'lms4' and grid='karras'"),
        ("PLMS", "take 'ipndm'"),
        ("uni_pc", "take 'unipc2'"),
        ("ddim_ddim_uniform", "take 'ddim' and grid='ddim-uniform'"),
        ("x" * 10**6, "received one of 1000000 characters, 'xxxxxxxxxxxxxxxxxxxx' …$"),
    ],
)
def test_names_that_other_programs_have_are_told_what_they_are_here(name, message):
    with pytest.raises(ValueError, match=message):
        diffusion.sampler(name)


def test_names_that_are_none_are_not_kept():
    import tracemalloc

    def ask(count):
        for number in range(count):
            for find in (diffusion.sampler, expint.method):
                with pytest.raises(ValueError, match="expected"):
                    find(f"nothing-{number}-" + "z" * 5000)
                with pytest.raises(ValueError, match="expected"):
                    find(f"nothing{number}")

    ask(20)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    ask(40)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000  # 40 names of 5000 characters are 200 000
