"""Text forms of results: numbers as people write them, and short tables for notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise

from edgewise.escaping import html_text
from edgewise.outcomes import Progress

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class NumberSettings:
    """Sizes from which on a number is written in another way."""

    # From this size on thousands are separated: years and other numbers of four digits stay whole, as style guides of
    # scientific journals ask (The International System of Units, BIPM, 9th edition, section 5.4.4).
    separated_from: int = 10_000
    # Outside these sizes a number is written with a power of ten (nobody counts the zeros).
    largest_plain: float = 1e13
    smallest_plain: float = 1e-4


SETTINGS = NumberSettings()


def _is_plain(size: float) -> bool:
    """True for the size of a number that is written without a power of ten."""
    return SETTINGS.smallest_plain <= size < SETTINGS.largest_plain


def enumeration(parts: Sequence[str], word: str = "and") -> str:
    """Return the parts of a sentence with commas between them, and a word before the last."""
    return f" {word} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def as_sentence(clause: str) -> str:
    """Return a clause as a sentence, with a capital letter and a full stop."""
    return f"{clause[:1].upper()}{clause[1:]}."


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number with its noun: 1 row, 1,200 rows, 1 class, 3 classes."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def number_text(value: float, digits: int = 4, *, separated_from: float = SETTINGS.separated_from) -> str:
    """Write a number as people write it, rounded to significant digits."""
    largest_whole = 1e7  # whole numbers below this are written in full, not rounded (counts and years are exact)
    # Whole numbers below ten million are written in full, thousands are separated from 10,000 on by default (see
    # `column_texts`), minus is a true minus sign, and only very large and very small numbers have a power of ten.
    value = float(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value == 0:
        return "0"
    if abs(value) < largest_whole and value == round(value):
        return _plain(value, 0, separated_from=separated_from)
    place = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if not _is_plain(abs(value)):
        return _with_power_of_ten(value, digits)
    return _plain(value, digits - 1 - place, separated_from=separated_from)


def typed_text(value: float, digits: int = 6) -> str:
    """Write a number as programs read it, rounded to significant digits: 0.3, -2, 2e-12."""
    return f"{float(value):.{digits}g}"


def _with_power_of_ten(value: float, digits: int) -> str:
    superscripts = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa.replace('-', MINUS)}·10{str(int(exponent)).translate(superscripts)}"


def text_with_error(value: float, error: float) -> str:
    """Write a number and its standard error; where the number has a power of ten, so has the error."""
    text = number_text(value, 6)
    if "·10" in text and 0 < error < math.inf:
        return f"{text} ± {_with_power_of_ten(error, 2)}"
    return f"{text} ± {number_text(error, 2)}"


def column_texts(values: Sequence[float], digits: int = 3) -> list[str]:
    """Write numbers that stand below or beside each other, each with its own digits but alike in their separators."""
    start = _separated_from(values)
    return [number_text(value, digits, separated_from=start) for value in values]


def number_texts(values: Sequence[float]) -> list[str]:
    """Write numbers of one quantity with the same decimals: three digits of their largest difference can be read."""
    values = [float(value) for value in values]
    finite = [value for value in values if math.isfinite(value)]
    span = max(finite, default=0.0) - min(finite, default=0.0)
    extreme = max(map(abs, finite), default=0.0)
    if not (span > 0 and math.isfinite(span)) or not _is_plain(extreme) or span < 1e-9 * extreme:
        return [number_text(value, 3) for value in values]
    if all(value == round(value) and abs(value) < SETTINGS.separated_from for value in finite):
        return [number_text(value) for value in values]
    decimals = 2 - math.floor(math.log10(span))
    start = _separated_from(finite)
    texts = []
    for value in values:
        if math.isfinite(value):
            texts.append(_plain(value, decimals, strip=False, separated_from=start))
        else:
            texts.append(number_text(value))
    return texts


def tick_texts(values: Sequence[float]) -> list[str]:
    """Write the ascending numbers at the ticks of an axis, with just the decimals that their distances need."""
    values = [float(value) for value in values]
    steps = [abs(b - a) for a, b in pairwise(values)]
    extreme = max(map(abs, values), default=0.0)
    if not steps or not _is_plain(extreme) or min(steps) < 1e-9 * extreme:
        return [number_text(value) for value in values]
    for decimals in range(16):
        scaled = [step * 10**decimals for step in steps]
        if all(abs(one - round(one)) <= 1e-6 * one for one in scaled):
            break
    start = _separated_from(values)
    return [_plain(value, decimals, strip=False, separated_from=start) for value in values]


def signed_text(value: float, digits: int = 3) -> str:
    """Write a change with its sign."""
    text = number_text(value, digits)
    return text if text.startswith((MINUS, "–")) or value == 0 else f"+{text}"


def percent_text(share: float, digits: int = 2) -> str:
    """Write a share in per cent, rounded to 100 % only if it is exactly that."""
    if not math.isfinite(share):
        return "–"
    if 0.99 <= share < 1:
        left = 1 - share
        places = max(1 - math.floor(math.log10(100 * left)), 0)
        return f"{min(100 * share, 99.99):.{min(places, 2)}f} %"
    text = f"{Decimal(f'{100 * share:.{digits - 1}e}'):f}"
    if "." in text and abs(share) < 1e-3:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", MINUS) + " %"


def r2_text(r2: float) -> str:
    """Write a coefficient of determination with three decimals, and more where it is near 1."""
    if not math.isfinite(r2) or r2 >= 1 or r2 < -1e6:  # all below are equally useless
        return number_text(r2)
    decimals = max(3, min(1 - math.floor(math.log10(1 - r2)), 12))
    if r2 > 0.999:  # never rounded up to 1
        r2 = math.floor(r2 * 10**decimals) / 10**decimals
    return _plain(r2, decimals, strip=False)


def _separated_from(values: Sequence[float]) -> float:
    """Return the size from which on these numbers have separators: all from 1,000 on if one needs them."""
    if any(SETTINGS.separated_from <= abs(value) < math.inf for value in values):
        return 1000
    return SETTINGS.separated_from


def _plain(value: float, decimals: int, *, strip: bool = True, separated_from: float = SETTINGS.separated_from) -> str:
    """Round to a number of decimals (negative: to tens, hundreds, ...) and separate thousands in large numbers."""
    step = Decimal(1).scaleb(-decimals)
    rounded = Decimal(repr(value)).quantize(step, rounding=ROUND_HALF_EVEN)
    if rounded == 0:
        rounded = abs(rounded)  # no −0.00
    separator = "," * (abs(rounded) >= separated_from)
    text = f"{rounded:{separator}f}"
    if strip and "." in text:
        text = text.rstrip("0").rstrip(".")
    if decimals < 0:  # a quantised Decimal keeps its exponent; "f" writes the zeros
        text = f"{int(rounded):{separator}}"
    if float(rounded) == 0 and strip:
        return "0"
    return text.replace("-", MINUS)


def seconds_text(seconds: float) -> str:
    """Write a time that was measured: 0.42 seconds, 1 second, 12.3 seconds."""
    text = number_text(seconds, 3)
    return f"{text} second" if text == "1" else f"{text} seconds"


def p_value_text(p_value: float) -> str:
    """Write a p-value with three digits, a tiny one as a bound."""
    smallest = 2e-16  # as in R
    return f"<{smallest:g}" if p_value < smallest else f"{p_value:.3g}"


def duration_text(seconds: float) -> str:
    """Write a duration as people say it, rounded up to whole seconds, minutes or tens of minutes."""
    if seconds <= 90:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    if minutes <= 60:
        return f"{minutes} min"
    hours, tens = divmod(math.ceil(minutes / 10), 6)
    if tens:
        return f"{hours} h {10 * tens} min"
    return f"{hours} h"


def clock_text(progress: Progress) -> str:
    """Write the time that has passed and, once the pace is known, an upper bound of the time left, named so."""
    minutes, seconds = divmod(int(progress.seconds), 60)
    text = f"{minutes}:{seconds:02d}"
    if progress.share > 0 and progress.seconds >= 2.0:  # before, the pace is not known
        text += f", at most {duration_text(progress.seconds_left)} more"
    return text


def html_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str = "",
    marked: int | None = None,
    notes: Iterable[str] = (),
    text_columns: Sequence[int] = (0,),
) -> str:
    """Return a short HTML table that takes its colours from the page around it."""
    # Everything is escaped. Columns of text are aligned at the left, others at the right; a row may be marked, by
    # number, and notes are lines below the table. Colours are inherited and lines translucent, so that one table reads
    # on light and on dark pages.
    of_table = "border-collapse:collapse;font-variant-numeric:tabular-nums;color:inherit;margin:.4em 0"
    of_head = "padding:.15em .7em;border-bottom:1px solid rgba(128,128,128,.7);font-weight:600;background:transparent"
    of_cell = "padding:.15em .7em;border:0;background:transparent;vertical-align:baseline"
    of_marked = "background:rgba(0,114,178,.16);font-weight:600"
    of_note = "margin:.2em 0;color:inherit;opacity:.8"

    def cell(tag: str, column: int, text: object, style: str) -> str:
        side = "left" if column in text_columns else "right;white-space:nowrap"
        scope = ' scope="col"' if tag == "th" else ""
        return f'<{tag}{scope} style="{style};text-align:{side}">{html_text(text)}</{tag}>'

    lines = []
    for number, row in enumerate(rows):
        style = f"{of_cell};{of_marked}" if number == marked else of_cell
        lines.append(f"<tr>{''.join(cell('td', k, text, style) for k, text in enumerate(row))}</tr>")
    titles = "".join(cell("th", k, text, of_head) for k, text in enumerate(head))
    top = ""
    if caption:
        top = f'<p style="{of_note}"><b>{html_text(caption)}</b></p>'
    table = f'<table style="{of_table}"><thead><tr>{titles}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    foot = "".join(f'<p style="{of_note}">{html_text(note)}</p>' for note in notes)
    return f'<div style="overflow-x:auto;max-width:60em">{top}{table if lines else ""}{foot}</div>'


def text_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, text_columns: Sequence[int] = (0,)) -> str:
    """Return a table as lines of plain text, with text at the left and numbers at the right of their columns."""
    cells = [list(map(str, head)), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        parts = [
            text.ljust(width) if k in text_columns else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)
