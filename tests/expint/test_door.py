"""The door: every argument that makes no sense is refused before any work, with expected, received and remedy."""

import math

import array_api_strict
import numpy as np
import pytest
import torch

import expint
from expint.jacobian import Differences

Y0 = np.array([1.0, 0.5, -0.2])


def never(t: float, y: np.ndarray) -> np.ndarray:
    raise AssertionError("N was called although the arguments make no sense")


def solve(nonlinear: object = never, t_span: object = (0, 1), y0: object = Y0, **options: object) -> expint.Solution:
    if not {"step", "grid"} & set(options):
        options["step"] = 0.1
    return expint.solve_ivp(nonlinear, t_span, y0, **({"linear": -1.0, "method": "krogstad4"} | options))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("make", [np.asarray, torch.asarray])
def test_a_state_that_is_not_finite_is_refused(make: object, bad: float) -> None:
    with pytest.raises(ValueError, match="expected a finite initial state, received inf or nan in y0; check"):
        solve(y0=make([1.0, bad]))


@pytest.mark.parametrize("y0", [np.array([True]), torch.tensor(True), [True, False]])
def test_truth_values_are_no_states(y0: object) -> None:
    with pytest.raises(TypeError, match=r"expected a floating-point or complex state, received dtype .*1\.0 \* y0"):
        solve(y0=y0)


@pytest.mark.parametrize(
    ("t_span", "received"),
    [
        (3.0, "3.0"),
        ((0, 1, 2), r"\(0, 1, 2\)"),
        ((0,), r"\(0,\)"),
        (("a", "b"), r"\('a', 'b'\)"),
        ((1, 1), r"\(1.0, 1.0\)"),
        ((0, math.inf), r"\(0.0, inf\)"),
        ((math.nan, 1), r"\(nan, 1.0\)"),
    ],
)
def test_intervals_that_are_none_are_refused(t_span: object, received: str) -> None:
    with pytest.raises(ValueError, match=rf"expected t_span .* received {received}"):
        solve(t_span=t_span)


def test_steps_backwards_do_not_lead_forwards() -> None:
    with pytest.raises(ValueError, match=r"runs forwards, .* received step = -0.1; pass step=0.1, or exchange"):
        solve(t_span=(0, 1), step=-0.1)
    with pytest.raises(ValueError, match=r"the sign in which t_span = .* runs, .*; exchange the ends"):
        expint.solve_ivp(never, (0, 1), Y0, linear=-1.0, rtol=1e-3, max_step=-0.1)


@pytest.mark.parametrize("step", [0, 0.0, math.nan, math.inf])
def test_steps_that_lead_nowhere_are_refused(step: float) -> None:
    with pytest.raises(ValueError, match=rf"expected a finite step size other than 0, received {step}"):
        solve(step=step)


def test_step_and_grid_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"expected either step= .* or grid= .*, received both"):
        solve(step=0.1, grid=[0, 1])


def test_a_grid_that_is_not_strictly_monotone_is_refused_with_the_place() -> None:
    with pytest.raises(ValueError, match=r"strictly monotone grid, received .*0.5.* followed by .*0.4.* at index 2"):
        solve(grid=[0, 0.5, 0.4, 1])
    with pytest.raises(ValueError, match=r"strictly monotone grid, received .*0.5.* at index 2; sort it and remove"):
        solve(grid=[0, 0.5, 0.5, 1])


@pytest.mark.parametrize("grid", [[0.1, 0.5, 1], [0, 0.5], [1, 0.5, 0]])
def test_a_grid_over_another_interval_is_refused(grid: list[float]) -> None:
    with pytest.raises(ValueError, match=r"expected a grid from 0.0 to 1.0 as t_span says, received one from"):
        solve(grid=grid)


