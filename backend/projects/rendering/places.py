"""Places: where code is, as addresses of pages and of raw bytes.

Pages take a path in the form of `vcs.paths.quote`; raw addresses carry its bytes.
"""

from dataclasses import dataclass
from urllib.parse import quote

from vcs.paths import unquote

_KEPT = "/@:+,;=~!$&()*'"


@dataclass(frozen=True, slots=True)
class Place:
    """A project at a ref. `link` methods give addresses on this forge, ready to be escaped."""

    organization: str
    project: str
    ref: str

    @property
    def project_link(self) -> str:
        """The project's page."""
        return f"/{_segment(self.organization)}/{_segment(self.project)}"

    def file_link(self, path: str) -> str:
        """The page of a file."""
        return f"{self.project_link}/blob/{_segment(self.ref)}/{quote(path, safe='/')}"

    def folder_link(self, path: str) -> str:
        """The page of a folder; the root has the empty path."""
        lead = f"{self.project_link}/tree/{_segment(self.ref)}"
        return f"{lead}/{quote(path, safe='/')}" if path else lead

    def raw_link(self, path: str) -> str:
        """A file's bytes."""
        return f"{self.project_link}/raw/{_segment(self.ref)}/{quote(unquote(path), safe=_KEPT)}"

    def image_link(self, path: str) -> str:
        """A file's bytes for an `img`; an SVG needs to be asked for as an image."""
        return self.raw_link(path) + ("?image=1" if path.lower().endswith(".svg") else "")


def _segment(text: str) -> str:
    return quote(text, safe="@")
