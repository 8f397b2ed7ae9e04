"""Notebooks: cells of a Jupyter notebook (nbformat 4) as prose, code and what it printed.

Nothing of a notebook acts: texts pass the same allow-list as a README, HTML and scripts among the
outputs are left out, and pictures are PNG or JPEG that are in the file itself.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from typing import Any

from backend.projects.rendering import markup
from backend.projects.rendering.highlighting import Highlighter, lexer_called

SUFFIX = ".ipynb"
LARGEST = 1 << 20
MOST_CELLS = 300
LONGEST_OUTPUT = 10_000
LARGEST_PICTURE = 512 * 1024
_PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}

Prose = Callable[[str], str]


def is_notebook(path: str) -> bool:
    """Whether a file of this name is shown as a notebook."""
    return path.lower().endswith(SUFFIX)


def notebook(text: str, prose: Prose) -> str | None:
    """A notebook as HTML; None when it is larger than LARGEST or none of this format.

    `prose` draws the Markdown of a cell.
    """
    if len(text) > LARGEST:
        return None
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or read.get("nbformat") != 4 or not isinstance(read.get("cells"), list):
        return None
    cells: list[Any] = read["cells"]
    lexer, highlighter = lexer_called(_language(read)), Highlighter()
    drawn: list[str] = []
    for cell in cells[:MOST_CELLS]:
        if not isinstance(cell, dict):
            continue
        source = _text(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            drawn.append(prose(source))
        elif cell.get("cell_type") == "code":
            rows = "\n".join(map(markup.line, highlighter.lines(source, lexer)))
            drawn.append(f'<pre class="cell"><code class="src">{rows}</code></pre>')
            drawn += _outputs(cell.get("outputs"))
        elif source:
            drawn.append(f'<pre class="out">{markup.visible(source)}</pre>')
    cut = len(cells) - MOST_CELLS
    more = markup.notice(f"The first {MOST_CELLS} of {len(cells)} cells are shown.") if cut > 0 else ""
    return f'{more}<div class="notebook">{"".join(drawn)}</div>'


def _language(read: dict[str, Any]) -> str:
    metadata = read.get("metadata")
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) else "python"


def _text(value: Any) -> str:
    """A multi-line string of nbformat: one text, or a list of lines."""
    if isinstance(value, list):
        return "".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""


def _outputs(outputs: Any) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        if output.get("output_type") == "stream":
            yield _printed(_text(output.get("text")))
        elif output.get("output_type") == "error":
            yield _printed(f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}")
        elif isinstance(data, dict):
            yield _shown(data)


def _shown(data: dict[str, Any]) -> str:
    for kind, beginning in _PICTURES.items():
        if kind in data:
            return _picture(kind, beginning, _text(data[kind]))
    if text := _text(data.get("text/plain")):
        return _printed(text)
    kinds = ", ".join(sorted(key for key in data if isinstance(key, str))[:5])
    return markup.notice("An output that is not shown here.", markup.visible(kinds))


def _picture(kind: str, beginning: bytes, encoded: str) -> str:
    if len(encoded) > LARGEST_PICTURE * 4 // 3 + 1000:
        return markup.notice("A picture too large to be shown here.")
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content.startswith(beginning):
        return markup.notice("A picture that cannot be read.")
    source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return f'<p><img src="{source}" alt="Output of the cell"></p>'


def _printed(text: str) -> str:
    left = len(text) - LONGEST_OUTPUT
    more = f"\n\N{HORIZONTAL ELLIPSIS} {left:,} more characters" if left > 0 else ""
    return f'<pre class="out">{markup.visible(text[:LONGEST_OUTPUT] + more)}</pre>'
