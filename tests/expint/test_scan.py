"""Compiled runs with fixed steps: equal to the plain loop for every method, transformed, and refused by name."""

import pickle
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import expint
from expint.derive.kinds.stage import kind_of_method
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum
from expint.run import over_plan

SYMBOL = np.array([-1.0, -20.0, -0.3, 0.5])
MATRIX = np.diag(SYMBOL) + 0.1
START = np.array([0.1, 0.4, -0.2, 0.3])
OPERATORS: dict[str, Any] = {
    "number": -1.5,
    "symbol": SYMBOL,
    "dense": Dense(MATRIX),
    "block-diagonal": BlockDiagonal(MATRIX),
    "kronecker": KroneckerSum(MATRIX + MATRIX.T),
}
METHODS = [name for name in expint.method_names() if hasattr(expint.method(name), "recipe")]
FIXED = [name for name in METHODS if kind_of_method(expint.method(name)) in ("fixed L", "follows fields")]
FOR_FIELDS = {"cf4", "magnus4"}  # they ask for L(t) and no N
KINDS = ["adams3", "pec4", "eglm433", "modified-generalised-lawson42"]


def react(t: Any, y: Any, rate: Any = 1.0) -> Any:
    return -rate * y**2 + 0.3 * t


def problem(y0: Any, linear: Any = SYMBOL, nonlinear: Any = react) -> expint.SemilinearProblem:
    return expint.SemilinearProblem(linear, nonlinear, y0, (0.0, 1.0))


def plain(y0: Any, method: str, **options: Any) -> Any:
    return expint.solve(problem(y0, **options.pop("of", {})), method, **options).y


