"""What users hold tells what it is in one line."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import diffusion
import expint
from expint import derive, operators

LONGEST = 120


def network(x: Any, t: Any) -> Any:
    del t
    return x


def of_runs() -> Iterator[Any]:
    problem = {"nonlinear": lambda t, y: -y, "t_span": (0.0, 1.0), "y0": np.ones(300), "linear": -np.ones(300)}
    plan = expint.lower(expint.method("krogstad4"), operators.Diagonal(-np.ones(300)), np.linspace(0, 1, 200))
    yield from (plan, plan.steps[7], plan.steps[7].rows[1])
    for own in ({"rtol": 1e-4}, {"method": "krogstad4", "step": 0.1}):
        solution = expint.solve_ivp(**problem, dense_output=True, **own)
        yield from (solution.sol, solution.stats, solution.status)
    yield expint.begin(lambda t, y: -y, 0.0, np.ones(300), linear=-1.0)


def of_operators() -> Iterator[Any]:
    n = 200
    free = operators.MatrixFree(lambda v: v, n, symmetry="symmetric", interval=(-1e6, 0))
    yield from (operators.Scalar(-1 / 3 + 1j / 7), operators.Diagonal(np.arange(float(n))), operators.Dense(np.eye(n)))
    yield from (operators.BlockDiagonal(np.ones((2, 2, n))), operators.KroneckerSum(np.eye(n), np.ones(n)), free)
    yield from (operators.Sparse(scipy.sparse.eye_array(n)), operators.TimeDependent(lambda t: -t))
    yield from (operators.Sum(*[free] * 9), operators.Sum(*[free] * 9).route)
    yield sum([operators.TimeScaled(np.cos, free)] * 9, start=operators.TimeScaled(np.sin, free))


def of_methods() -> Iterator[Any]:
    for name in expint.method_names():
        method = expint.method(name)
        yield from (method, method.orders) if name in {"krogstad4", "adams4", "magnus4"} else (method,)
    yield from expint.method("zoto-bowman43").recipe(derive.StepContext(0.0, 1.0, (0,)))
    yield from (
        expint.method("zoto-bowman43").orders,
        derive.phi(2),
        derive.Adams if hasattr(derive, "Adams") else None,
    )


def of_sampling() -> Iterator[Any]:
    yield from map(diffusion.sampler, diffusion.sampler_names())
    tables = [np.zeros((500, 8, 8))] * 3
    statistics = diffusion.Statistics(np.linspace(-5, 5, 500), *tables)
    yield from (statistics, diffusion.dpm_solver_v3(statistics), diffusion.STOP, diffusion.End(zero=1))
    betas = np.linspace(1e-4, 0.02, 1000)
    schedules = [diffusion.VP.linear(), diffusion.VP.cosine(), diffusion.VP.from_betas(betas), diffusion.VE()]
    for schedule in [
        *schedules,
        diffusion.EDM(),
        diffusion.FlowMatching(),
        diffusion.SubVP(),
        diffusion.MeanReverting(),
    ]:
        denoiser = diffusion.Denoiser(network, "noise", schedule)
        free = diffusion.guidance.classifier_free(denoiser.with_condition({"label": 1}), scale=3.0, unconditional={})
        yield from (schedule, denoiser, free, diffusion.guidance.thresholded(free))
    yield from (*diffusion.gauge.GAUGES.values(), *diffusion.clock.CLOCKS.values())


@pytest.mark.parametrize("values", [of_runs, of_operators, of_methods, of_sampling], ids=lambda values: values.__name__)
def test_a_repr_is_one_line_without_addresses(values: Any) -> None:
    for value in values():
        said = repr(value)
        assert len(said) <= LONGEST, said
        assert "\n" not in said
        assert " at 0x" not in said, said


def test_problems_tell_what_they_are_in_one_line() -> None:
    for name in ("burgers", "kuramoto_sivashinsky", "gray_scott"):
        assert len(repr(getattr(expint.problems, name)(n=16))) <= LONGEST


def test_a_sampler_tells_its_method_its_gauge_and_its_clocks() -> None:
    assert (
        repr(diffusion.sampler("deis-tab3"))
        == "Sampler('deis-tab3': adams4 in the rho gauge, grid t^(1/2), history in t)"
    )
