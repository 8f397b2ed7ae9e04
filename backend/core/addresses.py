"""Addresses as they came: matched while still percent-encoded.

A slash inside a ref is `%2F` and stays in the ref, while `{path}` at the end of a pattern takes
every slash. Once a path is decoded that difference is gone, so routes never read the decoded one.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from vcs import paths


def raw_path(scope: MutableMapping[str, Any]) -> str:
    """The path of an ASGI request without its query, still percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


def text_of(name: str, raw: str) -> str:
    """One percent-encoded part of an address as text; `path` in the form of `vcs.paths.quote`."""
    content = unquote_to_bytes(raw)
    if name == "path":
        return paths.quote(content)
    # What is not UTF-8 becomes surrogates, which the pipeline refuses by the argument's name.
    return content.decode("utf-8", "surrogateescape")


def address_of(path: str) -> str:
    """A path's text (`vcs.paths.quote`) percent-encoded for an address, its slashes kept."""
    return quote(paths.unquote(path), safe="/")


class Pattern:
    """An address with `{name}` for its arguments; `{path}` at the end may be empty if it is optional."""

    def __init__(self, address: str, *, optional_path: bool = False) -> None:
        lead, marker, tail = address.rpartition("/{path}")
        if not marker or tail:
            self._pattern = re.compile(_segments(address))
        else:
            rest = "(?:/(?P<path>.*))?" if optional_path else "/(?P<path>.+)"
            self._pattern = re.compile(_segments(lead) + rest)

    def arguments(self, raw: str) -> Mapping[str, str] | None:
        """The arguments in a raw path, or None when it is another address."""
        found = self._pattern.fullmatch(raw)
        return {n: text_of(n, part or "") for n, part in found.groupdict().items()} if found else None


def _segments(address: str) -> str:
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(address))
