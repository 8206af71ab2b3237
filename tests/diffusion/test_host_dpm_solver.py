"""The interface of DPM-Solver's code, against its recorded runs and its formulas."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters.dpm_solver import DPM_Solver, NoiseScheduleVP, model_wrapper
from diffusion.models.mixture import gaussian_mixture
from diffusion.process.prediction import convert

from .golden import mixture, runs

BETAS = np.linspace(1e-4, 0.02, 1000)
LINEAR = NoiseScheduleVP("linear")
TABLE = NoiseScheduleVP("discrete", betas=torch.from_numpy(BETAS))
NOISE = torch.from_numpy(mixture()[3])
EPS = gaussian_mixture(*mixture()[:3], LINEAR.process, predicts="noise")
OF_TABLE = gaussian_mixture(*mixture()[:3], TABLE.process, predicts="noise")


def names(run):
    return f"{run['alg']}/{run['id']}"


@pytest.mark.parametrize("run", runs("dpm_solver") + runs("dpm_solver_pp"), ids=names)
@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "a function"])
def test_recorded_runs_are_reproduced(run, wrapped):
    model_fn = model_wrapper(EPS, LINEAR) if wrapped else EPS
    found, states = DPM_Solver(model_fn, LINEAR, run["alg"]).sample(
        run["states"][0],
        run["steps"],
        t_end=1e-3,
        order=run["order"],
        skip_type=run["skip"],
        method=run["method"],
        solver_type=run["solver_type"],
        return_intermediate=True,
        exact=False,
    )
    scale = np.abs(run["states"]).max()
    np.testing.assert_allclose(states, run["states"], rtol=0, atol=run["tol"] * scale)
    np.testing.assert_array_equal(found, states[-1])


@pytest.mark.parametrize(("algorithm", "name"), [("dpmsolver", "dpm3m"), ("dpmsolver++", "dpmpp-3m")])
@pytest.mark.parametrize("skip", ["time_uniform", "time_quadratic", "logSNR"])
def test_order_three_is_exact_unless_the_origin_is_asked_for(algorithm, name, skip):
    grid = {
        "time_uniform": diffusion.grids.uniform(14, schedule=LINEAR.process),
        "time_quadratic": diffusion.grids.power(14, 2, schedule=LINEAR.process),
        "logSNR": diffusion.grids.uniform(14, "lambda", schedule=LINEAR.process),
    }[skip]
    solver = DPM_Solver(EPS, LINEAR, algorithm)
    for exact, sampler in ((True, name), (False, f"{name}@dpm-solver")):
        found = solver.sample(NOISE, 14, order=3, skip_type=skip, exact=exact)
        expected = diffusion.sample(EPS, NOISE, sampler=sampler, grid=grid)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_lower_orders_at_the_end_are_those_of_runs_of_less_than_ten_steps():
    solver, times = DPM_Solver(EPS, LINEAR), diffusion.grids.uniform(8, schedule=LINEAR.process)
    for lowered, end in ((True, diffusion.taper(2)), (False, diffusion.End())):
        sampler = diffusion.sampler("dpmpp-2m", end=end)
        found = solver.sample(NOISE, 8, lower_order_final=lowered, solver_type="taylor")
        torch.testing.assert_close(found, diffusion.sample(EPS, NOISE, sampler=sampler, grid=times), rtol=0, atol=1e-11)


def test_singlestep_with_times_uniform_in_time_is_our_sampler_of_that_name():
    solver = DPM_Solver(EPS, LINEAR)
    found = solver.sample(NOISE, 9, order=3, method="singlestep", skip_type="time_uniform")
    orders = diffusion.orders_for_calls(9, 3)
    expected = diffusion.sample(EPS, NOISE, sampler=diffusion.singlestep(orders, uniform="t"), steps=len(orders))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["noise", "x_start", "v", "score"])
def test_every_type_of_model_gives_the_same_samples_and_is_told_the_label(kind):
    ours = {"noise": "noise", "x_start": "data", "v": "velocity", "score": "score"}[kind]
    labels = []

    def model(x, label):
        labels.append(float(label[0]))
        t = (label / 1000 + 1 / 1000).double()
        return convert(
            OF_TABLE(x, t), x, TABLE.process.alpha(float(t[0])), TABLE.process.sigma(float(t[0])), "noise", ours
        )

    found = DPM_Solver(model_wrapper(model, TABLE, kind), TABLE).sample(NOISE, 6)
    expected = DPM_Solver(OF_TABLE, TABLE).sample(NOISE, 6)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(labels, np.linspace(999, 0, 7)[:-1], atol=1e-9)


def test_classifier_free_guidance_is_one_call_of_twice_the_batch():
    sizes = []

    def model(x, label, cond, *, factor):
        sizes.append(len(x))
        return factor * x * cond[:, None, None, None]

    condition, without = torch.full((3,), 0.5), torch.full((3,), 0.2)
    model_fn = model_wrapper(
        model, TABLE, model_kwargs={"factor": 2.0}, guidance_type="classifier-free", condition=condition,
        unconditional_condition=without, guidance_scale=3.0,
    )  # fmt: skip
    x = NOISE.float()
    torch.testing.assert_close(model_fn(x, torch.full((3,), 0.5)), 2.0 * x * (0.2 + 3.0 * 0.3))
    assert sizes == [6]


def test_classifier_guidance_moves_the_noise_by_the_gradient():
    def classifier(x, label, condition):
        return -(x**2).flatten(1).sum(1) * condition

    model_fn = model_wrapper(
        OF_TABLE_LABELLED,
        TABLE,
        guidance_type="classifier",
        condition=1e-3,
        guidance_scale=2.0,
        classifier_fn=classifier,
    )
    t = torch.full((3,), 0.4, dtype=torch.float64)
    expected = OF_TABLE(NOISE, t) + 2.0 * TABLE.process.sigma(0.4) * 2e-3 * NOISE
    torch.testing.assert_close(model_fn(NOISE, t), expected, rtol=0, atol=1e-9)
    assert torch.isfinite(DPM_Solver(model_fn, TABLE, "dpmsolver").sample(NOISE, 5)).all()


def OF_TABLE_LABELLED(x, label):
    return OF_TABLE(x, label / 1000 + 1 / 1000)


def test_data_are_thresholded_or_corrected_as_they_are_predicted():
    solver = DPM_Solver(EPS, LINEAR, correcting_x0_fn=lambda x0, t: x0.clamp(-0.3, 0.3))
    found = solver.sample(NOISE, 8, denoise_to_zero=True)
    assert found.abs().max() <= 0.3 + 1e-12
    dynamic = DPM_Solver(EPS, LINEAR, correcting_x0_fn="dynamic_thresholding", thresholding_max_val=0.5)
    assert dynamic.sample(NOISE, 8, denoise_to_zero=True).abs().max() <= 0.5 + 1e-12


def test_denoising_to_zero_is_one_more_call_that_gives_the_data():
    before, states = DPM_Solver(EPS, LINEAR).sample(NOISE, 7, return_intermediate=True)
    found, more = DPM_Solver(EPS, LINEAR).sample(NOISE, 7, denoise_to_zero=True, return_intermediate=True)
    assert len(more) == len(states) + 1 == 9
    torch.testing.assert_close(more[-2], before)
    torch.testing.assert_close(found, EPS.predict(before, 1e-3, "data"), rtol=0, atol=1e-10)


def test_any_sampler_runs_over_the_same_times():
    found = DPM_Solver(EPS, LINEAR).sample(NOISE, 8, skip_type="time_quadratic", sampler="deis-tab3")
    torch.testing.assert_close(found, diffusion.sample(EPS, NOISE, sampler="deis-tab3", steps=8), rtol=0, atol=1e-12)


def test_the_schedule_has_the_functions_of_the_origin():
    t = torch.linspace(0.01, 1.0, 5, dtype=torch.float64)
    for ns in (LINEAR, TABLE):
        torch.testing.assert_close(ns.marginal_log_mean_coeff(t).exp(), ns.marginal_alpha(t))
        torch.testing.assert_close(ns.marginal_std(t), (1 - ns.marginal_alpha(t) ** 2).sqrt())
        torch.testing.assert_close(ns.inverse_lambda(ns.marginal_lambda(t)), t)
    log_alpha = -0.25 * t**2 * 19.9 - 0.05 * t
    torch.testing.assert_close(LINEAR.marginal_log_mean_coeff(t), log_alpha)
    logs = 0.5 * np.cumsum(np.log(1 - BETAS))
    np.testing.assert_allclose(
        TABLE.marginal_log_mean_coeff(t), np.interp(t, np.arange(1, 1001) / 1000, logs), rtol=1e-9
    )


def test_tables_are_cut_off_where_the_origin_does():
    steps = np.arange(1001) / 1000
    alphas = np.cos((steps + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.minimum(1 - alphas[1:] / alphas[:-1], 0.999)
    ns = NoiseScheduleVP("discrete", betas=betas)
    table = np.cumprod(1 - betas)
    assert ns.total_N == np.count_nonzero(0.5 * np.log(table / (1 - table)) >= -5.1) < 1000
    np.testing.assert_allclose(ns.marginal_alpha(1.0) ** 2, table[ns.total_N - 1], rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: NoiseScheduleVP("cosine"), "schedule"),
        (lambda: NoiseScheduleVP("discrete"), "either betas or alphas_cumprod"),
        (lambda: NoiseScheduleVP("linear", betas=BETAS), "no table"),
        (lambda: model_wrapper(EPS, LINEAR, "eps"), "model_type"),
        (lambda: model_wrapper(EPS, LINEAR, guidance_type="free"), "guidance_type"),
        (lambda: model_wrapper(EPS, LINEAR, guidance_type="classifier"), "classifier_fn"),
        (lambda: DPM_Solver(EPS, LINEAR, "dpmsolver+++"), "algorithm_type"),
        (lambda: DPM_Solver(EPS, LINEAR, "dpmsolver", "dynamic_thresholding"), "dpmsolver\\+\\+"),
        (lambda: DPM_Solver(EPS, LINEAR).sample(NOISE, 8, method="adaptive"), "method"),
        (lambda: DPM_Solver(EPS, LINEAR).sample(NOISE, 8, skip_type="quad"), "skip_type"),
        (lambda: DPM_Solver(EPS, LINEAR).sample(NOISE, 2, order=3), "as many steps as the order"),
        (lambda: DPM_Solver(EPS, LINEAR).sample(NOISE, 8, skip_type="time_quadratic", method="singlestep"), "inner"),
        (lambda: DPM_Solver(EPS, LINEAR).sample(NOISE, 8, t_end=0.0), "t_end"),
    ],
)
def test_what_makes_no_sense_is_refused(call, says):
    with pytest.raises((ValueError, TypeError), match=says):
        call()