@pytest.mark.parametrize("name", [name for name in FIXED if name not in FOR_FIELDS])
def test_every_method_takes_the_steps_of_the_plain_loop(name: str) -> None:
    """The rows are laid out as for a compiler, and run as they are: what is stacked, kept and dropped is all seen."""
    torch = pytest.importorskip("torch")
    y0 = torch.tensor(START)
    for grid in (np.linspace(0, 1, 12), np.linspace(0, 1, 11) ** 2):
        plan = expint.lower(expint.method(name), Diagonal(SYMBOL), grid, like=y0)
        run = expint.scan(plan, react, backend="eager")
        expected = [reached.y.numpy() for reached in over_plan(plan, react, y0)]
        np.testing.assert_allclose(run.states(y0), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_method_compiled_by_jax_takes_them_too(jax: ModuleType, name: str) -> None:
    y0 = jax.numpy.asarray(START)
    run = expint.scan(problem(y0), method=name, step=0.05)
    np.testing.assert_allclose(run.states(), plain(START, name, step=0.05), rtol=1e-13, atol=1e-15)
    expected = expint.solve(problem(np.asarray(2 * y0)), name, step=0.025, t_span=(0, 0.5)).y
    np.testing.assert_allclose(run.states(2 * y0, step=0.025), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_is_run_without_compiling_for_another_step_size(jax: ModuleType, name: str) -> None:
    y0 = jax.numpy.asarray(START)
    run = expint.scan(problem(y0, OPERATORS[name]), method="pec3", step=0.05)
    np.testing.assert_allclose(run(), plain(START, "pec3", of={"linear": OPERATORS[name]}, step=0.05)[-1], rtol=1e-12)
    count = compilations(jax, lambda: run(step=0.03))
    expected = expint.solve(problem(START, OPERATORS[name]), "pec3", step=0.03, t_span=(0, 0.6)).y_end
    np.testing.assert_allclose(run(step=0.03), expected, rtol=1e-12)
    assert count == 0


def compilations(jax: ModuleType, call: Any) -> int:
    """How often XLA compiles while ``call`` runs, once more after a first time for what surrounds it."""
    call()
    found: list[str] = []

    def heard(event: str, duration: float, **_: Any) -> None:
        found.extend([event] if "backend_compile" in event else [])

    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        call()
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)
    return len(found)


def test_what_is_traced_does_not_grow_with_the_number_of_steps(jax: ModuleType) -> None:
    y0 = jax.numpy.asarray(START)
    for name in ("krogstad4", "adams4"):
        sizes = {
            steps: len(str(jax.make_jaxpr(expint.scan(problem(y0), method=name, step=1 / steps))(y0)))
            for steps in (40, 400)
        }
        assert sizes[400] < 1.02 * sizes[40]


def test_runs_are_differentiated_vectorised_and_compiled(jax: ModuleType) -> None:
    y0 = jax.numpy.asarray(START)
    run = expint.scan(problem(y0), method="etd2rk", step=0.1)
    forward, backward = jax.jacfwd(run)(y0), jax.jit(jax.jacrev(run))(y0)
    np.testing.assert_allclose(forward, backward, rtol=1e-12, atol=1e-14)
    shifts = 1e-6 * np.eye(4)
    ends = [[plain(START + sign * e, "etd2rk", step=0.1)[-1] for sign in (1, -1)] for e in shifts]
    np.testing.assert_allclose(forward.T, [(up - down) / 2e-6 for up, down in ends], rtol=1e-6, atol=1e-9)
    several = jax.numpy.stack([y0, -y0])
    np.testing.assert_allclose(jax.vmap(run)(several), [run(y) for y in several], rtol=1e-13)
    saving = expint.scan(problem(y0), method="etd2rk-midpoint", step=0.01, checkpoint=True)
    keeping = expint.scan(problem(y0), method="etd2rk-midpoint", step=0.01)
    sums = [jax.grad(lambda y, run=run: (run(y) ** 2).sum())(y0) for run in (saving, keeping)]
    np.testing.assert_allclose(*sums, rtol=1e-13)
    np.testing.assert_allclose(saving.states(), keeping.states(), rtol=1e-13)


def test_step_size_symbol_and_parameters_have_gradients(jax: ModuleType) -> None:
    y0, symbol = jax.numpy.asarray(START), jax.numpy.asarray(SYMBOL)
    run = expint.scan(problem(y0), method="etd2rk-midpoint", step=0.1, args=(1.0,))

    def loss(h: Any, linear: Any, rate: Any) -> Any:
        return (run(step=h, linear=linear, args=(rate,)) ** 2).sum()

    at = (0.07, symbol, 0.8)
    by_step, by_symbol, by_rate = jax.grad(loss, (0, 1, 2))(*at)

    def plain_loss(h: float, linear: Any, rate: float) -> float:
        given = problem(START, np.asarray(linear), lambda t, y: react(t, y, rate))
        return float(
            (expint.solve(given, "etd2rk-midpoint", grid=h * np.arange(11), t_span=(0, h * 10)).y_end ** 2).sum()
        )

    e = 1e-6
    assert loss(*at) == pytest.approx(plain_loss(*at), rel=1e-13)
    assert by_step == pytest.approx((plain_loss(0.07 + e, *at[1:]) - plain_loss(0.07 - e, *at[1:])) / 2 / e, rel=1e-6)
    assert by_rate == pytest.approx((plain_loss(*at[:2], 0.8 + e) - plain_loss(*at[:2], 0.8 - e)) / 2 / e, rel=1e-6)
    shifts = e * np.eye(4)
    expected = [(plain_loss(0.07, symbol + own, 0.8) - plain_loss(0.07, symbol - own, 0.8)) / 2 / e for own in shifts]
    np.testing.assert_allclose(by_symbol, expected, rtol=1e-5, atol=1e-9)


def test_parameters_that_nonlinear_holds_have_gradients(jax: ModuleType) -> None:
    def loss(rate: Any) -> Any:
        given = problem(jax.numpy.asarray(START), nonlinear=lambda t, y: react(t, y, rate))
        return expint.scan(given, method="etd2rk", step=0.1)().sum()

    assert jax.jit(jax.grad(loss))(0.7) == pytest.approx(float(loss(0.7 + 1e-6) - loss(0.7 - 1e-6)) / 2e-6, rel=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "complex64"])
def test_precision_and_kind_of_the_state_are_kept(jax: ModuleType, dtype: str) -> None:
    y0 = jax.numpy.asarray(START).astype(dtype)
    symbol = SYMBOL * 1j if "complex" in dtype else SYMBOL
    got = expint.scan(problem(y0, symbol), method="etd2rk", step=0.1)()
    expected = plain(y0, "etd2rk", of={"linear": symbol}, step=0.1)[-1]
    assert got.dtype == y0.dtype
    eps = float(jax.numpy.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(got, complex), np.asarray(expected, complex), rtol=40 * eps, atol=eps)


def test_a_plan_is_run_with_the_numbers_of_another(jax: ModuleType) -> None:
    y0, method = jax.numpy.asarray(START), expint.method("krogstad4")
    grids = [np.linspace(0, 1, 11), np.linspace(0, 2, 11)]
    plans = [expint.lower(method, Diagonal(SYMBOL), grid, like=y0) for grid in grids]
    run = expint.scan(plans[0], react)
    assert compilations(jax, lambda: run(y0, plan=plans[1])) == 0
    for plan in plans:
        expected = [reached.y for reached in over_plan(plan, react, y0)][-1]
        np.testing.assert_allclose(run(y0, plan=plan), expected, rtol=1e-13)


