"""What every method of the catalogue answers, for checkers of types."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from expint.derive.kinds.stage import Method

__all__ = ["CataloguedMethod", "SplittingName"]

SplittingName: TypeAlias = Literal["blanes-moan4", "blanes-moan6", "lie", "strang", "suzuki4", "yoshida4"]
"""The names of splittings, which ``expint.run_splitting`` takes."""


class CataloguedMethod(Method, Protocol):
    """A method with its proved orders, a source and a printed form.

    Examples
    --------
    >>> import expint
    >>> method = expint.method("krogstad4")
    >>> method.stiff_order, method.stages, method.reference
    (3, 4, 'krogstad2005')
    """

    @property
    def stiff_order(self) -> int:
        """The order with bounds that do not see how large L is."""

    @property
    def weak_stiff_order(self) -> int:
        """The same, with weakened conditions of the highest order."""

    @property
    def stages(self) -> int:
        """How many points a step is made of."""

    @property
    def reference(self) -> str:
        """The key of its source."""

    def latex(self) -> str:
        """Return the method in LaTeX."""

    def markdown(self) -> str:
        """Return the method in Markdown."""

    def cite(self) -> str:
        """Return its source in BibTeX."""
