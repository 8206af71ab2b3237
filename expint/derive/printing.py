"""φ-sums and tables of them as text, LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

__all__ = ["latex_array", "latex_number", "latex_phisum", "markdown_table", "text_phisum"]

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def text_phisum(terms: Mapping[tuple[int, Any], Any]) -> str:
    """Return Σ r φ_k(c z) as plain text, for example ``-φ₂ + 4φ₃(z/2)``."""
    return _join((_text_factor(r), _text_phi(k, c)) for (k, c), r in terms.items())


def latex_phisum(terms: Mapping[tuple[int, Any], Any], argument: str = "z") -> str:
    """Return Σ r φ_k(c z) in LaTeX."""
    return _join((latex_number(r), _latex_phi(k, c, argument)) for (k, c), r in terms.items())


def latex_number(value: Any) -> str:
    """Return an exact number in LaTeX."""
    if isinstance(value, Fraction):
        if value.denominator == 1:
            return str(value.numerator)
        sign = "-" if value < 0 else ""
        return rf"{sign}\tfrac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    import sympy

    return str(sympy.latex(value))


def latex_array(rows: Sequence[Sequence[str]], columns: str) -> str:
    """Return a LaTeX array; a row that is empty becomes a horizontal line."""
    lines = [" & ".join(row) + r" \\" if row else r"\hline" for row in rows]
    return "\n".join([rf"\begin{{array}}{{{columns}}}", *lines, r"\end{array}"])


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _join(parts: Iterable[tuple[str, str]]) -> str:
    """Join (factor, function) pairs with signs; an empty sum is 0."""
    text = ""
    for factor, function in parts:
        bracketed = any(sign in factor[1:] for sign in "+-")
        negative = factor.startswith("-") and not bracketed
        size = f"({factor})" if bracketed else factor.removeprefix("-")
        body = function if size == "1" and function else size + function
        if text:
            text += f" - {body}" if negative else f" + {body}"
        else:
            text = f"-{body}" if negative else body
    return text or "0"


def _text_factor(value: Any) -> str:
    text = str(value)
    return f"({text})" if "/" in text and not text.startswith("-") else (f"-({text[1:]})" if "/" in text else text)


def _text_phi(k: int, c: Any) -> str:
    if c == 0:
        return ""
    name = "φ" + str(k).translate(_SUBSCRIPTS)
    if c == 1:
        return name
    if isinstance(c, Fraction):
        numerator = {1: "z", -1: "-z"}.get(c.numerator, f"{c.numerator}z")
        return f"{name}({numerator}/{c.denominator})" if c.denominator != 1 else f"{name}({numerator})"
    return f"{name}(({c})z)"


def _latex_phi(k: int, c: Any, argument: str) -> str:
    if c == 0:
        return ""
    inner = argument if c == 1 else ("-" if c == -1 else latex_number(c)) + argument
    return rf"e^{{{inner}}}" if k == 0 else rf"\varphi_{{{k}}}({inner})"
