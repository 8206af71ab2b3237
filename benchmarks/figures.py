"""Draw the figures of the README anew: python -m benchmarks.figures writes them to docs/images/."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from benchmarks.demo import draw_digits, solve_pde


def main() -> None:
    """Draw all of them."""
    mpl.use("Agg")
    images = Path(__file__).parent.parent / "docs" / "images"
    solve_pde(images)
    draw_digits(images)


if __name__ == "__main__":
    main()
