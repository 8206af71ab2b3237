r"""EPI multistep methods: weights for R at remembered points, given for uniform steps, with L = J_n.

.. math:: y_{n+1} = y_n + h \varphi_1(z) F + h^2 \varphi_2(z) \partial_t f + h \sum_j w_j(z) R_{n-j}, \qquad z = h J_n.

``LinearisedAdams`` derives such weights for any order and any grid, and of higher stiff order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from expint.derive.linearised_ladder import LinearisedAdams
from expint.derive.phisum import PhiSum, phi
from expint.derive.stage import Stage, StepContext

__all__ = ["EpiMultistep"]


@dataclass(frozen=True, repr=False)
class EpiMultistep(LinearisedAdams):
    """A published EPI multistep method for uniform steps.

    Parameters
    ----------
    weights
        The functions that multiply h R_{n-1}, h R_{n-2}, …: q - 1 of them.
    label
        The name under which the method is found.
    declared_stiff_order, declared_weak_stiff_order
        The stiff orders, confirmed by the tests; the classical order is q + 1.
    reference, aliases
        BibTeX key of the source, and other names.

    Raises
    ------
    ValueError
        If there are not q - 1 weights.
    """

    weights: tuple[PhiSum, ...] = ()
    label: str = ""
    declared_stiff_order: int = 0
    declared_weak_stiff_order: int = 0
    reference: str = "tokman2006"
    aliases: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.weights) != self.q - 1:
            raise ValueError(f"{self.label}: expected {self.q - 1} weights, received {len(self.weights)}")

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.label

    @property
    def stiff_order(self) -> int:
        """The stiff order in the strong form."""
        return self.declared_stiff_order

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weak form."""
        return self.declared_weak_stiff_order

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the one stage of a step.

        Raises
        ------
        ValueError
            If the remembered slopes are too few or not uniform.
        """
        history = step.history[: self.q]
        if len(history) < self.q or any(abs(node + j) > 1e-9 for j, node in enumerate(history)):
            raise ValueError(
                f"{self.name}: expected {self.q} slopes of uniform steps, received positions "
                f"{tuple(map(str, history))}; linearised-adams{self.order} takes any grid"
            )
        return self._stages

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        own = phi(1) - sum(self.weights, PhiSum())
        past = tuple(weight.terms for weight in (own, *self.weights))
        return (Stage(Fraction(1), phi(0).terms, (), past, evaluate=True, accept=True, remember=True),)
