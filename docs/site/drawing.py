"""Text blocks of the doc comments: drawings of lines and arrows become SVG, formulas in columns become tables."""

import re
import unicodedata
from html import escape

import notation

# Where the line of a character leads: left, right, up, down.
LINES = {
    "─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "udr", "┤": "udl", "┬": "lrd", "┴": "lru", "┼": "lrud",
    "▶": "l", "◀": "r", "▼": "u", "▲": "d",
}
WIDE, HIGH = 9, 20


def cells(text):
    """Characters with their combining marks: one per column."""
    found = []
    for character in text:
        if unicodedata.combining(character) and found:
            found[-1] += character
        else:
            found.append(character)
    return found


def is_drawing(block):
    return any(character in LINES for character in block)


def split(rows):
    """Rows of a drawing, and the formulas to the right of it: what is beyond three empty columns behind its last line; or None."""
    width = max(len(row) for row in rows)
    last = max(x for row in rows for x, character in enumerate(row) if character in LINES)
    empty = [all(x >= len(row) or row[x] == " " for row in rows) for x in range(width)]
    for x in range(last, width - 3):
        text = ["".join(row[x:]) for row in rows]
        if all(empty[x:x + 3]) and (any("=" in it for it in text) or x < width / 3):
            return [row[:x] for row in rows], text
    return rows, None


def svg(block):
    """The drawing, its text for screen readers, and what stands next to it."""
    rows, text = split([cells(row) for row in block.split("\n")])
    beside = "" if text is None else table("\n".join(text), "beside")
    width = max(len(row) for row in rows)
    lines, tips, texts = [], [], []
    for y, row in enumerate(rows):
        middle = y * HIGH + HIGH / 2
        for x, character in enumerate(row):
            if character not in LINES:
                continue
            centre = x * WIDE + WIDE / 2
            ends = {"l": (x * WIDE, middle), "r": ((x + 1) * WIDE, middle), "u": (centre, y * HIGH), "d": (centre, (y + 1) * HIGH)}
            for end in LINES[character]:
                lines.append(f"M{centre:g} {middle:g}L{ends[end][0]:g} {ends[end][1]:g}")
            if character in "▶◀":
                side = 1 if character == "▶" else -1
                tips.append(f"M{centre + 5 * side:g} {middle:g}l{-10 * side} -5v10z")
            if character in "▲▼":
                side = 1 if character == "▼" else -1
                tips.append(f"M{centre:g} {middle + 9 * side:g}l-5 {-11 * side}h10z")
        plain = "".join(character if character not in LINES else " " for character in row)
        # Columns are those of `row`, marks that combine do not count.
        starts, place = {}, 0
        for x, character in enumerate(row):
            starts[place] = x
            place += len(character) if character not in LINES else 1
        for match in re.finditer(r"\S+(?: \S+)*", plain):
            x, count = starts[match.start()], len(cells(match[0]))
            centre = (x + count / 2) * WIDE
            if match[0] in ("(+)", "⊙"):
                texts.append(f'<circle cx="{centre:g}" cy="{middle:g}" r="8.5"/>'
                             + (f'<path d="M{centre - 5:g} {middle:g}h10m-5 -5v10"/>' if match[0] == "(+)"
                                else f'<circle class="dot" cx="{centre:g}" cy="{middle:g}" r="2"/>'))
                continue
            shown = re.sub(r"_(?:{([^}]*)}|([A-Za-z]+))", r'<tspan class="low" dy="4">\1\2</tspan><tspan dy="-4">&#8203;</tspan>', escape(match[0]))
            length = "" if "tspan" in shown else f' textLength="{count * WIDE}"'
            texts.append(f'<text x="{x * WIDE:g}" y="{middle + 5:g}"{length}>{shown}</text>')
    wide, high = width * WIDE + 8, len(rows) * HIGH
    return (f'<div class="drawing"><svg viewBox="-4 0 {wide} {high}" style="width:{wide}px" role="img" '
            f'aria-label="{escape(block)}"><path class="line" d="{"".join(lines)}"/><path class="tip" d="{"".join(tips)}"/>'
            f'{"".join(texts)}</svg>{beside}</div>')


def merged(chunks, starts):
    """The chunks of a row, each a list of texts; one without a column of its own is added to the one before."""
    found = []
    for start, text in chunks:
        if found and starts.count(start) == 1:
            found[-1][1].append(text)
        else:
            found.append((start, [text]))
    return found


def table(block, kind="formulas"):
    """Formulas: what begins in one column of the text begins in one column of the table."""
    rows = []
    for row in block.split("\n"):
        row = cells(row)
        text, chunks = "".join(it[0] for it in row), []
        for match in re.finditer(r"\S+(?: \S+)*", text):
            chunks.append((match.start(), "".join(row[match.start():match.end()])))
        rows.append(chunks)
    # A line that goes on begins below a sign of the line before: there its formula is split.
    for before, after in zip(rows, rows[1:]):
        if not after or not re.match(r"[=+−·]", after[0][1]):
            continue
        for place, (start, text) in enumerate(before):
            at = after[0][0] - start
            if 0 < at < len(cells(text)) and cells(text)[at] == cells(after[0][1])[0]:
                parts = cells(text)
                before[place:place + 1] = [(start, "".join(parts[:at]).strip()), (start + at, "".join(parts[at:]))]
    # What begins where nothing else does has no column: it goes on in the cell before.
    starts = [start for chunks in rows for start, _ in chunks]
    rows = [merged(chunks, starts) for chunks in rows]
    edges = sorted({start for chunks in rows for start, _ in chunks})
    html = []
    for chunks in rows:
        if not chunks:
            html.append('<tr class="gap"><td></td></tr>')
            continue
        parts, column = [], 0
        for place, (start, text) in enumerate(chunks):
            at = edges.index(start)
            until = edges.index(chunks[place + 1][0]) if place + 1 < len(chunks) else len(edges)
            if at > column:
                parts.append(f'<td class="empty" colspan="{at - column}"></td>')
            whole = ' class="whole"' if sum(map(len, text)) <= 45 else ""
            html_of = '<span class="next"></span>'.join(notation.line(it) for it in text)
            parts.append(f'<td{whole} colspan="{until - at}">{html_of}</td>')
            column = until
        html.append(f"<tr>{''.join(parts)}</tr>")
    # Long lines do not share columns: each flows on its own.
    if kind == "formulas" and max(len(cells(row)) for row in block.split("\n")) > 100:
        kind = "formulas flowing"
    return f'<table class="{kind}" role="presentation">{"".join(html)}</table>'
