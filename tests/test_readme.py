"""What the README shows is run."""

import re
import shlex
from pathlib import Path

import matplotlib as mpl

import diffusion.cli.commands
import expint.cli.commands

ROOT = Path(__file__).parent.parent


def test_the_code_of_the_readme_runs_as_pasted(capsys):
    mpl.use("Agg")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert len(blocks) >= 5
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "N calls  2400" in printed
    assert namespace["solution"].success
    assert namespace["images"].shape == (64, 1, 8, 8)
    assert namespace["run"].calls == 8
    assert not namespace["study"].failures


def test_the_pictures_of_the_readme_are_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", (ROOT / "README.md").read_text())
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture


def test_the_command_lines_of_the_readme_are_understood():
    groups = {"expint": expint.cli.commands.commands, "diffusion": diffusion.cli.commands.commands}
    lines = re.findall(r"^(expint|diffusion) (.*)$", (ROOT / "README.md").read_text(), flags=re.M)
    assert {program for program, _ in lines} == set(groups)
    for program, arguments in lines:
        name, *rest = shlex.split(arguments)
        groups[program].commands[name].make_context(name, rest)  # refuses what it does not know
