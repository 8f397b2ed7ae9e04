"""Tables: files of comma- or tab-separated values as rows and columns (RFC 4180), read leniently."""

import csv
import io

from backend.projects.rendering import markup

SUFFIXES = (".csv", ".tsv")
LARGEST = 512 * 1024
MOST_ROWS = 1_000
MOST_COLUMNS = 100
LONGEST_CELL = 1_000


def is_table(path: str) -> bool:
    """Whether a file of this name is shown as a table."""
    return path.lower().endswith(SUFFIXES)


def table(text: str, path: str) -> str | None:
    """A text as a table, its first row as heads; None when it has none or cannot be read as one.

    At most MOST_ROWS rows of MOST_COLUMNS columns, with what is left out said above.
    """
    if len(text) > LARGEST:
        return None
    separator = "\t" if path.lower().endswith(".tsv") else _separator(text)
    try:
        # A field may be as long as the file: `csv` keeps none of it beyond the row at hand.
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=False))
    except csv.Error:
        return None
    rows = [row for row in rows if row]
    width = max(map(len, rows), default=0)
    if width == 0:
        return None
    shown, columns = rows[: MOST_ROWS + 1], min(width, MOST_COLUMNS)
    head, *body = (_row(row, columns, "td" if number else "th", number) for number, row in enumerate(shown))
    return (
        f"{_left_out(len(rows) - 1, width)}"
        f'<div class="scroll"><table class="table values"><thead>{head}</thead>'
        f"<tbody>\n{''.join(body)}</tbody></table></div>"
    )


def _separator(text: str) -> str:
    """Semicolons where the first line has more of them than commas, as some locales write."""
    first = text.partition("\n")[0]
    return ";" if first.count(";") > first.count(",") else ","


def _row(row: list[str], columns: int, tag: str, number: int) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    cells = [*row[:columns], *[""] * (columns - len(row))]
    told = "".join(f"<{tag}{scope}>{markup.visible(_short(cell))}</{tag}>" for cell in cells)
    return f'<tr><th class="ln" scope="row">{number or ""}</th>{told}</tr>\n'


def _short(cell: str) -> str:
    return cell if len(cell) <= LONGEST_CELL else cell[:LONGEST_CELL] + "\N{HORIZONTAL ELLIPSIS}"


def _left_out(rows: int, columns: int) -> str:
    told = []
    if rows > MOST_ROWS:
        told.append(f"the first {MOST_ROWS:,} of {rows:,} rows")
    if columns > MOST_COLUMNS:
        told.append(f"the first {MOST_COLUMNS} of {columns:,} columns")
    return markup.notice("Not all of it.", f"Shown are {' and '.join(told)}.") if told else ""