@pytest.mark.parametrize(
    ("t_eval", "message"),
    [
        ([], r"expected t_eval to be a sequence of times, received an array of shape \(0,\)"),
        (0.5, r"expected t_eval to be a sequence of times, received an array of shape \(\)"),
        ([0.5, 1.5], r"expected t_eval within \[0.0, 1.0\], received times from 0.5 to 1.5"),
        ([math.nan], r"expected t_eval within \[0.0, 1.0\], received times from nan to nan"),
        ([0.5, 0.2], r"expected t_eval in the direction of integration, received it reversed; pass t_eval\[::-1\]"),
        ([0.5, 0.5], "expected different times in t_eval, received one of them twice"),
        ([0.1, 0.5, 0.5], "expected different times in t_eval, received one of them twice"),
        ([0.5, 0.4, 0.6], "strictly monotone"),
    ],
)
def test_times_that_cannot_be_reached_are_refused(t_eval: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(t_eval=t_eval)
    with pytest.raises(ValueError, match=message):
        expint.solve_ivp(never, (0, 1), Y0, linear=-1.0, t_eval=t_eval)


def test_times_between_the_steps_of_a_grid_are_refused() -> None:
    with pytest.raises(ValueError, match=r"among those of grid, received 0.3 which is no step boundary; add it"):
        solve(grid=[0, 0.5, 1], t_eval=[0.3, 1])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("krogstat4", "krogstad4"),
        ("cox_mathews4", "cox-matthews4"),
        ("hochbruck-osterman4", "hochbruck-ostermann4"),
        ("lawsonrk44", "lawson-rk4"),
        ("exponentialeuler2", "exponential-euler"),
    ],
)
def test_an_unknown_method_is_refused_and_the_nearest_suggested(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a method, received") as raised:
        solve(method=name)
    assert repr(name) in str(raised.value)
    assert nearest in str(raised.value)


def test_a_method_like_no_other_is_refused_with_where_to_look() -> None:
    with pytest.raises(ValueError, match=r"received 'zzz'; expint.method_names\(\) lists them all"):
        solve(method="zzz")


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_method_that_looks_further_back_than_the_grid_has_steps_is_refused(steps: int) -> None:
    with pytest.raises(
        ValueError, match=rf"at least 4 steps for adams4, which looks at 4 values of N, received {steps};"
    ):
        solve(method="adams4", step=1 / steps)
    assert solve(lambda t, y: y, method="adams4", step=1 / 4).success


@pytest.mark.parametrize(
    ("linear", "y0"),
    [(np.ones(4), Y0), (np.ones((2, 3)), Y0), (np.eye(4), Y0), (np.ones(3), np.array(1.0)), (np.ones(3), np.ones(33))],
)
def test_a_linear_part_that_does_not_fit_the_state_is_refused_with_both_shapes(linear: object, y0: object) -> None:
    with pytest.raises(ValueError, match="expected a symbol that broadcasts to the state") as raised:
        solve(linear=linear, y0=y0)
    assert str(linear.shape) in str(raised.value)
    assert str(y0.shape) in str(raised.value)


def test_a_matrix_that_could_be_a_symbol_is_refused_with_both_remedies() -> None:
    with pytest.raises(ValueError, match=r"say which: expint.operators.Diagonal\(array\) or expint.operators.Dense"):
        solve(linear=np.eye(3), y0=np.ones((3, 3)))


def test_a_complex_linear_part_on_a_real_state_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a complex state for a complex linear operator.*pass y0 as .*0j"):
        solve(linear=1j)


# What N returns is looked at once, when it is first called.


@pytest.mark.parametrize("shape", [(), (2,), (1, 3), (3, 1)])
def test_slopes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"nonlinear\(t, y\) to return shape \(3,\), that of y0, received") as raised:
        solve(lambda t, y: np.zeros(shape))
    assert str(shape) in str(raised.value)


@pytest.mark.parametrize("slope", [None, {0.0}, "slope", b"slope", {"slope": 0.0}, [None] * 3, [[0.0], [0.0, 0.0]]])
def test_slopes_that_are_no_arrays_are_refused(slope: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"expected nonlinear\(t, y\) to return"):
        solve(lambda t, y: slope)


@pytest.mark.parametrize("make", [np.asarray, torch.asarray])
def test_slopes_that_would_change_the_dtype_are_refused(make: object) -> None:
    y0 = make(Y0.astype(np.float32))
    for dtype in (np.float64, np.complex64):
        with pytest.raises(TypeError, match=r"expected nonlinear\(t, y\) to return dtype .*float32.*received"):
            solve(lambda t, y, dtype=dtype: make(Y0.astype(dtype)), y0=y0)


def test_a_complex_slope_of_a_real_number_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected nonlinear\(t, y\) to return dtype float64.*received complex128"):
        solve(lambda t, y: 1j, y0=1.0)


def test_slopes_of_lower_precision_or_kind_are_welcome() -> None:
    assert solve(lambda t, y: np.zeros(3, dtype=np.float32)).y.dtype == np.float64
    assert solve(lambda t, y: np.zeros(3), y0=Y0 + 0j).y.dtype == np.complex128
    assert solve(lambda t, y: 1, y0=0.5).success


