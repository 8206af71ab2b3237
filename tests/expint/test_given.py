"""States and numbers as users give them, in SciPy's manners; what they mean is taken, or refused for what it is."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import expint

EXPONENTIAL = math.exp(-1) / math.sqrt(1 + (1 - math.exp(-2)))  # y' = -y - y³ from 1, at t = 1


def solve(nonlinear: Any = lambda t, y: -(y**3), t_span: Any = (0, 1), y0: Any = 1.0, **options: Any) -> Any:
    return expint.solve_ivp(nonlinear, t_span, y0, **({"linear": -1.0, "rtol": 1e-8} | options)).y_end


@pytest.mark.parametrize(
    "y0",
    [1, [1], np.array([1]), np.array(1), np.ones(2, ">f8"), [Fraction(1)], np.ones(3, np.uint8)],
)
def test_states_are_taken_as_what_they_mean(y0: Any) -> None:
    end = solve(y0=y0)
    assert end.dtype == np.dtype(float)
    np.testing.assert_allclose(end, np.full(np.shape(y0), EXPONENTIAL), rtol=1e-6)


@pytest.mark.parametrize(
    ("y0", "received"),
    [
        (None, "received None"),
        ("1.0", "received str"),
        (b"1", "received bytes"),
        ({"y": 1.0}, "received dict"),
        ({1.0}, "received set"),
        ([[1.0], [1.0, 2.0]], "received list that makes none"),
        ([None], "received dtype object"),
        (np.array(["1"]), "received dtype <U1"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "received a masked array with 1 masked"),
        (torch.ones(2, device="meta"), "dense state with values, received .* on the device meta"),
        (torch.eye(2).to_sparse(), "received .* of layout torch.sparse_coo"),
    ],
)
def test_what_is_no_state_is_refused_for_what_it_is(y0: Any, received: str) -> None:
    with pytest.raises(TypeError, match=rf"expected .*{received}"):
        solve(y0=y0)


@pytest.mark.parametrize(
    "nonlinear",
    [
        lambda t, y: [-float(y[0] ** 3)],
        lambda t, y: (-float(y[0] ** 3),),
        lambda t, y: -float(y[0] ** 3),
        lambda t, y: np.float64(-(y[0] ** 3)),
        lambda t, y: (-(y**3)).astype(">f8"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"linear": None}, {"method": "krogstad4", "step": 1e-3, "rtol": None}])
def test_values_are_taken_as_what_they_mean(nonlinear: Callable[..., Any], options: dict[str, Any]) -> None:
    if options.get("linear", 0) is None:
        expected = 1 / math.sqrt(3)  # y' = -y³
    else:
        expected = EXPONENTIAL
    np.testing.assert_allclose(solve(nonlinear, y0=[1.0], **options), [expected], rtol=1e-6)


@pytest.mark.parametrize(
    "value", [np.ma.masked_array([1.0, 2.0], [True, False]), 1j * np.ones(2), [1j, 0], torch.ones(2), [None, 1.0]]
)
def test_values_that_are_none_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"expected nonlinear\(t, y\) to return"):
        solve(lambda t, y: value, y0=[1.0, 1.0])


@pytest.mark.parametrize("options", [{"step": 1e-3, "method": "krogstad4", "rtol": None}, {}, {"first_step": 0.01}])
def test_t_span_alone_says_the_direction(options: dict[str, Any]) -> None:
    np.testing.assert_allclose(solve(t_span=(1, 0), y0=[EXPONENTIAL], **options), [1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("t_span", {0: 1, 1: 2}),
        ("t_span", "01"),
        ("t_span", (0, "1")),
        ("t_span", (0, None)),
        ("step", "0.1"),
        ("step", True),
        ("step", 0.1j),
        ("t_eval", "0.5"),
        ("t_eval", {0.5: 1}),
        ("t_eval", [None]),
        ("grid", [0, "1"]),
        ("first_step", b"1"),
        ("max_step", [0.1]),
        ("max_steps", 2.5),
        ("rtol", "1e-3"),
        ("rtol", np.ma.masked_array([1e-3], [True])),
        ("events", 3),
        ("callback", "print"),
    ],
)
def test_numbers_that_are_none_are_refused_with_their_name(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"expected {name}.*received"):
        solve(**{name: value}, **({"method": "krogstad4", "rtol": None} if name in {"step", "grid"} else {}))


def test_a_norm_is_not_negative() -> None:
    with pytest.raises(ValueError, match="expected norm to return a number ≥ 0, received -"):
        solve(norm=lambda e: -float(e.max()))


def test_steps_that_no_run_could_make_are_refused_with_the_size_that_can() -> None:
    with pytest.raises(
        ValueError, match=r"at most 10000000 steps, received step = 1e-12 .* take a step of at least 0.0001"
    ):
        solve(step=1e-12, rtol=None, method="krogstad4", t_span=(0, 1e3))


def test_one_active_of_many_trajectories_keeps_the_tolerance_by_the_largest() -> None:
    active = np.zeros(10_001)
    active[0] = 1.0
    errors = [
        abs(solve(y0=active, rtol=1e-5, atol=1e-5, norm=norm)[0] - EXPONENTIAL) / EXPONENTIAL for norm in ("max", None)
    ]
    assert errors[0] < 1e-5
    assert (
        solve(y0=active, rtol=1e-5, atol=1e-5, norm="max")[0] == solve(y0=active, rtol=1e-5, atol=1e-5, norm=np.max)[0]
    )


@pytest.mark.parametrize("linear", [-1.0, np.array([-1.0, -1.0]), None])
@pytest.mark.parametrize(
    "make",
    [
        lambda y: y.astype(np.float16),
        lambda y: y.astype(np.float32),
        lambda y: y.astype(np.complex64),
        lambda y: torch.tensor(y, dtype=torch.float16),
        lambda y: torch.tensor(y, dtype=torch.bfloat16),
        lambda y: torch.tensor(y, dtype=torch.float32),
        lambda y: torch.tensor(y, dtype=torch.complex64),
    ],
)
def test_the_default_tolerance_fits_the_precision(make: Callable[[Any], Any], linear: Any) -> None:
    def nonlinear(t: float, y: Any) -> Any:
        return -(y**3) - (y if linear is None else 0 * y)

    y0 = make(np.array([1.0, 1.0]))
    solution = expint.solve_ivp(nonlinear, (0, 1), y0, linear=linear)
    assert solution.success
    assert solution.y.dtype == y0.dtype
    precision = float(torch.finfo(y0.dtype).eps if isinstance(y0, torch.Tensor) else np.finfo(y0.dtype).eps)
    end = expint.backend.to_numpy(solution.y_end)
    assert float(np.max(np.abs(end - EXPONENTIAL))) < (100 if precision < 1e-4 else 20) * precision
    assert solution.stats.steps + solution.stats.rejected < 70  # in half precision N rests, and is looked at 64 times


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize(
    "where", ["nonlinear", "fixed", "unsplit", "jac", "norm", "events", "callback", "flow", "A(t)"]
)
def test_an_interrupt_keeps_what_was_reached(where: str, interrupt: type[BaseException]) -> None:
    calls, y0 = [0], np.array([1.0, 0.5])

    def hit() -> None:
        calls[0] += 1
        if calls[0] > 25:
            raise interrupt

    def nonlinear(t: float, y: Any) -> Any:
        hit()
        return -(y**3)

    def hitting(value: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: (hit(), value(*arguments))[1]

    rest = lambda t, y: -(y**3)
    with pytest.raises(interrupt) as raised:  # noqa: PT012  # one of several runs raises
        match where:
            case "nonlinear":
                expint.solve_ivp(nonlinear, (0, 9), y0, linear=-1.0)
            case "fixed":
                expint.solve_ivp(nonlinear, (0, 9), y0, linear=-1.0, step=0.1, method="krogstad4", t_eval=[9.0])
            case "unsplit":
                expint.solve_ivp(nonlinear, (0, 9), y0)
            case "jac":
                expint.solve_ivp(
                    rest, (0, 9), y0, jac=hitting(lambda t, y: np.diag(-3 * y**2)), step=0.1, method="exprb43"
                )
            case "flow":
                grid = np.linspace(0, 9, 91)
                expint.run_splitting(expint.method("strang"), -1.0, hitting(lambda t, tau, y: y), y0, grid)
            case "A(t)":
                operator = expint.operators.TimeDependent(hitting(lambda t: -1 - t))
                expint.solve_ivp(rest, (0, 9), y0, linear=operator, step=0.1)
            case _:
                options = {"norm": np.max, "events": lambda t, y: y[0], "callback": lambda t, y: None}
                expint.solve_ivp(rest, (0, 9), y0, linear=-1.0, **{where: hitting(options[where])})
    solution = raised.value.solution
    assert solution.t[-1] > 0
    assert solution.y.shape == (len(solution.t), 2)
    assert interrupt.__name__ in solution.message


@pytest.mark.parametrize("method", ["magnus2", "magnus4", "cf4"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_steps_in_half_precision_grow_beyond_its_rounding(method: str, dtype: torch.dtype) -> None:
    """Steps so short that each changes the state by a rounding lead nowhere: 2460 of them, and 0.78 for 0."""

    def rates(t: float) -> torch.Tensor:
        return torch.diag(torch.tensor([-1.0, -2.0])).to(dtype) * (1 + t)

    linear = expint.operators.TimeDependent(rates)
    run = expint.solve_ivp(None, (0, 1), torch.ones(2, dtype=dtype), linear=linear, method=method)
    assert run.success
    assert run.stats.steps < 60
    np.testing.assert_allclose(
        run.y_end.double().numpy(), np.exp([-1.5, -3.0]), rtol=0, atol=20 * torch.finfo(dtype).eps
    )
