"""Every option of every door of diffusion acts, or is refused; none is ignored."""

import contextlib
import inspect

import numpy as np
import pytest

import diffusion
import expint.run
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

VP = diffusion.VP.linear()
TABLE = diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000))
NOISE = mixture()[3]


def model(schedule=VP, **options):
    return gaussian_mixture(*mixture()[:3], schedule, **options)


def network(x, t, label=1.0):
    return model().network(x, t) * label


RUN = {"denoiser": model(diffusion.EDM(0.01, 20.0)), "noise": NOISE, "sampler": "dpmpp-2m", "steps": 5}
RUNS = {
    "denoiser": model(diffusion.VP.linear(t_end=0.01)),
    "noise": NOISE / 2,
    "data": NOISE / 2,
    "sampler": "ddim",
    "steps": 6,
    "grid": [0.9, 0.5, 0.1],
    "start": "state",
    "dense_output": True,
}
DOORS = {
    "sample": (diffusion.sample, RUN, RUNS),
    "trajectory": (diffusion.trajectory, RUN, RUNS),
    "encode": (diffusion.encode, {**{k: v for k, v in RUN.items() if k != "noise"}, "data": NOISE}, RUNS),
    "sampler": (
        diffusion.sampler,
        {"name": "dpmpp-3m"},
        {
            "name": "dpmpp-2m",
            "grid": diffusion.grids.published.karras,
            "start": "corrected",
            "end": diffusion.taper(3),
            "stochasticity": 0.5,
        },
    ),
    "Denoiser": (
        diffusion.Denoiser,
        {"network": network, "schedule": VP},
        {
            "network": lambda x, t: 0 * x,
            "predicts": "data",
            "schedule": diffusion.VP.cosine(t_start=0.98),
            "condition": {"label": 0.9},
            "discontinuities": (0.7,),
        },
    ),
    "singlestep": (
        diffusion.singlestep,
        {"orders": [3, 2, 1]},
        {"orders": [2, 2, 1], "gauge": "noise", "collocated": True, "uniform": "t"},
    ),
    "classifier_free": (
        diffusion.guidance.classifier_free,
        {
            "denoiser": diffusion.Denoiser(network, schedule=VP, condition={"label": 1.0}),
            "scale": 2.0,
            "unconditional": {"label": 0.8},
        },
        {
            "denoiser": diffusion.Denoiser(network, schedule=VP, condition={"label": 1.1}),
            "scale": 3.0,
            "unconditional": {"label": 0.9},
            "interval": (0.3, 0.6),
            "rescale": 0.5,
        },
    ),
    "classifier_guided": (
        diffusion.guidance.classifier_guided,
        {"denoiser": model(), "gradient": lambda x, t: -x},
        {"denoiser": diffusion.guidance.thresholded(model(), limit=0.2), "gradient": lambda x, t: -2 * x, "scale": 2.0},
    ),
    "thresholded": (
        diffusion.guidance.thresholded,
        {"denoiser": model()},
        {"denoiser": diffusion.Denoiser(lambda x, t: 0 * x, schedule=VP), "quantile": 0.5, "limit": 0.2},
    ),
    "VE": (diffusion.VE, {}, {"sigma_min": 0.1, "sigma_max": 20.0, "t_start": 0.9, "t_end": 0.1}),
    "EDM": (diffusion.EDM, {}, {"sigma_min": 0.1, "sigma_max": 20.0, "sigma_data": 1.0}),
    "FlowMatching": (
        diffusion.FlowMatching,
        {"shift": 2.0},
        {"shift": 3.0, "t_start": 0.9, "t_end": 0.1, "tells": "before"},
    ),
    "SubVP": (diffusion.SubVP, {}, {"vp": diffusion.VP.cosine(t_start=0.98)}),
    **{
        f"grids.{rule}": (
            getattr(diffusion.grids, rule),
            base | {"schedule": VP},
            {**changed, "steps": 4, "schedule": diffusion.VP.linear(t_start=0.9), "t_start": 0.8, "t_end": 0.2},
        )
        for rule, base, changed in (
            ("uniform", {"steps": 5}, {"clock": "rho"}),
            ("power", {"steps": 5, "exponent": 2.0}, {"exponent": 3.0, "clock": "rho"}),
            ("karras", {"steps": 5}, {"rho": 3.0}),
        )
    },
    "grids.timesteps": (
        diffusion.grids.timesteps,
        {"steps": 5, "schedule": TABLE, "spacing": "leading"},
        {
            "steps": 4,
            "schedule": diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 500)),
            "spacing": "trailing",
            "offset": 1,
            "final": "sigma_min",
            "spare": 0,
            "whole": False,
        },
    ),
    "grids.rounded": (diffusion.grids.rounded, {"grid": [0.71234, 0.31234]}, {"grid": [0.6, 0.2], "count": 10}),
    "grids.nearest": (
        diffusion.grids.nearest,
        {"grid": [0.7, 0.3], "times": [0.75, 0.55, 0.35]},
        {"grid": [0.56, 0.3], "times": [0.9, 0.55, 0.35]},
    ),
    "grids.through": (
        diffusion.grids.through,
        {"grid": np.array([0.9, 0.5, 0.1]), "times": [0.6]},
        {"grid": np.array([0.8, 0.5, 0.1]), "times": [0.4]},
    ),
}
WATCHED = {"callback", "progress", "rng", "gradient", "rtol", "atol", "events", "together"}
"""Tried below, and in test_noise.py, test_gradients.py, test_tolerance.py and test_parallel.py."""
INSTEAD = {"grid": "steps"}  # given in its place


