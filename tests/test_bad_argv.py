"""A part of the odd words of ``tests.bad_argv``, drawn by a seed; ``python -m tests.bad_argv`` makes all calls."""

from tests.bad_argv import GOOD, GROUPS, answer, argvs, odd_folder, sample


def test_odd_words_end_in_a_sentence_or_work() -> None:
    wrong = {}
    with odd_folder():
        for group, words in sample(160, seed=20261201):
            found = answer(group, words, seconds=60.0)
            if found:
                wrong[group, *words] = found
    assert not wrong


def test_every_option_of_every_command_is_asked() -> None:
    assert {f"{group} {name}" for group, commands in GROUPS.items() for name in commands.commands} == set(GOOD)
    made = list(argvs())
    for group, commands in GROUPS.items():
        for name, command in commands.commands.items():
            of_it = [words for one, words in made if one == group and words[0] == name]
            assert len(of_it) >= 50 * len(command.params)
