"""One code path: NumPy, torch and array-api-strict give the same numbers, and nothing leaves its library."""

from types import ModuleType

import array_api_compat
import array_api_strict
import numpy as np
import pytest
import torch

import expint
from expint.backend import all_finite, array_namespace, asarray_like, is_array, is_complex, is_numpy, is_torch, to_numpy
from expint.operators import Dense, Diagonal, Scalar
from tests.expint.catalogue import FIXED_L

NAMESPACES = {
    "numpy": array_api_compat.array_namespace(np.empty(0)),
    "torch": array_api_compat.array_namespace(torch.empty(0)),
    "array-api-strict": array_api_strict,
}
Y0 = np.array([[1.0, 0.5, -0.2], [0.3, -0.7, 0.1]])
DECAY = np.array([-1.0, -3.0, -10.0])
MATRIX = np.array([[-2.0, 1.0, 0.0], [1.0, -2.0, 1.0], [0.0, 0.5, -4.0]])


@pytest.fixture(params=NAMESPACES)
def xp(request: pytest.FixtureRequest) -> ModuleType:
    return NAMESPACES[request.param]


def end(xp: ModuleType, linear: object, method: str, y0: np.ndarray) -> np.ndarray:
    state = xp.asarray(y0)

    def nonlinear(t: float, y: object) -> object:
        assert isinstance(y, type(state))
        return y * y * (0.5 + t) - xp.sin(y)

    solution = expint.solve_ivp(nonlinear, (0, 1), state, linear=linear, method=method, step=0.1)
    assert isinstance(solution.y, type(state))
    assert solution.y.dtype == state.dtype
    return to_numpy(solution.y[-1, ...])


