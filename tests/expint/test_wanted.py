"""Times that are asked for are no steps: they cost what dense output costs, and are as good as the steps."""

import math

import numpy as np
import pytest

import expint

MANY = np.linspace(0.0, 2.0, 1001)
RATES = np.array([-1.0, -30.0, -300.0])
KINDS = ["auto", "pec3", "adams4", "expint43", "etd35", "exprb43", "lawson-dormand-prince54"]
"""One of each kind; that all methods are as good between their steps as at them is in ``test_between``."""


def exact(t):
    return np.cos(np.asarray(t))[..., None] * np.ones(3)


def nonlinear(t, y):
    return -np.sin(t) - RATES * np.cos(t) + 0.3 * (y**2 - np.cos(t) ** 2)


def run(t_eval=MANY, **options):
    told = {"linear": RATES, "rtol": 1e-5, "atol": 1e-5, **options}
    return expint.solve_ivp(nonlinear, (0, 2), exact(0.0), t_eval=t_eval, **told)


def spread(solution) -> float:
    """The largest error of a run, whose times may be any."""
    return float(np.max(np.abs(solution.y - exact(solution.t))))


@pytest.mark.parametrize("method", KINDS)
def test_states_at_a_thousand_times_err_little_more_than_the_steps(method: str) -> None:
    steps, wanted = run(None, method=method), run(method=method)
    assert wanted.t.tolist() == MANY.tolist()
    assert wanted.stats.steps == steps.stats.steps
    assert spread(wanted) < 10 * max(spread(steps), 1e-6)


@pytest.mark.parametrize("method", ["auto", "pec5", "expint43", "exprb43", "lawson-dormand-prince54"])
def test_states_of_a_rotation_are_as_good_between_the_steps(method: str) -> None:
    def solve(t_eval, rtol):
        return expint.solve_ivp(
            lambda t, y: -(abs(y) ** 2) * y, (0, 2), y0, linear=20j, method=method, rtol=rtol, atol=rtol, t_eval=t_eval
        )

    y0 = np.array([1.0 + 0.5j, 0.3j])

    def flow(t):  # |y|² = a² / (1 + 2 a² t)
        return np.exp(20j * t)[:, None] * y0 / np.sqrt(1 + 2 * abs(y0) ** 2 * t[:, None])

    found = solve(MANY, 1e-6)
    assert np.max(np.abs(found.y - flow(MANY))) < 2e-5
    assert found.stats.steps == solve(None, 1e-6).stats.steps


def test_a_thousand_times_cost_an_adams_pair_nothing_and_a_method_with_stages_a_few_evaluations_a_step() -> None:
    pair, none = run(method="auto"), run(None, method="auto")
    assert pair.calls == none.calls
    stages, alone = run(method="expint43"), run(None, method="expint43")
    assert stages.calls - alone.calls <= 4 * alone.stats.steps  # three, and one more where L damps


def test_steps_end_at_the_times_asked_for_where_this_is_asked_for() -> None:
    seen: list[float] = []
    landed = run([0.3, 0.7, 2.0], land=True, method="expint43", callback=lambda t, y: seen.append(t))
    assert {0.3, 0.7} < set(seen)
    assert landed.t.tolist() == [0.3, 0.7, 2.0]
    seen.clear()
    run([0.3, 0.7, 2.0], method="expint43", callback=lambda t, y: seen.append(t))
    assert not {0.3, 0.7} & set(seen)


def test_a_wanted_time_on_which_a_step_ends_gets_the_state_of_the_step() -> None:
    steps = run(None, method="auto")
    some = steps.t[[0, 3, 4, -1]]
    np.testing.assert_array_equal(run(some, method="auto").y, steps.y[[0, 3, 4, -1]])