def test_runs_go_backwards_and_are_pickled(jax: ModuleType) -> None:
    y0 = jax.numpy.asarray(START)
    there = expint.scan(problem(y0, -1.5), method="etd3rk", step=0.02)
    back = expint.scan(problem(y0, -1.5), method="etd3rk", step=0.02, t_span=(1.0, 0.0))
    np.testing.assert_allclose(back(there()), y0, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(lambda h: back(there(), step=h))(0.02), y0, rtol=1e-5)
    again = pickle.loads(pickle.dumps(there))
    np.testing.assert_array_equal(again(), there())


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch looks at it where it compiles
def test_torch_compiles_a_step_and_keeps_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch.compile captures is run without generating code, which takes a minute; benchmarks do that."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    y0 = torch.tensor(START, requires_grad=True)
    for name in ("krogstad4", "adams3"):
        run = expint.scan(problem(y0), method=name, step=0.05, backend="inductor")
        expected = plain(y0, name, step=0.05)[-1]
        np.testing.assert_allclose(run().detach(), expected.detach(), rtol=1e-13)
        slopes = [torch.autograd.grad((end**2).sum(), y0)[0] for end in (run(y0), expected)]
        np.testing.assert_allclose(*slopes, rtol=1e-12)
        np.testing.assert_allclose(
            run(step=0.02).detach(),
            expint.solve(problem(y0), name, step=0.02, t_span=(0, 0.4)).y_end.detach(),
            rtol=1e-12,
        )
    assert "torch.compile" in run.runner


Y = np.ones(4)
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda y: expint.scan(problem(y), step=0.1, events=[abs]), ValueError, "received events=.*solve_ivp"),
    (lambda y: expint.scan(problem(y), step=0.1, save=abs), ValueError, "received save=.*run.states"),
    (lambda y: expint.scan(problem(y), step=0.1, steps=3), TypeError, "received steps="),
    (lambda y: expint.scan(problem(y), step=0.1, method="exprb43"), TypeError, "rows are known beforehand.*exprb43"),
    (lambda y: expint.scan(problem(y)), ValueError, "expected either step= .* received neither"),
    (lambda y: expint.scan(problem(y, None), step=0.1), TypeError, "rows are known beforehand"),
    (lambda y: expint.scan(problem(y), method="adams4", step=0.5), ValueError, "expected at least 4 steps"),
    (lambda y: expint.scan(problem(y), step=0.1)(step=0.0), ValueError, "other than 0"),
    (lambda y: expint.scan(problem(y), step=0.1)(y[:2]), ValueError, r"expected y0 of shape \(4,\)"),
    (lambda y: expint.scan(problem(y), grid=[0, 0.2, 1])(step=0.1), ValueError, "received grid="),
    (lambda y: expint.scan(problem(y), step=0.1)(linear=np.ones(3)), ValueError, "expected linear of shape"),
    (lambda y: expint.scan(problem(y), step=0.1)(linear=1j * SYMBOL), TypeError, "expected a complex state"),
    (lambda y: expint.scan(problem(y, Dense(MATRIX)), step=0.1)(linear=MATRIX), TypeError, "elementwise L"),
    (lambda y: expint.scan(problem(Y), step=0.1)(), TypeError, "expected a state of JAX or torch, received an array"),
    (lambda y: expint.scan(problem(y), step=0.1, backend="inductor")(), ValueError, "expected backend"),
    (lambda y: expint.scan(problem(y), react, step=0.1), ValueError, "expected a problem alone"),
    (lambda y: expint.scan(expint.lower(expint.Adams(1), Diagonal(SYMBOL), [0, 1]), react, step=1), ValueError, "step"),
    (lambda y: expint.scan(expint.lower(expint.Adams(1), Diagonal(SYMBOL), [0, 1]))(y), TypeError, "which knows none"),
    (lambda y: expint.scan(problem(y), step=0.1)(noise=y[None, None]), ValueError, "expected no noise"),
]


@pytest.mark.parametrize(("call", "error", "said"), REFUSED, ids=[said[:40] for _, _, said in REFUSED])
def test_what_cannot_be_compiled_is_refused_by_name(
    jax: ModuleType, call: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        call(jax.numpy.asarray(Y))


def test_krylov_iterations_and_graphs_on_the_host_are_refused_by_name() -> None:
    torch = pytest.importorskip("torch")
    y0 = torch.tensor(START)
    krylov = expint.operators.MatrixFree(lambda v: -v, 4)
    with pytest.raises(TypeError, match=r"weights are numbers, received MatrixFree.*solve_ivp"):
        expint.scan(problem(y0, krylov), step=0.1)()
    with pytest.raises(RuntimeError, match="expected a state on a CUDA device for backend='cuda-graph', received"):
        expint.scan(problem(y0), step=0.1, backend="cuda-graph")()