@pytest.mark.parametrize("method", ["exponential-euler", "krogstad4", "lawson-rk4", "adams4", "zoto-bowman43"])
@pytest.mark.parametrize(
    ("linear", "complex_state"),
    [
        (Scalar(-2.0), False),
        (Scalar(-2.0), True),
        (Scalar(-1 + 3j), True),
        (Diagonal(DECAY), False),
        (Diagonal(DECAY), True),
        (Diagonal(1j * DECAY), True),
        (Dense(MATRIX), False),
        (Dense(MATRIX), True),
        (Dense(MATRIX * (1 + 1j)), True),
    ],
    ids=lambda value: str(value) if not isinstance(value, bool) else ("complex state" if value else "real state"),
)
def test_every_library_gives_the_numbers_of_numpy(
    xp: ModuleType, linear: object, complex_state: bool, method: str
) -> None:
    y0 = Y0 + 0.2j if complex_state else Y0
    np.testing.assert_allclose(
        end(xp, linear, method, y0), end(NAMESPACES["numpy"], linear, method, y0), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("name", FIXED_L)
def test_every_method_runs_on_every_library(name: str) -> None:
    ends = [end(xp, Diagonal(DECAY), name, Y0) for xp in NAMESPACES.values()]
    for other in ends[1:]:
        np.testing.assert_allclose(other, ends[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("linear", [-1.0, DECAY, MATRIX], ids=["number", "symbol", "matrix"])
def test_the_linear_part_may_come_from_the_library_of_the_state(xp: ModuleType, linear: object) -> None:
    given = xp.asarray(linear)
    by_array, by_numpy = (end(xp, value, "krogstad4", Y0) for value in (given, linear))
    np.testing.assert_array_equal(by_array, by_numpy)


def test_integers_become_double_precision_where_they_are(xp: ModuleType) -> None:
    given = xp.asarray([1, 2])
    solution = expint.solve_ivp(lambda t, y: -y, (0, 1), given, linear=-1.0, rtol=1e-8)
    assert isinstance(solution.y, type(given))
    assert solution.y.dtype == xp.float64
    np.testing.assert_allclose(to_numpy(solution.y_end), np.exp(-2.0) * np.array([1.0, 2.0]), rtol=1e-7)


@pytest.mark.parametrize(("options", "tolerance"), [({}, 1e-4), ({"rtol": 1e-3}, 1e-3)])
def test_the_default_tolerance_suits_single_precision(
    xp: ModuleType, options: dict[str, float], tolerance: float
) -> None:
    given = xp.asarray(Y0, dtype=xp.float32)
    solution = expint.solve_ivp(lambda t, y: -y, (0, 1), given, linear=xp.asarray(DECAY), **options)
    assert solution.success
    assert solution.y.dtype == xp.float32
    np.testing.assert_allclose(to_numpy(solution.y_end), np.exp(DECAY - 1.0) * Y0, atol=tolerance)


@pytest.mark.parametrize("options", [{"step": 0.1}, {"step": -0.1}, {"rtol": 1e-6}, {"rtol": 1e-6, "max_step": 0.2}])
def test_a_span_the_other_way_round_is_run_backwards(xp: ModuleType, options: dict[str, float]) -> None:
    solution = expint.solve_ivp(
        lambda t, y: -y + 0 * t, (1, 0), xp.asarray(Y0), linear=-1.0, t_eval=[0.5, 0.0], method="pec4", **options
    )
    assert solution.t.tolist() == [0.5, 0.0]
    for k, t in enumerate(solution.t):
        np.testing.assert_allclose(to_numpy(solution.y[k, ...]), np.exp(2 * (1 - t)) * Y0, rtol=1e-3)


@pytest.mark.parametrize("problem", ["kuramoto_sivashinsky", "burgers", "korteweg_de_vries", "allen_cahn"])
def test_partial_differential_equations_run_alike_on_torch_and_numpy(problem: str) -> None:
    make = getattr(expint.problems, problem)
    ends = {}
    for name, like in (("numpy", None), ("torch", torch.empty(0, dtype=torch.float64))):
        p = make(n=64, like=like)
        t_end = p.t_span[1] / 1000 if problem == "korteweg_de_vries" else 1.0
        solution = expint.solve(p, "krogstad4", t_span=(0, t_end), step=t_end / 20, t_eval=[t_end])
        ends[name] = to_numpy(p.physical(solution.y[-1]))
    np.testing.assert_allclose(ends["torch"], ends["numpy"], rtol=0, atol=1e-12 * np.max(np.abs(ends["numpy"])))


def test_problems_in_single_precision_stay_single() -> None:
    p = expint.problems.kuramoto_sivashinsky(n=64, like=torch.empty(0, dtype=torch.float32))
    solution = expint.solve(p, "krogstad4", t_span=(0, 1), step=0.1)
    assert solution.y.dtype == torch.complex64
    assert p.physical(solution.y[-1]).dtype == torch.float32


def test_a_solve_keeps_the_device_of_its_state() -> None:
    solution = expint.solve_ivp(lambda t, y: y, (0, 1), torch.ones(2), linear=torch.tensor([-1.0, -2.0]), step=0.5)
    assert solution.y.device == torch.device("cpu")


# The backend itself


def test_namespaces_are_told_apart() -> None:
    assert is_numpy(array_namespace(np.ones(1)))
    assert is_torch(array_namespace(torch.ones(1)))
    assert array_namespace(array_api_strict.asarray([1.0])) is array_api_strict
    assert is_numpy(array_namespace(1.0, [2.0]))
    with pytest.raises(TypeError):
        array_namespace(np.ones(1), torch.ones(1))


def test_complex_is_a_question_of_the_dtype_not_the_values() -> None:
    assert is_complex(1j)
    assert is_complex(np.zeros(2, dtype=complex))
    assert is_complex(torch.zeros(2, dtype=torch.complex64))
    assert not any(map(is_complex, (1.0, 2, np.zeros(2), torch.zeros(2))))


def test_python_numbers_are_no_arrays() -> None:
    assert is_array(np.ones(1))
    assert is_array(torch.ones(1))
    assert not any(map(is_array, (1.0, [1.0], "x", None)))


@pytest.mark.parametrize(
    ("like", "real", "complex_"),
    [
        (np.zeros(1), np.float64, np.complex128),
        (np.zeros(1, dtype=np.complex128), np.float64, np.complex128),
        (np.zeros(1, dtype=np.complex64), np.float32, np.complex64),
        (torch.zeros(1), torch.float32, torch.complex64),
        (torch.zeros(1, dtype=torch.complex128), torch.float64, torch.complex128),
        (torch.zeros(1, dtype=torch.bfloat16), torch.bfloat16, torch.complex64),
        (array_api_strict.zeros(1), array_api_strict.float64, array_api_strict.complex128),
    ],
)
def test_host_numbers_take_library_and_precision_but_keep_their_kind(
    like: object, real: object, complex_: object
) -> None:
    assert asarray_like(np.array([0.1]), like).dtype == real
    assert asarray_like(np.array([0.1j]), like).dtype == complex_
    assert isinstance(asarray_like(np.array([0.1]), like), type(like))


def test_tensors_come_home_detached() -> None:
    np.testing.assert_array_equal(to_numpy(torch.ones(2, requires_grad=True)), [1.0, 1.0])
    np.testing.assert_array_equal(to_numpy(array_api_strict.asarray([1.0])), [1.0])
    np.testing.assert_array_equal(to_numpy([1.0, 2.0]), [1.0, 2.0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_inf_and_nan_are_found_wherever_they_are(xp: ModuleType, dtype: str) -> None:
    good = xp.asarray(1e38 * Y0, dtype=getattr(xp, dtype))
    assert all_finite(good)
    assert all_finite(good[:0, ...])
    for bad in (np.inf, -np.inf, np.nan):
        for place in ((0, 0), (1, 2)):
            spoilt = xp.asarray(good, copy=True)
            spoilt[place] = bad
            assert not all_finite(spoilt)
