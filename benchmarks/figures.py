"""Draw the figures of the README anew: ``python -m benchmarks.figures`` writes them to docs/images/."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks import parser
from benchmarks.demo import draw_digits, solve_pde

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def main(arguments: Sequence[str] = ()) -> None:
    """Draw all of them."""
    command = parser("benchmarks.figures", __doc__)
    command.add_argument("--folder", type=Path, default=IMAGES, help="where to write; docs/images by default")
    options = command.parse_args(arguments)
    mpl.use("Agg")
    options.folder.mkdir(parents=True, exist_ok=True)
    solve_pde(options.folder, t_end=20.0 if options.quick else 150.0)
    draw_digits(options.folder, each=1 if options.quick else 8)


if __name__ == "__main__":
    main(sys.argv[1:])
