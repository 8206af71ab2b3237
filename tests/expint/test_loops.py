"""One loop to a tolerance does, to the last bit, what two did before it."""

import numpy as np
import pytest

from expint import Solution
from expint.run import record

from .oracles import to_tolerance_as_before
from .oracles.runs import RUNS


def bits(solution: Solution) -> list[object]:
    """All that a run says, floating-point numbers as bytes: nan equals nan, and 0 does not equal -0."""
    arrays = [solution.t, solution.y, *(solution.t_events or ()), *(solution.y_events or ())]
    found: list[object] = [None if array is None else np.asarray(array).tobytes() for array in arrays]
    if solution.sol is not None:
        found.append(np.asarray(solution.sol(np.linspace(solution.t[0], solution.t[-1], 9))).tobytes())
    return [*found, solution.stats, solution.status, solution.message, solution.method]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_the_loop_gives_the_times_states_and_messages_of_the_two_before_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = RUNS[name]()
    calls = []

    def before(*asked: object) -> object:
        calls.append(asked)
        return to_tolerance_as_before(*asked)

    monkeypatch.setattr(record, "to_tolerance", before)
    assert bits(found) == bits(RUNS[name]())
    assert calls