DOORS = {
    "split": lambda **o: expint.solve_ivp(lambda t, y: np.cos(t) * y - y**2, linear=-2.0, **o),
    "backwards": lambda **o: expint.solve_ivp(
        lambda t, y: np.cos(t) * y, linear=0.2, **o | {"t_span": (2, 0), "t_eval": o["t_eval"][::-1]}
    ),
    "unsplit": lambda **o: expint.solve_ivp(lambda t, y: np.cos(t) * y - y**2, **o),
    "breakpoints": lambda **o: expint.solve_ivp(lambda t, y: (t < 1) * y - y**2, linear=-1.0, breakpoints=[1.0], **o),
    "doubling": lambda **o: expint.solve_ivp(
        lambda t, y: -(y**2), linear=-2.0, method="krogstad4", error="doubling", **o
    ),
    "L over time": lambda **o: expint.solve_ivp(
        lambda t, y: -(y**2), linear=expint.operators.TimeDependent(lambda t: -1.0 - np.sin(t)), **o
    ),
    "clock": lambda **o: expint.solve_ivp(
        lambda t, y: -(y**2), linear=expint.operators.TimeScaled(lambda t: 1.0 + t, -1.0), **o
    ),
    "events": lambda **o: expint.solve_ivp(
        lambda t, y: np.cos(t) * y - y**2, linear=-2.0, events=lambda t, y: y[0] - 0.5, **o
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_answers_between_its_steps_within_the_tolerance(door: str) -> None:
    wanted = np.linspace(0, 2, 41)
    told = {"t_span": (0, 2), "y0": np.array([0.9, 0.4]), "atol": 1e-6, "t_eval": wanted}
    found, exactly = DOORS[door](rtol=1e-6, **told), DOORS[door](rtol=1e-10, **told | {"atol": 1e-10}, land=True)
    assert found.t.tolist() == exactly.t.tolist()
    assert np.max(np.abs(found.y - exactly.y)) < 2e-5
    assert found.stats.steps < exactly.stats.steps


def test_a_splitting_to_a_tolerance_answers_at_the_times_of_its_grid() -> None:
    def flow(t, duration, y):
        return y / (1 + duration * y)

    y0, times = np.array([0.5, 1.0]), np.linspace(0, 2, 41)
    told = {"method": expint.method("strang"), "linear": -1.0, "flow": flow, "y0": y0}
    found = expint.run_splitting(grid=times, rtol=1e-6, **told)
    decay = np.exp(-times)[:, None]
    np.testing.assert_allclose(found.y, decay * y0 / (1 + y0 * (1 - decay)), rtol=2e-5)
    assert found.t.tolist() == times.tolist()
    assert set(times[1:]) <= set(expint.run_splitting(grid=times, rtol=1e-6, land=True, **told).t)


def test_a_terminal_event_ends_the_times_that_are_answered() -> None:
    def half(t, y):
        return y[0] - 0.5

    half.terminal = True
    times = np.linspace(0, 2, 201)
    found = expint.solve_ivp(lambda t, y: 0 * y, (0, 2), [1.0], linear=-1.0, events=half, rtol=1e-8, t_eval=times)
    assert found.t.tolist() == times[times <= math.log(2)].tolist()
    np.testing.assert_allclose(found.y[:, 0], np.exp(-found.t), rtol=1e-7)


def test_a_run_that_is_interrupted_keeps_the_states_at_the_times_that_it_has_passed() -> None:
    def breaking(t, y):
        if t > 1.2:
            raise KeyboardInterrupt
        return nonlinear(t, y)

    with pytest.raises(KeyboardInterrupt) as caught:
        expint.solve_ivp(breaking, (0, 2), exact(0.0), linear=RATES, rtol=1e-5, atol=1e-5, t_eval=MANY)
    kept = caught.value.solution
    assert 500 < len(kept.t) < 602
    assert spread(kept) < 1e-4


def test_n_that_is_not_finite_between_the_steps_ends_the_run_by_name() -> None:
    steps = run(None, method="expint43").t

    def holes(t, y):
        return nonlinear(t, y) if np.any(abs(t - np.concatenate([steps, nodes])) < 1e-9) else math.nan * y

    asked: list[float] = []
    expint.solve_ivp(
        lambda t, y: asked.append(t) or nonlinear(t, y), (0, 2), exact(0.0), linear=RATES, method="expint43",
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip
    nodes = np.array(asked)
    found = expint.solve_ivp(
        holes, (0, 2), exact(0.0), linear=RATES, method="expint43", rtol=1e-5, atol=1e-5, t_eval=MANY
    )
    assert found.status is expint.Status.NON_FINITE
    assert "land=True" in found.message


def test_gradients_flow_to_the_states_between_the_steps() -> None:
    torch = pytest.importorskip("torch")
    y0 = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    found = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), y0, linear=-1.0, rtol=1e-8, t_eval=[0.37])
    (slope,) = torch.autograd.grad(found.y[0].sum(), y0)
    decay = math.exp(-0.37)
    np.testing.assert_allclose(slope, decay / (1 + y0.detach() * (1 - decay)) ** 2, rtol=1e-6)


STEPS = [{"rtol": 1e-6}, {"rtol": 1e-6, "land": True}, {"step": 0.05}, {"rtol": 1e-6, "breakpoints": [0.5]}]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("t_eval", [None, [0.0, 0.31, 0.5, 1.0]])
def test_save_keeps_what_it_returns_in_place_of_the_states(steps: dict, t_eval: list[float] | None) -> None:
    told = {"linear": -1.0, "t_eval": t_eval, **steps}
    y0 = np.array([0.5, 1.0, 2.0])
    plain = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), y0, **told)
    energy = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), y0, save=lambda t, y: float(y @ y), **told)
    assert energy.t.tolist() == plain.t.tolist()
    np.testing.assert_array_equal(energy.saved, np.array([y @ y for y in plain.y]))
    np.testing.assert_array_equal(energy.y, plain.y[-1:])
    assert plain.saved is None
    several = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), y0, save=lambda t, y: {"slice": y[:2], "time": t}, **told)
    np.testing.assert_array_equal(several.saved["slice"], plain.y[:, :2])
    assert several.saved["time"].tolist() == plain.t.tolist()


