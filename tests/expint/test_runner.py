"""Fused kernels: the same runs to rounding, chosen by name or by themselves, and refused by name."""

from typing import Any

import numpy as np
import pytest

import expint
from expint.ivp import runner as runners
from expint.operators import Diagonal, TimeDependent

SYMBOL = np.array([-1.0, -20.0, -0.3, 0.5])
RNG = np.random.default_rng(0)


def react(t: float, y: Any) -> Any:
    return -(y**2) + 0.3 * t


def kernels() -> None:
    pytest.importorskip("numba")


def both(**options: Any) -> tuple[expint.Solution, expint.Solution]:
    given = {"linear": SYMBOL, "method": "krogstad4"} | options
    y0 = given.pop("y0", np.array([0.1, 0.4, -0.2, 0.3]))
    nonlinear = given.pop("nonlinear", react)
    plain, fast = (expint.solve_ivp(nonlinear, (0.0, 2.0), y0, runner=own, **given) for own in ("plain", "kernels"))
    return plain, fast


CASES: dict[str, dict[str, Any]] = {
    "Runge–Kutta": {"step": 0.1},
    "Adams, unequal steps": {"grid": 2 * np.linspace(0, 1, 21) ** 2, "method": "adams4"},
    "pair to a tolerance": {"rtol": 1e-7, "method": "pec4"},
    "embedded": {"rtol": 1e-6, "method": "etd34"},
    "doubled": {"rtol": 1e-4, "error": "doubling"},
    "tolerances by component": {"rtol": 1e-6, "atol": np.array([1e-6, 1e-7, 1e-8, 1e-9]), "method": "auto"},
    "real L, complex states": {"rtol": 1e-7, "method": "auto", "y0": np.array([0.1j, 0.4, -0.2 + 0.1j, 0.3])},
    "complex L": {"step": 0.1, "linear": 1j * SYMBOL, "y0": np.array([0.1j, 0.4, -0.2, 0.3])},
    "real N beside complex states": {"step": 0.1, "y0": 1.0 + 0j * SYMBOL, "nonlinear": lambda t, y: abs(y)},
    "single precision": {"step": 0.1, "y0": np.float32([0.1, 0.4, -0.2, 0.3])},
    "a plane": {"rtol": 1e-6, "method": "auto", "linear": Diagonal(SYMBOL.reshape(2, 2)), "y0": np.full((2, 2), 0.3)},
    "a plane, fixed steps": {"step": 0.1, "linear": Diagonal(SYMBOL.reshape(2, 2)), "y0": np.full((2, 2), 0.3)},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_runs_by_kernels_are_the_plain_ones_to_rounding(case: dict[str, Any]) -> None:
    kernels()
    plain, fast = both(**case)
    eps = float(np.finfo(plain.y.dtype).eps)
    assert fast.y.dtype == plain.y.dtype
    assert (fast.stats.steps, fast.stats.rejected, fast.nfev) == (plain.stats.steps, plain.stats.rejected, plain.nfev)
    np.testing.assert_allclose(fast.y, plain.y, rtol=1e3 * eps, atol=1e2 * eps)
    assert "fused kernels (numba)" in fast.message
    assert "kernels" not in plain.message


def test_dense_output_events_and_pulses_are_the_same() -> None:
    kernels()
    plain, fast = both(rtol=1e-7, method="auto", dense_output=True, events=lambda t, y: y[0] + 0.1)
    times = np.linspace(0, 2, 33)
    np.testing.assert_allclose(fast.sol(times), plain.sol(times), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fast.t_events[0], plain.t_events[0], rtol=1e-9)


def test_norms_by_kernels_are_those_of_numpy_whatever_the_scale() -> None:
    kernels()
    from expint.run import ErrorNorm
    from expint.run.compiled.fused import FusedNorm

    for kind in (np.float64, np.complex128):
        for size in (1e-200, 1e-8, 1.0, 1e160):
            y, error = (own.astype(kind) for own in size * RNG.standard_normal((2, 40)))
            plain, fast = ErrorNorm(1e-5, 1e-9 * size), FusedNorm(1e-5, 1e-9 * size)
            (scale, measure), (own_scale, own_measure) = plain.measures(y), fast.measures(y)
            np.testing.assert_allclose(own_scale(y), scale(y), rtol=1e-15)
            assert own_measure(error, scale(y)) == pytest.approx(measure(error, scale(y)), rel=1e-13)
            error[3] = np.nan
            assert own_measure(error, scale(y)) == np.inf


def test_kernels_that_cannot_run_are_refused_by_name_and_auto_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels()
    for options in ({"linear": -1.0}, {"linear": np.diag(SYMBOL)}, {"y0": np.ones((3, 4))}):
        with pytest.raises(ValueError, match=r"expected, for runner='kernels', .* received (Scalar|Dense|Diagonal)"):
            both(step=0.1, **options)
        given = {"linear": SYMBOL, "y0": np.ones(4)} | options
        run = expint.solve_ivp(react, (0, 1), given["y0"], linear=given["linear"], step=0.1, runner="auto")
        assert "kernels" not in run.message
    for options in ({"method": "exprb43"}, {"linear": TimeDependent(lambda t: -1.0), "method": "cfree4"}):
        with pytest.raises(ValueError, match=r"fixed, elementwise L for runner='kernels', received (exprb43|Time)"):
            both(step=0.1, **options)
    with pytest.raises(ValueError, match="expected runner to be one of 'auto', 'plain', 'kernels', received 'fast'"):
        expint.solve_ivp(react, (0, 1), [1.0], linear=-1.0, step=0.1, runner="fast")
    with pytest.raises(ValueError, match="expected runner='plain' beside checkpoint"):
        expint.solve_ivp(react, (0, 1), [1.0], linear=-1.0, rtol=1e-3, runner="kernels", checkpoint="run.npz")
    monkeypatch.setattr(runners, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs numba, which is not installed; run: pip install numba"):
        both(step=0.1)


def test_auto_takes_kernels_for_long_runs_alone_and_without_numba_never(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels()
    given: dict[str, Any] = {"linear": SYMBOL, "step": 0.1, "method": "krogstad4"}
    short = expint.solve_ivp(react, (0, 1), np.ones(4), **given)
    assert "kernels" not in short.message
    monkeypatch.setattr(runners, "_WORTH", 40.0)  # as if numba were loaded in no time
    long = expint.solve_ivp(react, (0, 1), np.ones(4), **given)
    assert "fused kernels" in long.message
    np.testing.assert_allclose(short.y, long.y, rtol=1e-13)
    monkeypatch.setattr(runners, "find_spec", lambda name: None)
    assert "kernels" not in expint.solve_ivp(react, (0, 1), np.ones(4), **given).message
