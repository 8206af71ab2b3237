"""φ-sums and tables of them as text, LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

__all__ = ["latex_array", "latex_number", "latex_phisum", "markdown_table", "text_phisum"]

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def text_phisum(terms: Mapping[tuple[int, Any], Any]) -> str:
    """Return Σ r φ_k(c z) as plain text, for example ``-φ₂ + 4φ₃(z/2)``."""
    return _join(((r, _text_phi(k, c)) for (k, c), r in terms.items()), _text_factor)


def latex_phisum(terms: Mapping[tuple[int, Any], Any], argument: str = "z") -> str:
    """Return Σ r φ_k(c z) in LaTeX."""
    return _join(((r, _latex_phi(k, c, argument)) for (k, c), r in terms.items()), _latex_factor)


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


def _join(parts: Iterable[tuple[Any, str]], write: Callable[[Any, str], str]) -> str:
    """Join (factor, function) pairs with signs; ``write`` puts a positive factor before its function."""
    text = ""
    for factor, function in parts:
        negative = factor < 0 if isinstance(factor, Fraction) else factor.could_extract_minus_sign()
        size = -factor if negative else factor
        body = function if size == 1 and function else write(size, function)
        if text:
            text += f" - {body}" if negative else f" + {body}"
        else:
            text = f"-{body}" if negative else body
    return text or "0"


def _text_factor(size: Any, function: str) -> str:
    simple = isinstance(size, Fraction) and size.denominator == 1
    return f"{size}{function}" if simple or not function else f"({size}){function}"


def _latex_factor(size: Any, function: str) -> str:
    number = latex_number(size)
    is_sum = not isinstance(size, Fraction) and size.is_Add
    return rf"\left({number}\right){function}" if is_sum and function else f"{number}{function}"


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
    inner = _latex_argument(c, argument)
    return rf"e^{{{inner}}}" if k == 0 else rf"\varphi_{{{k}}}({inner})"


def _latex_argument(c: Any, argument: str) -> str:
    """Return c z as the papers write it inside a function: z, z/2, 3z/4, c_2 z, (1 - c_2) z."""
    if isinstance(c, Fraction):
        numerator = {1: argument, -1: f"-{argument}"}.get(c.numerator, f"{c.numerator}{argument}")
        return numerator if c.denominator == 1 else f"{numerator}/{c.denominator}"
    return f"({latex_number(c)}) {argument}" if c.is_Add else f"{latex_number(c)} {argument}"
