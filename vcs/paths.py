r"""Paths as text: how bytes that are a path travel through JSON and onto a screen.

A path in a tree is bytes. As text it is its UTF-8 reading, where a byte that is not valid
UTF-8 is written `\xNN`, a line break or other control character likewise, and a backslash
is doubled. The two functions are each other's inverse, so nothing is lost or ambiguous.
"""

import re

from vcs.errors import InvalidPath

_ESCAPE = re.compile(rb"\\(\\|x[0-9a-f]{2})")


def quote(path: bytes) -> str:
    """The path as text."""
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f]", lambda m: f"\\x{ord(m[0]):02x}", text)


def unquote(text: str) -> bytes:
    """The path that `quote` wrote as this text; InvalidPath when a backslash stands alone."""
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidPath(path=ascii(text), problem="it is not valid Unicode") from None
    if b"\\" in _ESCAPE.sub(b"", raw):
        raise InvalidPath(path=text, problem=r"a backslash must be written as \\ and a raw byte as \xNN")
    return _ESCAPE.sub(lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1][1:], 16)]), raw)
