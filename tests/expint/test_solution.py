"""What a solve returns: failures have names, and a solution prints itself."""

import sys

import numpy as np
import pytest

import expint
from expint import Solution, Stats, Status


def solution(status: Status = Status.SUCCESS, times: int = 3) -> Solution:
    t, y = np.linspace(0, 1, times), np.ones((times, 2, 4))
    return Solution(t, y, status, status.sentence, Stats(nonlinear_evaluations=12, steps=3), "krogstad4")


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence_and_failures_are_negative(status: Status) -> None:
    assert status.sentence.endswith(".")
    assert solution(status).success == (status >= 0)
    assert (status < 0) == (status.name not in ("SUCCESS", "TERMINATED"))


def test_the_sentences_of_all_statuses_differ() -> None:
    assert len({status.sentence for status in Status}) == len(Status)


def test_a_solution_prints_what_happened() -> None:
    assert repr(solution()).splitlines() == [
        "Solution (krogstad4): success",
        "  t        0 … 1  (3 times)",
        "  y        2×4, float64",
        "  steps    3",
        "  N calls  12",
        "  message  The solver reached the end of the interval.",
    ]


def test_a_solution_answers_in_the_words_of_both_packages() -> None:
    own = solution()
    assert own.states is own.y
    assert own.calls == own.stats.nonlinear_evaluations == 12
    np.testing.assert_array_equal(own.y_end, own.y[-1])


def test_a_solution_without_states_has_no_last_one_and_says_why() -> None:
    empty = solution(Status.NON_FINITE, times=0)
    assert "nothing" in repr(empty)
    with pytest.raises(ValueError, match=r"at least one state, received one without: The state became non-finite"):
        empty.y_end  # noqa: B018  # the property raises


def test_the_names_of_scipy_are_answered() -> None:
    found = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.ones(2), linear=-1.0, rtol=1e-4)
    assert (found.nfev, found.njev, found.nlu) == (found.stats.nonlinear_evaluations, 0, 0)
    unsplit = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.ones(2), rtol=1e-4)
    assert unsplit.njev == unsplit.stats.jacobian_evaluations > 0


@pytest.mark.parametrize(("method", "library"), [("to_dataframe", "pandas"), ("to_xarray", "xarray")])
def test_tables_of_libraries_that_are_missing_are_refused_with_an_install_line(
    method: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    found = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.ones(2), linear=-1.0, step=0.5)
    with pytest.raises(ImportError, match=f"expected {library} .* pip install {library}"):
        getattr(found, method)()


def test_a_data_frame_has_a_row_for_each_time() -> None:
    pytest.importorskip("pandas")
    found = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.ones((2, 3)), linear=-1.0, step=0.5)
    frame = found.to_dataframe()
    np.testing.assert_array_equal(frame.index, found.t)
    np.testing.assert_array_equal(frame[1, 2], found.y[:, 1, 2])


def test_a_dataset_has_the_axes_of_the_state() -> None:
    pytest.importorskip("xarray")
    x = np.linspace(0, 1, 4)
    found = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.cos(x), linear=-1.0, step=0.5)
    data = found.to_xarray({"x": x})
    assert data.y.dims == ("t", "x")
    np.testing.assert_array_equal(data.y.sel(t=0.5), found.y[1])
    np.testing.assert_array_equal(data.x, x)
    with pytest.raises(ValueError, match="expected coords of the axes"):
        found.to_xarray({"x": x[:2]})
