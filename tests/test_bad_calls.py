"""A part of the bad calls of ``tests.bad_calls``, drawn by a seed; ``python -m tests.bad_calls`` makes them all."""

import inspect
from pathlib import Path

import pytest

from tests.bad_calls import BAD, LEFT_OUT, answer, calls, done_with, good, limited, sample, surface


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_bad_calls_are_answered_at_the_door() -> None:
    wrong = {}
    for call in sample(900, seed=20261130):
        if call.argument == "executor" and call.kind == "None":
            continue  # a pool of processes, which takes seconds to start
        found = answer(call)
        if found:
            wrong[call.name, call.argument, call.kind] = found
    assert not wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", surface())
def test_good_calls_are_accepted(name: str) -> None:
    function = surface()[name]
    positional, keywords = good(name, function)
    with limited(20.0):
        done_with(function(*positional, **keywords))


def test_the_calls_reach_every_argument_of_the_surface_in_a_fixed_order() -> None:
    found = list(calls())
    assert [call[0:4:2] for call in found] == [call[0:4:2] for call in calls()]
    arguments = sum(
        parameter.kind is not parameter.VAR_KEYWORD
        for function in surface().values()
        for parameter in inspect.signature(function).parameters.values()
    )
    assert len(found) == arguments * len(BAD)
    assert not {name.rpartition(".")[2] for name in surface()} & LEFT_OUT
