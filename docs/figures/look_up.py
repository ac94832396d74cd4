"""Draws look_up.svg: four bits choose one of 16 partial sums, for 32 places at once.

python docs/figures/look_up.py
"""

from pathlib import Path

WEIGHTS = (5, -2, 3, 1)
BITS = ((1, 0, 1, 1), (0, 0, 1, 0), (1, 1, 0, 0), (0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1))
CELL, GAP = 34, 150
INK, LIGHT, MARK = "#333333", "#f2f2f2", "#f5c26b"


def text(x: float, y: float, words: object, size: int = 13, anchor: str = "middle") -> str:
    """Words at a place."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{INK}">{words}</text>'


def cell(x: float, y: float, words: object, fill: str = "white") -> str:
    """A square with words in it."""
    box = f'<rect x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}" fill="{fill}" stroke="{INK}" stroke-width="0.8"/>'
    return box + text(x + CELL / 2, y + CELL / 2 + 5, words)


def partial_sum(index: int) -> int:
    """What the bits of an index add up to."""
    return sum(weight for bit, weight in enumerate(WEIGHTS) if index >> bit & 1)


def drawing() -> str:
    """The whole picture."""
    parts = [
        text(GAP - 12, 40 + CELL * row + 22, f"channel {row}: weight {w}", anchor="end")
        for row, w in enumerate(WEIGHTS)
    ]
    indices = [sum(bit << row for row, bit in enumerate(bits)) for bits in BITS]
    for column, bits in enumerate(BITS):
        x = GAP + CELL * column
        parts += [cell(x, 40 + CELL * row, bit, LIGHT if bit else "white") for row, bit in enumerate(bits)]
        parts += [cell(x, 200, indices[column], MARK), cell(x, 360, partial_sum(indices[column]), MARK)]
    parts.append(text(GAP + 3 * CELL, 26, "bits of six places (of 32 or 64)"))
    parts.append(text(GAP - 12, 222, "four bits as a number", anchor="end"))
    parts.append(text(GAP - 12, 382, "their sums, at once", anchor="end"))
    for index in range(16):
        fill = MARK if index in indices else "white"
        x = GAP + CELL * index
        parts += [text(x + CELL / 2, 272, index, 10), cell(x, 278, partial_sum(index), fill)]
    parts.append(text(GAP - 12, 300, "table: all 16 sums", anchor="end"))
    size = (GAP + 16 * CELL + 20, 410)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(drawing(), "utf-8")
