"""A curve drawn with braille dots: two by four in a cell, so that 40 x 8 cells show 80 x 32 points."""

from __future__ import annotations

from collections.abc import Sequence

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from the top
LABEL = 9  # cells for a number beside the plot


def plot(xs: Sequence[float], ys: Sequence[float], width: int, height: int) -> list[str]:
    """Lines of `width` x `height` cells: the curve, its highest and lowest value, and below it the first and last x.

    `xs` ascend. Several points in one column are joined by what lies between the least and the greatest of them.
    """
    wide, high = max(1, width - LABEL - 1), max(1, height - 1)
    if not xs:
        return ["" for _ in range(high + 1)]
    low, top = min(ys), max(ys)
    columns = _columns(xs, ys, wide * 2)
    cells = [[0] * wide for _ in range(high)]
    last: tuple[int, int] | None = None  # the highest and lowest dot of the column before
    for column, (least, greatest) in sorted(columns.items()):
        upper, lower = (_row(value, low, top, high * 4) for value in (greatest, least))
        own = upper, lower
        if last is not None and upper > last[1]:
            upper = last[1] + 1
        elif last is not None and lower < last[0]:
            lower = last[0] - 1
        for row in range(upper, lower + 1):
            cells[row // 4][column // 2] |= DOTS[column % 2][row % 4]
        last = own
    lines = ["".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in cells]
    labels = [""] * high
    labels[-1], labels[0] = _label(low), _label(top)
    drawn = [f"{label:>{LABEL}} {line}" for label, line in zip(labels, lines, strict=True)]
    first, end = f"{xs[0]:g}", f"{xs[-1]:g}"
    return [*drawn, " " * (LABEL + 1) + first + end.rjust(max(len(end) + 1, wide - len(first)))]


def _label(value: float) -> str:
    """A number in no more than `LABEL` cells."""
    told = f"{value:.4g}"
    return told if len(told) <= LABEL else f"{value:.2g}"


def _columns(xs: Sequence[float], ys: Sequence[float], columns: int) -> dict[int, tuple[float, float]]:
    """The least and greatest value in each column that holds a point."""
    span = (xs[-1] - xs[0]) or 1
    found: dict[int, tuple[float, float]] = {}
    for x, y in zip(xs, ys, strict=True):
        column = min(columns - 1, int((x - xs[0]) / span * columns))
        least, greatest = found.get(column, (y, y))
        found[column] = min(least, y), max(greatest, y)
    return found


def _row(value: float, low: float, top: float, rows: int) -> int:
    """The dot's row, from the top."""
    share = (value - low) / (top - low) if top > low else 0.5
    return min(rows - 1, int((1 - share) * rows))
