"""Compiled runs that choose their steps: those of the plain loop, their derivatives, and how they fail."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import expint
from expint.operators import Dense
from expint.run import Controller
from expint.run.control.controller import approach
from expint.run.control.steps import StepPolicy, Steps

SYMBOL = np.array([-1.0, -20.0, -0.3, 0.5])
START = np.array([0.1, 0.4, -0.2, 0.3])
LAWSON = "lawson-bogacki-shampine32"  # its weights are exponentials, which are compiled in no time


def pulse(t: Any, y: Any, rate: Any = 1.0) -> Any:
    """Rests at first, wakes up, and turns."""
    return rate * (-(y**2) + 2.0 * abs(t - 1.0) / (1.0 + (t - 2.0) ** 4))


def faint(t: Any, y: Any) -> Any:
    """Does nothing until a pulse of a tenth of the span."""
    return 5.0 / (1.0 + ((t - 2.0) / 0.05) ** 8) + 0 * y


def problem(y0: Any, linear: Any = SYMBOL, nonlinear: Any = pulse) -> expint.SemilinearProblem:
    return expint.SemilinearProblem(linear, nonlinear, y0, (0.0, 3.0))


def plain(method: str, rtol: float, nonlinear: Any, **options: Any) -> expint.Solution:
    """The loop where an event is watched: it then looks at a resting N by short steps alone, as the compiled one."""
    always = {"linear": SYMBOL, "method": method, "rtol": rtol, "events": lambda t, y: 1.0}
    return expint.solve_ivp(nonlinear, (0.0, 3.0), START, **always, **options)


@pytest.mark.parametrize(
    ("method", "rtol", "nonlinear", "options"),
    [
        ("etd34", 1e-4, pulse, {}),
        ("lawson-bogacki-shampine32", 1e-6, faint, {"atol": 1e-9}),
        ("lawson-bogacki-shampine32", 1e-5, pulse, {"norm": "max", "max_step": 0.2, "first_step": 0.1}),
        ("lawson-rk43", 1e-5, pulse, {"controller": Controller((0.49, -0.34, 0.1))}),
    ],
)
def test_the_steps_are_those_of_the_plain_loop(
    jax: ModuleType, method: str, rtol: float, nonlinear: Any, options: dict[str, Any]
) -> None:
    own = problem(jax.numpy.asarray(START), nonlinear=nonlinear)
    found = expint.scan(own, method=method, rtol=rtol, **options).reached()
    expected = plain(method, rtol, nonlinear, **options)
    assert found.status == 0
    assert found.t == 3.0
    assert (int(found.steps), int(found.rejected)) == (expected.stats.steps, expected.stats.rejected)
    np.testing.assert_allclose(found.y, expected.y_end, rtol=1e-11, atol=1e-14)


def test_decisions_are_those_of_the_policy_whatever_the_errors(jax: ModuleType) -> None:
    from expint.run.compiled.jax_tolerance import traced as in_arrays
    from expint.run.control.many import EachSteps

    rng = np.random.default_rng(0)
    for rungs, beta in ((8, (0.7, -0.4, 0.0)), (2, (0.49, -0.34, 0.1)), (1, (1.0, 0.0, 0.0))):
        own = StepPolicy(Controller(beta), 3, 10.0, rungs, largest=4.0, at_rest=0.5)
        traced = in_arrays(own)
        for n in range(60):
            h, previous, *errors, error = (10.0 ** rng.uniform(-4, 1, 6)).tolist()
            state = own.prepare(Steps(h, 3, previous, tuple(errors)))
            tried = state.h if n % 3 else rng.uniform(0.2, 1.0) * state.h
            state = state._replace(previous=tried) if n % 2 else state
            told = EachSteps(*map(jax.numpy.asarray, (state.h, state.previous, *errors)))
            after = own.accepted(state, tried, error, 3, None, 1.0)
            assert traced.accepted(told, tried, error).h == pytest.approx(after.h, rel=1e-14)
            assert traced.prepare(..., told).h == pytest.approx(own.prepare(state).h, rel=1e-14)
            for wrong in (1.0 + error, np.inf):
                shorter = own.rejected(state, tried, wrong, 3, None).h
                assert traced.rejected(told, tried, wrong).h == pytest.approx(shorter, rel=1e-14)
            assert traced.watchful(..., told).h == own.watchful(state).h
            t, stop = rng.uniform(0, 3), 3.0
            length, lands = traced.approach(told, jax.numpy.asarray(t), stop)
            assert (float(length), bool(lands)) == pytest.approx(approach(state.h, state.h, t, stop, state.previous))


def plain_end(y0: Any, rate: float, rtol: float) -> np.ndarray:
    given = expint.SemilinearProblem(SYMBOL, lambda t, y: pulse(t, y, rate), y0, (0.0, 3.0))
    return expint.solve(given, "lawson-dormand-prince54", rtol=rtol).y_end


def test_runs_are_compiled_vectorised_and_differentiated(jax: ModuleType) -> None:
    """Backwards and forwards to rounding, since both freeze the same steps; and as the solution itself changes."""
    y0, args = jax.numpy.asarray(START), (0.8,)
    run = expint.scan(problem(y0), method=LAWSON, rtol=1e-6, args=args)
    ahead = expint.scan(problem(y0), method=LAWSON, rtol=1e-6, args=args, gradient="forward")
    several = jax.numpy.stack([y0, 2 * y0, -y0])
    np.testing.assert_allclose(jax.vmap(run)(several), [run(y) for y in several], rtol=1e-12)
    backward, by_rate = jax.jit(jax.jacrev(lambda y, rate: run(y, args=(rate,)), (0, 1)))(y0, 0.8)
    np.testing.assert_allclose(backward, jax.jit(jax.jacfwd(ahead))(y0), rtol=1e-10, atol=1e-13)
    ends = [[plain_end(START + sign * e, 0.8, 1e-10) for sign in (1, -1)] for e in 1e-4 * np.eye(4)]
    np.testing.assert_allclose(backward.T, [(up - down) / 2e-4 for up, down in ends], rtol=1e-4, atol=1e-5)
    expected = (plain_end(START, 0.8001, 1e-10) - plain_end(START, 0.7999, 1e-10)) / 2e-4
    np.testing.assert_allclose(by_rate, expected, rtol=1e-4, atol=1e-5)


def test_what_nonlinear_holds_has_gradients_and_tolerances_are_arguments(jax: ModuleType) -> None:
    y0 = jax.numpy.asarray(START)

    def loss(rate: Any) -> Any:
        given = problem(y0, nonlinear=lambda t, y: pulse(t, y, rate))
        return expint.scan(given, method=LAWSON, rtol=1e-6)().sum()

    expected = (plain_end(START, 0.7001, 1e-10) - plain_end(START, 0.6999, 1e-10)).sum() / 2e-4
    assert jax.grad(loss)(0.7) == pytest.approx(expected, rel=1e-4)
    run = expint.scan(problem(y0), method=LAWSON, rtol=1e-6)
    counts = [int(run.reached(rtol=rtol).steps) for rtol in (1e-3, 1e-5, 1e-7)]
    assert counts[0] < counts[1] < counts[2]
    assert run._runs.run._cache_size() == 1


def test_single_precision_is_what_jax_has_by_default() -> None:
    jax = pytest.importorskip("jax")
    found = expint.scan(problem(jax.numpy.asarray(START)), method=LAWSON, rtol=1e-4).reached()
    assert found.status == 0
    assert found.y.dtype == np.float32
    np.testing.assert_allclose(found.y, plain_end(START, 1.0, 1e-8), rtol=3e-3, atol=1e-4)


def test_a_run_that_does_not_get_to_its_end_says_why(jax: ModuleType) -> None:
    y0 = jax.numpy.asarray([1.0])
    explodes = expint.SemilinearProblem(-0.1, lambda t, y: y**2, y0, (0.0, 3.0))
    run = expint.scan(explodes, method=LAWSON, rtol=1e-6)
    found = run.reached()
    assert expint.Status(int(found.status)) is expint.Status.STEP_TOO_SMALL
    assert float(found.t) == pytest.approx(-10 * np.log(0.9), rel=1e-5)  # where it goes to infinity
    assert np.isnan(run()).all()
    few = expint.scan(problem(jax.numpy.asarray(START)), method=LAWSON, rtol=1e-8, max_steps=5).reached()
    assert expint.Status(int(few.status)) is expint.Status.TOO_MANY_STEPS
    assert int(few.steps + few.rejected) == 5


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda y: expint.scan(problem(y), rtol=1e-6, step=0.1), ValueError, "received step beside rtol"),
    (lambda y: expint.scan(problem(y), step=0.1, max_steps=7), ValueError, "received max_steps beside fixed"),
    (lambda y: expint.scan(problem(y), rtol=1e-6, method="adams4"), TypeError, "one-step method .* received adams4"),
    (lambda y: expint.scan(problem(y), rtol=1e-6, method="krogstad4"), ValueError, "method with an error estimate"),
    (lambda y: expint.scan(problem(y, Dense(np.diag(SYMBOL))), rtol=1e-6), TypeError, "elementwise, received Dense"),
    (lambda y: expint.scan(problem(START), rtol=1e-6), TypeError, "expected a state of JAX"),
    (lambda y: expint.scan(problem(y), rtol=1e-20), ValueError, "expected rtol of at least"),
    (lambda y: expint.scan(problem(y), rtol=1e-6, gradient="both"), ValueError, "expected gradient to be one of"),
    (lambda y: expint.scan(problem(y), rtol=1e-6)(0 * y), ValueError, "expected atol= for a run from zero"),
    (lambda y: expint.scan(problem(y), rtol=1e-6)(y[:2]), ValueError, r"expected y0 of shape \(4,\)"),
]


@pytest.mark.parametrize(("call", "error", "said"), REFUSED, ids=[said[:40] for _, _, said in REFUSED])
def test_what_cannot_be_compiled_is_refused_by_name(
    jax: ModuleType, call: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        call(jax.numpy.asarray(START))
