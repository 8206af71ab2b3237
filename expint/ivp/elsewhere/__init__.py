"""Problems that are solved by other runs of ``solve_ivp``: in pieces, in another clock, lifted, differentiated."""

from expint.ivp.elsewhere.chosen import by_other_runs

__all__ = ["by_other_runs"]