def test_save_works_in_the_clock_in_splittings_and_for_tensors() -> None:
    clock = expint.solve_ivp(
        lambda t, y: 0 * y, (0, 1), [1.0], linear=expint.operators.TimeScaled(lambda t: 1 + t, -1.0), rtol=1e-8,
        t_eval=[0.25, 1.0], save=lambda t, y: t,
    )  # fmt: skip
    assert clock.saved.tolist() == [0.25, 1.0]
    split = expint.run_splitting(
        expint.method("strang"), -1.0, lambda t, d, y: y, [1.0], [0, 0.5, 1], save=lambda t, y: y[0]
    )
    np.testing.assert_allclose(split.saved, np.exp([0, -0.5, -1]))
    torch = pytest.importorskip("torch")
    y0 = torch.ones(3)
    tensors = expint.solve_ivp(lambda t, y: 0 * y, (0, 1), y0, linear=-1.0, step=0.5, save=lambda t, y: y.sum())
    assert torch.is_tensor(tensors.saved)
    assert tensors.saved.shape == (3,)


@pytest.mark.parametrize(
    ("save", "error", "message"),
    [
        (3, TypeError, "expected save"),
        (lambda t, y: "a", TypeError, r"expected save\(t, y\) to return a number, an array, or a dict of them"),
        (lambda t, y: None, TypeError, r"received NoneType"),
        (lambda t, y: y[: 1 + (t > 0.3)], ValueError, "at every time, as at the first, received shape"),
    ],
)
def test_what_cannot_be_saved_is_refused_by_name(save: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        expint.solve_ivp(lambda t, y: -(y**2), (0, 1), np.ones(3), linear=-1.0, step=0.5, save=save)


def test_a_failing_run_keeps_what_was_saved_and_its_last_good_state() -> None:
    found = expint.solve_ivp(lambda t, y: y**2, (0, 2), [1.0], linear=0.0, rtol=1e-6, save=lambda t, y: y[0])
    assert not found.success
    assert found.saved.shape == found.t.shape
    assert found.y.shape == (1, 1)
    assert found.y_end[0] >= found.saved[-1]
