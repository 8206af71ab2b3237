"""What samplers of other programs are called here: the table of docs/hosts/diffusers.md.

``python -m benchmarks.foreign_names --write`` renews it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import diffusion
from benchmarks import parser
from diffusion.samplers.elsewhere import names_elsewhere

PAGE = Path(__file__).parents[1] / "docs" / "hosts" / "diffusers.md"
HEAD = "| here | there |\n| --- | --- |\n"
NOISY = "\nThose that draw noise ([stochastic samplers](../stochastic.md); `rng=` is the seed):\n\n"


def rows(*, stochastic: bool) -> str:
    """Return the rows of our samplers that draw noise, or of those that draw none."""
    ours = set(diffusion.sampler_names(stochastic=True))
    there: dict[str, list[str]] = {}
    for name, found in names_elsewhere().items():
        if (found.name in ours) == stochastic:
            there.setdefault(found.name, []).append(f"`{name}`")
    return "".join(f"| `{name}` | {', '.join(own)} |\n" for name, own in there.items())


def table() -> str:
    """Return both tables."""
    return HEAD + rows(stochastic=False) + NOISY + HEAD + rows(stochastic=True)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    command = parser("benchmarks.foreign_names", __doc__)
    command.add_argument("--write", action="store_true", help="renew the table in docs/hosts/diffusers.md")
    if command.parse_args(arguments).write:
        before, _, _ = PAGE.read_text(encoding="utf-8").partition(HEAD)
        PAGE.write_text(before + table(), encoding="utf-8")
    else:
        print(table(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