def test_slopes_of_another_library_are_refused() -> None:
    with pytest.raises(TypeError, match=r"to return an array of torch, as y0 is one, received one of numpy"):
        solve(lambda t, y: np.zeros(3), y0=torch.tensor(Y0))
    with pytest.raises(TypeError, match=r"to return an array of numpy, as y0 is one, received one of torch"):
        solve(lambda t, y: torch.zeros(3, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"to return an array of array_api_strict.*received one of numpy"):
        solve(lambda t, y: np.zeros(3), y0=array_api_strict.asarray(Y0))


def test_slopes_on_another_device_are_refused() -> None:
    with pytest.raises(TypeError, match=r"expected nonlinear\(t, y\) to stay on device cpu, received one on meta"):
        solve(lambda t, y: torch.zeros(3, dtype=torch.float64, device="meta"), y0=torch.tensor(Y0))


# Steps chosen to a tolerance


def adaptive(**options: object) -> expint.Solution:
    return expint.solve_ivp(never, (0, 1), Y0, **({"linear": -1.0, "rtol": 1e-4} | options))


@pytest.mark.parametrize("option", ["rtol", "atol", "first_step"])
def test_tolerances_beside_fixed_steps_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match=rf"either fixed steps .* or a tolerance, received {option} beside fixed"):
        solve(step=0.1, **{option: 1e-3})
    with pytest.raises(ValueError, match=rf"either fixed steps .* or a tolerance, received {option} beside fixed"):
        solve(grid=[0, 1], **{option: 1e-3})


def test_a_method_without_error_estimate_needs_its_steps_given() -> None:
    with pytest.raises(
        ValueError, match=r"an error estimate .* received cox-matthews4, .* pass step= or grid=, take a"
    ):
        adaptive(method="cox-matthews4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1e-3}, "expected rtol to be a number ≥ 0, received -0.001"),
        ({"rtol": math.nan}, "expected rtol to be a number ≥ 0, received nan"),
        ({"rtol": 1e-17}, "ten times the precision of float64, received 1e-17; raise it or solve in higher precision"),
        ({"atol": -1.0}, "expected tolerances ≥ 0, not both 0"),
        ({"atol": math.nan}, "expected tolerances ≥ 0, not both 0"),
        ({"rtol": 0.0, "atol": 0.0}, "expected tolerances ≥ 0, not both 0, received rtol = 0.0 and atol = 0.0"),
        ({"first_step": 0.0}, "expected first_step to be a positive number, received 0.0"),
        ({"max_step": math.nan}, "expected max_step to be a positive number, received nan"),
        ({"max_step": 1e-17}, "expected max_step above the rounding of the times, received 1e-17"),
        ({"max_steps": 0}, "expected max_steps to be at least 1, received 0"),
    ],
)
def test_tolerances_and_bounds_that_make_no_sense_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adaptive(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"rtol": "1e-3"},
            "expected rtol to be a real number or an array of them, received '1e-3'",
        ),
        (
            {"norm": "mean"},
            "expected norm to be a function of the scaled error, or 'max', received 'mean' of type str; pass one",
        ),
        ({"args": 2.0}, r"expected args to be a tuple .*, received 2.0 of type float; args=\(value,\) passes one"),
        ({"t_eval": "noon"}, "expected t_eval to be a sequence of times, received 'noon'"),
    ],
)
def test_options_of_the_wrong_kind_are_refused(options: dict, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        adaptive(**options)


def test_a_nonlinear_term_must_be_a_function() -> None:
    with pytest.raises(TypeError, match=r"expected nonlinear\(t, y\) to be a function, received 3.0 of type float"):
        solve(3.0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "etd34"},
        {"method": "krogstad4", "step": 0.05},
        {"method": "exprb43", "jac": Differences()},
        {"method": "exprb43", "jac": Differences(central=True)},
    ],
)
@pytest.mark.parametrize("make", [np.asarray, torch.asarray])
@pytest.mark.parametrize("view", [False, True])
def test_a_function_may_write_its_values_into_one_array(make: object, view: bool, options: dict) -> None:
    buffer = make(np.zeros(3))

    def fresh(t: float, y: np.ndarray) -> np.ndarray:
        return math.sin(3 * t) * y * y

    def reused(t: float, y: np.ndarray) -> np.ndarray:
        buffer[:] = fresh(t, y)
        return buffer[:] if view and isinstance(buffer, np.ndarray) else buffer

    ends = [expint.solve_ivp(n, (0, 1), make(Y0), linear=-1.0, **options).y_end for n in (fresh, reused)]
    assert float(abs(ends[0] - ends[1]).max()) == 0


@pytest.mark.parametrize("method", [None, 4])
def test_a_method_is_a_name_or_a_method(method: object) -> None:
    with pytest.raises(TypeError, match="expected method to be a name"):
        solve(method=method)


@pytest.mark.skipif(np.finfo(np.longdouble).bits == 64, reason="long double is double on this machine")
@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble])
def test_a_state_of_more_than_double_precision_is_refused_as_it_would_be_lost(dtype: type) -> None:
    with pytest.raises(TypeError, match=r"expected a state of at most double precision, .* convert it to float64"):
        solve(y0=np.ones(2, dtype))
