"""What a solve returns: failures have names, and a solution prints itself."""

import numpy as np
import pytest

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
        empty.y_end  # noqa: B018