def seen(result):
    """Return all that a user sees of a result, in a form that can be compared."""
    if isinstance(result, diffusion.Sampler):
        steps = len(result.end.methods) or 6
        times = result.grid(steps, VP)
        run = diffusion.trajectory(model(), NOISE, sampler=result, grid=times, rng=7 if result.stochastic else None)
        return run.t.tolist(), run.y.tolist(), run.calls
    if isinstance(result, diffusion.Denoiser):
        run = diffusion.trajectory(result, NOISE, sampler="deis-rhoab2", steps=6)
        return run.t.tolist(), run.y.tolist()
    if isinstance(result, diffusion.NoiseSchedule):
        t = np.linspace(result.t_start, result.t_end, 5)
        return (
            t.tolist(),
            result.alpha(t).tolist(),
            result.sigma(t).tolist(),
            result.sigma_data,
            np.asarray(result.network_time(t)).tolist(),
        )
    if hasattr(result, "states"):
        return result.t.tolist(), result.y.tolist(), result.sol is None
    return np.asarray(result).tolist()


@pytest.mark.parametrize("door", DOORS)
def test_every_option_is_tried_here(door):
    function, base, changed = DOORS[door]
    names = set(inspect.signature(function).parameters)
    assert names - WATCHED <= {*changed}
    assert {*base} <= names


@pytest.mark.parametrize(
    ("door", "name"),
    [
        (door, name)
        for door, (function, _, changed) in DOORS.items()
        for name in changed
        if name in inspect.signature(function).parameters
    ],
)
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
def test_every_option_acts(door, name):
    function, base, changed = DOORS[door]
    if name == "whole":
        base = {**base, "spacing": "linspace"}  # the others are
    options = {**base, name: changed[name]}
    if name == "collocated" or (door in ("sample", "trajectory", "encode") and name == "grid"):
        options.pop(INSTEAD.get(name, ""), None)
    assert seen(function(**options)) != seen(function(**base))


@pytest.mark.parametrize("door", ["sample", "trajectory", "encode"])
def test_callback_is_called_and_progress_asks_for_a_bar(door, monkeypatch):
    function, base, _ = DOORS[door]
    times = []
    function(**base, callback=lambda t, x: times.append(t))
    assert len(times) == base["steps"] + 1
    shown = []
    monkeypatch.setattr(
        expint.run.record, "progress_bar", lambda asked, *rest: shown.append(asked) or contextlib.nullcontext(bool)
    )
    function(**base)
    function(**base, progress=True)
    assert shown == [False, True]


@pytest.mark.parametrize("change", [{"start": "corrected"}, {"end": diffusion.taper(2)}])
def test_what_a_sampler_has_no_use_for_is_refused(change):
    if "end" in change:
        assert seen(diffusion.sampler("dpmpp-2m", **change)) != seen(diffusion.sampler("dpmpp-2m"))
        return
    for name in ("edm-heun", "dpm2-time", "krogstad4-data"):
        with pytest.raises(ValueError, match="start"):
            diffusion.sampler(name, **change)


@pytest.mark.parametrize(
    "change", [{"grid": diffusion.grids.published.karras}, {"start": "runge-kutta"}, {"end": diffusion.End(zero=1)}]
)
def test_what_is_changed_on_the_automatic_rule_acts_or_is_refused(change):
    try:
        changed = diffusion.sampler("auto", **change)
    except (TypeError, ValueError) as refused:
        assert next(iter(change)) in str(refused)  # noqa: PT017  # some are refused
        return
    runs = [diffusion.trajectory(model(), NOISE, sampler=one, steps=6) for one in (changed, "auto")]
    assert seen(runs[0]) != seen(runs[1])
