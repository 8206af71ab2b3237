"""Gradients of runs in torch: those of differences, and the same whether a run is recorded or made again."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import expint
from expint.derive.kinds.stage import kind_of_method
from expint.operators import Dense, MatrixFree, TimeDependent, TimeScaled

D = torch.float64
SYMBOL = torch.tensor([-0.5, -20.0, -3.0], dtype=D)
MATRIX = torch.tensor([[-2.0, 1.0, 0.0], [0.5, -9.0, 1.0], [0.0, -1.0, -4.0]], dtype=D)
START = torch.tensor([1.0, -0.5, 0.3], dtype=D)
WEIGHTS = torch.tensor([[0.3, -0.8, 0.1], [0.5, 0.2, -0.4], [-0.6, 0.7, 0.2]], dtype=D)
WAYS = ("through", "adjoint")

METHODS: dict[str, dict[str, Any]] = {
    "ETDRK4": {"method": "cox-matthews4", "step": 0.105},
    "Adams": {"method": "adams3", "step": 0.105},
    "PEC": {"method": "pec3", "step": 0.105},
    "PECE": {"method": "pece3", "step": 0.105},
    "Lawson": {"method": "lawson-rk4", "step": 0.105},
    "general linear": {"method": "eglm332", "step": 0.105},
    "to a tolerance": {"method": "expint43", "rtol": 1e-3},
    "doubled": {"method": "krogstad4", "rtol": 1e-4, "error": "doubling"},
    "Adams to a tolerance": {"method": "adams4", "rtol": 1e-4},
    "PEC to a tolerance": {"method": "pec4", "rtol": 1e-4},
    "PECE to a tolerance": {"method": "pece4", "rtol": 1e-4},
}


def react(t: Any, y: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return torch.tanh(y @ weights.mT) * torch.cos(torch.as_tensor(t, dtype=D))


def solve(way: str | None, y0: Any = START, linear: Any = SYMBOL, t_span: Any = (0.0, 1.0), **options: Any) -> Any:
    return expint.solve_ivp(react, t_span, y0, linear=linear, gradient=way, **({"args": (WEIGHTS,)} | options))


def asking(value: Any) -> torch.Tensor:
    return torch.as_tensor(value, dtype=None if isinstance(value, torch.Tensor) else D).clone().requires_grad_()


def frozen(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the same run with its steps given, which differences may not move."""
    if "rtol" not in options or options["method"] != "expint43":
        return options
    return {"method": options["method"], "grid": solve(None, **options).t}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("form", [SYMBOL, MATRIX], ids=["symbol", "matrix"])
def test_the_adjoint_is_the_recorded_gradient_to_rounding_by_all_that_is_learned(name: str, form: torch.Tensor) -> None:
    found = []
    for way in WAYS:
        inputs = [asking(START), asking(WEIGHTS), asking(form), asking(0.0), asking(1.0)]
        y0, weights, linear, start, end = inputs
        run = solve(way, y0, linear, (start, end), args=(weights,), **METHODS[name])
        found.append([run.y.detach(), *torch.autograd.grad((run.y**2).sum(), inputs)])
    for recorded, made_again in zip(*found, strict=True):
        assert float((recorded - made_again).abs().max()) <= 2e-13 * float(recorded.abs().max())


CHECKED = {
    name: frozen(options) for name, options in METHODS.items() if "rtol" not in options or name == "to a tolerance"
}


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("form", [SYMBOL, MATRIX], ids=["symbol", "matrix"])
def test_the_adjoint_passes_the_difference_check(name: str, form: torch.Tensor) -> None:
    def end(*given: torch.Tensor) -> torch.Tensor:
        y0, weights, linear = given
        return solve("adjoint", y0, linear, args=(weights,), **CHECKED[name]).y_end

    assert torch.autograd.gradcheck(end, [asking(START), asking(WEIGHTS), asking(form)], fast_mode=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name, options in CHECKED.items() if "step" in options])
def test_gradients_by_the_ends_of_the_interval_pass_the_difference_check(name: str, way: str) -> None:
    def end(start: torch.Tensor, stop: torch.Tensor) -> torch.Tensor:
        return solve(way, t_span=(start, stop), **CHECKED[name]).y_end

    assert torch.autograd.gradcheck(end, [asking(0.0), asking(1.0)])


