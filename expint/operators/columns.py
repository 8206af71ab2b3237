"""The φ-sums of the columns of a row, and the same in numbers."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from expint.derive.algebra.phisum import Terms

__all__ = ["Columns"]


class Columns(tuple[Terms, ...]):
    """The φ-sum of each column; what is read off them once is kept for every step size and operator."""

    @cached_property
    def held(self) -> tuple[int, ...]:
        """The columns whose coefficient is not exactly zero."""
        return tuple(j for j, terms in enumerate(self) if terms)

    @cached_property
    def highest(self) -> dict[float, int]:
        """The highest index k that occurs with each c."""
        highest: dict[float, int] = {}
        for terms in self:
            for k, c in terms:
                highest[float(c)] = max(highest.get(float(c), 0), k)
        return highest

    @cached_property
    def numbers(self) -> dict[float, np.ndarray]:
        """For each c the coefficients r of φ_0(c z), φ_1(c z), …, one line for each column that is held."""
        numbers = {c: np.zeros((len(self.held), k + 1)) for c, k in self.highest.items()}
        for i, j in enumerate(self.held):
            for (k, c), r in self[j].items():
                numbers[float(c)][i, k] = float(r)
        return numbers

    @cached_property
    def transposed(self) -> dict[float, np.ndarray]:
        """The same with one line for each φ_k."""
        return {c: np.ascontiguousarray(numbers.T) for c, numbers in self.numbers.items()}