@pytest.mark.parametrize("way", WAYS)
def test_by_the_end_alone_a_fine_run_changes_as_the_equation_says(way: str) -> None:
    stop = asking(1.0)
    run = solve(way, t_span=(0.0, stop), method="krogstad4", step=0.04)
    rates = [torch.autograd.grad(entry, stop, retain_graph=True)[0] for entry in run.y_end]
    right = SYMBOL * run.y_end + react(1.0, run.y_end, WEIGHTS)
    torch.testing.assert_close(torch.stack(rates), right.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("linear", [torch.tensor([-1 + 3j, -4.0, -2 - 1j]), MATRIX + 1j * MATRIX.mT, -0.7 + 2j])
def test_complex_states_and_operators_pass_the_difference_check(way: str, linear: Any) -> None:
    given = [asking(START + 0.2j), asking(WEIGHTS), asking(torch.as_tensor(linear, dtype=torch.complex128))]

    def end(y0: torch.Tensor, weights: torch.Tensor, symbol: torch.Tensor) -> torch.Tensor:
        return expint.solve_ivp(
            lambda t, y: y * torch.abs(y) ** 2 @ (weights + 0j),
            (0.0, 0.5),
            y0,
            linear=symbol,
            method="pec3",
            step=0.105,
            gradient=way,
        ).y

    assert torch.autograd.gradcheck(end, given, fast_mode=True)


@pytest.mark.parametrize("symbol", [SYMBOL, torch.tensor(-2.0, dtype=D)])
def test_a_real_symbol_of_complex_states_has_a_real_gradient(symbol: torch.Tensor) -> None:
    linear, y0 = asking(symbol), asking(START + 0.3j)
    end = expint.solve_ivp(
        lambda t, y: -y * torch.abs(y), (0, 1), y0, linear=linear, method="adams2", step=0.105, gradient="adjoint"
    ).y_end
    gradient, _ = torch.autograd.grad(end.abs().sum(), [linear, y0])
    assert gradient.dtype == D
    assert gradient.shape == symbol.shape


@pytest.mark.parametrize("name", ["BlockDiagonal", "KroneckerSum", "MatrixFree", "Sparse", "Sum", "large Hermitian"])
def test_operators_of_every_kind_go_back_as_they_came(name: str) -> None:
    matrix = MATRIX.numpy()
    size = 50
    forms: dict[str, Callable[[], Any]] = {
        "BlockDiagonal": lambda: expint.operators.BlockDiagonal(matrix),
        "KroneckerSum": lambda: expint.operators.KroneckerSum(matrix),
        "MatrixFree": lambda: MatrixFree(lambda v: MATRIX @ v, 3),
        "Sparse": lambda: expint.operators.Sparse(MATRIX.to_sparse_coo()),
        "Sum": lambda: Dense(matrix) + (-1.0),
        "large Hermitian": lambda: Dense(np.diag(np.linspace(-9.0, 0.0, size)) + 0.1 * np.ones((size, size))),
    }
    start = START if name != "large Hermitian" else torch.linspace(-1, 1, size, dtype=D)
    to_tolerance: list[dict[str, Any]] = (
        [{"method": "expint43", "rtol": 1e-2}] if name not in ("MatrixFree", "Sparse") else []
    )
    for options in ({"method": "adams2", "step": 0.25}, *to_tolerance):
        found = []
        for way in WAYS:
            y0, scale = asking(start), asking(0.7)
            end = expint.solve_ivp(
                lambda t, y, scale: torch.sin(scale * y),
                (0, 0.5),
                y0,
                linear=forms[name](),
                args=(scale,),
                gradient=way,
                **options,
            ).y_end
            found.append(torch.autograd.grad((end**2).sum(), [y0, scale]))
        for recorded, made_again in zip(*found, strict=True):
            torch.testing.assert_close(made_again, recorded, rtol=1e-9, atol=1e-12)


FIXED_L = [
    name for name in expint.method_names() if kind_of_method(expint.method(name)) in ("fixed L", "follows fields")
]
FIXED_L = [name for name in FIXED_L if name not in ("cf4", "magnus2", "magnus4")]  # these know no N(t, y)


def test_every_method_with_a_fixed_linear_part_has_an_adjoint_equal_to_the_recorded_gradient() -> None:
    assert len(FIXED_L) > 90
    for name in FIXED_L:
        found = []
        for way in WAYS:
            y0, weights = asking(START), asking(WEIGHTS)
            run = solve(way, y0, args=(weights,), method=name, step=0.125)
            found.append([run.y.detach(), *torch.autograd.grad((run.y**2).sum(), [y0, weights])])
        for recorded, made_again in zip(*found, strict=True):
            assert float((recorded - made_again).abs().max()) <= 1e-12 * float(recorded.abs().max()), name


# What N holds


class Field(torch.nn.Module):
    """A network whose second part is looked at late only."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.early, self.late = torch.nn.Linear(3, 3, dtype=D), torch.nn.Linear(3, 3, dtype=D)

    def forward(self, t: Any, y: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.early(y) if t < 0.5 else self.late(y))


def holders(net: Field, weights: torch.Tensor) -> dict[str, Callable[..., Any]]:
    class Held:
        def __init__(self) -> None:
            self.nets = {"one": [net]}

        def slope(self, t: Any, y: torch.Tensor) -> torch.Tensor:
            return self.nets["one"][0](t, y) + y @ weights

    def nested(t: Any, y: torch.Tensor) -> torch.Tensor:
        return Held().slope(t, y)

    return {"module": net, "method": Held().slope, "closure": nested, "lambda": lambda t, y: net(t, y) @ weights}


@pytest.mark.parametrize("name", ["module", "method", "closure", "lambda"])
def test_what_n_holds_is_found_wherever_it_is_and_whenever_it_is_used(name: str) -> None:
    net, weights = Field(), asking(WEIGHTS)
    parameters, found = [*net.parameters(), weights], []
    for way in WAYS:
        y = expint.solve_ivp(
            holders(net, weights)[name], (0, 1), START, linear=SYMBOL, method="krogstad4", step=0.1, gradient=way
        ).y
        found.append(torch.autograd.grad((y**2).sum(), parameters, allow_unused=True))
    for recorded, made_again in zip(*found, strict=True):
        assert (recorded is None) == (made_again is None)
        if recorded is not None:
            torch.testing.assert_close(made_again, recorded, rtol=1e-12, atol=1e-14)


def test_a_tensor_that_nobody_could_find_is_refused_and_not_lost() -> None:
    hidden = {id(key): asking(WEIGHTS) for key in ("a",)}

    def late(t: Any, y: torch.Tensor) -> torch.Tensor:
        return y if t < 0.5 else y @ next(iter(eval("hidden").values()))

    late.__globals__["hidden"] = hidden
    run = expint.solve_ivp(late, (0, 1), asking(START), linear=SYMBOL, method="krogstad4", step=0.1, gradient="adjoint")
    with pytest.raises(RuntimeError, match=r"expected N to depend on tensors that were found.*args="):
        run.y_end.sum().backward()


def test_what_is_made_outside_is_gone_back_through_once_where_args_bring_it() -> None:
    passed, found = [], []
    for way in WAYS:
        logarithm, y0 = asking(WEIGHTS), asking(START)
        weights = torch.exp(logarithm)
        weights.register_hook(lambda gradient: passed.append(1))
        run = solve(way, y0 * torch.sum(logarithm), args=(weights,), method="pec3", step=0.1)
        found.append(torch.autograd.grad((run.y**2).sum() + weights.sum(), [logarithm, y0]))
    assert len(passed) == 2
    for recorded, made_again in zip(*found, strict=True):
        torch.testing.assert_close(made_again, recorded, rtol=1e-12, atol=1e-14)


def test_dropout_and_changed_parameters_are_noticed() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 3, dtype=D), torch.nn.Dropout(0.5))
    options: dict[str, Any] = {"linear": SYMBOL, "method": "krogstad4", "step": 0.1, "gradient": "adjoint"}
    run = expint.solve_ivp(lambda t, y: net(y), (0, 1), START, **options)
    with pytest.raises(RuntimeError, match=r"expected N to return what it returned.*dropout"):
        run.y_end.sum().backward()
    net.eval()
    run = expint.solve_ivp(lambda t, y: net(y), (0, 1), START, **options)
    with torch.no_grad():
        next(net.parameters()).mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        run.y_end.sum().backward()


# Memory and work


def recorded_numbers(run: Callable[[], torch.Tensor]) -> tuple[int, torch.Tensor]:
    """How many numbers torch keeps for the way back."""
    kept = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        found = run()
    return sum(kept.values()), found


def test_the_adjoint_keeps_the_square_root_of_what_a_recorded_run_keeps() -> None:
    sizes: dict[str, list[int]] = {way: [] for way in WAYS}
    for way in WAYS:
        for steps in (64, 1024):
            y0 = asking(torch.ones(100, dtype=D))
            kept, _ = recorded_numbers(
                lambda y0=y0, steps=steps, way=way: (
                    expint.solve_ivp(
                        lambda t, y: torch.sin(y),
                        (0, 1),
                        y0,
                        linear=-1.0,
                        method="adams2",
                        step=1 / steps,
                        gradient=way,
                    ).y_end
                )
            )
            sizes[way].append(kept)
    assert sizes["through"][1] > 14 * sizes["through"][0]
    assert sizes["adjoint"][1] < 5 * sizes["adjoint"][0]
    assert sizes["adjoint"][1] < sizes["through"][1] / 8


def test_the_way_back_keeps_the_graphs_of_a_square_root_of_the_steps() -> None:
    alive = most = 0

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, y: torch.Tensor) -> torch.Tensor:
            nonlocal alive, most
            alive += ctx.needs_input_grad[0]
            most = max(most, alive)
            return torch.sin(y)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            nonlocal alive
            alive -= 1
            return gradient

    run = expint.solve_ivp(
        lambda t, y: Counted.apply(y),
        (0, 1),
        asking(START),
        linear=-1.0,
        method="adams2",
        step=1e-3,
        gradient="adjoint",
    )
    run.y_end.sum().backward()
    assert 20 < most < 70  # 1000 steps, 1000 evaluations
    assert alive == 0


def test_a_run_that_nobody_holds_is_freed() -> None:
    net = Field()
    run = expint.solve_ivp(net, (0, 1), START, linear=SYMBOL, method="adams2", step=0.1, gradient="adjoint")
    run.y_end.sum().backward()
    held = weakref.ref(net)
    del net, run
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("options", [{"method": "krogstad4", "step": 0.01}, {"method": "pece4", "rtol": 1e-6}])
def test_each_evaluation_is_made_twice_and_goes_back_once(options: dict[str, Any]) -> None:
    calls = backwards = 0

    def slope(t: float, y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        value = torch.sin(y)
        if value.requires_grad:
            value.register_hook(count)
        return value

    def count(gradient: torch.Tensor) -> None:
        nonlocal backwards
        backwards += 1

    plain = expint.solve_ivp(slope, (0, 1), START, linear=SYMBOL, **options)
    forward, calls = calls, 0
    run = expint.solve_ivp(slope, (0, 1), asking(START), linear=SYMBOL, gradient="adjoint", **options)
    assert run.nfev == plain.nfev == forward
    assert calls == forward + 1
    run.y_end.sum().backward()
    accepted = calls - forward - 1
    assert accepted <= forward
    assert backwards == accepted


# What is refused, and what passes


REFUSED: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "a way that there is not": (ValueError, "through.*adjoint", lambda: solve("backprop", method="adams2", step=0.1)),
    "NumPy": (TypeError, "tensor of torch", lambda: solve("adjoint", np.ones(3), method="adams2", step=0.1)),
    "events": (ValueError, "events", lambda: solve("adjoint", asking(START), events=lambda t, y: y[0], rtol=1e-3)),
    "sol(t)": (ValueError, "t_eval", lambda: solve("adjoint", asking(START), dense_output=True, rtol=1e-3)),
    "save": (ValueError, "save", lambda: solve("adjoint", asking(START), save=lambda t, y: y[0], rtol=1e-3)),
    "a checkpoint": (ValueError, "checkpoint", lambda: solve("adjoint", asking(START), checkpoint="x", rtol=1e-3)),
    "a method that linearises": (
        ValueError,
        "exprb43.*fixed L",
        lambda: solve("adjoint", asking(START), None, method="exprb43", step=0.1),
    ),
    "L over time": (
        ValueError,
        "magnus|cf4|fixed L",
        lambda: expint.solve_ivp(
            None, (0, 1), asking(START), linear=TimeDependent(lambda t: -t), step=0.1, gradient="adjoint"
        ),
    ),
    "times with an operator whose derivative is not known": (
        TypeError,
        "number, a symbol or a matrix",
        lambda: solve("adjoint", START, MatrixFree(lambda v: -v, 3), (0.0, asking(1.0)), method="adams2", step=0.1),
    ),
    "steps": (TypeError, "step without a gradient", lambda: solve("adjoint", method="adams2", step=asking(0.1))),
    "t_eval": (TypeError, "t_eval without a gradient", lambda: solve("through", t_eval=asking([0.5, 1.0]), rtol=1e-3)),
    "breakpoints and times": (
        TypeError,
        "t_span without a gradient",
        lambda: solve("adjoint", t_span=(0.0, asking(1.0)), breakpoints=[0.5], rtol=1e-3),
    ),
    "a rate of L": (
        TypeError,
        "gradient",
        lambda: solve("adjoint", START, TimeScaled(lambda t: asking(1.0) * t, -1.0), step=0.1),
    ),
    "an operator that does not know its adjoint": (
        TypeError,
        "adjoint is known",
        lambda: solve("adjoint", asking(START), _Opaque(lambda v: -v, 3), method="adams2", step=0.1),
    ),
}


class _Opaque(MatrixFree):
    adjoint = expint.operators.iterated.IteratedOperator.adjoint


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_gradient_is_refused_at_the_door(name: str) -> None:
    error, words, call = REFUSED[name]
    with pytest.raises(error, match=f"expected .*({words})"):
        call()


def test_second_derivatives_are_recorded_or_refused() -> None:
    y0 = asking(START)
    (first,) = torch.autograd.grad(solve("through", y0, method="adams2", step=0.1).y_end.sum(), y0, create_graph=True)
    assert torch.isfinite(torch.autograd.grad(first.sum(), y0)[0]).all()
    with pytest.raises(RuntimeError, match=r"expected a first derivative.*through"):
        torch.autograd.grad(solve("adjoint", y0, method="adams2", step=0.1).y_end.sum(), y0, create_graph=True)


@pytest.mark.parametrize("options", [{"method": "pec3", "step": 0.1}, {"method": "expint43", "rtol": 1e-4}])
def test_breakpoints_batches_and_times_asked_for_go_back(options: dict[str, Any]) -> None:
    found = []
    for way in WAYS:
        y0, weights = asking(START * torch.ones(4, 1, dtype=D)), asking(WEIGHTS)
        run = solve(way, y0, args=(weights,), breakpoints=[0.43], t_eval=[0.2, 0.6, 1.0], land=True, **options)
        assert run.y.shape == (3, 4, 3)
        found.append(torch.autograd.grad((run.y**2).sum(), [y0, weights]))
    for recorded, made_again in zip(*found, strict=True):
        torch.testing.assert_close(made_again, recorded, rtol=1e-11, atol=1e-13)


def test_a_run_that_ends_early_has_the_gradient_of_what_it_reached() -> None:
    def explode(t: float, y: torch.Tensor) -> torch.Tensor:
        return y**2

    options: dict[str, Any] = {"linear": 0.0, "method": "krogstad4", "step": 0.05, "gradient": "adjoint"}
    y0 = asking(START)
    run = expint.solve_ivp(explode, (0, 40), y0, **options)
    assert not run.success
    (gradient,) = torch.autograd.grad(run.y[5].sum(), y0)
    whole = expint.solve_ivp(explode, (0, 0.25), y0, **options)
    assert torch.equal(gradient, torch.autograd.grad(whole.y_end.sum(), y0)[0])


def test_without_recording_nothing_is_kept() -> None:
    with torch.no_grad():
        run = solve("adjoint", asking(START), method="adams2", step=0.1)
    assert not run.y.requires_grad


def test_single_precision_stays_single() -> None:
    y0, symbol = asking(START.float()), asking(SYMBOL.float())
    run = expint.solve_ivp(lambda t, y: torch.sin(y), (0, 1), y0, linear=symbol, rtol=1e-3, gradient="adjoint")
    gradients = torch.autograd.grad(run.y_end.sum(), [y0, symbol])
    assert run.y.dtype == gradients[0].dtype == gradients[1].dtype == torch.float32


# Methods that linearise


def whole(t: Any, y: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return react(t, y, weights) + SYMBOL * y


LINEARISE = [name for name in expint.method_names() if kind_of_method(expint.method(name)) == "linearises"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # of torch's own forward mode
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("name", ["exprb43", "epirk4s3", "linearised-adams3", "rosenbrock-ladder5"])
def test_recorded_runs_that_linearise_pass_the_difference_check_with_the_change_of_the_jacobian(
    name: str, split: bool
) -> None:
    assert name in LINEARISE

    def end(y0: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return expint.solve_ivp(
            react if split else whole,
            (0, 1),
            y0,
            linear=SYMBOL if split else None,
            args=(weights,),
            method=name,
            jac=expint.jacobian.Autodiff(in_time="same"),  # differences in time carry rounding, which differences show
            step=0.2,
            gradient="through",
        ).y_end

    assert torch.autograd.gradcheck(end, [asking(START), asking(WEIGHTS)], fast_mode=True, atol=1e-7, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_a_run_to_a_tolerance_that_linearises_has_the_gradient_of_one_with_a_fixed_linear_part() -> None:
    found = []
    for linear, slope, method in ((None, whole, "auto"), (SYMBOL, react, "expint43")):
        y0, weights = asking(START), asking(WEIGHTS)
        run = expint.solve_ivp(
            slope,
            (0, 1),
            y0,
            linear=linear,
            args=(weights,),
            method=method,
            rtol=1e-7,
            t_eval=[0.5, 1.0],
            gradient="through",
        )
        assert run.t.tolist() == [0.5, 1.0]
        found.append(torch.autograd.grad((run.y**2).sum(), [y0, weights]))
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_what_a_run_that_linearises_would_lose_is_refused() -> None:
    for options, words in (
        ({"events": lambda t, y: y[0]}, "events"),
        ({"dense_output": True}, "dense_output"),
        ({"jac": lambda t, y, w: torch.diag(SYMBOL)}, "automatic differentiation"),
        ({"jac": expint.jacobian.Autodiff(form="action")}, "formed as matrices"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"expected .*{words}"):
            expint.solve_ivp(whole, (0, 1), asking(START), args=(WEIGHTS,), rtol=1e-3, gradient="through", **options)


# Times of runs to a tolerance, and splittings


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["to a tolerance", "doubled"])
def test_steps_to_a_tolerance_keep_their_proportions_where_times_are_differentiated(name: str, way: str) -> None:
    start, stop = asking(0.0), asking(1.0)
    run = solve(way, t_span=(start, stop), **METHODS[name])
    gradients = torch.autograd.grad((run.y_end**2).sum(), [start, stop])
    method = METHODS[name]["method"]
    steps = run.t if name == "to a tolerance" else np.sort(np.concatenate([run.t, (run.t[1:] + run.t[:-1]) / 2]))

    def size(first: float, last: float) -> float:
        return float(
            (solve(None, t_span=(first, last), method=method, grid=first + (last - first) * steps).y_end ** 2).sum()
        )

    small = 1e-5
    ahead = (
        (size(small, 1.0) - size(-small, 1.0)) / (2 * small),
        (size(0.0, 1.0 + small) - size(0.0, 1 - small)) / (2 * small),
    )
    np.testing.assert_allclose([float(own) for own in gradients], ahead, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["strang", "blanes-moan4"])
def test_recorded_splittings_pass_the_difference_check(name: str) -> None:
    def end(y0: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
        return expint.run_splitting(
            expint.method(name), SYMBOL, lambda t, tau, y: y * torch.exp(rate * tau), y0, [0.0, 0.2, 0.5]
        ).y_end

    assert torch.autograd.gradcheck(end, [asking(START), asking(0.3)])
